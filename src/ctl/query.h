/*
 * Parameters of a call, as they stand in a URL's query or a form: NAME=VALUE&NAME=VALUE.
 *
 * Owns nothing. Main thread. Never blocks. Errors: those of the text.
 */
#pragma once

#include "base/text.h"

/* Appends a parameter. All but letters, digits and "-._~" is a percent sign and two hexadecimal
 * digits. value NULL: nothing is appended. */
void query_add(struct text *query, const char *name, const char *value);
