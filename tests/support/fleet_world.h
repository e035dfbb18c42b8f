/*
 * A brain that shares limits with a fleet, the model of its store, and the way between them, in virtual time.
 *
 * Time passes from event to event: a tick that is due, an answer of the store that arrives. Callers ask, and come home
 * at once or later.
 *
 * Every failure inside is a failure of the test. Owns brain and store; callers are the test's. One thread.
 */
#pragma once

#include "brain/core.h"
#include "support/brain_fixture.h"
#include "support/store_model.h"

#define FLEET_WORLD_LETTERS 256
#define FLEET_WORLD_TTL_MS 2000
#define FLEET_WORLD_GRACE_MS 500
#define FLEET_WORLD_INTERVAL_MS 20
#define FLEET_WORLD_COLD_MS 5
#define FLEET_WORLD_RETURN_MS 1000

/* Somebody who asks. */
struct fleet_caller {
    struct message message;
    char key[64];
    bool is_home;
    unsigned place;             /* in the order of coming home */
    uint64_t asked_ns, home_ns; /* of the world */
};

struct fleet_world {
    struct fixture fixture;
    struct store_model *store;
    uint64_t store_began_ms; /* the store's clock at our time 0 */
    uint64_t half_trip_ns;   /* to the store, and the same back */
    bool is_stopped;         /* the store does nothing; what is sent waits for it */
    enum order_result
        forced; /* what becomes of orders instead of what the store does; RESULT_COUNT: that */
    const char *forced_key;   /* of this key's orders alone, in a store of parts; or NULL */
    unsigned orders, letters; /* so many went */
    unsigned homes;
    struct order last; /* the last one that went, and as it was answered if that is so */
    struct {
        struct orders *orders;
        uint64_t at_ns; /* when it is at the store, or home if it is done */
        bool is_done;
    } away[FLEET_WORLD_LETTERS];
    unsigned away_count;
};

/* The terms of the fleet that tests use. */
struct fleet_terms fleet_world_terms(void);

/* A limit of one bucket, which may owe as much as it holds. */
struct limit_terms fleet_world_limit(const char *name, uint64_t burst, struct rate rate);

/* Limits of these terms. */
struct limits *fleet_world_limits(const struct limit_terms *terms, uint32_t count,
                                  const struct fleet_terms *fleet);

/* The limits are given away. The store has remembered for long: what it has no record of is full. */
void fleet_world_begin(struct fleet_world *world, struct limits *limits);
/* One limit, the default. */
void fleet_world_begin_one(struct fleet_world *world, uint64_t burst, struct rate rate);
/* The same of slots. */
void fleet_world_begin_slots(struct fleet_world *world, uint64_t slots);
struct limit_terms fleet_world_slots(const char *name, uint64_t slots);
void fleet_world_end(struct fleet_world *world);

/* The brain is no more, as if the process had been killed: what is on its way is at the store already, or lost. Another one begins,
 * with the same limits, which has the sessions in these records taken over and keeps its own there; NULL: none. */
void fleet_world_restart(struct fleet_world *world, const struct share_records *records);
/* The same with other limits, which are given away. */
void fleet_world_restart_with(struct fleet_world *world, struct limits *limits,
                              const struct share_records *records);

/* A world in which the process is killed now and another one begins on these records; this one goes on. What is on its way reaches the
 * store of that world before, or after it has begun, or never. */
enum fleet_arrival { FLEET_ARRIVES_BEFORE, FLEET_ARRIVES_LATE, FLEET_IS_LOST };
void fleet_world_fork(const struct fleet_world *world, struct fleet_world *fork,
                      enum fleet_arrival arrival, const struct share_records *records);

/* Has a brain that has begun keep its sessions in these records, which are all zeros. */
void fleet_world_keep(struct fleet_world *world, const struct share_records *records);

/* Lets time pass. */
void fleet_world_pass_ns(struct fleet_world *world, uint64_t ns);
void fleet_world_pass(struct fleet_world *world, uint64_t ms);

static inline uint64_t fleet_world_ns(const struct fleet_world *world)
{
    return world->fixture.now_ns - FIXTURE_START_NS;
}

/* Asks. limit: NULL for the first that matches. Whether the answer is there at once. */
bool fleet_world_ask(struct fleet_world *world, struct fleet_caller *caller, enum message_kind kind,
                     const char *key, const char *limit, uint64_t tokens, uint64_t wait_ms);

/* The same of a lease, under the limit that matches. */
bool fleet_world_acquire(struct fleet_world *world, struct fleet_caller *caller, const char *key,
                         uint32_t slots, uint32_t ttl_ms, uint64_t wait_ms);

/* And of what becomes of a lease: RENEW, RELEASE or LEASE. ttl_ms 0: as before. */
bool fleet_world_ask_lease(struct fleet_world *world, struct fleet_caller *caller,
                           enum message_kind kind, const struct lease_id *id, uint32_t ttl_ms);

/* The same, and lets time pass until the answer is there. It lets go of what the answer points into, so only the numbers
 * and the result are to be looked at. */
struct bucket_answer fleet_world_await(struct fleet_world *world, enum message_kind kind,
                                       const char *key, const char *limit, uint64_t tokens,
                                       uint64_t wait_ms);
struct bucket_answer fleet_world_allow(struct fleet_world *world, const char *key, uint64_t tokens);

/* Asks a message that is about no key, and expects it to be answered at once, or not. */
bool fleet_world_tell(struct fleet_world *world, struct message *message);

/* What a caller holds is let go. It must be home. */
void fleet_caller_release(struct fleet_caller *caller);

/* Another sidecar takes tokens of a key out of the store, and spends them. */
void fleet_world_take(struct fleet_world *world, const char *key, const char *limit,
                      uint64_t tokens);

/* Another sidecar resets a key under the default limit. */
void fleet_world_fill(struct fleet_world *world, const char *key);

/* What is in the record of a key, now. false: there is none. */
bool fleet_world_record(struct fleet_world *world, const char *key, const char *limit,
                        struct store_record *record);

/* Tokens that are out of the first bucket of a key, and left in it, by its record. */
uint64_t fleet_world_out(struct fleet_world *world, const char *key);

static inline struct fleet_counters fleet_world_counters(const struct fleet_world *world)
{
    return world->fixture.brain->shares.counters;
}

/* Tokens in hand, of all keys. */
static inline uint64_t fleet_world_hand(const struct fleet_world *world)
{
    const struct fleet_counters counters = fleet_world_counters(world);
    return fleet_hand_tokens(&counters);
}

static inline enum bucket_result fleet_caller_result(const struct fleet_caller *caller)
{
    return caller->message.answer.bucket.result;
}

/* Asks for foo's tokens under the first limit that matches it. Whether it is answered at once. */
static inline bool fleet_world_ask_foo(struct fleet_world *world, struct fleet_caller *caller,
                                       uint64_t tokens, uint64_t wait_ms)
{
    return fleet_world_ask(world, caller, MESSAGE_ALLOW, "foo", NULL, tokens, wait_ms);
}

/* Asks so often for foo that its hand has many tokens. */
void fleet_world_warm_up(struct fleet_world *world);
