/*
 * Reply headers: the fields that tell how many tokens a key has left, and when to come back.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "http/dialect.h"
#include "http/reply.h"
#include "http/request.h"

/* ---- for routes ---- */

/* Adds the fields that the configured dialect has for an answered message about one key. */
static inline void reply_add_rate_limit(struct reply *reply, const struct message *message,
                                        const struct serving *serving)
{
    serving->dialect->add(reply, message, serving);
}

/* The longest wait that these fields tell: 20 days. Clients whose timers count 2^31 ms, such as
 * those of Node.js, take a wait of more than 24.8 days for none and come back at once; some add up
 * to a fifth to what they are told. */
#define RETRY_AFTER_MAX_S UINT64_C(1728000)

/* Adds what each denial has: Retry-After, in seconds, and Retry-After-Ms if that is configured. If
 * the request never succeeds (RETRY_NEVER), it is X-Should-Retry: false. */
void reply_add_retry(struct reply *reply, uint64_t retry_after_ms, const struct serving *serving);

/* The same two numbers of any answer: 0 if the request succeeded, and the longest of each if it never
 * will. */
uint64_t headers_retry_after_s(uint64_t retry_after_ms);
uint64_t headers_retry_after_ms(uint64_t retry_after_ms);

/* ---- for dialects ---- */

/* A time in seconds, rounded up. */
uint64_t headers_ceil_seconds(uint64_t ms);

/* The index of the bucket that holds fewest tokens, for dialects that know one bucket only. */
uint32_t headers_nearest_to_empty(const struct bucket_answer *answer);

/* The reset time of the older dialects: the time until the bucket is full. If an override denies
 * all, it is the time until that ends, or RETRY_NEVER. */
uint64_t headers_reset_ms(const struct bucket_state *bucket);
