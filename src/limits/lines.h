/*
 * Lines: what spent marks refer to, through any number of reloads.
 *
 * credit.h has the arithmetic of one credit line. Here
 *  - a line is a credit line for each bucket of a limit, or of one of its overrides.
 *    Every entry of the table names the line that its marks are on;
 *  - an edition is a limit as one configuration had it: its line, then those of its
 *    overrides.
 *
 * A reload that changes a limit makes a new edition and ends the lines of the old one; a
 * limit that stays the same keeps its edition, under another name too. An override whose date comes ends its own
 * line. A line that has ended no longer advances. No entry is touched by any of this: it is
 * carried over when a request or the sweep next meets it, step by step along the editions,
 * each time with the credit that the next line had when the one before ended.
 *
 * A limit through two reloads (tick 100ms). Alice takes 10 tokens at tick 100; she asks again
 * at tick 450:
 *
 *     tick          0         100        200                 400        450
 *                                        reload              reload     asks
 *     edition A     |====================| - - ended - - - - - - - - - - - -
 *       credit      6,000     6,700      7,400     burst 10, rate 7/m:
 *       mark                  6,700      6,700     token 600, step 7, cap 6,000 units
 *       level       6,000         0        700
 *                                          | 700 * 20 / 600 is 23, rounded down
 *     edition B                          |===================| - - ended - -
 *       credit                           400                 600   burst 20, rate 30/m:
 *       mark                             377                 377   token 20, step 1, cap 400
 *       level                             23                 223
 *                                                              | 223 * 100 / 20 is 1,115,
 *                                                              | more than the cap of 500
 *     edition C                                              |=============>
 *       credit      burst 5, rate 6/m:                       500        550
 *       mark        token 100, step 1, cap 500                 0          0
 *       level                                                500        500   full
 *
 * Until tick 450 all that the table holds of alice is "line of A, mark 6,700". Then she is
 * carried over to B as of tick 200, and from there to C as of tick 400. Nobody gains tokens
 * by a reload: a debt is carried over like a level, but for what the new line does not allow to owe.
 *
 * A bucket of slots has a line too, whose credit no tick changes. Its mark only shows how many slots are
 * taken, which is counted elsewhere, from the leases. It goes over to all buckets of slots that come next,
 * and to no other; nor does a bucket of slots get anything of one that ticks fill.
 *
 * A replaced edition is freed once the sweep has been round the whole table since: no entry
 * is on its lines then. Entries are not counted, for a count would not survive a kill.
 *
 * Owns its editions, and a reference to the limits of each. One thread, the brain's.
 * Never blocks. Errors: lines_install, when there is no memory.
 */
#pragma once

#include "limits/credit.h"
#include "limits/forgotten.h"
#include "limits/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define LINES_MAX 40000u
#define EDITIONS_MAX 4096u
#define LINES_OVERRIDES_MAX                                                                        \
    ((size_t)16 * OVERRIDES_MAX) /* of all editions, those that had ended included */
#define LINE_AGE_MAX 32 /* an entry may be so many installs behind, of those that replace any */
#define LINE_NONE UINT16_MAX
#define EDITION_NONE UINT16_MAX

struct line {
    uint16_t edition, index; /* index: in the edition's lines */
    uint16_t next_free;      /* of the list of free lines, while this is one */
    uint8_t count;           /* of buckets; 0: the line is free */
    bool ended;              /* it advances no more */
    uint64_t ended_tick;     /* since when */
    /* why: Unix time by which its override had ended, or OVERRIDE_FOR_EVER: a reload replaced it */
    int64_t ended_s;
    struct credit_line credit[BUCKETS_MAX];
};

struct edition {
    struct limits *limits; /* NULL: the edition is not in use */
    uint32_t limit;        /* its index in them */
    uint16_t successor;    /* itself while in force, then its replacement; EDITION_NONE: none */
    uint32_t replaced;     /* the install that replaced it, by its number */
    uint64_t replaced_lap; /* the lap of the sweep in which that was */
    /* mixed into the hashes of the limit's keys: it tells the keys of one limit from those of
     * another, and is the same in all editions of a limit, whatever its name; 0: none yet */
    uint64_t salt;
    uint64_t forgotten;       /* of a limit that is gone: its keys dropped that were not full */
    int64_t began_s, as_of_s; /* Unix time: of its beginning; overrides were ended up to then */
    uint16_t *lines;          /* the limit's own, then those of its overrides */
};

struct lines {
    uint64_t tick;           /* credited since the start */
    uint32_t count;          /* of limits in force */
    uint32_t begun;          /* limits that came as new ones: each has a salt of its own */
    uint32_t installs;       /* that replaced an edition; the others leave entries where they are */
    uint32_t replaced_count; /* editions in use that are not in force */
    uint64_t laps;           /* of the sweep, round the whole table */
    int64_t date_s;          /* Unix time, the last one told */
    int64_t next_end_s;      /* when the next override ends, or OVERRIDE_FOR_EVER */
    uint16_t of_limit[LIMITS_MAX];   /* the edition in force of each limit, by its index */
    uint32_t lines_used, lines_free; /* lines from number lines_used on were never in use */
    uint16_t free_line;              /* the first of a list; LINE_NONE: it is empty */
    struct forgotten forgotten;      /* the limits that are gone, to be told */
    /* by line, for any 16 bits: the edition now in force of the line's limit, or EDITION_NONE */
    uint16_t owners[LINE_NONE + 1];
    uint16_t editions_used; /* editions from this number on were never in use */
    struct edition edition[EDITIONS_MAX];
    struct line line[LINES_MAX];
};

/* The memory must be all zeros. */
void lines_init(struct lines *lines);
void lines_release(struct lines *lines);

/* Whether these limits can be installed now: there are editions and lines enough, no more than
 * LINES_OVERRIDES_MAX overrides, and no entry would be more than LINE_AGE_MAX steps behind. If not, sweep: after two laps there is room. */
bool lines_have_room(const struct lines *lines, const struct limits *next);

/* Puts `next` into force in place of `prior` (NULL: none), as of a date (Unix time). A limit
 * goes on as the one that it was before (limits_before), and keeps its edition if terms, overrides
 * and tick are the same. There must be room (lines_have_room). false: no memory, and nothing has changed. */
bool lines_install(struct lines *lines, const struct limits *prior, struct limits *next,
                   int64_t date_s);

/* Ends the overrides in force whose end has come by this date (Unix time). Returns how many. */
unsigned lines_end_overrides(struct lines *lines, int64_t date_s);

/* Credits ticks to every line in force. */
void lines_advance(struct lines *lines, uint64_t ticks);

/* See limit_denied_until_s, as of the date that the edition knows. */
int64_t lines_denied_until_s(const struct lines *lines, uint32_t limit, const char *key);

/* An edition: whether it is in use, its limit, and how many lines it names. An override that
 * had ended before the edition began has no line of its own: its place names the limit's. */
static inline bool edition_is_in_use(const struct edition *edition)
{
    return edition->limits != NULL;
}

static inline void edition_put(struct lines *lines, uint16_t number, struct edition edition)
{
    lines->edition[number] = edition;
    if (number >= lines->editions_used)
        lines->editions_used = (uint16_t)(number + 1);
}

static inline const struct limit *edition_limit(const struct edition *edition)
{
    return &edition->limits->limit[edition->limit];
}

static inline uint32_t edition_lines_count(const struct edition *edition)
{
    return 1 + edition_limit(edition)->overrides_count;
}

static inline bool edition_has_line(const struct edition *edition, uint32_t index)
{
    return index == 0 || edition->lines[index] != edition->lines[0];
}

/* The override that holds for the NUL-terminated key under a limit in force: its index in the
 * limit, or -1. And the line of that override, or for -1 of the limit itself. */
static inline int lines_override(const struct lines *lines, uint32_t limit, const char *key)
{
    const struct edition *edition = &lines->edition[lines->of_limit[limit]];
    return limit_override(edition_limit(edition), key, edition->as_of_s);
}

static inline uint16_t lines_line(const struct lines *lines, uint32_t limit, int override)
{
    return lines->edition[lines->of_limit[limit]].lines[1 + override];
}

/* The buckets of a limit's line by its index: 0 is the limit's own, 1 is its first override's.
 * An override that allows or denies has the limit's buckets, which refill meanwhile. */
const struct allowance *limit_allowance(const struct limit *limit, uint32_t index);

/* Makes the credit line, full, of a bucket's terms. false: they do not go with the tick, and *credit
 * is untouched. */
bool lines_credit(const struct bucket_terms *terms, uint64_t tick_ms, struct credit_line *credit);

/* Works out what follows from editions and lines that were read back: owners, the free lines,
 * and the next end of an override. */
void lines_settle(struct lines *lines);

/* Whether a line is in force: not ended, and so not to be carried over. */
static inline bool lines_is_in_force(const struct lines *lines, uint16_t line)
{
    return !lines->line[line].ended;
}

/* Carries the marks of a key from its line to the line in force for that key; if the limit is gone,
 * to the last one that there was for it. Overwrites the marks, and returns the number of that
 * line. */
uint16_t lines_carry(const struct lines *lines, uint16_t line, const char *key,
                     uint64_t marks[BUCKETS_MAX]);

/* Says that an entry is dropped whose limit is gone. It counts as forgotten unless its buckets were
 * full when the limit went. Overwrites the marks. */
void lines_forget(struct lines *lines, uint16_t line, const char *key, uint64_t marks[BUCKETS_MAX]);

/* Says that the sweep has been round the table once more: no entry is on an edition that was
 * replaced before that lap began. */
void lines_swept(struct lines *lines);

/* Says that the table is empty: no entry is on any edition. */
void lines_emptied(struct lines *lines);
