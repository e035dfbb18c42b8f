/*
 * Reply headers: the fields that tell how many tokens a key has left, in the configured dialect.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "ask/contract.h"
#include "http/reply.h"

/* Adds the fields that the dialect has for these buckets. */
void reply_add_rate_limit(struct reply *reply, const struct bucket_answer *answer,
                          enum headers_dialect dialect);

/* The longest wait that Retry-After tells: 20 days. Clients whose timers count 2^31 ms, such as
 * those of Node.js, take a wait of more than 24.8 days for none and come back at once; some add up
 * to a fifth to what they are told. */
#define RETRY_AFTER_MAX_S UINT64_C(1728000)

/* Adds Retry-After, in seconds. If the request never succeeds (RETRY_NEVER), adds nothing. */
void reply_add_retry_after(struct reply *reply, uint64_t retry_after_ms);
