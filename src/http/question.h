/*
 * Questions: what routes, and what parses for them, do to make a request a message or a refusal.
 *
 * Owns nothing: the request does. One thread. Never blocks. Errors: a refusal.
 */
#pragma once

#include "http/request.h"

/* Remembers what is wrong with a request: the first fault only, for others may follow from it. */
void request_refuse(struct request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes the reply that says what is wrong. */
void request_reply_fault(struct request *request);

/* Asks about one key, which must be there. */
void request_ask_bucket(struct request *request, enum message_kind kind);

/* Writes the reply that no limit has the name that was asked for, if that is the answer about
 * a key; else false. */
bool request_reply_no_such_limit(struct request *request);

/* Asks how the whole is. */
void request_ask_daemon(struct request *request);

/* Room for a large answer, which is given back once that is a reply. NULL: no memory, and it
 * is refused. */
void *request_take_room(struct request *request, size_t bytes);
