/* Samplers: never more than so many in a period, whatever comes when, and each one left out is
 * told once. */
#include "brain/sampler.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"
#include "support/dice.h"

#include <string.h>

static const struct rate ten = {10, 1000};

static void takes_so_many_in_a_period(void **unused)
{
    (void)unused;
    struct sampler sampler = {0};
    sampler_set(&sampler, ten, 0);
    for (uint64_t period = 0; period < 100; period++) {
        unsigned taken = 0;
        for (uint64_t ms = 0; ms < 1000; ms++) {
            struct sample sample = sampler_take(&sampler, (period * 1000 + ms) * NS_PER_MS);
            taken += sample.is_taken;
            assert_int_equal(sample.is_taken, ms < 10);
            assert_int_equal(sample.left_out, period > 0 && ms == 0 ? 990 : 0);
        }
        assert_int_equal(taken, 10);
    }
}

static void saves_nothing_up(void **unused)
{
    (void)unused;
    struct sampler sampler = {0};
    uint64_t later_ns = 1000 * 365 * (uint64_t)MS_PER_DAY * NS_PER_MS / 100;
    sampler_set(&sampler, ten, 5);
    for (int i = 0; i < 20; i++)
        assert_int_equal(sampler_take(&sampler, 5 + later_ns).is_taken, i < 10);
}

static void takes_none_unless_it_is_set(void **unused)
{
    (void)unused;
    struct sampler sampler = {0};
    sampler_set(&sampler, (struct rate){0}, 0);
    for (uint64_t i = 0; i < 100; i++)
        assert_false(sampler_take(&sampler, i * NS_PER_S).is_taken);
    sampler_set(&sampler, ten, 100ull * NS_PER_S);
    struct sample sample = sampler_take(&sampler, 100ull * NS_PER_S);
    assert_true(sample.is_taken);
    assert_int_equal(sample.left_out, 0); /* nobody asked for those */
}

/* A reload that leaves the rate as it is gives no new burst; one that changes it begins anew,
 * and forgets none left out. */
static void is_set_again(void **unused)
{
    (void)unused;
    struct sampler sampler = {0};
    sampler_set(&sampler, ten, 0);
    for (int i = 0; i < 15; i++)
        sampler_take(&sampler, 1);
    sampler_set(&sampler, ten, 2);
    assert_false(sampler_take(&sampler, 2).is_taken);
    sampler_set(&sampler, (struct rate){1, 5}, 3);
    struct sample sample = sampler_take(&sampler, 3);
    assert_true(sample.is_taken);
    assert_int_equal(sample.left_out, 6);
    assert_false(sampler_take(&sampler, 3 + 5 * NS_PER_MS - 1).is_taken);
    assert_true(sampler_take(&sampler, 3 + 5 * NS_PER_MS).is_taken);
}

/* Every rate that a configuration may have. */
static void any_rate_any_time(void **unused)
{
    (void)unused;
    struct dice dice = dice_new(0);
    for (int i = 0; i < 2000; i++) {
        struct rate rate = {dice_once_in(&dice, 2) ? dice_between(&dice, 1, 20)
                                                   : dice_between(&dice, 1, SAMPLER_TOKENS_MAX),
                            dice_once_in(&dice, 2) ? dice_between(&dice, 1, 20)
                                                   : dice_between(&dice, 1, PERIOD_MAX_MS)};
        struct sampler sampler = {0};
        uint64_t now_ns = dice_roll(&dice, NS_PER_S), began_ns = now_ns, period = 0, taken = 0;
        uint64_t asked = 0, told = 0;
        sampler_set(&sampler, rate, now_ns);
        for (int j = 0; j < 200; j++) {
            now_ns +=
                dice_roll(&dice, 2 * NS_PER_MS * (dice_once_in(&dice, 9) ? rate.period_ms : 1));
            uint64_t now_period = (now_ns - began_ns) / (rate.period_ms * NS_PER_MS);
            taken = now_period == period ? taken : 0;
            period = now_period;
            struct sample sample = sampler_take(&sampler, now_ns);
            assert_int_equal(sample.is_taken, taken < rate.tokens);
            taken += sample.is_taken;
            told += sample.is_taken + sample.left_out;
            asked++;
        }
        assert_int_equal(told + sampler.left_out, asked);
    }
}

/* ---- in the brain ---- */

static struct limits *limits_showing(struct rate denials, bool shadow)
{
    const struct limit_terms terms = {
        .name = "default",
        .shadow = shadow,
        .buckets_count = 1,
        .buckets = {{.burst = 1, .rate = {1, MS_PER_DAY}}},
    };
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    limits->shown_denials = denials;
    return limits;
}

static void denials_are_sampled_in_order(void **unused)
{
    (void)unused;
    struct fixture fixture;
    fixture_init_limits(&fixture, limits_showing((struct rate){2, 1000}, false), 10,
                        WHEN_FULL_EVICT);
    for (unsigned second = 0; second < 5; second++) {
        fixture_at(&fixture, 1000 * second);
        for (unsigned i = 0; i < 7; i++) {
            struct bucket_answer answer = fixture_allow(&fixture, "a", 2);
            assert_true(bucket_answer_denies(&answer));
            assert_int_equal(answer.sample.is_taken, i < 2);
            assert_int_equal(answer.sample.left_out, second > 0 && i == 0 ? 5 : 0);
            answer = fixture_status(&fixture, "a");
            assert_false(bucket_answer_denies(&answer));
        }
    }
    fixture_release(&fixture);
}

static void none_is_sampled_by_default(void **unused)
{
    (void)unused;
    struct fixture fixture;
    fixture_init_limits(&fixture, limits_showing((struct rate){0}, false), 10, WHEN_FULL_EVICT);
    for (int i = 0; i < 5; i++)
        assert_false(fixture_allow(&fixture, "a", 2).sample.is_taken);
    /* From a reload on it is, and no longer after another. */
    fixture_reload_limits(&fixture, limits_showing((struct rate){1, 1000}, false));
    assert_true(fixture_allow(&fixture, "a", 2).sample.is_taken);
    assert_false(fixture_allow(&fixture, "a", 2).sample.is_taken);
    fixture_at(&fixture, 5000);
    fixture_reload_limits(&fixture, limits_showing((struct rate){0}, false));
    assert_false(fixture_allow(&fixture, "a", 2).sample.is_taken);
    fixture_release(&fixture);
}

static void what_is_allowed_takes_no_share(void **unused)
{
    (void)unused;
    struct fixture fixture;
    fixture_init_limits(&fixture, limits_showing((struct rate){1, 1000}, true), 10,
                        WHEN_FULL_EVICT);
    for (int i = 0; i < 5; i++) { /* on trial: told yes */
        struct bucket_answer answer = fixture_allow(&fixture, "a", 2);
        assert_false(bucket_answer_denies(&answer));
    }
    fixture_reload_limits(&fixture, limits_showing((struct rate){1, 1000}, false));
    struct bucket_answer answer = fixture_allow(&fixture, "a", 2);
    assert_true(answer.sample.is_taken);
    assert_int_equal(answer.sample.left_out, 0);
    fixture_release(&fixture);
}

static struct bucket_call call(const char *key, uint64_t tokens)
{
    return (struct bucket_call){.ask = {.key = key, .key_len = strlen(key), .tokens = tokens}};
}

static void ask_list(struct fixture *fixture, enum message_kind kind, struct bucket_call *calls,
                     uint32_t count)
{
    struct message message = {.kind = kind, .ask.list = {.calls = calls, .count = count}};
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
}

/* Each of a list; and of all or none those that are why, not those held back. */
static void lists_are_sampled_alike(void **unused)
{
    (void)unused;
    struct fixture fixture;
    fixture_init_limits(&fixture, limits_showing((struct rate){3, 1000}, false), 10,
                        WHEN_FULL_EVICT);
    struct bucket_call all[] = {call("a", 1), call("b", 9), call("c", 1), call("d", 9)};
    ask_list(&fixture, MESSAGE_ALL, all, LENGTH(all));
    for (size_t i = 0; i < LENGTH(all); i++) {
        assert_int_equal(bucket_answer_denies(&all[i].answer), i % 2 == 1);
        assert_true(i % 2 == 0 || all[i].answer.sample.is_taken);
    }
    struct bucket_call each[] = {call("a", 1), call("b", 9), call("c", 9), call("d", 9)};
    ask_list(&fixture, MESSAGE_EACH, each, LENGTH(each));
    assert_false(bucket_answer_denies(&each[0].answer));
    assert_true(each[1].answer.sample.is_taken);
    assert_false(each[2].answer.sample.is_taken);
    assert_false(each[3].answer.sample.is_taken);
    fixture_at(&fixture, 1000);
    assert_int_equal(fixture_allow(&fixture, "b", 9).sample.left_out, 2);
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_so_many_in_a_period),
        cmocka_unit_test(saves_nothing_up),
        cmocka_unit_test(takes_none_unless_it_is_set),
        cmocka_unit_test(is_set_again),
        cmocka_unit_test(any_rate_any_time),
        cmocka_unit_test(denials_are_sampled_in_order),
        cmocka_unit_test(none_is_sampled_by_default),
        cmocka_unit_test(what_is_allowed_takes_no_share),
        cmocka_unit_test(lists_are_sampled_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
