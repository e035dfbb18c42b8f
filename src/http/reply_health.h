/*
 * Reply health: what /healthz and /readyz say, and what that was measured by.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "http/reply.h"
#include "http/route.h"

/* The state thread has answered, after so long. draining: allowd is about to end.
 * lost_state: see struct daemon_answer. */
void reply_health(struct reply *reply, enum route_purpose purpose, bool draining,
                  const char *lost_state, uint64_t waited_ms);

/* It has not, so long after it was asked. */
void reply_health_stalled(struct reply *reply, uint64_t waited_ms);
