/*
 * Credit lines: the arithmetic of token buckets, exact, in whole numbers.
 *
 * All buckets with the same burst and rate draw on one credit line. A tick refills
 * them all by adding one number, the step, to the line's credit. A bucket itself is
 * one number, its spent mark, which changes only when tokens are taken, charged or given back:
 *
 *     level = credit - mark, but at most cap
 *
 * A charge may move the mark past the credit. Then the level is below zero: the bucket owes, and
 * ticks pay its debt back before anything is taken again. The most that it may owe is the line's debt.
 *
 * The units are chosen so that nothing is ever rounded. For R tokens per period P and
 * a tick T (P and T in milliseconds), let g = gcd(P, R * T). Then
 *
 *     token = P / g units     step = R * T / g units a tick     cap = burst * token
 *
 * Example: burst 10, rate 7/m, tick 100ms. R = 7, P = 60,000, T = 100, so g = 100,
 * a token is 600 units, the step is 7 units and the cap 6,000 units.
 *
 *     tick                              credit   mark   level
 *        0   the line begins             6,000      0   6,000   10 tokens: full
 *        0   3 tokens (1,800) taken      6,000  1,800   4,200   7 tokens
 *      100   after 10 s: 100 * 7 more    6,700  1,800   4,900   8 tokens and 100 units
 *    1,000   after 100 s                13,000  1,800   6,000   11,200, but at most cap: full
 *
 * At tick 100 the ninth token lacks 500 units: it is there after 72 ticks, 500 / 7
 * rounded up, which is 7.2 s. All ten are there after 1,100 / 7, 158 ticks. If 12 tokens (7,200) are
 * charged then, the mark is 9,000 and the level -2,300: it owes 4 tokens, 3 and 500 units, and holds
 * a token again after 2,900 / 7, 415 ticks.
 *
 * A bucket is full if its mark is at most credit - cap. So a full bucket needs no mark:
 * a key that is in no table is one with full buckets. Taking moves the mark to
 * credit - level + cost, so what a full bucket has let overflow is lost for good.
 *
 * A bucket of slots is on a line of its own kind: a unit is a slot, and the step is 0, so no tick fills
 * it. Its mark is how many of its slots are taken, and level and mark are the cap together for ever.
 *
 * What a mark means once the limit has changed: lines.h.
 *
 * Owns nothing. Not synchronised: a line belongs to one thread. Never blocks.
 * Errors: credit_line_init and credit_line_lend; nothing else fails.
 */
#pragma once

#include "base/quantity.h"

#include <stdbool.h>
#include <stdint.h>

struct credit_line {
    uint64_t token_units;  /* in one token */
    uint64_t step_units;   /* added at each tick; 1 to cap_units; 0: it is a line of slots */
    uint64_t cap_units;    /* in a full bucket: burst * token_units */
    uint64_t debt_units;   /* that a bucket may owe; whole tokens */
    uint64_t credit_units; /* begins at cap_units, so that credit - cap is never negative */
};

/* Why a burst, a rate and a tick cannot go together. */
enum credit_fault {
    CREDIT_OK,
    CREDIT_BURST_TOO_SMALL,  /* a tick refills more than the burst: the rate is never reached */
    CREDIT_FILLS_TOO_SLOWLY, /* from empty to full takes longer than CREDIT_FILL_MAX_MS */
    CREDIT_OVERFLOWS,        /* the credit outgrows its 63 bits within CREDIT_LIFETIME_MIN_MS */
};

#define CREDIT_FILL_MAX_MS ((uint64_t)(UINT64_C(100) * 365 * MS_PER_DAY))
#define CREDIT_LIFETIME_MIN_MS ((uint64_t)(UINT64_C(20) * 365 * MS_PER_DAY))

/* Sets up a full line, whose buckets may owe nothing. burst: 1 to TOKENS_MAX tokens; tick_ms: at
 * least 1. The line is untouched unless the result is CREDIT_OK. */
enum credit_fault credit_line_init(struct credit_line *line, uint64_t burst, struct rate rate,
                                   uint64_t tick_ms);

/* Sets up a line of slots, 1 or more. Its buckets may owe nothing. */
void credit_line_init_slots(struct credit_line *line, uint64_t slots);

/* Whether it is a line of slots. */
static inline bool credit_has_slots(const struct credit_line *line)
{
    return line->step_units == 0;
}

/* The mark of a bucket of slots of which so many are taken: all of them, if it is more than it has, as
 * where a reload has made it smaller. */
static inline uint64_t credit_slots_mark(const struct credit_line *line, uint64_t taken)
{
    return taken < line->cap_units ? taken : line->cap_units;
}

/* The most tokens that buckets of a line, of burst, rate and tick as it was set up, can be allowed to
 * owe, at most TOKENS_MAX: they count into the 63 bits of the line's life, and are paid back
 * within CREDIT_FILL_MAX_MS. Of slots none. */
uint64_t credit_debt_most(const struct credit_line *line, uint64_t tick_ms);

/* Allows the buckets of a line that was just set up to owe so many tokens. false: that is more than
 * credit_debt_most says, and the line is untouched. */
bool credit_line_lend(struct credit_line *line, uint64_t debt_max, uint64_t tick_ms);

/* Room for credit_explain, terminating NUL included. */
#define CREDIT_EXPLAIN_MAX 384

/* Writes what is wrong, in numbers, and what to put into the configuration instead. */
void credit_explain(enum credit_fault fault, uint64_t burst, struct rate rate, uint64_t tick_ms,
                    char text[CREDIT_EXPLAIN_MAX]);

/* Refills every bucket of the line by `ticks` ticks. Credit that has reached its end stops growing:
 * a line that old refills nothing, and never gives too much. */
void credit_line_advance(struct credit_line *line, uint64_t ticks);

/* The end of a line's credit: the mark of a bucket that owes all it may has 63 bits there. */
static inline uint64_t credit_end(const struct credit_line *line)
{
    return (uint64_t)INT64_MAX - line->debt_units;
}

/* The largest mark that a bucket of the line can have now. */
static inline uint64_t credit_last_mark(const struct credit_line *line)
{
    return line->credit_units + line->debt_units;
}

/* The largest mark of a full bucket. A bucket never seen gets it. */
static inline uint64_t credit_full_mark(const struct credit_line *line)
{
    return line->credit_units - line->cap_units;
}

/* Units in a bucket with this mark: up to cap_units; below zero if it owes, down to -debt_units. */
static inline int64_t credit_level(const struct credit_line *line, uint64_t spent_mark)
{
    uint64_t full_mark = credit_full_mark(line);
    return (int64_t)(line->credit_units - (spent_mark > full_mark ? spent_mark : full_mark));
}

/* Tokens in a bucket of this level, rounded down, 0 if it owes; and those that it owes, rounded up. */
static inline uint64_t credit_tokens(const struct credit_line *line, int64_t level)
{
    return level <= 0 ? 0 : (uint64_t)level / line->token_units;
}

static inline uint64_t credit_owed(const struct credit_line *line, int64_t level)
{
    return level >= 0 ? 0 : ((uint64_t)-level + line->token_units - 1) / line->token_units;
}

/* Whether a bucket with this mark is full. */
static inline bool credit_is_full(const struct credit_line *line, uint64_t spent_mark)
{
    return spent_mark <= credit_full_mark(line);
}

/* Takes `tokens` tokens if the bucket holds them, and moves *spent_mark. false: it does not
 * hold them, and nothing has changed. */
static inline bool credit_take(const struct credit_line *line, uint64_t tokens,
                               uint64_t *spent_mark)
{
    int64_t level = credit_level(line, *spent_mark);
    uint64_t cost_units;
    if (__builtin_mul_overflow(tokens, line->token_units, &cost_units) || level < 0 ||
        cost_units > (uint64_t)level)
        return false;
    *spent_mark = line->credit_units - ((uint64_t)level - cost_units);
    return true;
}

/* Whether a bucket with this mark holds `tokens` tokens. */
static inline bool credit_holds(const struct credit_line *line, uint64_t tokens,
                                uint64_t spent_mark)
{
    return credit_take(line, tokens, &spent_mark);
}

/* Takes `tokens` tokens whether the bucket holds them or not, as far as its debt allows: whole
 * tokens, so that no part of one is lost or made. Returns how many it took. */
uint64_t credit_charge(const struct credit_line *line, uint64_t tokens, uint64_t *spent_mark);

/* Gives `tokens` tokens back to a bucket, as far as it has room: never above cap_units. If the bucket
 * owes, they pay that first. */
void credit_give(const struct credit_line *line, uint64_t tokens, uint64_t *spent_mark);

/* The credit that the line had `ticks` ticks ago. It has been in force since, and had never
 * less than cap_units. If the credit is at its end nobody knows when it got there: then the answer
 * is that end, with which a carried bucket gains nothing. */
uint64_t credit_units_ago(const struct credit_line *line, uint64_t ticks);

/* Ticks until a bucket of `level` units holds `need_units` (at most cap_units); 0: it does now;
 * CREDIT_NEVER: it is one of slots, which no tick brings. */
#define CREDIT_NEVER UINT64_MAX
static inline uint64_t credit_ticks_until(const struct credit_line *line, int64_t level,
                                          uint64_t need_units)
{
    if (level >= 0 && (uint64_t)level >= need_units)
        return 0;
    if (credit_has_slots(line))
        return CREDIT_NEVER;
    uint64_t lack_units = need_units - (uint64_t)level;
    if (lack_units <= line->step_units)
        return 1; /* as often, and quicker than a division */
    return lack_units / line->step_units + (lack_units % line->step_units != 0);
}

/* Carries a bucket from a line that has ended to the one that came after it, neither of slots: the
 * mark on `to`
 * of a bucket with spent_mark on `from`. to_start_units: the credit of `to` when `from` ended.
 * The tokens carry over, rounded down to a unit of `to`, at most its burst. So does a debt, which
 * thereby grows by less than a unit; what `to` does not allow to owe is forgiven. A full bucket stays
 * full whatever the new burst, because a full bucket may have been dropped already. */
uint64_t credit_carry(const struct credit_line *from, uint64_t spent_mark,
                      const struct credit_line *to, uint64_t to_start_units);

/*
 * Sealed marks, for where bits may flip: a mark has 63 bits, and bit 63 makes the number of
 * ones odd. So one flipped bit is noticed, and so is a word of zeros. To mend it as well
 * would take six bits more, which would leave a line a 64th of its lifetime.
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
