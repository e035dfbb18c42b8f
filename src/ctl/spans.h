/*
 * Times and numbers as people read them: "350 ms", "12.3 s", "4 min 10 s"; "1,234,567".
 *
 * Owns nothing. Any thread. Never blocks. Errors: those of the text.
 */
#pragma once

#include "base/text.h"

/* Appends a time, rounded down to what is worth telling; a number with a comma between thousands. */
void span_append_ns(struct text *text, uint64_t ns);
void span_append_ms(struct text *text, uint64_t ms);
void span_append_number(struct text *text, uint64_t number);
