/*
 * Asking: one who asks a decider, as a front-end does: a chain of messages, and a report before them.
 *
 * The report holds the limits that the answers point into. Safe off the main thread: it asserts
 * nothing.
 *
 * Owns its inbox. One thread at a time. Blocks: asking_ask, until all is home.
 */
#pragma once

#include "actor/decider.h"
#include "brain/tally.h"

struct asking {
    struct inbox home;
    struct message report;
    struct tally nothing;
    const struct tally *tally; /* what the report brings along */
};

static inline int asking_init(struct asking *asking)
{
    *asking = (struct asking){.report.kind = MESSAGE_TALLY};
    asking->tally = &asking->nothing;
    return inbox_init(&asking->home, false);
}

static inline void asking_release(struct asking *asking)
{
    message_hold(&asking->report, NULL);
    inbox_release(&asking->home);
}

static inline void asking_take_home(struct asking *asking, size_t count)
{
    while (count > 0)
        for (struct letter *letter = inbox_take(&asking->home, UINT64_MAX); letter != NULL;
             letter = letter->next)
            count--;
}

/* Asks these messages in one chain, and waits for all of them and the report. */
static inline void asking_ask(struct asking *asking, struct decider *decider,
                              struct message *const *messages, size_t count)
{
    struct chain chain = {0};
    asking->report.ask.tally = asking->tally;
    asking->report.letter.home = &asking->home;
    chain_add(&chain, &asking->report.letter);
    for (size_t i = 0; i < count; i++) {
        messages[i]->letter.home = &asking->home;
        chain_add(&chain, &messages[i]->letter);
    }
    decider_post(decider, &chain);
    if (decider->is_hosted)
        decider_turn(decider);
    asking_take_home(asking, count + 1);
}

static inline void asking_ask_one(struct asking *asking, struct decider *decider,
                                  struct message *message)
{
    asking_ask(asking, decider, &message, 1);
}
