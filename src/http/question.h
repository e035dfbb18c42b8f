/*
 * Questions: helpers for routes and parsers, which make a request either a message or a refusal.
 *
 * Owns nothing: the request does. One thread. Never blocks. Errors: the request is refused.
 */
#pragma once

#include "http/request.h"

/* Refuses a request. Only its first fault counts, because others may follow from that one. */
void request_refuse(struct request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes the reply that tells the fault. */
void request_reply_fault(struct request *request);

/* Fills in a message about one key. Without a key the request is refused. */
void request_ask_bucket(struct request *request, enum message_kind kind);

/* If nothing was done because the question about a key does not suit its limit, or what was asked
 * before, or because it waits no more in a drain, writes the reply that says so and returns true. */
bool request_refuse_undone(struct request *request);
static inline bool request_reply_undone(struct request *request)
{
    return request->message.answer.bucket.result != BUCKET_ALLOWED &&
           request_refuse_undone(request);
}

/* Refuses the request if it is to wait for longer than the contract lets it. */
void request_judge_wait(struct request *request);

/* Fills in a message that asks how the daemon is. */
void request_ask_daemon(struct request *request);

/* Allocates room for a large answer; it is freed once the reply is written. NULL: there is no
 * memory, and the request is refused. */
void *request_take_room(struct request *request, size_t bytes);
