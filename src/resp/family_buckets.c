#include "resp/families.h"

#include "base/quantity.h"
#include "limits/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool call_take_key(struct call *call, const struct argument *argument)
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
    if (!call_take_key(call, &command->args[1]))
        return false;
    bool tells_tokens = takes_tokens && has_tokens(command);
    if (tells_tokens && !take_tokens(call, &command->args[2]))
        return false;
    return take_options(command, tells_tokens ? 3 : 2, kind == MESSAGE_ALLOW, call, rules);
}

void call_allow(const struct command *command, struct call *call, struct session *session,
                const struct resp_rules *rules)
{
    (void)session;
    if (take_question(command, MESSAGE_ALLOW, true, call, rules) &&
        call->message.ask.bucket.wait_ms > 0 && call->message.ask.bucket.tokens == 0)
        call_refuse(call, "ERR", "tokens is 0, and nobody waits for none; leave WAIT out");
}

void call_reset(const struct command *command, struct call *call, struct session *session,
                const struct resp_rules *rules)
{
    (void)session;
    take_question(command, MESSAGE_RESET, false, call, rules);
}

void call_refund(const struct command *command, struct call *call, struct session *session,
                 const struct resp_rules *rules)
{
    (void)session;
    take_question(command, MESSAGE_REFUND, true, call, rules);
}

/* No number is assumed: what a caller forgets to say would be charged wrongly. */
void call_charge(const struct command *command, struct call *call, struct session *session,
                 const struct resp_rules *rules)
{
    (void)session;
    if (!has_tokens(command))
        call_refuse(call, "ERR", "tokens is missing; say CHARGE key tokens");
    else if (take_question(command, MESSAGE_CHARGE, true, call, rules) &&
             call->message.ask.bucket.tokens == 0)
        call_refuse(call, "ERR", "tokens is 0; give the number to charge, 1 or more");
}

void call_status(const struct command *command, struct call *call, struct session *session,
                 const struct resp_rules *rules)
{
    (void)session;
    take_question(command, MESSAGE_STATUS, false, call, rules);
}
