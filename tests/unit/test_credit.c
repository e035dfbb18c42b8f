/* Credit lines: exact refill, exact charge, exact waiting times, and what cannot work refused. */
#include "limits/credit.h"
#include "support/dice.h"
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

static const struct rate one_per_second = {1, 1000};

static struct credit_line line_of(uint64_t burst, struct rate rate, uint64_t tick_ms)
{
    struct credit_line line;
    enum credit_fault fault = credit_line_init(&line, burst, rate, tick_ms);
    if (fault != CREDIT_OK)
        fail_msg("this line should work: %d", (int)fault);
    return line;
}

static void expect_fault(uint64_t burst, struct rate rate, uint64_t tick_ms,
                         enum credit_fault expected)
{
    struct credit_line line, before;
    memset(&line, 0x5a, sizeof line);
    before = line;
    assert_int_equal(credit_line_init(&line, burst, rate, tick_ms), expected);
    assert_memory_equal(&line, &before, sizeof line);
}

static uint64_t drained_mark(const struct credit_line *line)
{
    return line->credit_units;
}

/* ---- units ---- */

static void a_token_is_the_period_over_the_common_divisor(void **state)
{
    (void)state;
    static const struct {
        uint64_t burst;
        struct rate rate;
        uint64_t tick_ms, token_units, step_units;
    } cases[] = {
        {10, {1, 1000}, 100, 10, 1},         {10, {1, 1000}, 1, 1000, 1},
        {10, {1, 1000}, 1000, 1, 1},         {10, {3, 1000}, 100, 10, 3},
        {10, {7, 1000}, 3, 1000, 21},        {5, {50, 1000}, 100, 1, 5},
        {10, {2, 3000}, 1, 1500, 1},         {1000000, {1000000000, 1000}, 1, 1, 1000000},
        {10, {1, 86400000}, 100, 864000, 1}, {10, {1, 86400000}, 7, 86400000, 7},
        {10, {1, 1000}, 7000, 1, 7},         {10, {6, 4}, 6, 1, 9},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct credit_line line = line_of(cases[i].burst, cases[i].rate, cases[i].tick_ms);
        assert_int_equal(line.token_units, cases[i].token_units);
        assert_int_equal(line.step_units, cases[i].step_units);
        assert_int_equal(line.cap_units, cases[i].burst * cases[i].token_units);
    }
}

static void a_new_line_is_full(void **state)
{
    (void)state;
    struct credit_line line = line_of(10, one_per_second, 100);
    assert_int_equal(line.credit_units, line.cap_units);
    assert_int_equal(credit_full_mark(&line), 0);
    assert_int_equal(credit_level(&line, credit_full_mark(&line)), line.cap_units);
}

/* ---- what cannot work ---- */

static void refuses_a_burst_smaller_than_one_refill(void **state)
{
    (void)state;
    expect_fault(4, (struct rate){50, 1000}, 100, CREDIT_BURST_TOO_SMALL);
    line_of(5, (struct rate){50, 1000}, 100);
    expect_fault(1, (struct rate){3, 2000}, 1000, CREDIT_BURST_TOO_SMALL); /* by half a token */
    line_of(2, (struct rate){3, 2000}, 1000);
    expect_fault(TOKENS_MAX - 1, (struct rate){TOKENS_MAX, 1}, 1, CREDIT_BURST_TOO_SMALL);
    expect_fault(TOKENS_MAX, (struct rate){TOKENS_MAX, 1}, 10000, CREDIT_BURST_TOO_SMALL);
}

static void refuses_what_fills_in_more_than_a_hundred_years(void **state)
{
    (void)state;
    line_of(36500, (struct rate){1, MS_PER_DAY}, 100);
    expect_fault(36501, (struct rate){1, MS_PER_DAY}, 100, CREDIT_FILLS_TOO_SLOWLY);
    expect_fault(TOKENS_MAX, one_per_second, 100, CREDIT_FILLS_TOO_SLOWLY);
    expect_fault(100, (struct rate){1, PERIOD_MAX_MS}, 100, CREDIT_FILLS_TOO_SLOWLY);
}

static void refuses_what_overflows_within_twenty_years(void **state)
{
    (void)state;
    expect_fault(TOKENS_MAX, (struct rate){TOKENS_MAX, 1}, 1, CREDIT_OVERFLOWS);
    expect_fault(TOKENS_MAX, (struct rate){999999999999998, 1009}, 1, CREDIT_OVERFLOWS);
    expect_fault(100000000000, (struct rate){99999999999, PERIOD_MAX_MS - 1}, 7, CREDIT_OVERFLOWS);
}

/* One unit a token, so many each millisecond that a burst of about as many
 * leaves 20 years of room in 63 bits to the millisecond. */
static void the_shortest_life_is_exactly_at_the_bound(void **state)
{
    (void)state;
    uint64_t step = (uint64_t)INT64_MAX / (CREDIT_LIFETIME_MIN_MS + 1);
    uint64_t burst = (uint64_t)INT64_MAX - step * CREDIT_LIFETIME_MIN_MS;
    struct credit_line line = line_of(burst, (struct rate){step, 1}, 1);
    expect_fault(burst + 1, (struct rate){step, 1}, 1, CREDIT_OVERFLOWS);
    uint64_t mark = credit_full_mark(&line);
    credit_line_advance(&line, CREDIT_LIFETIME_MIN_MS - 1);
    assert_true(credit_take(&line, burst, &mark));
    credit_line_advance(&line, 1); /* and the last tick of its life is still whole */
    assert_int_equal(credit_level(&line, mark), step);
}

static void explains_in_numbers_what_to_write_instead(void **state)
{
    (void)state;
    char text[CREDIT_EXPLAIN_MAX];
    credit_explain(CREDIT_BURST_TOO_SMALL, 4, (struct rate){50, 1000}, 100, text);
    assert_string_equal(text,
                        "burst 4 is less than one tick of 100ms refills, which would hold the "
                        "rate to 4/100ms; use a burst of at least 5, or a tick of at most 80ms");
    credit_explain(CREDIT_FILLS_TOO_SLOWLY, 36501, (struct rate){1, MS_PER_DAY}, 100, text);
    assert_non_null(strstr(text, "36501"));
    credit_explain(CREDIT_OVERFLOWS, TOKENS_MAX, (struct rate){TOKENS_MAX, 1}, 1, text);
    assert_non_null(strstr(text, "after 0 days"));
    credit_explain(CREDIT_OK, 1, one_per_second, 100, text);
    assert_string_equal(text, "");
}

/* Follows both halves of the advice for a burst that is too small. */
static void what_the_explanation_advises_works(void **state)
{
    (void)state;
    struct dice dice = dice_new(1);
    unsigned advised = 0;
    for (int i = 0; i < 20000; i++) {
        struct rate rate = {dice_between(&dice, 1, 100000), dice_between(&dice, 1, 100000)};
        uint64_t burst = dice_between(&dice, 1, 1000), tick_ms = dice_between(&dice, 1, 10000);
        struct credit_line line;
        if (credit_line_init(&line, burst, rate, tick_ms) != CREDIT_BURST_TOO_SMALL)
            continue;
        char text[CREDIT_EXPLAIN_MAX];
        const char *least, *longest;
        credit_explain(CREDIT_BURST_TOO_SMALL, burst, rate, tick_ms, text);
        least = strstr(text, "burst of at least ");
        assert_non_null(least);
        assert_true(credit_line_init(&line, strtoull(least + 18, NULL, 10), rate, tick_ms) !=
                    CREDIT_BURST_TOO_SMALL);
        longest = strstr(text, "tick of at most ");
        uint64_t longest_ms;
        if (longest == NULL)
            continue;
        longest += 16;
        assert_int_equal(
            quantity_parse_duration(longest, strlen(longest), 1, PERIOD_MAX_MS, &longest_ms),
            QUANTITY_OK);
        assert_true(credit_line_init(&line, burst, rate, longest_ms) != CREDIT_BURST_TOO_SMALL);
        assert_int_equal(credit_line_init(&line, burst, rate, longest_ms + 1),
                         CREDIT_BURST_TOO_SMALL);
        advised++;
    }
    assert_true(advised > 0);
}

static void explanations_fit_whatever_the_numbers(void **state)
{
    (void)state;
    static const uint64_t extremes[] = {1, 2, 999, TOKENS_MAX - 1, TOKENS_MAX};
    static const uint64_t periods[] = {1, 7, 86399999, PERIOD_MAX_MS - 1, PERIOD_MAX_MS};
    static const uint64_t ticks[] = {1, 9999, 10000};
    char text[CREDIT_EXPLAIN_MAX];
    for (size_t b = 0; b < LENGTH(extremes); b++)
        for (size_t r = 0; r < LENGTH(extremes); r++)
            for (size_t p = 0; p < LENGTH(periods); p++)
                for (size_t t = 0; t < LENGTH(ticks); t++) {
                    struct rate rate = {extremes[r], periods[p]};
                    struct credit_line line;
                    enum credit_fault fault = credit_line_init(&line, extremes[b], rate, ticks[t]);
                    credit_explain(fault, extremes[b], rate, ticks[t], text);
                    assert_int_equal(fault == CREDIT_OK, text[0] == '\0');
                    assert_true(strlen(text) < CREDIT_EXPLAIN_MAX - 1); /* nothing was cut off */
                }
}

/* ---- taking and refilling ---- */

static void takes_what_is_there_down_to_the_last_token(void **state)
{
    (void)state;
    struct credit_line line = line_of(3, one_per_second, 100);
    uint64_t mark = credit_full_mark(&line);
    assert_true(credit_take(&line, 1, &mark));
    assert_true(credit_take(&line, 2, &mark));
    assert_int_equal(credit_level(&line, mark), 0);
    assert_false(credit_take(&line, 1, &mark));
}

static void a_denial_leaves_the_mark_alone(void **state)
{
    (void)state;
    struct credit_line line = line_of(3, one_per_second, 100);
    uint64_t mark = credit_full_mark(&line);
    assert_true(credit_take(&line, 2, &mark));
    uint64_t before = mark;
    assert_false(credit_take(&line, 2, &mark));
    assert_false(credit_take(&line, UINT64_MAX, &mark));
    assert_int_equal(mark, before);
}

static void a_cost_that_overflows_is_denied(void **state)
{
    (void)state;
    struct credit_line line = line_of(10, one_per_second, 100); /* ten units a token */
    uint64_t mark = credit_full_mark(&line), before = mark;
    assert_false(credit_take(&line, UINT64_MAX / 10 + 1, &mark)); /* times ten: 4, come round */
    assert_false(credit_take(&line, UINT64_MAX / 2 + 1, &mark));  /* times ten: 0, come round */
    assert_false(credit_take(&line, UINT64_MAX, &mark));
    assert_int_equal(mark, before);
}

static void refills_by_exact_fractions(void **state)
{
    (void)state;
    struct credit_line line = line_of(10, one_per_second, 100);
    uint64_t mark = drained_mark(&line);
    for (unsigned tick = 1; tick <= 9; tick++) {
        credit_line_advance(&line, 1);
        assert_int_equal(credit_level(&line, mark), tick);
        assert_false(credit_take(&line, 1, &mark));
    }
    credit_line_advance(&line, 1);
    assert_true(credit_take(&line, 1, &mark));
    assert_int_equal(credit_level(&line, mark), 0);
}

/* The original lost a fifth of its rate to truncation; a third a tick must not. */
static void thirds_of_a_token_add_up(void **state)
{
    (void)state;
    struct credit_line line = line_of(10, (struct rate){1, 300}, 100);
    uint64_t mark = drained_mark(&line);
    unsigned taken = 0;
    for (unsigned tick = 0; tick < 30000; tick++) {
        credit_line_advance(&line, 1);
        taken += credit_take(&line, 1, &mark);
    }
    assert_int_equal(taken, 10000);
}

static void never_holds_more_than_its_burst(void **state)
{
    (void)state;
    struct credit_line line = line_of(10, one_per_second, 100);
    uint64_t mark = drained_mark(&line);
    credit_line_advance(&line, 99);
    assert_int_equal(credit_level(&line, mark), 99);
    credit_line_advance(&line, 1);
    assert_int_equal(credit_level(&line, mark), 100);
    credit_line_advance(&line, 1000000000);
    assert_int_equal(credit_level(&line, mark), 100);
    assert_true(credit_take(&line, 10, &mark));
    assert_false(credit_take(&line, 1, &mark));
}

static void one_advance_is_as_good_as_many(void **state)
{
    (void)state;
    struct dice dice = dice_new(2);
    struct credit_line one = line_of(1000, (struct rate){7, 13}, 11), many = one;
    for (int i = 0; i < 1000; i++) {
        uint64_t ticks = dice_roll(&dice, 50);
        credit_line_advance(&one, ticks);
        for (uint64_t tick = 0; tick < ticks; tick++)
            credit_line_advance(&many, 1);
        assert_int_equal(one.credit_units, many.credit_units);
    }
}

static void at_the_end_of_its_bits_it_denies_and_never_mints(void **state)
{
    (void)state;
    struct credit_line line = line_of(10, one_per_second, 100);
    uint64_t mark = credit_full_mark(&line);
    credit_line_advance(&line, UINT64_MAX);
    assert_int_equal(line.credit_units, INT64_MAX);
    assert_true(credit_take(&line, 10, &mark));
    credit_line_advance(&line, UINT64_MAX);
    credit_line_advance(&line, 1);
    assert_int_equal(credit_level(&line, mark), 0);
    assert_false(credit_take(&line, 1, &mark));
}

static void ten_idle_years_are_exactly_full(void **state)
{
    (void)state;
    struct credit_line line = line_of(1000000, (struct rate){1000000000, 1000}, 1);
    uint64_t mark = drained_mark(&line);
    credit_line_advance(&line, 3650ull * MS_PER_DAY);
    assert_int_equal(credit_level(&line, mark), line.cap_units);
}

/* ---- waiting ---- */

static void waits_exactly_as_many_ticks_as_it_takes(void **state)
{
    (void)state;
    struct dice dice = dice_new(3);
    for (int i = 0; i < 20000; i++) {
        struct credit_line line;
        struct rate rate = {dice_between(&dice, 1, 100), dice_between(&dice, 1, 5000)};
        uint64_t burst = dice_between(&dice, 1, 1000), tick_ms = dice_between(&dice, 1, 1000);
        if (credit_line_init(&line, burst, rate, tick_ms) != CREDIT_OK)
            continue;
        uint64_t level = dice_roll(&dice, line.cap_units + 1);
        uint64_t need = dice_roll(&dice, line.cap_units + 1);
        uint64_t ticks = credit_ticks_until(&line, (int64_t)level, need);
        assert_true(level + ticks * line.step_units >= need);
        assert_true(ticks == 0 || level + (ticks - 1) * line.step_units < need);
    }
}

static void waits_not_at_all_for_what_is_there(void **state)
{
    (void)state;
    struct credit_line line = line_of(10, one_per_second, 100);
    assert_int_equal(credit_ticks_until(&line, 10, 10), 0);
    assert_int_equal(credit_ticks_until(&line, 11, 10), 0);
    assert_int_equal(credit_ticks_until(&line, 9, 10), 1);
    assert_int_equal(credit_ticks_until(&line, 0, 0), 0);
}

/* ---- carrying over to another line ---- */

static int64_t carried_level(const struct credit_line *from, uint64_t mark,
                             const struct credit_line *to)
{
    return credit_level(to, credit_carry(from, mark, to, to->credit_units));
}

static void carries_tokens_and_not_units(void **state)
{
    (void)state;
    struct credit_line from = line_of(100, one_per_second, 100);         /* 10 units a token */
    struct credit_line to = line_of(200, (struct rate){7, 60000}, 1000); /* 60 units a token */
    uint64_t mark = credit_full_mark(&from);
    assert_true(credit_take(&from, 60, &mark));
    assert_int_equal(carried_level(&from, mark, &to), 40 * to.token_units);
}

static void caps_what_it_carries_at_the_new_burst(void **state)
{
    (void)state;
    struct credit_line from = line_of(100, one_per_second, 100);
    struct credit_line to = line_of(20, one_per_second, 100);
    uint64_t mark = credit_full_mark(&from);
    assert_true(credit_take(&from, 60, &mark));
    assert_int_equal(carried_level(&from, mark, &to), to.cap_units);
}

static void rounds_what_it_carries_down_to_a_unit(void **state)
{
    (void)state;
    struct credit_line from = line_of(10, (struct rate){1, 7}, 1);
    struct credit_line to = line_of(10, (struct rate){1, 3}, 1);
    uint64_t mark = drained_mark(&from);
    credit_line_advance(&from, 6); /* 6/7 of a token, which is 2.57 thirds */
    assert_int_equal(carried_level(&from, mark, &to), 2);
}

static void carries_the_largest_levels_without_overflow(void **state)
{
    (void)state;
    uint64_t burst = 30000000000; /* 2.6 * 10^18 units, times 86,400,000 */
    struct credit_line from = line_of(burst, (struct rate){1000003, MS_PER_DAY}, 1);
    struct credit_line to = line_of(burst, (struct rate){1000033, MS_PER_DAY}, 1);
    uint64_t mark = credit_full_mark(&from);
    assert_true(credit_take(&from, 1, &mark));
    assert_true(from.cap_units > INT64_MAX / 4);
    assert_int_equal(carried_level(&from, mark, &to), to.cap_units - to.token_units);
}

static void a_carried_bucket_refills_by_the_new_line_only(void **state)
{
    (void)state;
    struct credit_line from = line_of(100, (struct rate){10, 1000}, 100);
    struct credit_line to = line_of(100, (struct rate){20, 1000}, 100);
    uint64_t start = to.credit_units, mark = drained_mark(&from);
    credit_line_advance(&from, 5);
    credit_line_advance(&to, 3);
    mark = credit_carry(&from, mark, &to, start);
    assert_int_equal(credit_level(&to, mark), (5 + 6) * to.token_units);
}

static void carrying_mints_nothing_and_loses_less_than_a_unit(void **state)
{
    (void)state;
    struct dice dice = dice_new(4);
    unsigned carried = 0;
    for (int i = 0; i < 50000; i++) {
        struct credit_line line[2];
        bool valid = true;
        for (int side = 0; side < 2; side++) {
            struct rate rate = {dice_between(&dice, 1, 50), dice_between(&dice, 1, 100000)};
            valid &= credit_line_init(&line[side], dice_between(&dice, 1, 1000), rate,
                                      dice_between(&dice, 1, 1000)) == CREDIT_OK;
        }
        if (!valid)
            continue;
        /* Not quite full, for a full bucket is as good as none. */
        uint64_t level = dice_roll(&dice, line[0].cap_units);
        uint64_t got = (uint64_t)carried_level(&line[0], drained_mark(&line[0]) - level, &line[1]);
        unsigned __int128 had = (unsigned __int128)level * line[1].token_units;
        assert_true((unsigned __int128)got * line[0].token_units <= had);
        if (got < line[1].cap_units)
            assert_true((unsigned __int128)(got + 1) * line[0].token_units > had);
        carried++;
    }
    assert_true(carried > 0);
}

static void giving_never_fills_above_the_burst(void **state)
{
    (void)state;
    struct credit_line line = line_of(10, (struct rate){1, 1000}, 100);
    uint64_t mark = drained_mark(&line);
    credit_give(&line, 3, &mark);
    assert_int_equal(credit_level(&line, mark), 3 * line.token_units);
    credit_give(&line, 0, &mark);
    assert_int_equal(credit_level(&line, mark), 3 * line.token_units);
    credit_give(&line, 8, &mark);
    assert_int_equal(credit_level(&line, mark), line.cap_units);
    credit_give(&line, UINT64_MAX, &mark);
    assert_int_equal(credit_level(&line, mark), line.cap_units);
    assert_int_equal(mark, credit_full_mark(&line));
}

/* However long ago a damaged store says that it was. */
static void a_line_began_with_its_burst(void **state)
{
    (void)state;
    struct credit_line line;
    assert_int_equal(credit_line_init(&line, 10, (struct rate){1, 1000}, 100), CREDIT_OK);
    credit_line_advance(&line, 1000);
    assert_int_equal(credit_units_ago(&line, 0), line.credit_units);
    assert_int_equal(credit_units_ago(&line, 999), line.cap_units + line.step_units);
    assert_int_equal(credit_units_ago(&line, 1000), line.cap_units);
    assert_int_equal(credit_units_ago(&line, 1001), line.cap_units);
    assert_int_equal(credit_units_ago(&line, UINT64_MAX), line.cap_units);
    credit_line_advance(&line, UINT64_MAX); /* to its end, whenever that was */
    assert_int_equal(credit_units_ago(&line, 5), line.credit_units);
}

/* ---- debts ---- */

static struct credit_line lending(uint64_t burst, struct rate rate, uint64_t tick_ms, uint64_t debt)
{
    struct credit_line line = line_of(burst, rate, tick_ms);
    assert_true(credit_line_lend(&line, debt, tick_ms));
    return line;
}

/* Burst 10, rate 7/m, tick 100ms: a token is 600 units and the step 7, as in credit.h. */
static void the_example_of_the_header_holds(void **state)
{
    (void)state;
    struct credit_line line = lending(10, (struct rate){7, 60000}, 100, 10);
    uint64_t mark = credit_full_mark(&line);
    assert_int_equal(line.debt_units, 6000);
    assert_true(credit_take(&line, 3, &mark));
    credit_line_advance(&line, 100);
    assert_int_equal(credit_level(&line, mark), 4900);
    assert_int_equal(credit_charge(&line, 12, &mark), 12);
    assert_int_equal(mark, 9000);
    assert_int_equal(credit_level(&line, mark), -2300);
    assert_int_equal(credit_owed(&line, credit_level(&line, mark)), 4);
    assert_int_equal(credit_tokens(&line, credit_level(&line, mark)), 0);
    assert_int_equal(credit_ticks_until(&line, -2300, 600), 415);
    assert_false(credit_holds(&line, 1, mark));
    credit_line_advance(&line, 414);
    assert_false(credit_holds(&line, 1, mark));
    credit_line_advance(&line, 1);
    assert_true(credit_take(&line, 1, &mark));
    assert_int_equal(credit_level(&line, mark), 5);
}

static void a_charge_takes_whole_tokens_down_to_the_debt(void **state)
{
    (void)state;
    static const struct {
        int64_t level;
        uint64_t debt, tokens, charged;
        int64_t after;
    } cases[] = {
        /* of 10 units each; a burst of 10 */
        {100, 0, 10, 10, 0},
        {100, 0, 11, 10, 0},
        {0, 0, 1, 0, 0},
        {9, 0, 1, 0, 9},
        {9, 1, 1, 1, -1},
        {9, 1, 2, 1, -1},
        {0, 5, 5, 5, -50},
        {0, 5, 6, 5, -50},
        {-41, 5, 1, 0, -41},
        {-40, 5, 1, 1, -50},
        {-50, 5, 1, 0, -50},
        {100, 5, TOKENS_MAX, 15, -50},
        {100, 5, UINT64_MAX, 15, -50},
        {55, 20, 0, 0, 55},
        {-1, 20, 20, 19, -191},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct credit_line line = lending(10, one_per_second, 100, cases[i].debt);
        credit_line_advance(&line, 1000);
        uint64_t mark = line.credit_units - (uint64_t)cases[i].level;
        assert_int_equal(credit_charge(&line, cases[i].tokens, &mark), cases[i].charged);
        assert_int_equal(credit_level(&line, mark), cases[i].after);
        assert_true(mark <= credit_last_mark(&line));
    }
}

static void what_is_owed_counts_in_parts_of_a_token(void **state)
{
    (void)state;
    struct credit_line line = lending(10, one_per_second, 100, 10); /* 10 units a token */
    static const int64_t levels[] = {100, 1, 0, -1, -9, -10, -11, -100};
    static const uint64_t owed[] = {0, 0, 0, 1, 1, 1, 2, 10}, tokens[] = {10, 0, 0, 0, 0, 0, 0, 0};
    for (size_t i = 0; i < LENGTH(levels); i++) {
        assert_int_equal(credit_owed(&line, levels[i]), owed[i]);
        assert_int_equal(credit_tokens(&line, levels[i]), tokens[i]);
    }
}

static void giving_pays_the_debt_first(void **state)
{
    (void)state;
    struct credit_line line = lending(10, one_per_second, 100, 10);
    uint64_t mark = credit_full_mark(&line);
    assert_int_equal(credit_charge(&line, 20, &mark), 20);
    credit_give(&line, 9, &mark);
    assert_int_equal(credit_level(&line, mark), -10);
    assert_false(credit_take(&line, 0, &mark));
    credit_give(&line, 1, &mark);
    assert_true(credit_take(&line, 0, &mark));
    credit_give(&line, 25, &mark);
    assert_true(credit_is_full(&line, mark));
}

/* 63 bits, less the burst and the ticks of 20 years; or what 100 years pay back. */
static void a_debt_is_bounded_by_the_bits_and_by_time(void **state)
{
    (void)state;
    uint64_t step = (uint64_t)INT64_MAX / (CREDIT_LIFETIME_MIN_MS + 1);
    uint64_t burst = (uint64_t)INT64_MAX - step * CREDIT_LIFETIME_MIN_MS;
    struct credit_line line = line_of(burst, (struct rate){step, 1}, 1);
    assert_int_equal(credit_debt_most(&line, 1), 0);
    line = line_of(burst - 5, (struct rate){step, 1}, 1);
    assert_int_equal(credit_debt_most(&line, 1), 5);
    assert_false(credit_line_lend(&line, 6, 1));
    assert_int_equal(line.debt_units, 0);
    assert_true(credit_line_lend(&line, 5, 1));
    uint64_t mark = credit_full_mark(&line);
    credit_line_advance(&line, UINT64_MAX);
    assert_int_equal(line.credit_units, INT64_MAX - 5);
    assert_int_equal(credit_charge(&line, TOKENS_MAX, &mark), burst);
    assert_int_equal(mark, INT64_MAX); /* and still there is a bit for the seal */
    assert_int_equal(credit_unseal(credit_seal(mark)), mark);

    line = line_of(1, (struct rate){1, MS_PER_DAY}, 100);
    assert_int_equal(credit_debt_most(&line, 100), 36500);
    assert_true(credit_line_lend(&line, 36500, 100));
    line = line_of(1000000000, (struct rate){1000000000, 1000}, 1000);
    assert_int_equal(credit_debt_most(&line, 1000), TOKENS_MAX);
}

/* A debt of a burst suits each line that fills in time, but for want of bits. */
static void a_burst_of_debt_is_paid_as_soon_as_a_burst_fills(void **state)
{
    (void)state;
    struct dice dice = dice_new(5);
    unsigned checked = 0;
    for (int i = 0; i < 20000; i++) {
        struct credit_line line;
        struct rate rate = {dice_between(&dice, 1, 1000), dice_between(&dice, 1, MS_PER_DAY)};
        uint64_t burst = dice_between(&dice, 1, 100000), tick_ms = dice_between(&dice, 1, 10000);
        if (credit_line_init(&line, burst, rate, tick_ms) != CREDIT_OK)
            continue;
        assert_true(credit_line_lend(&line, burst, tick_ms));
        checked++;
    }
    assert_true(checked > 1000);
}

/* Of a token of 7 units and one of 3. */
static void a_carried_debt_is_rounded_against_the_key(void **state)
{
    (void)state;
    struct credit_line from = lending(10, (struct rate){1, 7}, 1, 10);
    struct credit_line to = lending(10, (struct rate){1, 3}, 1, 10);
    static const int64_t levels[] = {-1, -2, -3, -6, -7, -8, -70, 1, 2, 3};
    static const int64_t carried[] = {-1, -1, -2, -3, -3, -4, -30, 0, 0, 1};
    for (size_t i = 0; i < LENGTH(levels); i++) {
        uint64_t mark = drained_mark(&from) - (uint64_t)levels[i];
        assert_int_equal(carried_level(&from, mark, &to), carried[i]);
    }
}

static void a_carried_debt_is_at_most_the_new_one(void **state)
{
    (void)state;
    struct credit_line from = lending(100, one_per_second, 100, 100);
    struct credit_line to = lending(20, (struct rate){7, 60000}, 1000, 30); /* 60 units a token */
    uint64_t mark = credit_full_mark(&from);
    assert_int_equal(credit_charge(&from, 125, &mark), 125);
    assert_int_equal(carried_level(&from, mark, &to), -25 * 60);
    assert_int_equal(credit_charge(&from, 30, &mark), 30);
    assert_int_equal(carried_level(&from, mark, &to), -30 * 60);
    to = line_of(20, one_per_second, 100);
    assert_int_equal(carried_level(&from, mark, &to), 0);
}

static void carrying_a_debt_forgives_nothing_and_adds_less_than_a_unit(void **state)
{
    (void)state;
    struct dice dice = dice_new(6);
    unsigned carried = 0;
    for (int i = 0; i < 50000; i++) {
        struct credit_line line[2];
        bool valid = true;
        for (int side = 0; side < 2; side++) {
            struct rate rate = {dice_between(&dice, 1, 50), dice_between(&dice, 1, 100000)};
            uint64_t tick_ms = dice_between(&dice, 1, 1000);
            valid &= credit_line_init(&line[side], dice_between(&dice, 1, 1000), rate, tick_ms) ==
                         CREDIT_OK &&
                     credit_line_lend(&line[side], side == 0 ? 500 : 501, tick_ms);
        }
        if (!valid)
            continue;
        uint64_t debt = dice_roll(&dice, line[0].debt_units + 1);
        uint64_t got = (uint64_t)-carried_level(&line[0], drained_mark(&line[0]) + debt, &line[1]);
        unsigned __int128 had = (unsigned __int128)debt * line[1].token_units;
        assert_true((unsigned __int128)got * line[0].token_units >= had);
        assert_true(got == 0 || (unsigned __int128)(got - 1) * line[0].token_units < had);
        carried++;
    }
    assert_true(carried > 0);
}

/* ---- slots ---- */

static void no_tick_brings_a_slot(void **state)
{
    (void)state;
    struct credit_line line;
    credit_line_init_slots(&line, 8);
    assert_true(credit_has_slots(&line));
    assert_int_equal(credit_full_mark(&line), 0);
    uint64_t mark = credit_slots_mark(&line, 5);
    assert_int_equal(credit_level(&line, mark), 3);
    assert_int_equal(credit_ticks_until(&line, 3, 3), 0);
    assert_true(credit_ticks_until(&line, 3, 4) == CREDIT_NEVER);
    credit_line_advance(&line, UINT64_MAX);
    assert_int_equal(credit_level(&line, mark), 3);
    assert_int_equal(credit_units_ago(&line, 0), 8);
    assert_int_equal(credit_units_ago(&line, UINT64_MAX), 8);
    assert_false(credit_has_slots(&(struct credit_line){.step_units = 1}));
}

static void slots_are_taken_to_the_last_and_come_back(void **state)
{
    (void)state;
    struct credit_line line;
    credit_line_init_slots(&line, 3);
    uint64_t mark = credit_full_mark(&line);
    assert_true(credit_take(&line, 2, &mark));
    assert_int_equal(mark, credit_slots_mark(&line, 2));
    assert_false(credit_take(&line, 2, &mark));
    assert_true(credit_take(&line, 1, &mark));
    assert_int_equal(credit_level(&line, mark), 0);
    assert_false(credit_take(&line, 1, &mark));
    credit_give(&line, 2, &mark);
    assert_int_equal(mark, credit_slots_mark(&line, 1));
    credit_give(&line, 5, &mark);
    assert_true(credit_is_full(&line, mark));
}

/* More are taken than there are, because a reload has made the limit smaller. */
static void slots_are_never_owed(void **state)
{
    (void)state;
    struct credit_line line;
    credit_line_init_slots(&line, 3);
    assert_int_equal(credit_debt_most(&line, 100), 0);
    assert_true(credit_line_lend(&line, 0, 100));
    assert_false(credit_line_lend(&line, 1, 100));
    uint64_t mark = credit_slots_mark(&line, 1000);
    assert_int_equal(mark, credit_last_mark(&line));
    assert_int_equal(credit_level(&line, mark), 0);
    assert_int_equal(credit_owed(&line, credit_level(&line, mark)), 0);
    assert_false(credit_holds(&line, 1, mark));
    assert_int_equal(credit_charge(&line, 1, &mark), 0);
    assert_int_equal(credit_level(&line, mark), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_header_holds),
        cmocka_unit_test(a_charge_takes_whole_tokens_down_to_the_debt),
        cmocka_unit_test(what_is_owed_counts_in_parts_of_a_token),
        cmocka_unit_test(giving_pays_the_debt_first),
        cmocka_unit_test(a_debt_is_bounded_by_the_bits_and_by_time),
        cmocka_unit_test(a_burst_of_debt_is_paid_as_soon_as_a_burst_fills),
        cmocka_unit_test(a_carried_debt_is_rounded_against_the_key),
        cmocka_unit_test(a_carried_debt_is_at_most_the_new_one),
        cmocka_unit_test(carrying_a_debt_forgives_nothing_and_adds_less_than_a_unit),
        cmocka_unit_test(a_line_began_with_its_burst),
        cmocka_unit_test(a_token_is_the_period_over_the_common_divisor),
        cmocka_unit_test(a_new_line_is_full),
        cmocka_unit_test(giving_never_fills_above_the_burst),
        cmocka_unit_test(refuses_a_burst_smaller_than_one_refill),
        cmocka_unit_test(refuses_what_fills_in_more_than_a_hundred_years),
        cmocka_unit_test(refuses_what_overflows_within_twenty_years),
        cmocka_unit_test(the_shortest_life_is_exactly_at_the_bound),
        cmocka_unit_test(explains_in_numbers_what_to_write_instead),
        cmocka_unit_test(what_the_explanation_advises_works),
        cmocka_unit_test(explanations_fit_whatever_the_numbers),
        cmocka_unit_test(takes_what_is_there_down_to_the_last_token),
        cmocka_unit_test(a_denial_leaves_the_mark_alone),
        cmocka_unit_test(a_cost_that_overflows_is_denied),
        cmocka_unit_test(refills_by_exact_fractions),
        cmocka_unit_test(thirds_of_a_token_add_up),
        cmocka_unit_test(never_holds_more_than_its_burst),
        cmocka_unit_test(one_advance_is_as_good_as_many),
        cmocka_unit_test(at_the_end_of_its_bits_it_denies_and_never_mints),
        cmocka_unit_test(ten_idle_years_are_exactly_full),
        cmocka_unit_test(waits_exactly_as_many_ticks_as_it_takes),
        cmocka_unit_test(waits_not_at_all_for_what_is_there),
        cmocka_unit_test(carries_tokens_and_not_units),
        cmocka_unit_test(caps_what_it_carries_at_the_new_burst),
        cmocka_unit_test(rounds_what_it_carries_down_to_a_unit),
        cmocka_unit_test(carries_the_largest_levels_without_overflow),
        cmocka_unit_test(a_carried_bucket_refills_by_the_new_line_only),
        cmocka_unit_test(carrying_mints_nothing_and_loses_less_than_a_unit),
        cmocka_unit_test(no_tick_brings_a_slot),
        cmocka_unit_test(slots_are_taken_to_the_last_and_come_back),
        cmocka_unit_test(slots_are_never_owed),
    };
    return cmocka_run_group_tests_name("credit", tests, NULL, NULL);
}
