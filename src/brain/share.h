/*
 * Shares: what this sidecar has in hand of a key under a limit of scope fleet, and what it knows of its record
 * in the store. This is what one consists of; what is done with it is told where it is done:
 *
 *     share_session.h    its session with the store: begins, ends, takes another one over
 *     share_terms.h      the terms of its limit
 *     share_hand.h       what is in hand: spent, given back, refunded, charged
 *     share_estimate.h   the record as it will be now
 *     share_demand.h     how much will be asked for
 *     share_apart.h      a bucket of its own, while the store is out of reach
 *     share_order.h      what an order tells the store, and what its answer brings
 *
 * The numbers of its session are totals in tokens, by bucket (order.h):
 *
 *     hand = granted - disposed          what may be spent without asking anybody
 *     net                                what the record is to be given, or charged, beside that
 *
 * Slots are tokens that are not spent: one that a lease holds is out of the record, but not in the hand, and
 * comes back to the hand when the lease ends:
 *
 *     hand = granted - disposed - used   of slots
 *
 * The session is kept by the store until the last of those leases has ended: see keep_ms of order.h.
 *
 * Tokens that are given back are disposed of, and added to net. A refund is spent less, as long as no order
 * has told that it was spent; else it is added to net. A charge takes from the hand, then from net. So the
 * numbers grow as the store's rules want them, whatever becomes of an order.
 *
 * Owns what it is to take over, and nothing else: the brain makes and drops shares (share_book.h). One
 * thread, the brain's.
 */
#pragma once

#include "brain/order.h"
#include "keep/share_records.h"

#define SHARE_NEVER UINT64_MAX

struct share_bucket {
    struct order_terms terms;
    uint64_t granted, disposed;
    uint64_t used; /* slots that leases hold, at most granted - disposed; of tokens 0 */
    int64_t net;
    /* as the last order that went has told: below it disposed cannot go any more */
    uint64_t sent_disposed;
    int64_t sent_net;
    uint64_t told_disposed; /* as the store knows them for sure */
    int64_t told_net;
    int64_t level_units;    /* of the record, at seen_ns */
    int64_t seen_net;       /* that is in it */
    uint64_t others_tokens; /* that others had out then */
    uint64_t apart_units;   /* spent of the bucket of its own: see share_spend_apart */
};

/* How much is asked for, by two windows of a horizon each. */
struct share_demand {
    uint64_t window_ns;        /* when the present one began */
    uint64_t recent, previous; /* tokens */
    uint64_t questions;        /* of the present one */
    bool is_new;               /* nothing but one question has come yet, which tells no rate */
};

/* A session of a process before, which is to be taken over. */
struct share_former {
    uint64_t session;
    uint64_t seq; /* of its last order */
    uint32_t buckets;
    /* as this process tells them: slots that no lease holds are given back */
    struct share_former_bucket {
        uint64_t granted, disposed;
        int64_t net;
    } bucket[BUCKETS_MAX];
};

/* Where the state file has a session: see share_keep.h. What is in it already. */
struct share_kept {
    struct share_record *record; /* NULL: nowhere */
    uint32_t number;             /* of the record */
    uint32_t buckets;
    uint64_t session;
    bool has_slots, is_joined;
};

struct share {
    uint64_t hash;
    struct share *next; /* in the index */
    struct waiter *first, *last;
    uint64_t low_tokens; /* if the hand holds fewer, see whether to order */
    uint64_t used_ns;    /* when it was last asked for tokens */
    struct share_demand demand;
    uint32_t buckets;
    struct share_bucket bucket[BUCKETS_MAX];

    /* the session */
    uint64_t session;
    bool is_claim; /* leases hold slots that the store may not know to be granted */
    struct share_kept kept;
    struct share_former *former; /* NULL: none */
    uint32_t session_buckets;    /* the most that an order of it had */
    bool is_joined;              /* the record knows it */
    bool is_released;            /* an order that ends it is away */
    uint64_t seq;
    uint64_t epoch_ms;
    /* of the answer of which the store's clock was least ahead of ours */
    uint64_t store_ms, store_at_ns;
    /* When it ends, and what is in hand becomes void: ttl, or keep_ms if that is more, after its last order
     * that was done has gone, or its first one. By then the store may forget what it was told. SHARE_NEVER:
     * no order has gone yet. */
    uint64_t lease_ns;
    uint64_t kept_ns; /* the same, once an order of it was done; else 0 */

    /* if its buckets hold slots: see share_slots.h */
    bool has_slots;
    uint64_t used_until_ns; /* the latest end of a lease that holds some, by the brain's clock */
    /* of the longest lease that was asked for since the last order, or is waited for */
    uint64_t asked_ttl_ms;
    uint64_t peak_ns;           /* when the present window of peaks began */
    uint64_t peak, peak_before; /* the most slots used at once, in it and in the one before */
    uint64_t owed;    /* so many that are released are given back, for sidecars that have come */
    uint64_t give_ns; /* until then others are lent on, however many are out */
    uint64_t hold_ns; /* until then none is ordered: those that are free are for others first */
    uint64_t back_ns; /* until then it is others' turn */

    /* the record */
    bool is_known;
    bool is_short; /* the last order brought less than it wanted, though the record had more */
    uint64_t seen_ns;
    uint32_t holders;
    uint32_t terms_tag;

    /* orders; who waits for them */
    bool is_away, is_ready;
    bool is_cut;        /* the last order was not answered by a store that works */
    bool has_reset;     /* a RESET is to be told */
    bool is_reset_told; /* an order without an answer has told of it, and may be done */
    bool is_leaving;    /* it gives all back, and is forgotten then */
    uint32_t repeats;   /* orders in a row that had to be sent again at once */
    bool is_again;      /* one is to be */
    uint64_t sent_ns;   /* when the last one went */
    uint64_t spaced_ns; /* orders since may have gone until then, if evenly spaced */
    uint64_t next_ns;   /* before it the record has too little */
    uint64_t retry_ns;  /* if it is cut: before it no order goes */
    uint64_t retry_after_ns;
    uint64_t apart_ns; /* the time of apart_units */
    uint32_t waiting;  /* who waits */
    uint64_t waiting_tokens;
    /* while a list is looked at: what it wants in all, the least of what is left out of that for want of more
     * in the record, and whether it took that apart from the store */
    uint64_t list_tokens, list_left_out;
    bool is_list_apart;
    uint64_t listed_tokens; /* what lists wait for that have come since the last order */
    uint64_t wrote_turn;    /* in which that was written */
    uint64_t missed_tokens; /* the most that somebody was refused since the last order */
    bool is_looked_for;     /* somebody wants to know of the record */
    bool is_left;           /* somebody has left its queue: see `left` of struct shares */

    /* the book's */
    uint64_t due_ns;
    uint32_t heap_at;
    struct share *next_ready, *next_left;
    uint8_t name_len, key_len;
    char name[LIMIT_NAME_MAX + 1]; /* of the limit */
    char key[];                    /* NUL-terminated */
};
