/* What the store's answers do to shares, and what reaches the store. With its model, in virtual time. */
#include "brain/orders.h"
#include "support/fleet_world.h"

#include <stdlib.h>
#include <string.h>

static const struct rate one_per_second = {1, 1000}, hundred_per_second = {100, 1000};

static struct bucket_answer change_foo(struct fleet_world *world, enum message_kind kind,
                                       uint64_t tokens)
{
    struct fleet_caller caller;
    assert_true(fleet_world_ask(world, &caller, kind, "foo", NULL, tokens, 0));
    return caller.message.answer.bucket;
}

/* Whole tokens in the record of foo, what is out not counted; below 0 if it owes. */
static int64_t level_of_foo(struct fleet_world *world)
{
    struct store_record record;
    if (!fleet_world_record(world, "foo", NULL, &record))
        return INT64_MAX;
    return record.level_units[0] / (int64_t)record.token_units[0];
}

/* ---- results ---- */

static void a_store_without_an_epoch_is_asked_again_at_once(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_one(&world, 10, one_per_second);
    store_model_forget(world.store);
    assert_false(fleet_world_ask_foo(&world, &caller, 1, 0));
    fleet_world_pass(&world, 1);
    assert_true(caller.is_home);
    assert_int_equal(world.orders, 2);
    /* nothing was promised to be there before the epoch */
    assert_int_equal(fleet_caller_result(&caller), BUCKET_DENIED);
    assert_true(caller.message.answer.bucket.retry_after_ms >
                FLEET_WORLD_TTL_MS + FLEET_WORLD_GRACE_MS);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

static void on_loss_full_says_so_in_each_order(void **state)
{
    (void)state;
    struct fleet_world world;
    const struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, one_per_second);
    struct fleet_terms fleet = fleet_world_terms();
    fleet.on_loss = FLEET_LOSS_FULL;
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    store_model_forget(world.store);
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_ALLOWED);
    assert_int_equal(world.last.flags, ORDER_ON_LOSS_FULL);
    fleet_world_end(&world);
}

static void a_store_that_forgot_voids_the_hand(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    fleet_world_warm_up(&world);
    store_model_forget(world.store);
    uint64_t session = world.last.session;
    fleet_world_pass(&world, 600); /* it is renewed */
    assert_int_equal(fleet_world_hand(&world), 0);
    struct fleet_counters counters = fleet_world_counters(&world);
    assert_true(counters.lost_tokens > 0);
    assert_true(counters.epochs >= 1);
    struct bucket_answer answer = fleet_world_allow(&world, "foo", 1);
    assert_int_equal(answer.result, BUCKET_DENIED);
    fleet_world_pass(&world, FLEET_WORLD_TTL_MS + FLEET_WORLD_GRACE_MS + 100);
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_ALLOWED);
    assert_int_not_equal(world.last.session, session);
    fleet_world_end(&world);
}

static void an_evicted_record_voids_the_hand(void **state)
{
    (void)state;
    struct fleet_world world;
    struct store_record record;
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    fleet_world_warm_up(&world);
    assert_true(fleet_world_record(&world, "foo", NULL, &record));
    char name[FLEET_RECORD_NAME_MAX];
    assert_true(store_model_evict(world.store, name, fleet_record_name("f", &world.last, name)));
    uint64_t session = world.last.session;
    fleet_world_pass(&world, 600);
    assert_int_equal(fleet_world_hand(&world), 0);
    assert_true(fleet_world_counters(&world).lost_tokens > 0);
    fleet_world_allow(&world, "foo", 1);
    assert_int_not_equal(world.last.session, session);
    fleet_world_end(&world);
}

static void a_store_that_was_rolled_back_is_told_and_counted(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 1000, one_per_second);
    fleet_world_allow(&world, "foo", 1);
    struct store_model *before = store_model_copy(world.store);
    fleet_world_warm_up(&world);
    uint64_t hand = fleet_world_hand(&world);
    store_model_restore(world.store, before);
    store_model_free(before);
    fleet_world_pass(&world, 600); /* it is renewed */
    assert_true(world.last.was_rolled_back);
    assert_true(fleet_world_counters(&world).rollbacks >= 1);
    assert_int_equal(fleet_world_counters(&world).lost_tokens, 0);
    assert_int_equal(fleet_world_hand(&world), hand);
    assert_int_equal(fleet_world_out(&world, "foo"), hand);
    fleet_world_end(&world);
}

static void a_damaged_record_voids_the_hand_and_is_counted(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    fleet_world_warm_up(&world);
    char name[FLEET_RECORD_NAME_MAX];
    const struct store_value junk = {(const unsigned char *)"\1junk", 5, STORE_NO_END};
    store_model_put(world.store, name, fleet_record_name("f", &world.last, name), &junk);
    fleet_world_pass(&world, 600);
    assert_int_equal(fleet_world_hand(&world), 0);
    assert_int_equal(fleet_world_counters(&world).damaged, 1);
    fleet_world_end(&world);
}

static void a_record_of_another_version_is_as_a_store_out_of_reach(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    fleet_world_warm_up(&world);
    char name[FLEET_RECORD_NAME_MAX];
    const struct store_value later = {(const unsigned char *)"\2", 1, STORE_NO_END};
    store_model_put(world.store, name, fleet_record_name("f", &world.last, name), &later);
    fleet_world_pass(&world, 600);
    assert_true(fleet_world_hand(&world) > 0); /* until its lease is over */
    fleet_world_pass(&world, FLEET_WORLD_TTL_MS);
    assert_int_equal(fleet_world_hand(&world), 0);
    struct bucket_answer answer = fleet_world_allow(&world, "foo", 1);
    assert_int_equal(answer.result, BUCKET_DENIED);
    assert_true(answer.is_apart);
    fleet_world_end(&world);
}

/* The reply is lost, and the order was done: what it granted is told when the next one goes. */
static void a_lost_reply_loses_nothing(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    fleet_world_warm_up(&world);
    uint64_t hand = fleet_world_hand(&world);
    assert_false(fleet_world_ask_foo(&world, &caller, hand + 5, 0));
    struct orders *orders = world.away[0].orders;
    fleet_world_pass_ns(&world, 250000); /* it has been at the store */
    assert_true(world.away[0].is_done);
    const struct order kept = orders->order[0];
    orders->order[0].result = ORDER_UNREACHABLE;
    fleet_world_pass_ns(&world, 300000);
    assert_true(caller.is_home);
    assert_int_equal(fleet_caller_result(&caller), BUCKET_DENIED);
    fleet_caller_release(&caller);
    uint64_t out = fleet_world_out(&world, "foo");
    assert_true(out > hand);
    fleet_world_pass(&world, 700);
    assert_int_equal(fleet_world_counters(&world).lost_tokens, 0);
    assert_int_equal(kept.session, world.last.session);
    assert_true(fleet_world_hand(&world) >= out - 5);
    assert_int_equal(fleet_world_hand(&world), fleet_world_out(&world, "foo"));
    fleet_world_end(&world);
}

static void a_store_out_of_reach_is_asked_less_and_less_often(void **state)
{
    static const enum order_result results[] = {ORDER_UNREACHABLE, ORDER_REFUSED, ORDER_NOT_SENT,
                                                ORDER_VERSION};
    (void)state;
    for (unsigned i = 0; i < LENGTH(results); i++) {
        struct fleet_world world;
        fleet_world_begin_one(&world, 10, one_per_second);
        world.forced = results[i];
        for (unsigned ms = 0; ms < 10000; ms += 10) {
            struct bucket_answer answer = fleet_world_allow(&world, "foo", 1);
            assert_int_equal(answer.result, BUCKET_DENIED);
            assert_true(answer.is_apart);
            assert_in_range(answer.retry_after_ms, 1, 1000);
            fleet_world_pass(&world, 10);
        }
        assert_in_range(world.orders, 10, 20);
        assert_int_equal(fleet_world_counters(&world).orders_failed, world.orders);
        assert_true(fixture_daemon(&world.fixture).fleet.is_cut);
        world.forced = ORDER_RESULT_COUNT;
        fleet_world_pass(&world, 1001);
        assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_ALLOWED);
        assert_false(fixture_daemon(&world.fixture).fleet.is_cut);
        fleet_world_end(&world);
    }
}

static void too_many_holders_are_as_an_empty_record(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 10, one_per_second);
    world.forced = ORDER_FULL;
    struct bucket_answer answer = fleet_world_allow(&world, "foo", 1);
    assert_int_equal(answer.result, BUCKET_DENIED);
    assert_false(answer.is_apart);
    unsigned before = world.orders;
    for (unsigned i = 0; i < 400; i++) {
        fleet_world_allow(&world, "foo", 1);
        fleet_world_pass(&world, 1);
    }
    assert_int_equal(world.orders, before);
    fleet_world_end(&world);
}

/* By a reset, or because another sidecar has given its hand back. */
static void what_others_give_back_is_seen_a_second_later(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 10, (struct rate){1, 3600000});
    fleet_world_take(&world, "foo", NULL, 10);
    unsigned denied = 0;
    for (; denied < 50; denied++) {
        assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_DENIED);
        fleet_world_pass(&world, 100);
    }
    assert_in_range(world.orders, 2, 8); /* one a second and no more */
    fleet_world_fill(&world, "foo");
    for (denied = 0; fleet_world_allow(&world, "foo", 1).result == BUCKET_DENIED; denied++) {
        assert_true(denied < 12);
        fleet_world_pass(&world, 100);
    }
    fleet_world_end(&world);
}

/* ---- the store is out of reach ---- */

static struct fleet_world *cut_world(struct fleet_world *world, enum fleet_partition on_partition)
{
    const struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 40, hundred_per_second);
    struct fleet_terms fleet = fleet_world_terms();
    fleet.on_partition = on_partition;
    fleet_world_begin(world, fleet_world_limits(&terms, 1, &fleet));
    world->forced = ORDER_NOT_SENT;
    return world;
}

static void on_partition_share_has_its_part_of_burst_and_rate(void **state)
{
    (void)state;
    struct fleet_world world;
    cut_world(&world, FLEET_PARTITION_SHARE);
    unsigned allowed = 0;
    for (unsigned i = 0; i < 20; i++) {
        struct bucket_answer answer = fleet_world_allow(&world, "foo", 1);
        assert_true(answer.is_apart);
        allowed += answer.result == BUCKET_ALLOWED;
    }
    assert_int_equal(allowed, 10); /* 40 by 4 sidecars */
    for (unsigned i = 0; i < 2000; i++) {
        fleet_world_pass(&world, 1);
        allowed += fleet_world_allow(&world, "foo", 1).result == BUCKET_ALLOWED;
    }
    assert_in_range(allowed, 10 + 50, 10 + 52); /* 25 a second, and what passed while it waited */
    /* a store that comes and goes gives no more */
    world.forced = ORDER_RESULT_COUNT;
    fleet_world_pass(&world, 1100);
    fleet_world_allow(&world, "foo", 1);
    fleet_world_end(&world);
}

static void on_partition_allow_allows_uncounted(void **state)
{
    (void)state;
    struct fleet_world world;
    cut_world(&world, FLEET_PARTITION_ALLOW);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_UNCOUNTED);
    assert_int_equal(fleet_world_counters(&world).partitioned, 100);
    assert_int_equal(fixture_daemon(&world.fixture).counters.table_full_allowed, 0);
    fleet_world_end(&world);
}

static void a_new_key_does_not_wait_for_a_store_that_is_out_of_reach(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    cut_world(&world, FLEET_PARTITION_DENY);
    fleet_world_allow(&world, "foo", 1);
    assert_true(fleet_world_ask(&world, &caller, MESSAGE_ALLOW, "bar", NULL, 1, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_DENIED);
    world.forced = ORDER_RESULT_COUNT; /* its order is on its way all the same */
    fleet_world_pass(&world, 1);
    assert_true(fleet_world_ask(&world, &caller, MESSAGE_ALLOW, "bar", NULL, 1, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_ALLOWED);
    fleet_world_end(&world);
}

static void who_may_wait_waits_for_the_next_try(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller, over;
    cut_world(&world, FLEET_PARTITION_DENY);
    fleet_world_allow(&world, "foo", 1);
    assert_false(fleet_world_ask_foo(&world, &over, 1, 100));
    assert_false(fleet_world_ask_foo(&world, &caller, 1, 5000));
    fleet_world_pass(&world, 500);
    assert_true(over.is_home);
    assert_true(fleet_caller_result(&over) == BUCKET_DENIED ||
                fleet_caller_result(&over) == BUCKET_WAIT_OVER);
    assert_false(caller.is_home);
    world.forced = ORDER_RESULT_COUNT;
    fleet_world_pass(&world, 1001);
    assert_true(caller.is_home);
    assert_int_equal(fleet_caller_result(&caller), BUCKET_ALLOWED);
    fleet_caller_release(&caller);
    fleet_caller_release(&over);
    fleet_world_end(&world);
}

/* ---- refund, charge, reset, status ---- */

static void a_refund_of_what_no_order_has_told_goes_into_the_hand(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    fleet_world_warm_up(&world);
    uint64_t hand = fleet_world_hand(&world);
    unsigned orders = world.orders;
    assert_int_equal(fleet_world_allow(&world, "foo", 3).result, BUCKET_ALLOWED);
    assert_int_equal(change_foo(&world, MESSAGE_REFUND, 3).result, BUCKET_ALLOWED);
    assert_int_equal(fleet_world_hand(&world), hand);
    assert_int_equal(world.orders, orders);
    fleet_world_end(&world);
}

static void a_refund_of_what_is_told_goes_to_the_record_once(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 10, (struct rate){1, 3600000});
    assert_int_equal(fleet_world_allow(&world, "foo", 10).result, BUCKET_ALLOWED);
    fleet_world_pass(&world, 1100);
    assert_int_equal(level_of_foo(&world), 0);
    world.forced = ORDER_UNREACHABLE;
    change_foo(&world, MESSAGE_REFUND, 4);
    fleet_world_pass(&world, 300); /* it is tried again and again */
    world.forced = ORDER_RESULT_COUNT;
    fleet_world_pass(&world, 1000);
    assert_int_equal(level_of_foo(&world), 4);
    assert_int_equal(fleet_world_allow(&world, "foo", 4).result, BUCKET_ALLOWED);
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_DENIED);
    fleet_world_end(&world);
}

static void a_charge_takes_the_hand_then_the_record_then_owes(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 10, (struct rate){1, 3600000});
    fleet_world_allow(&world, "foo", 2);
    struct bucket_answer answer = change_foo(&world, MESSAGE_CHARGE, 5);
    assert_int_equal(answer.result, BUCKET_ALLOWED);
    assert_int_equal(answer.charged_tokens, 5);
    assert_int_equal(answer.remaining_tokens, 3);
    fleet_world_pass(&world, 100);
    answer = change_foo(&world, MESSAGE_CHARGE, 100); /* it may owe 10 */
    assert_int_equal(answer.charged_tokens, 13);
    assert_int_equal(answer.buckets[0].charged_tokens, 13);
    assert_int_equal(answer.owed_tokens, 10);
    assert_int_equal(fixture_daemon(&world.fixture).counters.forgiven_tokens, 87);
    fleet_world_pass(&world, 100);
    assert_int_equal(level_of_foo(&world), -9); /* and most of a token */
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_DENIED);
    fleet_world_end(&world);
}

static void a_charge_to_a_key_of_which_nothing_is_known_reaches_the_store(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 10, (struct rate){1, 3600000});
    assert_int_equal(change_foo(&world, MESSAGE_CHARGE, 7).charged_tokens, 7);
    fleet_world_pass(&world, 5000);
    assert_int_equal(level_of_foo(&world), 3);
    assert_int_equal(world.fixture.brain->shares.count, 0);
    fleet_world_end(&world);
}

/* A copy of an order that begins a session tells of nothing that could be done again. */
static void a_session_joins_before_it_tells_of_a_charge(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 10, (struct rate){1, 3600000});
    world.forced = ORDER_UNREACHABLE;
    change_foo(&world, MESSAGE_CHARGE, 7);
    fleet_world_pass(&world, 300); /* it is tried again and again */
    assert_int_equal(world.last.totals[0].net, 0);
    assert_int_equal(world.last.flags & ORDER_JOIN, ORDER_JOIN);
    world.forced = ORDER_RESULT_COUNT;
    fleet_world_pass(&world, 1000);
    assert_int_equal(world.last.totals[0].net, -7);
    assert_int_equal(world.last.flags & ORDER_JOIN, 0);
    assert_int_equal(level_of_foo(&world), 3);
    fleet_world_end(&world);
}

/* If its answer is lost, the record may have forgotten the session. */
static void the_order_that_ends_a_session_is_its_last(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    fleet_world_warm_up(&world);
    uint64_t session = world.last.session;
    fleet_world_pass(&world, 900);
    assert_int_equal(world.last.session, session);
    world.forced = ORDER_UNREACHABLE;
    fleet_world_pass(&world, 200); /* it is quiet, and gives all back */
    assert_int_equal(world.last.flags & ORDER_RELEASE, ORDER_RELEASE);
    world.forced = ORDER_RESULT_COUNT;
    unsigned orders = world.orders;
    fleet_world_pass(&world, 1000);
    assert_int_equal(world.orders, orders + 1); /* to see that the store is back */
    assert_true(world.last.session != session);
    assert_int_equal(fleet_world_hand(&world), 0);
    assert_int_equal(world.fixture.brain->shares.count, 0);
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_ALLOWED);
    fleet_world_end(&world);
}

/* Orders go ahead of min_interval if much comes suddenly; but not anew each time that a quiet key is asked for again. */
static void a_share_is_forgotten_only_once_its_orders_are_in_time(void **state)
{
    (void)state;
    struct fleet_world world;
    const struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 1000, one_per_second);
    struct fleet_terms fleet = fleet_world_terms();
    fleet.min_interval_ms = 100;
    fleet.return_after_ms = 50;
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    const uint64_t began_ns = fleet_world_ns(&world);
    for (unsigned i = 0; i < 200; i++) {
        struct fleet_caller caller;
        for (unsigned j = 0; j < 5; j++) {
            fleet_world_ask_foo(&world, &caller, 1, 0);
            fleet_world_pass(&world, FLEET_WORLD_COLD_MS + 1);
            fleet_caller_release(&caller);
        }
        fleet_world_pass(&world, 60);
    }
    uint64_t passed_ms = (fleet_world_ns(&world) - began_ns) / NS_PER_MS;
    assert_true(world.orders > 20);
    assert_true(world.orders <= passed_ms / fleet.min_interval_ms + ORDERS_AHEAD + 1);
    fleet_world_end(&world);
}

static void a_reset_fills_the_record_and_serves_who_waits(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_one(&world, 10, (struct rate){1, 3600000});
    fleet_world_allow(&world, "foo", 10);
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_DENIED);
    struct bucket_answer answer = change_foo(&world, MESSAGE_RESET, 0);
    assert_int_equal(answer.result, BUCKET_ALLOWED);
    assert_int_equal(answer.remaining_tokens, 10);
    assert_false(fleet_world_ask_foo(&world, &caller, 10, 0));
    fleet_world_pass(&world, 25);
    assert_true(caller.is_home);
    fleet_caller_release(&caller);
    fleet_world_pass(&world, 100);
    assert_true(level_of_foo(&world) == 10 || level_of_foo(&world) == 0);
    fleet_world_end(&world);
}

static void a_reset_is_done_once_though_its_answer_is_lost(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 10, (struct rate){1, 3600000});
    assert_int_equal(fleet_world_allow(&world, "foo", 6).result, BUCKET_ALLOWED);
    fleet_world_pass(&world, 100);
    change_foo(&world, MESSAGE_RESET, 0);
    struct orders *orders = world.away[0].orders;
    uint64_t seq = world.last.seq;
    assert_int_equal(world.last.flags & ORDER_RESET, ORDER_RESET);
    fleet_world_pass_ns(&world, 250000); /* it has been at the store */
    assert_true(world.away[0].is_done);
    orders->order[0].result = ORDER_UNREACHABLE;
    fleet_world_take(&world, "foo", NULL, 3);
    fleet_world_pass(&world, 50);
    assert_int_equal(world.last.seq, seq);
    assert_int_equal(world.last.flags & ORDER_RESET, ORDER_RESET);
    assert_int_equal(world.last.result, ORDER_OLD);
    assert_int_equal(level_of_foo(&world), 7);
    change_foo(&world, MESSAGE_RESET, 0); /* another one */
    fleet_world_pass(&world, 100);
    assert_int_equal(level_of_foo(&world), 10);
    fleet_world_end(&world);
}

static void status_of_a_cold_key_asks_the_store(void **state)
{
    (void)state;
    struct fleet_world world;
    fleet_world_begin_one(&world, 10, one_per_second);
    fleet_world_take(&world, "foo", NULL, 7);
    struct bucket_answer answer = fleet_world_await(&world, MESSAGE_STATUS, "foo", NULL, 0, 0);
    assert_int_equal(answer.result, BUCKET_ALLOWED);
    assert_int_equal(answer.remaining_tokens, 3);
    assert_true(answer.is_estimate);
    assert_in_range(answer.full_after_ms, 6990, 7000);
    assert_in_range(answer.buckets[0].next_token_ms, 990, 1000);
    assert_int_equal(fleet_world_out(&world, "foo"), 0);
    fleet_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_without_an_epoch_is_asked_again_at_once),
        cmocka_unit_test(on_loss_full_says_so_in_each_order),
        cmocka_unit_test(a_store_that_forgot_voids_the_hand),
        cmocka_unit_test(an_evicted_record_voids_the_hand),
        cmocka_unit_test(a_store_that_was_rolled_back_is_told_and_counted),
        cmocka_unit_test(a_damaged_record_voids_the_hand_and_is_counted),
        cmocka_unit_test(a_record_of_another_version_is_as_a_store_out_of_reach),
        cmocka_unit_test(a_lost_reply_loses_nothing),
        cmocka_unit_test(a_store_out_of_reach_is_asked_less_and_less_often),
        cmocka_unit_test(too_many_holders_are_as_an_empty_record),
        cmocka_unit_test(what_others_give_back_is_seen_a_second_later),
        cmocka_unit_test(on_partition_share_has_its_part_of_burst_and_rate),
        cmocka_unit_test(on_partition_allow_allows_uncounted),
        cmocka_unit_test(a_new_key_does_not_wait_for_a_store_that_is_out_of_reach),
        cmocka_unit_test(who_may_wait_waits_for_the_next_try),
        cmocka_unit_test(a_refund_of_what_no_order_has_told_goes_into_the_hand),
        cmocka_unit_test(a_refund_of_what_is_told_goes_to_the_record_once),
        cmocka_unit_test(a_charge_takes_the_hand_then_the_record_then_owes),
        cmocka_unit_test(a_charge_to_a_key_of_which_nothing_is_known_reaches_the_store),
        cmocka_unit_test(a_session_joins_before_it_tells_of_a_charge),
        cmocka_unit_test(the_order_that_ends_a_session_is_its_last),
        cmocka_unit_test(a_share_is_forgotten_only_once_its_orders_are_in_time),
        cmocka_unit_test(a_reset_fills_the_record_and_serves_who_waits),
        cmocka_unit_test(a_reset_is_done_once_though_its_answer_is_lost),
        cmocka_unit_test(status_of_a_cold_key_asks_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
