/*
 * Events: what the brain notes of what happens, for operators to see; who reads it; and who waits for
 * more of it.
 *
 * Each part of the brain calls one function here when something happens. An event goes into the ring
 * (event_ring.h) under the next number, and from there to readers (MESSAGE_EVENTS) and to the log (news.h).
 *
 * No flood of anything becomes a flood of events:
 *
 *   - of DENIED, WARNED and OWED a key has its first at once, and then one at most in EVENTS_KEY_S seconds,
 *     whose count says how many there were since the one before. A small memory of keys knows; a key that
 *     it forgets is as good as new.
 *   - of each kind there are at most EVENTS_A_SECOND in a second. What is beyond, and what was counted of
 *     keys that are forgotten, is added up and told as one event without a key, at most once a second.
 *   - of what is counted without a key, as evictions are, there is one event at most in a second.
 *
 * So the counts of all events of a kind add up to what happened, but for what is still to be told.
 *
 * Readers who wait are let go together, at most once in EVENTS_LET_GO_MS milliseconds, so many of them cost
 * little. A reader that comes too late for some events is told how many.
 *
 * Owns the ring. One thread, the brain's. Never blocks. Errors: events_begin only.
 */
#pragma once

#include "brain/demand.h"
#include "brain/event_ring.h"
#include "brain/letter.h"
#include "brain/message.h"
#include "brain/place.h"

#define EVENTS_KEY_S 10
#define EVENTS_A_SECOND 100u
#define EVENTS_LET_GO_MS 100
#define EVENTS_LOOKS_MAX                                                                           \
    4096u /* events that one answer, or one look for one who waits, goes through */
#define EVENTS_MEMORY 4096u /* keys of which it is known when their last event was */
#define EVENTS_BESIDE 8u    /* a key may be remembered in so many places, a power of 2 */

/* What is counted without a key, and told at most once a second: X(name, kind, cause, the count). */
#define EVENTS_SUMS(X)                                                                             \
    X(EVICTED, EVENT_evicted, EVENT_CAUSE_COUNT, brain->counters.evicted)                          \
    X(UNCOUNTED, EVENT_uncounted, EVENT_CAUSE_COUNT, brain->counters.table_full_allowed)           \
    X(TABLE, EVENT_overload, EVENT_CAUSE_TABLE, brain->counters.table_full_denied)                 \
    X(CHARGES, EVENT_overload, EVENT_CAUSE_CHARGES, brain->counters.charges_failed)                \
    X(LEASES, EVENT_overload, EVENT_CAUSE_LEASES, brain->counters.leases_refused)                  \
    X(WAITING, EVENT_overload, EVENT_CAUSE_WAITING, brain->counters.too_many_waiting)              \
    X(CONNECTIONS, EVENT_overload, EVENT_CAUSE_CONNECTIONS, (uint64_t)brain->meters.turned_away)   \
    X(STALLS, EVENT_overload, EVENT_CAUSE_STALL, brain->events.stalls)

enum events_sum {
#define X(name, ...) EVENTS_SUM_##name,
    EVENTS_SUMS(X)
#undef X
        EVENTS_SUM_COUNT,
};

/* How much of a kind was told in this second, and what is left to be told. */
struct events_gate {
    uint64_t began_ns;  /* the second */
    uint32_t taken;     /* events of it */
    uint64_t left_out;  /* counts that are to be told as one */
    uint64_t summed_ns; /* from when on they may be */
};

/* A key that had an event of a kind. */
struct events_key {
    uint64_t hash; /* of its place and the kind */
    uint64_t due_ns;
    uint64_t since; /* so many since that event */
    enum event_kind kind;
};

struct events {
    struct event_ring ring;
    uint32_t keep; /* for readers; the log needs some even if they get none */
    uint32_t boot;
    uint64_t
        unheard; /* the number of the first event that the log is to hear of; 0: there is none */
    uint64_t stalls;
    uint64_t told[EVENTS_SUM_COUNT]; /* of what is counted without a key */
    uint64_t told_due_ns[EVENTS_SUM_COUNT];
    uint64_t told_total;
    struct events_gate gate[EVENT_KIND_COUNT + 1]; /* the last: OVERRIDE_ENDED that were removed */
    uint64_t sums_due_ns; /* when what is left to be told is due; BRAIN_NEVER: there is nothing */
    struct chain readers; /* EVENTS that wait */
    uint64_t readers_due_ns; /* when they are let go; BRAIN_NEVER: there is nothing new */
    uint64_t let_go_ns;      /* when they were last */
    struct events_key key[EVENTS_MEMORY];
};

struct brain;
struct limits;

/* Events of which readers get the last `keep`, 0 to BRAIN_EVENTS_MAX; boot: see event.h. The memory must be
 * all zeros. false: no memory. And the same in place of others, none of which anybody has read. */
bool events_begin(struct events *events, uint32_t keep, uint32_t boot);
bool events_begin_anew(struct events *events, uint32_t keep, uint32_t boot);
void events_end(struct events *events);

/* ---- what happens ---- */

/* An ALLOW or ACQUIRE was denied. What has waited in vain is left to events_waited. */
void events_denied(struct brain *brain, const struct place *place,
                   const struct bucket_question *ask, const struct bucket_answer *answer);

/* An ALLOW or ACQUIRE under a limit that warns has taken what is demanded. */
void events_taken(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                  struct demand demand, const struct bucket_answer *answer);

/* An ALLOW or ACQUIRE has this answer. Inline, because nearly always there is nothing to do. */
static inline void events_allowed(struct brain *brain, const struct place *place,
                                  const struct bucket_question *ask, struct demand demand,
                                  const struct bucket_answer *answer)
{
    if (answer->limit->warn_percent != 0 && answer->result == BUCKET_ALLOWED)
        events_taken(brain, place, ask, demand, answer);
}

/* A key owes something after a CHARGE. */
void events_owed(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                 uint64_t owed_tokens);

/* Somebody has waited, and was let go; or was not. */
void events_waited(struct brain *brain, const struct bucket_question *ask,
                   const struct limit *limit, uint64_t waited_ms, bool in_vain);

/* A lease has ended, and nobody had released it. limit: NULL if it is gone. And whether so many have in this
 * second that they are only added up, and nothing but the count matters. */
bool events_are_too_many(const struct brain *brain, enum event_kind kind);
void events_lease_expired(struct brain *brain, const struct limit *limit, const char *key,
                          size_t key_len, uint64_t tokens, uint64_t slots);

/* Limits take the place of those in force, if there are any: which overrides begin and end with that. Call it
 * before. */
void events_installed(struct brain *brain, const struct limits_question *ask);

/* So many overrides have ended while no brain was there. */
void events_ended_meanwhile(struct brain *brain, uint64_t overrides);

/* The date goes from one to the other: which overrides end. */
void events_dated(struct brain *brain, int64_t from_s, int64_t to_s);

/* A tick came late by BRAIN_LATE_MS or more. */
void events_stalled(struct brain *brain);

/* Events of the daemon, with numbers in the order of the kind's row; text: NULL if the kind has none. */
void events_tell(struct brain *brain, enum event_kind kind, const char *text, uint64_t first,
                 uint64_t second);

/* A limit is gone, and so many keys with it. name: NULL: so many limits. */
void events_forgotten(struct brain *brain, const char *name, uint64_t limits, uint64_t keys);

/* ---- readers ---- */

/* The number of the oldest event that readers get. If there is none, that of the next one. */
static inline uint64_t events_first_kept(const struct events *events)
{
    const struct event_ring *ring = &events->ring;
    uint64_t bound = ring->newest >= events->keep ? ring->newest + 1 - events->keep : 1;
    return bound > ring->oldest ? bound : ring->oldest;
}

/* Answers EVENTS. false: it waits, and is the brain's until brain_released gives it back. */
bool events_answer(struct brain *brain, struct message *message);

/* If an EVENTS waits, it does no more: it is answered with nothing. */
void events_leave(struct brain *brain, struct message *message);

/* Lets readers go at once, before the daemon ends them. */
void events_let_go(struct brain *brain);

/* ---- time ---- */

/* When events_advance is due. */
static inline uint64_t events_due_ns(const struct events *events)
{
    return events->sums_due_ns < events->readers_due_ns ? events->sums_due_ns
                                                        : events->readers_due_ns;
}

/* Tells what is left to be told and due, and lets readers go if that is due. */
void events_advance(struct brain *brain);

/* Whether something is counted, without a key, that is not told yet. */
bool events_are_pending(const struct brain *brain);

/* The next event that the log has not heard of, if it tells of its kind. false: it has heard of all. */
bool events_hear(struct events *events, struct event *event);
