/*
 * Reply reload: what POST /reload says of how it went.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "actor/reload.h"
#include "http/reply.h"

void reply_reload(struct reply *reply, const struct reload_report *report);
