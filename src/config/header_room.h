/*
 * The room for the header of a request, whose default depends on who asks: services send few fields, but a
 * proxy passes to a check all that a browser sends.
 *
 * Owns nothing. Any thread. Never blocks. Errors: faults.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

void config_header_room_check(const struct raw_config *raw, struct faults *faults,
                              struct config *config);
void config_header_room_print(const struct config *config, FILE *out);

/* What the warning calls it: its default changes with the first check, which looks like no change of it. */
#define CONFIG_HEADER_ROOM_AT_START "header_room, which by default is larger if there are checks,"

/* Whether what was started with is not what the next configuration wants. */
bool config_header_room_differs(const struct config *now, const struct config *next);
