/*
 * Dates: points in time as RFC 3339 writes them, read strictly.
 *
 * Owns nothing. Any thread. Never blocks. Errors: enum date.
 */
#pragma once

#include <stdint.h>

enum date {
    DATE_OK,
    DATE_MALFORMED,    /* not of the form at all */
    DATE_NONEXISTENT,  /* of the form, but the 30th of February, or a second 60 */
    DATE_OUT_OF_RANGE, /* its year, or that of the same time in UTC, is not 1970 to 9999 */
};

/* Reads "2026-12-31T23:59:59Z" or the same with an offset in place of Z, "+01:00",
 * as Unix seconds, which are untouched unless the result is DATE_OK. */
enum date date_parse(const char *text, int64_t *unix_s);

/* Room for date_print, terminating NUL included. */
#define DATE_TEXT_MAX 21

/* Writes a time that date_parse can give in the form that it reads, in UTC. */
void date_print(int64_t unix_s, char text[DATE_TEXT_MAX]);
