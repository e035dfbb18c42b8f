/*
 * The decider: the actor that owns the brain, its inbox and its tick.
 *
 * It takes letters out of its inbox, has the brain answer them, and sends them home. Letters that
 * are answered at once go home as one chain, or as several if they have several homes. A letter
 * that the brain keeps waiting goes home later, in the same way.
 *
 * It has a thread of its own, the state thread. If the process may use one processor only, it is
 * hosted by the front-end's thread instead: that thread runs it in place whenever it has posted
 * letters, a chain or a single one, and watches its inbox while it waits. The letters, the inbox
 * and the brain are the same.
 *
 * Owns the brain. Threads: any may call decider_post; the main thread calls decider_ask, _start,
 * _stop and _release; whoever takes from the inbox calls the others. Blocks: decider_ask and _stop
 * until they are answered; decider_run until the stop. Errors: errno values, from decider_init and
 * _start only.
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
    struct inbox *fleet;  /* that takes the brain's orders to the store; NULL: there is none */
    uint64_t decisions;   /* as many as have been measured */
    uint64_t began_ns;    /* when it began to answer the letters at hand */
    uint64_t asleep_ns;   /* see clock_asleep_ns; as far as the brain knows */
    uint64_t wall_due_ns; /* when to tell the brain the wall clock again */
    unsigned failures;    /* failures of the state file that the brain knows of */
    bool is_stopped;      /* it has answered STOP */
    bool is_hosted;
    bool has_taker; /* a thread takes from the inbox; read by the main thread only */
    pthread_t thread;
};

/* 0: the decider owns the brain from now on. An errno value: the brain is still the caller's, and
 * there is nothing to release. */
int decider_init(struct decider *decider, struct brain *brain, struct clock clock, bool is_hosted);

/* From now on the brain's orders are posted to this inbox, which sends them back to the decider's. If it is never called
 * they are answered as orders that cannot be sent. The main thread calls it before anybody asks about limits of
 * scope fleet: until then there are no orders, and the taker does not read it. */
void decider_set_fleet(struct decider *decider, struct inbox *fleet);

/* Starts its thread. If it is hosted, does nothing. */
int decider_start(struct decider *decider);

/* If it is hosted: call this once a thread takes from its inbox, which goes on until STOP is
 * answered. */
void decider_is_taken_care_of(struct decider *decider);

/* Posts a chain; each letter comes home to its inbox. Any thread. */
void decider_post(struct decider *decider, const struct chain *chain);

/* Asks one thing, and waits until the message is in `home`. If no thread takes from the inbox yet,
 * it runs the decider itself. */
void decider_ask(struct decider *decider, struct inbox *home, struct message *message);

/* Has everything answered that is in the inbox, then ends the state thread. The host of a hosted
 * decider ends by itself. Nobody else may ask any more. `home`: as for decider_ask. */
void decider_stop(struct decider *decider, struct inbox *home);

/* Frees the brain. Nobody may take from the inbox any more. */
void decider_release(struct decider *decider);

/* ---- for whoever takes from the inbox ---- */

/* Brings time forward, and answers what is in the inbox. Does not wait. */
void decider_turn(struct decider *decider);

/* When the next turn is due even if nobody posts, by the decider's clock. 0: now; BRAIN_NEVER:
 * never. */
uint64_t decider_due_ns(const struct decider *decider);

/* Milliseconds until then; -1: never. */
int decider_timeout_ms(const struct decider *decider);

/* Takes turn after turn, and waits in between, until STOP is answered. */
void decider_run(struct decider *decider);
