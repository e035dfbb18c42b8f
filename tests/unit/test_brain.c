/* The brain: every decision, in virtual time, against vectors and the design's invariants. */
#include "limits/lines.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"
#include "support/dice.h"
#include "support/plain_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rate one_per_second = {1, 1000};

static int64_t level_of(const struct fixture *fixture, const char *key, const char *limit)
{
    uint64_t token_units;
    return brain_level_units(fixture->brain, key, limit, 0, &token_units);
}

static void sweep_until_empty(struct fixture *fixture)
{
    fixture_sweep_all(fixture);
    assert_int_equal(fixture_daemon(fixture).keys, 0);
}

/* ---- vectors of other implementations ---- */

static void redis_cell_it_rate_limits(void **state)
{
    (void)state;
    static const struct {
        uint64_t at_ms, tokens;
        enum bucket_result result;
        uint64_t remaining, full_after_ms, retry_after_ms;
    } steps[] = {
        {0, 6, BUCKET_EXCEEDS_BURST, 5, 0, RETRY_NEVER},
        {0, 1, BUCKET_ALLOWED, 4, 1000, 0},
        {0, 1, BUCKET_ALLOWED, 3, 2000, 0},
        {0, 1, BUCKET_ALLOWED, 2, 3000, 0},
        {0, 1, BUCKET_ALLOWED, 1, 4000, 0},
        {0, 1, BUCKET_ALLOWED, 0, 5000, 0},
        {0, 1, BUCKET_DENIED, 0, 5000, 1000},
        {3000, 1, BUCKET_ALLOWED, 2, 3000, 0},
        {3100, 1, BUCKET_ALLOWED, 1, 3900, 0},
        {4000, 1, BUCKET_ALLOWED, 1, 4000, 0},
        {8000, 1, BUCKET_ALLOWED, 4, 1000, 0},
        {9500, 1, BUCKET_ALLOWED, 4, 1000, 0},
        {9500, 0, BUCKET_ALLOWED, 4, 1000, 0},
        {9500, 2, BUCKET_ALLOWED, 2, 3000, 0},
        {9500, 5, BUCKET_DENIED, 2, 3000, 3000},
    };
    struct fixture fixture;
    fixture_init_one(&fixture, 1, 5, one_per_second);
    for (size_t i = 0; i < LENGTH(steps); i++) {
        fixture_at(&fixture, steps[i].at_ms);
        expect_answer(fixture_allow(&fixture, "foo", steps[i].tokens), steps[i].result,
                      steps[i].remaining, steps[i].full_after_ms, steps[i].retry_after_ms);
    }
    fixture_release(&fixture);
}

/* Takes all there is each millisecond; how many tokens that was. */
static uint64_t hammer_for(struct fixture *fixture, uint64_t ms)
{
    uint64_t taken = fixture_hammer(fixture, "foo", UINT32_MAX), from_ms = 0;
    for (; from_ms < ms; from_ms++) {
        fixture_pass(fixture, 1);
        taken += fixture_hammer(fixture, "foo", UINT32_MAX);
    }
    return taken;
}

static void redis_cell_issue_50_fast_and_large_rates_do_limit(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 1, 6000, (struct rate){6000, 1000});
    assert_int_equal(hammer_for(&fixture, 3000), 6000 + 18000);
    fixture_release(&fixture);

    fixture_init_one(&fixture, 1, 1000, (struct rate){1000, 60000});
    assert_int_equal(hammer_for(&fixture, 60000), 1000 + 1000);
    fixture_release(&fixture);
}

static void bucket4j_says_how_long_to_wait(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 1, 4, one_per_second);
    assert_true(fixture_allows(&fixture, "foo", 4));
    fixture_at(&fixture, 200);
    expect_answer(fixture_allow(&fixture, "foo", 1), BUCKET_DENIED, 0, 3800, 800);
    expect_answer(fixture_allow(&fixture, "foo", 3), BUCKET_DENIED, 0, 3800, 2800);
    fixture_release(&fixture);
}

static void bucket4j_a_clock_that_steps_back_changes_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 1, 4, one_per_second);
    assert_true(fixture_allows(&fixture, "foo", 4));
    fixture_at(&fixture, 1500);
    int64_t before = level_of(&fixture, "foo", NULL);
    fixture_at(&fixture, 0);
    brain_tick(fixture.brain, 0);
    assert_int_equal(level_of(&fixture, "foo", NULL), before);
    fixture_at(&fixture, 1999);
    expect_answer(fixture_allow(&fixture, "foo", 2), BUCKET_DENIED, 1, 2001, 1);
    fixture_release(&fixture);
}

static void bucket4j_twelve_idle_hours_do_not_overflow(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"hour", NULL, 700000, {700000, 3600000}},
        {"minute", NULL, 14500, {14500, 60000}},
        {"default", NULL, 300, {300, 1000}},
    };
    struct fixture fixture;
    fixture_init(&fixture, 1, rules, LENGTH(rules), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < LENGTH(rules); i++)
        fixture_drain(&fixture, "foo", rules[i].name);
    fixture_at(&fixture, 12ull * 3600 * 1000);
    for (size_t i = 0; i < LENGTH(rules); i++) {
        uint64_t held =
            fixture_ask(&fixture, MESSAGE_STATUS, "foo", rules[i].name, 0).remaining_tokens;
        assert_int_equal(held, rules[i].burst);
        least = held < least ? held : least;
    }
    assert_int_equal(least, 300);
    fixture_release(&fixture);
}

static void x_time_rate_fifteen_at_once_get_exactly_five(void **state)
{
    (void)state;
    struct message messages[15];
    struct message *chain[15];
    struct fixture fixture;
    fixture_init_one(&fixture, 1, 5, one_per_second);
    for (size_t i = 0; i < 15; i++) {
        messages[i] = (struct message){
            .kind = MESSAGE_ALLOW,
            .ask.bucket = {.key = "foo", .key_len = 3, .tokens = 1},
        };
        chain[i] = &messages[i];
    }
    assert_int_equal(ask_brain(fixture.brain, chain, 15), 15);
    for (size_t i = 0; i < 15; i++) {
        bool yes = i < 5;
        assert_int_equal(messages[i].answer.bucket.result, yes ? BUCKET_ALLOWED : BUCKET_DENIED);
        assert_int_equal(messages[i].answer.bucket.remaining_tokens, yes ? 4 - i : 0);
    }
    fixture_release(&fixture);
}

static void x_time_rate_five_seconds_of_hammering_come_to_the_ideal(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 1, 100, (struct rate){100, 1000});
    uint64_t taken = hammer_for(&fixture, 5000), ideal = 100 + 5 * 100;
    assert_true(taken <= ideal + 1);
    assert_true(taken * 1000 >= ideal * 999);
    fixture_release(&fixture);
}

static void x_time_rate_past_and_future_times_mint_no_token(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 1, 10, one_per_second);
    assert_int_equal(fixture_hammer(&fixture, "foo", 100), 10);
    unsigned taken = 0;
    for (unsigned i = 1; i <= 5000; i++) {
        fixture_at(&fixture, i);
        taken += fixture_hammer(&fixture, "foo", 100);
        fixture_at(&fixture, i % 7 == 0 ? 0 : i / 2);
        taken += fixture_hammer(&fixture, "foo", 100);
    }
    assert_int_equal(taken, 5);
    fixture_release(&fixture);
}

static void the_original_allows_each_of_three_clients_its_first_twelve(void **state)
{
    (void)state;
    static const char *const clients[] = {"alice", "bob", "carol"};
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    for (unsigned request = 0; request < 15; request++) {
        fixture_at(&fixture, 200 * request);
        for (size_t i = 0; i < LENGTH(clients); i++)
            assert_int_equal(fixture_allows(&fixture, clients[i], 1), request < 12);
    }
    fixture_release(&fixture);
}

static void limits_changed_under_load(uint64_t new_burst, uint64_t expected)
{
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 100, one_per_second);
    assert_true(fixture_allows(&fixture, "foo", 60));
    fixture_reload_one(&fixture, 100, new_burst, one_per_second);
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, expected);
    assert_int_equal(fixture_hammer(&fixture, "foo", 1000), expected);
    fixture_release(&fixture);
}

static void forty_of_a_hundred_are_forty_of_two_hundred(void **state)
{
    (void)state;
    limits_changed_under_load(200, 40);
}

static void forty_of_a_hundred_are_twenty_of_twenty(void **state)
{
    (void)state;
    limits_changed_under_load(20, 20);
}

/* ---- answers ---- */

static void an_unseen_key_is_a_full_bucket(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    struct bucket_answer answer = fixture_status(&fixture, "foo");
    expect_answer(answer, BUCKET_ALLOWED, 10, 0, 0);
    assert_int_equal(answer.buckets[0].next_token_ms, 0);
    assert_string_equal(answer.limit->name, "default");
    fixture_release(&fixture);
}

static void tells_when_the_next_whole_token_is_there(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, (struct rate){1, 1050});
    assert_true(fixture_allows(&fixture, "foo", 3));
    assert_int_equal(fixture_status(&fixture, "foo").buckets[0].next_token_ms, 1100);
    fixture_at(&fixture, 1000);
    assert_int_equal(fixture_status(&fixture, "foo").buckets[0].next_token_ms, 100);
    fixture_at(&fixture, 1100); /* 7 tokens and 50 ms of the eighth and more */
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 8);
    assert_int_equal(fixture_status(&fixture, "foo").buckets[0].next_token_ms, 1000);
    fixture_release(&fixture);
}

static void more_than_the_burst_is_never_allowed_and_charges_nothing(void **state)
{
    (void)state;
    static const uint64_t tokens[] = {11, 1000, UINT64_MAX / 10 + 1, UINT64_MAX};
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    for (size_t i = 0; i < LENGTH(tokens); i++)
        expect_answer(fixture_allow(&fixture, "foo", tokens[i]), BUCKET_EXCEEDS_BURST, 10, 0,
                      RETRY_NEVER);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    assert_true(fixture_allows(&fixture, "foo", 4));
    for (size_t i = 0; i < LENGTH(tokens); i++)
        expect_answer(fixture_allow(&fixture, "foo", tokens[i]), BUCKET_EXCEEDS_BURST, 6, 4000,
                      RETRY_NEVER);
    assert_int_equal(fixture_daemon(&fixture).counters.denied, 2 * LENGTH(tokens));
    fixture_release(&fixture);
}

static void a_limit_that_does_not_exist_is_told_and_nothing_is_done(void **state)
{
    (void)state;
    static const enum message_kind kinds[] = {MESSAGE_ALLOW, MESSAGE_RESET, MESSAGE_STATUS};
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    struct brain_counters before = fixture_daemon(&fixture).counters;
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        assert_int_equal(fixture_ask(&fixture, kinds[i], "foo", "defaul", 1).result,
                         BUCKET_NO_SUCH_LIMIT);
        assert_int_equal(fixture_ask(&fixture, kinds[i], "foo", "", 1).result,
                         BUCKET_NO_SUCH_LIMIT);
    }
    struct daemon_answer after = fixture_daemon(&fixture);
    assert_int_equal(after.keys, 0);
    assert_memory_equal(&before, &after.counters, sizeof before);
    fixture_release(&fixture);
}

static void the_same_key_under_two_limits_is_two_buckets(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"api", "foo*", 5, {1, 1000}},
        {"default", NULL, 10, {1, 1000}},
    };
    struct fixture fixture;
    fixture_init(&fixture, 100, rules, 2, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    struct bucket_answer matched = fixture_allow(&fixture, "foo", 2);
    expect_answer(matched, BUCKET_ALLOWED, 3, 2000, 0);
    assert_string_equal(matched.limit->name, "api");
    expect_answer(fixture_ask(&fixture, MESSAGE_ALLOW, "foo", "default", 4), BUCKET_ALLOWED, 6,
                  4000, 0);
    expect_answer(fixture_ask(&fixture, MESSAGE_ALLOW, "foo", "api", 1), BUCKET_ALLOWED, 2, 3000,
                  0);
    assert_int_equal(fixture_daemon(&fixture).keys, 2);
    fixture_reset(&fixture, "foo");
    expect_answer(fixture_ask(&fixture, MESSAGE_STATUS, "foo", "default", 0), BUCKET_ALLOWED, 6,
                  4000, 0);
    fixture_release(&fixture);
}

static void a_key_that_is_its_limits_name_is_a_key_like_others(void **state)
{
    (void)state;
    static const struct rule rules[] = {
        {"a", NULL, 10, {1, 1000}},
        {"b", NULL, 10, {1, 1000}},
        {"default", NULL, 10, {1, 1000}},
    };
    struct fixture fixture;
    fixture_init(&fixture, 100, rules, 3, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    for (uint64_t i = 0; i < 9; i++)
        assert_int_equal(
            fixture_ask(&fixture, MESSAGE_ALLOW, rules[i / 3].name, rules[i % 3].name, i + 1)
                .remaining_tokens,
            9 - i);
    for (uint64_t i = 0; i < 9; i++)
        assert_int_equal(
            fixture_ask(&fixture, MESSAGE_STATUS, rules[i / 3].name, rules[i % 3].name, 0)
                .remaining_tokens,
            9 - i);
    fixture_release(&fixture);
}

static void the_longest_keys_are_told_apart(void **state)
{
    (void)state;
    char one[KEY_MAX + 1], other[KEY_MAX + 1];
    memset(one, 'k', KEY_MAX);
    one[KEY_MAX] = '\0';
    memcpy(other, one, sizeof one);
    other[KEY_MAX - 1] = 'x';
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    assert_true(fixture_allows(&fixture, one, 10));
    assert_int_equal(fixture_status(&fixture, other).remaining_tokens, 10);
    assert_true(fixture_allows(&fixture, other, 3));
    assert_int_equal(fixture_status(&fixture, one).remaining_tokens, 0);
    assert_int_equal(fixture_status(&fixture, other).remaining_tokens, 7);
    fixture_release(&fixture);
}

/* ---- what changes nothing (invariant 5) ---- */

static void status_never_creates_or_charges(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    for (int i = 0; i < 100; i++)
        fixture_status(&fixture, "foo");
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    assert_true(fixture_allows(&fixture, "foo", 4));
    for (int i = 0; i < 100; i++)
        expect_answer(fixture_status(&fixture, "foo"), BUCKET_ALLOWED, 6, 4000, 0);
    assert_int_equal(fixture_daemon(&fixture).keys, 1);
    assert_int_equal(fixture_daemon(&fixture).counters.statuses, 200);
    fixture_release(&fixture);
}

static void a_look_never_creates_or_charges(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    for (int i = 0; i < 100; i++)
        expect_answer(fixture_allow(&fixture, "foo", 0), BUCKET_ALLOWED, 10, 0, 0);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    assert_true(fixture_allows(&fixture, "foo", 10));
    for (int i = 0; i < 100; i++)
        expect_answer(fixture_allow(&fixture, "foo", 0), BUCKET_ALLOWED, 0, 10000, 0);
    assert_int_equal(fixture_daemon(&fixture).keys, 1);
    fixture_release(&fixture);
}

static void a_denial_changes_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    assert_true(fixture_allows(&fixture, "foo", 7));
    int64_t before = level_of(&fixture, "foo", NULL);
    for (int i = 0; i < 1000; i++)
        expect_answer(fixture_allow(&fixture, "foo", 4), BUCKET_DENIED, 3, 7000, 1000);
    assert_int_equal(level_of(&fixture, "foo", NULL), before);
    fixture_at(&fixture, 1000);
    assert_true(fixture_allows(&fixture, "foo", 4));
    fixture_release(&fixture);
}

static void nothing_on_a_full_table_makes_room_but_a_charge(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b", "c"};
    static const struct rule rule = {"default", NULL, 10, {1, 1000}};
    struct fixture fixture;
    fixture_init(&fixture, 100, &rule, 1, LENGTH(keys), WHEN_FULL_EVICT);
    for (size_t i = 0; i < LENGTH(keys); i++)
        assert_true(fixture_allows(&fixture, keys[i], i + 1));
    fixture_status(&fixture, "new");
    fixture_allow(&fixture, "new", 0);
    fixture_allow(&fixture, "new", 11);
    fixture_reset(&fixture, "new");
    for (size_t i = 0; i < LENGTH(keys); i++)
        assert_int_equal(fixture_status(&fixture, keys[i]).remaining_tokens, 9 - i);
    assert_int_equal(fixture_daemon(&fixture).counters.evicted, 0);
    fixture_release(&fixture);
}

/* ---- reset ---- */

static void reset_fills_the_bucket_and_forgets_it(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    assert_true(fixture_allows(&fixture, "foo", 10));
    expect_answer(fixture_reset(&fixture, "foo"), BUCKET_ALLOWED, 10, 0, 0);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    assert_true(fixture_allows(&fixture, "foo", 10));
    assert_false(fixture_allows(&fixture, "foo", 1));
    fixture_release(&fixture);
}

static void reset_is_idempotent(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    assert_true(fixture_allows(&fixture, "foo", 10));
    for (int i = 0; i < 3; i++) {
        expect_answer(fixture_reset(&fixture, "foo"), BUCKET_ALLOWED, 10, 0, 0);
        expect_answer(fixture_reset(&fixture, "never seen"), BUCKET_ALLOWED, 10, 0, 0);
    }
    assert_int_equal(fixture_hammer(&fixture, "foo", 100), 10);
    assert_int_equal(fixture_daemon(&fixture).counters.resets, 6);
    fixture_release(&fixture);
}

static void refunds_give_back_what_was_taken_and_no_more(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    expect_answer(fixture_ask(&fixture, MESSAGE_REFUND, "foo", NULL, 5), BUCKET_ALLOWED, 10, 0, 0);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    assert_true(fixture_allows(&fixture, "foo", 8));
    expect_answer(fixture_ask(&fixture, MESSAGE_REFUND, "foo", NULL, 3), BUCKET_ALLOWED, 5, 5000,
                  0);
    expect_answer(fixture_ask(&fixture, MESSAGE_REFUND, "foo", NULL, 0), BUCKET_ALLOWED, 5, 5000,
                  0);
    expect_answer(fixture_ask(&fixture, MESSAGE_REFUND, "foo", NULL, TOKENS_MAX), BUCKET_ALLOWED,
                  10, 0, 0);
    assert_int_equal(fixture_hammer(&fixture, "foo", 100), 10);
    assert_int_equal(fixture_daemon(&fixture).counters.refunds, 4);
    fixture_release(&fixture);
}

static void reset_fills_to_the_new_burst_after_a_reload(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    assert_true(fixture_allows(&fixture, "foo", 10));
    fixture_reload_one(&fixture, 100, 30, one_per_second);
    expect_answer(fixture_reset(&fixture, "foo"), BUCKET_ALLOWED, 30, 0, 0);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    fixture_release(&fixture);
}

/* ---- levels and time (invariants 3, 4, 9) ---- */

static void the_level_stays_between_nothing_and_the_cap(void **state)
{
    (void)state;
    struct dice dice = dice_new(1);
    struct fixture fixture;
    fixture_init_one(&fixture, 7, 13, (struct rate){3, 50});
    for (int i = 0; i < 20000; i++) {
        fixture_pass(&fixture, dice_roll(&dice, dice_once_in(&dice, 20) ? 1000 : 10));
        fixture_allow(&fixture, "foo", dice_roll(&dice, 15));
        uint64_t token_units;
        int64_t level = brain_level_units(fixture.brain, "foo", NULL, 0, &token_units);
        assert_in_range(level, 0, 13 * token_units);
        assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens,
                         (uint64_t)level / token_units);
    }
    fixture_release(&fixture);
}

static void many_ticks_one_late_tick_or_doubled_ones_are_all_the_same(void **state)
{
    (void)state;
    struct dice dice = dice_new(2);
    struct fixture often, late;
    fixture_init_one(&often, 10, 20, (struct rate){7, 100});
    fixture_init_one(&late, 10, 20, (struct rate){7, 100});
    uint64_t ms = 0;
    for (int i = 0; i < 20000; i++) {
        uint64_t next_ms = ms + dice_roll(&dice, 40), tokens = dice_roll(&dice, 22);
        for (; ms < next_ms; ms++) {
            fixture_at(&often, ms);
            fixture_at(&often, ms);
        }
        fixture_at(&often, ms);
        fixture_at(&late, ms);
        struct bucket_answer one = fixture_allow(&often, "foo", tokens);
        expect_answer(fixture_allow(&late, "foo", tokens), one.result, one.remaining_tokens,
                      one.full_after_ms, one.retry_after_ms);
    }
    fixture_release(&late);
    fixture_release(&often);
}

static void ticks_do_not_drift_when_they_come_late(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 100, (struct rate){10, 1000});
    fixture_drain(&fixture, "foo", NULL);
    for (uint64_t ms = 0; ms <= 9950; ms += 199)
        fixture_at(&fixture, ms); /* each nearly a tick too late */
    fixture_at(&fixture, 9999);
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 99);
    fixture_at(&fixture, 10000);
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 100);
    fixture_release(&fixture);
}

static void a_tick_comes_on_its_nanosecond_and_not_before(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, (struct rate){10, 1000});
    fixture_drain(&fixture, "foo", NULL);
    fixture_at_ns(&fixture, 100 * NS_PER_MS - 1);
    assert_false(fixture_allows(&fixture, "foo", 1));
    fixture_at_ns(&fixture, 100 * NS_PER_MS);
    assert_true(fixture_allows(&fixture, "foo", 1));
    fixture_release(&fixture);
}

static void retrying_in_time_succeeds_and_a_tick_earlier_fails(void **state)
{
    (void)state;
    struct dice dice = dice_new(3);
    for (int i = 0; i < 3000; i++) {
        uint64_t tick_ms = dice_between(&dice, 1, 30), burst = dice_between(&dice, 1, 50);
        struct rate rate = {dice_between(&dice, 1, 30), dice_between(&dice, 1, 30) * 30};
        struct credit_line line;
        if (credit_line_init(&line, burst, rate, tick_ms) != CREDIT_OK)
            continue;
        struct fixture fixture;
        fixture_init_one(&fixture, tick_ms, burst, rate);
        fixture_at(&fixture, dice_roll(&dice, 1000));
        fixture_allow(&fixture, "foo", dice_between(&dice, 1, burst));
        fixture_pass(&fixture, dice_roll(&dice, 100));
        uint64_t tokens = dice_between(&dice, 1, burst);
        struct bucket_answer answer = fixture_allow(&fixture, "foo", tokens);
        if (answer.result == BUCKET_DENIED) {
            assert_true(answer.retry_after_ms >= tick_ms);
            fixture_pass(&fixture, answer.retry_after_ms - tick_ms);
            assert_false(fixture_allows(&fixture, "foo", tokens));
            fixture_pass(&fixture, tick_ms);
            assert_true(fixture_allows(&fixture, "foo", tokens));
        }
        fixture_release(&fixture);
    }
}

static void ten_idle_years_are_exactly_full(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 1, 1000000, (struct rate){1000000000, 1000});
    fixture_drain(&fixture, "foo", NULL);
    fixture_at(&fixture, 3653ull * MS_PER_DAY);
    expect_answer(fixture_status(&fixture, "foo"), BUCKET_ALLOWED, 1000000, 0, 0);
    assert_true(fixture_allows(&fixture, "foo", 1000000));
    assert_false(fixture_allows(&fixture, "foo", 1));
    fixture_release(&fixture);
}

static void one_token_a_day_is_exact(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 1, (struct rate){1, MS_PER_DAY});
    for (uint64_t day = 0; day < 1000; day++) {
        fixture_at(&fixture, day * MS_PER_DAY);
        assert_true(fixture_allows(&fixture, "foo", 1));
        expect_answer(fixture_allow(&fixture, "foo", 1), BUCKET_DENIED, 0, MS_PER_DAY, MS_PER_DAY);
        fixture_at(&fixture, (day + 1) * MS_PER_DAY - 1);
        expect_answer(fixture_allow(&fixture, "foo", 1), BUCKET_DENIED, 0, 100, 100);
    }
    fixture_release(&fixture);
}

static void a_thousand_million_a_second_are_exact(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 1, 1000000, (struct rate){1000000000, 1000});
    fixture_drain(&fixture, "foo", NULL);
    uint64_t taken = 0;
    for (uint64_t ms = 1; ms <= 1000; ms++) {
        fixture_at(&fixture, ms);
        while (fixture_allows(&fixture, "foo", 250000))
            taken += 250000;
        assert_false(fixture_allows(&fixture, "foo", 1));
    }
    assert_int_equal(taken, 1000000000);
    fixture_release(&fixture);
}

static void uptime_is_what_passed_since_the_start(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    assert_int_equal(fixture_daemon(&fixture).uptime_ms, 0);
    fixture_at(&fixture, 12345);
    assert_int_equal(fixture_daemon(&fixture).uptime_ms, 12345);
    fixture_at(&fixture, 1);
    fixture_at(&fixture, 12344); /* no tick between */
    assert_int_equal(fixture_daemon(&fixture).uptime_ms, 12345);
    fixture_reload_one(&fixture, 50, 10, one_per_second);
    assert_int_equal(fixture_daemon(&fixture).uptime_ms, 12345);
    fixture_release(&fixture);
}

/* ---- keys are independent (invariant 6) ---- */

enum { KEYS = 60 };

static void name_of(unsigned i, char key[16])
{
    snprintf(key, 16, "key-%u", i);
}

static void read_levels(const struct fixture *fixture, int64_t levels[KEYS])
{
    for (unsigned i = 0; i < KEYS; i++) {
        char key[16];
        name_of(i, key);
        levels[i] = level_of(fixture, key, NULL);
    }
}

static void an_operation_on_one_key_changes_no_other(void **state)
{
    (void)state;
    static const enum message_kind kinds[] = {MESSAGE_ALLOW, MESSAGE_ALLOW, MESSAGE_RESET,
                                              MESSAGE_STATUS};
    static const struct rule rule = {"default", NULL, 10, {1, 1000}};
    struct dice dice = dice_new(4);
    struct fixture fixture;
    fixture_init(&fixture, 100, &rule, 1, KEYS, WHEN_FULL_EVICT); /* as crowded as can be */
    for (int step = 0; step < 20000; step++) {
        int64_t before[KEYS], after[KEYS];
        char key[16];
        unsigned target = (unsigned)dice_roll(&dice, KEYS);
        read_levels(&fixture, before);
        name_of(target, key);
        fixture_ask(&fixture, kinds[dice_roll(&dice, LENGTH(kinds))], key, NULL,
                    dice_roll(&dice, 12));
        brain_sweep(fixture.brain);
        read_levels(&fixture, after);
        for (unsigned i = 0; i < KEYS; i++)
            if (i != target)
                assert_int_equal(after[i], before[i]);
        if (dice_once_in(&dice, 50))
            fixture_pass(&fixture, dice_roll(&dice, 3000));
    }
    assert_int_equal(fixture_daemon(&fixture).counters.evicted, 0);
    fixture_release(&fixture);
}

static void an_eviction_changes_the_evicted_key_only(void **state)
{
    (void)state;
    static const struct rule rule = {"default", NULL, 100, {1, 1000}};
    struct dice dice = dice_new(5);
    struct fixture fixture;
    fixture_init(&fixture, 100, &rule, 1, KEYS / 2, WHEN_FULL_EVICT);
    for (int step = 0; step < 5000; step++) {
        int64_t before[KEYS], after[KEYS];
        uint64_t evicted = fixture_daemon(&fixture).counters.evicted;
        unsigned target = (unsigned)dice_roll(&dice, KEYS), changed = 0;
        char key[16];
        name_of(target, key);
        read_levels(&fixture, before);
        fixture_allow(&fixture, key, dice_between(&dice, 1, 3));
        read_levels(&fixture, after);
        for (unsigned i = 0; i < KEYS; i++)
            if (i != target && after[i] != before[i])
                changed++;
        assert_int_equal(changed, fixture_daemon(&fixture).counters.evicted - evicted);
    }
    assert_true(fixture_daemon(&fixture).counters.evicted > 0);
    fixture_release(&fixture);
}

/* ---- full buckets are dropped, and nobody notices (invariant 7) ---- */

static void keys_are_counted_until_they_are_full_and_swept(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    for (unsigned i = 0; i < 10; i++) {
        char key[16];
        name_of(i, key);
        assert_true(fixture_allows(&fixture, key, i + 1));
        assert_true(fixture_allows(&fixture, key, 0));
        assert_int_equal(fixture_daemon(&fixture).keys, i + 1);
    }
    for (unsigned second = 1; second <= 10; second++) {
        fixture_at(&fixture, second * 1000);
        fixture_sweep_all(&fixture);
        assert_int_equal(fixture_daemon(&fixture).keys, 10 - second);
        assert_int_equal(fixture_daemon(&fixture).counters.dropped_full, second);
    }
    assert_int_equal(fixture_daemon(&fixture).max_keys, FIXTURE_MAX_KEYS);
    fixture_release(&fixture);
}

static void ticks_alone_sweep_the_whole_table(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    for (unsigned i = 0; i < 500; i++) {
        char key[16];
        name_of(i, key);
        assert_true(fixture_allows(&fixture, key, 1));
    }
    for (uint64_t ms = 0; ms <= 62000; ms += 100)
        fixture_at(&fixture, ms);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    fixture_release(&fixture);
}

static void dropping_full_buckets_changes_no_later_decision(void **state)
{
    (void)state;
    struct dice dice = dice_new(6);
    struct fixture swept, kept;
    fixture_init_one(&swept, 100, 5, one_per_second);
    fixture_init_one(&kept, 100, 5, one_per_second);
    for (int i = 0; i < 5000; i++) {
        char key[16];
        uint64_t pass_ms = dice_roll(&dice, 1000), tokens = dice_roll(&dice, 6);
        name_of((unsigned)dice_roll(&dice, 5), key);
        fixture_pass(&swept, pass_ms);
        fixture_pass(&kept, pass_ms);
        fixture_sweep_all(&swept);
        struct bucket_answer one = fixture_allow(&swept, key, tokens);
        expect_answer(fixture_allow(&kept, key, tokens), one.result, one.remaining_tokens,
                      one.full_after_ms, one.retry_after_ms);
    }
    fixture_release(&kept);
    fixture_release(&swept);
}

/* A full bucket equals an absent one, at a reload too: else what a client gets
 * after it would hang on how far the sweep had come. */
static void a_reload_treats_full_buckets_alike_swept_or_not(void **state)
{
    (void)state;
    static const struct rule rule = {"default", NULL, 10, {1, 1000}};
    struct fixture swept, kept;
    fixture_init(&swept, 100, &rule, 1, 100000, WHEN_FULL_EVICT);
    fixture_init(&kept, 100, &rule, 1, 100000, WHEN_FULL_EVICT);
    assert_true(fixture_allows(&swept, "foo", 3));
    assert_true(fixture_allows(&kept, "foo", 3));
    fixture_at(&swept, 3000);
    fixture_at(&kept, 3000);
    sweep_until_empty(&swept);
    assert_int_equal(fixture_daemon(&kept).keys, 1); /* full, and not yet swept */
    fixture_reload_one(&swept, 100, 20, one_per_second);
    fixture_reload_one(&kept, 100, 20, one_per_second);
    uint64_t when_swept = fixture_status(&swept, "foo").remaining_tokens;
    uint64_t when_kept = fixture_status(&kept, "foo").remaining_tokens;
    fixture_release(&kept);
    fixture_release(&swept);
    assert_int_equal(when_swept, when_kept);
}

static void no_tick_is_due_while_every_bucket_is_full(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    assert_true(brain_next_tick_ns(fixture.brain) == BRAIN_NEVER);
    fixture_at(&fixture, 250);
    fixture_status(&fixture, "foo");
    fixture_allow(&fixture, "foo", 0);
    assert_true(brain_next_tick_ns(fixture.brain) == BRAIN_NEVER);
    assert_true(fixture_allows(&fixture, "foo", 1));
    assert_int_equal(brain_next_tick_ns(fixture.brain), FIXTURE_START_NS + 300 * NS_PER_MS);
    fixture_at(&fixture, 300);
    assert_int_equal(brain_next_tick_ns(fixture.brain), FIXTURE_START_NS + 400 * NS_PER_MS);
    fixture_at(&fixture, 1250);
    sweep_until_empty(&fixture);
    assert_true(brain_next_tick_ns(fixture.brain) == BRAIN_NEVER);
    fixture_release(&fixture);
}

/* ---- a full table ---- */

/* Keys "a" to "d" with 5, 3, 1 and 4 of 10 tokens taken: "c" is nearest to full. */
static void fill_table(struct fixture *fixture, enum when_full when_full)
{
    static const struct rule rule = {"default", NULL, 10, {1, 1000}};
    fixture_init(fixture, 100, &rule, 1, 4, when_full);
    assert_true(fixture_allows(fixture, "a", 5));
    assert_true(fixture_allows(fixture, "b", 3));
    assert_true(fixture_allows(fixture, "c", 1));
    assert_true(fixture_allows(fixture, "d", 4));
}

static void when_full_evicts_the_bucket_nearest_to_full(void **state)
{
    (void)state;
    struct fixture fixture;
    fill_table(&fixture, WHEN_FULL_EVICT);
    expect_answer(fixture_allow(&fixture, "new", 2), BUCKET_ALLOWED, 8, 2000, 0);
    struct daemon_answer daemon = fixture_daemon(&fixture);
    assert_int_equal(daemon.keys, 4);
    assert_int_equal(daemon.counters.evicted, 1);
    assert_int_equal(fixture_status(&fixture, "a").remaining_tokens, 5);
    assert_int_equal(fixture_status(&fixture, "b").remaining_tokens, 7);
    assert_false(fixture_status(&fixture, "c").active);
    assert_int_equal(fixture_status(&fixture, "d").remaining_tokens, 6);
    assert_int_equal(fixture_status(&fixture, "new").remaining_tokens, 8);
    fixture_release(&fixture);
}

static void a_flooders_own_drained_bucket_goes_last(void **state)
{
    (void)state;
    struct fixture fixture;
    fill_table(&fixture, WHEN_FULL_EVICT);
    fixture_drain(&fixture, "a", NULL);
    for (unsigned i = 0; i < 1000; i++) {
        char key[16];
        name_of(i, key);
        fixture_allow(&fixture, key, 1);
    }
    assert_int_equal(fixture_status(&fixture, "a").remaining_tokens, 0);
    assert_int_equal(fixture_daemon(&fixture).counters.evicted, 1000);
    fixture_release(&fixture);
}

static void nearest_to_full_is_counted_in_tokens_across_limits(void **state)
{
    (void)state;
    /* One token is 1 unit of the first and 1,000,000 of the second. */
    static const struct rule rules[] = {
        {"coarse", "c*", 1000, {10, 1000}},
        {"default", NULL, 10, {1, 100000000}},
    };
    struct fixture fixture;
    fixture_init(&fixture, 100, rules, 2, 2, WHEN_FULL_EVICT);
    assert_true(fixture_allows(&fixture, "coarse", 3));
    assert_true(fixture_allows(&fixture, "fine", 2));
    assert_true(fixture_allows(&fixture, "new", 5));
    assert_true(fixture_status(&fixture, "coarse").active);
    assert_false(fixture_status(&fixture, "fine").active);
    assert_true(fixture_allows(&fixture, "c-new", 4));
    assert_false(fixture_status(&fixture, "coarse").active);
    assert_true(fixture_status(&fixture, "new").active);
    fixture_release(&fixture);
}

/* Made full by a smaller burst and not by time, for a tick would have swept it. */
static void a_bucket_that_has_become_full_goes_before_any_eviction(void **state)
{
    (void)state;
    static const struct rule smaller = {"default", NULL, 6, {1, 1000}};
    static const enum when_full policies[] = {WHEN_FULL_EVICT, WHEN_FULL_DENY, WHEN_FULL_ALLOW};
    for (size_t i = 0; i < LENGTH(policies); i++) {
        struct fixture fixture;
        struct limits *limits = fixture_limits(100, &smaller, 1);
        fill_table(&fixture, policies[i]);
        assert_true(fixture_try_limits(&fixture, limits, policies[i]));
        limits_release(limits);
        assert_int_equal(fixture_daemon(&fixture).keys, 4);
        assert_true(fixture_allows(&fixture, "new", 1));
        assert_true(fixture_status(&fixture, "new").active);
        assert_int_equal(fixture_status(&fixture, "a").remaining_tokens, 5);
        struct brain_counters counters = fixture_daemon(&fixture).counters;
        assert_int_equal(counters.evicted, 0);
        assert_int_equal(counters.dropped_full, 1);
        assert_int_equal(counters.table_full_denied + counters.table_full_allowed, 0);
        fixture_release(&fixture);
    }
}

static void when_full_denies_newcomers_and_serves_the_rest(void **state)
{
    (void)state;
    struct fixture fixture;
    fill_table(&fixture, WHEN_FULL_DENY);
    struct bucket_answer answer = fixture_allow(&fixture, "new", 2);
    assert_int_equal(answer.result, BUCKET_TABLE_FULL);
    assert_int_equal(answer.remaining_tokens, 10);
    assert_true(answer.retry_after_ms > 0);
    assert_false(answer.active);
    assert_true(fixture_allows(&fixture, "a", 5));
    struct daemon_answer daemon = fixture_daemon(&fixture);
    assert_int_equal(daemon.keys, 4);
    assert_int_equal(daemon.counters.evicted, 0);
    assert_int_equal(daemon.counters.table_full_denied, 1);
    assert_int_equal(daemon.counters.denied, 1);
    fixture_at(&fixture, 1000); /* "c" is full again */
    assert_true(fixture_allows(&fixture, "new", 2));
    fixture_release(&fixture);
}

static void when_full_allows_newcomers_uncounted(void **state)
{
    (void)state;
    struct fixture fixture;
    fill_table(&fixture, WHEN_FULL_ALLOW);
    for (int i = 0; i < 20; i++)
        expect_answer(fixture_allow(&fixture, "new", 2), BUCKET_UNCOUNTED, 10, 0, 0);
    expect_answer(fixture_allow(&fixture, "new", 11), BUCKET_EXCEEDS_BURST, 10, 0, RETRY_NEVER);
    assert_true(fixture_allows(&fixture, "a", 5));
    assert_false(fixture_allows(&fixture, "a", 1));
    struct daemon_answer daemon = fixture_daemon(&fixture);
    assert_int_equal(daemon.keys, 4);
    assert_int_equal(daemon.counters.evicted, 0);
    assert_int_equal(daemon.counters.table_full_allowed, 20);
    assert_int_equal(daemon.counters.allowed, 4 + 20 + 1);
    fixture_release(&fixture);
}

static void a_reload_changes_what_is_done_when_full(void **state)
{
    (void)state;
    struct fixture fixture;
    fill_table(&fixture, WHEN_FULL_DENY);
    struct limits *limits = brain_limits(fixture.brain);
    assert_int_equal(fixture_allow(&fixture, "new", 1).result, BUCKET_TABLE_FULL);
    limits_retain(limits);
    assert_true(fixture_try_limits(&fixture, limits, WHEN_FULL_ALLOW));
    assert_int_equal(fixture_allow(&fixture, "new", 1).result, BUCKET_UNCOUNTED);
    assert_true(fixture_try_limits(&fixture, limits, WHEN_FULL_EVICT));
    assert_int_equal(fixture_allow(&fixture, "new", 1).result, BUCKET_ALLOWED);
    limits_release(limits);
    fixture_release(&fixture);
}

static void a_table_for_a_single_key_works(void **state)
{
    (void)state;
    static const struct rule rule = {"default", NULL, 10, {1, 1000}};
    struct fixture fixture;
    fixture_init(&fixture, 100, &rule, 1, 1, WHEN_FULL_EVICT);
    for (unsigned i = 0; i < 100; i++) {
        char key[16];
        name_of(i, key);
        expect_answer(fixture_allow(&fixture, key, 1), BUCKET_ALLOWED, 9, 1000, 0);
        expect_answer(fixture_allow(&fixture, key, 1), BUCKET_ALLOWED, 8, 2000, 0);
    }
    assert_int_equal(fixture_daemon(&fixture).keys, 1);
    assert_int_equal(fixture_daemon(&fixture).counters.evicted, 99);
    fixture_release(&fixture);
}

/* ---- reloads (invariant 11) ---- */

static void an_unchanged_limit_keeps_its_level_to_the_unit(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    assert_true(fixture_allows(&fixture, "foo", 10));
    fixture_at(&fixture, 3700);
    fixture_reload_one(&fixture, 100, 10, one_per_second);
    assert_int_equal(level_of(&fixture, "foo", NULL), 37);
    fixture_at(&fixture, 3999);
    expect_answer(fixture_allow(&fixture, "foo", 4), BUCKET_DENIED, 3, 6100, 100);
    assert_int_equal(fixture_daemon(&fixture).counters.reloads, 1);
    fixture_release(&fixture);
}

static void a_changed_rate_keeps_the_tokens_and_refills_anew(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    assert_true(fixture_allows(&fixture, "foo", 10));
    fixture_at(&fixture, 2500);
    fixture_reload_one(&fixture, 100, 10, (struct rate){4, 1000});
    expect_answer(fixture_status(&fixture, "foo"), BUCKET_ALLOWED, 2, 1900, 0);
    fixture_at(&fixture, 2700); /* 2.5 + 0.8 */
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 3);
    fixture_at(&fixture, 4400);
    expect_answer(fixture_status(&fixture, "foo"), BUCKET_ALLOWED, 10, 0, 0);
    fixture_release(&fixture);
}

static void a_reload_that_changes_only_the_tick_keeps_the_tokens(void **state)
{
    (void)state;
    static const uint64_t ticks_ms[] = {1, 10, 50, 200, 250, 500, 1000, 2000};
    for (size_t i = 0; i < LENGTH(ticks_ms); i++) {
        struct fixture fixture;
        fixture_init_one(&fixture, 100, 10, one_per_second);
        assert_true(fixture_allows(&fixture, "foo", 10));
        fixture_at(&fixture, 4000);
        fixture_reload_one(&fixture, ticks_ms[i], 10, one_per_second);
        assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 4);
        fixture_at(&fixture, 4000 + ticks_ms[i] - 1);
        assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 4);
        fixture_at(&fixture, 8000);
        assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 8);
        fixture_release(&fixture);
    }
}

/* The part of a long tick that had passed before the reload is not many short
 * ticks of the new rate: at most one of them may be credited a tick later. */
static void a_shorter_tick_mints_nothing_for_the_time_before_it(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 10000, 1000, (struct rate){1, 10000});
    fixture_drain(&fixture, "foo", NULL);
    fixture_at(&fixture, 9999);
    fixture_reload_one(&fixture, 1, 1000, (struct rate){1000, 1000});
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 0);
    fixture_at(&fixture, 10000);
    uint64_t remaining = fixture_status(&fixture, "foo").remaining_tokens;
    fixture_release(&fixture);
    assert_in_range(remaining, 0, 2);
}

static void keys_never_touched_in_between_carry_over_all_the_same(void **state)
{
    (void)state;
    struct fixture touched, left;
    fixture_init_one(&touched, 100, 100, one_per_second);
    fixture_init_one(&left, 100, 100, one_per_second);
    assert_true(fixture_allows(&touched, "foo", 60));
    assert_true(fixture_allows(&left, "foo", 60));
    for (uint64_t i = 0; i < 200; i++) {
        struct rate rate = {1 + i % 5, 1000 + 7 * i};
        uint64_t burst = 30 + i * 31 % 97;
        fixture_reload_one(&touched, 100, burst, rate);
        fixture_reload_one(&left, 100, burst, rate);
        fixture_pass(&touched, 130);
        fixture_pass(&left, 130);
        fixture_status(&touched, "foo");
    }
    assert_int_equal(level_of(&left, "foo", NULL), level_of(&touched, "foo", NULL));
    fixture_release(&left);
    fixture_release(&touched);
}

static void a_removed_limits_entries_are_swept(void **state)
{
    (void)state;
    static const struct rule before[] = {
        {"api", "api:*", 10, {1, 1000}},
        {"default", NULL, 10, {1, 1000}},
    };
    struct fixture fixture;
    fixture_init(&fixture, 100, before, 2, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    for (unsigned i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof key, "api:%u", i);
        assert_true(fixture_allows(&fixture, key, 10));
    }
    assert_true(fixture_allows(&fixture, "other", 10));
    fixture_reload(&fixture, 100, before + 1, 1);
    assert_int_equal(fixture_status(&fixture, "api:1").remaining_tokens, 10); /* of the default */
    fixture_sweep_all(&fixture);
    struct daemon_answer daemon = fixture_daemon(&fixture);
    assert_int_equal(daemon.keys, 1);
    assert_int_equal(daemon.counters.dropped_unlimited, 50);
    assert_int_equal(fixture_status(&fixture, "other").remaining_tokens, 0);
    fixture_release(&fixture);
}

/* Whether or not the sweep has come by in between. */
static void a_limit_removed_and_added_again_starts_anew(void **state)
{
    (void)state;
    static const struct rule both[] = {
        {"api", "api:*", 10, {1, 1000}},
        {"default", NULL, 10, {1, 1000}},
    };
    for (int swept = 0; swept < 2; swept++) {
        struct fixture fixture;
        fixture_init(&fixture, 100, both, 2, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
        assert_true(fixture_allows(&fixture, "api:1", 10));
        fixture_reload(&fixture, 100, both + 1, 1);
        if (swept)
            fixture_sweep_all(&fixture);
        fixture_reload(&fixture, 100, both, 2);
        assert_int_equal(fixture_status(&fixture, "api:1").remaining_tokens, 10);
        assert_true(fixture_allows(&fixture, "api:1", 3));
        fixture_sweep_all(&fixture);
        assert_int_equal(fixture_status(&fixture, "api:1").remaining_tokens, 7);
        assert_int_equal(fixture_daemon(&fixture).keys, 1);
        fixture_release(&fixture);
    }
}

static void messages_after_a_reload_in_a_chain_are_decided_by_it(void **state)
{
    (void)state;
    static const struct rule rule = {"default", NULL, 3, {1, 1000}};
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    struct limits *limits = fixture_limits(100, &rule, 1);
    struct bucket_question ask = {.key = "foo", .key_len = 3, .tokens = 5};
    struct message before = {.kind = MESSAGE_ALLOW, .ask.bucket = ask}, after = before;
    struct message reload = {.kind = MESSAGE_LIMITS,
                             .ask.limits = {.limits = limits, .when_full = WHEN_FULL_EVICT}};
    struct message *chain[] = {&before, &reload, &after};
    assert_int_equal(ask_brain(fixture.brain, chain, 3), 3);
    assert_int_equal(before.answer.bucket.result, BUCKET_ALLOWED);
    assert_int_equal(after.answer.bucket.result, BUCKET_EXCEEDS_BURST);
    assert_int_equal(after.answer.bucket.remaining_tokens, 3);
    limits_release(limits);
    fixture_release(&fixture);
}

static bool try_many_limits(struct fixture *fixture, uint32_t count, uint64_t burst)
{
    struct limits *limits = many_plain_limits(count, burst, one_per_second);
    bool installed = fixture_try_limits(fixture, limits, WHEN_FULL_EVICT);
    limits_release(limits);
    return installed;
}

static void charge_under_many_limits(struct fixture *fixture)
{
    for (unsigned i = 0; i < LIMITS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%u", i);
        assert_int_equal(fixture_ask(fixture, MESSAGE_ALLOW, "foo", name, 5).result,
                         BUCKET_ALLOWED);
    }
}

static void a_reload_that_must_wait_gets_in_after_sweeping(void **state)
{
    (void)state;
    static const struct rule rule = {"default", NULL, 10, {1, 1000}};
    struct fixture fixture;
    fixture_init(&fixture, 100, &rule, 1, 2000, WHEN_FULL_EVICT);
    uint64_t burst = 10;
    assert_true(try_many_limits(&fixture, LIMITS_MAX, burst));
    charge_under_many_limits(&fixture);
    while (try_many_limits(&fixture, LIMITS_MAX, burst + 1))
        assert_true(++burst < 100);
    assert_true(burst >= 11); /* one change at least fits without a sweep */

    struct limits *limits = many_plain_limits(LIMITS_MAX, 7, one_per_second);
    struct bucket_question ask = {
        .key = "foo",
        .key_len = 3,
        .limit_name = "n1",
        .limit_name_len = 2,
    };
    struct message before = {.kind = MESSAGE_STATUS, .ask.bucket = ask}, after = before;
    struct message reload = {.kind = MESSAGE_LIMITS,
                             .ask.limits = {.limits = limits, .when_full = WHEN_FULL_EVICT}};
    struct message *chain[] = {&before, &reload, &after};
    /* The reload waits in the brain, and what is asked behind it does not. */
    struct limits *limits_before = brain_limits(fixture.brain);
    assert_int_equal(ask_brain(fixture.brain, chain, 3), 2);
    assert_true(brain_is_waited_for(fixture.brain));
    assert_int_equal(before.answer.bucket.remaining_tokens, 5);
    assert_int_equal(after.answer.bucket.remaining_tokens, 5);
    assert_ptr_equal(after.answer.bucket.limit, &limits_before->limit[1]);
    unsigned sweeps = wait_for_room(fixture.brain);
    assert_in_range(sweeps, 1, 1000);
    assert_int_equal(reload.answer.limits, LIMITS_IN_FORCE);
    struct message last = {.kind = MESSAGE_STATUS, .ask.bucket = ask};
    struct message *lasts[] = {&last};
    assert_int_equal(ask_brain(fixture.brain, lasts, 1), 1);
    assert_int_equal(last.answer.bucket.remaining_tokens, 5);
    assert_ptr_equal(last.answer.bucket.limit, &limits->limit[1]);
    assert_int_equal(fixture_daemon(&fixture).counters.reloads, burst - 10 + 2);
    limits_release(limits);
    fixture_release(&fixture);
}

/* With one limit in force, and keys on its line, every other edition must be free:
 * so many new ones, and not one more, can be put in with no sweep between. */
static void expect_no_frozen_lines(struct fixture *fixture)
{
    enum { FULL_SETS = (EDITIONS_MAX - 1) / LIMITS_MAX };
    enum { REST = EDITIONS_MAX - 1 - FULL_SETS * LIMITS_MAX };
    for (uint64_t set = 0; set < FULL_SETS; set++) {
        assert_true(try_many_limits(fixture, LIMITS_MAX, 10 + set));
        if (set == 0)
            charge_under_many_limits(fixture);
    }
    assert_false(try_many_limits(fixture, REST + 1, 50));
    assert_true(try_many_limits(fixture, REST, 50));
}

static void ten_thousand_reloads_mint_nothing_and_leak_no_line(void **state)
{
    (void)state;
    static const struct rule rule = {"default", NULL, 10, {1, 1000}};
    struct dice dice = dice_new(7);
    struct fixture fixture;
    fixture_init(&fixture, 100, &rule, 1, 2000, WHEN_FULL_EVICT);
    assert_true(fixture_allows(&fixture, "drained", 10));
    assert_true(fixture_allows(&fixture, "half", 5));
    for (int i = 0; i < 10000; i++) {
        uint64_t burst = dice_between(&dice, 10, 30);
        struct rate rate = {dice_between(&dice, 1, 9), dice_between(&dice, 1000, 9999)};
        fixture_reload_one(&fixture, dice_between(&dice, 1, 400), burst, rate);
        brain_sweep(fixture.brain);
        if (dice_once_in(&dice, 10))
            assert_false(fixture_allows(&fixture, "drained", 1));
    }
    fixture_reload_one(&fixture, 100, 10, one_per_second);
    assert_false(fixture_allows(&fixture, "drained", 1));
    assert_in_range(fixture_status(&fixture, "half").remaining_tokens, 0, 5);
    fixture_sweep_all(&fixture);
    assert_int_equal(fixture_daemon(&fixture).keys, 2);
    expect_no_frozen_lines(&fixture);
    fixture_release(&fixture);
}

/* Reloads to and fro at one instant, with terms whose units divide each other. */
/* However an entry goes, its line goes with it once nobody is on it. */
static void lines_of_entries_that_are_gone_are_free(void **state)
{
    (void)state;
    static const struct rule both[] = {
        {"gone", "gone*", 10, {1, 1000}},
        {"default", NULL, 10, {1, 1000}},
    };
    struct fixture fixture;
    fixture_init(&fixture, 100, both, 2, LIMITS_MAX + 1, WHEN_FULL_EVICT);
    assert_true(fixture_allows(&fixture, "reset", 5));
    fixture_reset(&fixture, "reset");
    assert_true(fixture_allows(&fixture, "filled up", 5));
    fixture_pass(&fixture, 5000);
    fixture_sweep_all(&fixture);
    assert_true(fixture_allows(&fixture, "gone", 5));
    fixture_reload(&fixture, 100, both + 1, 1);
    fixture_sweep_all(&fixture);
    for (unsigned i = 0; i < LIMITS_MAX + 101; i++) {
        char key[16];
        name_of(i, key);
        assert_true(fixture_allows(&fixture, key, 5));
    }
    assert_int_equal(fixture_daemon(&fixture).counters.evicted, 100);
    fixture_reload_one(&fixture, 100, 11, one_per_second);
    fixture_pass(&fixture, 11000);
    sweep_until_empty(&fixture);
    assert_true(fixture_allows(&fixture, "last", 5));
    expect_no_frozen_lines(&fixture);
    fixture_release(&fixture);
}

static void reloads_to_and_fro_lose_no_token_either(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    assert_true(fixture_allows(&fixture, "foo", 10));
    fixture_at(&fixture, 4700);
    for (int i = 0; i < 1000; i++) {
        fixture_reload_one(&fixture, 100, 20, one_per_second);
        fixture_reload_one(&fixture, 100, 10, one_per_second);
        fixture_status(&fixture, "foo");
    }
    assert_int_equal(level_of(&fixture, "foo", NULL), 47);
    fixture_release(&fixture);
}

/* ---- chains ---- */

enum { LARGE_CHAIN = 300 };

/* Longer than the brain's own groups, with one message of another sort inside. */
static void a_large_mixed_chain_is_answered_in_order(void **state)
{
    (void)state;
    static struct message messages[LARGE_CHAIN];
    static struct message *chain[LARGE_CHAIN];
    struct daemon_answer daemon = {0};
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 1000, one_per_second);
    for (size_t i = 0; i < LARGE_CHAIN; i++) {
        messages[i] = (struct message){
            .kind = MESSAGE_ALLOW,
            .ask.bucket = {.key = i % 2 == 0 ? "even" : "odd",
                           .key_len = i % 2 == 0 ? 4 : 3,
                           .tokens = 1},
        };
        chain[i] = &messages[i];
    }
    messages[100] = (struct message){.kind = MESSAGE_DAEMON, .answer.daemon = &daemon};
    messages[200] = (struct message){.kind = MESSAGE_STOP};
    assert_int_equal(ask_brain(fixture.brain, chain, LARGE_CHAIN), LARGE_CHAIN);
    assert_int_equal(daemon.counters.allowed, 100);
    assert_int_equal(messages[298].answer.bucket.remaining_tokens, 1000 - 148);
    for (size_t i = 1; i < LARGE_CHAIN; i += 2)
        assert_int_equal(messages[i].answer.bucket.remaining_tokens, 999 - i / 2);
    fixture_release(&fixture);
}

static void an_empty_chain_is_answered(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 10, one_per_second);
    assert_int_equal(ask_brain(fixture.brain, NULL, 0), 0);
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redis_cell_it_rate_limits),
        cmocka_unit_test(redis_cell_issue_50_fast_and_large_rates_do_limit),
        cmocka_unit_test(bucket4j_says_how_long_to_wait),
        cmocka_unit_test(bucket4j_a_clock_that_steps_back_changes_nothing),
        cmocka_unit_test(bucket4j_twelve_idle_hours_do_not_overflow),
        cmocka_unit_test(x_time_rate_fifteen_at_once_get_exactly_five),
        cmocka_unit_test(x_time_rate_five_seconds_of_hammering_come_to_the_ideal),
        cmocka_unit_test(x_time_rate_past_and_future_times_mint_no_token),
        cmocka_unit_test(the_original_allows_each_of_three_clients_its_first_twelve),
        cmocka_unit_test(forty_of_a_hundred_are_forty_of_two_hundred),
        cmocka_unit_test(forty_of_a_hundred_are_twenty_of_twenty),
        cmocka_unit_test(an_unseen_key_is_a_full_bucket),
        cmocka_unit_test(tells_when_the_next_whole_token_is_there),
        cmocka_unit_test(more_than_the_burst_is_never_allowed_and_charges_nothing),
        cmocka_unit_test(a_limit_that_does_not_exist_is_told_and_nothing_is_done),
        cmocka_unit_test(the_same_key_under_two_limits_is_two_buckets),
        cmocka_unit_test(a_key_that_is_its_limits_name_is_a_key_like_others),
        cmocka_unit_test(the_longest_keys_are_told_apart),
        cmocka_unit_test(status_never_creates_or_charges),
        cmocka_unit_test(a_look_never_creates_or_charges),
        cmocka_unit_test(a_denial_changes_nothing),
        cmocka_unit_test(nothing_on_a_full_table_makes_room_but_a_charge),
        cmocka_unit_test(reset_fills_the_bucket_and_forgets_it),
        cmocka_unit_test(reset_is_idempotent),
        cmocka_unit_test(refunds_give_back_what_was_taken_and_no_more),
        cmocka_unit_test(reset_fills_to_the_new_burst_after_a_reload),
        cmocka_unit_test(the_level_stays_between_nothing_and_the_cap),
        cmocka_unit_test(many_ticks_one_late_tick_or_doubled_ones_are_all_the_same),
        cmocka_unit_test(ticks_do_not_drift_when_they_come_late),
        cmocka_unit_test(a_tick_comes_on_its_nanosecond_and_not_before),
        cmocka_unit_test(retrying_in_time_succeeds_and_a_tick_earlier_fails),
        cmocka_unit_test(ten_idle_years_are_exactly_full),
        cmocka_unit_test(one_token_a_day_is_exact),
        cmocka_unit_test(a_thousand_million_a_second_are_exact),
        cmocka_unit_test(uptime_is_what_passed_since_the_start),
        cmocka_unit_test(an_operation_on_one_key_changes_no_other),
        cmocka_unit_test(an_eviction_changes_the_evicted_key_only),
        cmocka_unit_test(keys_are_counted_until_they_are_full_and_swept),
        cmocka_unit_test(ticks_alone_sweep_the_whole_table),
        cmocka_unit_test(dropping_full_buckets_changes_no_later_decision),
        cmocka_unit_test(a_reload_treats_full_buckets_alike_swept_or_not),
        cmocka_unit_test(no_tick_is_due_while_every_bucket_is_full),
        cmocka_unit_test(when_full_evicts_the_bucket_nearest_to_full),
        cmocka_unit_test(a_flooders_own_drained_bucket_goes_last),
        cmocka_unit_test(nearest_to_full_is_counted_in_tokens_across_limits),
        cmocka_unit_test(a_bucket_that_has_become_full_goes_before_any_eviction),
        cmocka_unit_test(when_full_denies_newcomers_and_serves_the_rest),
        cmocka_unit_test(when_full_allows_newcomers_uncounted),
        cmocka_unit_test(a_reload_changes_what_is_done_when_full),
        cmocka_unit_test(a_table_for_a_single_key_works),
        cmocka_unit_test(an_unchanged_limit_keeps_its_level_to_the_unit),
        cmocka_unit_test(a_changed_rate_keeps_the_tokens_and_refills_anew),
        cmocka_unit_test(a_reload_that_changes_only_the_tick_keeps_the_tokens),
        cmocka_unit_test(a_shorter_tick_mints_nothing_for_the_time_before_it),
        cmocka_unit_test(keys_never_touched_in_between_carry_over_all_the_same),
        cmocka_unit_test(a_removed_limits_entries_are_swept),
        cmocka_unit_test(a_limit_removed_and_added_again_starts_anew),
        cmocka_unit_test(messages_after_a_reload_in_a_chain_are_decided_by_it),
        cmocka_unit_test(a_reload_that_must_wait_gets_in_after_sweeping),
        cmocka_unit_test(ten_thousand_reloads_mint_nothing_and_leak_no_line),
        cmocka_unit_test(lines_of_entries_that_are_gone_are_free),
        cmocka_unit_test(reloads_to_and_fro_lose_no_token_either),
        cmocka_unit_test(a_large_mixed_chain_is_answered_in_order),
        cmocka_unit_test(an_empty_chain_is_answered),
    };
    return cmocka_run_group_tests_name("brain", tests, NULL, NULL);
}
