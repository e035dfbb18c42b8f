#include "resp/answer.h"

#include "ask/fault_text.h"
#include "base/quantity.h"

#include <assert.h>
#include <string.h>

static void write_integer(struct text *text, uint64_t number)
{
    text_literal(text, ":");
    text_number(text, number);
    text_literal(text, "\r\n");
}

/* What waiting can bring, or not. */
static void write_ms(struct text *text, uint64_t ms, int if_never)
{
    if (ms != RETRY_NEVER)
        write_integer(text, ms);
    else if (if_never == ANSWER_NEVER)
        text_literal(text, ":-2\r\n");
    else
        text_literal(text, ":-1\r\n");
}

/* The five that all answers begin with. */
static void write_level(struct text *text, const struct bucket_answer *answer, bool allowed)
{
    text_string(text, allowed ? ":0\r\n" : ":1\r\n");
    write_integer(text, allowance_shown_burst(answer->allowance));
    write_integer(text, answer->remaining_tokens);
    if (allowed)
        text_literal(text, ":-1\r\n");
    else
        write_ms(text, answer->retry_after_ms, ANSWER_NEVER);
    write_ms(text, answer->full_after_ms, ANSWER_NO_WAIT);
}

static void write_allow(struct call *call, const struct bucket_answer *answer)
{
    struct text text = call_begin_reply(call);
    text_literal(&text, "*5\r\n");
    write_level(&text, answer, bucket_answer_allows(answer));
    call_end_reply(call, &text);
}

static void write_changed(struct call *call, const struct bucket_answer *answer)
{
    bool is_charge = call->message.kind == MESSAGE_CHARGE;
    struct text text = call_begin_reply(call);
    text_string(&text, is_charge ? "*7\r\n" : "*6\r\n");
    write_level(&text, answer, true);
    write_integer(&text, answer->owed_tokens);
    if (is_charge)
        write_integer(&text, answer->charged_tokens);
    call_end_reply(call, &text);
}

void answer_left(struct call *call)
{
    call_refuse(call, "ERR", "nobody waits for this any more, and nothing was taken; ask again");
}

static struct shown shown_limit(const struct bucket_answer *answer)
{
    return show(answer->limit->name, strlen(answer->limit->name));
}

/* Refuses it if nothing was done. */
static bool refuse_undone(struct call *call, const struct bucket_answer *answer)
{
    const struct bucket_question *ask = &call->message.ask.bucket;
    switch (answer->result) {
    case BUCKET_NEEDS_LEASE:
        call_refuse(call, "ERR", "limit \"%s\" takes leases; POST /acquire over HTTP instead",
                    shown_limit(answer).text);
        break;
    case BUCKET_SLOTS_ONLY:
        call_refuse(call, "ERR", "limit \"%s\" has no tokens, only slots",
                    shown_limit(answer).text);
        break;
    case BUCKET_NO_SUCH_LIMIT:
        call_refuse(call, "ERR", "there is no limit named \"%s\"",
                    show(ask->limit_name, ask->limit_name_len).text);
        break;
    case BUCKET_LEFT:
        answer_left(call);
        break;
    case BUCKET_TABLE_FULL:
        if (call->message.kind != MESSAGE_CHARGE)
            return false;
        call_refuse(call, "ERR", "nothing was charged: the table is full of keys that owe tokens");
        break;
    case BUCKET_NO_LEASES:    /* of ACQUIRE, which is not asked here */
    case BUCKET_ONCE_DIFFERS: /* of `once`, likewise */
    case BUCKET_ONCE_WAITS:
    case BUCKET_ALLOWED:
    case BUCKET_DENIED:
    case BUCKET_EXCEEDS_BURST:
    case BUCKET_UNCOUNTED:
    case BUCKET_ALWAYS:
    case BUCKET_NEVER:
    case BUCKET_HELD_BACK:
    case BUCKET_WAIT_OVER:
    case BUCKET_TOO_MANY_WAITING:
    case BUCKET_TOO_MANY_LEASES:
        return false;
    }
    return true;
}

/* Parts of a millisecond do not count, as with redis-cell. */
static uint64_t whole_seconds(uint64_t ns)
{
    return ns / NS_PER_S + (ns % NS_PER_S >= NS_PER_MS);
}

/* The numbers of redis-cell, in seconds. */
static void write_throttle(struct call *call)
{
    const struct throttle_answer *answer = &call->message.answer.throttle;
    if (answer->has_no_memory) {
        call_refuse(call, "ERR", "out of memory; nothing was taken, try again");
        return;
    }
    struct text text = call_begin_reply(call);
    text_string(&text, answer->is_denied ? "*5\r\n:1\r\n" : "*5\r\n:0\r\n");
    write_integer(&text, call->message.ask.throttle.burst);
    write_integer(&text, answer->remaining_tokens);
    if (answer->retry_after_ns == RETRY_NEVER)
        text_literal(&text, ":-1\r\n");
    else
        write_integer(&text, whole_seconds(answer->retry_after_ns));
    write_integer(&text, whole_seconds(answer->full_after_ns));
    call_end_reply(call, &text);
}

static void write_answer(struct call *call)
{
    const struct bucket_answer *answer = &call->message.answer.bucket;
    if (refuse_undone(call, answer))
        return;
    if (call->message.kind == MESSAGE_ALLOW)
        write_allow(call, answer);
    else
        write_changed(call, answer);
}

void answer_write(struct call *call)
{
    if (call->message.kind == MESSAGE_GCRA)
        write_throttle(call);
    else
        write_answer(call);
    assert(call->reply_len <= CALL_ANSWER_MAX);
}
