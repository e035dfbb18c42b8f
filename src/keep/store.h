/*
 * The store: all state as bytes that outlive the process, in memory that may be a mapped file.
 *
 *     one page         what the file is, the time (twice), which snapshot holds, and the directory
 *     two snapshots    the lines, as snapshot.h writes them: 32 MiB of room each
 *     the arena        the table, which the state thread changes in place (table.h)
 *     the leases       their records (lease_records.h), which it changes in place as well
 *     the shares       of a fleet, their records (share_records.h): likewise, and only if there was
 *                      a fleet when the file was made
 *
 * All but the page are sections, which the directory lists (directory.h). The first layout, that
 * of allowd 0.1.0, has the first two at the same places without a directory: it is read as well,
 * and store_renew brings it into the present one without touching them. A store that has no
 * leases yet is made longer first: store_grow has it say so, and from then on it is sound whether
 * the file has become longer or not, until store_renew lists the new section. A store that has no
 * shares yet is moved into another one: see brain_move.
 *
 * A process may be killed at any instant. So times and snapshots are never changed in place:
 * one of the two is written while the other one holds, and a single store then says which.
 * Checksums find damaged bytes. If the last snapshot did not reach the file, because its disk
 * was full, the one before holds.
 *
 * Order matters in two places. The time of a tick is put before any mark that uses its credit,
 * and lines are put before any entry that is on them. Whatever else a kill leaves half done is
 * the table's affair. Change a section's version in store.c with anything that is in it.
 *
 * Owns nothing: the memory is the caller's and must outlive the store. One thread. Never
 * blocks. Errors: store_find says why it refuses a store; store_put_lines has no room.
 */
#pragma once

#include "keep/snapshot.h"
#include "table/table.h"

#define STORE_CLOCK_ID_BYTES 16

enum {
    /* How the first page is laid out; allowd 0.1.0 wrote 1. No single flipped bit makes one layout
     * of the other. Change it with what stands before the directory; what is in a section has a
     * version of its own. */
    STORE_LAYOUT = 2,
};

/* One moment, by both clocks that the state needs. */
struct moment {
    uint64_t now_ns;  /* a clock that never goes back while the system is up */
    uint64_t wall_ns; /* Unix time */
    /* Which clock now_ns is of: no two have the same, and each boot of the system begins new ones.
     * All zeros: not known. */
    uint8_t clock_id[STORE_CLOCK_ID_BYTES];
};

/* The last tick that was credited: its number, the moment at which it was due, and how long all
 * processes that went on from each other had lived by then, with the time between them as far as
 * buckets were credited with it. Before there were leases nobody counted that: it is 0. */
struct store_time {
    uint64_t tick;
    struct moment due;
    uint64_t lived_ns;
};

struct store {
    struct store_page *page;
    unsigned char *halves; /* two snapshots */
    void *arena;
    void *leases; /* lease_records_bytes(max_leases), on a page; NULL: there is no room for any */
    void *shares; /* share_records_bytes(), on a page; NULL: there are none */
    /* Of which fleet the shares are, which file they are kept in, and whether what another process
     * left of them may be gone on with: see store_own_shares. */
    uint64_t shares_fleet, shares_home;
    bool shares_are_believed;
    uint32_t layout;               /* when it was found, or as it was begun */
    uint32_t max_keys, max_leases; /* of the room that there is */
    uint8_t seed[TABLE_SEED_BYTES];
    uint32_t snapshots; /* written so far */
    uint64_t times;
};

/* Bytes of memory that a store takes. The memory must begin on a page. */
size_t store_bytes(uint32_t max_keys, uint32_t max_leases, bool has_shares);

/* Begins a store in memory that is all zeros. It becomes one once time and lines are put, and shares
 * may be kept in it once they have a home. */
void store_begin(struct store *store, void *memory, uint32_t max_keys, uint32_t max_leases,
                 bool has_shares, const uint8_t seed[TABLE_SEED_BYTES]);

/* Puts what the file is once more, which is lost if its first page was. */
void store_put_head(const struct store *store);

enum store_found {
    STORE_FOUND,
    STORE_BLANK,   /* the first page is all zeros: a new file, if there is nothing behind it */
    STORE_BEGUN,   /* a store was begun, but lines were never put */
    STORE_REFUSED, /* *why says what is wrong */
};

/* Whether a file begins as a store does, sound or not. */
bool store_has_begun(const void *memory, size_t bytes);

/* Looks at a store that another process left, whatever bytes are in it, and changes none. *store
 * is untouched unless the result is STORE_FOUND. */
enum store_found store_find(struct store *store, void *memory, size_t bytes, const char **why);

/* For a store that was found, whose file is `bytes` long and has no room for leases. Has it say that
 * it gets room for so many, and returns how long the file must become for that, with zeros; a store
 * that has room already stays, and so does its length. Have this on the disk before the file is made
 * longer, and find the store anew in the longer file, which must be on the disk before store_renew.
 * If it cannot be made longer, the store is as sound as it was. */
size_t store_grow(const struct store *store, size_t bytes, uint32_t max_leases);

/* Brings a store that was found into the present layout, in which versions before refuse it, and
 * lists the room for leases by which it has grown. Call it before anything else is stored into it. */
void store_renew(struct store *store);

/* The last time and the last lines that were put into a store that was found. */
void store_time(const struct store *store, struct store_time *time);
const unsigned char *store_lines(const struct store *store, size_t *len);

/* Puts the time that holds from now on. Call it before any mark that needs it is stored. */
void store_put_time(struct store *store, const struct store_time *time);

/* Whether both are of the same clock, and that is known. */
bool moments_share_clock(const struct moment *a, const struct moment *b);

/* If the last time put into a store that was found is by the clock of `by_that`, puts the same
 * moment by the clock of `by_this`; both tell of one moment, now. Else does nothing. */
void store_change_clock(struct store *store, const struct moment *by_that,
                        const struct moment *by_this);

/* Puts the lines that hold from now on. false: there is no room, and this is no store any more. */
bool store_put_lines(struct store *store, const struct lines *lines);

/* For a store that was begun, or found, before anything is done with its shares, but once shares_fleet
 * says of which fleet they are. `file` is the home of the file, see state_file_home, and clock_id that
 * of this process's clock. The shares are believed if they were kept of this fleet, in this very file by
 * this clock, and may be believed at all. Else all records are made free.
 * From then on they are of this home. Does nothing for a store that has none. */
void store_own_shares(struct store *store, uint64_t file,
                      const uint8_t clock_id[STORE_CLOCK_ID_BYTES], bool may_believe);

/* Whether what another process left of shares may be gone on with. */
static inline bool store_shares_are_believed(const struct store *store)
{
    return store->shares_are_believed;
}

/* Copies the shares of another store, if they are believed, into one that was just begun. Whoever goes on with
 * that one gives it a home then, and takes it from the other one first. */
void store_copy_shares(struct store *store, const struct store *from);

/* The file of this home is the one that the shares are kept in, once that is put. */
void store_set_shares_file(struct store *store, uint64_t file);

/* Puts which home the shares have from now on, the store's shares_home; 0: none, so that nobody believes them after this
 * process. */
void store_put_shares_home(const struct store *store, uint64_t home,
                           const uint8_t clock_id[STORE_CLOCK_ID_BYTES]);
