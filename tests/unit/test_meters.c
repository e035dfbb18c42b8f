/* Meters: what is counted by limit, by front-end and by chain, and what a reload leaves of it. */
#include "actor/decider.h"
#include "brain/meters.h"
#include "support/ask_brain.h"
#include "support/asking.h"
#include "support/brain_fixture.h"
#include "support/plain_limit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const struct rate slow = {1, 3600000};

/* ---- histograms ---- */

static const struct histogram_bounds bounds = {.count = 3, .bound = {10, 20, 40}};

static void a_bound_belongs_to_what_it_bounds(void **unused)
{
    (void)unused;
    struct histogram histogram = {0};
    static const uint64_t values[] = {0, 10, 11, 20, 21, 40, 41, UINT32_MAX};
    static const uint64_t counts[] = {2, 2, 2, 2};
    uint64_t sum = 0;
    for (size_t i = 0; i < LENGTH(values); i++) {
        histogram_add(&histogram, &bounds, values[i], 1);
        sum += values[i];
    }
    assert_memory_equal(histogram.count, counts, sizeof counts);
    assert_int_equal(histogram.sum, sum);
}

static void shares_are_compared_without_rounding(void **unused)
{
    (void)unused;
    struct histogram histogram = {0};
    histogram_add(&histogram, &bounds, 70, 7); /* 10 each */
    histogram_add(&histogram, &bounds, 71, 7); /* a seventh more */
    assert_int_equal(histogram.count[0], 7);
    assert_int_equal(histogram.count[1], 7);
    assert_int_equal(histogram.sum, 141);
    histogram_add(&histogram, &bounds, UINT64_MAX - 141, UINT64_MAX / 16);
    assert_int_equal(histogram.count[1], 7 + UINT64_MAX / 16);
    histogram_add(&histogram, &bounds, 5, 0); /* of nothing: not even its time */
    assert_int_equal(histogram.sum, UINT64_MAX);
}

/* ---- tallies ---- */

static void what_a_tally_counted_is_taken_once_and_then_cleared(void **unused)
{
    (void)unused;
    struct tally *tally = calloc(1, sizeof *tally);
    struct meters *meters = calloc(1, sizeof *meters);
    assert_true(tally_is_empty(tally));
    for (int again = 1; again <= 2; again++) {
        tally_request(tally, 0, TALLY_STATUS_MIN);
        tally_request(tally, TALLY_ROUTES_MAX - 1, TALLY_STATUS_MIN + TALLY_STATUSES - 1);
        tally_request(tally, 2, 200);
        tally_request(tally, 2, 200);
        tally->connections = -1;
        assert_false(tally_is_empty(tally));
        assert_int_equal(tally->used_count, 3);
        meters->connections++;
        meters_take(meters, tally, 0);
        tally_clear(tally);
        assert_true(tally_is_empty(tally));
        meters_take(meters, tally, 0);
        assert_int_equal(meters->requests[0], again);
        assert_int_equal(meters->requests[TALLY_CELLS - 1], again);
        assert_int_equal(meters->requests[tally_cell(2, 200)], 2 * again);
        assert_int_equal(meters->connections, 0);
    }
    free(tally);
    free(meters);
}

static void a_connection_that_came_and_went_leaves_no_news(void **unused)
{
    (void)unused;
    struct tally *tally = calloc(1, sizeof *tally);
    tally->connections++;
    assert_false(tally_is_empty(tally));
    tally->connections--;
    assert_true(tally_is_empty(tally));
    free(tally);
}

/* ---- decisions ---- */

static struct metrics_answer *ask(struct fixture *fixture)
{
    static struct metrics_answer answer;
    struct message message = {.kind = MESSAGE_METRICS, .answer.metrics = &answer};
    struct message *messages[] = {&message};
    memset(&answer, 0xa5, sizeof answer);
    assert_int_equal(ask_brain(fixture->brain, messages, 1), 1);
    return &answer;
}

/* allowed, denied, shadow_denied, uncounted, table_full */
static void expect_decisions(struct fixture *fixture, uint32_t limit, const uint64_t counts[5])
{
    const struct metrics_answer *answer = ask(fixture);
    for (int i = 0; i < DECISION_COUNT; i++)
        assert_int_equal(answer->meters.decisions[limit][i], counts[i]);
}
#define EXPECT(fixture, limit, ...)                                                                \
    expect_decisions(fixture, limit, (const uint64_t[DECISION_COUNT]){__VA_ARGS__})

static void decisions_are_counted_by_limit(void **unused)
{
    (void)unused;
    struct fixture fixture;
    const struct rule rules[] = {{"a", "a*", 2, slow}, {LIMIT_DEFAULT_NAME, NULL, 3, slow}};
    fixture_init(&fixture, 100, rules, LENGTH(rules), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    fixture_hammer(&fixture, "a1", 2);
    fixture_allow(&fixture, "a1", 1);
    fixture_allow(&fixture, "a1", 99); /* more than the burst */
    fixture_allow(&fixture, "b", 0);
    fixture_status(&fixture, "b");
    fixture_reset(&fixture, "a1");
    EXPECT(&fixture, 0, 2, 2);
    EXPECT(&fixture, 1, 1, 0);
    fixture_release(&fixture);
}

static void a_full_table_has_results_of_its_own(void **unused)
{
    (void)unused;
    struct fixture fixture;
    const struct rule rule = {LIMIT_DEFAULT_NAME, NULL, 2, slow};
    fixture_init(&fixture, 100, &rule, 1, 1, WHEN_FULL_DENY);
    fixture_allow(&fixture, "a", 1);
    fixture_allow(&fixture, "b", 1);
    EXPECT(&fixture, 0, 1, 0, 0, 0, 1);
    fixture_release(&fixture);
    fixture_init(&fixture, 100, &rule, 1, 1, WHEN_FULL_ALLOW);
    fixture_allow(&fixture, "a", 1);
    fixture_allow(&fixture, "b", 1);
    EXPECT(&fixture, 0, 1, 0, 0, 1, 0);
    fixture_release(&fixture);
}

static void a_trial_counts_what_it_would_have_denied(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct limits *limits = limits_new(1, 100);
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .shadow = true,
        .buckets_count = 1,
        .buckets = {{.burst = 2, .rate = slow}},
    };
    assert_true(limits_add(limits, &terms));
    fixture_init_limits(&fixture, limits, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    for (int i = 0; i < 5; i++)
        fixture_allow(&fixture, "a", 1);
    EXPECT(&fixture, 0, 2, 0, 3);
    fixture_release(&fixture);
}

static void each_call_of_a_list_is_a_decision(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct bucket_call calls[3] = {
        {.ask = {.key = "a", .key_len = 1, .tokens = 2}},
        {.ask = {.key = "b", .key_len = 1, .tokens = 3}}, /* more than there is */
        {.ask = {.key = "c", .key_len = 1, .tokens = 1}},
    };
    struct message message = {.kind = MESSAGE_EACH, .ask.list = {calls, LENGTH(calls)}};
    struct message *messages[] = {&message};
    fixture_init_one(&fixture, 100, 2, slow);
    assert_int_equal(ask_brain(fixture.brain, messages, 1), 1);
    EXPECT(&fixture, 0, 2, 1);
    message.kind = MESSAGE_ALL; /* one that cannot go holds back the others */
    assert_int_equal(ask_brain(fixture.brain, messages, 1), 1);
    EXPECT(&fixture, 0, 2, 4);
    assert_int_equal(brain_decisions(fixture.brain), 6);
    fixture_release(&fixture);
}

static void a_reload_keeps_the_counts_of_each_name_wherever_it_is_now(void **unused)
{
    (void)unused;
    struct fixture fixture;
    const struct rule before[] = {
        {"a", "a*", 1, slow}, {"gone", "g*", 2, slow}, {LIMIT_DEFAULT_NAME, NULL, 3, slow}};
    const struct rule after[] = {
        {LIMIT_DEFAULT_NAME, NULL, 3, slow}, {"new", "n*", 2, slow}, {"a", "a*", 50, slow}};
    fixture_init(&fixture, 100, before, LENGTH(before), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    fixture_allow(&fixture, "a", 1);
    fixture_allow(&fixture, "a", 1);
    for (int i = 0; i < 2; i++)
        fixture_allow(&fixture, "g", 1);
    for (int i = 0; i < 3; i++)
        fixture_allow(&fixture, "d", 1);
    fixture_reload(&fixture, 200, after, LENGTH(after));
    EXPECT(&fixture, 0, 3, 0);
    EXPECT(&fixture, 1, 0, 0);
    EXPECT(&fixture, 2, 1, 1);
    fixture_reload(&fixture, 100, before, LENGTH(before));
    EXPECT(&fixture, 0, 1, 1);
    EXPECT(&fixture, 1, 0, 0); /* it went, and begins again */
    EXPECT(&fixture, 2, 3, 0);
    assert_int_equal(ask(&fixture)->daemon.counters.reloads, 2);
    fixture_release(&fixture);
}

/* How many there are in the configuration in force: a reload that fails changes nothing. */
static void warnings_are_those_of_the_configuration_in_force(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct message failed = {.kind = MESSAGE_RELOAD_FAILED}, next = {.kind = MESSAGE_LIMITS};
    struct message *messages[] = {&failed}, *reloads[] = {&next};
    fixture_init_one(&fixture, 100, 2, slow);
    assert_int_equal(ask(&fixture)->daemon.counters.config_warnings, 0);
    struct limits *limits = fixture_limits(100, &(const struct rule){"default", NULL, 2, slow}, 1);
    next.ask.limits =
        (struct limits_question){.limits = limits, .date_s = fixture.date_s, .warnings = 3};
    ask_brain(fixture.brain, reloads, 1);
    limits_release(limits);
    assert_int_equal(next.answer.limits, LIMITS_IN_FORCE);
    assert_int_equal(ask(&fixture)->daemon.counters.config_warnings, 3);
    ask_brain(fixture.brain, messages, 1);
    assert_int_equal(ask(&fixture)->daemon.counters.config_warnings, 3);
    fixture_reload_one(&fixture, 100, 2, slow);
    assert_int_equal(ask(&fixture)->daemon.counters.config_warnings, 0);
    fixture_release(&fixture);
}

static void a_limit_that_is_renamed_keeps_its_counts(void **unused)
{
    (void)unused;
    struct fixture fixture;
    const struct rule before[] = {{"a", "a*", 1, slow}, {LIMIT_DEFAULT_NAME, NULL, 3, slow}};
    fixture_init(&fixture, 100, before, LENGTH(before), FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    fixture_allow(&fixture, "a", 1);
    fixture_allow(&fixture, "a", 1);
    struct limits *limits = limits_new(2, 100);
    assert_non_null(limits);
    add_plain_limit(limits, LIMIT_DEFAULT_NAME, NULL, 3, slow);
    add_renamed_limit(limits, "b", "a", "a*", 1, slow);
    fixture_reload_limits(&fixture, limits);
    EXPECT(&fixture, 0, 0, 0);
    EXPECT(&fixture, 1, 1, 1);
    fixture_release(&fixture);
}

static void reloads_are_dated_and_those_that_failed_are_counted(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct message failed = {.kind = MESSAGE_RELOAD_FAILED};
    struct message *messages[] = {&failed};
    fixture_init_one(&fixture, 100, 2, slow);
    assert_int_equal(ask(&fixture)->meters.started_s, FIXTURE_START_DATE_S);
    assert_int_equal(ask(&fixture)->meters.reloaded_s, FIXTURE_START_DATE_S);
    fixture_date(&fixture, FIXTURE_START_DATE_S + 50);
    ask_brain(fixture.brain, messages, 1);
    assert_int_equal(ask(&fixture)->daemon.counters.reloads_failed, 1);
    assert_true(ask(&fixture)->meters.last_reload_failed);
    assert_int_equal(ask(&fixture)->meters.reloaded_s, FIXTURE_START_DATE_S);
    fixture_reload_one(&fixture, 100, 2, slow);
    assert_int_equal(ask(&fixture)->meters.reloaded_s, FIXTURE_START_DATE_S + 50);
    assert_false(ask(&fixture)->meters.last_reload_failed);
    assert_int_equal(ask(&fixture)->meters.started_s, FIXTURE_START_DATE_S);
    fixture_release(&fixture);
}

/* ---- front-ends ---- */

static void take(struct meters *meters, struct tally_front front, unsigned requests,
                 int connections, uint64_t now_ns)
{
    struct tally *tally = calloc(1, sizeof *tally);
    tally->front = front;
    tally->connections = connections;
    for (unsigned i = 0; i < requests; i++)
        tally_request(tally, i % 2, 200);
    meters_take(meters, tally, now_ns);
    tally_clear(tally);
    assert_int_equal(tally->front.place, front.place);
    assert_true(tally_is_empty(tally));
    free(tally);
}

static void each_front_end_is_known_by_its_place_until_its_last_report(void **unused)
{
    (void)unused;
    static struct fronts_answer answer;
    const uint64_t s = NS_PER_S;
    struct meters *meters = calloc(1, sizeof *meters);
    meters_tell_fronts(meters, 0, &answer);
    assert_int_equal(answer.count, 0);
    take(meters, (struct tally_front){.place = 3, .is_news = true}, 0, 0, s);
    take(meters, (struct tally_front){.place = 0}, 5, 2, s);
    take(meters, (struct tally_front){.place = TALLY_FRONTS_MAX - 1}, 1, 1, s);
    take(meters, (struct tally_front){.place = 0, .goes = true}, 2, -1, s);
    meters_tell_fronts(meters, s, &answer);
    assert_int_equal(answer.count, 3);
    assert_true(answer.front[0].goes);
    assert_int_equal(answer.front[0].requests, 7);
    assert_int_equal(answer.front[0].connections, 1);
    assert_false(answer.front[1].goes);
    assert_int_equal(answer.front[1].requests, 0);
    assert_int_equal(answer.front[2].connections, 1);
    take(meters, (struct tally_front){.place = 0, .goes = true, .is_last = true}, 1, -1, s);
    meters_tell_fronts(meters, s, &answer);
    assert_int_equal(answer.count, 2);
    assert_int_equal(meters->connections, 1); /* of all together nothing is lost */
    assert_int_equal(meters->requests[tally_cell(0, 200)] + meters->requests[tally_cell(1, 200)],
                     9);
    take(meters, (struct tally_front){.place = 0}, 0, 1, s); /* another one has the place */
    meters_tell_fronts(meters, s, &answer);
    assert_int_equal(answer.count, 3);
    assert_false(answer.front[0].goes);
    assert_int_equal(answer.front[0].requests, 0);
    free(meters);
}

static void a_busy_share_fades_where_nothing_is_told(void **unused)
{
    (void)unused;
    static struct fronts_answer answer;
    static const struct {
        uint64_t busy_ms, since_ms, silent_ms;
        uint32_t permille;
    } cases[] = {
        {250, 1000, 0, 250},    {250, 1000, METERS_FRESH_MS, 250}, {250, 1000, 4000, 50},
        {250, 1000, 249000, 1}, {250, 1000, MS_PER_DAY, 0},        {1001, 1000, 0, 1000},
        {0, 1000, 0, 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct meters *meters = calloc(1, sizeof *meters);
        take(meters,
             (struct tally_front){.busy_ns = cases[i].busy_ms * NS_PER_MS,
                                  .since_ns = cases[i].since_ms * NS_PER_MS},
             1, 0, NS_PER_S);
        take(meters, (struct tally_front){0}, 1, 0, NS_PER_S); /* not measured anew */
        meters_tell_fronts(meters, NS_PER_S + cases[i].silent_ms * NS_PER_MS, &answer);
        assert_int_equal(answer.front[0].busy_permille, cases[i].permille);
        free(meters);
    }
}

/* ---- ticks ---- */

static void a_late_tick_is_told_for_a_minute_and_two_at_most(void **unused)
{
    (void)unused;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 2, slow);
    fixture_pass(&fixture, 30000); /* nobody waited for any of these */
    assert_int_equal(ask(&fixture)->tick_lag_ns, 0);
    assert_int_equal(ask(&fixture)->ticks, 300);
    fixture_allow(&fixture, "a", 2);
    fixture_pass(&fixture, 100);
    assert_int_equal(ask(&fixture)->tick_lag_ns, 0);
    fixture_pass(&fixture, 730);
    assert_int_equal(ask(&fixture)->tick_lag_ns, 630 * (uint64_t)NS_PER_MS);
    assert_int_equal(ask(&fixture)->ticks, 308);
    for (int second = 0; second < 60; second++) {
        fixture_pass(&fixture, 70);
        for (int i = 0; i < 9; i++)
            fixture_pass(&fixture, 100);
        fixture_pass(&fixture, 30);
        assert_int_equal(ask(&fixture)->tick_lag_ns, 630 * (uint64_t)NS_PER_MS);
    }
    for (int second = 0; second < 60; second++)
        for (int i = 0; i < 10; i++)
            fixture_pass(&fixture, 100);
    assert_int_equal(ask(&fixture)->tick_lag_ns, 30 * (uint64_t)NS_PER_MS);
    fixture_release(&fixture);
}

/* What asked for the brain's attention could not come either. */
static void a_tick_while_the_machine_is_suspended_is_not_late(void **unused)
{
    (void)unused;
    struct fixture fixture;
    fixture_init_one(&fixture, 100, 2, slow);
    fixture_allow(&fixture, "a", 2);
    fixture_pass(&fixture, 100);
    assert_int_equal(brain_late_ns(fixture.brain),
                     fixture.now_ns + (100 + BRAIN_LATE_MS) * (uint64_t)NS_PER_MS);
    brain_slept(fixture.brain, 3600 * (uint64_t)NS_PER_S);
    fixture_pass(&fixture, 3600000 + 120);
    assert_int_equal(ask(&fixture)->tick_lag_ns, 20 * (uint64_t)NS_PER_MS);
    fixture_pass(&fixture, 1000);
    assert_int_equal(ask(&fixture)->tick_lag_ns, 920 * (uint64_t)NS_PER_MS);
    brain_slept(fixture.brain, 3600 * (uint64_t)NS_PER_S); /* more than it was late by */
    fixture_pass(&fixture, 1000);
    assert_int_equal(ask(&fixture)->tick_lag_ns, 920 * (uint64_t)NS_PER_MS);
    fixture_release(&fixture);
}

static void a_peak_of_long_ago_is_not_told_though_nothing_came_since(void **unused)
{
    (void)unused;
    struct meters *meters = calloc(1, sizeof *meters);
    const uint64_t window_ns = METERS_PEAK_S * (uint64_t)NS_PER_S;
    meters_tick_late(meters, 10, 7);
    assert_int_equal(meters_peak(&meters->tick_lag_ns, window_ns - 1), 7);
    assert_int_equal(meters_peak(&meters->tick_lag_ns, 2 * window_ns - 1), 7);
    assert_int_equal(meters_peak(&meters->tick_lag_ns, 2 * window_ns), 0);
    meters_tick_late(meters, window_ns + 1, 3);
    assert_int_equal(meters_peak(&meters->tick_lag_ns, 2 * window_ns - 1), 7);
    assert_int_equal(meters_peak(&meters->tick_lag_ns, 2 * window_ns), 3);
    meters_tick_late(meters, 9 * window_ns, 1);
    assert_int_equal(meters_peak(&meters->tick_lag_ns, 9 * window_ns), 1);
    free(meters);
}

/* ---- what the state thread measures ---- */

/* Each look at it is 1000 ns after the last. */
static uint64_t running_now_ns(void *context)
{
    return atomic_fetch_add((atomic_ullong *)context, 1000);
}

static uint64_t no_wall_ns(void *context)
{
    (void)context;
    return 0;
}

static void the_time_of_a_chain_is_shared_by_its_decisions(void **unused)
{
    (void)unused;
    enum { CHAIN = 4 };
    static const uint8_t seed[TABLE_SEED_BYTES] = {3};
    static struct metrics_answer answer;
    static struct tally tally;
    atomic_ullong now_ns;
    struct decider decider;
    struct asking asking;
    struct inbox home;
    struct message messages[CHAIN], *asked[CHAIN];
    const struct rule rule = {LIMIT_DEFAULT_NAME, NULL, 100, slow};
    struct limits *limits = fixture_limits(10000, &rule, 1);
    const struct limits_question question = {.limits = limits};
    struct brain *brain = brain_new(&question, 100, 10, seed, 0);
    atomic_init(&now_ns, 1000);
    limits_release(limits);
    const struct clock clock = {
        .now_ns = running_now_ns, .wall_ns = no_wall_ns, .context = &now_ns, .measures = true};
    assert_int_equal(decider_init(&decider, brain, clock, false), 0);
    assert_int_equal(decider_start(&decider), 0);
    assert_int_equal(inbox_init(&home, false), 0);
    assert_int_equal(asking_init(&asking), 0);
    for (int i = 0; i < CHAIN; i++) {
        messages[i] = (struct message){
            .kind = i == 0 ? MESSAGE_STATUS : MESSAGE_ALLOW,
            .ask.bucket = {.key = "a", .key_len = 1},
        };
        asked[i] = &messages[i];
    }
    tally_request(&tally, 2, 200);
    asking.tally = &tally;
    asking_ask(&asking, &decider, asked, CHAIN);
    asking.tally = &asking.nothing;
    asking_ask(&asking, &decider, NULL, 0); /* a report alone is not counted */
    struct message metrics = {.kind = MESSAGE_METRICS, .answer.metrics = &answer};
    asking_ask_one(&asking, &decider, &metrics);
    assert_int_equal(answer.meters.requests[tally_cell(2, 200)], 1);
    assert_int_equal(answer.meters.batch_size.sum, CHAIN + 1);
    assert_int_equal(answer.meters.batch_size.count[0], 1);
    assert_int_equal(answer.meters.batch_size.count[2], 1);
    assert_int_equal(answer.meters.decision_ns.sum, 1000);
    assert_int_equal(answer.meters.decision_ns.count[2], 3); /* a third of 1000 ns each */
    asking_release(&asking);
    decider_stop(&decider, &home);
    inbox_release(&home);
    decider_release(&decider);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_belongs_to_what_it_bounds),
        cmocka_unit_test(shares_are_compared_without_rounding),
        cmocka_unit_test(what_a_tally_counted_is_taken_once_and_then_cleared),
        cmocka_unit_test(a_connection_that_came_and_went_leaves_no_news),
        cmocka_unit_test(decisions_are_counted_by_limit),
        cmocka_unit_test(a_full_table_has_results_of_its_own),
        cmocka_unit_test(a_trial_counts_what_it_would_have_denied),
        cmocka_unit_test(each_call_of_a_list_is_a_decision),
        cmocka_unit_test(a_reload_keeps_the_counts_of_each_name_wherever_it_is_now),
        cmocka_unit_test(warnings_are_those_of_the_configuration_in_force),
        cmocka_unit_test(a_limit_that_is_renamed_keeps_its_counts),
        cmocka_unit_test(reloads_are_dated_and_those_that_failed_are_counted),
        cmocka_unit_test(each_front_end_is_known_by_its_place_until_its_last_report),
        cmocka_unit_test(a_busy_share_fades_where_nothing_is_told),
        cmocka_unit_test(a_tick_while_the_machine_is_suspended_is_not_late),
        cmocka_unit_test(a_late_tick_is_told_for_a_minute_and_two_at_most),
        cmocka_unit_test(a_peak_of_long_ago_is_not_told_though_nothing_came_since),
        cmocka_unit_test(the_time_of_a_chain_is_shared_by_its_decisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
