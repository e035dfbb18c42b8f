/*
 * Credit lines: the arithmetic of token buckets, exact and without division.
 *
 * With R tokens per period P and a tick T (P and T in milliseconds), let
 * g = gcd(P, R * T). A token is P / g units and a tick refills R * T / g
 * units, both whole. A line's credit grows by that step at each tick, which
 * refills every bucket drawing on the line at once. A bucket is one number,
 * its spent mark: level = credit - spent, and never more than cap.
 *
 * Owns nothing. Not synchronised: a line belongs to one thread. Never blocks.
 */
#pragma once

#include "base/quantity.h"

#include <stdbool.h>
#include <stdint.h>

struct credit_line {
    uint64_t token_units;  /* one token */
    uint64_t step_units;   /* refilled each tick; at most cap_units */
    uint64_t cap_units;    /* burst * token_units */
    uint64_t credit_units; /* starts at cap_units, so that credit - cap is never negative */
};

/* What makes a burst, a rate and a tick unable to work together. */
enum credit_fault {
    CREDIT_OK,
    CREDIT_BURST_TOO_SMALL,  /* less than one tick refills: the rate would be capped in silence */
    CREDIT_FILLS_TOO_SLOWLY, /* longer than CREDIT_FILL_MAX_MS from empty to full */
    CREDIT_OVERFLOWS,        /* the credit would pass its 63 bits within CREDIT_LIFETIME_MIN_MS */
};

#define CREDIT_FILL_MAX_MS ((uint64_t)(UINT64_C(100) * 365 * MS_PER_DAY))
#define CREDIT_LIFETIME_MIN_MS ((uint64_t)(UINT64_C(20) * 365 * MS_PER_DAY))

/* Sets up a full line. burst: 1 to TOKENS_MAX tokens; tick_ms: at least 1.
 * The line is untouched unless the result is CREDIT_OK. */
enum credit_fault credit_line_init(struct credit_line *line, uint64_t burst, struct rate rate,
                                   uint64_t tick_ms);

/* Room for credit_explain, terminating NUL included. */
#define CREDIT_EXPLAIN_MAX 384

/* Says what is wrong, in numbers, and what to write instead. */
void credit_explain(enum credit_fault fault, uint64_t burst, struct rate rate, uint64_t tick_ms,
                    char text[CREDIT_EXPLAIN_MAX]);

/* Refills every bucket of the line by `ticks` ticks. At the end of its 63 bits
 * the credit stops growing: a line too old denies, it never mints. */
void credit_line_advance(struct credit_line *line, uint64_t ticks);

/* The mark of a full bucket, which is also that of a bucket never seen. */
uint64_t credit_full_mark(const struct credit_line *line);

/* Units available to a bucket with this mark: 0 to cap_units. */
uint64_t credit_level(const struct credit_line *line, uint64_t spent_mark);

/* Whether a bucket with this mark is full. */
bool credit_is_full(const struct credit_line *line, uint64_t spent_mark);

/* Whether a bucket with this mark holds `tokens` tokens. */
bool credit_holds(const struct credit_line *line, uint64_t tokens, uint64_t spent_mark);

/* Whether a bucket holds `tokens` tokens; if so *spent_mark is moved past them.
 * Nothing changes when it does not. */
bool credit_take(const struct credit_line *line, uint64_t tokens, uint64_t *spent_mark);

/* Gives `tokens` tokens back to a bucket, as far as it has room: never above cap_units. */
void credit_give(const struct credit_line *line, uint64_t tokens, uint64_t *spent_mark);

/* The credit that the line had so many ticks ago, since when it has been in
 * force; never less than cap_units, which it begins with. One at the end of its 63 bits has
 * had no more than that: it mints nothing. */
uint64_t credit_units_ago(const struct credit_line *line, uint64_t ticks);

/* Ticks until a bucket at `level` units holds `need_units`, at most cap_units; 0 if it does. */
uint64_t credit_ticks_until(const struct credit_line *line, uint64_t level, uint64_t need_units);

/* The mark, on the line `to`, of a bucket that had spent_mark on the line `from`
 * when `to` began with credit `to_start_units`: the tokens carry over, rounded
 * down to a unit of `to` and capped at its burst. A full bucket stays full, for
 * it must fare like one that was dropped. `from` no longer advances. */
uint64_t credit_carry(const struct credit_line *from, uint64_t spent_mark,
                      const struct credit_line *to, uint64_t to_start_units);

/*
 * Marks as they are kept where bits may flip: a mark has 63 bits, and the one that
 * is left makes the number of ones odd. One flipped bit is noticed, and so is
 * a word of zeros. To mend it would take six bits more, and leave a line a 64th of
 * its lifetime.
 */
static inline uint64_t credit_seal(uint64_t spent_mark)
{
    return spent_mark | (uint64_t)!__builtin_parityll(spent_mark) << 63;
}

static inline bool credit_is_sealed(uint64_t sealed_mark)
{
    return __builtin_parityll(sealed_mark) != 0;
}

static inline uint64_t credit_unseal(uint64_t sealed_mark)
{
    return sealed_mark & INT64_MAX;
}
