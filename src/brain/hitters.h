/*
 * Hitters: which keys something happens to most, in bounded memory, however many keys there are.
 *
 * The counting is Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient Computation
 * of Frequent and Top-k Elements in Data Streams", 2005): a key that has no counter
 * when all are in use takes over one that counts least, and what that had counted
 * becomes the newcomer's error. With n events in a window, each key that more than
 * n / HITTERS_COUNTERS of them were about has a counter, and no error is greater.
 *
 * There are two windows, the present one and the one before, so what is told is of
 * the last one to two HITTERS_WINDOW_S seconds, and then forgotten all at once.
 *
 * A key has a label, a number its user gives meaning to: the same key under two
 * labels is two. Its hash must be keyed where keys are chosen by others.
 *
 * All zeros but for began_ns is the beginning. Owns nothing. One thread. Never
 * blocks. Never fails.
 */
#pragma once

#include "limits/key.h"

#include <stddef.h>
#include <stdint.h>

#define HITTERS_COUNTERS 1024
#define HITTERS_WINDOW_S 60
#define HITTERS_WINDOWS 2
#define HITTERS_LISTED_MAX (HITTERS_WINDOWS * HITTERS_COUNTERS)
#define HITTERS_NO_LABEL UINT16_MAX

struct hitters_counter {
    uint64_t hash;
    uint32_t count; /* of events, with the error */
    uint32_t error; /* of these so many may have been another key's */
    uint16_t label;
    uint16_t place; /* its index in `order` */
    uint16_t run;
    uint16_t next; /* of the same hash chain, by number + 1 */
    uint8_t key_len;
    char key[KEY_MAX];
};

/* Counters are kept in order, those of the same count in a run, so that each step
 * takes the same time: the one that counts on trades places with the first of its run. */
struct hitters_window {
    uint32_t used, runs_used;
    uint16_t free_run;                    /* by number + 1 */
    uint16_t order[HITTERS_COUNTERS];     /* counters, the greatest count first */
    uint16_t run_first[HITTERS_COUNTERS]; /* its index in `order`; of a free run: the next */
    uint16_t chain[HITTERS_COUNTERS];     /* by hash: a counter, by number + 1 */
    struct hitters_counter counter[HITTERS_COUNTERS];
};

struct hitters {
    uint64_t began_ns; /* when the present window did */
    unsigned present;
    struct hitters_window window[HITTERS_WINDOWS];
};

/* Brings time forward: what has become too old is forgotten. To be called before all others. */
void hitters_advance(struct hitters *hitters, uint64_t now_ns);

/* Counts an event about a key. */
void hitters_add(struct hitters *hitters, uint64_t hash, const char *key, size_t key_len,
                 uint16_t label);

/* How many events were about a key: at least `count`, at most `error` more. */
struct hitters_count {
    uint64_t count, error;
};
struct hitters_count hitters_look(const struct hitters *hitters, uint64_t hash, const char *key,
                                  size_t key_len, uint16_t label);

/* All keys that have a counter and a label, those of the greatest count first, and
 * where that is the same of the greatest error. Returns how many. Borrowed until
 * the next change. */
struct hitters_listed {
    const struct hitters_counter *counter;
    struct hitters_count seen;
};
size_t hitters_list(const struct hitters *hitters,
                    struct hitters_listed listed[HITTERS_LISTED_MAX]);

/* Gives each label another: label_of[its number], HITTERS_NO_LABEL for one that goes. */
void hitters_relabel(struct hitters *hitters, const uint16_t *label_of);
