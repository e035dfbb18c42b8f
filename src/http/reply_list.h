/*
 * Reply list: the reply to a list of keys.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "http/reply.h"
#include "http/request.h"

/* Replies to EACH, ALL or LIST, if every limit that was named exists. Tokens have been taken by
 * then, so it cannot fail: allocate `room` with malloc, reply_list_room bytes, before the brain is
 * asked. The reply owns it from then on. deny_status: of the reply if ALL is denied. */
size_t reply_list_room(const struct list_question *ask);
void reply_list(struct reply *reply, const struct message *message, unsigned deny_status,
                char *room, const struct serving *serving);

/* The parts that lists have in common, whatever form they are written in: all but the body, whose
 * media type is then JSON's; and, once that is written into `room`, its end. */
void reply_list_begin(struct reply *reply, const struct message *message, unsigned deny_status,
                      const struct serving *serving);
void reply_list_end(struct reply *reply, struct text *body);
