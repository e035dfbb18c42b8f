/*
 * Back-off: how long to wait before the next try to connect.
 *
 * With full jitter: each wait is anything from the least to a bound that doubles with each failure, up to the most.
 * So the sidecars of a fleet, whose store came back for all of them at once, do not come all at once.
 *
 * Owns nothing. One thread. Never blocks. Never fails.
 */
#pragma once

#include <stdint.h>

struct backoff {
    uint32_t min_ms, max_ms; /* min_ms <= max_ms */
    unsigned failures;       /* in a row */
    uint64_t random;         /* of which the next draw is made; any value at first */
};

/* The bound of the last wait; min_ms if there was none. */
uint32_t backoff_bound_ms(const struct backoff *backoff);

/* How long to wait now, after one failure more. */
uint32_t backoff_ms(struct backoff *backoff);

/* Call it once a connection has been of use. */
void backoff_reset(struct backoff *backoff);
