/*
 * Fleet simulation: sidecars with real brains, the network between them and a store, and everybody's clocks, in virtual
 * time.
 *
 * True time is the world's, in nanoseconds. Each sidecar has a clock of its own, which runs fast or slow, and so
 * has the store, whose clock may step as well. The network carries letters of orders as the fleet thread does: each
 * comes home once, with an answer or, after op_timeout, without one. But the call that
 * it made may reach the store late, or twice, or never.
 *
 * Every answer to a caller, and every call of the store, is told to the ledger of its record (fleet_checks.h).
 *
 * Owns brains, letters and messages. One thread. What does not hold fails the test.
 */
#pragma once

#include "brain/brain.h"
#include "prop/fleet_checks.h"
#include "prop/fleet_once.h"
#include "prop/fleet_state.h"
#include "support/dice.h"

enum {
    FLEET_SIDECARS = 6,
    FLEET_KEYS = 3,
    FLEET_LIMITS = 2,
    FLEET_RECORDS = FLEET_KEYS * FLEET_LIMITS,
    FLEET_CALLERS = 24, /* of a sidecar, at a time */
    FLEET_INBOX = 128,
    FLEET_LIST = 6,
    FLEET_LEASES = FLEET_STATE_LEASES, /* in force at a time */
    FLEET_TICK_MS = 100,               /* of limits */
};

/* A clock that tells told_ns at from_ns, and runs fast by so many parts of a million. */
struct fleet_clock {
    uint64_t from_ns, told_ns;
    int32_t fast_ppm;
};

uint64_t fleet_clock_tells(const struct fleet_clock *clock, uint64_t true_ns);
/* The first true time at which it tells that. */
uint64_t fleet_clock_when(const struct fleet_clock *clock, uint64_t told_ns);

struct fleet_sim;

struct fleet_asker {
    struct message message;
    bool is_away;
    unsigned record;
    struct bucket_call call[FLEET_LIST]; /* of a list */
    unsigned lease;                      /* of RENEW and RELEASE */
    uint64_t number;                     /* of questions */
    uint64_t token;                      /* with which it is to be answered once; 0: none */
    struct once_question once;
};

/* A lease that a caller holds, until a true time. */
struct fleet_lease {
    struct lease_id id;
    unsigned sidecar, life, record;
    uint32_t slots;
    uint64_t end_ns;
};

/* A letter in the hands of the fleet thread. */
struct fleet_flight {
    struct orders *letter; /* the brain's */
    unsigned references;   /* of events to come */
    unsigned sidecar, life;
    bool is_home;
    bool is_refused, is_done; /* by the store: one or the other, whichever copy came first */
};

/* What one call takes to the store, and its answer back. */
struct fleet_call {
    struct fleet_flight *flight;
    uint64_t sent_ns; /* when it was written, by the sidecar's clock */
    struct orders orders;
};

/* What a session had spent of a record when a copy of the state was made, and since then, as far as is known. */
struct fleet_spent {
    uint64_t session; /* 0: none */
    uint64_t then[BUCKETS_MAX], now[BUCKETS_MAX];
};

struct fleet_sidecar {
    struct brain *brain; /* NULL: it has crashed */
    struct fleet_clock clock;
    unsigned life;            /* counts its processes */
    uint64_t stands_until_ns; /* SIGSTOP; 0: it runs */
    bool is_stale;            /* it stopped between reading the clock and what it does by it */
    bool is_in_stale_turn;
    uint64_t
        stale_tokens[FLEET_RECORDS]; /* that it may spend in that turn though their lease is over */
    bool is_apart;                   /* the network does not reach it */
    bool is_ending;                  /* it drains */
    unsigned terms;                  /* which of the world's are in force */
    int64_t date_s, until_s;         /* Unix time: now, and when run-time overrides end */
    struct fleet_state state;        /* which outlives the process, if the world keeps any */
    struct fleet_spent copied[FLEET_RECORDS];
    uint64_t tick_ns; /* when its brain is due, true time */
    struct message end;
    bool end_is_away;
    struct fleet_asker caller[FLEET_CALLERS];
    struct letter *inbox[FLEET_INBOX]; /* while it stands still */
    unsigned inbox_count;
    struct fleet_pace pace[FLEET_RECORDS];
};

/* Chances in a thousand, of each call or answer. */
struct fleet_network {
    unsigned lost, doubled, late, refused;
    uint64_t latency_ns, late_ns, op_timeout_ns;
};

/* What limits say at a time. Some keys may have overrides. */
struct fleet_rules {
    unsigned limits;
    unsigned buckets[FLEET_LIMITS];
    struct bucket_terms bucket[FLEET_LIMITS][BUCKETS_MAX];
    bool is_overridden[FLEET_RECORDS];
    struct override_terms override[FLEET_RECORDS];
};

/* The buckets of a record by rules, of which there are so many. One that is always allowed or denied has those of its limit. */
const struct bucket_terms *fleet_rules_buckets(const struct fleet_rules *rules, unsigned record,
                                               unsigned *buckets);
static inline enum override_action fleet_rules_action(const struct fleet_rules *rules,
                                                      unsigned record)
{
    return rules->is_overridden[record] ? rules->override[record].action : OVERRIDE_TERMS;
}

enum fleet_event_kind { FLEET_CALL_ARRIVES, FLEET_ANSWER_ARRIVES, FLEET_TIMES_OUT, FLEET_NOT_SENT };

struct fleet_event {
    uint64_t at_ns, number;
    enum fleet_event_kind kind;
    struct fleet_call *call;
    struct fleet_flight *flight;
};

struct fleet_store {
    struct fleet_clock clock;
    struct store_model *model, *copy; /* as it was, to roll back to; or NULL */
};

struct fleet_sim {
    struct dice dice;
    uint64_t now_ns, number;
    unsigned sidecars;
    struct fleet_sidecar sidecar[FLEET_SIDECARS];
    struct fleet_rules rules[2]; /* two sets: before and after a reload, or of two fleets */
    bool has_runtime;            /* the second set is the first one with run-time overrides */
    struct fleet_terms terms;
    struct fleet_network network;
    struct fleet_store store;
    uint64_t copied_granted[FLEET_RECORDS][BUCKETS_MAX], copied_resets[FLEET_RECORDS];
    struct fleet_ledger ledger[FLEET_RECORDS];
    struct fleet_lease lease[FLEET_LEASES];
    uint64_t leases_begun;
    bool has_slots;    /* the last limit is of slots, of one bucket */
    bool asks_once;    /* some questions have tokens */
    bool keeps_states; /* processes take over what those before had in hand, and their leases */
    struct fleet_onces onces;
    struct fleet_event *heap;
    unsigned events, heap_size;
    uint64_t next_number, nonce;
    uint64_t tries, questions, letters, orders, calls, allowed, denied, waited, lent, renewed,
        uncounted, lists, steps, overridden, repeated, taken_over, slots_taken_over, written_back;
};

extern const char *const fleet_keys[FLEET_KEYS];
extern const char *const fleet_limit_names[FLEET_LIMITS];

static inline unsigned fleet_record_of(unsigned limit, unsigned key)
{
    return limit * FLEET_KEYS + key;
}

/* The world's dice, rules, terms, network and clocks are set; all begins. _end frees it all. */
void fleet_sim_begin(struct fleet_sim *world);
void fleet_sim_end(struct fleet_sim *world);

/* Lets so much time pass, with all that is due in it. */
void fleet_sim_pass(struct fleet_sim *world, uint64_t ns);

/* A sidecar is asked. false: it is not there, or has no room for more callers. */
bool fleet_sim_ask(struct fleet_sim *world, unsigned sidecar, enum message_kind kind,
                   unsigned record, uint64_t tokens, uint64_t wait_ms);

/* A sidecar is asked for tokens of so many keys in one list, by MESSAGE_EACH or MESSAGE_ALL. */
bool fleet_sim_ask_list(struct fleet_sim *world, unsigned sidecar, enum message_kind kind,
                        const unsigned record[FLEET_LIST], const uint64_t tokens[FLEET_LIST],
                        uint32_t count);

/* A sidecar is asked for a lease; and to renew or release one that is in force. false: it is not there, or there is no
 * room, or no such lease. */
bool fleet_sim_acquire(struct fleet_sim *world, unsigned sidecar, unsigned record, uint32_t slots,
                       uint32_t ttl_ms, uint64_t wait_ms);
bool fleet_sim_ask_lease(struct fleet_sim *world, enum message_kind kind, unsigned lease,
                         uint32_t ttl_ms);

/* A question that a sidecar was asked with a token comes again; or another one with its token. false: there is none, or no
 * room. */
bool fleet_sim_ask_again(struct fleet_sim *world, unsigned sidecar);

/* One who waits leaves. */
void fleet_sim_leave(struct fleet_sim *world, unsigned sidecar, unsigned caller);

/* What happens to a sidecar. */
void fleet_sim_crash(struct fleet_sim *world, unsigned sidecar);
/* A copy of its state is made; and written back, while no process of it runs. */
void fleet_sim_copy_state(struct fleet_sim *world, unsigned sidecar);
void fleet_sim_write_back(struct fleet_sim *world, unsigned sidecar);
void fleet_sim_start(struct fleet_sim *world, unsigned sidecar);
void fleet_sim_drain(struct fleet_sim *world, unsigned sidecar);
void fleet_sim_stop(struct fleet_sim *world, unsigned sidecar, uint64_t ns, bool is_stale);
/* Others of the world's rules come into force: by a reload, or because run-time overrides are set, dropped or end. */
void fleet_sim_reload(struct fleet_sim *world, unsigned sidecar, unsigned rules);
void fleet_sim_part(struct fleet_sim *world, unsigned sidecar, bool is_apart);

/* All faults are over, and everybody runs. */
void fleet_sim_heal(struct fleet_sim *world);

/* And to the store. */
void fleet_sim_forget(struct fleet_sim *world);
void fleet_sim_evict(struct fleet_sim *world, unsigned record);
void fleet_sim_copy_store(struct fleet_sim *world);
void fleet_sim_roll_back(struct fleet_sim *world);
void fleet_sim_step_clock(struct fleet_sim *world, int64_t ms);

/* Tokens of a record are admitted by a clock that was read before the process stood still. */
void fleet_sim_count_stale(struct fleet_sim *world, unsigned sidecar, unsigned record,
                           uint64_t tokens);

/* What the store has of a record, read into *record; NULL: nothing. */
const struct store_record *fleet_sim_record(struct fleet_sim *world, unsigned at,
                                            struct store_record *record);

uint64_t fleet_sim_store_ms(const struct fleet_sim *world);

/* By how long after now nothing is in effect any more of what was granted until now. */
uint64_t fleet_sim_memory_ns(const struct fleet_sim *world);

extern bool fleet_traces; /* tells all that happens */
void fleet_note(const struct fleet_sim *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
