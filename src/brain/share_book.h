/*
 * The book of shares: all of them, found by key, and which is due first.
 *
 * Owns the shares, its index and its heap, and the letters of orders (orders.h). One thread, the brain's. Never
 * blocks. Errors: share_book_make, no memory.
 */
#pragma once

#include "brain/letter.h"
#include "brain/place.h"
#include "brain/share_keep.h"
#include "brain/share_session.h"
#include "brain/wait_heap.h"

#include <string.h>

#define SHARE_LETTERS 64 /* of orders, that may be away at a time */

/* All zeros: there are none. */
struct shares {
    struct share_sessions sessions; /* nonce 0: there is no store */
    struct share *
        *index; /* by the first bits of their hashes, chained; in the order of tags, see keys.h */
    uint32_t index_bits;              /* so many */
    struct share **heap;              /* by due_ns */
    uint32_t count, capacity;         /* of the heap; each share is in it */
    struct share *ready, *last_ready; /* an order of theirs is to go */
    struct share *left;               /* somebody has left their queue */
    struct wait_heap waiters;         /* of all shares, by deadline */
    uint64_t waiters_begun;
    struct wait_heap lists; /* that wait for orders, by deadline: see share_lists.h */
    struct waiter *first_list, *last_list; /* the same, by the turn that they wait for */
    uint64_t turns;                        /* in which letters went */
    struct waiter *disbanded; /* who waited before a change, the first that came first */
    bool is_cut;              /* the last answer was not from a store that works */
    bool is_of_parts;         /* so that tells nothing of other records: see struct orders */
    uint32_t cut_count;       /* shares that are cut */
    bool is_lost_told;        /* by an event, and not yet that it is back */
    struct message *ending;   /* a FLEET_END that waits, or NULL */
    bool has_ended;           /* no share orders anything any more */
    struct share_keeping keeping;
    uint32_t resumed; /* sessions of a process before that were to be taken over at the start */
    struct fleet_counters counters;
    uint32_t letters_begun; /* of `letter`, that were ever used */
    uint32_t letters_away;
    struct orders *free_letter;
    struct orders letter[SHARE_LETTERS];
};

/* When the first share is due; SHARE_NEVER: none is. */
static inline uint64_t share_book_due_ns(const struct shares *shares)
{
    uint64_t due_ns = shares->count == 0 ? SHARE_NEVER : shares->heap[0]->due_ns;
    uint64_t waiter_ns =
        shares->waiters.count == 0 ? SHARE_NEVER : wait_heap_top(&shares->waiters)->due_ns;
    uint64_t list_ns =
        shares->lists.count == 0 ? SHARE_NEVER : wait_heap_top(&shares->lists)->due_ns;
    due_ns = list_ns < due_ns ? list_ns : due_ns;
    return due_ns < waiter_ns ? due_ns : waiter_ns;
}

/* Where in the index shares of a hash are; and how many such places there are. */
static inline uint64_t share_book_slot(const struct shares *shares, uint64_t hash)
{
    return hash >> (64 - shares->index_bits);
}

static inline uint64_t share_book_slots(const struct shares *shares)
{
    return shares->index == NULL ? 0 : UINT64_C(1) << shares->index_bits;
}

/* Whether all of the store is taken to be out of reach; and whether any of it is. */
static inline bool share_book_is_cut(const struct shares *shares)
{
    return shares->is_cut && !shares->is_of_parts;
}

static inline bool share_book_is_cut_somewhere(const struct shares *shares)
{
    return shares->is_of_parts ? shares->cut_count > 0 : shares->is_cut;
}

/* The share of a key at a place, or NULL. */
static inline struct share *share_book_find(const struct shares *shares, uint64_t hash,
                                            const char *key, size_t key_len)
{
    struct share *share = shares->count == 0 ? NULL : shares->index[share_book_slot(shares, hash)];
    while (share != NULL && (share->hash != hash || share->key_len != key_len ||
                             memcmp(share->key, key, key_len) != 0))
        share = share->next;
    return share;
}

/* Makes a share for a key under a limit of this name, of which there is none: without terms, and due never.
 * NULL: no memory. */
struct share *share_book_make(struct shares *shares, uint64_t hash, const char *name,
                              const char *key, size_t key_len);

/* Forgets a share, in whose queue nobody is and of which no order is away or to go. */
void share_book_drop(struct shares *shares, struct share *share);

/* Says when a share is due. */
void share_book_set_due(struct shares *shares, struct share *share, uint64_t due_ns);

/* Has the heap in order after due_ns of any shares was changed in place. */
void share_book_reorder(struct shares *shares);

/* Takes all shares out of the index; and puts one in again, by the hash that it has now. */
void share_book_clear_index(struct shares *shares);
void share_book_index(struct shares *shares, struct share *share);

void share_book_release(struct shares *shares);
