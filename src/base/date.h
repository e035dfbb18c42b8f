/*
 * Dates: points in time as RFC 3339 writes them, and as libraries write those; read strictly. And as
 * HTTP writes them.
 *
 * Owns nothing. Any thread. Never blocks. Errors: enum date.
 */
#pragma once

#include <stdint.h>

enum date {
    DATE_OK,
    DATE_MALFORMED,    /* it does not look like a date at all */
    DATE_NONEXISTENT,  /* it looks like one, but is the 30th of February, or has a second 60 */
    DATE_OUT_OF_RANGE, /* its year, as written or in UTC, is not 1970 to 9999 */
};

/* Reads "2026-12-31T23:59:59Z", or the same with an offset such as "+01:00" in place of Z. As many
 * writers of YAML have it, a blank may stand in place of T, a fraction of zeros behind the seconds,
 * and then a blank: "2026-12-31 23:59:59.000 +00:00".
 * *unix_s is untouched unless the result is DATE_OK. */
enum date date_parse(const char *text, int64_t *unix_s);

/* Bytes that date_print writes at most, the NUL included. */
#define DATE_TEXT_MAX 21

/* Writes a time, which must be one that date_parse can give, in UTC: "2026-12-31T23:59:59Z". */
void date_print(int64_t unix_s, char text[DATE_TEXT_MAX]);

/* The same for date_print_http: "Thu, 31 Dec 2026 23:59:59 GMT" (RFC 9110, 5.6.7). */
#define DATE_HTTP_MAX 30
void date_print_http(int64_t unix_s, char text[DATE_HTTP_MAX]);
