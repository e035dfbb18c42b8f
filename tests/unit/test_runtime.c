/* Run-time overrides: which of them go along into the next limits, and which one holds. */
#include "limits/runtime.h"

#include "limits/lines.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOW_S = 1000 };

static const struct rate one_per_second = {1, 1000};

static struct override_terms denied(const char *key, int64_t until_s)
{
    return (struct override_terms){.key = key, .action = OVERRIDE_DENY, .until_s = until_s};
}

/* One of run time, told by its burst. */
static struct override_terms at_runtime(const char *key, uint64_t burst, int64_t until_s)
{
    return (struct override_terms){
        .key = key,
        .until_s = until_s,
        .buckets_count = 1,
        .buckets = {{.burst = burst, .rate = one_per_second}},
        .is_runtime = true,
        .reason = "because",
    };
}

static void add(struct limits *limits, const char *name, const char *was,
                const struct override_terms *overrides, uint32_t count)
{
    const struct limit_terms terms = {
        .name = name,
        .was = was,
        .match = strcmp(name, LIMIT_DEFAULT_NAME) == 0 ? NULL : "a*",
        .shadow = true,
        .returns_on_expiry = true,
        .warn_percent = 80,
        .buckets_count = 1,
        .buckets = {{.burst = 10, .rate = one_per_second, .debt_max = 3}},
        .overrides_count = count,
        .overrides = overrides,
    };
    assert_true(limits_add(limits, &terms));
}

/* Two limits; the first has an override for "key", and one for a network. */
static struct limits *configured_as(const char *name, const char *was)
{
    const struct override_terms overrides[] = {denied("key", OVERRIDE_FOR_EVER),
                                               denied("10.0.0.0/8", OVERRIDE_FOR_EVER),
                                               denied("k*", OVERRIDE_FOR_EVER)};
    struct limits *limits = limits_new(2, 100);
    assert_non_null(limits);
    add(limits, name, was, overrides, LENGTH(overrides));
    add(limits, LIMIT_DEFAULT_NAME, NULL, NULL, 0);
    limits->shown_denials = (struct rate){7, 1000};
    limits->waiting = (struct waiting_terms){5, 3};
    limits->fleet = (struct fleet_terms){.ttl_ms = 2000, .cold = FLEET_COLD_ALLOW};
    return limits;
}

static struct limits *configured(void)
{
    return configured_as("api", NULL);
}

static void expect_lost(const struct runtime_lost *lost, uint32_t without_limit, uint32_t unfit,
                        uint32_t without_room)
{
    assert_int_equal(lost->without_limit, without_limit);
    assert_int_equal(lost->unfit, unfit);
    assert_int_equal(lost->without_room, without_room);
}

/* Sets one as of NOW_S, in place of the limits before. */
static void set(struct limits *from, struct limits **limits, uint32_t limit,
                const struct override_terms *override)
{
    struct runtime_lost lost;
    const struct runtime_change change = {.limit = limit, .key = override->key, .set = override};
    struct limits *next = runtime_merge(from, *limits, &change, NOW_S, &lost);
    assert_non_null(next);
    expect_lost(&lost, 0, 0, 0);
    limits_release(*limits);
    *limits = next;
}

/* Merges for another configuration, which is given away. */
static struct runtime_lost go_on(struct limits *from, struct limits **limits, int64_t date_s)
{
    struct runtime_lost lost;
    struct limits *next = runtime_merge(from, *limits, NULL, date_s, &lost);
    assert_non_null(next);
    limits_release(from);
    limits_release(*limits);
    *limits = next;
    return lost;
}

/* The burst of the override that holds, or 0: that of the configuration denies; -1: none. */
static int64_t holds(const struct limits *limits, const char *key, int64_t as_of_s)
{
    int found = limit_override(&limits->limit[0], key, as_of_s);
    return found < 0 ? -1 : (int64_t)limits->limit[0].overrides[found].allowance.burst;
}

static void one_of_run_time_goes_before_that_of_the_configuration(void **state)
{
    (void)state;
    struct limits *from = configured(), *limits = limits_retain(from);
    const struct override_terms exact = at_runtime("key", 20, 2000),
                                network = at_runtime("10.0.0.0/8", 21, 3000),
                                glob = at_runtime("k*", 22, 4000);
    set(from, &limits, 0, &exact);
    set(from, &limits, 0, &network);
    set(from, &limits, 0, &glob);
    assert_int_equal(holds(limits, "key", NOW_S), 20);
    assert_int_equal(holds(limits, "10.1.2.3", NOW_S), 21);
    assert_int_equal(holds(limits, "kay", NOW_S), 22);
    /* At its end that of the configuration holds again, and not a glob of run time. */
    assert_int_equal(holds(limits, "key", 2000), 0);
    assert_int_equal(holds(limits, "10.1.2.3", 3000), 0);
    assert_int_equal(holds(limits, "kay", 4000), 0);
    assert_int_equal(holds(limits, "else", NOW_S), -1);
    assert_int_equal(limit_next_end_s(&limits->limit[0], NOW_S), 2000);
    limits_release(limits);
    limits_release(from);
}

static void of_several_globs_the_one_that_was_set_last_holds(void **state)
{
    (void)state;
    struct limits *from = configured(), *limits = limits_retain(from);
    const struct override_terms wide = at_runtime("*", 20, 2000),
                                narrow = at_runtime("x*", 21, 2000);
    set(from, &limits, 0, &wide);
    set(from, &limits, 0, &narrow);
    assert_int_equal(holds(limits, "x1", NOW_S), 21);
    set(from, &limits, 0, &wide); /* once more */
    assert_int_equal(holds(limits, "x1", NOW_S), 20);
    assert_int_equal(runtime_count(&limits->limit[0], NOW_S), 2);
    limits_release(limits);
    limits_release(from);
}

static void a_change_replaces_or_drops_the_one_for_its_key(void **state)
{
    (void)state;
    struct limits *from = configured(), *limits = limits_retain(from);
    struct override_terms first = at_runtime("key", 20, 2000), second = at_runtime("key", 30, 2000);
    struct runtime_lost lost;
    set(from, &limits, 0, &first);
    set(from, &limits, 1, &first); /* of another limit */
    set(from, &limits, 0, &second);
    assert_int_equal(runtime_count(&limits->limit[0], NOW_S), 1);
    assert_int_equal(runtime_count(&limits->limit[1], NOW_S), 1);
    assert_int_equal(runtime_find(&limits->limit[0], "key", NOW_S), 0);
    assert_int_equal(runtime_find(&limits->limit[0], "key", 2000), -1);
    assert_int_equal(runtime_count_all(&limits->limit[0], 1999), 4);
    assert_int_equal(runtime_count_all(&limits->limit[0], 2000),
                     3); /* those of the configuration */
    assert_int_equal(runtime_count(&limits->limit[0], 2000), 0);
    assert_int_equal(runtime_find(&limits->limit[0], "k*", NOW_S), -1); /* the configuration's */
    assert_int_equal(limits->limit[0].overrides[0].allowance.burst, 30);
    assert_string_equal(limits->limit[0].overrides[0].reason, "because");
    assert_null(limits->limit[0].overrides[1].reason);
    const struct runtime_change drop = {.limit = 0, .key = "key"};
    struct limits *next = runtime_merge(from, limits, &drop, NOW_S, &lost);
    expect_lost(&lost, 0, 0, 0);
    assert_int_equal(runtime_count(&next->limit[0], NOW_S), 0);
    assert_int_equal(runtime_count(&next->limit[1], NOW_S), 1);
    assert_int_equal(holds(next, "key", NOW_S), 0);
    limits_release(next);
    limits_release(limits);
    limits_release(from);
}

/* All else of the limits is as it is configured. */
static void the_rest_is_as_configured(void **state)
{
    (void)state;
    struct limits *from = configured(), *limits = limits_retain(from);
    const struct override_terms some = at_runtime("some", 20, 2000);
    set(from, &limits, 0, &some);
    assert_ptr_not_equal(limits, from);
    assert_int_equal(limits->count, 2);
    assert_int_equal(limits->fallback, 1);
    assert_true(limits->tick_ms == 100 && limits->shown_denials.tokens == 7);
    assert_int_equal(limits->waiting.max_waiting, 5);
    assert_int_equal(limits->waiting.per_key, 3);
    assert_memory_equal(&limits->fleet, &from->fleet, sizeof from->fleet);
    for (uint32_t i = 0; i < 2; i++) {
        const struct limit *limit = &limits->limit[i], *as = &from->limit[i];
        assert_string_equal(limit->name, as->name);
        assert_string_equal(limit->match, as->match);
        assert_true(limit->shadow && limit->returns_on_expiry && !limit->knows_no_networks);
        assert_int_equal(limit->warn_percent, 80);
        assert_memory_equal(&limit->allowance.bucket, &as->allowance.bucket,
                            sizeof as->allowance.bucket);
        assert_int_equal(limit->overrides_count, as->overrides_count + (i == 0));
        for (uint32_t j = 0; j < as->overrides_count; j++)
            assert_string_equal(limit->overrides[j + (i == 0)].key, as->overrides[j].key);
    }
    limits_release(limits);
    limits_release(from);
}

static void without_any_they_are_the_configured_ones(void **state)
{
    (void)state;
    struct limits *from = configured(), *limits = limits_retain(from);
    struct runtime_lost lost = {1, 1, 1};
    const struct override_terms some = at_runtime("some", 20, 2000);
    struct limits *none = runtime_merge(from, NULL, NULL, NOW_S, &lost);
    assert_ptr_equal(none, from);
    expect_lost(&lost, 0, 0, 0);
    limits_release(none);
    set(from, &limits, 0, &some);
    struct limits *ended = runtime_merge(from, limits, NULL, 2000, &lost);
    assert_ptr_equal(ended, from);
    expect_lost(&lost, 0, 0, 0);
    limits_release(ended);
    limits_release(limits);
    limits_release(from);
}

static void they_follow_their_limit_to_another_name(void **state)
{
    (void)state;
    struct limits *from = configured(), *limits = limits_retain(from);
    const struct override_terms first = at_runtime("first", 20, 2000),
                                other = at_runtime("other", 21, 2000);
    set(from, &limits, 0, &first);
    set(from, &limits, 0, &other);
    limits_release(from);
    struct runtime_lost lost = go_on(configured_as("web", "api"), &limits, NOW_S);
    expect_lost(&lost, 0, 0, 0);
    assert_string_equal(limits->limit[0].name, "web");
    assert_string_equal(limits->limit[0].overrides[0].key, "other");
    assert_string_equal(limits->limit[0].overrides[1].key, "first");
    lost = go_on(configured_as("another", NULL), &limits, NOW_S);
    expect_lost(&lost, 2, 0, 0);
    assert_int_equal(runtime_count(&limits->limit[0], NOW_S), 0);
    limits_release(limits);
}

/* With a tick of a second a bucket of one token is filled by less than a tick: its rate needs more. */
static void what_does_not_go_with_the_tick_is_lost(void **state)
{
    (void)state;
    struct limits *from = configured(), *limits = limits_retain(from);
    struct override_terms quick = at_runtime("quick", 1, 2000), slow = at_runtime("slow", 1, 2000);
    quick.buckets[0].rate = (struct rate){10, 1000};
    set(from, &limits, 0, &quick);
    set(from, &limits, 0, &slow);
    limits_release(from);
    struct limits *longer = limits_new(1, 1000);
    assert_non_null(longer);
    add(longer, LIMIT_DEFAULT_NAME, "api", NULL, 0);
    struct runtime_lost lost = go_on(longer, &limits, NOW_S);
    expect_lost(&lost, 2, 0, 0); /* the default was there before, so it is not api's heir */
    limits_release(limits);

    from = configured();
    limits = limits_retain(from);
    set(from, &limits, 0, &quick);
    set(from, &limits, 0, &slow);
    limits_release(from);
    longer = limits_new(2, 1000);
    assert_non_null(longer);
    add(longer, "api", NULL, NULL, 0);
    add(longer, LIMIT_DEFAULT_NAME, NULL, NULL, 0);
    lost = go_on(longer, &limits, NOW_S);
    expect_lost(&lost, 0, 1, 0);
    assert_int_equal(limits->limit[0].overrides_count, 1);
    assert_string_equal(limits->limit[0].overrides[0].key, "slow");
    limits_release(limits);
}

/* So many overrides as there may be but for `less`, in a configuration. */
static struct limits *nearly_full(uint32_t less)
{
    uint32_t count = OVERRIDES_MAX - less;
    struct override_terms *overrides = calloc(count, sizeof overrides[0]);
    char(*keys)[16] = calloc(count, sizeof keys[0]);
    assert_true(overrides != NULL && keys != NULL);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(keys[i], sizeof keys[i], "%" PRIu32, i);
        overrides[i] = denied(keys[i], OVERRIDE_FOR_EVER);
    }
    struct limits *limits = limits_new(2, 100);
    assert_non_null(limits);
    add(limits, "api", NULL, overrides, count);
    add(limits, LIMIT_DEFAULT_NAME, NULL, NULL, 0);
    free(overrides);
    free(keys);
    return limits;
}

/* Of a limit whose next configuration shares it in a fleet. */
static void what_does_not_fit_a_fleet_is_lost(void **state)
{
    (void)state;
    struct limits *from = configured(), *limits = limits_retain(from);
    struct override_terms large = at_runtime("large", UINT64_C(1) << 45, 2000),
                          slots = at_runtime("slots", 8, 2000), good = at_runtime("good", 1, 2000);
    large.buckets[0].rate = (struct rate){1000000, 1000};
    slots.buckets[0] = (struct bucket_terms){.burst = 8, .holds_slots = true};
    set(from, &limits, 0, &large);
    set(from, &limits, 0, &slots);
    set(from, &limits, 0, &good);
    limits_release(from);
    const struct limit_terms terms = {
        .name = "api",
        .is_fleet = true,
        .buckets_count = 1,
        .buckets = {{.burst = 10, .rate = one_per_second}},
    };
    struct limits *shared = limits_new(2, 100);
    assert_non_null(shared);
    assert_true(limits_add(shared, &terms));
    add(shared, LIMIT_DEFAULT_NAME, NULL, NULL, 0);
    struct runtime_lost lost = go_on(shared, &limits, NOW_S);
    expect_lost(&lost, 0, 2, 0);
    assert_true(limits->limit[0].is_fleet);
    assert_int_equal(limits->limit[0].overrides_count, 1);
    assert_string_equal(limits->limit[0].overrides[0].key, "good");
    limits_release(limits);
}

static void there_are_no_more_than_may_be_and_the_last_ones_stay(void **state)
{
    (void)state;
    struct limits *from = configured(), *limits = limits_retain(from);
    for (uint64_t i = 0; i < 3; i++) {
        char key[] = {(char)('x' + (char)i), '\0'};
        const struct override_terms override = at_runtime(key, 20 + i, 2000);
        set(from, &limits, 0, &override);
    }
    limits_release(from);
    struct runtime_lost lost = go_on(nearly_full(2), &limits, NOW_S);
    expect_lost(&lost, 0, 0, 1);
    assert_int_equal(limits->limit[0].overrides_count, OVERRIDES_MAX);
    assert_string_equal(limits->limit[0].overrides[0].key, "z");
    assert_string_equal(limits->limit[0].overrides[1].key, "y");
    /* One more is one too many, but one in place of another is not. */
    from = nearly_full(2);
    const struct override_terms more = at_runtime("w", 30, 2000), other = at_runtime("y", 31, 2000);
    const struct runtime_change change = {.key = "w", .set = &more};
    struct limits *next = runtime_merge(from, limits, &change, NOW_S, &lost);
    assert_non_null(next);
    expect_lost(&lost, 0, 0, 1);
    limits_release(next);
    set(from, &limits, 0, &other);
    assert_int_equal(holds(limits, "y", NOW_S), 31);
    assert_int_equal(holds(limits, "z", NOW_S), 22);
    limits_release(from);
    limits_release(limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_run_time_goes_before_that_of_the_configuration),
        cmocka_unit_test(of_several_globs_the_one_that_was_set_last_holds),
        cmocka_unit_test(a_change_replaces_or_drops_the_one_for_its_key),
        cmocka_unit_test(the_rest_is_as_configured),
        cmocka_unit_test(without_any_they_are_the_configured_ones),
        cmocka_unit_test(they_follow_their_limit_to_another_name),
        cmocka_unit_test(what_does_not_go_with_the_tick_is_lost),
        cmocka_unit_test(what_does_not_fit_a_fleet_is_lost),
        cmocka_unit_test(there_are_no_more_than_may_be_and_the_last_ones_stay),
    };
    return cmocka_run_group_tests_name("runtime", tests, NULL, NULL);
}
