/*
 * Lists: turns the body of a batch into a question about many keys, and the answer into a reply.
 *
 * Routes that take lists use it, and choose the kind of the message themselves.
 *
 * Owns nothing: the request does. One thread. Never blocks. Errors: list_parse refuses the
 * request; once a list has been asked, its reply cannot fail.
 */
#pragma once

#include "http/request.h"

/* Reads the body, which is in lines or else JSON, and fills in all of the message but its kind; or
 * refuses the request. */
void list_parse(struct request *request, bool is_lines);

/* What a list costs in a turn, by the length of its body: see route->cost. */
size_t list_cost(const struct request *request);

/* Writes the reply. */
void list_reply(struct request *request, const struct serving *serving);
