/*
 * The state thread: the actor that owns the brain, its mailbox and its tick.
 *
 * Owns the brain; joined by state_stop. Threads: state_ask from any, each with
 * a batch of its own, and so state_post; start and stop from one. Blocks: ask until answered, stop
 * until the thread has ended. Errors: errno values from state_start only.
 */
#pragma once

#include "actor/exchange.h"
#include "base/clock.h"
#include "brain/brain.h"

struct state {
    struct brain *brain;
    struct clock clock;
    uint64_t began_ns; /* to answer the batch at hand */
    unsigned failures; /* of the state file, that the brain knows of */
    struct mailbox mailbox;
    struct batch stop; /* for the last message: to stop needs nothing that could fail */
    pthread_t thread;
};

/* Starts the thread; 0 or an errno value. The brain is the thread's on success,
 * and still the caller's on failure. */
int state_start(struct state *state, struct brain *brain, struct clock clock);

/* Hands over a batch and waits for its answers. */
void state_ask(struct state *state, struct batch *batch);

/* Hands over a batch; exchange_await then waits for its answers. */
void state_post(struct state *state, struct batch *batch);

/* Answers what is in the mailbox, ends the thread and frees the brain. Whoever
 * else asks must have stopped asking. */
void state_stop(struct state *state);
