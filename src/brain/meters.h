/*
 * Meters: what the state thread counts and measures besides deciding, for those who watch it.
 *
 * Plain numbers, all zeros at first: a copy of them is a snapshot of one moment. What is
 * merely counted is in counters.h, with the names that all of it goes by.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "base/histogram.h"
#include "brain/message.h"
#include "brain/tally.h"
#include "table/table.h"

/* What became of a question whether a key may go on; each is one of these. */
#define DECISIONS(X)                                                                               \
    X(ALLOWED, "allowed") /* the tokens were taken, or none were asked for */                      \
    X(DENIED, "denied")                                                                            \
    X(SHADOW_DENIED, "shadow_denied") /* allowed, for the limit is on trial */                     \
    X(UNCOUNTED, "uncounted")         /* allowed, for the table has no room (when_full: allow) */  \
    X(TABLE_FULL, "table_full")       /* denied, for the table has no room (when_full: deny) */

enum decision {
#define X(name, label) DECISION_##name,
    DECISIONS(X)
#undef X
        DECISION_COUNT,
};

extern const char *const decision_names[DECISION_COUNT];

/* The greatest of the values of the last one to two METERS_PEAK_S seconds. */
#define METERS_PEAK_S 60
struct meters_peak {
    uint64_t began_ns; /* when `greatest` began */
    uint64_t greatest, before;
};

struct meters {
    uint64_t decisions[LIMITS_MAX][DECISION_COUNT]; /* of each limit in force, by its index */
    uint64_t requests[TALLY_CELLS];                 /* of all front-ends */
#define X(field, ...) int64_t field;                /* of all front-ends */
    FRONT_COUNTERS(X)
#undef X
    struct histogram batch_size;  /* messages */
    struct histogram decision_ns; /* see meters_took */
    struct meters_peak tick_lag_ns;
    bool last_reload_failed;
    /* Unix time: of the start, and of the last limits put into force */
    int64_t started_s, reloaded_s;
};

extern const struct histogram_bounds meters_batch_bounds, meters_decision_bounds_ns;

/* Counts an answer to ALLOW, which is told as yes or as no. */
void meters_decided(struct meters *meters, uint32_t limit, enum bucket_result result, bool allowed);

/* Limits are put into force in place of others (NULL: none): what was counted of a
 * limit is that of the limit of the same name from now on. */
void meters_carry(struct meters *meters, const struct limits *prior, const struct limits *next);

/* Adds up what a front-end has counted. */
void meters_take(struct meters *meters, const struct tally *tally);

/* A batch of so many messages has come. */
void meters_batch(struct meters *meters, uint64_t messages);

/* So many decisions were made together in so long: each is taken to have had the
 * same share of the time. */
void meters_took(struct meters *meters, uint64_t decisions, uint64_t took_ns);

/* A tick came so long after it was due. */
void meters_tick_late(struct meters *meters, uint64_t now_ns, uint64_t late_ns);
uint64_t meters_peak(const struct meters_peak *peak, uint64_t now_ns);

/* To METRICS. What is borrowed lives as long as the batch's limits. */
struct metrics_answer {
    struct daemon_answer daemon;
    uint64_t ticks;
    uint64_t tick_lag_ns;    /* see meters_peak */
    uint64_t log_lines_lost; /* the asker's to fill in */
    struct table_damage damage;
    struct meters meters;
};
