#include "resp/commands.h"

#include "resp/families.h"

#include <string.h>

struct row {
    const char *name;
    unsigned min, max; /* words, its name included */
    enum command_family family;
    command_function *call;
    const char *usage;
};

/* Those that are called most come first. */
static const struct row rows[] = {
    {"ALLOW", 2, 7, COMMAND_ALLOW, call_allow, "ALLOW key [tokens] [LIMIT name] [WAIT ms]"},
    {"CL.THROTTLE", 5, 6, COMMAND_ALLOW, call_throttle,
     "CL.THROTTLE key max_burst count period [quantity]"},
    {"CHARGE", 2, 5, COMMAND_ADMIN, call_charge, "CHARGE key tokens [LIMIT name]"},
    {"REFUND", 2, 5, COMMAND_ADMIN, call_refund, "REFUND key [tokens] [LIMIT name]"},
    {"RESET", 2, 4, COMMAND_ADMIN, call_reset, "RESET key [LIMIT name]"},
    {"STATUS", 2, 4, COMMAND_ADMIN, call_status, "STATUS key [LIMIT name]"},
    {"PING", 1, 2, COMMAND_SESSION, call_ping, "PING [text]"},
    {"HELLO", 1, COMMAND_ARGS_MAX, COMMAND_SESSION, call_hello,
     "HELLO [2|3] [AUTH default TOKEN] [SETNAME name]"},
    {"AUTH", 2, 3, COMMAND_SESSION, call_auth, "AUTH TOKEN"},
    {"CLIENT", 2, COMMAND_ARGS_MAX, COMMAND_SESSION, call_client, "CLIENT ID"},
    {"COMMAND", 1, COMMAND_ARGS_MAX, COMMAND_SESSION, call_command, "COMMAND DOCS"},
    {"ECHO", 2, 2, COMMAND_SESSION, call_echo, "ECHO text"},
    {"SELECT", 2, 2, COMMAND_SESSION, call_select, "SELECT 0"},
    {"INFO", 1, COMMAND_ARGS_MAX, COMMAND_SESSION, call_info, "INFO"},
    {"QUIT", 1, 1, COMMAND_SESSION, call_quit, "QUIT"},
};

static const struct row *find(const struct argument *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (argument_is(name, rows[i].name))
            return &rows[i];
    return NULL;
}

/* A page in a browser can send lines to any port, as the header of a request. None of them is taken
 * for a command, because the first one, POST or another, ends the connection. */
static void refuse_unknown(const struct command *command, struct call *call,
                           struct session *session)
{
    call_refuse(call, "ERR", "unknown command '%s'; allowd-resp(7) lists those that there are",
                shown_argument(&command->args[0]).text);
    session->ends |= command->is_line;
}

static bool is_token_shown(const struct secret *token, const struct session *session)
{
    return session->token.is_set &&
           memcmp(session->token.hash, token->hash, sizeof token->hash) == 0;
}

/* Refuses what only admins may do, as access.h does for HTTP. */
static bool refuse_stranger(struct call *call, const struct session *session,
                            const struct resp_rules *rules)
{
    const struct secret *token = &rules->contract->admin_token;
    if (rules->admin_apart)
        call_refuse(call, "NOPERM",
                    "this command is not served here, because admin_listen is configured; call it "
                    "over HTTP at one of its addresses");
    else if (token->is_set && !is_token_shown(token, session))
        call_refuse(call, "NOAUTH",
                    "this command needs the token of admin_token_file; say AUTH "
                    "TOKEN before it");
    return call->is_done;
}

enum command_family command_call(const struct command *command, struct call *call,
                                 struct session *session, const struct resp_rules *rules)
{
    const struct row *row = find(&command->args[0]);
    call->is_done = false;
    if (row == NULL) {
        refuse_unknown(command, call, session);
        return COMMAND_UNKNOWN;
    }
    if (row->family == COMMAND_ADMIN && refuse_stranger(call, session, rules))
        return row->family;
    if (command->count < row->min || command->count > row->max)
        call_refuse(call, "ERR", "wrong number of arguments; say %s", row->usage);
    else
        row->call(command, call, session, rules);
    return row->family;
}
