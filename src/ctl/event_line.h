/*
 * An event as a line for people: when, what, and its members as NAME=VALUE.
 *
 * Owns nothing. Main thread. Never blocks. Errors: those of the text.
 */
#pragma once

#include "ctl/answer.h"

/* Appends the line of an event, as /events tells it, with its end. Texts with blanks or quotes stand in
 * quotes, as in the log. */
void event_line_append(struct text *text, enum shown_charset charset, const json_t *event);
