/*
 * Reply list: what is said of a list of keys.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "http/reply.h"

/* An answer to EACH, ALL or LIST that names no limit that does not exist. It cannot
 * fail, tokens having been taken: the room for its body is there before the brain is
 * asked, reply_list_room bytes from malloc, and becomes the reply's. */
size_t reply_list_room(const struct list_question *ask);
void reply_list(struct reply *reply, const struct message *message, char *room);
