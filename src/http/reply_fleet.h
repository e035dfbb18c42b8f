/*
 * Reply fleet: what bodies say of the store that a fleet shares, and of the limits whose buckets are in it.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "actor/fleet_view.h"
#include "base/text.h"
#include "brain/message.h"

/* Writes ,"fleet":{...}; nothing if no limit is of scope fleet. */
void reply_write_fleet(struct text *body, const struct daemon_answer *answer,
                       const struct fleet_view *view);

/* A sentence that says what is amiss and what that means for callers, or NULL: the store is in reach, or no limit
 * is of scope fleet. */
const char *reply_fleet_warning(const struct daemon_answer *answer, const struct fleet_view *view);
