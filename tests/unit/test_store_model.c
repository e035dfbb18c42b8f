/* The store's script, by its model: each rule of script.lua in one case, and what must be true after every call. */
#include "support/dice.h"
#include "support/store_model.h"
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

/* A bucket of 100, one token a second; leases of 2 s and half a second of grace. */
enum { BURST = 100, TOKEN = 1000, STEP = 1, OUTSTANDING = 50, LEASE_MS = 2500 };
#define START_MS UINT64_C(1700000000000)
static const struct call_terms terms = {.ttl_ms = 2000, .grace_ms = 500, .clock_guard_ms = 20};

struct world {
    struct store_model *store;
    uint64_t now_ms;
};

static int begin(void **state)
{
    static struct world world;
    world = (struct world){store_model_new(), START_MS};
    *state = &world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;
    store_model_free(world->store);
    return 0;
}

static struct order order_of(uint64_t session)
{
    return (struct order){
        .limit_name = "api",
        .key = "alice",
        .limit_len = 3,
        .key_len = 5,
        .buckets = 1,
        .terms_tag = 7,
        .session = session,
        .terms = {{BURST, TOKEN, STEP, OUTSTANDING}},
    };
}

static size_t record_name(char name[FLEET_RECORD_NAME_MAX])
{
    struct order order = order_of(1);
    return fleet_record_name("f", &order, name);
}

static bool has_record(struct world *world, struct store_record *record)
{
    char name[FLEET_RECORD_NAME_MAX];
    struct store_value value;
    if (!store_model_get(world->store, name, record_name(name), world->now_ms, &value))
        return false;
    assert_true(store_record_read(record, value.bytes, value.len));
    return true;
}

static void send_at(struct world *world, struct order *order, uint64_t sent_ns)
{
    order->seq++;
    store_model_order(world->store, "f", order, &terms, sent_ns, world->now_ms);
    if (order->seq < order->answered_ms && (order->granted[0] > 0 || order->flags & ORDER_JOIN))
        order->seq = order->answered_ms;
    struct store_record record;
    if (order->result <= ORDER_REPEATED && has_record(world, &record))
        for (unsigned i = 0; i < record.buckets && i < order->buckets; i++)
            assert_true(store_record_is_within(&record, i, &order->terms[i]));
}

static void send_order(struct world *world, struct order *order)
{
    send_at(world, order, 0);
}

static void expect(struct world *world, struct order *order, enum order_result result,
                   uint64_t granted, int64_t level_units)
{
    send_order(world, order);
    assert_int_equal(order->result, result);
    assert_int_equal(order->granted[0], granted);
    assert_int_equal(order->level_units[0], level_units);
}

/* What was granted is known, and this much of it spent. */
static void spend(struct order *order, uint64_t tokens)
{
    order->totals[0].granted = order->granted[0];
    order->totals[0].disposed += tokens;
    order->totals[0].want = 0;
}

static void give_back(struct order *order, uint64_t tokens)
{
    spend(order, tokens);
    order->totals[0].net += (int64_t)tokens;
}

static void want(struct order *order, uint64_t tokens)
{
    order->totals[0].want = tokens;
}

/* Takes all that a full bucket holds, and has it spent. */
static void take_and_spend_all(struct world *world, struct order *order)
{
    order->flags = ORDER_EXACT;
    want(order, BURST);
    expect(world, order, ORDER_DONE, BURST, 0);
    spend(order, BURST);
}

/* The store has an epoch, and it is so long ago that an absent record is full. */
static void begin_epoch(struct world *world)
{
    struct order order = order_of(99);
    send_order(world, &order);
    assert_int_equal(order.result, ORDER_AGAIN);
    world->now_ms += LEASE_MS + BURST * TOKEN;
}

/* ---- epochs ---- */

static void the_first_order_begins_the_epoch_and_does_nothing_else(void **state)
{
    struct world *world = *state;
    struct order order = order_of(1);
    want(&order, 5);
    expect(world, &order, ORDER_AGAIN, 0, 0);
    assert_int_equal(order.answered_epoch_ms, START_MS);
    struct store_record record;
    assert_false(has_record(world, &record));
    expect(world, &order, ORDER_DONE, 0, 0);
}

static void after_a_loss_a_record_begins_empty_when_all_leases_are_over(void **state)
{
    struct world *world = *state;
    struct order order = order_of(1);
    want(&order, 50);
    send_order(world, &order);
    expect(world, &order, ORDER_DONE, 0, 0);
    world->now_ms = START_MS + LEASE_MS + 1999;
    expect(world, &order, ORDER_DONE, 1, 999);
}

static void what_is_forgotten_is_told_by_the_epoch(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 5);
    expect(world, &order, ORDER_DONE, 5, 95000);
    order.epoch_ms = order.answered_epoch_ms;
    spend(&order, 1);
    store_model_forget(world->store);
    expect(world, &order, ORDER_AGAIN, 0, 0);
    expect(world, &order, ORDER_EPOCH, 0, 0);
    assert_int_equal(order.answered_epoch_ms, world->now_ms);
}

static void a_loss_may_count_as_full(void **state)
{
    struct world *world = *state;
    struct order order = order_of(1);
    order.flags = ORDER_ON_LOSS_FULL;
    want(&order, 5);
    expect(world, &order, ORDER_AGAIN, 0, 0);
    assert_int_equal(order.answered_epoch_ms, 0);
    expect(world, &order, ORDER_DONE, 5, 95000);
}

/* ---- grants ---- */

static void grants_are_shares_of_what_is_there(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order one = order_of(1), other = order_of(2);
    want(&one, 1000);
    expect(world, &one, ORDER_DONE, 50, 50000); /* half of the burst, if nobody else is there */
    want(&other, 1000);
    expect(world, &other, ORDER_DONE, 0, 50000); /* no more may be out */
    assert_int_equal(other.out_tokens[0], 50);
    spend(&one, 50);
    expect(world, &one, ORDER_DONE, 50, 50000);
    assert_int_equal(one.holders, 1);
    expect(world, &other, ORDER_DONE, 25, 25000); /* of two holders, a quarter */
    assert_int_equal(other.holders, 2);
}

static void one_request_gets_all_or_nothing(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    order.flags = ORDER_EXACT;
    want(&order, 101);
    expect(world, &order, ORDER_DONE, 0, 100000);
    want(&order, 100);
    expect(world, &order, ORDER_DONE, 100, 0);
    assert_int_equal(order.out_tokens[0], 100);
}

static void a_lost_answer_is_repeated_and_grants_nothing_new(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 5);
    expect(world, &order, ORDER_DONE, 5, 95000);
    expect(world, &order, ORDER_REPEATED, 5, 95000);
    spend(&order, 2);
    want(&order, 1);
    expect(world, &order, ORDER_DONE, 6, 94000);
    assert_int_equal(order.out_tokens[0], 4);
}

static void an_older_order_does_nothing(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 5);
    struct order late = order;
    expect(world, &order, ORDER_DONE, 5, 95000);
    expect(world, &late, ORDER_OLD, 5, 95000); /* doubled */
    assert_int_equal(late.holders, 1);
}

static void what_comes_back_is_there_for_others(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 40);
    expect(world, &order, ORDER_DONE, 40, 60000);
    give_back(&order, 30);
    expect(world, &order, ORDER_DONE, 40, 90000);
    assert_int_equal(order.out_tokens[0], 10);
    give_back(&order, 10);
    order.flags = ORDER_RELEASE;
    world->now_ms += 5;
    expect(world, &order, ORDER_DONE, 40, 100000);
    assert_int_equal(order.holders, 0);
    struct store_record record;
    world->now_ms += 2;
    assert_false(has_record(world, &record)); /* it is full, and nobody has anything */
}

static void a_release_that_does_not_know_of_a_grant_is_told_of_it_first(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 5);
    expect(world, &order, ORDER_DONE, 5, 95000);
    order.flags = ORDER_RELEASE;
    expect(world, &order, ORDER_REPEATED, 5, 95000);
    assert_int_equal(order.holders, 1);
    give_back(&order, 5);
    world->now_ms += 5;
    expect(world, &order, ORDER_DONE, 5, 100000);
    assert_int_equal(order.holders, 0);
}

static void only_a_session_that_is_known_tells_of_totals(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order other = order_of(1), order = order_of(2);
    want(&other, 50);
    expect(world, &other, ORDER_DONE, 50, 50000);
    order.totals[0].net = 5;
    expect(world, &order, ORDER_SESSION, 0, 50000);
    order.totals[0].net = 0;
    expect(world, &order, ORDER_DONE, 0, 50000);
    assert_int_equal(order.holders, 1); /* it has nothing, and is forgotten */
    order.flags = ORDER_JOIN;
    expect(world, &order, ORDER_DONE, 0, 50000);
    assert_int_equal(order.holders, 2);
    order.flags = 0;
    spend(&other, 50);
    expect(world, &other, ORDER_DONE, 50, 50000);
    order.totals[0].net = 5;
    expect(world, &order, ORDER_DONE, 0, 55000);
    order.totals[0].net = 0;
    expect(world, &order, ORDER_DONE, 0, 50000);
    assert_int_equal(order.holders, 2);
    order.flags = ORDER_RELEASE;
    world->now_ms += 10;
    send_order(world, &order);
    assert_int_equal(order.result, ORDER_DONE);
    assert_int_equal(order.holders, 1);
}

/* Though a copy of its first order begins the session anew. */
static void late_copies_of_a_session_that_is_forgotten_tell_nothing_again(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order other = order_of(1), order = order_of(2);
    want(&other, 50);
    expect(world, &other, ORDER_DONE, 50, 50000);
    spend(&other, 50);
    expect(world, &other, ORDER_DONE, 50, 50000);
    want(&order, 10);
    struct order first = order, second;
    expect(world, &order, ORDER_DONE, 10, 40000);
    give_back(&order, 10);
    second = order;
    expect(world, &order, ORDER_DONE, 10, 50000);
    order.flags = ORDER_RELEASE;
    world->now_ms += 5;
    send_order(world, &order);
    assert_int_equal(order.holders, 1);
    struct order late = second;
    send_order(world, &late);
    assert_int_equal(late.result, ORDER_SESSION);
    send_order(world, &first);
    assert_int_equal(first.result, ORDER_DONE);
    assert_int_equal(first.granted[0], 10);
    late = second;
    send_order(world, &late);
    assert_int_equal(late.result, ORDER_OLD);
    assert_int_equal(late.level_units[0], first.level_units[0]);
}

/* So soon that the time, where numbers begin, has not come as far as its own. */
static void a_session_that_ends_at_once_is_remembered_until_it_dies(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 10);
    struct order first = order;
    expect(world, &order, ORDER_DONE, 10, 90000);
    give_back(&order, 10);
    order.flags = ORDER_RELEASE;
    expect(world, &order, ORDER_DONE, 10, 100000);
    assert_int_equal(order.holders, 1);
    struct order late = first;
    expect(world, &late, ORDER_OLD, 10, 100000);
    world->now_ms += LEASE_MS + 1;
    late = first;
    expect(world, &late, ORDER_DONE, 10, 90000);
}

/* Of the first one, the session does not know where its numbers begin. */
static void a_lost_first_answer_is_told_of_by_the_next(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 5);
    struct order next = order;
    expect(world, &order, ORDER_DONE, 5, 95000);
    next.seq++;
    expect(world, &next, ORDER_OLD, 5, 95000);
    spend(&next, 5);
    want(&next, 1);
    expect(world, &next, ORDER_DONE, 6, 94000);
}

static void refunds_charges_and_resets_leave_hands_alone(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 40);
    expect(world, &order, ORDER_DONE, 40, 60000);
    spend(&order, 10);
    order.totals[0].net = -90;
    expect(world, &order, ORDER_DONE, 40, -30000);
    order.totals[0].net = 10;
    expect(world, &order, ORDER_DONE, 40, 70000); /* 30 are out */
    order.totals[0].net = -10;
    expect(world, &order, ORDER_DONE, 40, 50000);
    order.flags = ORDER_RESET;
    expect(world, &order, ORDER_DONE, 40, 70000);
    assert_int_equal(order.out_tokens[0], 30);
}

/* ---- time ---- */

/* It has ended by the clock that stepped. If the caller's clock held it back, it would refill for the step once more. */
static void a_record_that_a_step_of_the_clock_has_ended_is_of_that_clock(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1), other = order_of(2);
    want(&order, 10);
    expect(world, &order, ORDER_DONE, 10, 90000);
    give_back(&order, 0);
    order.totals[0].disposed = 10;
    order.flags = ORDER_RELEASE;
    expect(world, &order, ORDER_DONE, 10, 90000);
    other.store_ms = world->now_ms;
    world->now_ms += 3600000;
    want(&other, 5);
    expect(world, &other, ORDER_DONE, 5, 95000);
    assert_int_equal(other.answered_ms, world->now_ms);
    assert_int_equal(other.behind_ms, 0);
}

static void what_is_out_counts_against_the_burst(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 40);
    expect(world, &order, ORDER_DONE, 40, 60000);
    order.totals[0].granted = 40;
    order.totals[0].want = 0;
    for (unsigned i = 0; i < 100; i++) {
        world->now_ms += 1000;
        send_order(world, &order);
    }
    assert_int_equal(order.level_units[0], 60000);
}

static void the_dead_give_nothing_back_but_their_room(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1), other = order_of(2);
    want(&order, 50);
    expect(world, &order, ORDER_DONE, 50, 50000);
    world->now_ms += LEASE_MS;
    expect(world, &other, ORDER_DONE, 0, 50000); /* in time: no room but for 50 */
    world->now_ms += 700;
    expect(world, &other, ORDER_DONE, 0, 50700);
    assert_int_equal(other.holders, 0);
    order.totals[0].granted = 50;
    expect(world, &order, ORDER_SESSION, 0, 50700); /* too late */
}

static void a_clock_that_goes_back_refills_nothing(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    take_and_spend_all(world, &order);
    world->now_ms -= 3600000;
    expect(world, &order, ORDER_DONE, 100, 0);
    assert_int_equal(order.behind_ms, 3600000);
    world->now_ms += 3601000;
    expect(world, &order, ORDER_DONE, 100, 1000);
    assert_int_equal(order.behind_ms, 0);
}

static void our_clock_holds_back_one_that_leaps(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    take_and_spend_all(world, &order);
    expect(world, &order, ORDER_DONE, 100, 0);
    order.store_ms = order.answered_ms;
    world->now_ms += 60000;
    send_at(world, &order, 1000000000); /* a second, by ours */
    assert_int_equal(order.level_units[0], 1020);
    assert_int_equal(order.behind_ms, 60000 - 1020);
}

/* ---- losses ---- */

static void a_store_that_is_rolled_back_grants_again_what_a_session_knows(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 10);
    expect(world, &order, ORDER_DONE, 10, 90000);
    struct store_model *before = store_model_copy(world->store);
    order.flags = ORDER_EXACT;
    spend(&order, 10);
    want(&order, 85);
    expect(world, &order, ORDER_DONE, 95, 5000);
    store_model_restore(world->store, before);
    store_model_free(before);
    order.flags = 0;
    assert_false(order.was_rolled_back);
    spend(&order, 85);
    expect(world, &order, ORDER_DONE, 95, 5000);
    assert_true(order.was_rolled_back);
    assert_int_equal(order.out_tokens[0], 0);
}

static void an_evicted_record_begins_empty_when_all_leases_are_over(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1), other = order_of(2);
    want(&order, 10);
    expect(world, &order, ORDER_DONE, 10, 90000);
    char name[FLEET_RECORD_NAME_MAX];
    assert_true(store_model_evict(world->store, name, record_name(name)));
    order.totals[0].granted = 10;
    expect(world, &order, ORDER_SESSION, 0, 0);
    want(&other, 10);
    world->now_ms += LEASE_MS;
    expect(world, &other, ORDER_DONE, 0, 0);
    world->now_ms += 3000;
    expect(world, &other, ORDER_DONE, 3, 0);
}

static void put_record(struct world *world, const unsigned char *bytes, size_t len)
{
    char name[FLEET_RECORD_NAME_MAX];
    struct store_value value = {bytes, len, STORE_NO_END};
    store_model_put(world->store, name, record_name(name), &value);
}

static void a_damaged_record_begins_anew_and_empty(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 10);
    put_record(world, (const unsigned char *)"\1damaged", 8);
    expect(world, &order, ORDER_UNSOUND, 0, 0);
    assert_int_equal(order.holders, 0);
    expect(world, &order, ORDER_DONE, 0, 0);
    assert_int_equal(order.behind_ms, LEASE_MS);
    world->now_ms += LEASE_MS + 1000;
    expect(world, &order, ORDER_DONE, 1, 0);
}

static void a_record_of_another_version_is_left_alone(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    put_record(world, (const unsigned char *)"\2later", 6);
    expect(world, &order, ORDER_VERSION, 0, 0);
    char name[FLEET_RECORD_NAME_MAX];
    struct store_value value;
    assert_true(store_model_get(world->store, name, record_name(name), world->now_ms, &value));
    assert_memory_equal(value.bytes, "\2later", 6);
}

static void no_more_holders_than_a_record_has_room_for(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    for (uint64_t session = 1; session <= HOLDERS_MAX; session++) {
        struct order order = order_of(session);
        order.terms[0].outstanding_tokens = BURST;
        want(&order, 1);
        expect(world, &order, ORDER_DONE, 1, (int64_t)(BURST - session) * TOKEN);
    }
    struct order order = order_of(1000);
    expect(world, &order, ORDER_FULL, 0, 0);
    assert_int_equal(order.holders, HOLDERS_MAX);
}

/* ---- other terms ---- */

static void other_terms_carry_whole_tokens_and_parts(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 40);
    expect(world, &order, ORDER_DONE, 40, 60000);
    spend(&order, 0);
    order.totals[0].net = -30;
    expect(world, &order, ORDER_DONE, 40, 30000);
    world->now_ms += 500;
    expect(world, &order, ORDER_DONE, 40, 30500);
    order.terms_tag = 8;
    order.buckets = 2;
    order.terms[0].token_units = 7;
    order.terms[1] = (struct order_terms){10, 50, 1, 5};
    expect(world, &order, ORDER_DONE, 40, 30 * 7 + 3);
    assert_true(order.is_converted);
    assert_int_equal(order.level_units[1], 0);
    expect(world, &order, ORDER_DONE, 40, 30 * 7 + 3);
    assert_false(order.is_converted);
}

static void a_smaller_burst_is_owed_what_is_out(void **state)
{
    struct world *world = *state;
    begin_epoch(world);
    struct order order = order_of(1);
    want(&order, 40);
    expect(world, &order, ORDER_DONE, 40, 60000);
    spend(&order, 0);
    order.terms_tag = 8;
    order.terms[0].burst_tokens = 10;
    expect(world, &order, ORDER_DONE, 40, -30000);
    spend(&order, 40);
    expect(world, &order, ORDER_DONE, 40, -30000);
    world->now_ms += 100;
    expect(world, &order, ORDER_DONE, 40, -29900);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(the_first_order_begins_the_epoch_and_does_nothing_else),
        CASE(after_a_loss_a_record_begins_empty_when_all_leases_are_over),
        CASE(what_is_forgotten_is_told_by_the_epoch),
        CASE(a_loss_may_count_as_full),
        CASE(grants_are_shares_of_what_is_there),
        CASE(one_request_gets_all_or_nothing),
        CASE(a_lost_answer_is_repeated_and_grants_nothing_new),
        CASE(an_older_order_does_nothing),
        CASE(what_comes_back_is_there_for_others),
        CASE(a_release_that_does_not_know_of_a_grant_is_told_of_it_first),
        CASE(only_a_session_that_is_known_tells_of_totals),
        CASE(late_copies_of_a_session_that_is_forgotten_tell_nothing_again),
        CASE(a_session_that_ends_at_once_is_remembered_until_it_dies),
        CASE(a_lost_first_answer_is_told_of_by_the_next),
        CASE(refunds_charges_and_resets_leave_hands_alone),
        CASE(a_record_that_a_step_of_the_clock_has_ended_is_of_that_clock),
        CASE(what_is_out_counts_against_the_burst),
        CASE(the_dead_give_nothing_back_but_their_room),
        CASE(a_clock_that_goes_back_refills_nothing),
        CASE(our_clock_holds_back_one_that_leaps),
        CASE(a_store_that_is_rolled_back_grants_again_what_a_session_knows),
        CASE(an_evicted_record_begins_empty_when_all_leases_are_over),
        CASE(a_damaged_record_begins_anew_and_empty),
        CASE(a_record_of_another_version_is_left_alone),
        CASE(no_more_holders_than_a_record_has_room_for),
        CASE(other_terms_carry_whole_tokens_and_parts),
        CASE(a_smaller_burst_is_owed_what_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
