/*
 * Reply daemon: what /status says of the whole: limits in force, and counters.
 *
 * Owns nothing. Any thread. Never blocks. Errors: a 503 when memory is short.
 */
#pragma once

#include "http/reply.h"

void reply_daemon(struct reply *reply, const struct daemon_answer *answer);
