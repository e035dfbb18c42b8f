/* Debts: what a charge takes and forgives, how long a key that owes is denied, and that no debt is lost. */
#include "brain/brain.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"

#include <stdio.h>
#include <string.h>

enum { START_S = FIXTURE_START_DATE_S };

static const struct rate one_per_second = {1, 1000};

static struct bucket_terms terms_of(uint64_t burst, struct rate rate, uint64_t debt_max)
{
    return (struct bucket_terms){.burst = burst, .rate = rate, .debt_max = debt_max};
}

static struct limits *limits_of(const struct limit_terms *terms, uint32_t count)
{
    struct limits *limits = limits_new(count, 100);
    assert_non_null(limits);
    for (uint32_t i = 0; i < count; i++)
        assert_true(limits_add(limits, &terms[i]));
    return limits;
}

/* The default limit, of one bucket. */
static struct limits *one_bucket(uint64_t burst, struct rate rate, uint64_t debt_max)
{
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {terms_of(burst, rate, debt_max)},
    };
    return limits_of(&terms, 1);
}

static struct fixture fixture_of(struct limits *limits, uint32_t max_keys, enum when_full when_full)
{
    struct fixture fixture;
    fixture_init_limits(&fixture, limits, max_keys, when_full);
    return fixture;
}

/* Burst 10, a token a second, and a debt of up to 20. */
static struct fixture usual_fixture(void)
{
    return fixture_of(one_bucket(10, one_per_second, 20), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
}

static struct bucket_answer charge(struct fixture *fixture, const char *key, uint64_t tokens)
{
    return fixture_ask(fixture, MESSAGE_CHARGE, key, NULL, tokens);
}

static struct bucket_answer refund(struct fixture *fixture, const char *key, uint64_t tokens)
{
    return fixture_ask(fixture, MESSAGE_REFUND, key, NULL, tokens);
}

static void expect_charge(struct bucket_answer answer, uint64_t charged, uint64_t remaining,
                          uint64_t owed)
{
    assert_int_equal(answer.result, BUCKET_ALLOWED);
    assert_int_equal(answer.charged_tokens, charged);
    assert_int_equal(answer.remaining_tokens, remaining);
    assert_int_equal(answer.owed_tokens, owed);
}

/* ---- one bucket ---- */

static void a_charge_takes_what_is_there_and_then_what_is_not(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    expect_charge(charge(&fixture, "foo", 4), 4, 6, 0);
    expect_charge(charge(&fixture, "foo", 6), 6, 0, 0);
    expect_charge(charge(&fixture, "foo", 5), 5, 0, 5);
    struct bucket_answer answer = charge(&fixture, "foo", 1);
    expect_charge(answer, 1, 0, 6);
    assert_int_equal(answer.full_after_ms, 16000);
    assert_int_equal(answer.buckets[0].next_token_ms, 7000);
    assert_int_equal(answer.buckets[0].charged_tokens, 1);
    assert_int_equal(answer.retry_after_ms, 0);
    fixture_release(&fixture);
}

static void until_it_is_paid_asks_are_denied_with_the_true_wait(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    expect_charge(charge(&fixture, "foo", 15), 15, 0, 5);
    expect_answer(fixture_allow(&fixture, "foo", 1), BUCKET_DENIED, 0, 15000, 6000);
    expect_answer(fixture_allow(&fixture, "foo", 10), BUCKET_DENIED, 0, 15000, 15000);
    expect_answer(fixture_allow(&fixture, "foo", 0), BUCKET_ALLOWED, 0, 15000, 0); /* a look */
    fixture_at(&fixture, 4999);
    assert_int_equal(fixture_status(&fixture, "foo").owed_tokens, 1);
    fixture_at(&fixture, 5000);
    assert_int_equal(fixture_status(&fixture, "foo").owed_tokens, 0);
    expect_answer(fixture_allow(&fixture, "foo", 1), BUCKET_DENIED, 0, 10000, 1000);
    fixture_at(&fixture, 5999);
    assert_false(fixture_allows(&fixture, "foo", 1));
    fixture_at(&fixture, 6000);
    assert_true(fixture_allows(&fixture, "foo", 1));
    fixture_at(&fixture, 16000);
    assert_false(fixture_status(&fixture, "foo").active);
    fixture_release(&fixture);
}

/* With half a token in it: what is owed counts in parts, what is charged in whole tokens. */
static void what_is_beyond_the_debt_is_forgiven_in_whole_tokens(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    fixture_drain(&fixture, "foo", NULL);
    fixture_at(&fixture, 500);
    expect_charge(charge(&fixture, "foo", 100), 20, 0, 20); /* owes 19.5 */
    expect_charge(charge(&fixture, "foo", 1), 0, 0, 20);
    assert_int_equal(fixture_daemon(&fixture).counters.forgiven_tokens, 81);
    assert_int_equal(fixture_daemon(&fixture).counters.charges, 2);
    fixture_at(&fixture, 1000);
    expect_charge(charge(&fixture, "foo", 1), 1, 0, 20);
    expect_answer(fixture_allow(&fixture, "foo", 1), BUCKET_DENIED, 0, 30000, 21000);
    fixture_release(&fixture);
}

static void without_debt_a_charge_takes_only_what_is_there(void **state)
{
    (void)state;
    struct fixture fixture =
        fixture_of(one_bucket(10, one_per_second, 0), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    expect_charge(charge(&fixture, "foo", 7), 7, 3, 0);
    expect_charge(charge(&fixture, "foo", 7), 3, 0, 0);
    expect_charge(charge(&fixture, "foo", TOKENS_MAX), 0, 0, 0);
    fixture_at(&fixture, 1000);
    assert_true(fixture_allows(&fixture, "foo", 1));
    fixture_release(&fixture);
}

static void a_charge_may_be_more_than_the_burst(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    expect_answer(fixture_allow(&fixture, "foo", 11), BUCKET_EXCEEDS_BURST, 10, 0, RETRY_NEVER);
    expect_charge(charge(&fixture, "foo", 11), 11, 0, 1);
    expect_charge(charge(&fixture, "bar", TOKENS_MAX), 30, 0, 20);
    fixture_release(&fixture);
}

static void a_reset_forgives(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    charge(&fixture, "foo", 25);
    expect_answer(fixture_reset(&fixture, "foo"), BUCKET_ALLOWED, 10, 0, 0);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    assert_int_equal(fixture_daemon(&fixture).counters.forgiven_tokens, 0);
    fixture_release(&fixture);
}

static void a_refund_pays_the_debt_first(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    charge(&fixture, "foo", 25);
    assert_int_equal(refund(&fixture, "foo", 14).owed_tokens, 1);
    expect_answer(fixture_allow(&fixture, "foo", 1), BUCKET_DENIED, 0, 11000, 2000);
    struct bucket_answer answer = refund(&fixture, "foo", 4);
    assert_int_equal(answer.owed_tokens, 0);
    assert_int_equal(answer.remaining_tokens, 3);
    assert_int_equal(refund(&fixture, "foo", TOKENS_MAX).remaining_tokens, 10);
    fixture_release(&fixture);
}

static void a_charge_of_no_limit_does_nothing(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    assert_int_equal(fixture_ask(&fixture, MESSAGE_CHARGE, "foo", "none", 5).result,
                     BUCKET_NO_SUCH_LIMIT);
    assert_int_equal(fixture_daemon(&fixture).counters.charges, 0);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    fixture_release(&fixture);
}

static void a_tick_is_due_while_a_key_owes(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    assert_true(brain_next_tick_ns(fixture.brain) == BRAIN_NEVER);
    charge(&fixture, "foo", 30);
    assert_true(brain_next_tick_ns(fixture.brain) != BRAIN_NEVER);
    fixture_at(&fixture, 29999);
    fixture_sweep_all(&fixture);
    assert_int_equal(fixture_daemon(&fixture).keys, 1);
    fixture_at(&fixture, 30000);
    fixture_sweep_all(&fixture);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    fixture_release(&fixture);
}

/* ---- several buckets ---- */

static void each_bucket_clamps_for_itself(void **state)
{
    (void)state;
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 3,
        .buckets = {{"second", 10, {10, 1000}, 5},
                    {"hour", 100, {100, 3600000}, 40},
                    {"day", 1000, {1000, 86400000}, 0}},
    };
    struct fixture fixture = fixture_of(limits_of(&terms, 1), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    struct bucket_answer answer = charge(&fixture, "foo", 120);
    expect_charge(answer, 15, 0, 20);
    static const uint64_t charged[] = {15, 120, 120}, owed[] = {5, 20, 0}, left[] = {0, 0, 880};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(answer.buckets[i].charged_tokens, charged[i]);
        assert_int_equal(answer.buckets[i].owed_tokens, owed[i]);
        assert_int_equal(answer.buckets[i].remaining_tokens, left[i]);
    }
    assert_int_equal(fixture_daemon(&fixture).counters.forgiven_tokens, 105);
    /* One holds a token after 600 ms, another after 756 s: the later one says when. The third is full
     * last. */
    expect_answer(fixture_allow(&fixture, "foo", 1), BUCKET_DENIED, 0, 120 * 86400, 21 * 36000);
    fixture_at(&fixture, 600);
    answer = fixture_allow(&fixture, "foo", 1);
    assert_int_equal(answer.result, BUCKET_DENIED);
    assert_false(answer.buckets[0].violated);
    assert_true(answer.buckets[1].violated);
    fixture_at(&fixture, 21 * 36000 - 100);
    assert_false(fixture_allows(&fixture, "foo", 1));
    fixture_at(&fixture, 21 * 36000);
    assert_true(fixture_allows(&fixture, "foo", 1));
    fixture_release(&fixture);
}

/* ---- limits on trial, and overrides ---- */

static void a_limit_on_trial_is_charged(void **state)
{
    (void)state;
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .shadow = true,
        .buckets_count = 1,
        .buckets = {terms_of(10, one_per_second, 20)},
    };
    struct fixture fixture = fixture_of(limits_of(&terms, 1), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    expect_charge(charge(&fixture, "foo", 15), 15, 0, 5);
    struct bucket_answer answer = fixture_allow(&fixture, "foo", 1);
    assert_int_equal(answer.result, BUCKET_DENIED);
    assert_true(bucket_answer_allows(&answer));
    fixture_release(&fixture);
}

static struct limits *with_override(enum override_action action, int64_t until_s)
{
    const struct override_terms override = {
        .key = "vip",
        .action = action,
        .until_s = until_s,
        .buckets_count = action == OVERRIDE_TERMS,
        .buckets = {terms_of(100, (struct rate){10, 1000}, 300)},
    };
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {terms_of(10, one_per_second, 20)},
        .overrides_count = 1,
        .overrides = &override,
    };
    return limits_of(&terms, 1);
}

static void an_override_has_a_debt_of_its_own_and_its_end_carries_it(void **state)
{
    (void)state;
    struct fixture fixture =
        fixture_of(with_override(OVERRIDE_TERMS, START_S + 100), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    expect_charge(charge(&fixture, "vip", 1000), 400, 0, 300);
    expect_charge(charge(&fixture, "else", 1000), 30, 0, 20);
    fixture_at(&fixture, 29000);
    assert_int_equal(fixture_status(&fixture, "vip").owed_tokens, 10);
    fixture_date(&fixture, START_S + 100);
    struct bucket_answer answer = fixture_status(&fixture, "vip");
    assert_null(answer.override);
    assert_int_equal(answer.owed_tokens, 10);
    assert_int_equal(answer.full_after_ms, 20000); /* at the limit's own rate */
    fixture_release(&fixture);
}

/* What the limit does not allow to owe is forgiven when the override ends. */
static void the_end_of_an_override_forgives_what_is_beyond_the_debt(void **state)
{
    (void)state;
    struct fixture fixture =
        fixture_of(with_override(OVERRIDE_TERMS, START_S + 100), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    charge(&fixture, "vip", 1000);
    fixture_date(&fixture, START_S + 100);
    assert_int_equal(fixture_status(&fixture, "vip").owed_tokens, 20);
    fixture_release(&fixture);
}

static void a_key_that_is_never_limited_is_not_charged(void **state)
{
    (void)state;
    struct fixture fixture =
        fixture_of(with_override(OVERRIDE_ALLOW, START_S + 100), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    struct bucket_answer answer = charge(&fixture, "vip", 15);
    assert_int_equal(answer.result, BUCKET_ALWAYS);
    assert_int_equal(answer.charged_tokens, 0);
    assert_int_equal(answer.owed_tokens, 0);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    assert_int_equal(fixture_daemon(&fixture).counters.charges, 1);
    assert_int_equal(fixture_daemon(&fixture).counters.forgiven_tokens, 0);
    fixture_date(&fixture, START_S + 100);
    assert_true(fixture_allows(&fixture, "vip", 10));
    fixture_release(&fixture);
}

/* A debt from before an override that allows is not shown, and goes on being paid. */
static void a_debt_outlives_an_override_that_allows(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    charge(&fixture, "vip", 30);
    fixture_reload_limits(&fixture, with_override(OVERRIDE_ALLOW, START_S + 100));
    expect_answer(fixture_allow(&fixture, "vip", 10), BUCKET_ALWAYS, 10, 0, 0);
    assert_int_equal(fixture_status(&fixture, "vip").owed_tokens, 0);
    fixture_at(&fixture, 5000);
    fixture_date(&fixture, START_S + 100);
    assert_int_equal(fixture_status(&fixture, "vip").owed_tokens, 15);
    fixture_release(&fixture);
}

static void a_key_that_is_always_denied_is_charged(void **state)
{
    (void)state;
    struct fixture fixture =
        fixture_of(with_override(OVERRIDE_DENY, START_S + 15), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    expect_charge(charge(&fixture, "vip", 30), 30, 0, 20);
    /* The debt is paid after the override has ended. */
    struct bucket_answer answer = fixture_allow(&fixture, "vip", 1);
    assert_int_equal(answer.result, BUCKET_NEVER);
    assert_int_equal(answer.retry_after_ms, 21000);
    fixture_at(&fixture, 15000);
    fixture_date(&fixture, START_S + 15);
    expect_answer(fixture_allow(&fixture, "vip", 1), BUCKET_DENIED, 0, 15000, 6000);
    fixture_release(&fixture);
}

/* ---- reloads ---- */

static void a_debt_carries_over_a_reload(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    charge(&fixture, "foo", 25);
    fixture_reload_limits(&fixture, one_bucket(50, (struct rate){5, 1000}, 100));
    struct bucket_answer answer = fixture_status(&fixture, "foo");
    assert_int_equal(answer.owed_tokens, 15);
    assert_int_equal(answer.full_after_ms, 13000);
    fixture_reload_limits(&fixture, one_bucket(50, (struct rate){5, 1000}, 7));
    assert_int_equal(fixture_status(&fixture, "foo").owed_tokens, 7);
    fixture_reload_limits(&fixture, one_bucket(50, (struct rate){5, 1000}, 100));
    assert_int_equal(fixture_status(&fixture, "foo").owed_tokens, 7);
    fixture_reload_limits(&fixture, one_bucket(50, (struct rate){5, 1000}, 0));
    assert_int_equal(fixture_status(&fixture, "foo").owed_tokens, 0);
    assert_int_equal(fixture_status(&fixture, "foo").remaining_tokens, 0);
    fixture_release(&fixture);
}

/* 1 token in 7 s owed 6/7 of; of 1 token in 3 s that is 18/7 thirds, and so 3, which is a whole one. */
static void a_debt_is_rounded_against_the_key(void **state)
{
    (void)state;
    struct fixture fixture =
        fixture_of(one_bucket(10, (struct rate){1, 700}, 10), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    charge(&fixture, "foo", 11);
    fixture_pass(&fixture, 100);
    fixture_reload_limits(&fixture, one_bucket(10, (struct rate){1, 300}, 10));
    uint64_t token_units;
    assert_int_equal(brain_level_units(fixture.brain, "foo", NULL, 0, &token_units), -3);
    assert_int_equal(token_units, 3);
    fixture_release(&fixture);
}

/* ---- a full table ---- */

static void key_of(unsigned number, char key[16])
{
    snprintf(key, 16, "key-%u", number);
}

/* Charges so many keys, all of which owe then. */
static void charge_all(struct fixture *fixture, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char key[16];
        key_of(i, key);
        expect_charge(charge(fixture, key, 11), 11, 0, 1);
    }
}

static void expect_all_owe(struct fixture *fixture, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char key[16];
        key_of(i, key);
        assert_int_equal(fixture_status(fixture, key).owed_tokens, 1);
    }
}

static void a_key_that_owes_is_never_given_away(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(one_bucket(10, one_per_second, 20), 8, WHEN_FULL_EVICT);
    charge_all(&fixture, 7);
    assert_true(fixture_allows(&fixture, "a", 1));
    for (unsigned i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof key, "other-%u", i);
        assert_true(fixture_allows(&fixture, key, 9));
    }
    expect_all_owe(&fixture, 7);
    assert_int_equal(fixture_daemon(&fixture).counters.evicted, 50);
    fixture_release(&fixture);
}

static void where_all_owe_evict_decides_as_deny(void **state)
{
    (void)state;
    struct fixture fixture = fixture_of(one_bucket(10, one_per_second, 20), 8, WHEN_FULL_EVICT);
    charge_all(&fixture, 8);
    struct bucket_answer answer = fixture_allow(&fixture, "new", 1);
    assert_int_equal(answer.result, BUCKET_TABLE_FULL);
    assert_true(answer.retry_after_ms > 0);
    assert_int_equal(fixture_daemon(&fixture).counters.table_full_denied, 1);
    expect_all_owe(&fixture, 8);
    fixture_at(&fixture, 1000); /* they owe no more */
    assert_true(fixture_allows(&fixture, "new", 1));
    fixture_release(&fixture);
}

static void where_all_owe_a_charge_fails_and_is_counted(void **state)
{
    (void)state;
    static const enum when_full settings[] = {WHEN_FULL_EVICT, WHEN_FULL_DENY, WHEN_FULL_ALLOW};
    for (size_t i = 0; i < LENGTH(settings); i++) {
        struct fixture fixture = fixture_of(one_bucket(10, one_per_second, 20), 8, settings[i]);
        charge_all(&fixture, 8);
        struct bucket_answer answer = charge(&fixture, "new", 5);
        assert_int_equal(answer.result, BUCKET_TABLE_FULL);
        assert_int_equal(answer.charged_tokens, 0);
        assert_int_equal(fixture_status(&fixture, "new").remaining_tokens, 10);
        assert_int_equal(fixture_daemon(&fixture).counters.charges_failed, 1);
        assert_int_equal(fixture_daemon(&fixture).counters.charges, 8);
        assert_int_equal(fixture_daemon(&fixture).counters.forgiven_tokens, 0);
        assert_int_equal(brain_news(fixture.brain).count[NEWS_charges_failed], 1);
        expect_charge(charge(&fixture, "key-3", 2), 2, 0, 3); /* which has its place */
        fixture_release(&fixture);
    }
}

static void a_charge_makes_room_whatever_when_full_says(void **state)
{
    (void)state;
    static const enum when_full settings[] = {WHEN_FULL_EVICT, WHEN_FULL_DENY, WHEN_FULL_ALLOW};
    for (size_t i = 0; i < LENGTH(settings); i++) {
        struct fixture fixture = fixture_of(one_bucket(10, one_per_second, 20), 8, settings[i]);
        charge_all(&fixture, 7);
        assert_true(fixture_allows(&fixture, "live", 1));
        expect_charge(charge(&fixture, "new", 15), 15, 0, 5);
        assert_int_equal(fixture_daemon(&fixture).counters.evicted, 1);
        assert_int_equal(fixture_status(&fixture, "live").remaining_tokens, 10);
        expect_all_owe(&fixture, 7);
        fixture_release(&fixture);
    }
}

/* Whether two keys, the first of which is known, are allowed as one list. */
static bool allows_both(struct fixture *fixture, const char *known, const char *other)
{
    struct bucket_call calls[] = {
        {.ask = {.key = known, .key_len = strlen(known), .tokens = 2}},
        {.ask = {.key = other, .key_len = strlen(other), .tokens = 1}},
    };
    struct message message = {.kind = MESSAGE_ALL, .ask.list = {.calls = calls, .count = 2}};
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
    if (!message.answer.list.allowed) {
        assert_int_equal(calls[0].answer.result, BUCKET_HELD_BACK);
        assert_int_equal(calls[1].answer.result, BUCKET_TABLE_FULL);
        assert_true(message.answer.list.retry_after_ms > 0);
    }
    return message.answer.list.allowed;
}

/* All keys but one owe. If that is not among those that are looked at, there is no room for the other
 * key of a list, and it gets back what was taken of it for the list. */
static void a_list_that_finds_no_room_gives_back_what_it_took(void **state)
{
    (void)state;
    enum { MANY = 100 };
    unsigned allowed = 0;
    struct fixture fixture = fixture_of(one_bucket(10, one_per_second, 20), MANY, WHEN_FULL_EVICT);
    charge_all(&fixture, MANY - 1);
    for (unsigned i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "other-%u", i);
        assert_true(fixture_allows(&fixture, "known", 4));
        if (allows_both(&fixture, "known", key)) {
            allowed++;
        } else {
            assert_int_equal(fixture_status(&fixture, "known").remaining_tokens, 6);
            assert_int_equal(fixture_status(&fixture, key).remaining_tokens, 10);
        }
        fixture_reset(&fixture, "known");
        fixture_reset(&fixture, key);
        assert_int_equal(fixture_daemon(&fixture).keys, MANY - 1);
    }
    assert_in_range(allowed, 1, 199);
    expect_all_owe(&fixture, MANY - 1);
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_charge_takes_what_is_there_and_then_what_is_not),
        cmocka_unit_test(until_it_is_paid_asks_are_denied_with_the_true_wait),
        cmocka_unit_test(what_is_beyond_the_debt_is_forgiven_in_whole_tokens),
        cmocka_unit_test(without_debt_a_charge_takes_only_what_is_there),
        cmocka_unit_test(a_charge_may_be_more_than_the_burst),
        cmocka_unit_test(a_reset_forgives),
        cmocka_unit_test(a_refund_pays_the_debt_first),
        cmocka_unit_test(a_charge_of_no_limit_does_nothing),
        cmocka_unit_test(a_tick_is_due_while_a_key_owes),
        cmocka_unit_test(each_bucket_clamps_for_itself),
        cmocka_unit_test(a_limit_on_trial_is_charged),
        cmocka_unit_test(an_override_has_a_debt_of_its_own_and_its_end_carries_it),
        cmocka_unit_test(the_end_of_an_override_forgives_what_is_beyond_the_debt),
        cmocka_unit_test(a_key_that_is_never_limited_is_not_charged),
        cmocka_unit_test(a_debt_outlives_an_override_that_allows),
        cmocka_unit_test(a_key_that_is_always_denied_is_charged),
        cmocka_unit_test(a_debt_carries_over_a_reload),
        cmocka_unit_test(a_debt_is_rounded_against_the_key),
        cmocka_unit_test(a_key_that_owes_is_never_given_away),
        cmocka_unit_test(where_all_owe_evict_decides_as_deny),
        cmocka_unit_test(where_all_owe_a_charge_fails_and_is_counted),
        cmocka_unit_test(a_charge_makes_room_whatever_when_full_says),
        cmocka_unit_test(a_list_that_finds_no_room_gives_back_what_it_took),
    };
    return cmocka_run_group_tests_name("debt", tests, NULL, NULL);
}
