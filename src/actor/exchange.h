/*
 * The exchange: batches of messages go over to the state thread, and the same batches come back answered.
 *
 * A mailbox is one word: what is in it, or that nothing is and its taker sleeps. So
 * to fill it is one atomic step, which also tells whether there is someone to wake, and while
 * both sides are awake nothing goes to the kernel. The state thread has a mailbox, and
 * each batch brings along the one that it goes home to. Each asker has one
 * batch, which is at one place at a time, so a mailbox is bounded by the number of
 * askers: nothing is ever refused, lost or queued without end, and a busy state
 * thread makes its askers wait.
 *
 * Owns: a batch is its asker's, the mailbox its taker's. Threads: a mailbox has one
 * taker, and any number who fill it. Blocks: exchange_ask until the answers are
 * there, exchange_await too or until its deadline, mailbox_take until a batch is
 * or the deadline passes.
 */
#pragma once

#include "actor/patience.h"
#include "brain/message.h"
#include "brain/news.h"
#include "brain/tally.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_MAX 4096 /* messages: one of each connection that a front-end can have */

struct batch;

struct mailbox {
    _Atomic(struct batch *) newest; /* linked to those before it; NULL, or that the taker sleeps */
    sem_t wake;
    struct patience patience;
};

struct batch {
    size_t count;
    struct message *messages[BATCH_MAX];
    const struct tally *tally; /* what the asker has counted, taken over with the batch; or NULL */
    struct news *news;         /* the asker's, to be filled in on the way back; or NULL */
    struct limits *limits;     /* what the last answers point into; kept alive by the batch */

    /* The exchange's own. */
    struct batch *next;
    size_t answered;
    struct mailbox home;
};

/* 0 or an errno value. */
int batch_init(struct batch *batch);
void batch_release(struct batch *batch);

int mailbox_init(struct mailbox *mailbox);
void mailbox_release(struct mailbox *mailbox);

/* Hands over a batch of up to BATCH_MAX messages and waits until all are answered. */
void exchange_ask(struct mailbox *mailbox, struct batch *batch);

/* The same in two steps. While the batch is away nothing of it may be touched. Of
 * these, one says once that the answers are there; the second waits for that until
 * a deadline of CLOCK_MONOTONIC. */
void exchange_post(struct mailbox *mailbox, struct batch *batch);
bool exchange_is_answered(struct batch *batch);
bool exchange_await(struct batch *batch, uint64_t deadline_ns);

/* Takes every batch there is, oldest first, linked by `next`; NULL once
 * deadline_ns of CLOCK_MONOTONIC has passed. UINT64_MAX: no deadline; 0: do not wait. */
struct batch *mailbox_take(struct mailbox *mailbox, uint64_t deadline_ns);

/* Gives a batch back to its asker, who may reuse it at once. */
void batch_give_back(struct batch *batch);
