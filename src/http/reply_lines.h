/*
 * Reply lines: the reply to a list of keys in the compact form, a line for each.
 *
 *   of /allow:   ALLOWED REMAINING RETRY_AFTER_MS RESET_AFTER_MS [REASON]
 *   of /status:  REMAINING OWED RESET_AFTER_MS
 *
 * with a tab between two fields; ALLOWED is 1 or 0. Where JSON has null there is a '-'. A version may
 * get more fields, behind these.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "http/reply.h"
#include "http/request.h"

/* The same as those of reply_list.h. */
size_t reply_lines_room(const struct list_question *ask);
void reply_lines(struct reply *reply, const struct message *message, unsigned deny_status,
                 char *room, const struct serving *serving);
