#include "limits/credit.h"

#include <inttypes.h>
#include <stdio.h>

typedef unsigned __int128 u128;
typedef __int128 i128;

#define CREDIT_MAX ((uint64_t)INT64_MAX)

static uint64_t ceil_div(u128 dividend, uint64_t divisor)
{
    u128 quotient = (dividend + divisor - 1) / divisor;
    return quotient > UINT64_MAX ? UINT64_MAX : (uint64_t)quotient;
}

/* Milliseconds until a line of this step has no room left above its first credit. */
static u128 lifetime_ms(uint64_t cap_units, uint64_t step_units, uint64_t tick_ms)
{
    return (u128)((CREDIT_MAX - cap_units) / step_units) * tick_ms;
}

/* ---- setting up ---- */

enum credit_fault credit_line_init(struct credit_line *line, uint64_t burst, struct rate rate,
                                   uint64_t tick_ms)
{
    u128 refill = (u128)rate.tokens * tick_ms; /* in tokens / period_ms */
    if (refill > (u128)burst * rate.period_ms)
        return CREDIT_BURST_TOO_SMALL;
    if ((u128)burst * rate.period_ms > (u128)rate.tokens * CREDIT_FILL_MAX_MS)
        return CREDIT_FILLS_TOO_SLOWLY;

    uint64_t g = quantity_common_divisor(rate.period_ms, (uint64_t)(refill % rate.period_ms));
    uint64_t token_units = rate.period_ms / g;
    u128 step_units = refill / g;
    u128 cap_units = (u128)burst * token_units;
    if (cap_units > CREDIT_MAX || step_units > CREDIT_MAX ||
        lifetime_ms((uint64_t)cap_units, (uint64_t)step_units, tick_ms) < CREDIT_LIFETIME_MIN_MS)
        return CREDIT_OVERFLOWS;

    *line = (struct credit_line){
        .token_units = token_units,
        .step_units = (uint64_t)step_units,
        .cap_units = (uint64_t)cap_units,
        .credit_units = (uint64_t)cap_units,
    };
    return CREDIT_OK;
}

void credit_line_init_slots(struct credit_line *line, uint64_t slots)
{
    *line = (struct credit_line){.token_units = 1, .cap_units = slots, .credit_units = slots};
}

/* The bits that are left when the burst and all ticks of the shortest life have theirs; and what the
 * ticks of the longest fill pay back. */
uint64_t credit_debt_most(const struct credit_line *line, uint64_t tick_ms)
{
    u128 lived =
        line->cap_units + (u128)ceil_div(CREDIT_LIFETIME_MIN_MS, tick_ms) * line->step_units;
    u128 paid = (u128)(CREDIT_FILL_MAX_MS / tick_ms) * line->step_units;
    if (lived > CREDIT_MAX)
        return 0;
    u128 most_units = CREDIT_MAX - lived < paid ? CREDIT_MAX - lived : paid;
    uint64_t most = (uint64_t)most_units / line->token_units;
    return most < TOKENS_MAX ? most : TOKENS_MAX;
}

bool credit_line_lend(struct credit_line *line, uint64_t debt_max, uint64_t tick_ms)
{
    if (debt_max > credit_debt_most(line, tick_ms))
        return false;
    line->debt_units = debt_max * line->token_units;
    return true;
}

/* ---- explaining ---- */

static void explain_burst(uint64_t burst, struct rate rate, uint64_t tick_ms,
                          char text[CREDIT_EXPLAIN_MAX])
{
    char tick[QUANTITY_TEXT_MAX], held_rate[QUANTITY_TEXT_MAX], remedy[96] = "";
    struct rate held = {burst, tick_ms};
    u128 longest_ms = (u128)burst * rate.period_ms / rate.tokens;

    quantity_print_duration(tick_ms, tick);
    quantity_print_rate(&held, held_rate);
    if (longest_ms >= 1) {
        char longest[QUANTITY_TEXT_MAX];
        quantity_print_duration((uint64_t)longest_ms, longest);
        snprintf(remedy, sizeof remedy, ", or a tick of at most %s", longest);
    }
    uint64_t least = ceil_div((u128)rate.tokens * tick_ms, rate.period_ms);
    snprintf(text, CREDIT_EXPLAIN_MAX,
             "burst %" PRIu64 " is less than one tick of %s refills, which would hold the rate to "
             "%s; use a burst of at least %" PRIu64 "%s",
             burst, tick, held_rate, least, remedy);
}

static void explain_overflow(uint64_t burst, struct rate rate, uint64_t tick_ms,
                             char text[CREDIT_EXPLAIN_MAX])
{
    uint64_t g = quantity_common_divisor(rate.period_ms,
                                         (uint64_t)((u128)rate.tokens * tick_ms % rate.period_ms));
    u128 cap_units = (u128)burst * (rate.period_ms / g);
    u128 step_units = (u128)rate.tokens * tick_ms / g;
    char when[48] = "at once";
    if (cap_units <= CREDIT_MAX && step_units <= CREDIT_MAX)
        snprintf(when, sizeof when, "after %" PRIu64 " days",
                 (uint64_t)(lifetime_ms((uint64_t)cap_units, (uint64_t)step_units, tick_ms) /
                            MS_PER_DAY));
    snprintf(text, CREDIT_EXPLAIN_MAX,
             "counted exactly, this burst and rate overflow 63 bits %s, and allowd asks for 20 "
             "years; use a rounder rate, a smaller burst or a longer tick",
             when);
}

void credit_explain(enum credit_fault fault, uint64_t burst, struct rate rate, uint64_t tick_ms,
                    char text[CREDIT_EXPLAIN_MAX])
{
    switch (fault) {
    case CREDIT_OK:
        text[0] = '\0';
        return;
    case CREDIT_BURST_TOO_SMALL:
        explain_burst(burst, rate, tick_ms, text);
        return;
    case CREDIT_FILLS_TOO_SLOWLY:
        snprintf(text, CREDIT_EXPLAIN_MAX,
                 "an empty bucket of burst %" PRIu64
                 " would take more than 100 years to fill at this rate; use a smaller burst or a "
                 "higher rate",
                 burst);
        return;
    case CREDIT_OVERFLOWS:
        explain_overflow(burst, rate, tick_ms, text);
        return;
    }
}

/* ---- buckets ---- */

void credit_line_advance(struct credit_line *line, uint64_t ticks)
{
    u128 credit = line->credit_units + (u128)ticks * line->step_units;
    line->credit_units = credit > credit_end(line) ? credit_end(line) : (uint64_t)credit;
}

uint64_t credit_charge(const struct credit_line *line, uint64_t tokens, uint64_t *spent_mark)
{
    int64_t level = credit_level(line, *spent_mark);
    int64_t room = level + (int64_t)line->debt_units;
    uint64_t most = room <= 0 ? 0 : (uint64_t)room / line->token_units;
    uint64_t charged = tokens < most ? tokens : most;
    *spent_mark = line->credit_units - (uint64_t)level + charged * line->token_units;
    return charged;
}

void credit_give(const struct credit_line *line, uint64_t tokens, uint64_t *spent_mark)
{
    uint64_t level = (uint64_t)credit_level(line, *spent_mark);
    u128 room = line->cap_units - level, given = (u128)tokens * line->token_units;
    level += (uint64_t)(given < room ? given : room);
    *spent_mark = line->credit_units - level;
}

uint64_t credit_units_ago(const struct credit_line *line, uint64_t ticks)
{
    if (line->credit_units == credit_end(line) || credit_has_slots(line))
        return line->credit_units;
    uint64_t most = (line->credit_units - line->cap_units) / line->step_units;
    return ticks > most ? line->cap_units : line->credit_units - ticks * line->step_units;
}

static i128 floor_div(i128 dividend, i128 divisor)
{
    return dividend / divisor - (dividend % divisor < 0);
}

uint64_t credit_carry(const struct credit_line *from, uint64_t spent_mark,
                      const struct credit_line *to, uint64_t to_start_units)
{
    if (credit_is_full(from, spent_mark))
        return to_start_units - to->cap_units;
    i128 carried = floor_div((i128)credit_level(from, spent_mark) * (i128)to->token_units,
                             (i128)from->token_units);
    i128 most = (i128)to->cap_units, least = -(i128)to->debt_units;
    return to_start_units - (uint64_t)(carried > most ? most : carried < least ? least : carried);
}
