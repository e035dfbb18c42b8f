/*
 * Reply daemon: what /status says without a key: the limits in force, and counters.
 *
 * Owns nothing. Any thread. Never blocks. Errors: it replies 503 if memory is short.
 */
#pragma once

#include "http/reply.h"

void reply_daemon(struct reply *reply, const struct daemon_answer *answer);
