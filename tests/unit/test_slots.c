/* Slots: what is shown of buckets that hold them, and what is refused because only leases take them. */
#include "brain/brain.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"

#include <string.h>

static const struct rate one_per_second = {1, 1000};

/* "jobs" has slots only, "mixed" beside a rate, and of the default limit the keys of an override. */
static struct fixture usual_fixture(void)
{
    const struct override_terms overrides[] = {
        {.key = "held",
         .until_s = OVERRIDE_FOR_EVER,
         .buckets_count = 1,
         .buckets = {{.burst = 2, .holds_slots = true}}},
    };
    const struct override_terms of_jobs[] = {
        {.key = "free", .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER},
        {.key = "spam", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
        {.key = "rated",
         .until_s = OVERRIDE_FOR_EVER,
         .buckets_count = 1,
         .buckets = {{.burst = 5, .rate = one_per_second}}},
    };
    const struct limit_terms terms[] = {
        {.name = "jobs",
         .buckets_count = 1,
         .buckets = {{.burst = 8, .holds_slots = true}},
         .overrides_count = LENGTH(of_jobs),
         .overrides = of_jobs},
        {.name = "mixed",
         .shadow = true,
         .buckets_count = 2,
         .buckets = {{.name = "running", .burst = 4, .holds_slots = true},
                     {.name = "second", .burst = 10, .rate = one_per_second, .debt_max = 10}}},
        {.name = LIMIT_DEFAULT_NAME,
         .buckets_count = 1,
         .buckets = {{.burst = 10, .rate = one_per_second}},
         .overrides_count = LENGTH(overrides),
         .overrides = overrides},
    };
    struct limits *limits = limits_new(LENGTH(terms), 100);
    assert_non_null(limits);
    for (size_t i = 0; i < LENGTH(terms); i++)
        assert_true(limits_add(limits, &terms[i]));
    struct fixture fixture;
    fixture_init_limits(&fixture, limits, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    return fixture;
}

/* ---- what is shown ---- */

static void free_slots_are_shown_without_a_time(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    struct bucket_answer answer = fixture_ask(&fixture, MESSAGE_STATUS, "foo", "jobs", 0);
    assert_int_equal(answer.result, BUCKET_ALLOWED);
    assert_int_equal(answer.remaining_tokens, 8);
    assert_int_equal(answer.owed_tokens, 0);
    assert_true(answer.full_after_ms == RETRY_NEVER);
    assert_true(answer.buckets[0].next_token_ms == RETRY_NEVER);
    assert_true(answer.buckets[0].full_after_ms == RETRY_NEVER);
    assert_false(answer.active);
    answer = fixture_ask(&fixture, MESSAGE_ALLOW, "foo", "jobs", 0); /* a look */
    assert_int_equal(answer.result, BUCKET_ALLOWED);
    assert_int_equal(answer.remaining_tokens, 8);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    fixture_release(&fixture);
}

/* All together are shown by the buckets of tokens, but for the time, which nobody knows. */
static void beside_slots_the_tokens_are_shown(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    struct bucket_answer answer = fixture_ask(&fixture, MESSAGE_CHARGE, "foo", "mixed", 12);
    assert_int_equal(answer.charged_tokens, 12);
    assert_int_equal(answer.remaining_tokens, 0);
    assert_int_equal(answer.owed_tokens, 2);
    assert_true(answer.full_after_ms == RETRY_NEVER);
    assert_true(answer.active);
    assert_int_equal(answer.buckets[0].remaining_tokens, 4);
    assert_int_equal(answer.buckets[0].charged_tokens, 0);
    assert_int_equal(answer.buckets[1].owed_tokens, 2);
    assert_int_equal(answer.buckets[1].next_token_ms, 3000);
    assert_int_equal(answer.buckets[1].full_after_ms, 12000);
    fixture_at(&fixture, 12000);
    answer = fixture_ask(&fixture, MESSAGE_STATUS, "foo", "mixed", 0);
    assert_int_equal(answer.remaining_tokens, 10);
    assert_false(answer.active);
    fixture_sweep_all(&fixture);
    assert_int_equal(fixture_daemon(&fixture).keys, 0);
    fixture_release(&fixture);
}

static void overrides_that_allow_or_deny_tell_no_time_of_slots(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    static const char *const keys[] = {"free", "spam"};
    for (size_t i = 0; i < LENGTH(keys); i++) {
        struct bucket_answer answer = fixture_ask(&fixture, MESSAGE_STATUS, keys[i], "jobs", 0);
        assert_int_equal(answer.remaining_tokens, i == 0 ? 8 : 0);
        assert_true(answer.buckets[0].next_token_ms == RETRY_NEVER);
        assert_true(answer.full_after_ms == RETRY_NEVER);
        assert_false(answer.active);
    }
    fixture_release(&fixture);
}

/* ---- what is refused ---- */

static void expect_not_done(struct fixture *fixture, enum message_kind kind, const char *key,
                            const char *limit, uint64_t tokens, enum bucket_result result)
{
    struct bucket_answer answer = fixture_ask(fixture, kind, key, limit, tokens);
    assert_int_equal(answer.result, result);
    assert_non_null(answer.limit);
    assert_string_equal(answer.limit->name, limit == NULL ? LIMIT_DEFAULT_NAME : limit);
    const struct daemon_answer daemon = fixture_daemon(fixture);
    assert_int_equal(daemon.keys, 0);
    assert_int_equal(daemon.counters.allowed + daemon.counters.denied, 0);
    assert_int_equal(daemon.counters.resets + daemon.counters.refunds + daemon.counters.charges, 0);
}

/* Whatever holds for the key beside: it is the wrong question for it. */
static void tokens_of_a_limit_with_slots_need_a_lease(void **state)
{
    (void)state;
    static const char *const keys[] = {"foo", "free", "spam"};
    struct fixture fixture = usual_fixture();
    for (size_t i = 0; i < LENGTH(keys); i++) {
        expect_not_done(&fixture, MESSAGE_ALLOW, keys[i], "jobs", 1, BUCKET_NEEDS_LEASE);
        expect_not_done(&fixture, MESSAGE_ALLOW, keys[i], "mixed", 1, BUCKET_NEEDS_LEASE);
    }
    expect_not_done(&fixture, MESSAGE_ALLOW, "foo", "jobs", TOKENS_MAX, BUCKET_NEEDS_LEASE);
    expect_not_done(&fixture, MESSAGE_ALLOW, "held", NULL, 1, BUCKET_NEEDS_LEASE);
    assert_int_equal(fixture_ask(&fixture, MESSAGE_ALLOW, "rated", "jobs", 1).result,
                     BUCKET_ALLOWED);
    assert_int_equal(fixture_ask(&fixture, MESSAGE_ALLOW, "foo", NULL, 1).result, BUCKET_ALLOWED);
    fixture_release(&fixture);
}

static void slots_are_not_reset_refunded_or_charged(void **state)
{
    (void)state;
    static const enum message_kind kinds[] = {MESSAGE_RESET, MESSAGE_REFUND, MESSAGE_CHARGE};
    struct fixture fixture = usual_fixture();
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        expect_not_done(&fixture, kinds[i], "foo", "jobs", 1, BUCKET_SLOTS_ONLY);
        expect_not_done(&fixture, kinds[i], "free", "jobs", 0, BUCKET_SLOTS_ONLY);
        expect_not_done(&fixture, kinds[i], "held", NULL, 1, BUCKET_SLOTS_ONLY);
    }
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct bucket_answer answer = fixture_ask(&fixture, kinds[i], "foo", "mixed", 1);
        assert_int_equal(answer.result, BUCKET_ALLOWED);
        assert_int_equal(answer.buckets[0].remaining_tokens, 4);
    }
    fixture_release(&fixture);
}

static void a_reset_fills_the_buckets_of_tokens(void **state)
{
    (void)state;
    struct fixture fixture = usual_fixture();
    fixture_ask(&fixture, MESSAGE_CHARGE, "foo", "mixed", 15);
    struct bucket_answer answer = fixture_ask(&fixture, MESSAGE_REFUND, "foo", "mixed", 7);
    assert_int_equal(answer.remaining_tokens, 2);
    assert_int_equal(answer.buckets[0].remaining_tokens, 4);
    answer = fixture_ask(&fixture, MESSAGE_RESET, "foo", "mixed", 0);
    assert_int_equal(answer.remaining_tokens, 10);
    assert_false(answer.active);
    fixture_release(&fixture);
}

/* ---- lists ---- */

/* Asks about these keys; of a key in capitals the limit is "jobs". */
static struct message ask_list(struct fixture *fixture, enum message_kind kind,
                               struct bucket_call calls[], const char *const keys[], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        calls[i].ask = (struct bucket_question){
            .key = keys[i],
            .key_len = strlen(keys[i]),
            .limit_name = keys[i][0] < 'a' ? "jobs" : NULL,
            .limit_name_len = strlen("jobs"),
            .tokens = keys[i][0] == 'Z' ? 0 : 1,
        };
    struct message message = {.kind = kind, .ask.list = {calls, count}};
    ask_brain(fixture->brain, (struct message *const[]){&message}, 1);
    return message;
}

static void a_list_with_a_call_that_needs_a_lease_does_nothing(void **state)
{
    (void)state;
    static const enum message_kind kinds[] = {MESSAGE_EACH, MESSAGE_ALL};
    static const char *const keys[] = {"foo", "Z", "held", "JOB"};
    struct bucket_call calls[LENGTH(keys)];
    struct fixture fixture = usual_fixture();
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct message message = ask_list(&fixture, kinds[i], calls, keys, LENGTH(keys));
        assert_false(list_is_done(&message));
        assert_int_equal(message.answer.list.no_such_limit, LENGTH(keys));
        assert_int_equal(message.answer.list.needs_lease, 2);
        assert_string_equal(calls[2].answer.limit->name, LIMIT_DEFAULT_NAME);
        message = ask_list(&fixture, kinds[i], calls, &keys[3], 1);
        assert_int_equal(message.answer.list.needs_lease, 0);
        assert_int_equal(fixture_daemon(&fixture).keys, 0);
        message = ask_list(&fixture, kinds[i], calls, &keys[1], 1);
        assert_true(list_is_done(&message));
        assert_int_equal(calls[0].answer.result, BUCKET_ALLOWED);
    }
    struct message message = ask_list(&fixture, MESSAGE_LIST, calls, keys, LENGTH(keys));
    assert_true(list_is_done(&message));
    assert_int_equal(calls[2].answer.remaining_tokens, 2);
    assert_int_equal(calls[3].answer.remaining_tokens, 8);
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_slots_are_shown_without_a_time),
        cmocka_unit_test(beside_slots_the_tokens_are_shown),
        cmocka_unit_test(overrides_that_allow_or_deny_tell_no_time_of_slots),
        cmocka_unit_test(tokens_of_a_limit_with_slots_need_a_lease),
        cmocka_unit_test(slots_are_not_reset_refunded_or_charged),
        cmocka_unit_test(a_reset_fills_the_buckets_of_tokens),
        cmocka_unit_test(a_list_with_a_call_that_needs_a_lease_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
