/*
 * Reply keys: the list of keys, as JSON.
 *
 * Owns nothing. Any thread. Never blocks. Errors: a 503 when memory is short.
 */
#pragma once

#include "brain/keys.h"
#include "http/reply.h"

void reply_keys(struct reply *reply, const struct keys_answer *answer);
