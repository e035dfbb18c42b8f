#include "resp/parts.h"

#include "resp/answer.h"

/* ---- which there are ---- */

struct call *take_call(struct resp *resp)
{
    struct call *call = resp->free_call;
    if (call != NULL)
        resp->free_call = call->next;
    else
        call = &resp->calls[resp->calls_used++];
    resp->calls_free--;
    call->next = NULL;
    call->leaves = call->is_done = false;
    call->letters_away = 0;
    return call;
}

void give_call_back(struct resp *resp, struct call *call)
{
    call->next = resp->free_call;
    resp->free_call = call;
    resp->calls_free++;
}

bool has_call(const struct resp *resp)
{
    return resp->calls_free > resp->clients_max;
}

/* ---- who waits ---- */

/* Tells the brain that nobody waits for an answer any more. Those that do not wait come home anyway. */
static void leave(struct resp *resp, struct call *waits)
{
    struct call *call = take_call(resp);
    call->message.kind = MESSAGE_LEAVE;
    call->message.ask.leaves = &waits->message;
    call->message.letter.home = resp->home;
    call->letters_away = 1;
    waits->leaves = true;
    waits->letters_away++;
    resp->away++;
    inbox_post_one(resp->decider, &call->message.letter);
}

bool may_wait(const struct call *call)
{
    return !call->is_done && call->message.kind == MESSAGE_ALLOW &&
           call->message.ask.bucket.wait_ms > 0;
}

static bool is_handed_over(const struct resp *resp, const struct call *call)
{
    const struct letter *letter = resp->questions.newest;
    while (letter != NULL && letter != &call->message.letter)
        letter = letter->next;
    return letter == NULL;
}

static void withdraw(struct resp *resp, struct call *call)
{
    chain_remove(&resp->questions, &call->message.letter);
    resp->questions_count--;
    answer_left(call);
}

void end_wait(struct resp *resp, struct resp_client *client)
{
    for (struct call *call = client->first; call != NULL; call = call->next)
        if (may_wait(call) && !call->leaves) {
            if (is_handed_over(resp, call))
                leave(resp, call);
            else
                withdraw(resp, call);
        }
}

void drop_questions(struct resp *resp)
{
    for (struct letter *letter = resp->questions.newest; letter != NULL; letter = letter->next)
        answer_left((struct call *)letter);
    resp->questions.newest = NULL;
    resp->questions_count = 0;
}
