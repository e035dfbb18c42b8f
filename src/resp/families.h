/*
 * Families of commands: the functions that the table of commands.c names, a file a family, and what they
 * share. Each makes a message of a command, or answers at once.
 *
 * Owns nothing. One thread. Never blocks. Errors: the call is refused, which is its answer.
 */
#pragma once

#include "ask/fault_text.h"
#include "resp/commands.h"

#include <strings.h>

typedef void command_function(const struct command *command, struct call *call,
                              struct session *session, const struct resp_rules *rules);

/* ---- family_buckets.c: questions about a key ---- */

command_function call_allow, call_reset, call_refund, call_charge, call_status;

/* ---- family_throttle.c: the question that brings its limit along ---- */

command_function call_throttle;

/* ---- family_session.c: the connection, and what clients ask when they connect ---- */

command_function call_auth, call_hello, call_client, call_command, call_ping, call_echo,
    call_select, call_info, call_quit;

/* ---- for all of them ---- */

/* Takes a key, which asks for one token until something else is said. false: the call is refused. */
bool call_take_key(struct call *call, const struct argument *argument);

static inline bool argument_is(const struct argument *argument, const char *word)
{
    return argument->len == strlen(word) && strncasecmp(argument->text, word, argument->len) == 0;
}

static inline struct shown shown_argument(const struct argument *argument)
{
    return show(argument->text, argument->len);
}
