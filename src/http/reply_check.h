/*
 * Reply check: how a check answers, in the usual form or as the configuration writes it out.
 *
 * Owns nothing. Any thread. Never blocks. Never fails: a check is built only if its longest answer
 * has room in a reply.
 */
#pragma once

#include "http/reply.h"
#include "http/request.h"

/* Replies to a request that the buckets of its key have decided about. The message is answered, and
 * not with BUCKET_NO_SUCH_LIMIT or another of those in which nothing was done. The reply borrows from the check. */
void reply_check_bucket(struct reply *reply, const struct check *check,
                        const struct message *message, const struct serving *serving);

/* Replies to one that no bucket was asked about: it passes uncounted, or it lacks a part of the key.
 */
void reply_check_skipped(struct reply *reply, const struct check *check);
void reply_check_missing(struct reply *reply, const struct check *check,
                         const struct serving *serving);
