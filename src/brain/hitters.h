/*
 * Hitters: which keys something happens to most, in bounded memory however many keys there are.
 *
 * The brain counts denials here, for /keys. The counting is Space-Saving (Metwally, Agrawal,
 * El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005): a
 * key without a counter, when all are in use, takes over the one that counts least; what that
 * one had counted becomes the newcomer's error. With n events in a window, every key that has
 * more than n / HITTERS_COUNTERS of them has a counter, and no error is greater than that.
 *
 * There are two windows of HITTERS_WINDOW_S seconds, the present one and the one before. So
 * what is told is of the last one to two minutes, and a window is forgotten as a whole. Both
 * take 580 KB, which are touched with the first events. Debian has no library for it (the
 * sketches of Apache DataSketches are C++ and not packaged).
 *
 * A key has a label, a number to which the user gives meaning: the same key under two labels
 * is two keys. If others choose the keys, the hash must be a keyed one.
 *
 * It begins as all zeros, but for began_ns. Owns nothing. One thread. Never blocks. Never fails.
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
    uint32_t count; /* of events, the error included */
    uint32_t error; /* so many of them may have been another key's */
    uint16_t label;
    uint16_t place; /* its index in `order` */
    uint16_t run;   /* of the counters that count the same */
    uint16_t next;  /* in its hash chain: a counter's number + 1; 0: the last */
    uint8_t key_len;
    char key[KEY_MAX];
};

/* Counters are kept in order of their counts; those that count the same are a run. A counter that
 * counts on trades places with the first of its run, so that each event takes constant time. */
struct hitters_window {
    uint32_t used, runs_used;
    uint16_t free_run;                    /* a run's number + 1; 0: none was given back */
    uint16_t order[HITTERS_COUNTERS];     /* counters, the greatest count first */
    uint16_t run_first[HITTERS_COUNTERS]; /* the index in `order`; of a free run: the next free */
    uint16_t chain[HITTERS_COUNTERS];     /* by hash: a counter's number + 1; 0: none */
    struct hitters_counter counter[HITTERS_COUNTERS];
};

struct hitters {
    uint64_t began_ns; /* when the present window began */
    unsigned present;
    struct hitters_window window[HITTERS_WINDOWS];
};

/* Brings time forward, and forgets what has become too old. Call it before any of the others. */
void hitters_advance(struct hitters *hitters, uint64_t now_ns);

/* Counts an event about a key. */
void hitters_add(struct hitters *hitters, uint64_t hash, const char *key, size_t key_len,
                 uint16_t label);

/* How many events a key has had: at least `count`, and at most `error` more. */
struct hitters_count {
    uint64_t count, error;
};
struct hitters_count hitters_look(const struct hitters *hitters, uint64_t hash, const char *key,
                                  size_t key_len, uint16_t label);

/* Lists all keys that have a counter and a label, the greatest count first; of equal counts the
 * greatest error first. Returns how many. Counters are borrowed until the next change. */
struct hitters_listed {
    const struct hitters_counter *counter;
    struct hitters_count seen;
};
size_t hitters_list(const struct hitters *hitters,
                    struct hitters_listed listed[HITTERS_LISTED_MAX]);

/* Exchanges every label for label_of[label]; HITTERS_NO_LABEL: the key is not listed any more. */
void hitters_relabel(struct hitters *hitters, const uint16_t *label_of);
