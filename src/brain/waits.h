/*
 * Waits: who waits for tokens, and what becomes of them.
 *
 * An ALLOW, or an ACQUIRE, that may wait, and whose tokens come in time if those before it get theirs, is promised
 * them. It stays in the queue of its key (holdings.h) until the tick that pays it, and nobody passes it
 * there. Only then the tokens are taken. If nobody can say when, as of what no tick refills, it stays in
 * the queue without a promise until its deadline, and so do all behind it.
 *
 * Whatever but time changes a bucket settles its queue: in order of arrival, each is asked anew with
 * what is left of its wait. It is let go, promised its tokens again, or answered as that ask would be. So
 * is each that is found to be late by a tick or more, after a stall. A reload, and the end of an
 * override, do that to all queues in one, in the order in which all came; before it, charges that were
 * deferred are applied. An answer tells how the bucket is once all of that queue are settled.
 *
 * A waiter costs nothing until it is due: all are in one heap.
 *
 * One thread, the brain's. Never blocks. Never fails: without memory nobody waits.
 */
#pragma once

#include "brain/core.h"

/* Whether a question about one key needs waits_answer. Otherwise decide answers it, whoever waits for
 * other keys. */
static inline bool waits_concern(const struct brain *brain, const struct place *place,
                                 const struct bucket_question *ask)
{
    return ask->wait_ms != 0 ||
           buckets_holding(&brain->buckets, place, ask->key, ask->key_len) != NULL;
}

/* Answers a question about one key, as decide does, or has it wait; and settles the queue of its key
 * if the question changes the bucket. false: it waits, and is the brain's until brain_released gives it
 * back. */
bool waits_answer(struct brain *brain, const struct place *place, struct message *message);

/* Asks all anew who wait for a key, because something else has changed its buckets. */
void waits_settle(struct brain *brain, const struct place *place,
                  const struct bucket_question *ask);

/* If the message waits, it does no more: it is answered LEFT. Call waits_have_left before anything but
 * the next waits_leave: so of several who leave together none is let go because of another one, and
 * each queue is settled once. */
void waits_leave(struct brain *brain, struct message *message);
void waits_have_left(struct brain *brain);

/* When the first of all waiters is due; BRAIN_NEVER: nobody waits. */
static inline uint64_t waits_due_ns(const struct brain *brain)
{
    return brain->waiters.count == 0 ? BRAIN_NEVER : wait_heap_top(&brain->waiters)->due_ns;
}

/* Lets go who is due now, or tells them that their wait is over. */
void waits_let_go(struct brain *brain);

/* Call the one before lines change, the other after. */
void waits_before_change(struct brain *brain);
void waits_after_change(struct brain *brain);
