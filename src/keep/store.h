/*
 * The store: all state as bytes that outlive the process, in memory that is somebody's file.
 *
 * First comes a page with what the file is, the time, and which snapshot of the lines
 * is the one; then room for two snapshots; then the table's arena. Nothing here is
 * changed in place: of the time and of the snapshots there are two each, one is
 * written while the other stands, and a store says which. So a process killed at any
 * instant leaves one that is whole. What bits of it are damaged is found by checksums.
 * If the last snapshot did not reach the file, for its disk was full, the one before holds.
 *
 * Owns nothing: the memory is the caller's and must outlive the store. One thread.
 * Never blocks. Errors: a store that is refused, with the reason.
 */
#pragma once

#include "keep/snapshot.h"
#include "table/table.h"

#define STORE_BOOT_ID_BYTES 16

/* What time it is, by the two clocks that state is kept by. */
struct moment {
    uint64_t now_ns;                      /* never goes back while the system is up */
    uint64_t wall_ns;                     /* Unix time */
    uint8_t boot_id[STORE_BOOT_ID_BYTES]; /* which time the system is up; all zeros: not known */
};

/* The last tick that was credited: its number, and when it was due. */
struct store_time {
    uint64_t tick;
    struct moment due;
};

struct store {
    struct store_page *page;
    void *arena;
    uint32_t max_keys;
    uint8_t seed[TABLE_SEED_BYTES];
    uint32_t snapshots; /* written so far */
    uint64_t times;
};

/* How much memory a store takes. It begins on a page. */
size_t store_bytes(uint32_t max_keys);

/* Begins a store in memory that is all zeros. It is one when the time and the lines are in it. */
void store_begin(struct store *store, void *memory, uint32_t max_keys,
                 const uint8_t seed[TABLE_SEED_BYTES]);

enum store_found {
    STORE_FOUND,
    STORE_BLANK,   /* its first page is all zeros: a store, if there is nothing behind that */
    STORE_BEGUN,   /* nobody came as far as to put something into it */
    STORE_REFUSED, /* *why says what is wrong */
};

/* Whether what a file begins with is a store's beginning, sound or not. */
bool store_has_begun(const void *memory, size_t bytes);

/* Looks at a store that another process left, whatever bytes it has. Refused, it is untouched. */
enum store_found store_find(struct store *store, void *memory, size_t bytes, const char **why);

/* The last of what was put there, of a store that was found. */
void store_time(const struct store *store, struct store_time *time);
const unsigned char *store_lines(const struct store *store, size_t *len);

/* Puts what holds from now on: before any mark that it is needed for. */
void store_put_time(struct store *store, const struct store_time *time);

/* false: there is no room for it, and this is no store any more. */
bool store_put_lines(struct store *store, const struct lines *lines);
