/* Sessions that outlive the process: a new one takes them over once. With the store's model, in virtual time. */
#include "brain/explain.h"
#include "support/fleet_world.h"

#include <stdlib.h>
#include <string.h>

static const struct rate one_per_second = {1, 1000};

/* The same limit, and records that two brains can have. */
struct kept_world {
    struct fleet_world world;
    void *memory;
    struct share_records records;
};

static void begin_kept_at(struct kept_world *kept, uint64_t burst, struct rate rate)
{
    fleet_world_begin_one(&kept->world, burst, rate);
    kept->memory = calloc(1, share_records_bytes());
    assert_non_null(kept->memory);
    kept->records = share_records_at(kept->memory);
    fleet_world_keep(&kept->world, &kept->records);
}

/* Has tokens of "foo" in hand. */
static struct fleet_world *begin_warm(struct kept_world *kept)
{
    begin_kept_at(kept, 1000, one_per_second);
    fleet_world_warm_up(&kept->world);
    return &kept->world;
}

static void end_kept(struct kept_world *kept)
{
    fleet_world_end(&kept->world);
    free(kept->memory);
}

/* What the store's record of "foo" holds, in tokens. */
static int64_t level_tokens(struct fleet_world *world)
{
    struct store_record record;
    assert_true(fleet_world_record(world, "foo", NULL, &record));
    return record.level_units[0] / (int64_t)record.token_units[0];
}

static void kill_and_restart(struct kept_world *kept)
{
    fleet_world_restart(&kept->world, &kept->records);
}

/* So many are allowed at once, none of which asks the store. */
static unsigned allowed_at_once(struct fleet_world *world)
{
    unsigned allowed = 0;
    for (;; allowed++) {
        struct fleet_caller caller;
        bool is_at_once = fleet_world_ask_foo(world, &caller, 1, 0);
        bool allows = is_at_once && fleet_caller_result(&caller) == BUCKET_ALLOWED;
        fleet_world_pass(world, FLEET_WORLD_COLD_MS + 1);
        fleet_caller_release(&caller);
        if (!allows)
            return allowed;
    }
}

static void what_was_in_hand_is_in_hand_again(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    uint64_t hand = fleet_world_hand(world), out = fleet_world_out(world, "foo");
    assert_true(hand > 20);
    kill_and_restart(&kept);
    assert_int_equal(fleet_world_hand(world), 0); /* before the store has said so */
    fleet_world_pass(world, 1);
    assert_int_equal(world->last.flags & ORDER_TAKES_OVER, ORDER_TAKES_OVER);
    assert_int_equal(world->last.result, ORDER_DONE);
    assert_int_equal(fleet_world_hand(world), hand);
    assert_true(fleet_world_out(world, "foo") <= out);
    assert_int_equal(fleet_world_out(world, "foo"), hand);
    assert_true(allowed_at_once(world) >= hand);
    end_kept(&kept);
}

static void what_no_order_has_told_is_not_spent_again(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    uint64_t hand = fleet_world_hand(world), orders = world->orders;
    for (unsigned i = 0; i < 5; i++) {
        struct fleet_caller caller;
        assert_true(fleet_world_ask_foo(world, &caller, 1, 0));
        fleet_caller_release(&caller);
    }
    assert_int_equal(world->orders, orders);
    kill_and_restart(&kept);
    fleet_world_pass(world, 1);
    assert_int_equal(fleet_world_hand(world), hand - 5);
    assert_int_equal(fleet_world_out(world, "foo"), hand - 5);
    end_kept(&kept);
}

static void what_lives_is_told_that_it_is_over(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    uint64_t session = world->last.session;
    struct order copy = world->last;
    kill_and_restart(&kept);
    fleet_world_pass(world, 1);
    uint64_t hand = fleet_world_hand(world);
    assert_int_equal(world->last.former, session);
    assert_int_not_equal(world->last.session, session);
    /* An order of the one before, as if it were alive, or late. */
    const struct call_terms terms = {FLEET_WORLD_TTL_MS, FLEET_WORLD_GRACE_MS, 20};
    copy.seq += 1000000;
    copy.limit_name = world->last.limit_name; /* the strings were the former brain's */
    copy.key = world->last.key;
    store_model_order(world->store, "f", &copy, &terms, world->fixture.now_ns,
                      world->store_began_ms + fleet_world_ns(world) / NS_PER_MS);
    assert_int_equal(copy.result, ORDER_SESSION);
    assert_int_equal(copy.granted[0], 0);
    assert_int_equal(fleet_world_out(world, "foo"), hand);
    end_kept(&kept);
}

static void of_two_copies_one_has_it(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    uint64_t hand = fleet_world_hand(world);
    void *copy = malloc(share_records_bytes());
    assert_non_null(copy);
    memcpy(copy, kept.memory, share_records_bytes());
    kill_and_restart(&kept);
    fleet_world_pass(world, 1);
    assert_int_equal(fleet_world_hand(world), hand);
    const struct share_records copied = share_records_at(copy);
    fleet_world_restart(world, &copied);
    fleet_world_pass(world, 1);
    assert_int_equal(fleet_world_hand(world), 0);
    assert_int_equal(fleet_world_out(world, "foo"), hand); /* of the first one, until it ends */
    assert_int_equal(fleet_world_counters(world).lost_tokens, hand);
    end_kept(&kept);
    free(copy);
}

static void a_lost_answer_is_asked_for_again(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    uint64_t hand = fleet_world_hand(world);
    kill_and_restart(&kept);
    fleet_world_pass_ns(world, world->half_trip_ns + 1); /* the store has done it */
    assert_int_equal(world->last.result, ORDER_DONE);
    world->away[0].orders->order[0].result = ORDER_UNREACHABLE;
    fleet_world_pass(world, 1);
    assert_int_equal(fleet_world_hand(world), 0);
    fleet_world_pass(world, 2 * FLEET_WORLD_INTERVAL_MS + 1);
    assert_int_equal(world->last.flags & ORDER_TAKES_OVER, ORDER_TAKES_OVER);
    assert_int_equal(world->last.result, ORDER_OLD);
    assert_int_equal(fleet_world_hand(world), hand);
    end_kept(&kept);
}

static void a_second_kill_before_the_answer_loses_it(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    kill_and_restart(&kept);
    kill_and_restart(&kept);
    fleet_world_pass(world, 1);
    assert_int_equal(fleet_world_hand(world), 0);
    assert_int_equal(fleet_world_counters(world).orders, 0);
    assert_int_equal(fleet_world_allow(world, "foo", 1).result, BUCKET_ALLOWED);
    end_kept(&kept);
}

static void grants_whose_answer_was_lost_are_taken_over(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    struct fleet_caller caller;
    uint64_t hand = fleet_world_hand(world);
    /* Somebody waits for more than there is, and the process is killed before he has it. */
    assert_false(fleet_world_ask_foo(world, &caller, hand + 50, 0));
    fleet_world_pass_ns(world, world->half_trip_ns + 1);
    uint64_t granted = world->last.granted[0] - world->last.totals[0].granted;
    assert_true(granted >= 50);
    kill_and_restart(&kept);
    fleet_world_pass(world, 1);
    assert_int_equal(world->last.result, ORDER_REPEATED);
    assert_int_equal(fleet_world_hand(world), hand + granted);
    end_kept(&kept);
}

static void a_charge_that_was_not_told_is_told(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    struct fleet_caller caller;
    uint64_t hand = fleet_world_hand(world);
    world->is_stopped = true;
    assert_true(fleet_world_ask(world, &caller, MESSAGE_CHARGE, "foo", NULL, hand + 100, 0));
    assert_int_equal(caller.message.answer.bucket.charged_tokens, hand + 100);
    fleet_caller_release(&caller);
    int64_t before_tokens = level_tokens(world);
    world->is_stopped = false;
    kill_and_restart(&kept);
    fleet_world_pass(world, 1);
    assert_int_equal(fleet_world_hand(world), 0);
    assert_in_range(before_tokens - level_tokens(world), 99, 100);
    end_kept(&kept);
}

static void one_that_has_ended_is_not_asked_for(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    world->is_stopped = true;
    fleet_world_pass(world, FLEET_WORLD_TTL_MS + 1);
    world->is_stopped = false;
    kill_and_restart(&kept);
    fleet_world_pass(world, 1);
    assert_int_equal(fleet_world_counters(world).orders, 0);
    end_kept(&kept);
}

static void a_store_that_forgot_voids_what_is_taken_over(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    uint64_t hand = fleet_world_hand(world);
    store_model_forget(world->store);
    kill_and_restart(&kept);
    fleet_world_pass(world, 5);
    assert_int_equal(fleet_world_hand(world), 0);
    assert_int_equal(fleet_world_counters(world).lost_tokens, hand);
    end_kept(&kept);
}

static void a_store_out_of_reach_is_asked_until_the_lease_is_over(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    uint64_t hand = fleet_world_hand(world);
    kill_and_restart(&kept);
    world->forced = ORDER_NOT_SENT;
    fleet_world_pass(world, FLEET_WORLD_TTL_MS / 4);
    assert_true(fleet_world_counters(world).orders > 1);
    world->forced = ORDER_RESULT_COUNT;
    fleet_world_pass(world, FLEET_WORLD_TTL_MS);
    /* It was had in time, and nobody has asked for it, so it is given back. */
    struct fleet_counters counters = fleet_world_counters(world);
    assert_int_equal(counters.granted_tokens, hand);
    assert_int_equal(counters.returned_tokens, hand);
    assert_int_equal(fleet_world_out(world, "foo"), 0);
    end_kept(&kept);
}

static void one_whose_store_is_away_for_too_long_is_lost(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    uint64_t hand = fleet_world_hand(world);
    kill_and_restart(&kept);
    world->forced = ORDER_NOT_SENT;
    fleet_world_pass(world, FLEET_WORLD_TTL_MS + 1);
    assert_int_equal(fleet_world_counters(world).lost_tokens, hand);
    world->forced = ORDER_RESULT_COUNT;
    fleet_world_pass(world, FLEET_WORLD_GRACE_MS + 1000);
    assert_int_equal(fleet_world_hand(world), 0);
    fleet_world_allow(world, "foo", 1); /* which shows that the store is back */
    fleet_world_pass(world, 1000);
    assert_int_equal(fleet_world_allow(world, "foo", 1).result, BUCKET_ALLOWED);
    assert_true(fleet_world_out(world, "foo") <= 1);
    end_kept(&kept);
}

static void a_graceful_end_leaves_nothing_to_take_over(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    struct fleet_caller end = {.message.kind = MESSAGE_FLEET_END};
    assert_false(fleet_world_tell(world, &end.message));
    fleet_world_pass(world, 5);
    assert_true(end.is_home);
    kill_and_restart(&kept);
    fleet_world_pass(world, 5);
    assert_int_equal(fleet_world_counters(world).orders, 0);
    end_kept(&kept);
}

static void a_limit_of_other_buckets_takes_nothing_over(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 1000, one_per_second);
    terms.buckets[terms.buckets_count++] =
        (struct bucket_terms){.burst = 50, .rate = one_per_second};
    const struct fleet_terms fleet = fleet_world_terms();
    fleet_world_restart_with(world, fleet_world_limits(&terms, 1, &fleet), &kept.records);
    fleet_world_pass(world, 1);
    assert_int_equal(fleet_world_counters(world).orders, 0);
    end_kept(&kept);
}

static void a_smaller_limit_gives_back_what_is_too_much(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    const struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, one_per_second);
    const struct fleet_terms fleet = fleet_world_terms();
    fleet_world_restart_with(world, fleet_world_limits(&terms, 1, &fleet), &kept.records);
    fleet_world_pass(world, 1);
    assert_in_range(fleet_world_hand(world), 1, 10 * fleet.outstanding_percent / 100);
    fleet_world_pass(world, 5);
    assert_int_equal(fleet_world_out(world, "foo"), fleet_world_hand(world));
    end_kept(&kept);
}

static void what_is_explained_is_not_spent(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    struct explain_answer *explained = malloc(sizeof *explained);
    struct message message = {
        .kind = MESSAGE_EXPLAIN,
        .ask.bucket = {.key = "foo", .key_len = 3, .tokens = 4},
        .answer.explain = explained,
    };
    assert_non_null(explained);
    uint64_t hand = fleet_world_hand(world), orders = world->orders;
    assert_true(fleet_world_tell(world, &message));
    assert_int_equal(explained->next.result, BUCKET_ALLOWED);
    message_hold(&message, NULL);
    assert_int_equal(world->orders, orders);
    kill_and_restart(&kept);
    fleet_world_pass(world, 1);
    assert_int_equal(fleet_world_hand(world), hand);
    end_kept(&kept);
    free(explained);
}

static void a_charge_before_the_store_has_answered_is_told(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    struct fleet_caller caller;
    int64_t before_tokens = level_tokens(world);
    kill_and_restart(&kept);
    world->is_stopped = true;
    assert_true(fleet_world_ask(world, &caller, MESSAGE_CHARGE, "foo", NULL, 100, 0));
    assert_int_equal(caller.message.answer.bucket.charged_tokens, 100);
    fleet_caller_release(&caller);
    world->is_stopped = false;
    kill_and_restart(&kept);
    fleet_world_pass(world, 5);
    assert_in_range(before_tokens - level_tokens(world), 99, 100);
    end_kept(&kept);
}

/* The record was full then, and is gone: who came back to it would have it begin empty. */
static void what_is_ending_is_not_taken_over(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = &kept.world;
    begin_kept_at(&kept, 1000, (struct rate){1000, 100});
    fleet_world_warm_up(world);
    world->half_trip_ns = 10 * NS_PER_MS;
    while ((world->last.flags & ORDER_RELEASE) == 0)
        fleet_world_pass(world, 1);
    fleet_world_pass(world, 15); /* its answer is on its way */
    struct store_record record;
    assert_false(fleet_world_record(world, "foo", NULL, &record));
    assert_int_equal(world->last.result, ORDER_DONE);
    kill_and_restart(&kept);
    world->half_trip_ns = 200000;
    fleet_world_pass(world, 100);
    assert_false(fleet_world_record(world, "foo", NULL, &record));
    assert_int_equal(fleet_world_allow(world, "foo", 1000).result, BUCKET_ALLOWED);
    end_kept(&kept);
}

static void a_drain_while_it_is_taken_over_gives_all_back(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    kill_and_restart(&kept);
    struct fleet_caller end = {.message.kind = MESSAGE_FLEET_END};
    assert_false(fleet_world_tell(world, &end.message));
    fleet_world_pass(world, 5);
    assert_true(end.is_home);
    assert_int_equal(fleet_world_out(world, "foo"), 0);
    assert_int_equal(fleet_world_hand(world), 0);
    end_kept(&kept);
}

/* ---- a copy that is written back over the records ---- */

static void *copy_of(const struct kept_world *kept)
{
    void *copy = malloc(share_records_bytes());
    assert_non_null(copy);
    memcpy(copy, kept->memory, share_records_bytes());
    return copy;
}

static void kill_and_restart_from(struct kept_world *kept, void *copy)
{
    memcpy(kept->memory, copy, share_records_bytes());
    free(copy);
    kill_and_restart(kept);
}

static void a_copy_of_before_an_order_has_nothing(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    uint64_t hand = fleet_world_hand(world), orders = world->orders;
    void *copy = copy_of(&kept);
    for (uint64_t i = 0; i < hand / 2; i++)
        assert_int_equal(fleet_world_allow(world, "foo", 1).result, BUCKET_ALLOWED);
    fleet_world_pass(world, FLEET_WORLD_TTL_MS / 2);
    assert_true(world->orders > orders);
    uint64_t out = fleet_world_out(world, "foo");
    kill_and_restart_from(&kept, copy);
    world->forced = ORDER_UNREACHABLE; /* of several tries */
    fleet_world_pass(world, 400);
    assert_true(fleet_world_counters(world).orders > 3);
    assert_int_equal(world->last.flags & ORDER_TAKES_OVER, ORDER_TAKES_OVER);
    world->forced = ORDER_RESULT_COUNT;
    fleet_world_pass(world, 300);
    assert_int_equal(fleet_world_hand(world), 0);
    assert_int_equal(fleet_world_out(world, "foo"), out); /* of the one before, until it ends */
    assert_int_equal(fleet_world_counters(world).lost_tokens, hand);
    end_kept(&kept);
}

static void a_copy_of_before_a_charge_does_not_undo_it(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    void *copy = copy_of(&kept);
    fleet_world_await(world, MESSAGE_CHARGE, "foo", NULL, 100 + fleet_world_hand(world), 0);
    fleet_world_pass(world, 50);
    int64_t before_tokens = level_tokens(world);
    kill_and_restart_from(&kept, copy);
    fleet_world_pass(world, 5);
    assert_in_range(before_tokens - level_tokens(world), 0, 1);
    end_kept(&kept);
}

/* Nobody can tell it from the records themselves. */
static void a_copy_of_after_the_last_order_has_what_that_left(void **state)
{
    (void)state;
    struct kept_world kept;
    struct fleet_world *world = begin_warm(&kept);
    struct fleet_caller caller;
    uint64_t hand = fleet_world_hand(world), orders = world->orders;
    void *copy = copy_of(&kept);
    assert_true(fleet_world_ask_foo(world, &caller, 5, 0));
    fleet_caller_release(&caller);
    assert_int_equal(world->orders, orders);
    kill_and_restart_from(&kept, copy);
    fleet_world_pass(world, 1);
    assert_int_equal(fleet_world_hand(world), hand);
    end_kept(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_in_hand_is_in_hand_again),
        cmocka_unit_test(what_no_order_has_told_is_not_spent_again),
        cmocka_unit_test(what_lives_is_told_that_it_is_over),
        cmocka_unit_test(of_two_copies_one_has_it),
        cmocka_unit_test(a_lost_answer_is_asked_for_again),
        cmocka_unit_test(a_second_kill_before_the_answer_loses_it),
        cmocka_unit_test(grants_whose_answer_was_lost_are_taken_over),
        cmocka_unit_test(a_charge_that_was_not_told_is_told),
        cmocka_unit_test(one_that_has_ended_is_not_asked_for),
        cmocka_unit_test(a_store_that_forgot_voids_what_is_taken_over),
        cmocka_unit_test(a_store_out_of_reach_is_asked_until_the_lease_is_over),
        cmocka_unit_test(one_whose_store_is_away_for_too_long_is_lost),
        cmocka_unit_test(a_limit_of_other_buckets_takes_nothing_over),
        cmocka_unit_test(a_smaller_limit_gives_back_what_is_too_much),
        cmocka_unit_test(what_is_explained_is_not_spent),
        cmocka_unit_test(a_charge_before_the_store_has_answered_is_told),
        cmocka_unit_test(a_graceful_end_leaves_nothing_to_take_over),
        cmocka_unit_test(what_is_ending_is_not_taken_over),
        cmocka_unit_test(a_drain_while_it_is_taken_over_gives_all_back),
        cmocka_unit_test(a_copy_of_before_an_order_has_nothing),
        cmocka_unit_test(a_copy_of_before_a_charge_does_not_undo_it),
        cmocka_unit_test(a_copy_of_after_the_last_order_has_what_that_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
