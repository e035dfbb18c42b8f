#include "resp/parts.h"

#include "ask/denial_line.h"
#include "resp/answer.h"

unsigned resp_questions(const struct resp *resp)
{
    return resp->questions_count;
}

void resp_hand_over(struct resp *resp, struct chain *chain)
{
    if (resp->questions.newest != NULL)
        chain_add_run(chain, resp->questions.newest, resp->questions.oldest);
    resp->questions.newest = NULL;
    resp->away += resp->questions_count;
    resp->questions_count = 0;
}

static void log_if_sampled(const struct call *call)
{
    const struct bucket_answer *answer = &call->message.answer.bucket;
    if (call->message.kind == MESSAGE_ALLOW && bucket_answer_denies(answer) &&
        answer->sample.is_taken)
        log_denial(&call->message.ask.bucket, answer, false);
}

static void take_call_home(struct resp *resp, struct call *call)
{
    resp->away--;
    call->letters_away--;
    if (call->message.kind == MESSAGE_LEAVE) {
        struct call *waited = (struct call *)call->message.ask.leaves;
        give_call_back(resp, call);
        call = waited;
        call->letters_away--;
    }
    if (call->letters_away > 0)
        return;
    log_if_sampled(call);
    answer_write(call);
    if (call->message.limits != NULL)
        message_hold(&call->message, NULL);
    add_to_turn(resp, call->client);
}

static bool is_own(const struct resp *resp, const struct letter *letter)
{
    const struct call *call = (const struct call *)letter;
    return call >= resp->calls && call < resp->calls + resp->calls_max;
}

struct letter *resp_take_home(struct resp *resp, struct letter *letters)
{
    struct letter *others = NULL, **last = &others;
    for (struct letter *letter = letters, *next; letter != NULL; letter = next) {
        next = letter->next;
        if (is_own(resp, letter)) {
            take_call_home(resp, (struct call *)letter);
        } else {
            *last = letter;
            last = &letter->next;
        }
    }
    *last = NULL;
    return others;
}

unsigned resp_letters_away(const struct resp *resp)
{
    return resp->away;
}
