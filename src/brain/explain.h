/*
 * Explaining: how the next question about a key would be decided, how its buckets are, who is before it,
 * and what has happened to it, though nothing is taken and nothing is counted.
 *
 * It is decided by the functions that decide (decide.h). Why the key falls under its limit, and which
 * overrides there are for it, is for whoever has the answer to read from the limits: they
 * never change.
 *
 * The asker owns question and answer. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/event.h"
#include "brain/message.h"

#define EXPLAIN_EVENTS_MAX 20u      /* events of an answer */
#define EXPLAIN_EVENTS_LOOKS 10000u /* of the last ones, so many are looked at for them */

/* Who waits for the buckets of a key. */
struct explain_queue {
    uint32_t waiting;
    uint64_t promised_tokens, promised_slots; /* to those whose time is known */
    uint64_t
        last_after_ms; /* until the last of them is let go; RETRY_NEVER: nobody can say, because one
                               of them waits for slots; 0: nobody waits */
};

struct explain_leases {
    uint32_t held;
    uint64_t slots; /* that they have out */
    uint64_t
        end_after_ms; /* until the first of them ends unless it is renewed; RETRY_NEVER: none is held */
};

/* The answer. If next.result is BUCKET_NO_SUCH_LIMIT nothing else is set. */
struct explain_answer {
    const struct limits *limits; /* see `limits` of struct message; all pointers lead into them */
    int64_t date_s;              /* Unix time: overrides whose end has come by then hold no more */
    /* What the next one would ask to take tokens: ALLOW, or ACQUIRE if the key's buckets hold slots, for
     * one slot and LEASE_TTL_MS. */
    enum message_kind kind;
    struct bucket_answer
        next; /* what it would be answered: after the tokens were taken, if they would be */
    struct bucket_answer now; /* what STATUS would be answered */
    struct explain_queue queue;
    struct explain_leases leases;
    /* The last events of the key under its limit, the newest first: records, see event.h. */
    bool events_are_kept;
    uint32_t boot;          /* of their numbers */
    uint32_t events_looked; /* so many of the last events of all keys were looked at */
    uint32_t events_count;
    size_t events_bytes;
    char events[EXPLAIN_EVENTS_MAX * EVENT_RECORD_MAX];
};

struct brain;

/* Answers an EXPLAIN. */
void explain_answer(struct brain *brain, struct message *message);
