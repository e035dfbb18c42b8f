/*
 * Explain JSON: an explanation as one object.
 *
 * Owns nothing. Any thread. Never blocks. Errors: those of the text.
 */
#pragma once

#include "ask/explanation.h"
#include "base/text.h"

/* Appends the object to a growing text. */
void explain_json_write(struct text *text, const struct explanation *explanation);
