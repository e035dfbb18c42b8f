/*
 * Commands: which there are, and what each asks or answers.
 *
 * Owns nothing. One thread. Never blocks. Errors: the call is refused, which is its answer.
 */
#pragma once

#include "resp/call.h"
#include "resp/parse.h"
#include "resp/session.h"

/* What a command is counted as. */
enum command_family {
    COMMAND_ALLOW,   /* asks whether a key may go on */
    COMMAND_ADMIN,   /* RESET, REFUND, CHARGE and STATUS */
    COMMAND_SESSION, /* about the connection */
    COMMAND_UNKNOWN,
};

/* Makes a call of a command, which is not empty. If it is done then, the client has its answer; else
 * its message goes to the decider. The call must be all zeros, or have been used before. */
enum command_family command_call(const struct command *command, struct call *call,
                                 struct session *session, const struct resp_rules *rules);
