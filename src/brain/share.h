/*
 * A share: what this sidecar has in hand of a key under a limit of scope fleet, and what it knows of its record
 * in the store.
 *
 * The numbers of its session are totals in tokens, by bucket (order.h):
 *
 *     hand = granted - disposed          what may be spent without asking anybody
 *     net                                what the record is to be given, or charged, beside that
 *
 * Slots are tokens that are not spent: one that a lease holds is out of the record, but not in the hand, and comes back to
 * the hand when the lease ends:
 *
 *     hand = granted - disposed - used   of slots
 *
 * The session is kept by the store until the last of those leases has ended: see keep_ms of order.h. A new session whose
 * leases hold slots claims them.
 *
 * Tokens that are given back are disposed of, and added to net. A refund is spent less, as long as no order has told
 * that it was spent; else it is added to net. A charge takes from the hand, then from net. So the numbers grow as
 * the store's rules want them, whatever becomes of an order.
 *
 * The record as it will be now is an estimate: what it was when it was last told, what it has refilled since, and what
 * net has changed since. Other sidecars may have taken some of it.
 *
 * Copies of orders may come late, when the record has forgotten the session, and those from before it knew it begin it anew.
 * So that nothing is done twice then, no order tells of net or a reset until the record knows the session: it has granted it
 * tokens, or the session has joined it; and the order that ends a session is its last one, whether it is answered or not. An order
 * with a reset keeps its seq until it is answered, and so is done once.
 *
 * A session may go on where one of a process that was killed has ended: it takes that one over (share_take_over). Until the
 * store has answered, what the former one had is not in hand; if the record does not know it any more, or has had an order of it
 * that is not known here, that is lost. Its
 * slots that leases hold stay with them, and those that it had free go back, as do tokens beyond what may be outstanding.
 *
 * Owns what it is to take over, and nothing else: the brain makes and drops shares (share_book.h). One thread, the
 * brain's. Never blocks. Never fails, but share_take_over.
 */
#pragma once

#include "brain/fleet_counters.h"
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
    struct share_former_bucket {
        uint64_t granted,
            disposed; /* as this process tells them: slots that no lease holds are given back */
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
    uint64_t store_ms,
        store_at_ns; /* of the answer of which the store's clock was least ahead of ours */
    /* When it ends, and what is in hand becomes void: ttl, or keep_ms if that is more, after its last order that was done
     * has gone, or its first one. By then the store may forget what it was told. SHARE_NEVER: no order has gone yet. */
    uint64_t lease_ns;
    uint64_t kept_ns; /* the same, once an order of it was done; else 0 */

    /* if its buckets hold slots: see share_slots.h */
    bool has_slots;
    uint64_t used_until_ns; /* the latest end of a lease that holds some, by the brain's clock */
    uint64_t
        asked_ttl_ms; /* of the longest lease that was asked for since the last order, or is waited for */
    uint64_t peak_ns; /* when the present window of peaks began */
    uint64_t peak,
        peak_before;  /* the most slots that were used at once, in it and in the one before */
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
    /* while a list is looked at: what it wants in all, the least of what is left out of that for want of more in the
     * record, and whether it took that apart from the store */
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

/* Where sessions get their ids. */
struct share_sessions {
    uint64_t nonce;
    uint64_t begun;
};

/* Begins the session of a new share. */
void share_begin(struct share *share, struct share_sessions *sessions);

/* Has the session of a new share, whose terms are in force, take over one of a process that was killed: of as many buckets, which
 * ends at lease_ns, in the future, and knew of this epoch. false: no memory, and nothing is done. */
bool share_take_over(struct share *share, const struct share_former *former, uint64_t epoch_ms,
                     uint64_t lease_ns);

/* Gives up what the share owns. */
void share_end(struct share *share);

/* ---- terms ---- */

/* The terms of a bucket in the store. */
struct order_terms share_terms(const struct bucket_terms *terms, uint32_t outstanding_percent);

/* Puts terms into force. If they are others, what is in hand beyond what may be outstanding is given back, and
 * nothing is known of the record's level. If a bucket comes back that the session had before, another session begins:
 * the store may know totals of it that are forgotten here. */
void share_set_terms(struct share *share, const struct allowance *allowance,
                     uint32_t outstanding_percent, struct share_sessions *sessions,
                     struct fleet_counters *counters);

/* ---- the hand ---- */

static inline uint64_t share_bucket_hand(const struct share_bucket *bucket)
{
    return bucket->granted - bucket->disposed - bucket->used;
}

/* What the store takes to be out, once it is told. */
static inline uint64_t share_bucket_out(const struct share_bucket *bucket)
{
    return bucket->granted - bucket->disposed;
}

/* What every bucket's hand holds. */
static inline uint64_t share_hand(const struct share *share)
{
    uint64_t hand = share_bucket_hand(&share->bucket[0]);
    for (uint32_t i = 1; i < share->buckets; i++)
        if (share_bucket_hand(&share->bucket[i]) < hand)
            hand = share_bucket_hand(&share->bucket[i]);
    return hand;
}

/* Whether anything is in hand; or that, or slots that leases hold, or what is to be taken over. */
bool share_has_hand(const struct share *share);
bool share_has_out(const struct share *share);

/* Leases hold so many slots now. Those beyond what the session knows to be granted are claimed, but not while a session is to be
 * taken over: that one had them. */
void share_set_used(struct share *share, uint64_t slots, struct fleet_counters *counters);

static inline void share_keep_disposed(const struct share *share)
{
    if (share->kept.record == NULL)
        return;
    for (uint32_t i = 0; i < share->buckets; i++)
        share_record_put_disposed(share->kept.record, i, share->bucket[i].disposed);
}

/* Takes tokens that every bucket's hand holds. */
static inline void share_spend(struct share *share, uint64_t tokens,
                               struct fleet_counters *counters)
{
    for (uint32_t i = 0; i < share->buckets; i++)
        share->bucket[i].disposed += tokens;
    share_keep_disposed(share);
    counters->spent_tokens += tokens;
}

/* Takes that back, before anything else is done. */
static inline void share_unspend(struct share *share, uint64_t tokens,
                                 struct fleet_counters *counters)
{
    for (uint32_t i = 0; i < share->buckets; i++)
        share->bucket[i].disposed -= tokens;
    share_keep_disposed(share);
    counters->spent_tokens -= tokens;
}

/* Gives back what is in hand beyond so much of each bucket. */
void share_give_back(struct share *share, uint64_t keep_tokens, struct fleet_counters *counters);

/* Gives tokens back that requests had spent. */
void share_refund(struct share *share, uint64_t tokens, struct fleet_counters *counters);

/* Takes tokens though the hand may not hold them, as far as the record may owe: `debt_max` tokens. Returns how many a
 * bucket took. */
uint64_t share_charge(struct share *share, uint32_t bucket, uint64_t tokens, uint64_t debt_max,
                      uint64_t now_ns, struct fleet_counters *counters);

/* Takes the record for full, but for what is out. */
void share_reset(struct share *share, uint64_t now_ns);

/* The hand is void if its lease is over; then another session begins. */
void share_expire(struct share *share, uint64_t now_ns, struct share_sessions *sessions,
                  struct fleet_counters *counters);

/* Whether the store is to be told something that does not wait for the next order. */
bool share_has_news(const struct share *share);

/* Whether tokens are spent that the store still takes to be out. And when its record is full but for what it takes to be
 * out, so that from then on it refills less than it should. */
bool share_has_spent(const struct share *share);
uint64_t share_full_ns(const struct share *share, uint64_t now_ns);

/* ---- the record ---- */

/* Units of a bucket's record by now, as far as is known: what it is full with, if nothing is. */
int64_t share_level(const struct share *share, uint32_t bucket, uint64_t now_ns);

/* When the record has so many tokens of each bucket beyond the hand, at the earliest; SHARE_NEVER - 1 or later: it never
 * can, or nobody knows when, as of slots that others have out. Of a record of which nothing is known: now. */
uint64_t share_ready_ns(const struct share *share, uint64_t tokens, uint64_t now_ns);

/* ---- demand ---- */

/* Somebody asks for tokens. */
static inline void share_ask(struct share *share, uint64_t tokens, uint64_t now_ns)
{
    share->used_ns = now_ns;
    if (share->demand.is_new) {
        share->demand = (struct share_demand){.window_ns = now_ns};
        return;
    }
    share->demand.recent += tokens;
    share->demand.questions++;
}

/* Slots come back: what is asked for is how many more than come back. */
static inline void share_ask_less(struct share *share, uint64_t slots)
{
    share->demand.recent -= slots < share->demand.recent ? slots : share->demand.recent;
}

/* How many tokens the next horizon will want. */
uint64_t share_wanted(struct share *share, uint64_t now_ns, const struct fleet_terms *terms);

/* ---- a bucket of its own, for as long as the store cannot be reached ---- */

/* Takes tokens from a bucket of 1/sidecars of burst and rate. false: it does not hold them. */
bool share_spend_apart(struct share *share, uint64_t tokens, uint64_t now_ns, uint32_t sidecars);
bool share_is_full_apart(struct share *share, uint64_t now_ns);

/* ---- orders ---- */

/* Writes the next order of a share, which goes now. want: tokens beyond the hand, of each bucket; flags:
 * ORDER_EXACT, ORDER_RELEASE, ORDER_ON_LOSS_FULL. keep_ms: see order.h. It may be another session's, if this one has
 * lasted too long. */
void share_write_order(struct share *share, struct order *order, uint8_t flags,
                       const uint64_t want[BUCKETS_MAX], uint32_t keep_ms, uint64_t now_ns,
                       uint64_t ttl_ns, struct share_sessions *sessions,
                       struct fleet_counters *counters);

/* Takes the store's answer to it, which came in this letter. */
void share_take_order(struct share *share, const struct order *order, const struct orders *orders,
                      uint64_t now_ns, struct share_sessions *sessions,
                      struct fleet_counters *counters);
