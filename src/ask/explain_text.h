/*
 * Explain text: an explanation in sentences, for a person: the same for a route and for a terminal.
 *
 * Owns nothing. Any thread. Never blocks. Errors: those of the text.
 */
#pragma once

#include "ask/explanation.h"
#include "base/text.h"

/* Appends sentences, a line each. Names and keys stand in quotes, and what could turn a line or control a
 * terminal is escaped in them. */
void explain_text_write(struct text *text, const struct explanation *explanation);
