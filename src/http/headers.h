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

/* Adds Retry-After, in seconds. If the request never succeeds (RETRY_NEVER), adds nothing. */
void reply_add_retry_after(struct reply *reply, uint64_t retry_after_ms);
