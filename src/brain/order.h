/*
 * Orders: what the brain asks the store of a fleet, and what the store answers.
 *
 * A limit of scope `fleet` has its buckets in a store that many sidecars share. Each record of the store
 * is the buckets of one key under one limit, and what each sidecar, its holder, has out of them. The brain
 * decides from tokens in hand (shares.h); by an order it has more granted, tells how many it has spent, or
 * gives them back. All numbers of a session are totals since it began, so that an order which is lost,
 * late or doubled changes nothing: the store goes by the newest.
 *
 * Orders travel together, up to ORDERS_MAX in one letter. The brain owns a fixed number of such letters,
 * so what is on its way is bounded. The fleet thread answers every one of them, at the latest when the
 * store has not answered in time, and sends it home to the decider.
 *
 * Owns nothing. Threads: one at a time, by where the letter is. Never blocks. Never fails.
 */
#pragma once

#include "brain/message.h"
#include "limits/fleet_fit.h"

#define ORDERS_MAX 16   /* records in one letter, and so in one call of the script */
#define HOLDERS_MAX 100 /* of one record: so many sidecars may hold tokens of a key at a time */

/* The most that burst * units of a token may be: the numbers of the store's scripts are doubles. And the
 * most that totals of a session may be, in tokens: six bytes of the record. */
#define ORDER_UNITS_MAX FLEET_UNITS_MAX
#define ORDER_TOKENS_MAX FLEET_TOTAL_MAX

/* A bucket as the store reckons it, by milliseconds: like a credit line with a tick of 1 ms: see
 * fleet_fit.h. */
struct order_terms {
    uint64_t burst_tokens;
    uint64_t token_units;
    uint64_t step_units;         /* a millisecond */
    uint64_t outstanding_tokens; /* all holders together may have so many out, 1 or more */
};

/* What a session says of a bucket: totals in tokens since it began. */
struct order_totals {
    uint64_t granted;  /* that it knows of */
    uint64_t disposed; /* spent or given back, at most `granted` */
    int64_t net;       /* given back and refunded, less charged: added to the bucket's level */
    uint64_t want;     /* that it would like to have granted beyond `granted` */
};

enum order_flag {
    ORDER_EXACT =
        1, /* want is one request: all or nothing, of every bucket, beyond shares and outstanding */
    ORDER_RELEASE =
        2, /* the session ends, unless the answer is REPEATED; what it has not disposed of is lost */
    ORDER_RESET = 4,        /* fill the buckets, but for what is out, if the session is known */
    ORDER_ON_LOSS_FULL = 8, /* a record that is not there is full, and not empty since the epoch */
    ORDER_PROBE = 16,       /* write the record whatever it is, to see that this works */
    ORDER_JOIN =
        32, /* remember the session though it has had nothing yet: it has something to tell */
    ORDER_CLAIM =
        64, /* the session is new, and what it has been granted is in use: it counts as out, though no
                         other session knew of it, and the level may go below zero */
    ORDER_TAKES_OVER =
        128, /* unless the record knows the session, it is `former` under another name from
                         now on, and that one is not known any more; what `former` had is its own. But
                         not if the record knows of an order of `former` with this seq or a later one:
                         then who wants to take it over goes by totals of before, and gets nothing */
};

enum order_result {
    ORDER_DONE,
    ORDER_AGAIN, /* there was no epoch: it is written, and this order did nothing; send it again */
    ORDER_EPOCH, /* the store has forgotten what it knew at our epoch: the hand is void */
    ORDER_SESSION, /* the record does not know this session, which tells of totals: the hand is void */
    ORDER_OLD,     /* a newer order of this session was there before: nothing is done */
    ORDER_REPEATED, /* the store had granted more than the session knew, and grants nothing new */
    ORDER_FULL,     /* too many holders */
    ORDER_UNSOUND,  /* the record was damaged; it began anew, empty */
    ORDER_VERSION,  /* another version of the script has written the record: nothing is done */
    /* not by the script: */
    ORDER_REFUSED, /* the store is there but does nothing: loading, read-only, out of memory, ... */
    ORDER_UNREACHABLE, /* it did not answer in time, or there is no connection: it may be done or not */
    ORDER_NOT_SENT, /* the same, but it is sure that nothing was done */
    ORDER_RESULT_COUNT,
};

/* One record of a letter. The strings are the brain's, and hold while the letter is away. */
struct order {
    /* the question */
    const char *limit_name; /* NUL-terminated */
    const char *key;
    uint16_t limit_len, key_len;
    uint8_t flags;
    uint8_t buckets;
    uint32_t terms_tag; /* tells one set of terms from another */
    uint64_t session;   /* not 0 */
    uint64_t former;    /* of ORDER_TAKES_OVER; not 0 then */
    uint64_t
        seq; /* more with each order of this session; from when it knows that the record knows it,
                     more than the record's time was then: see share_order.h */
    uint32_t keep_ms;     /* what it has out must not go before, by our clock; 0: as for all, ttl */
    uint64_t epoch_ms;    /* that the session knows; 0: none */
    uint64_t store_ms;    /* the store's time when it answered for this record, 0: it never has; of
                          those answers the one of which its clock was least ahead of ours */
    uint64_t store_at_ns; /* and our time when that order went */
    struct order_terms terms[BUCKETS_MAX];
    struct order_totals totals[BUCKETS_MAX];
    /* the answer */
    enum order_result result;
    bool is_converted; /* the record was of other terms: of limits before a reload, or of others */
    bool was_rolled_back; /* the store knew of fewer grants, and has taken the others as a debt */
    uint64_t answered_epoch_ms, answered_ms; /* the store's time */
    /* By so much the store's clock is behind that time, so nothing is refilled for so long, or was held back by ours. After
     * a loss, an eviction or damage it is up to ttl and grace; if it is more, the clock has gone back. */
    uint64_t behind_ms;
    uint32_t holders;
    uint64_t granted[BUCKETS_MAX];    /* to this session in all */
    int64_t level_units[BUCKETS_MAX]; /* left in the record */
    uint64_t out_tokens[BUCKETS_MAX]; /* with all holders */
    void *share;                      /* the brain's */
};

/* A letter of orders: the brain's message, which the fleet thread sends back. */
struct orders {
    struct message message; /* the first member, of kind MESSAGE_ORDERS */
    uint64_t sent_ns;       /* the brain's time: leases count from here */
    /* of fleet_terms as it was sent: a reload changes nothing of a letter that is away */
    uint32_t ttl_ms, grace_ms, clock_guard_ms;
    bool
        is_of_parts; /* an answer: some records of this store may be out of reach while others are not */
    uint32_t count;
    struct order order[ORDERS_MAX];
    struct orders *next_free; /* the brain's, and the turn in which it went; 0: it is at home */
    uint64_t turn;
};

static inline struct orders *orders_of(struct message *message)
{
    return (struct orders *)message;
}
