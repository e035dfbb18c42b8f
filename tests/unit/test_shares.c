/* Shares: limits that a fleet shares, decided from tokens in hand. With the model of the store, in virtual time. */
#include "support/fleet_world.h"

#include <stdlib.h>
#include <string.h>

static const struct rate one_per_second = {1, 1000}, hundred_per_second = {100, 1000};

enum { COLD_NS = FLEET_WORLD_COLD_MS * 1000000 };

/* Takes a token of foo each ms, for so long. Returns how many it got. */
static unsigned hammer(struct fleet_world *world, unsigned ms)
{
    unsigned got = 0;
    for (unsigned i = 0; i < ms; i++) {
        got += fleet_world_allow(world, "foo", 1).result == BUCKET_ALLOWED;
        fleet_world_pass(world, 1);
    }
    return got;
}

/* ---- the store's clock ---- */

/* How many tokens are granted beyond 100/s, with a burst of 10, while the store's clock jumps so far. */
static int64_t beyond_the_rate(int64_t jump_ms)
{
    struct fleet_world world;
    fleet_world_begin_one(&world, 10, hundred_per_second);
    int64_t got = hammer(&world, 1000);
    world.store_began_ms += (uint64_t)jump_ms;
    got += hammer(&world, 2000);
    int64_t beyond = got - (int64_t)(fleet_world_ns(&world) / (10 * NS_PER_MS));
    fleet_world_end(&world);
    return beyond;
}

static void a_clock_that_jumps_ahead_gains_the_guard_once(void **state)
{
    (void)state;
    assert_in_range(beyond_the_rate(0), 5, 10);
    assert_in_range(beyond_the_rate(1000), 5, 10 + 2 + 1);
    assert_in_range(beyond_the_rate(10), 5, 10 + 1 + 1);
}

static void a_clock_that_goes_back_refills_nothing_until_it_has_caught_up(void **state)
{
    (void)state;
    assert_in_range(100 + beyond_the_rate(-1000), 0, 11);
}

static void a_clock_that_is_set_right_again_is_noticed_in_a_second(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 10, hundred_per_second);
    hammer(&world, 1000);
    world.store_began_ms -= 7200000;
    hammer(&world, 1000);
    unsigned orders = world.orders;
    assert_int_equal(hammer(&world, 2000), 0);
    assert_in_range(world.orders - orders, 1, 3);
    world.store_began_ms += 7200000;
    uint64_t began_ns = fleet_world_ns(&world);
    while (fleet_world_allow(&world, "foo", 1).result != BUCKET_ALLOWED)
        fleet_world_pass(&world, 1);
    assert_in_range(fleet_world_ns(&world) - began_ns, 0, 1100 * NS_PER_MS);
    fleet_world_end(&world);
}

/* ---- warm and cold ---- */

static void a_cold_key_waits_and_is_granted(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_one(&world, 10, one_per_second);
    assert_false(fleet_world_ask_foo(&world, &caller, 1, 0));
    fleet_world_pass(&world, 1);
    assert_true(caller.is_home);
    assert_int_equal(caller.home_ns - caller.asked_ns, 2 * world.half_trip_ns);
    const struct bucket_answer *answer = &caller.message.answer.bucket;
    assert_int_equal(answer->result, BUCKET_ALLOWED);
    assert_int_equal(answer->remaining_tokens, 9);
    assert_int_equal(answer->retry_after_ms, 0);
    assert_true(answer->is_estimate);
    assert_false(answer->is_apart);
    assert_false(answer->has_waited);
    assert_true(answer->active);
    assert_int_equal(world.orders, 1);
    assert_int_equal(fleet_world_counters(&world).cold_waits, 1);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

static void what_is_in_hand_is_spent_at_once_though_the_store_stands(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    hammer(&world, 50);
    world.is_stopped = true;
    uint64_t hand = fleet_hand_tokens(&world.fixture.brain->shares.counters);
    assert_true(hand > 20);
    for (uint64_t i = 0; i < hand; i++) {
        assert_true(fleet_world_ask_foo(&world, &caller, 1, 0));
        assert_int_equal(fleet_caller_result(&caller), BUCKET_ALLOWED);
    }
    assert_false(fleet_world_ask_foo(&world, &caller, 1, 0));
    fleet_world_pass(&world, FLEET_WORLD_COLD_MS);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

static void a_request_without_wait_waits_for_cold_wait_at_most(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller, later;
    fleet_world_begin_one(&world, 10, one_per_second);
    world.is_stopped = true;
    assert_false(fleet_world_ask_foo(&world, &caller, 1, 0));
    fleet_world_pass_ns(&world, COLD_NS - 1);
    assert_false(caller.is_home);
    fleet_world_pass_ns(&world, 1);
    assert_true(caller.is_home);
    assert_int_equal(fleet_caller_result(&caller), BUCKET_DENIED);
    assert_true(caller.message.answer.bucket.is_apart);
    assert_true(caller.message.answer.bucket.retry_after_ms >= 1);
    /* the order is overdue, so nobody waits for it any more */
    assert_true(fleet_world_ask_foo(&world, &later, 1, 0));
    assert_int_equal(fleet_caller_result(&later), BUCKET_DENIED);
    assert_int_equal(fleet_world_counters(&world).partitioned, 2);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

static void cold_deny_denies_at_once_and_orders(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    const struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, one_per_second);
    struct fleet_terms fleet = fleet_world_terms();
    fleet.cold = FLEET_COLD_DENY;
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    assert_true(fleet_world_ask_foo(&world, &caller, 2, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_DENIED);
    fleet_world_pass(&world, 1);
    assert_true(fleet_world_ask_foo(&world, &caller, 2, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_ALLOWED);
    fleet_world_end(&world);
}

static void cold_allow_allows_uncounted_unless_the_record_has_too_little(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    const struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, one_per_second);
    struct fleet_terms fleet = fleet_world_terms();
    fleet.cold = FLEET_COLD_ALLOW;
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    assert_true(fleet_world_ask_foo(&world, &caller, 1, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_UNCOUNTED);
    assert_true(caller.message.answer.bucket.is_apart);
    assert_int_equal(fixture_daemon(&world.fixture).counters.table_full_allowed, 0);
    fleet_world_take(&world, "foo", NULL, 10);
    fleet_world_pass(&world, 1);
    assert_true(fleet_world_ask_foo(&world, &caller, 1, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_DENIED);
    fleet_world_end(&world);
}

static void an_exhausted_key_costs_one_order_for_each_time_that_it_may_have_refilled(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_one(&world, 10, one_per_second);
    fleet_world_take(&world, "foo", NULL, 10);
    struct bucket_answer answer = fleet_world_allow(&world, "foo", 1);
    assert_int_equal(answer.result, BUCKET_DENIED);
    assert_true(answer.retry_after_ms >= 999 && answer.retry_after_ms <= 1001);
    assert_true(answer.buckets[0].violated);
    unsigned before = world.orders;
    for (unsigned i = 0; i < 900; i++) {
        assert_true(fleet_world_ask_foo(&world, &caller, 1, 0));
        assert_int_equal(fleet_caller_result(&caller), BUCKET_DENIED);
        fleet_world_pass(&world, 1);
    }
    assert_int_equal(world.orders, before);
    fleet_world_pass(&world, 110);
    assert_int_equal(world.orders, before + 1);
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_ALLOWED);
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_DENIED);
    fleet_world_end(&world);
}

static void who_may_wait_waits_until_the_record_has_refilled(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller waits, in_vain, behind;
    fleet_world_begin_one(&world, 10, one_per_second);
    fleet_world_take(&world, "foo", NULL, 10);
    fleet_world_allow(&world, "foo", 1);
    assert_false(fleet_world_ask_foo(&world, &waits, 2, 3000));
    assert_true(
        fleet_world_ask_foo(&world, &in_vain, 2, 3000)); /* there will be 4 only after 4 s */
    assert_int_equal(fleet_caller_result(&in_vain), BUCKET_DENIED);
    assert_false(fleet_world_ask_foo(&world, &behind, 1, 4000));
    fleet_world_pass(&world, 1990);
    assert_false(waits.is_home);
    fleet_world_pass(&world, 20);
    assert_true(waits.is_home);
    assert_int_equal(fleet_caller_result(&waits), BUCKET_ALLOWED);
    assert_true(waits.message.answer.bucket.has_waited);
    assert_in_range(waits.message.answer.bucket.waited_ms, 1990, 2010);
    assert_false(behind.is_home);
    fleet_world_pass(&world, 1000);
    assert_true(behind.is_home);
    assert_int_equal(fleet_caller_result(&behind), BUCKET_ALLOWED);
    fleet_caller_release(&waits);
    fleet_caller_release(&behind);
    fleet_world_end(&world);
}

static void the_queue_keeps_its_order(void **state)
{
    (void)state;
    enum { CALLERS = 50 };
    struct fleet_world world;
    static struct fleet_caller caller[CALLERS];
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    for (unsigned i = 0; i < CALLERS; i++)
        assert_false(fleet_world_ask_foo(&world, &caller[i], 1 + i % 3, 0));
    fleet_world_pass(&world, 3);
    for (unsigned i = 0; i < CALLERS; i++) {
        assert_true(caller[i].is_home);
        assert_int_equal(fleet_caller_result(&caller[i]), BUCKET_ALLOWED);
        assert_int_equal(caller[i].place, i + 1);
        fleet_caller_release(&caller[i]);
    }
    fleet_world_end(&world);
}

/* The first order asks for one token; what comes meanwhile is asked for at once after it. */
static void a_sudden_crowd_is_let_in_without_a_denial(void **state)
{
    (void)state;
    enum { CALLERS = 300 };
    struct fleet_world world;
    static struct fleet_caller caller[CALLERS];
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    for (unsigned i = 0; i < CALLERS; i++) {
        fleet_world_ask_foo(&world, &caller[i], 1, 0);
        fleet_world_pass_ns(&world, 10000);
    }
    fleet_world_pass(&world, 20);
    for (unsigned i = 0; i < CALLERS; i++) {
        assert_true(caller[i].is_home);
        assert_int_equal(fleet_caller_result(&caller[i]), BUCKET_ALLOWED);
        assert_true(caller[i].home_ns - caller[i].asked_ns <= COLD_NS);
        fleet_caller_release(&caller[i]);
    }
    fleet_world_end(&world);
}

static void a_request_above_the_chunk_is_asked_for_exactly(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 10, one_per_second);
    struct bucket_answer answer = fleet_world_allow(&world, "foo", 10);
    assert_int_equal(answer.result, BUCKET_ALLOWED);
    assert_int_equal(answer.remaining_tokens, 0);
    assert_int_equal(world.orders, 1);
    assert_int_equal(world.last.flags, ORDER_EXACT);
    assert_int_equal(world.last.totals[0].want, 10);
    answer = fleet_world_allow(&world, "foo", 11);
    assert_int_equal(answer.result, BUCKET_EXCEEDS_BURST);
    assert_int_equal(answer.retry_after_ms, RETRY_NEVER);
    fleet_world_end(&world);
}

/* Others hold all that may be outstanding, but the record has more. */
static void what_the_record_has_is_got_though_others_hold_all_that_may_be_outstanding(void **state)
{
    (void)state;
    struct fleet_world world, other;
    fleet_world_begin_one(&world, 10, one_per_second);
    fleet_world_begin_one(&other, 10, one_per_second);
    struct store_model *spare = other.store;
    other.store = world.store;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(fleet_world_allow(&other, "foo", 1).result, BUCKET_ALLOWED);
    unsigned held = (unsigned)fleet_hand_tokens(&other.fixture.brain->shares.counters);
    fleet_world_pass(&world, 1);
    for (unsigned i = 0; i < 10 - 3 - held; i++) {
        fleet_world_pass(&world, FLEET_WORLD_INTERVAL_MS);
        assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_ALLOWED);
    }
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_DENIED);
    other.store = spare;
    fleet_world_end(&other);
    fleet_world_end(&world);
}

/* ---- orders ---- */

static void a_hot_key_costs_one_order_for_two_hundred_decisions_at_most(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_one(&world, 1000000, (struct rate){1000000, 1000});
    unsigned decisions = 0, allowed = 0, waited = 0;
    for (unsigned i = 0; i < 100000; i++) {
        bool is_home = fleet_world_ask_foo(&world, &caller, 1, 0);
        for (waited += !is_home; !caller.is_home;)
            fleet_world_pass_ns(&world, 10000);
        allowed += fleet_caller_result(&caller) == BUCKET_ALLOWED;
        decisions++;
        fleet_world_pass_ns(&world, 10000);
        fleet_caller_release(&caller);
    }
    assert_int_equal(allowed, decisions);
    assert_true(waited < 20);
    assert_true(world.orders * 200 <= decisions);
    fleet_world_end(&world);
}

static void orders_of_a_key_keep_their_interval(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 100000, (struct rate){10000, 1000});
    hammer(&world, 100);
    unsigned before = world.orders;
    /* each takes more than there is in hand, so each wants an order */
    for (unsigned i = 0; i < 2000; i++) {
        struct fleet_caller caller;
        fleet_world_ask_foo(&world, &caller, 20, 0);
        fleet_world_pass_ns(&world, 1000000);
        fleet_world_pass(&world, FLEET_WORLD_COLD_MS);
        fleet_caller_release(&caller);
    }
    unsigned ms = 2000 * 6;
    assert_true(world.orders - before <= ms / FLEET_WORLD_INTERVAL_MS + 5);
    fleet_world_end(&world);
}

/* So that none of several sidecars always comes first. */
static void orders_for_what_is_scarce_are_spread(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 100, (struct rate){200, 1000});
    hammer(&world, 1000);
    unsigned orders = world.orders, gaps[2] = {0};
    uint64_t last_ns = fleet_world_ns(&world);
    for (unsigned i = 0; i < 5000; i++) {
        fleet_world_allow(&world, "foo", 1);
        fleet_world_pass(&world, 1);
        if (world.orders == orders)
            continue;
        gaps[fleet_world_ns(&world) - last_ns > 25 * NS_PER_MS]++;
        orders = world.orders;
        last_ns = fleet_world_ns(&world);
    }
    assert_true(gaps[0] > 40 && gaps[1] > 40);
    fleet_world_end(&world);
}

static void a_hand_is_renewed_while_it_is_used(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    hammer(&world, 20);
    for (unsigned i = 0; i < 20; i++) {
        fleet_world_pass(&world, 300);
        assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_ALLOWED);
    }
    assert_int_equal(fleet_world_counters(&world).lost_tokens, 0);
    fleet_world_end(&world);
}

static void a_quiet_fleet_has_nothing_out_and_forgets_its_shares(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    unsigned got = hammer(&world, 100);
    assert_int_equal(got, 100);
    assert_true(fleet_world_out(&world, "foo") > 0);
    fleet_world_pass(&world, FLEET_WORLD_RETURN_MS + FLEET_WORLD_INTERVAL_MS + 10);
    assert_int_equal(fleet_world_out(&world, "foo"), 0);
    struct fleet_counters counters = fleet_world_counters(&world);
    assert_int_equal(counters.spent_tokens, got);
    assert_int_equal(fleet_hand_tokens(&counters), 0);
    assert_int_equal(counters.lost_tokens, 0);
    assert_true(counters.returned_tokens > 0);
    assert_int_equal(world.fixture.brain->shares.count, 0);
    assert_int_equal(brain_next_tick_ns(world.fixture.brain), BRAIN_NEVER);
    fleet_world_pass(&world, 20000); /* all has refilled */
    struct store_record record;
    assert_false(fleet_world_record(&world, "foo", NULL, &record));
    fleet_world_end(&world);
}

static struct limits *limits_that_give_back_after(uint32_t return_after_ms)
{
    struct limit_terms limit = fleet_world_limit(LIMIT_DEFAULT_NAME, 1000, hundred_per_second);
    struct fleet_terms fleet = fleet_world_terms();
    fleet.return_after_ms = return_after_ms;
    return fleet_world_limits(&limit, 1, &fleet);
}

/* Though what was asked for within the horizon would have it order more. */
static void a_share_gives_back_once_if_that_is_sooner_than_the_horizon(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin(&world, limits_that_give_back_after(100));
    hammer(&world, 100);
    fleet_world_pass(&world, 90);
    unsigned orders = world.orders;
    fleet_world_pass(&world, 5000);
    assert_int_equal(world.orders, orders + 1);
    assert_int_equal(fleet_world_out(&world, "foo"), 0);
    fleet_world_end(&world);
}

/* Though it has long not been asked. */
static void who_waits_for_long_costs_no_orders_but_to_renew_the_hand(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin(&world, limits_that_give_back_after(100));
    hammer(&world, 10);
    fleet_world_take(&world, "foo", NULL, 700);
    assert_false(fleet_world_ask_foo(&world, &caller, 900, 10000));
    fleet_world_pass(&world, 200);
    unsigned orders = world.orders;
    fleet_world_pass(&world, 2000);
    assert_in_range(world.orders, orders, orders + 12);
    fleet_world_pass(&world, 8000);
    assert_true(caller.is_home);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

static void the_end_of_a_lease_voids_the_hand_and_begins_a_session(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    hammer(&world, 30);
    world.forced = ORDER_UNREACHABLE;
    uint64_t session = world.last.session;
    uint64_t sent_ns = fleet_world_ns(&world);
    while (fleet_world_ns(&world) < sent_ns + 1400 * NS_PER_MS) { /* the hand serves on */
        fleet_world_pass(&world, 100);
        assert_true(fleet_world_ask_foo(&world, &caller, 1, 0));
        assert_int_equal(fleet_caller_result(&caller), BUCKET_ALLOWED);
    }
    while (fleet_world_ns(&world) < sent_ns + 2000 * NS_PER_MS) {
        fleet_world_pass(&world, 100);
        fleet_world_ask_foo(&world, &caller, 1, 0);
        fleet_world_pass(&world, FLEET_WORLD_COLD_MS);
        fleet_caller_release(&caller);
    }
    assert_true(fleet_world_counters(&world).lost_tokens > 0);
    assert_true(fleet_world_ask_foo(&world, &caller, 1, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_DENIED);
    assert_true(caller.message.answer.bucket.is_apart);
    world.forced = ORDER_RESULT_COUNT;
    fleet_world_pass(&world, 1100);
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_ALLOWED);
    assert_int_not_equal(world.last.session, session);
    fleet_world_end(&world);
}

/* As after the process stood still: by then others may have had them. */
static void what_comes_when_its_lease_is_over_is_not_spent(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 100, hundred_per_second);
    world.half_trip_ns = FLEET_WORLD_TTL_MS / 2 * NS_PER_MS;
    struct bucket_answer answer =
        fleet_world_await(&world, MESSAGE_ALLOW, "foo", NULL, 1, 3 * FLEET_WORLD_TTL_MS);
    assert_int_equal(answer.result, BUCKET_WAIT_OVER);
    assert_int_equal(fleet_world_counters(&world).spent_tokens, 0);
    assert_true(fleet_world_counters(&world).lost_tokens > 0);
    fleet_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_that_jumps_ahead_gains_the_guard_once),
        cmocka_unit_test(a_clock_that_goes_back_refills_nothing_until_it_has_caught_up),
        cmocka_unit_test(a_clock_that_is_set_right_again_is_noticed_in_a_second),
        cmocka_unit_test(a_cold_key_waits_and_is_granted),
        cmocka_unit_test(what_is_in_hand_is_spent_at_once_though_the_store_stands),
        cmocka_unit_test(a_request_without_wait_waits_for_cold_wait_at_most),
        cmocka_unit_test(cold_deny_denies_at_once_and_orders),
        cmocka_unit_test(cold_allow_allows_uncounted_unless_the_record_has_too_little),
        cmocka_unit_test(an_exhausted_key_costs_one_order_for_each_time_that_it_may_have_refilled),
        cmocka_unit_test(who_may_wait_waits_until_the_record_has_refilled),
        cmocka_unit_test(the_queue_keeps_its_order),
        cmocka_unit_test(a_sudden_crowd_is_let_in_without_a_denial),
        cmocka_unit_test(a_request_above_the_chunk_is_asked_for_exactly),
        cmocka_unit_test(what_the_record_has_is_got_though_others_hold_all_that_may_be_outstanding),
        cmocka_unit_test(a_hot_key_costs_one_order_for_two_hundred_decisions_at_most),
        cmocka_unit_test(orders_of_a_key_keep_their_interval),
        cmocka_unit_test(orders_for_what_is_scarce_are_spread),
        cmocka_unit_test(a_hand_is_renewed_while_it_is_used),
        cmocka_unit_test(a_quiet_fleet_has_nothing_out_and_forgets_its_shares),
        cmocka_unit_test(a_share_gives_back_once_if_that_is_sooner_than_the_horizon),
        cmocka_unit_test(who_waits_for_long_costs_no_orders_but_to_renew_the_hand),
        cmocka_unit_test(the_end_of_a_lease_voids_the_hand_and_begins_a_session),
        cmocka_unit_test(what_comes_when_its_lease_is_over_is_not_spent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
