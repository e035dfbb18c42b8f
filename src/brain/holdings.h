/*
 * Holdings: the keys that somebody waits for, the queue of each, and what that does to its buckets.
 *
 * A promise moves no mark: tokens are taken when the waiter is let go. Until then they stay in the
 * bucket or are still to come. So of a bucket with a queue there are three levels:
 *
 *     content   what is in it now, for the first in the queue
 *     shown     the content, less what is promised to those in the queue, less deferred charges
 *     owing     the content less deferred charges: below zero it owes, for a promise is no debt
 *
 * A charge that comes while others wait goes behind them: it is deferred. It is stored in the mark at
 * once, so that no kill forgets it, and the holding remembers how much of the mark that is, and at
 * which place in the queue it came. Once all who were before it are gone it is applied, which means
 * that it is remembered no more. While nobody waits for a key nothing is deferred, and a mark is what
 * credit.h says.
 *
 * The tail says how the buckets will be right after the last one in the queue was let go, by its
 * tick: exactly, because nothing but time changes them meanwhile, or else the queue is settled
 * (waits.h). So to find the tick for one more takes a step a bucket, however many wait.
 *
 *     burst 10, a token a tick; the bucket is empty at tick 0
 *
 *     tick                       tail     content   shown
 *        0   4 wanted: tick 4     4: 0          0      -4
 *        0   3 wanted: tick 7     7: 0          0      -7
 *        4   the first goes       7: 0          0      -3
 *        5   2 charged            7: -2         1      -4
 *        6   1 wanted: tick 10   10: 0          2      -4
 *        7   the second goes     10: 0         -2      -3   the charge is applied: it owes 2
 *       10   the third goes                     0       0
 *
 * A holding is found by the hash of its place, by its limit's salt, which all editions of the limit
 * have in common, and by the key. An entry of the table that has one is pinned (buckets.h).
 *
 * Owns its holdings, with a copy of each key. One thread, the brain's. Never blocks. Errors:
 * holdings_make, no memory.
 */
#pragma once

#include "brain/demand.h"
#include "brain/place.h"
#include "brain/waiter.h"
#include "limits/key.h"
#include "limits/lines.h"

#include <stdbool.h>
#include <stddef.h>

/* How buckets will be at a tick, right after somebody was let go or charged. */
struct projection {
    uint64_t tick; /* TICK_NEVER: nobody can say, and the levels are not set */
    int64_t level_units[BUCKETS_MAX];
};

struct holding {
    struct holding *next;           /* in its chain of the index */
    struct holding *next_unsettled; /* of those to be asked anew: see lease_keep_books */
    uint64_t hash, salt;
    struct waiter *first, *last; /* the queue, in order of arrival; NULL: nobody waits */
    struct holding *next_left;   /* of those that somebody has left: see waits_leave */
    bool is_left;                /* it is one of these */
    uint32_t waiters;
    /* While somebody waits: */
    struct place place;
    struct demand promised; /* to those who have a tick */
    uint64_t hoped_tokens;  /* that the others want */
    struct projection tail;
    uint64_t charged_behind[BUCKETS_MAX]; /* units of the charges that came after the last waiter */
    uint64_t deferred[BUCKETS_MAX];       /* units of all that are deferred, in front of some too */
    size_t key_len;
    char key[]; /* NUL-terminated */
};

/* All zeros: there are none. */
struct holdings {
    struct holding **chains; /* chains_count of them, a power of 2 */
    uint32_t chains_count, count;
};

void holdings_release(struct holdings *holdings);

/* The holding of a key, or NULL. Ask only if there are any: see buckets_holding. */
struct holding *holdings_find(const struct holdings *holdings, uint64_t hash, uint64_t salt,
                              const char *key, size_t key_len);

/* Adds one for a key that has none. Nobody waits for it yet. NULL: no memory. */
struct holding *holdings_make(struct holdings *holdings, uint64_t hash, uint64_t salt,
                              const char *key, size_t key_len);

/* Removes a holding if nothing needs it any more; or all such. */
void holdings_drop_unused(struct holdings *holdings, struct holding *holding);
void holdings_drop_all_unused(struct holdings *holdings);

/* ---- the queue ---- */

static inline bool holding_is_waited_for(const struct holding *holding)
{
    return holding->first != NULL;
}

/* Adds a waiter behind all others. What is charged behind them is then charged before it. */
void holding_join(struct holding *holding, struct waiter *waiter);

/* Takes a waiter out. What is charged before it is then charged before the one behind it. */
void holding_part(struct holding *holding, struct waiter *waiter);

/* Takes all waiters out. Returns the first, linked by `after`; each still has what was charged before
 * it, and charged_behind what was charged behind all. */
struct waiter *holding_disband(struct holding *holding, uint64_t charged_behind[BUCKETS_MAX]);

/* ---- levels; the mark is the one in the table ---- */

/* A mark without deferred charges, which is what counts for the first in the queue; and with them
 * again, as it is stored. */
static inline uint64_t holding_mark(const struct holding *holding, unsigned bucket, uint64_t mark)
{
    if (holding == NULL)
        return mark;
    uint64_t deferred = holding->deferred[bucket];
    return mark > deferred ? mark - deferred : 0; /* damage can have made it less */
}

static inline uint64_t holding_stored(const struct holding *holding, unsigned bucket, uint64_t mark)
{
    return holding == NULL ? mark : mark + holding->deferred[bucket];
}

/* The levels of a bucket, in units: see above. */
int64_t holding_content(const struct holding *holding, const struct credit_line *credit,
                        unsigned bucket, uint64_t mark);
int64_t holding_shown(const struct holding *holding, const struct credit_line *credit,
                      unsigned bucket, uint64_t mark);
int64_t holding_owing(const struct holding *holding, const struct credit_line *credit,
                      unsigned bucket, uint64_t mark);

/* ---- charges ---- */

/*
 * Charges a bucket behind those who wait for it, and defers that. Returns how many tokens it took.
 *
 * What those in the queue want is not there to be charged, and what is still to come for them is no debt: as
 * much can be charged as takes the content less all that they want (or 0, if that is more; or what it
 * owes) down to the debt. So no mark ever owes more than the line's debt.
 */
uint64_t holding_charge(struct holding *holding, const struct credit_line *credit, unsigned bucket,
                        uint64_t tokens, uint64_t *mark);

/* Defers charges that have been taken out of the queue again: behind all who wait. */
void holding_defer(struct holding *holding, unsigned buckets, const uint64_t charged[BUCKETS_MAX]);

/* Forgives all deferred charges; the marks are the caller's affair. */
void holding_forgive(struct holding *holding);

/* Applies charges of so many units to a bucket, that nobody waits in front of any more. */
void holding_apply(struct holding *holding, const struct credit_line *credit, unsigned bucket,
                   uint64_t charged, uint64_t *mark);

/* ---- projections ---- */

/* How buckets with these marks are now, for the first in the queue. */
struct projection projection_of(const struct holding *holding, const struct line *line,
                                uint64_t now_tick, const uint64_t marks[BUCKETS_MAX]);

/* The first tick, of `projection` or later, at which all buckets hold what is demanded, of which no
 * bucket is too small for. TICK_NEVER: nobody can say, because a bucket lacks slots. */
uint64_t projection_due(const struct projection *projection, const struct line *line,
                        struct demand demand);

/* Takes it at that tick. */
void projection_take(struct projection *projection, const struct line *line, struct demand demand,
                     uint64_t due_tick);

/* Ticks until a bucket holds `need_units` behind all who wait. Exact if the bucket will hold less
 * when the last of them is let go; else it is when it would if nobody went before. */
uint64_t holding_ticks_until(const struct holding *holding, const struct credit_line *credit,
                             unsigned bucket, int64_t shown_units, uint64_t need_units,
                             uint64_t now_tick);
