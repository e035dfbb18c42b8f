/*
 * Wordings: texts that a check answers with, with numbers in them.
 *
 * In a wording {retry_after}, {retry_after_ms}, {reset_after}, {remaining} and {burst} stand for
 * numbers, and "{{" and "}}" for braces. A number is digits only, so a wording that is JSON stays
 * JSON.
 *
 * Owns nothing. Any thread. Never blocks. Errors: wording_is_valid says what is wrong.
 */
#pragma once

#include "ask/check.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wording_numbers {
    uint64_t retry_after_s;  /* as Retry-After tells it */
    uint64_t retry_after_ms; /* as Retry-After-Ms would */
    uint64_t reset_after_s;  /* until all buckets are full, rounded up */
    uint64_t remaining;      /* tokens, in the bucket that holds fewest */
    uint64_t burst;          /* tokens, the most that a request can take */
};

/* false: `fault` says what is wrong and what is allowed. */
bool wording_is_valid(const char *wording, char fault[CHECK_FAULT_MAX]);

/* The most bytes that a valid wording becomes. */
size_t wording_longest(const char *wording);

/* Appends a valid wording with these numbers. */
void wording_write(struct text *text, const char *wording, const struct wording_numbers *numbers);
