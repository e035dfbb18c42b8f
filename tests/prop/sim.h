/*
 * The simulation: what the brain must do about those who wait, owe and hold leases.
 *
 * Written from the words of the contract, not from the code. Nothing is remembered that can be
 * worked out: each question walks the whole queue of its key, and each tick looks at all of them.
 *
 * A level is an exact fraction of a token, whose denominator is that of what one tick refills. Each tick
 * adds that, up to the burst. Who may wait, and whose tokens come in time if those before get
 * theirs, waits in the queue of the key under its limit; the first of it is let go at the first tick at which every
 * bucket holds what it wants. Slots are counted from the leases. Nobody knows when they come back, so
 * who lacks some waits until the deadline without a promise, and so do all behind. A charge
 * behind those who wait is an item of the same queue. Whatever but time changes a bucket has the
 * whole queue ask anew, in order; other limits, and the end of an override, have all queues do so,
 * after the charges in them.
 *
 * Owns nothing. One thread. Failures inside are failures of the test.
 */
#pragma once

#include "brain/message.h"
#include "support/unit.h"

enum {
    SIM_NAMES = 3,
    SIM_KEYS = 5,
    SIM_GLOBS = 4,
    SIM_OVERRIDES = 2, /* of one limit, at most */
    SIM_QUEUE_MAX = 64,
    SIM_LEASES_MAX = 64, /* remembered ones among them */
};

extern const char *const sim_names[SIM_NAMES]; /* of limits; the first is the default */
extern const char *const sim_keys[SIM_KEYS];
extern const char *const sim_globs[SIM_GLOBS]; /* number 0 is none */

struct sim_terms {
    unsigned count;
    struct bucket_terms bucket[BUCKETS_MAX];
};

struct sim_override {
    int key;       /* of just this one, or -1 */
    unsigned glob; /* else */
    enum override_action action;
    int64_t until_s;
    struct sim_terms terms; /* of OVERRIDE_TERMS */
};

struct sim_rule {
    unsigned name, glob;
    bool shadow, returns_on_expiry;
    struct sim_terms terms;
    unsigned overrides_count;
    struct sim_override override[SIM_OVERRIDES];
};

struct sim_ask {
    enum message_kind kind;
    unsigned key;
    int limit; /* its name, or -1: the first that matches */
    uint64_t tokens, wait_ms;
    uint32_t slots, ttl_ms; /* of ACQUIRE; ttl_ms of RENEW too */
    unsigned lease;         /* of ACQUIRE, and of all that are about a lease; from 1 */
    bool has_used;          /* of RELEASE; then tokens are those */
};

/* Somebody who waits, or a charge behind. */
struct sim_item {
    bool is_charge;
    int64_t charge[BUCKETS_MAX]; /* units */
    struct sim_ask ask;
    unsigned who; /* the asker's number for it */
    uint64_t number, asked_ns, deadline_ns;
    bool is_promised, is_patient; /* patient: waits without a promise whatever ticks say */
};

struct sim_bucket {
    int64_t level[BUCKETS_MAX]; /* units; what is above the cap is lost when somebody looks */
    bool is_unsettled;          /* something but time has changed it */
    bool is_apart;              /* limits have changed, and those who waited are asked anew */
    unsigned count;             /* of items */
    struct sim_item item[SIM_QUEUE_MAX];
};

struct sim_lease {
    unsigned number; /* 0: none */
    enum lease_state state;
    unsigned key, name;
    bool is_lost;     /* its limit is gone */
    bool tokens_lost; /* nobody gives them back at its end */
    uint64_t tokens;
    uint32_t slots, ttl_ms;
    uint64_t due_ns; /* of one held: its end; else until when it is remembered; state's time */
    uint64_t returned, charged, forgiven, owed;
};

struct sim {
    uint64_t tick_ms, now_ns, last_tick_ns, lease_tick_ns, lived_offset_ns, next_number;
    int64_t date_s;
    uint32_t max_waiting, per_key, waiting;
    uint32_t max_keys; /* 0: there is room for all */
    unsigned count;
    struct sim_rule rule[SIM_NAMES];
    struct sim_bucket bucket[SIM_NAMES][SIM_KEYS]; /* by the limit's name */
    struct sim_lease lease[SIM_LEASES_MAX];
};

struct sim_answer {
    enum bucket_result result;
    int rule, override; /* -1: there is none */
    uint64_t remaining, owed, charged, retry_after_ms, full_after_ms;
    bool has_waited;
    uint64_t waited_ms, would_wait_ms, expires_after_ms;
    struct bucket_state bucket[BUCKETS_MAX];
};

/* Those who have waited and are answered now, in the order of their queues. */
struct sim_released {
    unsigned count;
    struct {
        unsigned who, key, name;
        struct sim_answer answer;
    } waiter[SIM_QUEUE_MAX];
};

int sim_match(const struct sim *sim, unsigned key);
int sim_find(const struct sim *sim, unsigned name);
const struct sim_terms *sim_terms(const struct sim *sim, const struct sim_rule *rule, unsigned key);
int sim_override(const struct sim *sim, const struct sim_rule *rule, unsigned key);

/* Of a bucket, in units: a token, what a tick refills, and the whole. */
int64_t sim_token(const struct bucket_terms *bucket, uint64_t tick_ms);
int64_t sim_step(const struct bucket_terms *bucket, uint64_t tick_ms);
int64_t sim_cap(const struct bucket_terms *bucket, uint64_t tick_ms);

/* A first set of limits; all buckets are full, and nobody waits. */
void sim_init(struct sim *sim, const struct sim_rule *rules, unsigned count, uint64_t tick_ms);

/* Brings time forward. */
void sim_tick(struct sim *sim, uint64_t now_ns, struct sim_released *released);
void sim_date(struct sim *sim, int64_t date_s, struct sim_released *released);
void sim_reload(struct sim *sim, const struct sim_rule *rules, unsigned count, uint64_t tick_ms,
                struct sim_released *released);

/* A question about one key. false: it waits. */
bool sim_answer(struct sim *sim, const struct sim_ask *ask, unsigned who, struct sim_answer *answer,
                struct sim_released *released);

void sim_leave(struct sim *sim, unsigned who, struct sim_released *released);

/* RENEW, RELEASE and LEASE. */
struct lease_answer sim_lease(struct sim *sim, const struct sim_ask *ask,
                              struct sim_released *released);

/* The process was killed, and another goes on at that time, away_ns after the last tick, by the same clock or
 * after a reboot: nobody waits, charges are applied, and leases go on. */
void sim_restart(struct sim *sim, uint64_t now_ns, uint64_t away_ns, bool is_reboot);

/* Call it before that for a process that is killed here. A reload that makes ticks shorter brings the last one
 * nearer. Of leases that ended by then, before a tick came, the tokens do not come back. */
void sim_lose_returns(struct sim *sim);

/* How a lease is, and what is known of it. */
const struct sim_lease *sim_find_lease(const struct sim *sim, unsigned number);

/* Slots that leases of a key have out, and what one of its buckets is shown to hold, in units: what is
 * promised and charges behind are taken. */
uint64_t sim_slots(const struct sim *sim, unsigned name, unsigned key);
int64_t sim_level(const struct sim *sim, const struct sim_rule *rule, unsigned key,
                  unsigned bucket);

/* Whether a key is remembered: not all its buckets are full, or somebody waits. And whether it may not be
 * forgotten: it owes, or somebody waits. The test learns from the brain which other key is evicted. */
bool sim_is_known(const struct sim *sim, const struct sim_rule *rule, unsigned key);
bool sim_is_pinned(const struct sim *sim, const struct sim_rule *rule, unsigned key);
void sim_forget(struct sim *sim, const struct sim_rule *rule, unsigned key);

/* When something is due by itself, or UINT64_MAX. */
uint64_t sim_due_ns(struct sim *sim);
