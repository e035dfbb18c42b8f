/*
 * A sidecar of a fleet, killed between any two stores: no token is there twice.
 *
 * A world has one key, whose bucket refills nothing while the test lasts. Tokens are asked for, refunded and charged, time passes,
 * letters to the store are lost with their answers, and the limit changes. After each store another process goes on
 * from what a kill would leave, in a world of its own, and takes over what was in hand; what is on its way comes before it, late, or
 * never. Then what was allowed, what is in hand and what the store has left are no more than the bucket held. Now and then the process is
 * killed for good, and if nothing is on its way, nothing is lost either.
 *
 * ALLOWD_KILLS is how many kills a run goes on from, ALLOWD_SEED which.
 */
#include "prop/told_stores.h"
#include "support/dice.h"
#include "support/fleet_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUESTIONS = 200, USED_MAX = 4 }; /* in a world; records of it, and then some */
#define BURST 1000u
#define HEAD_BYTES 4096u

static const struct rate hardly_any = {1, MS_PER_DAY};

static struct {
    struct dice dice;
    struct fleet_world world;
    void *memory, *copy;
    struct share_records records, copied;
    bool is_watched;
    bool
        loses_letters; /* in this world; what a lost one charged may be lost too, so nothing is charged there */
    int64_t
        given; /* tokens that callers have: what was allowed and charged, less what was refunded */
    uint64_t kills, restarts, taken, exact;
} run;

static void expect(bool is_so, const char *what, int64_t a, int64_t b)
{
    if (!is_so)
        fail_msg("ALLOWD_SEED=%" PRIu64 " after %" PRIu64 " kills: %s: %" PRId64 ", %" PRId64,
                 dice_seed(), run.kills, what, a, b);
}

/* Tokens left in the record of the key. */
static int64_t left_in(struct fleet_world *world)
{
    struct store_record record;
    if (!fleet_world_record(world, "foo", NULL, &record))
        return BURST;
    int64_t token = (int64_t)record.token_units[0];
    return record.level_units[0] / token - (record.level_units[0] % token < 0);
}

/* All that anybody could still have of the key, in a world in which no letter is on its way. */
static int64_t there_is(struct fleet_world *world)
{
    const struct shares *shares = &world->fixture.brain->shares;
    int64_t untold = 0;
    for (uint32_t i = 0; i < shares->count; i++)
        untold += shares->heap[i]->bucket[0].net - shares->heap[i]->bucket[0].told_net;
    return left_in(world) + untold + (int64_t)fleet_world_hand(world);
}

static void end_fork(struct fleet_world *fork)
{
    fixture_release(&fork->fixture);
    store_model_free(fork->store);
}

static void on_store(void)
{
    if (!run.is_watched)
        return;
    struct fleet_world fork;
    run.is_watched = false;
    run.kills++;
    memcpy(run.copy, run.memory, HEAD_BYTES + USED_MAX * SHARE_RECORD_BYTES);
    fleet_world_fork(&run.world, &fork, (enum fleet_arrival)dice_roll(&run.dice, 3), &run.copied);
    fleet_world_pass(&fork, 3);
    run.taken += fleet_world_hand(&fork) > 0;
    expect(there_is(&fork) + run.given <= BURST, "tokens were made of nothing", there_is(&fork),
           run.given);
    end_fork(&fork);
    run.is_watched = true;
}

/* ---- what is done ---- */

/* Answered at once or after the order; what it is told counts from when it is told. */
static struct bucket_answer ask(enum message_kind kind, uint64_t tokens)
{
    struct fleet_caller caller;
    run.is_watched = true;
    fleet_world_ask(&run.world, &caller, kind, "foo", NULL, tokens, 0);
    while (!caller.is_home)
        fleet_world_pass_ns(&run.world, NS_PER_MS / 10);
    run.is_watched = false;
    fleet_caller_release(&caller);
    return caller.message.answer.bucket;
}

static void allow(void)
{
    uint64_t tokens = dice_once_in(&run.dice, 8) ? dice_between(&run.dice, 1, 60) : 1;
    if (ask(MESSAGE_ALLOW, tokens).result == BUCKET_ALLOWED)
        run.given += (int64_t)tokens;
}

static void refund(void)
{
    uint64_t tokens = dice_between(&run.dice, 1, 30);
    if ((int64_t)tokens > run.given)
        return;
    run.given -= (int64_t)tokens; /* before it is done it may be there as well */
    ask(MESSAGE_REFUND, tokens);
}

static void charge(void)
{
    if (run.loses_letters)
        return;
    run.given += (int64_t)ask(MESSAGE_CHARGE, dice_between(&run.dice, 1, 30)).charged_tokens;
}

static void pass(void)
{
    run.is_watched = true;
    fleet_world_pass(&run.world, dice_roll(&run.dice, dice_once_in(&run.dice, 5) ? 2500 : 60));
    run.is_watched = false;
}

static void lose_letters(void)
{
    if (run.loses_letters)
        run.world.forced = dice_once_in(&run.dice, 2) ? ORDER_UNREACHABLE : ORDER_RESULT_COUNT;
}

static struct limits *limits_with(uint64_t outstanding_percent)
{
    const struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, BURST, hardly_any);
    struct fleet_terms fleet = fleet_world_terms();
    fleet.outstanding_percent = (uint32_t)outstanding_percent;
    return fleet_world_limits(&terms, 1, &fleet);
}

/* Others may have more or less in hand at a time. */
static void reload(void)
{
    fixture_reload_limits(&run.world.fixture, limits_with(dice_between(&run.dice, 1, 90)));
}

/* If nothing is on its way, the next process has all that this one had. */
static void restart(void)
{
    int64_t before = there_is(&run.world), hand = (int64_t)fleet_world_hand(&run.world);
    bool is_exact = run.world.away_count == 0 && run.world.forced == ORDER_RESULT_COUNT;
    run.world.forced = ORDER_RESULT_COUNT;
    fleet_world_restart(&run.world, &run.records);
    fleet_world_pass(&run.world, 3);
    int64_t after = there_is(&run.world);
    expect(after + run.given <= BURST, "tokens were made of nothing by a restart", after,
           run.given);
    run.restarts++;
    if (!is_exact || hand == 0)
        return;
    run.exact++;
    expect(after == before, "a restart lost something", after, before);
}

static void do_something(void)
{
    switch (dice_roll(&run.dice, 20)) {
    case 0:
        refund();
        return;
    case 1:
        charge();
        return;
    case 2:
        lose_letters();
        return;
    case 3:
        restart();
        return;
    case 4:
    case 5:
    case 6:
        pass();
        return;
    case 7:
        if (dice_once_in(&run.dice, 4))
            reload();
        return;
    default:
        allow();
    }
}

static void live_and_die(void **state)
{
    (void)state;
    uint64_t kills = dice_repeats("ALLOWD_KILLS", 10000);
    run.dice = dice_new(1);
    run.memory = calloc(1, share_records_bytes());
    run.copy = calloc(1, share_records_bytes());
    assert_non_null(run.memory);
    assert_non_null(run.copy);
    run.records = share_records_at(run.memory);
    run.copied = share_records_at(run.copy);
    told_store = on_store;
    while (run.kills < kills) {
        memset(run.memory, 0, HEAD_BYTES + USED_MAX * SHARE_RECORD_BYTES);
        run.given = 0;
        run.loses_letters = dice_once_in(&run.dice, 2);
        fleet_world_begin(&run.world, limits_with(50));
        fleet_world_keep(&run.world, &run.records);
        for (unsigned i = 0; i < QUESTIONS; i++)
            do_something();
        assert_true(share_records_used(&run.records) <= USED_MAX);
        fleet_world_end(&run.world);
    }
    told_store = NULL;
    printf("%" PRIu64 " kills, %" PRIu64 " took something over; %" PRIu64 " restarts, %" PRIu64
           " lost nothing\n",
           run.kills, run.taken, run.restarts, run.exact);
    assert_true(kills < 10000 || (run.taken > 0 && run.exact > 0));
    free(run.memory);
    free(run.copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(live_and_die)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
