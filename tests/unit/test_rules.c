/* Rules: several buckets, overrides, limits on trial and lists, in virtual time. */
#include "support/ask_brain.h"
#include "support/brain_fixture.h"

#include <stdio.h>
#include <string.h>

enum { START_S = FIXTURE_START_DATE_S };

static const struct bucket_terms second = {"second", 20, {10, 1000}, 0, false};
static const struct bucket_terms hour = {"hour", 100, {100, 3600000}, 0, false};

/* One limit, the default, of these terms, at a tick of 100ms. */
static struct limits *limits_of(const struct limit_terms *terms)
{
    struct limits *limits = limits_new(1, 100);
    struct limit_terms named = *terms;
    named.name = LIMIT_DEFAULT_NAME;
    assert_non_null(limits);
    assert_true(limits_add(limits, &named));
    return limits;
}

static void start(struct fixture *fixture, const struct limit_terms *terms)
{
    fixture_init_limits(fixture, limits_of(terms), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
}

static void reload(struct fixture *fixture, const struct limit_terms *terms)
{
    fixture_reload_limits(fixture, limits_of(terms));
}

static uint64_t left(struct fixture *fixture, const char *key, unsigned bucket)
{
    return fixture_status(fixture, key).buckets[bucket].remaining_tokens;
}

/* ---- several buckets ---- */

static const struct limit_terms two = {.buckets_count = 2, .buckets = {second, hour}};

static void all_buckets_are_charged_or_none(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, &two);
    assert_true(fixture_allows(&fixture, "foo", 15));
    assert_int_equal(left(&fixture, "foo", 0), 5);
    assert_int_equal(left(&fixture, "foo", 1), 85);
    struct bucket_answer answer = fixture_allow(&fixture, "foo", 6);
    assert_int_equal(answer.result, BUCKET_DENIED);
    assert_true(answer.buckets[0].violated);
    assert_false(answer.buckets[1].violated);
    assert_int_equal(answer.remaining_tokens, 5);
    assert_int_equal(answer.retry_after_ms, 100);
    assert_int_equal(left(&fixture, "foo", 1), 85);
    fixture_release(&fixture);
}

static void the_longest_wait_is_told_and_is_right(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, &two);
    for (int i = 0; i < 5; i++) {
        assert_true(fixture_allows(&fixture, "foo", 20));
        fixture_pass(&fixture, 2000);
    }
    /* The hour's bucket has got 100 / 3600 tokens a second for ten of them. */
    struct bucket_answer answer = fixture_allow(&fixture, "foo", 1);
    assert_int_equal(answer.result, BUCKET_DENIED);
    assert_false(answer.buckets[0].violated);
    assert_true(answer.buckets[1].violated);
    assert_int_equal(answer.retry_after_ms, 26000);
    assert_int_equal(answer.full_after_ms, 3590000);
    fixture_pass(&fixture, answer.retry_after_ms - 100);
    assert_false(fixture_allows(&fixture, "foo", 1));
    fixture_pass(&fixture, 100);
    assert_true(fixture_allows(&fixture, "foo", 1));
    fixture_release(&fixture);
}

static void more_than_the_smallest_burst_never_goes(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, &two);
    struct bucket_answer answer = fixture_allow(&fixture, "foo", 21);
    assert_int_equal(answer.result, BUCKET_EXCEEDS_BURST);
    assert_int_equal(answer.retry_after_ms, RETRY_NEVER);
    assert_true(answer.buckets[0].violated);
    assert_false(answer.buckets[1].violated);
    assert_false(fixture_status(&fixture, "foo").active);
    fixture_release(&fixture);
}

static void bucket4j_three_buckets_after_twelve_idle_hours(void **state)
{
    (void)state;
    static const struct limit_terms three = {
        .buckets_count = 3,
        .buckets =
            {
                {"hour", 700000, {700000, 3600000}, 0, false},
                {"minute", 14500, {14500, 60000}, 0},
                {"second", 300, {300, 1000}, 0, false},
            },
    };
    struct fixture fixture;
    start(&fixture, &three);
    fixture_drain(&fixture, "foo", NULL);
    fixture_pass(&fixture, 12ull * 3600 * 1000);
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 300);
    assert_true(fixture_allows(&fixture, "foo", 300));
    assert_false(fixture_allows(&fixture, "foo", 1));
    fixture_release(&fixture);
}

static void refund_and_reset_reach_every_bucket(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, &two);
    assert_true(fixture_allows(&fixture, "foo", 20));
    fixture_pass(&fixture, 2000); /* second is full again, hour has 80 */
    struct bucket_answer answer = fixture_ask(&fixture, MESSAGE_REFUND, "foo", NULL, 15);
    assert_int_equal(answer.buckets[0].remaining_tokens, 20);
    assert_int_equal(answer.buckets[1].remaining_tokens, 95);
    answer = fixture_ask(&fixture, MESSAGE_REFUND, "foo", NULL, 500);
    assert_false(answer.active);
    assert_true(fixture_allows(&fixture, "foo", 20));
    assert_false(fixture_reset(&fixture, "foo").active);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    fixture_release(&fixture);
}

static void a_key_is_forgotten_when_its_last_bucket_is_full(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, &two);
    assert_true(fixture_allows(&fixture, "foo", 20));
    fixture_pass(&fixture, 719900);
    fixture_sweep_all(&fixture);
    assert_int_equal(fixture_daemon(&fixture).keys, 1);
    fixture_pass(&fixture, 100);
    fixture_sweep_all(&fixture);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    fixture_release(&fixture);
}

/* ---- reloads between one bucket and several ---- */

static const struct limit_terms one = {.buckets_count = 1,
                                       .buckets = {{"", 50, {1, 1000}, 0, false}}};

static void from_one_bucket_to_several_mints_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, &one);
    assert_true(fixture_allows(&fixture, "foo", 43));
    reload(&fixture, &two);
    assert_int_equal(left(&fixture, "foo", 0), 7);
    assert_int_equal(left(&fixture, "foo", 1), 100);
    assert_int_equal(fixture_status(&fixture, "other").remaining_tokens, 20);
    fixture_release(&fixture);
}

static void from_several_buckets_to_one_the_scarcest_counts(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, &two);
    for (int i = 0; i < 5; i++) {
        assert_true(fixture_allows(&fixture, "foo", 19));
        fixture_pass(&fixture, 1900);
    }
    assert_int_equal(left(&fixture, "foo", 0), 20);
    assert_int_equal(left(&fixture, "foo", 1), 5);
    reload(&fixture, &one);
    assert_int_equal(left(&fixture, "foo", 0), 5);
    fixture_release(&fixture);
}

static void buckets_of_the_same_name_keep_their_tokens_wherever_they_stand(void **state)
{
    (void)state;
    static const struct limit_terms turned = {
        .buckets_count = 3,
        .buckets = {{"day", 1000, {1000, MS_PER_DAY}}, hour, {"second", 10, {10, 1000}, 0, false}},
    };
    struct fixture fixture;
    start(&fixture, &two);
    assert_true(fixture_allows(&fixture, "foo", 17));
    reload(&fixture, &turned);
    assert_int_equal(left(&fixture, "foo", 0), 1000); /* new: limits further, mints nothing */
    assert_int_equal(left(&fixture, "foo", 1), 83);
    assert_int_equal(left(&fixture, "foo", 2), 3);
    fixture_release(&fixture);
}

/* ---- overrides ---- */

static const struct override_terms overrides[] = {
    {"vip", OVERRIDE_TERMS, START_S + 100, 1, {{"", 500, {200, 1000}, 0, false}}, false, NULL},
    {"v*", OVERRIDE_TERMS, OVERRIDE_FOR_EVER, 1, {{"", 70, {1, 1000}, 0, false}}, false, NULL},
    {"free*", OVERRIDE_ALLOW, START_S + 50, 0, {{"", 0, {0, 0}, 0, false}}, false, NULL},
    {"spam", OVERRIDE_DENY, START_S + 200, 0, {{"", 0, {0, 0}, 0, false}}, false, NULL},
    {"spammer", OVERRIDE_DENY, OVERRIDE_FOR_EVER, 0, {{"", 0, {0, 0}, 0, false}}, false, NULL},
};

static const struct limit_terms with_overrides = {
    .buckets_count = 1,
    .buckets = {{"", 50, {1, 1000}, 0, false}},
    .overrides_count = LENGTH(overrides),
    .overrides = overrides,
};

static void an_exact_key_goes_before_globs(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, &with_overrides);
    struct bucket_answer answer = fixture_status(&fixture, "vip");
    assert_string_equal(answer.override->key, "vip");
    assert_int_equal(answer.remaining_tokens, 500);
    answer = fixture_status(&fixture, "vi");
    assert_string_equal(answer.override->key, "v*");
    assert_int_equal(answer.remaining_tokens, 70);
    answer = fixture_status(&fixture, "other");
    assert_null(answer.override);
    assert_int_equal(answer.remaining_tokens, 50);
    fixture_release(&fixture);
}

static void the_end_of_an_override_mints_nothing(void **state)
{
    (void)state;
    static const struct {
        uint64_t taken, after;
    } cases[] = {{500, 0}, {490, 10}, {440, 60}, {1, 70}, {0, 70}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct fixture fixture;
        start(&fixture, &with_overrides);
        assert_true(fixture_allows(&fixture, "vip", cases[i].taken));
        fixture_date(&fixture, START_S + 99);
        assert_int_equal(left(&fixture, "vip", 0), 500 - cases[i].taken);
        fixture_date(&fixture, START_S + 100);
        struct bucket_answer answer = fixture_status(&fixture, "vip");
        assert_string_equal(answer.override->key, "v*");
        assert_int_equal(answer.remaining_tokens, cases[i].after);
        assert_int_equal(fixture_daemon(&fixture).counters.overrides_ended, 2);
        fixture_release(&fixture);
    }
}

static void an_override_that_allows_never_charges(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, &with_overrides);
    for (int i = 0; i < 100; i++) {
        struct bucket_answer answer = fixture_allow(&fixture, "free1", 1000);
        expect_answer(answer, BUCKET_ALWAYS, 50, 0, 0);
    }
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    fixture_date(&fixture, START_S + 50);
    assert_int_equal(fixture_hammer(&fixture, "free1", 100), 50);
    fixture_release(&fixture);
}

static void an_override_that_denies_says_when_it_ends(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, &with_overrides);
    expect_answer(fixture_allow(&fixture, "spam", 1), BUCKET_NEVER, 0, 0, 200000);
    fixture_date(&fixture, START_S + 150);
    expect_answer(fixture_allow(&fixture, "spam", 50), BUCKET_NEVER, 0, 0, 50000);
    expect_answer(fixture_allow(&fixture, "spam", 51), BUCKET_NEVER, 0, 0, RETRY_NEVER);
    expect_answer(fixture_allow(&fixture, "spammer", 1), BUCKET_NEVER, 0, 0, RETRY_NEVER);
    assert_int_equal(fixture_allow(&fixture, "spam", 0).result, BUCKET_ALLOWED); /* a look */
    fixture_date(&fixture, START_S + 200);
    expect_answer(fixture_allow(&fixture, "spam", 50), BUCKET_ALLOWED, 0, 50000, 0);
    fixture_release(&fixture);
}

static void a_denial_ends_where_no_override_denies_any_more(void **state)
{
    (void)state;
    static const struct override_terms denying[] = {
        {"g*", OVERRIDE_DENY, START_S + 20, 0, {{"", 0, {0, 0}, 0, false}}, false, NULL},
        {"go", OVERRIDE_DENY, START_S + 10, 0, {{"", 0, {0, 0}, 0, false}}, false, NULL},
        {"?o", OVERRIDE_DENY, START_S + 15, 0, {{"", 0, {0, 0}, 0, false}}, false, NULL},
        {"*o", OVERRIDE_DENY, START_S + 40, 0, {{"", 0, {0, 0}, 0, false}}, false, NULL},
        {"g?", OVERRIDE_ALLOW, START_S + 50, 0, {{"", 0, {0, 0}, 0, false}}, false, NULL},
        {"*", OVERRIDE_DENY, OVERRIDE_FOR_EVER, 0, {{"", 0, {0, 0}, 0, false}}, false, NULL},
    };
    static const struct limit_terms terms = {
        .buckets_count = 1,
        .buckets = {{"", 50, {1, 1000}, 0, false}},
        .overrides_count = LENGTH(denying),
        .overrides = denying,
    };
    struct fixture fixture;
    start(&fixture, &terms);
    expect_answer(fixture_allow(&fixture, "go", 1), BUCKET_NEVER, 0, 0, 40000);
    expect_answer(fixture_allow(&fixture, "ga", 1), BUCKET_NEVER, 0, 0, 20000);
    expect_answer(fixture_allow(&fixture, "goa", 1), BUCKET_NEVER, 0, 0, RETRY_NEVER);
    fixture_date(&fixture, START_S + 39);
    expect_answer(fixture_allow(&fixture, "go", 1), BUCKET_NEVER, 0, 0, 1000);
    fixture_date(&fixture, START_S + 40);
    assert_int_equal(fixture_allow(&fixture, "go", 1).result, BUCKET_ALWAYS);
    fixture_date(&fixture, START_S + 50);
    expect_answer(fixture_allow(&fixture, "go", 1), BUCKET_NEVER, 0, 0, RETRY_NEVER);
    fixture_release(&fixture);
}

static void overrides_that_come_and_go_with_reloads_mint_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, &one);
    assert_true(fixture_allows(&fixture, "vip", 45));
    assert_true(fixture_allows(&fixture, "spam", 45));
    reload(&fixture, &with_overrides);
    assert_int_equal(left(&fixture, "vip", 0), 5);
    assert_false(fixture_allows(&fixture, "spam", 1));
    fixture_pass(&fixture, 1000); /* vip gets 200, the others 1 */
    reload(&fixture, &one);
    assert_int_equal(left(&fixture, "vip", 0), 50);
    assert_int_equal(left(&fixture, "spam", 0), 6);
    fixture_release(&fixture);
}

static void an_override_that_had_ended_at_a_reload_does_not_hold(void **state)
{
    (void)state;
    struct fixture fixture;
    start(&fixture, &one);
    fixture.date_s = START_S + 100;
    reload(&fixture, &with_overrides);
    assert_string_equal(fixture_status(&fixture, "vip").override->key, "v*");
    assert_null(fixture_status(&fixture, "free").override);
    assert_non_null(fixture_status(&fixture, "spam").override);
    fixture_release(&fixture);
}

/* Two limits, each with an override for a while. */
static struct limits *two_with_overrides(uint64_t burst_of_default)
{
    static const struct override_terms for_a_while[] = {
        {"vip", OVERRIDE_ALLOW, START_S + 60, 0, {{"", 0, {0, 0}, 0, false}}, false, NULL},
        {"v?p", OVERRIDE_ALLOW, START_S + 95, 0, {{"", 0, {0, 0}, 0, false}}, false, NULL},
        {"v*", OVERRIDE_ALLOW, START_S + 200, 0, {{"", 0, {0, 0}, 0, false}}, false, NULL},
    };
    struct limit_terms terms = {
        .name = "api",
        .buckets_count = 1,
        .buckets = {{"", 50, {1, 1000}, 0, false}},
        .overrides_count = LENGTH(for_a_while),
        .overrides = for_a_while,
    };
    struct limits *limits = limits_new(2, 100);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    terms.name = LIMIT_DEFAULT_NAME;
    terms.buckets[0].burst = burst_of_default;
    assert_true(limits_add(limits, &terms));
    return limits;
}

/* Nobody has looked at the date of the unchanged limit meanwhile, and that of the other one is
 * later than the one that is told: what had ended for that stays so. */
static void a_date_that_goes_back_over_a_reload_brings_no_override_back(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init_limits(&fixture, two_with_overrides(50), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    fixture.date_s = START_S + 100;
    fixture_reload_limits(&fixture, two_with_overrides(40));
    fixture_date(&fixture, START_S + 90);
    assert_int_equal(fixture_daemon(&fixture).counters.overrides_ended, 1);
    assert_string_equal(fixture_ask(&fixture, MESSAGE_STATUS, "vip", "api", 0).override->key,
                        "v?p");
    assert_string_equal(fixture_status(&fixture, "vip").override->key, "v*");
    fixture_date(&fixture, START_S + 199);
    assert_int_equal(fixture_daemon(&fixture).counters.overrides_ended, 2);
    fixture_date(&fixture, START_S + 200);
    assert_int_equal(fixture_daemon(&fixture).counters.overrides_ended, 4);
    assert_null(fixture_status(&fixture, "vip").override);
    fixture_release(&fixture);
}

/* ---- on trial ---- */

static void a_limit_on_trial_denies_in_its_result_alone(void **state)
{
    (void)state;
    static const struct limit_terms trial = {
        .shadow = true,
        .buckets_count = 1,
        .buckets = {{"", 3, {1, 3600000}, 0, false}},
    };
    struct fixture fixture;
    start(&fixture, &trial);
    for (int i = 0; i < 5; i++) {
        struct bucket_answer answer = fixture_allow(&fixture, "foo", 1);
        assert_int_equal(answer.result, i < 3 ? BUCKET_ALLOWED : BUCKET_DENIED);
        assert_true(bucket_answer_allows(&answer));
        assert_int_equal(answer.remaining_tokens, i < 3 ? 2 - i : 0);
    }
    struct brain_counters counters = fixture_daemon(&fixture).counters;
    assert_int_equal(counters.allowed, 5);
    assert_int_equal(counters.denied, 0);
    assert_int_equal(counters.shadow_denied, 2);
    fixture_release(&fixture);
}

/* ---- lists ---- */

static struct message ask_list(struct fixture *fixture, enum message_kind kind,
                               struct bucket_call *calls, uint32_t count)
{
    struct message message = {.kind = kind, .ask.list = {calls, count}};
    struct message *messages[] = {&message};
    for (uint32_t i = 0; i < count; i++)
        calls[i].ask.key_len = strlen(calls[i].ask.key);
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
    return message;
}

static void all_or_none_of_a_list_is_charged(void **state)
{
    (void)state;
    struct bucket_call calls[] = {
        {.ask = {.key = "a", .tokens = 30}},
        {.ask = {.key = "b", .tokens = 40}},
        {.ask = {.key = "a", .tokens = 15}},
    };
    struct fixture fixture;
    start(&fixture, &one);
    struct message message = ask_list(&fixture, MESSAGE_ALL, calls, 3);
    assert_true(message.answer.list.allowed);
    assert_int_equal(calls[0].answer.remaining_tokens, 5);
    assert_int_equal(calls[1].answer.remaining_tokens, 10);
    assert_int_equal(calls[2].answer.remaining_tokens, 5);

    calls[0].ask.tokens = 3;
    calls[1].ask.tokens = 10;
    calls[2].ask.tokens = 4;
    message = ask_list(&fixture, MESSAGE_ALL, calls, 3);
    assert_false(message.answer.list.allowed);
    assert_int_equal(message.answer.list.retry_after_ms, 2000); /* 7 of a's 5 */
    expect_answer(calls[0].answer, BUCKET_DENIED, 5, 45000, 2000);
    expect_answer(calls[1].answer, BUCKET_HELD_BACK, 10, 40000, 0);
    assert_int_equal(fixture_daemon(&fixture).counters.allowed, 3);
    assert_int_equal(fixture_daemon(&fixture).counters.denied, 3);
    fixture_pass(&fixture, 2000);
    assert_true(ask_list(&fixture, MESSAGE_ALL, calls, 3).answer.list.allowed);
    fixture_release(&fixture);
}

static void a_list_that_adds_up_to_more_than_the_burst_never_goes(void **state)
{
    (void)state;
    struct bucket_call calls[] = {
        {.ask = {.key = "a", .tokens = 50}},
        {.ask = {.key = "a", .tokens = 1}},
    };
    struct fixture fixture;
    start(&fixture, &one);
    struct message message = ask_list(&fixture, MESSAGE_ALL, calls, 2);
    assert_false(message.answer.list.allowed);
    assert_int_equal(message.answer.list.retry_after_ms, RETRY_NEVER);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    fixture_release(&fixture);
}

static void a_list_that_names_no_limit_does_nothing_at_all(void **state)
{
    (void)state;
    static const enum message_kind kinds[] = {MESSAGE_EACH, MESSAGE_ALL, MESSAGE_LIST};
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct bucket_call calls[] = {
            {.ask = {.key = "a", .tokens = 1}},
            {.ask = {.key = "b", .tokens = 1, .limit_name = "no", .limit_name_len = 2}},
            {.ask = {.key = "b", .tokens = 1, .limit_name = "nor", .limit_name_len = 3}},
        };
        struct fixture fixture;
        start(&fixture, &one);
        struct message message = ask_list(&fixture, kinds[i], calls, 3);
        assert_int_equal(message.answer.list.no_such_limit, 1);
        assert_int_equal(fixture_daemon(&fixture).keys, 0);
        assert_int_equal(fixture_daemon(&fixture).counters.allowed, 0);
        assert_int_equal(fixture_daemon(&fixture).counters.statuses, 0);
        fixture_release(&fixture);
    }
}

static void the_longest_list_is_answered(void **state)
{
    (void)state;
    static struct bucket_call calls[LIST_MAX];
    static char keys[LIST_MAX][8];
    struct fixture fixture;
    start(&fixture, &two);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < LIST_MAX; i++) {
            sprintf(keys[i], "k%u", i % (LIST_MAX / 2)); /* each twice */
            calls[i].ask = (struct bucket_question){.key = keys[i], .tokens = 5};
        }
        struct message message = ask_list(&fixture, MESSAGE_ALL, calls, LIST_MAX);
        assert_int_equal(message.answer.list.allowed, round < 2);
        for (unsigned i = 0; i < LIST_MAX; i++)
            assert_int_equal(calls[i].answer.remaining_tokens, round == 0 ? 10 : 0);
    }
    assert_int_equal(fixture_daemon(&fixture).keys, LIST_MAX / 2);
    fixture_release(&fixture);
}

/* Two of four keys have no room: which two is not left to chance. */
static void a_list_without_room_for_all_denies_all(void **state)
{
    (void)state;
    struct bucket_call calls[] = {
        {.ask = {.key = "a", .tokens = 1}},
        {.ask = {.key = "b", .tokens = 1}},
        {.ask = {.key = "c", .tokens = 1}},
        {.ask = {.key = "d", .tokens = 1}},
    };
    struct fixture fixture;
    fixture_init_limits(&fixture, limits_of(&one), 2, WHEN_FULL_DENY);
    assert_false(ask_list(&fixture, MESSAGE_ALL, calls, 4).answer.list.allowed);
    assert_int_equal(calls[0].answer.result, BUCKET_HELD_BACK);
    assert_int_equal(calls[1].answer.result, BUCKET_HELD_BACK);
    assert_int_equal(calls[2].answer.result, BUCKET_TABLE_FULL);
    assert_int_equal(calls[3].answer.result, BUCKET_TABLE_FULL);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    assert_true(ask_list(&fixture, MESSAGE_ALL, calls, 2).answer.list.allowed);
    assert_int_equal(fixture_daemon(&fixture).keys, 2);
    fixture_release(&fixture);
}

static void a_list_longer_than_the_table_evicts_its_way(void **state)
{
    (void)state;
    struct bucket_call calls[] = {
        {.ask = {.key = "a", .tokens = 1}},
        {.ask = {.key = "b", .tokens = 1}},
        {.ask = {.key = "c", .tokens = 1}},
    };
    struct fixture fixture;
    fixture_init_limits(&fixture, limits_of(&one), 1, WHEN_FULL_EVICT);
    for (int i = 0; i < 10; i++)
        assert_true(ask_list(&fixture, MESSAGE_ALL, calls, 3).answer.list.allowed);
    assert_int_equal(fixture_daemon(&fixture).keys, 1);
    assert_int_equal(fixture_daemon(&fixture).counters.evicted, 29);
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_buckets_are_charged_or_none),
        cmocka_unit_test(the_longest_wait_is_told_and_is_right),
        cmocka_unit_test(more_than_the_smallest_burst_never_goes),
        cmocka_unit_test(bucket4j_three_buckets_after_twelve_idle_hours),
        cmocka_unit_test(refund_and_reset_reach_every_bucket),
        cmocka_unit_test(a_key_is_forgotten_when_its_last_bucket_is_full),
        cmocka_unit_test(from_one_bucket_to_several_mints_nothing),
        cmocka_unit_test(from_several_buckets_to_one_the_scarcest_counts),
        cmocka_unit_test(buckets_of_the_same_name_keep_their_tokens_wherever_they_stand),
        cmocka_unit_test(an_exact_key_goes_before_globs),
        cmocka_unit_test(the_end_of_an_override_mints_nothing),
        cmocka_unit_test(an_override_that_allows_never_charges),
        cmocka_unit_test(an_override_that_denies_says_when_it_ends),
        cmocka_unit_test(a_denial_ends_where_no_override_denies_any_more),
        cmocka_unit_test(overrides_that_come_and_go_with_reloads_mint_nothing),
        cmocka_unit_test(an_override_that_had_ended_at_a_reload_does_not_hold),
        cmocka_unit_test(a_date_that_goes_back_over_a_reload_brings_no_override_back),
        cmocka_unit_test(a_limit_on_trial_denies_in_its_result_alone),
        cmocka_unit_test(all_or_none_of_a_list_is_charged),
        cmocka_unit_test(a_list_that_adds_up_to_more_than_the_burst_never_goes),
        cmocka_unit_test(a_list_that_names_no_limit_does_nothing_at_all),
        cmocka_unit_test(the_longest_list_is_answered),
        cmocka_unit_test(a_list_without_room_for_all_denies_all),
        cmocka_unit_test(a_list_longer_than_the_table_evicts_its_way),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
