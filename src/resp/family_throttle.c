#include "resp/families.h"

#include "base/quantity.h"

#include <inttypes.h>

enum { THROTTLE_INTERVAL_MIN_NS = 1000 };

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

void call_throttle(const struct command *command, struct call *call, struct session *session,
                   const struct resp_rules *rules)
{
    (void)session;
    (void)rules;
    uint64_t max_burst, count, period_s, tokens = 1;
    if (!call_take_key(call, &command->args[1]) ||
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
