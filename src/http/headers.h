/*
 * Reply headers: the fields that tell how a key stands, in the dialect its callers know.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "ask/contract.h"
#include "http/reply.h"

/* Adds what the dialect says of the buckets. */
void reply_add_rate_limit(struct reply *reply, const struct bucket_answer *answer,
                          enum headers_dialect dialect);

/* Adds Retry-After, unless that is never. */
void reply_add_retry_after(struct reply *reply, uint64_t retry_after_ms);
