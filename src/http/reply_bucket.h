/*
 * Reply bucket: the parts of a reply about one key that several routes share.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "http/reply.h"
#include "http/request.h"

/* Writes how many tokens a key has left, whatever was asked. The answer must not be
 * BUCKET_NO_SUCH_LIMIT, or another of those in which nothing was done. */
void reply_bucket_status(struct reply *reply, const struct message *message,
                         const struct serving *serving);

/* Writes what was decided of an ALLOW or an ACQUIRE: 200, or deny_status. */
void reply_bucket_decided(struct reply *reply, const struct message *message, unsigned deny_status,
                          const struct serving *serving);

/* A route's reply: replies to a request that has changed how many tokens a key has left. */
void reply_bucket_changed(struct request *request, const struct serving *serving);

/* Begins the body of a denial: all members up to "violated-policies", which is the last. */
void reply_write_denial(struct text *body, unsigned status, const struct bucket_answer *answer);
