/*
 * Quantities as people write them: "10", "100ms", "50/s".
 *
 * Strict on purpose: a number is decimal digits with no sign, space, leading
 * zero, fraction or exponent, so nothing is ever read as something else.
 *
 * Owns nothing. Any thread. Never blocks. Errors: enum quantity; the out
 * parameter is untouched unless the result is QUANTITY_OK.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum quantity {
    QUANTITY_OK,
    QUANTITY_MALFORMED,    /* it is not written as a quantity */
    QUANTITY_OUT_OF_RANGE, /* it is, but is smaller or larger than allowed */
};

/* The largest integer that an HTTP structured field can carry (RFC 9651, 3.3.1). */
#define TOKENS_MAX 999999999999999u

#define MS_PER_S UINT64_C(1000)
#define MS_PER_DAY (MS_PER_S * 24 * 3600)
#define PERIOD_MAX_MS (366 * MS_PER_DAY)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* A refill of `tokens` tokens every `period_ms` milliseconds, evenly spread. */
struct rate {
    uint64_t tokens;    /* 1 to TOKENS_MAX */
    uint64_t period_ms; /* 1 to PERIOD_MAX_MS */
};

/* Reads "0", or digits that do not begin with 0; min and max are allowed themselves. */
enum quantity quantity_parse_number(const char *text, size_t len, uint64_t min, uint64_t max,
                                    uint64_t *number);

/* Reads a number and a unit (ms, s, m, h, d), within [min_ms, max_ms]. */
enum quantity quantity_parse_duration(const char *text, size_t len, uint64_t min_ms,
                                      uint64_t max_ms, uint64_t *duration_ms);

/* Reads NUMBER/UNIT or NUMBER/DURATION: "50/s", "5/100ms". */
enum quantity quantity_parse_rate(const char *text, size_t len, struct rate *rate);

/* Bytes that the two functions below write at most, the NUL included. */
#define QUANTITY_TEXT_MAX 48

/* Writes a duration in the largest unit that divides it: 60000 is "1m". */
void quantity_print_duration(uint64_t duration_ms, char text[QUANTITY_TEXT_MAX]);

/* Writes a rate in the form that quantity_parse_rate reads. */
void quantity_print_rate(const struct rate *rate, char text[QUANTITY_TEXT_MAX]);

/* The greatest one; of 0 and a number it is the number. */
uint64_t quantity_common_divisor(uint64_t a, uint64_t b);
