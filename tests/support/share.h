/*
 * A share of many cases, for a test that would take too long with all of them.
 *
 * ALLOWD_SHARE=3/8 takes the third of eight shares; unset, or "all", takes every case. Tests are run with the share
 * that the commit names (tests/share), so that commits take turns and a run can be repeated.
 *
 * Owns nothing. Never blocks. Exits at an ALLOWD_SHARE that is none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Whether this case, counted from 0, belongs to the share. */
bool share_has(uint64_t index);
