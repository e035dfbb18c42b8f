/*
 * Reply bucket: what several routes say of one key.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "ask/contract.h"
#include "http/reply.h"

/* An answer that says how a key stands, whatever was asked of it; not BUCKET_NO_SUCH_LIMIT. */
void reply_bucket_status(struct reply *reply, const struct message *message,
                         enum headers_dialect dialect);

/* Begins the body of a denial, up to the policies that are violated, those included. */
void reply_write_denial(struct text *body, unsigned status, const struct bucket_answer *answer);
