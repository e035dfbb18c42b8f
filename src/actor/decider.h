/*
 * The decider: the actor that owns the brain, its inbox and its tick.
 *
 * It takes letters out of its inbox, has the brain answer them, and sends the answers home. What
 * it answers at once goes home as one chain for each inbox that it came from; what the brain has wait goes home
 * later, by the same way.
 *
 * It runs on a thread of its own, the state thread. Where the process may use one processor only,
 * it is hosted: the front-end's thread runs it in place when it has posted a chain, and looks at its
 * inbox when it waits. The letters, the inbox and the brain are the same.
 *
 * Owns the brain. Threads: any may post. decider_ask, _start, _stop and _release are one thread's,
 * the main one's; the others are for whoever takes from the inbox. Blocks: decider_ask until
 * it is answered; decider_run until the stop. Errors: errno values from decider_init and _start only.
 */
#pragma once

#include "actor/inbox.h"
#include "base/clock.h"
#include "brain/brain.h"

#include <pthread.h>

struct decider {
    struct brain *brain;
    struct clock clock;
    struct inbox inbox;
    uint64_t began_ns; /* to answer what is at hand */
    unsigned failures; /* of the state file, that the brain knows of */
    bool is_stopped;   /* STOP is answered */
    bool is_hosted;
    bool has_taker; /* a thread takes from the inbox; known to the main thread */
    pthread_t thread;
};

/* 0, or an errno value and nothing is owned. The brain is the decider's on success, and still the
 * caller's on failure. */
int decider_init(struct decider *decider, struct brain *brain, struct clock clock, bool is_hosted);

/* Starts its own thread, unless it is hosted. */
int decider_start(struct decider *decider);

/* Of one that is hosted: a thread now takes from the inbox, until STOP is answered. */
void decider_is_taken_care_of(struct decider *decider);

/* Hands over a chain; the letters come home by themselves. From any thread. */
void decider_post(struct decider *decider, const struct chain *chain);

/* Asks one thing and waits for the answer, at `home`. */
void decider_ask(struct decider *decider, struct inbox *home, struct message *message);

/* Has all answered that is in the inbox, and the thread, if it has one, end. Whoever else asks must
 * have stopped asking. Whoever hosts it goes home by itself. `home`: as for decider_ask. */
void decider_stop(struct decider *decider, struct inbox *home);

/* Frees the brain, once nobody takes from the inbox any more. */
void decider_release(struct decider *decider);

/* ---- for whoever takes from the inbox ---- */

/* Answers what is in the inbox, without waiting; and brings time forward. */
void decider_turn(struct decider *decider);

/* When the next turn is due though nobody posts, by the decider's clock: 0 for at once,
 * BRAIN_NEVER for never. */
uint64_t decider_due_ns(const struct decider *decider);

/* Turn after turn, until STOP is answered. */
void decider_run(struct decider *decider);
