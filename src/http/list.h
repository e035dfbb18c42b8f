/*
 * Lists: from the body of a batch to a question about many keys, and from the answer to a reply.
 *
 * For the routes that take lists: what is asked of each key is theirs to say.
 *
 * Owns nothing: the request does. One thread. Never blocks. Errors: a refusal; but once a
 * list has been asked, its reply cannot fail.
 */
#pragma once

#include "http/request.h"

/* Makes the body a list, all but the kind of the message, or refuses. */
void list_parse(struct request *request);

/* What a body costs in a turn that is, or would be, a list. */
size_t list_cost(const struct request *request);

/* Writes the reply. */
void list_reply(struct request *request);
