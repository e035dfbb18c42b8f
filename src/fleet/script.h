/*
 * The script: what a store runs for each call (script.lua, which says what it does), as one string.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

extern const char fleet_script[]; /* NUL-terminated */
