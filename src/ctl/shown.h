/*
 * What is shown of texts that others chose, on a terminal: keys, names, reasons, details.
 *
 * A terminal shows the text and does nothing else: whatever could move its cursor, change its
 * colours, turn the direction of writing or be invisible is written as an escape. '\' is doubled, so
 * that no two texts look alike. Characters that take no column of their own, such as combining
 * accents, are escaped too: nothing normalises keys, and two that look alike are two.
 *
 * Owns nothing. Main thread; the locale tells how wide a character is. Never blocks. Errors: those of
 * the text that is written to.
 */
#pragma once

#include "base/text.h"

/* Which characters the terminal knows besides ASCII. */
enum shown_charset { SHOWN_ASCII, SHOWN_UTF8 };

/* What the locale in force says. */
enum shown_charset shown_charset(void);

/* Appends a text: in SHOWN_ASCII everything else is an escape. Returns the columns that it takes. */
size_t shown_append(struct text *text, enum shown_charset charset, const char *bytes, size_t len);

/* The same of a valid JSON document, whose value stays what it is: what a terminal would act on is
 * within a string there, and is written as \uXXXX. */
void shown_append_json(struct text *text, const char *bytes, size_t len);

/* Columns of what shown_append wrote. */
size_t shown_columns(const char *bytes, size_t len);

/* How many of its bytes fit into so many columns. */
size_t shown_bytes_within(const char *bytes, size_t len, size_t columns);
