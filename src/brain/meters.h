/*
 * Meters: what the brain measures and counts by limit, route and time, for those who watch allowd.
 *
 * They are plain numbers, all zeros at first, so a copy is a snapshot of one moment. Simple
 * counters, and the names of all metrics, are in counters.h.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "base/histogram.h"
#include "brain/event.h"
#include "brain/message.h"
#include "brain/tally.h"
#include "table/table.h"

/* The results of ALLOW, as /metrics counts them. Each decision has exactly one. */
#define DECISIONS(X)                                                                               \
    X(ALLOWED, "allowed") /* the tokens were taken, or none were asked for */                      \
    X(DENIED, "denied")                                                                            \
    X(SHADOW_DENIED, "shadow_denied") /* allowed, as the limit is on trial */                      \
    X(UNCOUNTED, "uncounted")         /* allowed, because the table is full (when_full: allow) */  \
    X(TABLE_FULL, "table_full")       /* denied, because the table is full (when_full: deny) */

enum decision {
#define X(name, label) DECISION_##name,
    DECISIONS(X)
#undef X
        DECISION_COUNT,
};

extern const char *const decision_names[DECISION_COUNT];

/* The greatest value of the last METERS_PEAK_S seconds, or of up to twice as many. */
#define METERS_PEAK_S 60
struct meters_peak {
    uint64_t began_ns; /* when `greatest` began */
    uint64_t greatest, before;
};

/* A front-end, as its reports tell. */
struct meters_front {
    bool is_there, goes;
    int64_t connections; /* open now */
    uint64_t requests;
    uint64_t busy_ns, since_ns; /* see struct tally_front */
    uint64_t told_ns;           /* when that came */
};

struct meters {
    struct meters_front fronts[TALLY_FRONTS_MAX];
    uint64_t decisions[LIMITS_MAX][DECISION_COUNT]; /* of each limit in force, by its index */
    uint64_t requests[TALLY_CELLS];                 /* of all front-ends */
    uint64_t events[EVENT_KIND_COUNT];              /* so far */
#define X(field, ...) int64_t field;                /* of all front-ends */
    FRONT_COUNTERS(X)
#undef X
    struct histogram batch_size;  /* how many messages were answered together */
    struct histogram decision_ns; /* see meters_took */
    struct histogram waited_ns;   /* of those who were let go */
    struct meters_peak tick_lag_ns;
    bool last_reload_failed;
    int64_t started_s, reloaded_s; /* Unix time of the start, and since when the limits hold */
};

extern const struct histogram_bounds meters_batch_bounds, meters_decision_bounds_ns,
    meters_wait_bounds_ns;

static inline enum decision meters_decision(enum bucket_result result, bool allowed)
{
    if (bucket_result_allows(result))
        return result == BUCKET_UNCOUNTED ? DECISION_UNCOUNTED : DECISION_ALLOWED;
    if (allowed)
        return DECISION_SHADOW_DENIED;
    return result == BUCKET_TABLE_FULL ? DECISION_TABLE_FULL : DECISION_DENIED;
}

/* Counts an answer to ALLOW. allowed: the caller is told yes. */
static inline void meters_decided(struct meters *meters, uint32_t limit, enum bucket_result result,
                                  bool allowed)
{
    meters->decisions[limit][meters_decision(result, allowed)]++;
}

/* `next` takes the place of `prior` (NULL: there was none). A limit goes on with the counts of the
 * limit of the same name. */
void meters_carry(struct meters *meters, const struct limits *prior, const struct limits *next);

/* Adds what a front-end has counted. */
void meters_take(struct meters *meters, const struct tally *tally, uint64_t now_ns);

/* How many front-ends there are. */
uint32_t meters_fronts(const struct meters *meters);

/* How long a front-end counts as busy as it last told. Time beyond that, in which it told nothing,
 * counts as idle. */
#define METERS_FRESH_MS 2000

/* The front-ends that there are, as of now_ns. */
void meters_tell_fronts(const struct meters *meters, uint64_t now_ns, struct fronts_answer *answer);

/* So many messages have come together: see batch_size. */
void meters_batch(struct meters *meters, uint64_t messages);

/* So many decisions took so long together. The time is shared out evenly among them. */
void meters_took(struct meters *meters, uint64_t decisions, uint64_t took_ns);

/* Somebody was let go after so long a wait. */
void meters_waited(struct meters *meters, uint64_t waited_ns);

/* A tick came late_ns after it was due. */
void meters_tick_late(struct meters *meters, uint64_t now_ns, uint64_t late_ns);
uint64_t meters_peak(const struct meters_peak *peak, uint64_t now_ns);

/* The answer to METRICS. It borrows from the limits that its message, or the report of the same
 * chain, holds. */
struct metrics_answer {
    struct daemon_answer daemon;
    uint64_t ticks;
    uint64_t tick_lag_ns;    /* see meters_peak */
    uint64_t log_lines_lost; /* filled in by the asker */
    struct table_damage damage;
    struct meters meters;
};
