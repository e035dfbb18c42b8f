/*
 * Limits: the named rules that say how much a key may take, and which rule a key falls under.
 *
 * A set of limits is built once, then never changes; a reload builds another. It is shared by
 * reference count, so that an answer may point into the set by which it was decided even
 * after a reload.
 *
 * Owns its limits and their strings. Threads: call limits_add before the set is shared; all
 * else from any thread. Never blocks. Errors: NULL or false when there is no memory.
 */
#pragma once

#include "base/arena.h"
#include "base/quantity.h"
#include "limits/networks.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMITS_MAX 1000
#define OVERRIDES_MAX 10000 /* of all limits together */
#define BUCKETS_MAX 4       /* of one limit or override */
#define LIMIT_NAME_MAX 64   /* bytes; printable ASCII, no space at either end */
#define LIMIT_MATCH_MAX 255 /* bytes */
#define BUCKET_NAME_MAX 32  /* bytes; as a limit's name, and without '/' */
#define LIMIT_DEFAULT_NAME "default"

/* Bytes of a bucket's name in headers, "LIMIT" or "LIMIT/BUCKET": with the quotes, every
 * character escaped, and the NUL. */
#define POLICY_NAME_MAX (2 * (LIMIT_NAME_MAX + 1 + BUCKET_NAME_MAX) + 3)

#define SLOTS_MAX 1000000u /* that leases of one key may hold at a time */

/* How much a bucket holds, and how fast it refills. Or it holds slots: each lease takes some and gives
 * them back at its end, and no tick refills them. */
struct bucket_terms {
    char name[BUCKET_NAME_MAX + 1]; /* empty: the limit has this one only, without a name */
    uint64_t burst;                 /* tokens, or slots */
    struct rate rate;               /* of slots, and debt_max: zeros */
    uint64_t debt_max;              /* tokens that a charge may make it owe */
    bool holds_slots;               /* then burst is how many, 1 to SLOTS_MAX */
};

/* What one key may take. Each of its buckets must hold the tokens asked for; then all are
 * charged, otherwise none. */
struct allowance {
    uint32_t count; /* of buckets, 1 to BUCKETS_MAX */
    uint64_t burst; /* the smallest of those of tokens: the most that one request can take; 0: all
                     * hold slots */
    uint64_t slots; /* the smallest of those of slots, likewise; 0: all hold tokens */
    struct bucket_terms bucket[BUCKETS_MAX];
    char *policy_name[BUCKETS_MAX]; /* as POLICY_NAME_MAX says; valid in JSON and in RFC 9651 */
    /* the whole value of RateLimit-Policy: "NAME";q=BURST;w=WINDOW, or of slots
     * "NAME";q=SLOTS;qu="concurrent-requests", ... */
    char *policy;
};

enum override_action {
    OVERRIDE_TERMS, /* buckets of its own */
    OVERRIDE_ALLOW, /* never limited */
    OVERRIDE_DENY,  /* always denied */
};

#define OVERRIDE_FOR_EVER INT64_MAX
#define OVERRIDE_REASON_MAX 255 /* bytes */

/* What holds for some keys of a limit in place of the limit's terms. */
struct override {
    char *key;        /* a key, a glob, or a network, see networks.h */
    char *quoted_key; /* as a JSON string, quotes included */
    bool is_glob, is_network;
    enum override_action action;
    bool is_runtime; /* a request has set it, not the configuration: see runtime.h */
    int64_t until_s; /* Unix time from which it holds no more, or OVERRIDE_FOR_EVER */
    char *reason;    /* why it is there, in the words of whoever set it; NULL: nobody said */
    struct allowance allowance; /* of OVERRIDE_TERMS; of other actions it has no buckets */
};

struct limit {
    char name[LIMIT_NAME_MAX + 1];
    char was[LIMIT_NAME_MAX + 1];    /* the name that it had before it was renamed, or empty */
    char match[LIMIT_MATCH_MAX + 1]; /* a glob; empty: it is asked for by name, or the default */
    char *quoted_name;      /* in quotes, '"' and '\' escaped; valid in JSON and in RFC 9651 */
    bool shadow;            /* on trial: it decides and counts, but the caller is always allowed */
    bool is_fleet;          /* its buckets are in the store of the fleet, and shared with others */
    bool returns_on_expiry; /* the tokens of a lease that nobody renewed come back */
    uint32_t warn_percent;  /* an event tells that so much of a bucket is used; 0: none does */
    struct allowance allowance;
    uint32_t overrides_count;
    struct override *overrides; /* in the order given */
    uint32_t *by_key; /* their indices, sorted by their keys; of the same key, in the order given */
    uint32_t exact_count, globs_count;
    uint32_t *exact; /* those in by_key that are no globs */
    uint32_t *globs; /* indices of the others, in the order given */
    bool knows_no_networks;
    struct networks networks;
};

/* How many may wait for tokens. */
struct waiting_terms {
    uint32_t max_waiting; /* of all keys */
    uint32_t per_key;     /* of a key under a limit */
};

/* What a request under a limit of scope fleet becomes if the tokens in hand do not do, or the store cannot be
 * reached, or a record is not there. The first is what holds if the configuration says nothing. */
enum fleet_cold { FLEET_COLD_WAIT, FLEET_COLD_DENY, FLEET_COLD_ALLOW };
enum fleet_partition { FLEET_PARTITION_DENY, FLEET_PARTITION_SHARE, FLEET_PARTITION_ALLOW };
enum fleet_loss { FLEET_LOSS_EMPTY, FLEET_LOSS_FULL };
#define FLEET_COLD_COUNT 3
#define FLEET_PARTITION_COUNT 3
#define FLEET_LOSS_COUNT 2
/* as the configuration names them */
extern const char *const fleet_cold_names[FLEET_COLD_COUNT];
extern const char *const fleet_partition_names[FLEET_PARTITION_COUNT];
extern const char *const fleet_loss_names[FLEET_LOSS_COUNT];

/* How limits of scope fleet are shared: see order.h and shares.h of the brain. */
struct fleet_terms {
    uint32_t ttl_ms;          /* a hand is good for so long from when its order went */
    uint32_t renew_ms;        /* after so much of it, it is ordered anew */
    uint32_t grace_ms;        /* the store keeps a hand for so much longer */
    uint32_t return_after_ms; /* without demand the hand is given back */
    uint32_t horizon_ms;      /* the hand should do for so long */
    uint32_t min_interval_ms; /* between two orders for one key */
    uint32_t cold_wait_ms;    /* FLEET_COLD_WAIT: at most */
    uint32_t sidecars; /* FLEET_PARTITION_SHARE: each has burst and rate by so many; 0: not said */
    uint32_t
        clock_guard_ms; /* by so much the store's clock may run ahead of ours between answers */
    uint32_t outstanding_percent; /* of a burst, that all sidecars together may have in hand */
    enum fleet_cold cold;
    enum fleet_partition on_partition;
    enum fleet_loss on_loss;
};

struct limits {
    atomic_uint references;
    uint64_t tick_ms;
    struct arena texts; /* of all limits: so the last one who releases the set frees a few chunks */
    uint32_t count;
    uint32_t fallback;        /* index of the limit named "default" */
    uint32_t matching;        /* limits from this index on have no glob */
    uint32_t overrides_count; /* of all limits */
    bool has_fleet;           /* one of them is of scope fleet */
    bool has_slots;           /* a bucket of one of them, or of one of its overrides, holds slots */
    /* how many denials the log shows; 0 tokens: none. Set before the limits are shared */
    struct rate shown_denials;
    struct waiting_terms waiting; /* set before the limits are shared too */
    struct fleet_terms fleet;     /* likewise; of no meaning if no limit is of scope fleet */
    struct limit limit[];
};

/* What a limit is made from; everything is copied. Buckets must have passed credit_line_init
 * and credit_line_lend unless they hold slots, names and globs the checks of the configuration: so a name that one limit had before is that of
 * no other, now or before. */
struct override_terms {
    const char *key;
    enum override_action action;
    int64_t until_s;
    uint32_t buckets_count; /* 0 unless OVERRIDE_TERMS */
    struct bucket_terms buckets[BUCKETS_MAX];
    bool is_runtime;
    const char *reason; /* 1 to OVERRIDE_REASON_MAX bytes without control characters, or NULL */
};

struct limit_terms {
    const char *name, *was, *match; /* was and match may be NULL */
    bool shadow;
    bool is_fleet;
    bool returns_on_expiry;
    uint32_t warn_percent;  /* 1 to 100, or 0: see struct limit */
    bool knows_no_networks; /* of its overrides: version 0.1.0 took them for keys */
    uint32_t buckets_count;
    struct bucket_terms buckets[BUCKETS_MAX];
    uint32_t overrides_count;
    /* no key twice, but for a run-time override, which stands before the configuration's */
    const struct override_terms *overrides;
};

/* What is shown as the burst of all buckets together: tokens, or where all hold slots, slots. */
static inline uint64_t allowance_shown_burst(const struct allowance *allowance)
{
    return allowance->burst > 0 ? allowance->burst : allowance->slots;
}

/* Whether the limit's own buckets, or those of one of its overrides, hold tokens; or slots. */
bool limit_has_tokens(const struct limit *limit);
bool limit_has_slots(const struct limit *limit);

/* An empty set with room for `capacity` limits and one reference. NULL: no memory. */
struct limits *limits_new(uint32_t capacity, uint64_t tick_ms);

/* Appends a limit. false: no memory, and nothing was appended. */
bool limits_add(struct limits *limits, const struct limit_terms *terms);

/* An empty set for as many limits as another one has, with its settings for all limits together. */
struct limits *limits_new_like(const struct limits *other);

/* What a limit, or an override, was made from. The terms borrow from it; `overrides` is NULL. */
struct limit_terms limit_terms_of(const struct limit *limit);
struct override_terms override_terms_of(const struct override *override);

struct limits *limits_retain(struct limits *limits);
void limits_release(struct limits *limits); /* NULL is fine; the last one frees */

/* Whether a name is 1 to LIMIT_NAME_MAX printable ASCII characters with no space at either end. */
bool limit_name_is_valid(const char *name, size_t len);

/* The same for a bucket: at most BUCKET_NAME_MAX characters, and no '/'. */
bool bucket_name_is_valid(const char *name, size_t len);

/* The index of the limit of that name, or -1. */
int limits_find(const struct limits *limits, const char *name, size_t len);

/* The index, in the set that was in force before (NULL: none), of the limit that a limit of the
 * next set goes on as: the one of its name, else the one whose name it had; -1: it is new. */
int limits_before(const struct limits *prior, const struct limit *next);

/* The index of the first limit whose glob matches the NUL-terminated key, else of the default. */
uint32_t limits_find_match(const struct limits *limits, const char *key);
static inline uint32_t limits_match(const struct limits *limits, const char *key)
{
    return limits->matching == 0 ? limits->fallback : limits_find_match(limits, key);
}

/* The index of the override that holds for the NUL-terminated key at this Unix time: the one
 * for exactly this key, else the narrowest network that its address is in, else the first glob
 * that matches; -1: there is none. Of two for the same key or network, the first. */
int limit_find_override(const struct limit *limit, const char *key, int64_t as_of_s);
static inline int limit_override(const struct limit *limit, const char *key, int64_t as_of_s)
{
    return limit->overrides_count == 0 ? -1 : limit_find_override(limit, key, as_of_s);
}

/* The overrides that are for the NUL-terminated key, in the order in which one goes before the other: the
 * indices of the first `max`. Those of the configuration are among them even if their ends have come by this
 * Unix time, but those of run time are not. Returns how many there are. */
uint32_t limit_overrides_of(const struct limit *limit, const char *key, int64_t as_of_s,
                            uint32_t *indices, uint32_t max);

/* The Unix time until which overrides deny the key without a break, where the end of one may
 * leave another in force. `as_of_s` itself: no override denies it then. */
int64_t limit_denied_until_s(const struct limit *limit, const char *key, int64_t as_of_s);

/* The earliest end of an override after this Unix time, or OVERRIDE_FOR_EVER. */
int64_t limit_next_end_s(const struct limit *limit, int64_t as_of_s);

/* The w of RateLimit-Policy: seconds in which `burst` tokens refill at this rate, of 1 or more,
 * rounded up, at least 1. A bucket of slots has no rate, and no such window. */
uint64_t limit_window_s(uint64_t burst, struct rate rate);
