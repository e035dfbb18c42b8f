#include "resp/commands.h"

#include "ask/fault_text.h"
#include "base/quantity.h"
#include "limits/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { THROTTLE_INTERVAL_MIN_NS = 1000 };

static const char no_protocol[] = "allowd speaks RESP2 and RESP3; say HELLO 2 or HELLO 3";

static bool argument_is(const struct argument *argument, const char *word)
{
    return argument->len == strlen(word) && strncasecmp(argument->text, word, argument->len) == 0;
}

static struct shown shown_argument(const struct argument *argument)
{
    return show(argument->text, argument->len);
}

static void reply_literal(struct call *call, const char *reply)
{
    struct text text = call_begin_reply(call);
    text_string(&text, reply);
    call_end_reply(call, &text);
}

static void write_bulk(struct text *text, const char *bytes, size_t len)
{
    text_literal(text, "$");
    text_number(text, len);
    text_literal(text, "\r\n");
    text_bytes(text, bytes, len);
    text_literal(text, "\r\n");
}

/* An array, or of RESP3 a map, which counts pairs. */
static void write_map_header(struct text *text, const struct session *session, unsigned pairs)
{
    text_string(text, session->protocol == 3 ? "%" : "*");
    text_number(text, session->protocol == 3 ? pairs : 2 * pairs);
    text_literal(text, "\r\n");
}

/* ---- questions about a key ---- */

static bool take_key(struct call *call, const struct argument *argument)
{
    enum key_fault fault = key_check(argument->text, argument->len);
    if (fault != KEY_OK) {
        call_refuse(call, "ERR", "%s", fault_text_key(fault));
        return false;
    }
    memcpy(call->key, argument->text, argument->len);
    call->key[argument->len] = '\0';
    call->message.once = NULL;
    call->message.ask.bucket =
        (struct bucket_question){.key = call->key, .key_len = argument->len, .tokens = 1};
    return true;
}

static bool take_tokens(struct call *call, const struct argument *argument)
{
    if (quantity_parse_number(argument->text, argument->len, 0, TOKENS_MAX,
                              &call->message.ask.bucket.tokens) == QUANTITY_OK)
        return true;
    char quoted[sizeof(struct shown) + 2];
    snprintf(quoted, sizeof quoted, "\"%s\"", shown_argument(argument).text);
    call_refuse(call, "ERR", FAULT_TOKENS, quoted, (uint64_t)TOKENS_MAX);
    return false;
}

static bool take_limit(struct call *call, const struct argument *argument)
{
    struct bucket_question *ask = &call->message.ask.bucket;
    if (!limit_name_is_valid(argument->text, argument->len)) {
        call_refuse(call, "ERR", "there can be no limit named \"%s\"",
                    shown_argument(argument).text);
        return false;
    }
    memcpy(call->limit_name, argument->text, argument->len);
    call->limit_name[argument->len] = '\0';
    ask->limit_name = call->limit_name;
    ask->limit_name_len = argument->len;
    return true;
}

static bool take_wait(struct call *call, const struct argument *argument,
                      const struct resp_rules *rules)
{
    uint64_t *wait_ms = &call->message.ask.bucket.wait_ms;
    const uint32_t most_ms = rules->contract->wait_max_ms;
    if (quantity_parse_number(argument->text, argument->len, 0, most_ms, wait_ms) == QUANTITY_OK)
        return true;
    if (most_ms == 0)
        call_refuse(call, "ERR", "nobody may wait here, because wait_max is 0; leave WAIT out");
    else
        call_refuse(call, "ERR",
                    "WAIT is \"%s\"; give milliseconds, at most the %" PRIu32 " of wait_max",
                    shown_argument(argument).text, most_ms);
    return false;
}

/* The options behind key and tokens, each with its value: LIMIT, and WAIT where `waits` says so. */
static bool take_options(const struct command *command, unsigned at, bool waits, struct call *call,
                         const struct resp_rules *rules)
{
    bool has_limit = false, has_wait = false;
    for (; at < command->count; at += 2) {
        const struct argument *name = &command->args[at], *value = name + 1;
        bool is_limit = argument_is(name, "LIMIT"), is_wait = waits && argument_is(name, "WAIT");
        if ((!is_limit && !is_wait) || at + 1 == command->count || (is_limit && has_limit) ||
            (is_wait && has_wait)) {
            call_refuse(call, "ERR", "syntax error at \"%s\"; behind %s there may be %s",
                        shown_argument(name).text, shown_argument(&command->args[0]).text,
                        waits ? "LIMIT name and WAIT ms" : "LIMIT name");
            return false;
        }
        if (!(is_limit ? take_limit(call, value) : take_wait(call, value, rules)))
            return false;
        has_limit |= is_limit;
        has_wait |= is_wait;
    }
    return true;
}

/* Whether tokens stand behind the key: anything that is no option is taken for them. */
static bool has_tokens(const struct command *command)
{
    return command->count > 2 && !argument_is(&command->args[2], "LIMIT") &&
           !argument_is(&command->args[2], "WAIT");
}

/* Takes what all of them take. */
static bool take_question(const struct command *command, enum message_kind kind, bool takes_tokens,
                          struct call *call, const struct resp_rules *rules)
{
    call->message.kind = kind;
    if (!take_key(call, &command->args[1]))
        return false;
    bool tells_tokens = takes_tokens && has_tokens(command);
    if (tells_tokens && !take_tokens(call, &command->args[2]))
        return false;
    return take_options(command, tells_tokens ? 3 : 2, kind == MESSAGE_ALLOW, call, rules);
}

static void call_allow(const struct command *command, struct call *call, struct session *session,
                       const struct resp_rules *rules)
{
    (void)session;
    if (take_question(command, MESSAGE_ALLOW, true, call, rules) &&
        call->message.ask.bucket.wait_ms > 0 && call->message.ask.bucket.tokens == 0)
        call_refuse(call, "ERR", "tokens is 0, and nobody waits for none; leave WAIT out");
}

/* A number of CL.THROTTLE. */
static bool take_number(const struct argument *argument, const char *name, uint64_t min,
                        struct call *call, uint64_t *number)
{
    if (quantity_parse_number(argument->text, argument->len, min, TOKENS_MAX, number) ==
        QUANTITY_OK)
        return true;
    call_refuse(call, "ERR", "%s is \"%s\"; give a whole number from %" PRIu64 " to %" PRIu64, name,
                shown_argument(argument).text, min, (uint64_t)TOKENS_MAX);
    return false;
}

/* Whether the limit can be counted in nanoseconds: refused if not. */
static bool take_rate(uint64_t max_burst, uint64_t count, uint64_t period_s, struct call *call)
{
    struct throttle_question *ask = &call->message.ask.throttle;
    uint64_t period_ns = 0, full_ns = 0;
    ask->burst = max_burst + 1;
    bool is_long = __builtin_mul_overflow(period_s, NS_PER_S, &period_ns) ||
                   __builtin_mul_overflow(ask->burst, period_ns / count, &full_ns) ||
                   full_ns > THROTTLE_MOST_NS;
    ask->interval_ns = period_ns / count;
    if (is_long)
        call_refuse(call, "ERR",
                    "(max_burst + 1) * period / count is more than a hundred years; make the burst "
                    "or the period smaller");
    else if (ask->interval_ns < THROTTLE_INTERVAL_MIN_NS)
        call_refuse(call, "ERR", "count / period is more than 1000000 a second; make it less");
    return !call->is_done;
}

static void call_throttle(const struct command *command, struct call *call, struct session *session,
                          const struct resp_rules *rules)
{
    (void)session;
    (void)rules;
    uint64_t max_burst, count, period_s, tokens = 1;
    if (!take_key(call, &command->args[1]) ||
        !take_number(&command->args[2], "max_burst", 0, call, &max_burst) ||
        !take_number(&command->args[3], "count", 1, call, &count) ||
        !take_number(&command->args[4], "period", 1, call, &period_s) ||
        (command->count == 6 && !take_number(&command->args[5], "quantity", 0, call, &tokens)) ||
        !take_rate(max_burst, count, period_s, call))
        return;
    call->message.kind = MESSAGE_GCRA;
    call->message.ask.throttle.key = call->key;
    call->message.ask.throttle.key_len = command->args[1].len;
    call->message.ask.throttle.tokens = tokens;
}

static void call_reset(const struct command *command, struct call *call, struct session *session,
                       const struct resp_rules *rules)
{
    (void)session;
    take_question(command, MESSAGE_RESET, false, call, rules);
}

static void call_refund(const struct command *command, struct call *call, struct session *session,
                        const struct resp_rules *rules)
{
    (void)session;
    take_question(command, MESSAGE_REFUND, true, call, rules);
}

/* No number is assumed: what a caller forgets to say would be charged wrongly. */
static void call_charge(const struct command *command, struct call *call, struct session *session,
                        const struct resp_rules *rules)
{
    (void)session;
    if (!has_tokens(command))
        call_refuse(call, "ERR", "tokens is missing; say CHARGE key tokens");
    else if (take_question(command, MESSAGE_CHARGE, true, call, rules) &&
             call->message.ask.bucket.tokens == 0)
        call_refuse(call, "ERR", "tokens is 0; give the number to charge, 1 or more");
}

static void call_status(const struct command *command, struct call *call, struct session *session,
                        const struct resp_rules *rules)
{
    (void)session;
    take_question(command, MESSAGE_STATUS, false, call, rules);
}

/* ---- the session ---- */

/* false: the call is refused. Any user is one who has the token; others have none to show. */
static bool take_token(const struct argument *user, const struct argument *token, struct call *call,
                       struct session *session, const struct resp_rules *rules)
{
    const struct secret *secret = &rules->contract->admin_token;
    if (!secret->is_set)
        call_refuse(call, "ERR", "AUTH is not needed, because no admin_token_file is configured");
    else if (user != NULL && !argument_is(user, "default"))
        call_refuse(call, "WRONGPASS", "there is no user but \"default\"");
    else if (!secret_matches(secret, token->text, token->len))
        call_refuse(call, "WRONGPASS", "the token is not that of admin_token_file");
    else {
        session->token = *secret;
        return true;
    }
    return false;
}

static void call_auth(const struct command *command, struct call *call, struct session *session,
                      const struct resp_rules *rules)
{
    bool has_user = command->count == 3;
    if (take_token(has_user ? &command->args[1] : NULL, &command->args[1 + has_user], call, session,
                   rules))
        reply_literal(call, "+OK\r\n");
}

static void reply_hello(struct call *call, const struct session *session)
{
    struct text text = call_begin_reply(call);
    write_map_header(&text, session, 7);
    text_literal(&text, "$6\r\nserver\r\n$6\r\nallowd\r\n$7\r\nversion\r\n");
    write_bulk(&text, PACKAGE_VERSION, strlen(PACKAGE_VERSION));
    text_literal(&text, "$5\r\nproto\r\n:");
    text_number(&text, session->protocol);
    text_literal(&text, "\r\n$2\r\nid\r\n:");
    text_number(&text, session->id);
    text_literal(&text, "\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
                        "$7\r\nmodules\r\n*0\r\n");
    call_end_reply(call, &text);
}

/* Nothing is agreed on unless all of it is right. */
static void call_hello(const struct command *command, struct call *call, struct session *session,
                       const struct resp_rules *rules)
{
    uint64_t protocol = session->protocol;
    struct session next = *session;
    if (command->count > 1 && quantity_parse_number(command->args[1].text, command->args[1].len, 2,
                                                    3, &protocol) != QUANTITY_OK) {
        call_refuse(call, "NOPROTO", "%s", no_protocol);
        return;
    }
    for (unsigned at = 2; at < command->count;) {
        const struct argument *name = &command->args[at];
        unsigned left = command->count - at;
        if (argument_is(name, "AUTH") && left >= 3) {
            if (!take_token(name + 1, name + 2, call, &next, rules))
                return;
            at += 3;
        } else if (argument_is(name, "SETNAME") && left >= 2) {
            at += 2;
        } else {
            call_refuse(call, "ERR", "syntax error at \"%s\" in HELLO", shown_argument(name).text);
            return;
        }
    }
    next.protocol = (unsigned)protocol;
    *session = next;
    reply_hello(call, session);
}

/* Names of clients are not kept: nobody could ask for them. */
static void call_client(const struct command *command, struct call *call, struct session *session,
                        const struct resp_rules *rules)
{
    (void)rules;
    const struct argument *what = &command->args[1];
    if ((argument_is(what, "SETINFO") && command->count == 4) ||
        (argument_is(what, "SETNAME") && command->count == 3)) {
        reply_literal(call, "+OK\r\n");
    } else if (argument_is(what, "GETNAME") && command->count == 2) {
        reply_literal(call, session->protocol == 3 ? "_\r\n" : "$-1\r\n");
    } else if (argument_is(what, "ID") && command->count == 2) {
        struct text text = call_begin_reply(call);
        text_literal(&text, ":");
        text_number(&text, session->id);
        text_literal(&text, "\r\n");
        call_end_reply(call, &text);
    } else {
        call_refuse(call, "ERR", "CLIENT knows SETINFO, SETNAME, GETNAME and ID, not this \"%s\"",
                    shown_argument(what).text);
    }
}

/* There is none to tell of: that of DOCS would be a map. */
static void call_command(const struct command *command, struct call *call, struct session *session,
                         const struct resp_rules *rules)
{
    (void)rules;
    if (command->count > 1 && argument_is(&command->args[1], "COUNT"))
        reply_literal(call, ":0\r\n");
    else if (command->count > 1 && argument_is(&command->args[1], "DOCS") && session->protocol == 3)
        reply_literal(call, "%0\r\n");
    else
        reply_literal(call, "*0\r\n");
}

static void reply_argument(struct call *call, const struct argument *argument)
{
    if (argument->len > CALL_REPLY_MAX - sizeof "$512\r\n\r\n") {
        call_refuse(call, "ERR", "the text to send back is too long");
        return;
    }
    struct text text = call_begin_reply(call);
    write_bulk(&text, argument->text, argument->len);
    call_end_reply(call, &text);
}

static void call_ping(const struct command *command, struct call *call, struct session *session,
                      const struct resp_rules *rules)
{
    (void)session;
    (void)rules;
    if (command->count > 1)
        reply_argument(call, &command->args[1]);
    else
        reply_literal(call, "+PONG\r\n");
}

static void call_echo(const struct command *command, struct call *call, struct session *session,
                      const struct resp_rules *rules)
{
    (void)session;
    (void)rules;
    reply_argument(call, &command->args[1]);
}

static void call_select(const struct command *command, struct call *call, struct session *session,
                        const struct resp_rules *rules)
{
    (void)session;
    (void)rules;
    if (argument_is(&command->args[1], "0"))
        reply_literal(call, "+OK\r\n");
    else
        call_refuse(call, "ERR", "there is no database but 0");
}

/* Some clients ask at connect whether the server has read its data. */
static void call_info(const struct command *command, struct call *call, struct session *session,
                      const struct resp_rules *rules)
{
    static const char info[] = "# Server\r\nserver_name:allowd\r\nallowd_version:" PACKAGE_VERSION
                               "\r\nredis_mode:standalone\r\n# Persistence\r\nloading:0\r\n"
                               "# Replication\r\nrole:master\r\n";
    (void)command;
    (void)session;
    (void)rules;
    reply_argument(call, &(struct argument){info, sizeof info - 1});
}

static void call_quit(const struct command *command, struct call *call, struct session *session,
                      const struct resp_rules *rules)
{
    (void)command;
    (void)rules;
    session->ends = true;
    reply_literal(call, "+OK\r\n");
}

/* ---- the table ---- */

struct row {
    const char *name;
    unsigned min, max; /* words, its name included */
    enum command_family family;
    void (*call)(const struct command *command, struct call *call, struct session *session,
                 const struct resp_rules *rules);
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
