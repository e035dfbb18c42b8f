/*
 * What is shown of an override, as /overrides answers it.
 *
 * Owns nothing. Main thread. Never blocks. Errors: those of the table.
 */
#pragma once

#include "ctl/answer.h"
#include "ctl/columns.h"

/* A table of overrides, and a row of it. */
struct columns override_columns(enum shown_charset charset);
void override_add(struct columns *columns, const json_t *override);
