/*
 * Fleet checks: what must hold of limits that many sidecars share, whatever happens to them.
 *
 * A ledger stands beside the record of one key under one limit. It is told what callers were truly
 * admitted, in true time, and sees each call of the store before and after. It knows
 * nothing of hands, leases or clocks: faults that may cost something are told to it, with how many
 * tokens they may cost at most, and until when.
 *
 * What is admitted is held against all windows at once: a leak by the rate is what of it is left, and the
 * most that this is above the burst is the excess of the worst window that ends now.
 *
 * Owns nothing. One thread. What does not hold fails the test, by name.
 */
#pragma once

#include "brain/order.h"
#include "support/store_model.h"

#include <stdbool.h>
#include <stdint.h>

enum fleet_invariant {
    FLEET_NO_FAULT,
    FLEET_WITHIN_BURST,  /* 1 */
    FLEET_WINDOWS,       /* 2 */
    FLEET_CONSERVED,     /* 3 */
    FLEET_STOOD_STILL,   /* 4 */
    FLEET_ROLLED_BACK,   /* 5 */
    FLEET_FULL_ON_LOSS,  /* 6 */
    FLEET_DENIES_LITTLE, /* 7 */
    FLEET_CALLS_FEW,     /* 8 */
    FLEET_CLOCK_AHEAD,   /* 9 */
    FLEET_SLOTS,         /* 10 */
    FLEET_ONCE,          /* 11 */
    FLEET_OVERRIDES,     /* 12 */
    FLEET_COPIED,        /* 13 */
    FLEET_INVARIANTS,
};
extern const char *const fleet_invariants[FLEET_INVARIANTS];

/* All windows that begin at from_ns or later. */
struct fleet_window {
    uint64_t from_ns, at_ns;
    unsigned buckets;
    double burst[BUCKETS_MAX], rate_per_ns[BUCKETS_MAX];
    double used[BUCKETS_MAX];     /* admitted and not leaked */
    double may_cost[BUCKETS_MAX]; /* tokens, what has happened since may cost */
    enum fleet_invariant last_fault;
};

/* Of the newest sessions, what the store has given back and charged in all, and what the newest of their orders told. */
enum { FLEET_SESSIONS = 64 };
struct fleet_session {
    uint64_t session, seq;
    int64_t done[BUCKETS_MAX], told[BUCKETS_MAX];
};

struct fleet_ledger {
    const char *limit, *key;
    struct fleet_window terms;        /* in force now; only those of it */
    struct fleet_window whole, since; /* all its life; and since the last fault's effect was over */
    struct fleet_window apart;        /* all its life, of what was admitted apart from the store */
    double rate_least[BUCKETS_MAX];   /* that windows leak by */
    double rate_factor;               /* by which the store's clock is fast, at most */
    uint64_t clean_ns;                /* when all effects of faults are over; 0: they are */
    bool has_changed;                 /* it has had several terms */
    bool is_mixed;                    /* several terms are in force */
    bool is_faulty;                   /* more may be denied than by what is in hand */
    bool is_lossy;                    /* the store may not have been told all that was spent */
    bool is_forgetful;                /* the store has lost what it was told */
    bool may_lend_more; /* likewise, and not all who hold slots could tell it again in time */
    struct fleet_session session[FLEET_SESSIONS];
    unsigned sessions;
    /* as callers were told */
    uint64_t admitted, refunded, charged, resets;
    /* as the store has it: totals of all sessions */
    uint64_t granted[BUCKETS_MAX], disposed[BUCKETS_MAX], resets_done;
    int64_t net[BUCKETS_MAX];
    double out_most[BUCKETS_MAX]; /* of tokens with holders, since it was last full */
    double lost[BUCKETS_MAX];     /* that holders had whom the store has forgotten */
    /* of the burst, that was admitted beyond the rate in the worst window */
    double worst_percent, worst_apart_percent;
};

/* The buckets have these terms, and are full. */
void fleet_ledger_open(struct fleet_ledger *ledger, const char *limit, const char *key,
                       const struct bucket_terms *terms, unsigned buckets, double rate_factor,
                       uint64_t now_ns);

/* Such terms may be in force as well, one day: then tokens of times before are refilled by their rate. */
void fleet_ledger_expect(struct fleet_ledger *ledger, const struct bucket_terms *terms,
                         unsigned buckets);

/* Other terms are in force as well from now on, somewhere. */
void fleet_ledger_change(struct fleet_ledger *ledger, const struct bucket_terms *terms,
                         unsigned buckets, uint64_t now_ns);

/* All sidecars have the terms that were told last; those before are without effect after until_ns. */
void fleet_ledger_settle(struct fleet_ledger *ledger, uint64_t until_ns);

/* Something may cost so much more than the burst, once, in windows that do not begin after until_ns: so many
 * tokens, and so many bursts. */
void fleet_ledger_fault(struct fleet_ledger *ledger, enum fleet_invariant kind, double tokens,
                        double bursts, uint64_t now_ns, uint64_t until_ns);

/* The store is rolled back to when it had granted so much. */
void fleet_ledger_roll_back(struct fleet_ledger *ledger, const uint64_t granted[BUCKETS_MAX],
                            uint64_t now_ns, uint64_t until_ns);

/* The store's clock has stepped ahead. Sidecars that know it allow guard_ms of that; one that does not, the rest. */
void fleet_ledger_step(struct fleet_ledger *ledger, uint64_t ms, uint64_t guard_ms,
                       uint64_t now_ns);

/* A caller was told that it may take them. */
void fleet_ledger_admit(struct fleet_ledger *ledger, uint64_t tokens, uint64_t now_ns);

/* So many sidecars have a bucket of their own each while the store is out of reach: 1 of so many of burst and rate, and a
 * token at least. */
void fleet_ledger_part(struct fleet_ledger *ledger, unsigned sidecars, uint64_t now_ns);

/* A caller was told that it may take tokens out of such a bucket. */
void fleet_ledger_admit_apart(struct fleet_ledger *ledger, uint64_t tokens, uint64_t now_ns);

/* Callers hold leases in force with so many slots, by true time. */
void fleet_ledger_lend(const struct fleet_ledger *ledger, uint64_t slots);

/* A lease begins or is renewed, and ends at end_ns, true time; the store may forget the session that holds its slots at
 * kept_ns. */
void fleet_ledger_keep(const struct fleet_ledger *ledger, uint64_t kept_ns, uint64_t end_ns);

/* The store has so many slots out, and callers hold so many. */
void fleet_ledger_out(const struct fleet_ledger *ledger, uint64_t out, uint64_t slots);

/* A caller was denied: unless something is amiss, some bucket must be short. */
void fleet_ledger_deny(struct fleet_ledger *ledger, uint64_t tokens, uint64_t now_ns);

/* The store was called: its record before and after (NULL: there is none), and what was asked and answered. */
void fleet_ledger_call(struct fleet_ledger *ledger, const struct store_record *before,
                       const struct store_record *after, const struct order *order,
                       const struct orders *letter, uint64_t now_ns);

/* All has been quiet for so long that the record must be gone, and that all was told. */
void fleet_ledger_quiet(const struct fleet_ledger *ledger, const struct store_record *record);

/* How often a sidecar calls for one record, by its clock. */
struct fleet_pace {
    bool has_ordered;
    struct order last; /* as it was asked, or answered */
    bool is_answered;
    uint64_t sent_ns;
    double ahead;     /* orders that went and are not yet due by min_interval */
    unsigned repeats; /* in a row, of orders that were sent again at once */
    bool is_changed;  /* other terms, or a refund, charge or reset, have come since the last one */
};

void fleet_pace_order(struct fleet_pace *pace, const struct fleet_ledger *ledger,
                      const struct order *order, uint64_t sent_ns, uint64_t min_interval_ns,
                      bool is_ending);
void fleet_pace_answer(struct fleet_pace *pace, const struct order *order);

/* Where the test is, for what it tells if something does not hold. */
extern char fleet_where[300];
void fleet_violated(enum fleet_invariant invariant, const struct fleet_ledger *ledger,
                    const char *format, ...) __attribute__((format(printf, 3, 4), noreturn));
