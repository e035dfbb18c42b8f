#include "resp/families.h"

#include "base/quantity.h"

#include <string.h>

static const char no_protocol[] = "allowd speaks RESP2 and RESP3; say HELLO 2 or HELLO 3";

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

void call_auth(const struct command *command, struct call *call, struct session *session,
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
void call_hello(const struct command *command, struct call *call, struct session *session,
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
void call_client(const struct command *command, struct call *call, struct session *session,
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
void call_command(const struct command *command, struct call *call, struct session *session,
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

void call_ping(const struct command *command, struct call *call, struct session *session,
               const struct resp_rules *rules)
{
    (void)session;
    (void)rules;
    if (command->count > 1)
        reply_argument(call, &command->args[1]);
    else
        reply_literal(call, "+PONG\r\n");
}

void call_echo(const struct command *command, struct call *call, struct session *session,
               const struct resp_rules *rules)
{
    (void)session;
    (void)rules;
    reply_argument(call, &command->args[1]);
}

void call_select(const struct command *command, struct call *call, struct session *session,
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
void call_info(const struct command *command, struct call *call, struct session *session,
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

void call_quit(const struct command *command, struct call *call, struct session *session,
               const struct resp_rules *rules)
{
    (void)command;
    (void)rules;
    session->ends = true;
    reply_literal(call, "+OK\r\n");
}
