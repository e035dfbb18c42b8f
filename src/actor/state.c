#include "actor/state.h"

#include "base/thread.h"
#include "keep/file.h"

/* Lets the answers of a batch point into the limits that decided them. A batch
 * that already holds these limits, as nearly always, costs one comparison. */
static void hold_limits(struct batch *batch, struct limits *limits)
{
    if (batch->limits == limits)
        return;
    limits_release(batch->limits);
    batch->limits = limits_retain(limits);
}

/* What comes along with a batch, when it arrives. */
static void heed_arrivals(struct state *state, const struct batch *batches)
{
    for (const struct batch *batch = batches; batch != NULL; batch = batch->next) {
        if (batch->tally != NULL)
            brain_take_tally(state->brain, batch->tally);
        if (batch->count > 0)
            brain_measure_batch(state->brain, batch->count);
    }
}

/* Answers what it can of a batch. Where the clock measures that takes two looks at
 * it, of which the tick needs the first anyway. */
static void answer(struct state *state, struct batch *batch)
{
    uint64_t decisions = brain_decisions(state->brain);
    batch->answered += brain_answer(state->brain, batch->messages + batch->answered,
                                    batch->count - batch->answered);
    if (state->clock.measures)
        brain_measure_time(state->brain, brain_decisions(state->brain) - decisions,
                           clock_now_ns(&state->clock) - state->began_ns);
}

static bool holds_stop(const struct batch *batch)
{
    return batch->count == 1 && batch->messages[0]->kind == MESSAGE_STOP;
}

/* Answers what can be answered of a list of batches; the rest, in order. */
static struct batch *serve(struct state *state, struct batch *batches, bool *stopped)
{
    struct batch *unanswered = NULL, **last = &unanswered;
    for (struct batch *batch = batches, *next; batch != NULL; batch = next) {
        next = batch->next;
        answer(state, batch);
        if (batch->answered < batch->count) {
            batch->next = NULL;
            *last = batch;
            last = &batch->next;
            continue;
        }
        *stopped |= holds_stop(batch);
        hold_limits(batch, brain_limits(state->brain));
        if (batch->news != NULL)
            *batch->news = brain_news(state->brain);
        batch_give_back(batch);
        if (next != NULL && state->clock.measures)
            state->began_ns = clock_now_ns(&state->clock);
    }
    return unanswered;
}

/* What a brain with a store must know beside the time. */
static void look_after_store(struct state *state)
{
    brain_tell_wall(state->brain, state->began_ns, clock_wall_ns(&state->clock));
    unsigned failures = state_file_failures();
    if (failures == state->failures)
        return;
    state->failures = failures;
    brain_lose_pages(state->brain, "the state file has failed; the log says what to do");
}

static void *run(void *argument)
{
    struct state *state = argument;
    thread_name("state");
    struct batch *unanswered = NULL;
    bool stopped = false;
    while (!stopped || unanswered != NULL) {
        uint64_t deadline_ns = unanswered != NULL ? 0 : brain_next_tick_ns(state->brain);
        struct batch *batches = mailbox_take(&state->mailbox, deadline_ns);
        state->began_ns = clock_now_ns(&state->clock);
        if (brain_is_stored(state->brain))
            look_after_store(state);
        brain_tick(state->brain, state->began_ns);
        if (brain_needs_date(state->brain))
            brain_date(state->brain, clock_date_s(&state->clock));
        if (unanswered != NULL) {
            brain_sweep(state->brain);
            unanswered = serve(state, unanswered, &stopped);
        }
        heed_arrivals(state, batches);
        struct batch *more = serve(state, batches, &stopped);
        struct batch **last = &unanswered;
        while (*last != NULL)
            last = &(*last)->next;
        *last = more;
    }
    return NULL;
}

int state_start(struct state *state, struct brain *brain, struct clock clock)
{
    state->brain = brain;
    state->clock = clock;
    state->failures = 0;
    int error = batch_init(&state->stop);
    if (error != 0)
        return error;
    error = mailbox_init(&state->mailbox);
    if (error == 0) {
        error = thread_start(&state->thread, run, state);
        if (error != 0)
            mailbox_release(&state->mailbox);
    }
    if (error != 0)
        batch_release(&state->stop);
    return error;
}

void state_ask(struct state *state, struct batch *batch)
{
    exchange_ask(&state->mailbox, batch);
}

void state_post(struct state *state, struct batch *batch)
{
    exchange_post(&state->mailbox, batch);
}

void state_stop(struct state *state)
{
    struct message stop = {.kind = MESSAGE_STOP};
    state->stop.messages[0] = &stop;
    state->stop.count = 1;
    state_ask(state, &state->stop);
    batch_release(&state->stop);

    pthread_join(state->thread, NULL);
    mailbox_release(&state->mailbox);
    brain_free(state->brain);
}
