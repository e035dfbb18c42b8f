/* Slots that a fleet shares: leases over one store and several sidecars, with the model of the store, in virtual time. */
#include "brain/explain.h"
#include "brain/share_slots.h"
#include "support/fleet_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDECARS = 3, TTL_MS = 10000, SPARE_MS = FLEET_WORLD_TTL_MS };

/* Sidecars of one store, whose clocks agree. */
struct fleet {
    struct fleet_world sidecar[SIDECARS];
    struct store_model *spare[SIDECARS];
    bool is_dead[SIDECARS];
};

static struct fleet *fleet_of(uint64_t slots)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);
    assert_non_null(fleet);
    for (unsigned i = 0; i < SIDECARS; i++) {
        fleet_world_begin_slots(&fleet->sidecar[i], slots);
        fleet->spare[i] = fleet->sidecar[i].store;
        fleet->sidecar[i].store = fleet->sidecar[0].store;
    }
    return fleet;
}

static void fleet_pass(struct fleet *fleet, uint64_t ms)
{
    for (; ms > 0; ms--)
        for (unsigned i = 0; i < SIDECARS; i++)
            if (!fleet->is_dead[i])
                fleet_world_pass(&fleet->sidecar[i], 1);
}

static void fleet_free(struct fleet *fleet)
{
    for (unsigned i = 0; i < SIDECARS; i++) {
        fleet->sidecar[i].store = fleet->spare[i];
        fleet_world_end(&fleet->sidecar[i]);
    }
    free(fleet);
}

/* Asks a sidecar for a lease of foo. */
static enum bucket_result acquire(struct fleet *fleet, unsigned sidecar,
                                  struct fleet_caller *caller, uint32_t slots)
{
    fleet_world_acquire(&fleet->sidecar[sidecar], caller, "foo", slots, TTL_MS, 0);
    fleet_pass(fleet, FLEET_WORLD_COLD_MS + 1);
    fleet_caller_release(caller);
    return caller->message.answer.bucket.result;
}

static enum bucket_result acquire_alone(struct fleet_world *world, struct fleet_caller *caller,
                                        uint32_t slots, uint32_t ttl_ms)
{
    fleet_world_acquire(world, caller, "foo", slots, ttl_ms, 0);
    fleet_world_pass(world, FLEET_WORLD_COLD_MS + 1);
    fleet_caller_release(caller);
    return caller->message.answer.bucket.result;
}

static struct lease_answer ask_lease(struct fleet_world *world, enum message_kind kind,
                                     const struct fleet_caller *lease, uint32_t ttl_ms)
{
    struct fleet_caller caller;
    fleet_world_ask_lease(world, &caller, kind, &lease->message.ask.acquire.id, ttl_ms);
    for (unsigned i = 0; i < 2000 && !caller.is_home; i++)
        fleet_world_pass(world, 1);
    fleet_caller_release(&caller);
    return caller.message.answer.lease;
}

static void release(struct fleet_world *world, const struct fleet_caller *lease)
{
    assert_int_equal(ask_lease(world, MESSAGE_RELEASE, lease, 0).state, LEASE_RELEASED);
}

static void forget_record(struct fleet_world *world)
{
    char name[FLEET_RECORD_NAME_MAX];
    struct order order = {
        .limit_name = LIMIT_DEFAULT_NAME,
        .key = "foo",
        .limit_len = sizeof LIMIT_DEFAULT_NAME - 1,
        .key_len = 3,
    };
    assert_true(store_model_evict(world->store, name, fleet_record_name("f", &order, name)));
}

/* ---- begin and end ---- */

static void a_lease_begins_once_the_store_keeps_its_slots_until_its_end(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    struct store_record record;
    fleet_world_begin_slots(&world, 5);
    assert_false(fleet_world_acquire(&world, &caller, "foo", 2, TTL_MS, 0));
    fleet_world_pass(&world, 1);
    assert_true(caller.is_home);
    const struct bucket_answer *answer = &caller.message.answer.bucket;
    assert_int_equal(answer->result, BUCKET_ALLOWED);
    assert_int_equal(answer->remaining_tokens, 3);
    assert_int_equal(answer->expires_after_ms, TTL_MS);
    assert_int_equal(answer->full_after_ms, RETRY_NEVER);
    assert_true(answer->is_estimate && answer->active && !answer->is_apart);
    assert_true(fleet_world_record(&world, "foo", NULL, &record));
    assert_int_equal(store_record_out(&record, 0), 2);
    assert_int_equal(record.level_units[0], 3);
    assert_int_equal(record.holder[0].dead_at_ms - record.time_ms,
                     (TTL_MS + SPARE_MS) * 1002 / 1000 + FLEET_WORLD_GRACE_MS);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

static void what_is_released_goes_back_to_the_store_when_all_is_quiet(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    struct store_record record;
    fleet_world_begin_slots(&world, 5);
    assert_int_equal(acquire_alone(&world, &caller, 2, TTL_MS), BUCKET_ALLOWED);
    fleet_world_pass(&world, 5000);
    assert_int_equal(fleet_world_out(&world, "foo"), 2);
    release(&world, &caller);
    fleet_world_pass(&world, 10);
    assert_int_equal(fleet_world_out(&world, "foo"), 0);
    assert_int_equal(acquire_alone(&world, &caller, 5, 300), BUCKET_ALLOWED);
    fleet_world_pass(&world, 250);
    assert_int_equal(fleet_world_out(&world, "foo"), 5);
    fleet_world_pass(&world, FLEET_WORLD_RETURN_MS);
    assert_int_equal(fleet_world_out(&world, "foo"), 0);
    assert_int_equal(fleet_world_counters(&world).lost_tokens, 0);
    assert_int_equal(fleet_world_hand(&world), 0);
    fleet_world_pass(&world, 10000);
    assert_false(fleet_world_record(&world, "foo", NULL, &record));
    assert_int_equal(world.fixture.brain->shares.count, 0);
    fleet_world_end(&world);
}

static void leases_one_after_the_other_ask_nobody(void **state)
{
    (void)state;
    enum { LEASES = 1000 };
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_slots(&world, 5);
    assert_int_equal(acquire_alone(&world, &caller, 1, TTL_MS), BUCKET_ALLOWED);
    release(&world, &caller);
    unsigned before = world.orders;
    for (unsigned i = 0; i < LEASES; i++) {
        assert_true(fleet_world_acquire(&world, &caller, "foo", 1, TTL_MS, 0));
        assert_int_equal(fleet_caller_result(&caller), BUCKET_ALLOWED);
        fleet_world_pass(&world, 10);
        release(&world, &caller);
    }
    assert_in_range(world.orders - before, 10, LEASES * 10 / (FLEET_WORLD_TTL_MS / 4) + 5);
    assert_in_range(fleet_world_out(&world, "foo"), 1, 2);
    fleet_world_end(&world);
}

static void all_sidecars_together_lend_no_more_than_there_are(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_of(5);
    struct fleet_caller a, b, c;
    assert_int_equal(acquire(fleet, 0, &a, 3), BUCKET_ALLOWED);
    assert_int_equal(acquire(fleet, 1, &b, 3), BUCKET_DENIED);
    assert_false(b.message.answer.bucket.is_apart);
    assert_in_range(b.message.answer.bucket.retry_after_ms, 1, 1000);
    assert_int_equal(acquire(fleet, 1, &b, 2), BUCKET_ALLOWED);
    assert_int_equal(acquire(fleet, 2, &c, 1), BUCKET_DENIED);
    assert_int_equal(acquire(fleet, 2, &c, 6), BUCKET_EXCEEDS_BURST);
    release(&fleet->sidecar[0], &a);
    fleet_pass(fleet, 2500);
    assert_int_equal(acquire(fleet, 2, &c, 3), BUCKET_ALLOWED);
    assert_int_equal(acquire(fleet, 1, &a, 1), BUCKET_DENIED);
    fleet_free(fleet);
}

static void who_waits_gets_what_is_released_anywhere(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_of(2);
    struct fleet_caller a, b, here, there;
    assert_int_equal(acquire(fleet, 0, &a, 1), BUCKET_ALLOWED);
    assert_int_equal(acquire(fleet, 0, &b, 1), BUCKET_ALLOWED);
    assert_false(fleet_world_acquire(&fleet->sidecar[0], &here, "foo", 1, TTL_MS, 60000));
    assert_false(fleet_world_acquire(&fleet->sidecar[1], &there, "foo", 1, TTL_MS, 60000));
    fleet_pass(fleet, 3000);
    assert_true(!here.is_home && !there.is_home);
    release(&fleet->sidecar[0], &a); /* who has more than its part gives one to who has none */
    fleet_pass(fleet, 1001);
    assert_true(!here.is_home && there.is_home);
    assert_int_equal(fleet_caller_result(&there), BUCKET_ALLOWED);
    assert_true(there.message.answer.bucket.has_waited);
    release(&fleet->sidecar[0], &b);
    fleet_pass(fleet, 2);
    assert_true(here.is_home);
    assert_int_equal(fleet_caller_result(&here), BUCKET_ALLOWED);
    fleet_caller_release(&here);
    fleet_caller_release(&there);
    fleet_free(fleet);
}

static void a_wait_for_slots_is_over_in_its_time(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller, waits;
    fleet_world_begin_slots(&world, 1);
    assert_int_equal(acquire_alone(&world, &caller, 1, 60000), BUCKET_ALLOWED);
    assert_false(fleet_world_acquire(&world, &waits, "foo", 1, TTL_MS, 3000));
    fleet_world_pass(&world, 2999);
    assert_false(waits.is_home);
    fleet_world_pass(&world, 1);
    assert_true(waits.is_home);
    assert_int_equal(fleet_caller_result(&waits), BUCKET_WAIT_OVER);
    fleet_caller_release(&waits);
    fleet_world_end(&world);
}

/* ---- more is asked for than there is ---- */

enum { CALLERS = 10 };
/* Callers of a sidecar, who hold leases of foo one after the other. */
struct crowd {
    struct fleet_caller caller[CALLERS];
    bool is_asking[CALLERS], is_held[CALLERS];
    unsigned until_ms[CALLERS];           /* it is released, or asks again */
    unsigned leases, last_ms, longest_ms; /* without one */
};

static void crowd_begins(struct crowd *crowd, unsigned at, unsigned now_ms)
{
    unsigned gap_ms = now_ms - crowd->last_ms;
    crowd->leases++;
    crowd->longest_ms = gap_ms > crowd->longest_ms ? gap_ms : crowd->longest_ms;
    crowd->last_ms = now_ms;
    crowd->is_held[at] = true;
    crowd->until_ms[at] = now_ms + 20 + at;
}

/* One of them does what is due. */
static void crowd_acts(struct fleet_world *world, struct crowd *crowd, unsigned at, unsigned now_ms,
                       uint64_t wait_ms)
{
    struct fleet_caller *caller = &crowd->caller[at];
    if (crowd->is_asking[at] && caller->is_home) {
        crowd->is_asking[at] = false;
        fleet_caller_release(caller);
        crowd->until_ms[at] = now_ms + 10;
        if (fleet_caller_result(caller) == BUCKET_ALLOWED)
            crowd_begins(crowd, at, now_ms);
        return;
    }
    if (crowd->is_asking[at] || now_ms < crowd->until_ms[at])
        return;
    if (crowd->is_held[at])
        release(world, caller);
    crowd->is_held[at] = false;
    crowd->is_asking[at] = true;
    fleet_world_acquire(world, caller, "foo", 1, TTL_MS, wait_ms);
}

static unsigned held_by(const struct crowd *crowd)
{
    unsigned held = 0;
    for (unsigned i = 0; i < CALLERS; i++)
        held += crowd->is_held[i];
    return held;
}

/* Crowds at all sidecars want more than there is. */
static void share_out(uint64_t slots, uint64_t wait_ms, unsigned longest_ms, unsigned used_percent)
{
    enum { TIME_MS = 60000, ORDERS_A_SECOND = 3 };
    struct fleet *fleet = fleet_of(slots);
    struct crowd *crowds = calloc(SIDECARS, sizeof *crowds);
    uint64_t used_ms = 0;
    assert_non_null(crowds);
    for (unsigned now_ms = 0; now_ms < TIME_MS; now_ms++) {
        unsigned held = 0;
        for (unsigned i = 0; i < SIDECARS; i++) {
            for (unsigned at = 0; at < CALLERS; at++)
                crowd_acts(&fleet->sidecar[i], &crowds[i], at, now_ms, wait_ms);
            held += held_by(&crowds[i]);
        }
        assert_true(held <= slots);
        used_ms += held;
        fleet_pass(fleet, 1);
    }
    for (unsigned i = 0; i < SIDECARS; i++) {
        assert_in_range(crowds[i].leases, 1, UINT32_MAX);
        assert_true(TIME_MS - crowds[i].last_ms <= longest_ms);
        assert_true(crowds[i].longest_ms <= longest_ms);
        assert_in_range(fleet->sidecar[i].orders, 1, TIME_MS / 1000 * ORDERS_A_SECOND);
    }
    assert_true(used_ms >= slots * TIME_MS * used_percent / 100);
    fleet_pass(fleet, 60000);
    for (unsigned i = 0; i < SIDECARS; i++)
        for (unsigned at = 0; at < CALLERS; at++)
            if (crowds[i].is_asking[at])
                fleet_caller_release(&crowds[i].caller[at]);
    fleet_free(fleet);
    free(crowds);
}

static void each_sidecar_gets_some_however_many_are_wanted(void **state)
{
    (void)state;
    for (uint64_t wait_ms = 0; wait_ms <= 30000; wait_ms += 30000) {
        share_out(8, wait_ms, 3000, 90);
        share_out(3, wait_ms, 3000, 90);
    }
}

static void sidecars_take_turns_if_slots_are_fewer(void **state)
{
    (void)state;
    const unsigned turns_ms = SIDECARS * (SHARE_SLOTS_TURN_MS + 1000);
    for (uint64_t wait_ms = 0; wait_ms <= 30000; wait_ms += 30000) {
        share_out(2, wait_ms, turns_ms, 75);
        share_out(1, wait_ms, turns_ms, 75);
    }
}

/* Nobody else wants what a sidecar gives back. */
static void what_nobody_else_wants_is_taken_again(void **state)
{
    (void)state;
    enum { TIME_MS = 60000, SLOTS = 8 };
    struct fleet *fleet = fleet_of(SLOTS);
    struct crowd *crowd = calloc(1, sizeof *crowd);
    struct fleet_caller lease;
    uint64_t used_ms = 0;
    assert_non_null(crowd);
    fleet_world_acquire(&fleet->sidecar[1], &lease, "foo", 1, 2 * TIME_MS, 0);
    fleet_pass(fleet, 5);
    assert_int_equal(fleet_caller_result(&lease), BUCKET_ALLOWED);
    for (unsigned now_ms = 0; now_ms < TIME_MS; now_ms++) {
        for (unsigned at = 0; at < CALLERS; at++)
            crowd_acts(&fleet->sidecar[0], crowd, at, now_ms, 30000);
        used_ms += held_by(crowd);
        fleet_pass(fleet, 1);
    }
    assert_in_range(used_ms, (SLOTS - 1) * TIME_MS * 90 / 100, (SLOTS - 1) * TIME_MS);
    fleet_pass(fleet, TIME_MS);
    for (unsigned at = 0; at < CALLERS; at++)
        if (crowd->is_asking[at])
            fleet_caller_release(&crowd->caller[at]);
    fleet_caller_release(&lease);
    fleet_free(fleet);
    free(crowd);
}

static void a_renewal_does_not_wait_for_what_is_left_to_others(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_of(4);
    struct fleet_caller lease[4], caller, renews;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(acquire(fleet, 0, &lease[i], 1), BUCKET_ALLOWED);
    assert_int_equal(acquire(fleet, 1, &caller, 1), BUCKET_DENIED);
    fleet_pass(fleet, 600);
    release(&fleet->sidecar[0], &lease[0]);
    assert_int_equal(acquire(fleet, 0, &caller, 1), BUCKET_DENIED);
    assert_true(caller.message.answer.bucket.retry_after_ms > 1000);
    fleet_world_ask_lease(&fleet->sidecar[0], &renews, MESSAGE_RENEW,
                          &lease[1].message.ask.acquire.id, 60000);
    fleet_pass(fleet, 2);
    assert_true(renews.is_home);
    assert_int_equal(renews.message.answer.lease.state, LEASE_HELD);
    fleet_caller_release(&renews);
    assert_int_equal(fleet_world_out(&fleet->sidecar[0], "foo"), 3);
    fleet_free(fleet);
}

static uint32_t holders(struct fleet *fleet)
{
    struct store_record record;
    return fleet_world_record(&fleet->sidecar[0], "foo", NULL, &record) ? record.holders : 0;
}

static void who_wants_slots_and_has_none_is_known_until_it_is_quiet(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_of(1);
    struct fleet_caller lease, caller;
    assert_int_equal(acquire(fleet, 0, &lease, 1), BUCKET_ALLOWED);
    assert_int_equal(acquire(fleet, 1, &caller, 1), BUCKET_DENIED);
    assert_int_equal(acquire(fleet, 2, &caller, 1), BUCKET_DENIED);
    assert_int_equal(holders(fleet), 3);
    fleet->is_dead[2] = true;
    fleet_pass(fleet, FLEET_WORLD_RETURN_MS + 10);
    assert_int_equal(holders(fleet), 2);
    assert_int_equal(fleet->sidecar[1].fixture.brain->shares.heap[0]->is_joined, false);
    assert_int_equal(ask_lease(&fleet->sidecar[0], MESSAGE_RENEW, &lease, 60000).state, LEASE_HELD);
    fleet_pass(fleet, TTL_MS + 2 * SPARE_MS + FLEET_WORLD_GRACE_MS);
    assert_int_equal(holders(fleet), 1);
    fleet_free(fleet);
}

/* ---- who dies, and who drains ---- */

static void the_slots_of_the_dead_come_back_after_the_last_end(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_of(3);
    struct fleet_caller caller;
    assert_int_equal(acquire(fleet, 0, &caller, 2), BUCKET_ALLOWED);
    uint64_t began_ns = fleet_world_ns(&fleet->sidecar[1]);
    assert_int_equal(acquire(fleet, 0, &caller, 1), BUCKET_ALLOWED);
    fleet->is_dead[0] = true;
    while (acquire(fleet, 1, &caller, 3) == BUCKET_DENIED)
        fleet_pass(fleet, 50);
    uint64_t ms = (fleet_world_ns(&fleet->sidecar[1]) - began_ns) / NS_PER_MS;
    assert_in_range(ms, TTL_MS, TTL_MS + SPARE_MS + FLEET_WORLD_GRACE_MS + 1300);
    fleet_free(fleet);
}

static void a_drain_gives_back_what_no_lease_holds_and_the_rest_goes_at_its_end(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_of(6);
    struct fleet_caller kept, other, caller, end = {.message.kind = MESSAGE_FLEET_END};
    struct store_record record;
    assert_int_equal(acquire(fleet, 0, &kept, 2), BUCKET_ALLOWED);
    assert_int_equal(acquire(fleet, 0, &other, 3), BUCKET_ALLOWED);
    release(&fleet->sidecar[0], &other);
    assert_false(fleet_world_tell(&fleet->sidecar[0], &end.message));
    fleet_pass(fleet, 2);
    assert_true(end.is_home);
    assert_true(fleet_world_record(&fleet->sidecar[0], "foo", NULL, &record));
    assert_int_equal(store_record_out(&record, 0), 2);
    assert_in_range(record.holder[0].dead_at_ms - record.time_ms, TTL_MS - 100,
                    TTL_MS * 1002 / 1000 + FLEET_WORLD_GRACE_MS + 1);
    fleet->is_dead[0] = true;
    assert_int_equal(acquire(fleet, 1, &caller, 4), BUCKET_ALLOWED);
    assert_int_equal(acquire(fleet, 2, &caller, 1), BUCKET_DENIED);
    fleet_pass(fleet, TTL_MS - 200);
    assert_int_equal(acquire(fleet, 2, &caller, 1), BUCKET_DENIED);
    fleet_pass(fleet, 200 + FLEET_WORLD_GRACE_MS + 1000);
    assert_int_equal(acquire(fleet, 2, &caller, 2), BUCKET_ALLOWED);
    fleet_free(fleet);
}

/* ---- renewals ---- */

static void a_renewal_waits_until_the_store_knows(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller lease, renewal;
    struct store_record record;
    fleet_world_begin_slots(&world, 5);
    assert_int_equal(acquire_alone(&world, &lease, 1, TTL_MS), BUCKET_ALLOWED);
    fleet_world_pass(&world, 8000);
    assert_false(fleet_world_ask_lease(&world, &renewal, MESSAGE_RENEW,
                                       &lease.message.ask.acquire.id, 30000));
    fleet_world_pass(&world, 1);
    fleet_caller_release(&renewal);
    assert_int_equal(renewal.message.answer.lease.state, LEASE_HELD);
    assert_in_range(renewal.message.answer.lease.expires_after_ms, 29999, 30000);
    assert_true(fleet_world_record(&world, "foo", NULL, &record));
    assert_true(record.holder[0].dead_at_ms - record.time_ms >= 30000 + FLEET_WORLD_GRACE_MS);
    /* a shorter one is known already */
    assert_true(fleet_world_ask_lease(&world, &renewal, MESSAGE_RENEW,
                                      &lease.message.ask.acquire.id, 20000));
    assert_int_equal(renewal.message.answer.lease.state, LEASE_HELD);
    assert_int_equal(renewal.message.answer.lease.expires_after_ms, 20000);
    fleet_world_pass(&world, 19800);
    assert_int_equal(ask_lease(&world, MESSAGE_LEASE, &lease, 0).state, LEASE_HELD);
    fleet_world_pass(&world, 400);
    assert_int_equal(ask_lease(&world, MESSAGE_RENEW, &lease, 0).state, LEASE_EXPIRED);
    fleet_world_end(&world);
}

static void without_the_store_no_lease_begins_or_is_renewed(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller lease, renewal, caller;
    const struct limit_terms terms = fleet_world_slots(LIMIT_DEFAULT_NAME, 5);
    struct fleet_terms fleet = fleet_world_terms();
    fleet.on_partition = FLEET_PARTITION_ALLOW;
    fleet.cold = FLEET_COLD_ALLOW;
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    assert_int_equal(acquire_alone(&world, &lease, 1, TTL_MS), BUCKET_ALLOWED);
    fleet_world_pass(&world, 5000);
    world.is_stopped = true;
    assert_false(
        fleet_world_ask_lease(&world, &renewal, MESSAGE_RENEW, &lease.message.ask.acquire.id, 0));
    assert_int_equal(acquire_alone(&world, &caller, 1, TTL_MS), BUCKET_DENIED);
    assert_true(caller.message.answer.bucket.is_apart);
    fleet_world_pass(&world, 1000);
    fleet_caller_release(&renewal);
    assert_int_equal(renewal.message.answer.lease.state, LEASE_UNRENEWED);
    assert_in_range(renewal.message.answer.lease.expires_after_ms, 3900, 4000);
    assert_int_equal(ask_lease(&world, MESSAGE_LEASE, &lease, 0).state, LEASE_HELD);
    world.is_stopped = false;
    fleet_world_pass(&world, 100);
    world.forced = ORDER_UNREACHABLE;
    assert_int_equal(acquire_alone(&world, &caller, 1, TTL_MS), BUCKET_DENIED);
    /* now it is known to be away, and nobody waits */
    assert_true(fleet_world_ask_lease(&world, &renewal, MESSAGE_RENEW,
                                      &lease.message.ask.acquire.id, 60000));
    assert_int_equal(renewal.message.answer.lease.state, LEASE_UNRENEWED);
    world.forced = ORDER_RESULT_COUNT;
    fleet_world_pass(&world, 1100);
    assert_int_equal(ask_lease(&world, MESSAGE_RENEW, &lease, 0).state, LEASE_HELD);
    fleet_world_end(&world);
}

/* A long lease is over, and nothing is to be kept for long any more. */
static void use_long_and_short(struct fleet_world *world)
{
    struct fleet_caller lease;
    assert_int_equal(acquire_alone(world, &lease, 1, 60000), BUCKET_ALLOWED);
    release(world, &lease);
    fleet_world_pass(world, 700);
    assert_int_equal(acquire_alone(world, &lease, 1, 500), BUCKET_ALLOWED);
    release(world, &lease);
}

static void what_the_store_has_stopped_keeping_is_not_lent(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    struct store_record record;
    fleet_world_begin_slots(&world, 5);
    use_long_and_short(&world);
    fleet_world_pass(&world, 700); /* an order has gone since */
    assert_int_equal(fleet_world_out(&world, "foo"), 1);
    world.is_stopped = true;
    assert_int_equal(acquire_alone(&world, &caller, 1, 30000), BUCKET_DENIED);
    world.is_stopped = false;
    fleet_world_pass(&world, 100);
    assert_int_equal(acquire_alone(&world, &caller, 1, 30000), BUCKET_ALLOWED);
    assert_true(fleet_world_record(&world, "foo", NULL, &record));
    assert_true(record.holder[0].dead_at_ms - record.time_ms >= 30000);
    fleet_world_end(&world);
}

/* The order that lowers it may be done though its answer is lost. */
static void what_the_store_may_have_stopped_keeping_is_not_lent(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_slots(&world, 5);
    use_long_and_short(&world);
    world.forced = ORDER_UNREACHABLE;
    fleet_world_pass(&world, 600);
    assert_int_equal(acquire_alone(&world, &caller, 1, 30000), BUCKET_DENIED);
    fleet_world_end(&world);
}

/* ---- a store that forgets ---- */

static void a_store_that_forgets_all_is_told_what_leases_hold(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_of(5);
    struct fleet_caller a, b, caller;
    struct store_record record;
    assert_int_equal(acquire(fleet, 0, &a, 2), BUCKET_ALLOWED);
    assert_int_equal(acquire(fleet, 1, &b, 2), BUCKET_ALLOWED);
    store_model_forget(fleet->sidecar[0].store);
    fleet_pass(fleet, FLEET_WORLD_TTL_MS / 4 + 100);
    assert_true(fleet_world_record(&fleet->sidecar[0], "foo", NULL, &record));
    assert_int_equal(store_record_out(&record, 0), 4);
    assert_int_equal(acquire(fleet, 2, &caller, 1), BUCKET_DENIED); /* it began empty */
    fleet_pass(fleet, FLEET_WORLD_TTL_MS + FLEET_WORLD_GRACE_MS + 1000);
    assert_int_equal(acquire(fleet, 2, &caller, 2), BUCKET_DENIED);
    assert_int_equal(acquire(fleet, 2, &caller, 1), BUCKET_ALLOWED);
    release(&fleet->sidecar[0], &a);
    fleet_pass(fleet, 2000);
    assert_int_equal(acquire(fleet, 2, &caller, 2), BUCKET_ALLOWED);
    fleet_free(fleet);
}

/* As many more are lent as were granted before the claim has come; then fewer, until it is right again. */
static void a_claim_may_come_late(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_of(3);
    struct fleet_caller a[3], b[3], caller;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(acquire(fleet, 0, &a[i], 1), BUCKET_ALLOWED);
    forget_record(&fleet->sidecar[0]);
    assert_int_equal(acquire(fleet, 1, &b[0], 2), BUCKET_ALLOWED);
    fleet_pass(fleet, FLEET_WORLD_TTL_MS / 4 + 100);
    assert_int_equal(fleet_world_out(&fleet->sidecar[0], "foo"), 5);
    release(&fleet->sidecar[0], &a[0]); /* it is given back, though it was in use a moment ago */
    fleet_pass(fleet, 2);
    assert_int_equal(fleet_world_out(&fleet->sidecar[0], "foo"), 4);
    assert_int_equal(acquire(fleet, 0, &caller, 1), BUCKET_DENIED);
    release(&fleet->sidecar[0], &a[1]);
    fleet_pass(fleet, 2);
    assert_int_equal(fleet_world_out(&fleet->sidecar[0], "foo"), 3);
    release(&fleet->sidecar[1], &b[0]);
    fleet_pass(fleet, 3000);
    assert_int_equal(acquire(fleet, 0, &caller, 2), BUCKET_ALLOWED);
    assert_int_equal(acquire(fleet, 1, &caller, 1), BUCKET_DENIED);
    fleet_free(fleet);
}

/* ---- changes ---- */

static void reload(struct fleet_world *world, const struct limit_terms *terms, uint32_t count)
{
    const struct fleet_terms fleet = fleet_world_terms();
    fixture_reload_limits(&world->fixture, fleet_world_limits(terms, count, &fleet));
    fleet_world_pass_ns(world, 1);
    fleet_world_pass(world, 2);
}

static void leases_of_a_limit_that_becomes_one_of_the_fleet_are_claimed(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller lease, caller;
    struct limit_terms terms[2] = {fleet_world_slots(LIMIT_DEFAULT_NAME, 5),
                                   fleet_world_slots("other", 5)};
    terms[0].is_fleet = false;
    const struct fleet_terms fleet = fleet_world_terms();
    fleet_world_begin(&world, fleet_world_limits(terms, 2, &fleet));
    assert_true(fleet_world_acquire(&world, &lease, "foo", 2, TTL_MS, 0));
    assert_int_equal(fleet_caller_result(&lease), BUCKET_ALLOWED);
    assert_false(lease.message.answer.bucket.is_estimate);
    terms[0].is_fleet = true;
    reload(&world, terms, 2);
    assert_int_equal(fleet_world_out(&world, "foo"), 2);
    /* others may have some to claim too, so the record began empty */
    assert_int_equal(acquire_alone(&world, &caller, 1, TTL_MS), BUCKET_DENIED);
    fleet_world_pass(&world, FLEET_WORLD_TTL_MS + FLEET_WORLD_GRACE_MS + 1000);
    assert_int_equal(acquire_alone(&world, &caller, 4, TTL_MS), BUCKET_DENIED);
    assert_int_equal(acquire_alone(&world, &caller, 3, TTL_MS), BUCKET_ALLOWED);
    release(&world, &lease);
    terms[0].is_fleet = false; /* and back: what leases hold goes at its end */
    reload(&world, terms, 2);
    assert_int_equal(fleet_world_out(&world, "foo"), 3);
    assert_true(fleet_world_acquire(&world, &lease, "foo", 3, TTL_MS, 0));
    assert_int_equal(fleet_caller_result(&lease), BUCKET_DENIED);
    assert_true(fleet_world_acquire(&world, &lease, "foo", 2, TTL_MS, 0));
    assert_int_equal(fleet_caller_result(&lease), BUCKET_ALLOWED);
    assert_int_equal(world.fixture.brain->shares.count, 0);
    fleet_world_end(&world);
}

static void fewer_slots_hold_for_leases_that_there_are(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller lease[4], caller;
    struct limit_terms terms = fleet_world_slots(LIMIT_DEFAULT_NAME, 3);
    fleet_world_begin_slots(&world, 6);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(acquire_alone(&world, &lease[i], 1, TTL_MS), BUCKET_ALLOWED);
    reload(&world, &terms, 1);
    fleet_world_pass(&world, 1000);
    assert_int_equal(fleet_world_out(&world, "foo"), 4);
    assert_int_equal(acquire_alone(&world, &caller, 1, TTL_MS), BUCKET_DENIED);
    release(&world, &lease[0]);
    fleet_world_pass(&world, 1100);
    assert_int_equal(acquire_alone(&world, &caller, 1, TTL_MS), BUCKET_DENIED);
    release(&world, &lease[1]);
    fleet_world_pass(&world, 1100);
    assert_int_equal(acquire_alone(&world, &caller, 1, TTL_MS), BUCKET_ALLOWED);
    assert_int_equal(fleet_world_out(&world, "foo"), 3);
    fleet_world_end(&world);
}

static void slots_become_tokens_and_tokens_slots(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller lease, waits, caller;
    struct limit_terms tokens = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, (struct rate){1, 1000}),
                       slots = fleet_world_slots(LIMIT_DEFAULT_NAME, 2);
    fleet_world_begin_slots(&world, 2);
    assert_int_equal(acquire_alone(&world, &lease, 2, TTL_MS), BUCKET_ALLOWED);
    assert_false(fleet_world_acquire(&world, &waits, "foo", 1, TTL_MS, 60000));
    reload(&world, &tokens, 1);
    assert_true(waits.is_home);
    assert_int_equal(waits.message.answer.bucket.result, BUCKET_NO_LEASES);
    fleet_caller_release(&waits);
    fleet_world_pass(&world, 1000);
    assert_int_equal(ask_lease(&world, MESSAGE_RENEW, &lease, 0).state, LEASE_HELD);
    fleet_world_ask(&world, &caller, MESSAGE_ALLOW, "foo", NULL, 1, 0);
    fleet_world_pass(&world, 10);
    assert_true(caller.is_home);
    fleet_caller_release(&caller);
    reload(&world, &slots, 1);
    fleet_world_pass(&world, 1000);
    assert_int_equal(acquire_alone(&world, &caller, 1, TTL_MS), BUCKET_DENIED);
    release(&world, &lease);
    fleet_world_pass(&world, 3000);
    assert_int_equal(acquire_alone(&world, &caller, 2, TTL_MS), BUCKET_ALLOWED);
    fleet_world_end(&world);
}

/* ---- questions of other kinds ---- */

static void what_slots_are_not_for_is_refused(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_slots(&world, 5);
    static const struct {
        enum message_kind kind;
        enum bucket_result result;
    } refused[] = {
        {MESSAGE_ALLOW, BUCKET_NEEDS_LEASE},
        {MESSAGE_RESET, BUCKET_SLOTS_ONLY},
        {MESSAGE_REFUND, BUCKET_SLOTS_ONLY},
        {MESSAGE_CHARGE, BUCKET_SLOTS_ONLY},
    };
    for (size_t i = 0; i < LENGTH(refused); i++) {
        assert_true(fleet_world_ask(&world, &caller, refused[i].kind, "foo", NULL, 1, 0));
        assert_int_equal(caller.message.answer.bucket.result, refused[i].result);
    }
    assert_int_equal(world.orders, 0);
    fleet_world_end(&world);
    fleet_world_begin_one(&world, 5, (struct rate){1, 1000});
    assert_true(fleet_world_acquire(&world, &caller, "foo", 1, TTL_MS, 0));
    assert_int_equal(caller.message.answer.bucket.result, BUCKET_NO_LEASES);
    fleet_world_end(&world);
}

static void status_and_explain_tell_of_the_slots(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_slots(&world, 5);
    struct bucket_answer answer = fleet_world_await(&world, MESSAGE_STATUS, "foo", NULL, 0, 0);
    assert_int_equal(answer.remaining_tokens, 5);
    assert_false(answer.active);
    fleet_world_pass(&world, 100);
    assert_int_equal(acquire_alone(&world, &caller, 4, TTL_MS), BUCKET_ALLOWED);
    answer = fleet_world_await(&world, MESSAGE_STATUS, "foo", NULL, 0, 0);
    assert_int_equal(answer.remaining_tokens, 1);
    assert_true(answer.active);
    struct explain_answer explained = {0};
    const struct bucket_question question = {.key = "foo", .key_len = 3, .tokens = 1};
    struct fleet_caller asks = {.message.kind = MESSAGE_EXPLAIN};
    asks.message.ask.bucket = question;
    asks.message.answer.explain = &explained;
    assert_true(fleet_world_tell(&world, &asks.message));
    assert_int_equal(explained.kind, MESSAGE_ACQUIRE);
    assert_int_equal(explained.now.remaining_tokens, 1);
    assert_int_equal(explained.next.result, BUCKET_ALLOWED);
    assert_int_equal(explained.next.remaining_tokens, 0);
    assert_int_equal(explained.leases.slots, 4);
    message_hold(&asks.message, NULL);
    fleet_world_end(&world);
}

static void a_trial_and_overrides_lend_what_holds_nothing(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    struct limit_terms terms = fleet_world_slots(LIMIT_DEFAULT_NAME, 1);
    const struct override_terms overrides[] = {
        {.key = "vip", .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER},
        {.key = "bad", .action = OVERRIDE_DENY, .until_s = OVERRIDE_FOR_EVER},
        {.key = "more",
         .action = OVERRIDE_TERMS,
         .until_s = OVERRIDE_FOR_EVER,
         .buckets_count = 1,
         .buckets = {{.burst = 3, .holds_slots = true}}},
    };
    const struct fleet_terms fleet = fleet_world_terms();
    terms.overrides = overrides;
    terms.overrides_count = LENGTH(overrides);
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    assert_true(fleet_world_acquire(&world, &caller, "vip", 9, TTL_MS, 0));
    assert_int_equal(caller.message.answer.bucket.result, BUCKET_ALWAYS);
    assert_int_equal(caller.message.answer.bucket.expires_after_ms, TTL_MS);
    struct lease_answer lease = ask_lease(&world, MESSAGE_RENEW, &caller, 0);
    assert_int_equal(lease.state, LEASE_HELD);
    assert_int_equal(lease.slots, 0);
    assert_true(fleet_world_acquire(&world, &caller, "bad", 1, TTL_MS, 0));
    assert_int_equal(caller.message.answer.bucket.result, BUCKET_NEVER);
    fleet_world_acquire(&world, &caller, "more", 3, TTL_MS, 0);
    fleet_world_pass(&world, 2);
    assert_int_equal(fleet_caller_result(&caller), BUCKET_ALLOWED);
    fleet_caller_release(&caller);
    fleet_world_end(&world);

    terms = fleet_world_slots(LIMIT_DEFAULT_NAME, 1);
    terms.shadow = true;
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    assert_true(fleet_world_acquire(&world, &caller, "foo", 1, TTL_MS, 0));
    assert_int_equal(caller.message.answer.bucket.result, BUCKET_UNCOUNTED);
    assert_int_equal(ask_lease(&world, MESSAGE_LEASE, &caller, 0).slots, 0);
    fleet_world_pass(&world, 10);
    assert_int_equal(acquire_alone(&world, &caller, 1, TTL_MS), BUCKET_ALLOWED);
    assert_int_equal(acquire_alone(&world, &caller, 1, TTL_MS), BUCKET_DENIED);
    assert_int_equal(ask_lease(&world, MESSAGE_LEASE, &caller, 0).state, LEASE_HELD);
    fleet_world_end(&world);
}

static void who_leaves_while_it_waits_takes_nothing(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller lease, waits, leave = {.message.kind = MESSAGE_LEAVE};
    fleet_world_begin_slots(&world, 1);
    assert_int_equal(acquire_alone(&world, &lease, 1, TTL_MS), BUCKET_ALLOWED);
    assert_false(fleet_world_acquire(&world, &waits, "foo", 1, TTL_MS, 60000));
    leave.message.ask.leaves = &waits.message;
    assert_true(fleet_world_tell(&world, &leave.message));
    assert_true(waits.is_home);
    assert_int_equal(waits.message.answer.bucket.result, BUCKET_LEFT);
    fleet_caller_release(&waits);
    release(&world, &lease);
    assert_int_equal(acquire_alone(&world, &lease, 1, TTL_MS), BUCKET_ALLOWED);
    fleet_world_end(&world);
}

/* ---- a hand of slots ---- */

static void what_was_used_at_once_lately_stays_and_the_rest_goes_back(void **state)
{
    (void)state;
    enum { CROWD = 8 };
    struct fleet_world world;
    struct fleet_caller crowd[CROWD], caller;
    fleet_world_begin_slots(&world, 20);
    for (unsigned i = 0; i < CROWD; i++)
        assert_int_equal(acquire_alone(&world, &crowd[i], 1, TTL_MS), BUCKET_ALLOWED);
    for (unsigned i = 0; i < CROWD; i++)
        release(&world, &crowd[i]);
    assert_in_range(fleet_world_out(&world, "foo"), CROWD, 2 * CROWD);
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(acquire_alone(&world, &caller, 1, TTL_MS), BUCKET_ALLOWED);
        release(&world, &caller);
        fleet_world_pass(&world, 4);
    }
    assert_in_range(fleet_world_out(&world, "foo"), 1, 2);
    fleet_world_end(&world);
}

static void leases_fit_into_as_many_as_may_be(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    unsigned lent = 0;
    fleet_world_begin_slots(&world, SLOTS_MAX);
    while (lent <= FIXTURE_MAX_LEASES && acquire_alone(&world, &caller, 1, 60000) == BUCKET_ALLOWED)
        lent++;
    assert_int_equal(lent, FIXTURE_MAX_LEASES);
    assert_int_equal(caller.message.answer.bucket.result, BUCKET_TOO_MANY_LEASES);
    assert_true(caller.message.answer.bucket.retry_after_ms > 0);
    fleet_world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_begins_once_the_store_keeps_its_slots_until_its_end),
        cmocka_unit_test(what_is_released_goes_back_to_the_store_when_all_is_quiet),
        cmocka_unit_test(leases_one_after_the_other_ask_nobody),
        cmocka_unit_test(all_sidecars_together_lend_no_more_than_there_are),
        cmocka_unit_test(who_waits_gets_what_is_released_anywhere),
        cmocka_unit_test(a_wait_for_slots_is_over_in_its_time),
        cmocka_unit_test(each_sidecar_gets_some_however_many_are_wanted),
        cmocka_unit_test(sidecars_take_turns_if_slots_are_fewer),
        cmocka_unit_test(what_nobody_else_wants_is_taken_again),
        cmocka_unit_test(a_renewal_does_not_wait_for_what_is_left_to_others),
        cmocka_unit_test(who_wants_slots_and_has_none_is_known_until_it_is_quiet),
        cmocka_unit_test(the_slots_of_the_dead_come_back_after_the_last_end),
        cmocka_unit_test(a_drain_gives_back_what_no_lease_holds_and_the_rest_goes_at_its_end),
        cmocka_unit_test(a_renewal_waits_until_the_store_knows),
        cmocka_unit_test(without_the_store_no_lease_begins_or_is_renewed),
        cmocka_unit_test(what_the_store_has_stopped_keeping_is_not_lent),
        cmocka_unit_test(what_the_store_may_have_stopped_keeping_is_not_lent),
        cmocka_unit_test(a_store_that_forgets_all_is_told_what_leases_hold),
        cmocka_unit_test(a_claim_may_come_late),
        cmocka_unit_test(leases_of_a_limit_that_becomes_one_of_the_fleet_are_claimed),
        cmocka_unit_test(fewer_slots_hold_for_leases_that_there_are),
        cmocka_unit_test(slots_become_tokens_and_tokens_slots),
        cmocka_unit_test(what_slots_are_not_for_is_refused),
        cmocka_unit_test(status_and_explain_tell_of_the_slots),
        cmocka_unit_test(a_trial_and_overrides_lend_what_holds_nothing),
        cmocka_unit_test(who_leaves_while_it_waits_takes_nothing),
        cmocka_unit_test(what_was_used_at_once_lately_stays_and_the_rest_goes_back),
        cmocka_unit_test(leases_fit_into_as_many_as_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
