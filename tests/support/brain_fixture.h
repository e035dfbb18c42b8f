/*
 * A brain in virtual time, asked in one line.
 *
 * Every failure inside is a failure of the test, so only the main thread may
 * use it. Times are milliseconds since the brain's start.
 *
 * Owns the brain and the limits it made. One thread. Never blocks.
 */
#pragma once

#include "brain/brain.h"
#include "support/unit.h"

/* Not zero, and no multiple of any tick: ticks count from the brain's start. */
#define FIXTURE_START_NS 987654321u
#define FIXTURE_MAX_KEYS 1000u
#define FIXTURE_MAX_LEASES 1000u
#define FIXTURE_START_DATE_S 1000000 /* Unix time */

struct rule {
    const char *name, *match; /* match may be NULL */
    uint64_t burst;
    struct rate rate;
};

struct fixture {
    struct brain *brain;
    uint64_t now_ns;
    int64_t date_s;
    unsigned long sweeps_for_room; /* that reloads had to wait for */
};

/* Limits with one reference, the caller's. */
struct limits *fixture_limits(uint64_t tick_ms, const struct rule *rules, size_t count);

void fixture_init(struct fixture *fixture, uint64_t tick_ms, const struct rule *rules, size_t count,
                  uint32_t max_keys, enum when_full when_full);
/* With room for FIXTURE_MAX_KEYS and one limit, the default. */
void fixture_init_one(struct fixture *fixture, uint64_t tick_ms, uint64_t burst, struct rate rate);
/* The limits are given away. */
void fixture_init_limits(struct fixture *fixture, struct limits *limits, uint32_t max_keys,
                         enum when_full when_full);
void fixture_release(struct fixture *fixture);

/* Makes it that time, and has the brain tick. */
void fixture_at(struct fixture *fixture, uint64_t ms);
void fixture_at_ns(struct fixture *fixture, uint64_t ns);
void fixture_pass(struct fixture *fixture, uint64_t ms);

/* Makes it that date, Unix time. */
void fixture_date(struct fixture *fixture, int64_t date_s);

/* limit: NULL for the first that matches the key. */
struct bucket_answer fixture_ask(struct fixture *fixture, enum message_kind kind, const char *key,
                                 const char *limit, uint64_t tokens);
struct bucket_answer fixture_allow(struct fixture *fixture, const char *key, uint64_t tokens);
struct bucket_answer fixture_reset(struct fixture *fixture, const char *key);
struct bucket_answer fixture_status(struct fixture *fixture, const char *key);
struct daemon_answer fixture_daemon(struct fixture *fixture);

/* Allow, and say no more than whether. */
bool fixture_allows(struct fixture *fixture, const char *key, uint64_t tokens);

/* How many times in a row one token is allowed, at most `tries`. */
unsigned fixture_hammer(struct fixture *fixture, const char *key, unsigned tries);

/* Takes all tokens of a bucket that is full. */
void fixture_drain(struct fixture *fixture, const char *key, const char *limit);

/* Puts limits into force; false: there is no room for them yet. */
bool fixture_try_limits(struct fixture *fixture, struct limits *limits, enum when_full when_full);

/* Puts limits into force, sweeping until there is room; evicts when full. */
void fixture_reload(struct fixture *fixture, uint64_t tick_ms, const struct rule *rules,
                    size_t count);
void fixture_reload_limits(struct fixture *fixture, struct limits *limits); /* given away */
void fixture_reload_one(struct fixture *fixture, uint64_t tick_ms, uint64_t burst,
                        struct rate rate);

/* Sweeps so often that every slot has been looked at twice. */
void fixture_sweep_all(struct fixture *fixture);

/* Remaining, reset and retry in milliseconds, and the result, all at once. */
void expect_answer(struct bucket_answer answer, enum bucket_result result, uint64_t remaining,
                   uint64_t full_after_ms, uint64_t retry_after_ms);
