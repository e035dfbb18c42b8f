/*
 * The ends of leases: what comes back to a key of whose leases some have ended.
 *
 * An end comes on the tick. Its bookkeeping may come later, in slices, for many may end in one tick; but
 * whoever asks about a key first has all ends of it applied, which costs the same however many
 * there are: the slots are free, and where a limit gives back the tokens of expired leases, those of
 * all are given back in one.
 *
 * A process may be killed in between. The store's time says up to which tick leases have ended, and is
 * put before anything that uses it; so the next process knows which ends were this one's affair, and
 * gives no tokens back a second time. What this one had not come to is lost.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/core.h"

/* The limit whose leases have this salt; NULL: it is gone. */
const struct limit *lease_limit_of(const struct brain *brain, uint64_t salt);

/* A key that has leases, as it is asked about. */
struct lease_target {
    const struct limit *limit; /* NULL: it is gone, and the rest is not set */
    struct bucket_question ask;
    struct place place;
};

struct lease_target lease_target_of(const struct brain *brain, const struct lease_key *key);

/* Gives tokens back to the buckets of a key that hold tokens, and shows in its entry how many slots are
 * taken. A key without an entry has full buckets. */
void lease_give_back(struct brain *brain, const struct lease_target *target, uint64_t tokens);

/* Whether the bookkeeping of some ends has not been done. */
static inline bool lease_ends_are_due(const struct brain *brain)
{
    return leases_ended(&brain->leases) != LEASE_NONE_NUMBER;
}

/* Applies all ends of a key. Returns whether there were any. The queue of the key is the caller's
 * affair. */
bool lease_ends_apply(struct brain *brain, uint64_t hash, const char *key, size_t key_len);
