/*
 * Leases: who holds what until when, and what became of those that ended.
 *
 * Every lease has a number, that of its record (keep/lease_records.h), which is written along with each
 * change so that a kill loses none. What is decided by is in memory: an index by id; heaps by what is
 * due next; and for each key under a limit a tree of its leases by their ends (lease_tree.h).
 *
 * A lease that was released or has expired is remembered for one ttl, so that a release that is
 * repeated is answered the same; but of these there are never more than leases may be held, and the
 * one that would be forgotten first goes first. So all memory is bounded by max_leases, and what is not used is not touched.
 *
 * Times are in the state's time, which goes on over restarts. A lease has ended from the tick at or
 * after its end on, whether the bookkeeping has come to it or not: leases_key_slots and leases_find
 * know. The bookkeeping is the brain's (lease.h), for tokens may come back.
 *
 * Owns its memory, but not that of the records. One thread, the brain's. Never blocks. Errors: no
 * memory, as said.
 */
#pragma once

#include "brain/lease_tree.h"
#include "brain/message.h"
#include "keep/lease_records.h"
#include "table/table.h"

/* The leases of a key under a limit, ended or not. It stays while there is any. */
struct lease_key {
    struct lease_key *next; /* of those with the same place in the index */
    uint64_t hash;          /* of the key, and of its limit's salt: see struct place */
    uint64_t salt;
    uint64_t settled_ns;  /* what ended up to then has been given back: see lease.c */
    uint64_t next_end_ns; /* the earliest end after that; UINT64_MAX: there is none */
    uint32_t root;        /* of the tree of those that are held */
    uint32_t held;        /* how many these are */
    uint32_t known;       /* and with those that are remembered */
    uint8_t key_len;
    char key[]; /* and a NUL */
};

struct lease {
    struct lease_id id;
    struct lease_key *key;
    uint64_t due_ns; /* of one held: its end; else until when it is remembered */
    uint32_t ttl_ms;
    uint32_t heap_place;
    uint32_t next; /* of those with the same place in the index, or that are free */
    enum lease_state state;
    struct lease_outcome outcome; /* RELEASED and LOST_LIMIT; until_ns is due_ns */
};

/* Numbers of leases; what is due first is on top. */
struct lease_heap {
    uint32_t *number;
    uint32_t count;
};

static inline uint32_t lease_heap_top(const struct lease_heap *heap)
{
    return heap->count == 0 ? LEASE_NONE_NUMBER : heap->number[0];
}

struct leases {
    struct lease_records records;
    struct lease *lease;     /* by number */
    struct lease_node *node; /* likewise: tokens, slots and end of each */
    struct lease_heap held, remembered;
    uint32_t *by_id; /* the first number + 1 at each place; 0: none */
    struct lease_key **by_key;
    struct lease_key *spare; /* memory for one more; or NULL */
    size_t bytes, mask;      /* of the memory of all these; of places in both indices */
    bool owns_records;
    uint32_t max_leases;
    uint32_t used,
        free;        /* numbers from `used` on were never used; a list of others that are free */
    uint64_t now_ns; /* of the last tick */
};

/* No leases, with records in memory of lease_records_bytes that is all zeros; NULL: in memory of its own.
 * false: no memory, and there is nothing to release. */
bool leases_init(struct leases *leases, void *records, uint32_t max_leases);
void leases_release(struct leases *leases);

/* Takes up the leases that another process left in the records, whatever bytes are in them; the table's
 * seed makes the hashes. What ended up to settled_ns, the last tick of that process, has been given
 * back by it as far as it came. A record that is damaged is dropped: *damaged is how many. */
bool leases_adopt(struct leases *leases, void *records, uint32_t max_leases,
                  const struct table *table, uint64_t settled_ns, uint32_t *damaged);

/* Moves all of them into other records, all zeros, for another number of leases. If more are held, the
 * first to end are dropped: *dropped is how many. false: there was no memory for all of them. */
bool leases_move(struct leases *leases, void *records, uint32_t max_leases, uint32_t *dropped);

/* Writes each record anew, because some may have been lost. */
void leases_write_anew(struct leases *leases);

static inline bool leases_are_full(const struct leases *leases)
{
    return leases->held.count >= leases->max_leases;
}

/* The number of a lease, or LEASE_NONE_NUMBER. One that is remembered is found until its time is over,
 * and one that has ended though the bookkeeping has not come to it is still HELD: see leases_has_ended. */
uint32_t leases_find(const struct leases *leases, const struct lease_id *id);

static inline bool leases_has_ended(const struct leases *leases, uint32_t number)
{
    return leases->lease[number].due_ns <= leases->now_ns;
}

/* ---- changes ---- */

/* Whether there is memory for a lease of any key. Call it before what the lease takes is taken. */
bool leases_make_ready(struct leases *leases);

/* Holds a lease of an id that is not there yet. There must be room: not leases_are_full; and the
 * last call to leases_make_ready has said yes, since when no lease was held. The terms' salt is that of
 * its limit, and the hash that of its place. */
void leases_hold(struct leases *leases, const struct lease_terms *terms, uint64_t hash,
                 uint64_t end_ns);

void leases_renew(struct leases *leases, uint32_t number, uint64_t end_ns);

/* From now on it is remembered as RELEASED or LOST_LIMIT, with this outcome. Give the time since the
 * last tick as until_ns: its ttl from then on is filled in. */
void leases_let_go(struct leases *leases, uint32_t number, enum lease_state state,
                   const struct lease_outcome *outcome);

/* A lease that has ended, whose bookkeeping is to be done; or LEASE_NONE_NUMBER. */
static inline uint32_t leases_ended(const struct leases *leases)
{
    uint32_t first = lease_heap_top(&leases->held);
    return first != LEASE_NONE_NUMBER && leases_has_ended(leases, first) ? first
                                                                         : LEASE_NONE_NUMBER;
}

/* Of one that has ended: from now on it is remembered as expired. */
void leases_expire(struct leases *leases, uint32_t number);

/* Forgets one that is not to be remembered any longer, if there is any. Returns whether it did. */
bool leases_forget(struct leases *leases);

/* The earliest end of all that are held, in the state's time; UINT64_MAX: there is none. */
static inline uint64_t leases_next_end_ns(const struct leases *leases)
{
    uint32_t first = lease_heap_top(&leases->held);
    return first == LEASE_NONE_NUMBER ? UINT64_MAX : leases->lease[first].due_ns;
}

/* ---- the leases of a key ---- */

/* NULL: it has none, held or remembered. */
struct lease_key *leases_of_key(const struct leases *leases, uint64_t hash, const char *key,
                                size_t key_len);

/* The same, of a hash only, where it does not matter if it is another key's. */
struct lease_key *leases_by_hash(const struct leases *leases, uint64_t hash);

/* Slots that its leases have out now. */
uint64_t leases_key_slots(const struct leases *leases, const struct lease_key *key);

/* Leases that it holds now. */
uint32_t leases_key_held(const struct leases *leases, const struct lease_key *key);

/* The earliest end, after now, of a lease of it that has slots; UINT64_MAX: there is none. */
uint64_t leases_key_next_slots_ns(const struct leases *leases, const struct lease_key *key);

/* The latest end of a lease of it that has slots, ended or not; 0: there is none. */
uint64_t leases_key_last_slots_ns(const struct leases *leases, const struct lease_key *key);

/* Tokens of its leases that have ended since it was settled last; settles it: next_end_ns is in the
 * future then. */
uint64_t leases_key_settle(const struct leases *leases, struct lease_key *key);
