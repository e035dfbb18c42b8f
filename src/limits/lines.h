/*
 * Lines: the credit lines of all limits, those in force and those they replaced.
 *
 * What a key may take under a limit is a line: a credit line for each of its
 * buckets. A limit as some configuration had it is an edition: one line for the
 * limit's own terms, and one for each of its overrides. A reload that changes a
 * limit puts a new edition in the place of its old one; an override that
 * reaches its end ends its line. Ended lines stay as they are, and entries that
 * still carry their number are carried over when they are next touched or
 * swept: step by step, each with the credit that the next line had at the time.
 * A replaced edition goes, its lines with it, once the sweep has been round the
 * whole table since: no entry is on it any more. Entries are not counted, for
 * a count would not survive a kill.
 *
 * Owns its editions, and a reference to the limits of each. One thread, the
 * brain's. Never blocks. Errors: lines_install, for want of memory.
 */
#pragma once

#include "limits/credit.h"
#include "limits/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define LINES_MAX 40000u
#define EDITIONS_MAX 4096u
#define LINE_AGE_MAX                                                                               \
    32 /* installs that replace some, after which an edition may still have entries */
#define LINE_NONE UINT16_MAX
#define EDITION_NONE UINT16_MAX

struct line {
    uint16_t edition, index; /* its place among the edition's lines */
    uint16_t next_free;      /* while in no edition */
    uint8_t count;           /* of buckets; 0: in no edition */
    bool ended;
    uint64_t ended_tick; /* since when it advances no more */
    /* the date by which its override ended, or OVERRIDE_FOR_EVER: its edition did */
    int64_t ended_s;
    struct credit_line credit[BUCKETS_MAX];
};

struct edition {
    struct limits *limits;    /* NULL: the edition is not in use */
    uint32_t limit;           /* its index in them */
    uint16_t successor;       /* what replaced it, itself while in force, or EDITION_NONE */
    uint32_t replaced;        /* by which install */
    uint64_t replaced_lap;    /* and in which lap of the sweep */
    int64_t began_s, as_of_s; /* dates: of its begin, and of the last look for overrides that end */
    uint16_t *lines;          /* that of the limit itself, then those of its overrides */
};

struct lines {
    uint64_t tick;           /* counted since the start */
    uint32_t count;          /* of limits in force */
    uint32_t installs;       /* that replaced an edition: others add no step for an entry to go */
    uint32_t replaced_count; /* of editions in use that are not in force */
    uint64_t laps;           /* of the sweep, round the whole table */
    int64_t date_s;          /* the last one told */
    int64_t next_end_s;      /* when the next override ends, or OVERRIDE_FOR_EVER */
    uint16_t of_limit[LIMITS_MAX]; /* the edition in force of each limit, by its index */
    uint32_t lines_used, lines_free;
    uint16_t free_line; /* the first of a list; LINE_NONE: take one never used */
    uint16_t
        owners[LINE_NONE + 1]; /* of each number that could be a line's: the edition in force of
                                     * its limit, or EDITION_NONE */
    uint16_t editions_used;    /* those from this number on never were in use */
    struct edition edition[EDITIONS_MAX];
    struct line line[LINES_MAX];
};

/* Into memory that is all zeros. */
void lines_init(struct lines *lines);
void lines_release(struct lines *lines);

/* Whether there is room to install these limits: editions and lines enough, and
 * none so old that its entries would have many steps to go. There always is when
 * no edition is a replaced one; two laps of the sweep make room. */
bool lines_have_room(const struct lines *lines, const struct limits *next);

/* Puts `next` into force, as of a date (Unix time), in place of `prior` (NULL:
 * none). A limit of the same name, terms, overrides and tick keeps its edition.
 * There must be room. false: no memory, and nothing has changed. */
bool lines_install(struct lines *lines, const struct limits *prior, struct limits *next,
                   int64_t date_s);

/* Ends the overrides in force whose end is not after this date. Returns how many. */
unsigned lines_end_overrides(struct lines *lines, int64_t date_s);

/* Credits ticks to every line in force. */
void lines_advance(struct lines *lines, uint64_t ticks);

/* The override that holds for the NUL-terminated key under a limit in force, by
 * its index there, or -1; and the line for that. */
int lines_override(const struct lines *lines, uint32_t limit, const char *key);
uint16_t lines_line(const struct lines *lines, uint32_t limit, int override);

/* The date until which overrides deny the key: see limit_denied_until_s. */
int64_t lines_denied_until_s(const struct lines *lines, uint32_t limit, const char *key);

/* Of an edition: whether there is one of this number, its limit, and how many lines it names: the
 * limit's, then those of its overrides, of which one that had ended when it began
 * has none and names the limit's. */
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

/* What holds under a limit: its own terms, or from 1 those of its overrides; one
 * that allows or denies leaves the limit's own buckets to refill meanwhile. */
const struct allowance *limit_allowance(const struct limit *limit, uint32_t index);

/* Works out what follows from editions and lines that were filled in: owners, what is free, and
 * the next end. */
void lines_settle(struct lines *lines);

/* Whether a line is in force: not ended, and so not to be carried over. */
static inline bool lines_is_in_force(const struct lines *lines, uint16_t line)
{
    return !lines->line[line].ended;
}

/* Carries the marks of a key from a line that has an owner to the line that is
 * in force for it, whose number is returned. The marks are overwritten. */
uint16_t lines_carry(const struct lines *lines, uint16_t line, const char *key,
                     uint64_t marks[BUCKETS_MAX]);

/* The sweep has been round the table once more: no entry is on an edition that was
 * replaced before that lap began. */
void lines_swept(struct lines *lines);

/* The table is empty: no entry is on any edition. */
void lines_emptied(struct lines *lines);
