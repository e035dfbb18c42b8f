/*
 * Limits that a fleet shares: real brains, a store, the network and the clocks between them, in virtual time.
 *
 * Worlds live for some hundred questions each: keys are asked for at several sidecars, in floods after times of
 * quiet, while letters are lost, doubled and late, processes crash, are taken over, stand still and drain, the store forgets,
 * goes back and has its clock set, and limits change; some keys have overrides, which may come and go, and some questions
 * come again. What must hold has names: see fleet_checks.c.
 * tests/prop/planted_fleet.sh plants a fault for each, which its check must find.
 *
 * ALLOWD_DECISIONS is how many questions are asked, ALLOWD_QUESTIONS in each world, ALLOWD_SEED which. ALLOWD_WORLD begins with that
 * world of each kind, ALLOWD_KIND=NAME has one kind of worlds alone (a * stands for anything), and with ALLOWD_TRACE=1 all
 * that happens is printed.
 */
#include "limits/credit.h"
#include "limits/fleet_fit.h"
#include "prop/fleet_naive.h"
#include "prop/fleet_sim.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PERCENT = 100, REST_S = 100, PATIENT_MS = 60, DRIFT_PPM = 1000 };

#define START_NS (1000 * NS_PER_S)
#define STORE_START_NS (UINT64_C(1700000000) * NS_PER_S)

struct recipe {
    const char *name;
    uint64_t stream;
    unsigned percent; /* of all questions */
    /* what happens */
    bool loses, crashes, stands_still, drains, drifts;
    bool forgets, is_full_on_loss, rolls_back, evicts, steps_clock;
    bool reloads, has_two_fleets, parts, changes_levels;
    bool has_slots; /* of the last limit */
    enum fleet_partition on_partition;
    enum fleet_cold cold;
    bool may_be_uncounted; /* and some must be */
    bool has_lists;
    bool has_overrides, sets_overrides; /* of the configuration; of run time */
    bool asks_once;
    bool takes_over;  /* what a process had that has crashed */
    bool writes_back; /* copies of what such a process had */
};

static uint64_t world_questions; /* so many are asked in each world */
static uint64_t total_questions, total_orders, total_calls, total_allowed, total_denied,
    total_waited, total_lent, total_renewed;
static uint64_t total_steps, total_repeated;
static uint64_t total_uncounted, total_overridden, total_taken, total_slots_taken,
    total_written_back;                           /* of the recipe */
static double worst_percent, worst_apart_percent; /* of the recipe */

/* ---- what a world begins with ---- */

static bool is_valid(const struct bucket_terms *bucket)
{
    struct credit_line line;
    return credit_line_init(&line, bucket->burst, bucket->rate, FLEET_TICK_MS) == CREDIT_OK &&
           fleet_fit_of(bucket, FLEET_BESIDE_NOTHING) == FLEET_FITS;
}

static void random_bucket(struct dice *dice, struct bucket_terms *bucket)
{
    static const uint64_t periods_ms[] = {100, 1000, 1000, 1000, 7777, 60000};
    *bucket = (struct bucket_terms){0};
    do {
        bucket->burst = dice_between(dice, 1, 1 + dice_roll(dice, 200));
        bucket->rate.tokens = 1 + dice_roll(dice, 1 + bucket->burst);
        bucket->rate.period_ms = periods_ms[dice_roll(dice, LENGTH(periods_ms))];
    } while (!is_valid(bucket));
}

/* Returns how many. */
static unsigned random_buckets(struct dice *dice, struct bucket_terms bucket[BUCKETS_MAX])
{
    unsigned count = dice_once_in(dice, 3) ? (unsigned)dice_between(dice, 2, BUCKETS_MAX) : 1;
    for (unsigned i = 0; i < count; i++)
        random_bucket(dice, &bucket[i]);
    for (unsigned i = 0; count > 1 && i < count; i++)
        snprintf(bucket[i].name, sizeof bucket[i].name, "b%u", i);
    return count;
}

static void random_rules(struct dice *dice, struct fleet_rules *rules)
{
    rules->limits = FLEET_LIMITS;
    for (unsigned i = 0; i < rules->limits; i++)
        rules->buckets[i] = random_buckets(dice, rules->bucket[i]);
}

/* Returns how many. */
static unsigned random_slot_bucket(struct dice *dice, struct bucket_terms *bucket)
{
    *bucket = (struct bucket_terms){.burst = dice_between(dice, 1, 12), .holds_slots = true};
    return 1;
}

/* The last limit is of slots. */
static void random_slots(struct dice *dice, struct fleet_rules *rules)
{
    rules->buckets[FLEET_LIMITS - 1] =
        random_slot_bucket(dice, &rules->bucket[FLEET_LIMITS - 1][0]);
}

static void random_override(struct dice *dice, struct fleet_rules *rules, unsigned record,
                            bool is_runtime)
{
    static const enum override_action actions[] = {OVERRIDE_TERMS, OVERRIDE_TERMS, OVERRIDE_ALLOW,
                                                   OVERRIDE_DENY};
    bool has_slots = rules->bucket[record / FLEET_KEYS][0].holds_slots;
    struct override_terms *override = &rules->override[record];
    rules->is_overridden[record] = true;
    *override = (struct override_terms){
        .key = fleet_keys[record % FLEET_KEYS],
        .action = actions[dice_roll(dice, LENGTH(actions))],
        .until_s = OVERRIDE_FOR_EVER,
        .is_runtime = is_runtime,
    };
    if (override->action == OVERRIDE_TERMS)
        override->buckets_count = has_slots ? random_slot_bucket(dice, override->buckets)
                                            : random_buckets(dice, override->buckets);
}

static void random_overrides(const struct recipe *recipe, struct fleet_sim *world)
{
    struct dice *dice = &world->dice;
    for (unsigned set = 0; recipe->has_overrides && set < LENGTH(world->rules); set++)
        for (unsigned i = 0; i < FLEET_RECORDS; i++)
            if (dice_once_in(dice, 2))
                random_override(dice, &world->rules[set], i, false);
    world->has_runtime = recipe->sets_overrides;
    if (!recipe->sets_overrides)
        return;
    unsigned record = (unsigned)dice_roll(dice, FLEET_RECORDS);
    world->rules[1] = world->rules[0];
    random_override(dice, &world->rules[1], record, true);
}

static void random_fleet_terms(const struct recipe *recipe, struct fleet_sim *world)
{
    struct dice *dice = &world->dice;
    uint32_t ttl_ms = (uint32_t)dice_between(dice, 200, 2000);
    world->terms = (struct fleet_terms){
        .ttl_ms = ttl_ms,
        .renew_ms = ttl_ms / 4,
        .grace_ms = (uint32_t)dice_between(dice, 50, 500),
        .return_after_ms = (uint32_t)dice_between(dice, 100, 1000),
        .horizon_ms = (uint32_t)dice_between(dice, 50, 300),
        .min_interval_ms = (uint32_t)dice_between(dice, 1, 30),
        .cold_wait_ms = dice_once_in(dice, 2) ? PATIENT_MS : (uint32_t)dice_between(dice, 1, 20),
        .sidecars = world->sidecars,
        .clock_guard_ms = 20,
        .outstanding_percent = 50,
        .cold = recipe->cold,
        .on_partition = recipe->on_partition,
        .on_loss = recipe->is_full_on_loss ? FLEET_LOSS_FULL : FLEET_LOSS_EMPTY,
    };
}

static void random_network(const struct recipe *recipe, struct fleet_sim *world)
{
    struct dice *dice = &world->dice;
    world->network = (struct fleet_network){
        .latency_ns = dice_between(dice, 100, 2000) * 1000,
        .op_timeout_ns = 50 * NS_PER_MS,
    };
    if (!recipe->loses)
        return;
    world->network.lost = (unsigned)dice_roll(dice, 150);
    world->network.doubled = (unsigned)dice_roll(dice, 150);
    world->network.late = (unsigned)dice_roll(dice, 150);
    world->network.late_ns = dice_between(dice, 1, dice_once_in(dice, 2) ? 100 : 5000) * NS_PER_MS;
    world->network.refused = dice_once_in(dice, 3) ? (unsigned)dice_roll(dice, 100) : 0;
}

static int32_t random_drift(const struct recipe *recipe, struct dice *dice)
{
    return recipe->drifts ? (int32_t)dice_roll(dice, 2 * DRIFT_PPM + 1) - DRIFT_PPM : 0;
}

static bool is_of_slots(const struct fleet_sim *world, unsigned record)
{
    return world->has_slots && record / FLEET_KEYS == FLEET_LIMITS - 1;
}

static void open_ledgers(const struct recipe *recipe, struct fleet_sim *world)
{
    double rate_factor = 1 + 2 * DRIFT_PPM / 1e6;
    bool may_change = recipe->has_two_fleets || recipe->reloads || recipe->sets_overrides;
    for (unsigned i = 0; i < FLEET_RECORDS; i++) {
        struct fleet_ledger *ledger = &world->ledger[i];
        const struct bucket_terms *bucket[LENGTH(world->rules)];
        unsigned count[LENGTH(world->rules)];
        for (unsigned set = 0; set < LENGTH(world->rules); set++)
            bucket[set] = fleet_rules_buckets(&world->rules[set], i, &count[set]);
        fleet_ledger_open(ledger, fleet_limit_names[i / FLEET_KEYS], fleet_keys[i % FLEET_KEYS],
                          bucket[0], count[0], rate_factor, world->now_ns);
        for (unsigned set = 0; may_change && set < LENGTH(world->rules); set++)
            fleet_ledger_expect(ledger, bucket[set], count[set]);
        if (recipe->has_two_fleets)
            fleet_ledger_change(ledger, bucket[1], count[1], world->now_ns);
        ledger->is_faulty = recipe->loses || may_change || recipe->changes_levels ||
                            recipe->cold != FLEET_COLD_WAIT ||
                            world->terms.cold_wait_ms < PATIENT_MS;
        ledger->is_lossy = recipe->loses || recipe->has_two_fleets || is_of_slots(world, i);
        fleet_ledger_part(ledger, world->sidecars, world->now_ns);
    }
}

static struct fleet_sim *new_world(const struct recipe *recipe, uint64_t number)
{
    struct fleet_sim *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->number = number;
    world->dice = dice_new(recipe->stream << 32 | number);
    world->now_ns = START_NS;
    struct dice *dice = &world->dice;
    world->sidecars = (unsigned)dice_between(dice, 1, FLEET_SIDECARS);
    random_rules(dice, &world->rules[0]);
    random_rules(dice, &world->rules[1]);
    world->has_slots = recipe->has_slots;
    if (recipe->has_slots)
        random_slots(dice, &world->rules[0]);
    random_overrides(recipe, world);
    world->asks_once = recipe->asks_once;
    world->keeps_states = recipe->takes_over;
    random_fleet_terms(recipe, world);
    random_network(recipe, world);
    world->store.clock = (struct fleet_clock){START_NS, STORE_START_NS + dice_roll(dice, NS_PER_S),
                                              random_drift(recipe, dice)};
    for (unsigned i = 0; i < world->sidecars; i++) {
        world->sidecar[i].clock = (struct fleet_clock){
            START_NS, NS_PER_S + dice_roll(dice, NS_PER_S), random_drift(recipe, dice)};
        world->sidecar[i].terms = recipe->has_two_fleets ? i % 2 : 0;
    }
    open_ledgers(recipe, world);
    fleet_sim_begin(world);
    return world;
}

/* ---- what happens ---- */

static uint64_t first_burst(const struct fleet_sim *world, unsigned record)
{
    unsigned buckets;
    return fleet_rules_buckets(&world->rules[0], record, &buckets)->burst;
}

static uint64_t random_tokens(const struct fleet_sim *world, struct dice *dice, unsigned record)
{
    uint64_t burst = first_burst(world, record);
    if (!dice_once_in(dice, 8))
        return 1;
    return dice_once_in(dice, 2) ? dice_between(dice, 1, 5) : dice_between(dice, 0, burst + 1);
}

static uint64_t random_wait_ms(struct dice *dice)
{
    return dice_once_in(dice, 6) ? dice_between(dice, 1, 2000) : 0;
}

/* A refund or a reset, of which nobody knows when it reaches the store. */
static void ask_more(struct fleet_sim *world, const struct recipe *recipe, unsigned sidecar,
                     unsigned record)
{
    struct dice *dice = &world->dice;
    uint64_t tokens = dice_between(dice, 1, 5);
    bool comes_late = recipe->loses || recipe->parts || recipe->stands_still;
    uint64_t until_ns =
        comes_late ? UINT64_MAX : world->now_ns + fleet_sim_memory_ns(world) + NS_PER_S;
    enum message_kind kind = dice_once_in(dice, 2)   ? MESSAGE_CHARGE
                             : dice_once_in(dice, 4) ? MESSAGE_RESET
                                                     : MESSAGE_REFUND;
    if (kind != MESSAGE_CHARGE)
        fleet_ledger_fault(&world->ledger[record], FLEET_WINDOWS,
                           kind == MESSAGE_REFUND ? (double)tokens : 0, kind == MESSAGE_RESET,
                           world->now_ns, until_ns);
    fleet_sim_ask(world, sidecar, kind, record, kind == MESSAGE_RESET ? 0 : tokens, 0);
}

/* For several keys, the first more often than the others. */
static void ask_list(struct fleet_sim *world, unsigned sidecar, unsigned record)
{
    struct dice *dice = &world->dice;
    unsigned records[FLEET_LIST];
    uint64_t tokens[FLEET_LIST];
    uint32_t count = (uint32_t)dice_between(dice, 1, FLEET_LIST);
    for (uint32_t i = 0; i < count; i++) {
        records[i] = dice_once_in(dice, 2) ? record : (unsigned)dice_roll(dice, FLEET_RECORDS);
        tokens[i] = random_tokens(world, dice, records[i]);
    }
    fleet_sim_ask_list(world, sidecar, dice_once_in(dice, 2) ? MESSAGE_EACH : MESSAGE_ALL, records,
                       tokens, count);
}

/* One that is in force, if there is any. */
static unsigned some_lease(struct fleet_sim *world, unsigned record)
{
    unsigned first = (unsigned)dice_roll(&world->dice, FLEET_LEASES), at = first;
    for (unsigned i = 0; i < FLEET_LEASES; i++) {
        at = (first + i) % FLEET_LEASES;
        if (world->lease[at].record == record && world->lease[at].end_ns > world->now_ns)
            break;
    }
    return at;
}

static void ask_for_slots(struct fleet_sim *world, unsigned sidecar, unsigned record)
{
    struct dice *dice = &world->dice;
    uint64_t most = first_burst(world, record);
    uint32_t slots = dice_once_in(dice, 3) ? (uint32_t)dice_between(dice, 1, most + 1) : 1;
    uint32_t ttl_ms =
        (uint32_t)dice_between(dice, LEASE_TTL_MIN_MS, dice_once_in(dice, 3) ? 20000 : 1000);
    unsigned lease = some_lease(world, record);
    if (dice_once_in(dice, 2) && fleet_sim_ask_lease(world, MESSAGE_RELEASE, lease, 0))
        return;
    if (dice_once_in(dice, 3) && fleet_sim_ask_lease(world, MESSAGE_RENEW, lease, ttl_ms))
        return;
    fleet_sim_acquire(world, sidecar, record, slots, ttl_ms, random_wait_ms(dice));
}

static void ask_one(struct fleet_sim *world, const struct recipe *recipe, unsigned record)
{
    struct dice *dice = &world->dice;
    unsigned sidecar = (unsigned)dice_roll(dice, world->sidecars);
    if (recipe->asks_once && dice_once_in(dice, 4) && fleet_sim_ask_again(world, sidecar))
        return;
    if (is_of_slots(world, record) && !dice_once_in(dice, 20))
        ask_for_slots(world, sidecar, record);
    else if (is_of_slots(world, record))
        fleet_sim_ask(world, sidecar, MESSAGE_STATUS, record, 0, 0);
    else if (recipe->changes_levels && dice_once_in(dice, 20))
        ask_more(world, recipe, sidecar, record);
    else if (recipe->has_lists && dice_once_in(dice, 3))
        ask_list(world, sidecar, record);
    else if (dice_once_in(dice, 30))
        fleet_sim_leave(world, sidecar, (unsigned)dice_roll(dice, FLEET_CALLERS));
    else
        fleet_sim_ask(world, sidecar, dice_once_in(dice, 20) ? MESSAGE_STATUS : MESSAGE_ALLOW,
                      record, random_tokens(world, dice, record), random_wait_ms(dice));
}

static void something_happens_to(struct fleet_sim *world, const struct recipe *recipe, unsigned at)
{
    struct dice *dice = &world->dice;
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    if (sidecar->brain == NULL) {
        fleet_sim_start(world, at);
        return;
    }
    if (sidecar
            ->is_ending) { /* it is gone once it has given all back, or will not wait any longer */
        if (!sidecar->end_is_away || dice_once_in(dice, 3))
            fleet_sim_crash(world, at);
        return;
    }
    if (recipe->writes_back && dice_once_in(dice, 3))
        fleet_sim_copy_state(world, at);
    else if (recipe->crashes && dice_once_in(dice, 2)) {
        fleet_sim_crash(world, at);
        if (recipe->writes_back && dice_once_in(dice, 2))
            fleet_sim_write_back(world, at);
        if (recipe->takes_over && dice_once_in(dice, 2))
            fleet_sim_start(world, at);
    } else if (sidecar->stands_until_ns != 0)
        return;
    else if (recipe->stands_still && dice_once_in(dice, 2))
        fleet_sim_stop(world, at, dice_roll(dice, 5000) * NS_PER_MS,
                       dice_once_in(dice, 2) && !world->has_slots);
    else if (recipe->drains && dice_once_in(dice, 2))
        fleet_sim_drain(world, at);
    else if (recipe->reloads || recipe->sets_overrides)
        fleet_sim_reload(world, at, !sidecar->terms);
    else if (recipe->parts)
        fleet_sim_part(world, at, !sidecar->is_apart);
}

static void something_happens_to_the_store(struct fleet_sim *world, const struct recipe *recipe)
{
    struct dice *dice = &world->dice;
    if (recipe->forgets && dice_once_in(dice, 2))
        fleet_sim_forget(world);
    if (recipe->evicts && dice_once_in(dice, 2))
        fleet_sim_evict(world, (unsigned)dice_roll(dice, FLEET_RECORDS));
    if (recipe->rolls_back && dice_once_in(dice, 2))
        fleet_sim_copy_store(world);
    if (recipe->rolls_back && world->store.copy != NULL && dice_once_in(dice, 2))
        fleet_sim_roll_back(world);
    if (recipe->steps_clock && dice_once_in(dice, 2))
        fleet_sim_step_clock(world, (int64_t)dice_roll(dice, 20000) - 10000);
}

static bool happens_to_sidecars(const struct recipe *recipe)
{
    return recipe->crashes || recipe->stands_still || recipe->drains || recipe->reloads ||
           recipe->sets_overrides || recipe->parts;
}

static void pass(struct fleet_sim *world, uint64_t gap_ns)
{
    struct dice *dice = &world->dice;
    if (dice_once_in(dice, 60))
        fleet_sim_pass(world, dice_roll(dice, 3000) * NS_PER_MS);
    else if (dice_once_in(dice, 2))
        fleet_sim_pass(world, dice_roll(dice, gap_ns));
}

static void live(struct fleet_sim *world, const struct recipe *recipe)
{
    struct dice *dice = &world->dice;
    uint64_t gap_ns = dice_between(dice, 1, dice_once_in(dice, 2) ? 1000 : 50000) * 1000;
    unsigned record = 0;
    while (world->questions < world_questions && world->tries++ < 10 * world_questions) {
        if (dice_once_in(dice, 40))
            record = (unsigned)dice_roll(dice, FLEET_RECORDS);
        snprintf(fleet_where, sizeof fleet_where,
                 "ALLOWD_SEED=%" PRIu64 " %s, world %" PRIu64 ", question %" PRIu64, dice_seed(),
                 recipe->name, world->number, world->questions);
        pass(world, gap_ns);
        if (happens_to_sidecars(recipe) && dice_once_in(dice, 30))
            something_happens_to(world, recipe, (unsigned)dice_roll(dice, world->sidecars));
        if (dice_once_in(dice, 50))
            something_happens_to_the_store(world, recipe);
        ask_one(world, recipe, record);
    }
}

/* Until a bucket is full, though it owes all that some other one holds. */
static uint64_t longest_fill_ns(const struct fleet_sim *world)
{
    uint64_t most_tokens = 0, longest_ms = 0;
    for (unsigned set = 0; set < LENGTH(world->rules); set++)
        for (unsigned record = 0; record < FLEET_RECORDS; record++) {
            unsigned buckets;
            const struct bucket_terms *bucket =
                fleet_rules_buckets(&world->rules[set], record, &buckets);
            for (unsigned i = 0; i < buckets; i++) {
                uint64_t ms = bucket[i].holds_slots
                                  ? 1
                                  : bucket[i].rate.period_ms / bucket[i].rate.tokens + 1;
                longest_ms = ms > longest_ms ? ms : longest_ms;
                most_tokens = bucket[i].burst > most_tokens ? bucket[i].burst : most_tokens;
            }
        }
    return 2 * most_tokens * longest_ms * NS_PER_MS;
}

/* All is well again, and all is quiet, for so long that all is full, and no record is left. */
static void come_to_rest(struct fleet_sim *world)
{
    static struct store_record record;
    fleet_sim_heal(world);
    fleet_sim_pass(world, fleet_sim_memory_ns(world) + longest_fill_ns(world) +
                              world->terms.return_after_ms * NS_PER_MS + REST_S * NS_PER_S);
    for (unsigned i = 0; i < FLEET_RECORDS; i++)
        fleet_ledger_quiet(&world->ledger[i], fleet_sim_record(world, i, &record));
}

/* The first sidecar from one on by whose rules no override allows or denies all of a record. false: there is none. */
static bool find_limited(const struct fleet_sim *world, unsigned from, unsigned record,
                         unsigned *sidecar)
{
    for (unsigned i = 0; i < world->sidecars; i++) {
        *sidecar = (from + i) % world->sidecars;
        if (fleet_rules_action(&world->rules[world->sidecar[*sidecar].terms], record) ==
            OVERRIDE_TERMS)
            return true;
    }
    return false;
}

static void ask_for(struct fleet_sim *world, unsigned sidecar, unsigned record, uint64_t tokens,
                    uint64_t wait_ms)
{
    assert_true(
        is_of_slots(world, record)
            ? fleet_sim_acquire(world, sidecar, record, (uint32_t)tokens, LEASE_TTL_MIN_MS, wait_ms)
            : fleet_sim_ask(world, sidecar, MESSAGE_ALLOW, record, tokens, wait_ms));
}

/* So that the store begins to remember anew, if it has forgotten everything. */
static void touch_all(struct fleet_sim *world)
{
    for (unsigned i = 0; i < FLEET_RECORDS; i++) {
        unsigned sidecar;
        if (find_limited(world, 0, i, &sidecar))
            ask_for(world, sidecar, i, 1, 0);
    }
}

/* Whatever has happened, a bucket that is full can be emptied by one request. */
static void ask_for_all(struct fleet_sim *world)
{
    for (unsigned i = 0; i < FLEET_RECORDS; i++) {
        unsigned sidecar = (unsigned)dice_roll(&world->dice, world->sidecars), buckets;
        if (!find_limited(world, sidecar, i, &sidecar))
            continue;
        const struct bucket_terms *bucket =
            fleet_rules_buckets(&world->rules[world->sidecar[sidecar].terms], i, &buckets);
        uint64_t tokens = UINT64_MAX, allowed = world->allowed + world->lent;
        for (unsigned j = 0; j < buckets; j++)
            if (bucket[j].burst < tokens)
                tokens = bucket[j].burst;
        ask_for(world, sidecar, i, tokens, MS_PER_S);
        fleet_sim_pass(world, 2 * NS_PER_S);
        if (world->allowed + world->lent == allowed)
            fleet_violated(FLEET_DENIES_LITTLE, &world->ledger[i],
                           "all is full, and %u is denied the %" PRIu64 " tokens of the burst",
                           sidecar, tokens);
    }
}

static void live_in_world(const struct recipe *recipe, uint64_t number)
{
    struct fleet_sim *world = new_world(recipe, number);
    live(world, recipe);
    come_to_rest(world);
    touch_all(world);
    come_to_rest(world);
    ask_for_all(world);
    come_to_rest(world);
    for (unsigned i = 0; i < FLEET_RECORDS; i++)
        if (world->ledger[i].whole.buckets > 0 && world->ledger[i].whole.burst[0] >= 50 &&
            world->ledger[i].worst_percent > worst_percent)
            worst_percent = world->ledger[i].worst_percent;
    for (unsigned i = 0; i < FLEET_RECORDS; i++)
        if (world->ledger[i].worst_apart_percent > worst_apart_percent)
            worst_apart_percent = world->ledger[i].worst_apart_percent;
    total_questions += world->questions;
    total_orders += world->orders;
    total_calls += world->calls;
    total_allowed += world->allowed;
    total_denied += world->denied;
    total_waited += world->waited;
    total_uncounted += world->uncounted;
    total_overridden += world->overridden;
    total_taken += world->taken_over;
    total_slots_taken += world->slots_taken_over;
    total_written_back += world->written_back;
    total_repeated += world->repeated;
    total_steps += world->steps;
    total_lent += world->lent;
    total_renewed += world->renewed;
    fleet_sim_end(world);
    free(world);
}

static void run(const struct recipe *recipe)
{
    uint64_t questions = dice_repeats("ALLOWD_DECISIONS", 1000000) * recipe->percent / PERCENT;
    uint64_t number = environment_number("ALLOWD_WORLD", 0), before = total_questions;
    worst_percent = worst_apart_percent = 0;
    total_uncounted = total_overridden = total_taken = 0;
    total_slots_taken = total_written_back = 0;
    uint64_t repeated = total_repeated;
    do
        live_in_world(recipe, number++);
    while (total_questions - before < questions);
    printf("%s: at worst %.0f %% of the burst beyond the rate\n", recipe->name, worst_percent);
    if (recipe->on_partition == FLEET_PARTITION_SHARE)
        printf("%s: apart from the store, at worst %.0f %% of the burst beyond the rate\n",
               recipe->name, worst_apart_percent);
    if (questions < 10000) /* in which not all need happen */
        return;
    assert_int_equal(total_uncounted > 0, recipe->may_be_uncounted);
    assert_int_equal(total_overridden > 0, recipe->has_overrides || recipe->sets_overrides);
    assert_int_equal(total_repeated > repeated, recipe->asks_once);
    assert_int_equal(total_taken > 0, recipe->takes_over);
    assert_int_equal(total_slots_taken > 0, recipe->takes_over && recipe->has_slots);
    assert_int_equal(total_written_back > 0, recipe->writes_back);
    assert_int_equal(worst_apart_percent > 0, recipe->on_partition == FLEET_PARTITION_SHARE);
}

/* ---- kinds of worlds ---- */

static void no_faults(void **state)
{
    (void)state;
    run(&(struct recipe){.name = "no faults", .stream = 1, .percent = 10});
}

static void drifting_clocks(void **state)
{
    (void)state;
    run(&(struct recipe){"drifting clocks", 2, 8, .drifts = true, .drains = true});
}

static void lost_late_and_doubled_letters(void **state)
{
    (void)state;
    run(&(struct recipe){"lost, late and doubled letters", 3, 12, .loses = true, .drifts = true});
}

static void crashes_and_drains(void **state)
{
    (void)state;
    run(&(struct recipe){"crashes and drains", 4, 10, .crashes = true, .drains = true,
                         .drifts = true});
}

static void crashes_taken_over(void **state)
{
    (void)state;
    run(&(struct recipe){"crashes, taken over", 29, 4, .crashes = true, .drains = true,
                         .drifts = true, .takes_over = true});
}

static void crashes_taken_over_with_losses(void **state)
{
    (void)state;
    run(&(struct recipe){"crashes, taken over, with losses", 30, 4, .loses = true, .crashes = true,
                         .stands_still = true, .drifts = true, .forgets = true, .rolls_back = true,
                         .reloads = true, .parts = true, .changes_levels = true,
                         .takes_over = true});
}

static void copies_written_back(void **state)
{
    (void)state;
    run(&(struct recipe){"copies written back", 31, 5, .loses = true, .crashes = true,
                         .drains = true, .drifts = true, .takes_over = true, .writes_back = true});
}

static void standing_still(void **state)
{
    (void)state;
    run(&(struct recipe){"standing still", 5, 8, .stands_still = true, .drifts = true});
}

static void a_store_that_forgets(void **state)
{
    (void)state;
    run(&(struct recipe){"a store that forgets, empty", 6, 8, .forgets = true, .drifts = true});
}

static void a_store_that_forgets_full(void **state)
{
    (void)state;
    run(&(struct recipe){"a store that forgets, full", 7, 5, .forgets = true,
                         .is_full_on_loss = true, .drifts = true});
}

static void a_store_rolled_back(void **state)
{
    (void)state;
    run(&(struct recipe){"a store rolled back", 8, 8, .rolls_back = true, .drifts = true});
}

static void evictions(void **state)
{
    (void)state;
    run(&(struct recipe){"evictions", 9, 5, .evicts = true, .drifts = true});
}

static void a_store_whose_clock_steps(void **state)
{
    (void)state;
    run(&(struct recipe){"a store whose clock steps", 10, 6, .steps_clock = true, .drifts = true});
}

static void reloads(void **state)
{
    (void)state;
    run(&(struct recipe){"reloads", 11, 5, .reloads = true, .drifts = true});
}

static void two_fleets_of_one_name(void **state)
{
    (void)state;
    run(&(struct recipe){"two fleets of one name", 12, 3, .has_two_fleets = true, .drifts = true});
}

static void partitions(void **state)
{
    (void)state;
    run(&(struct recipe){"partitions", 13, 4, .parts = true, .drifts = true});
}

static void partitions_shared(void **state)
{
    (void)state;
    run(&(struct recipe){"partitions, each with its part", 16, 3, .parts = true, .drifts = true,
                         .on_partition = FLEET_PARTITION_SHARE});
}

static void partitions_allowed(void **state)
{
    (void)state;
    run(&(struct recipe){"partitions, all allowed", 17, 2, .parts = true, .drifts = true,
                         .on_partition = FLEET_PARTITION_ALLOW, .may_be_uncounted = true});
}

static void cold_keys_denied(void **state)
{
    (void)state;
    run(&(struct recipe){"cold keys, denied", 18, 2, .drains = true, .drifts = true,
                         .cold = FLEET_COLD_DENY});
}

static void cold_keys_allowed(void **state)
{
    (void)state;
    run(&(struct recipe){"cold keys, allowed", 19, 2, .drains = true, .drifts = true,
                         .cold = FLEET_COLD_ALLOW, .may_be_uncounted = true});
}

static void charges_refunds_and_resets(void **state)
{
    (void)state;
    run(&(struct recipe){"charges, refunds and resets", 14, 4, .changes_levels = true,
                         .drains = true});
}

static void lists(void **state)
{
    (void)state;
    run(&(struct recipe){"lists", 20, 3, .drains = true, .drifts = true, .has_lists = true});
}

static void lists_lost_late_and_doubled(void **state)
{
    (void)state;
    run(&(struct recipe){"lists, lost, late and doubled", 21, 3, .loses = true, .crashes = true,
                         .stands_still = true, .reloads = true, .has_lists = true});
}

static void overrides(void **state)
{
    (void)state;
    run(&(struct recipe){"overrides", 22, 4, .drains = true, .drifts = true, .has_lists = true,
                         .has_overrides = true});
}

static void overrides_lost_late_and_doubled(void **state)
{
    (void)state;
    run(&(struct recipe){"overrides, lost, late and doubled", 23, 3, .loses = true, .crashes = true,
                         .reloads = true, .changes_levels = true, .has_overrides = true,
                         .asks_once = true});
}

static void overrides_of_run_time(void **state)
{
    (void)state;
    run(&(struct recipe){"overrides of run time", 24, 4, .drains = true, .drifts = true,
                         .has_lists = true, .has_overrides = true, .sets_overrides = true});
}

static void overrides_of_run_time_and_crashes(void **state)
{
    (void)state;
    run(&(struct recipe){"overrides of run time, and crashes", 25, 3, .loses = true,
                         .crashes = true, .stands_still = true, .forgets = true,
                         .sets_overrides = true});
}

static void asked_once(void **state)
{
    (void)state;
    run(&(struct recipe){"asked once", 26, 4, .drains = true, .drifts = true,
                         .changes_levels = true, .asks_once = true});
}

static void asked_once_with_losses(void **state)
{
    (void)state;
    run(&(struct recipe){"asked once, with losses", 27, 3, .loses = true, .crashes = true,
                         .stands_still = true, .parts = true, .reloads = true, .asks_once = true});
}

static void everything_at_once(void **state)
{
    (void)state;
    run(&(struct recipe){"everything at once", 15, 10, .loses = true, .crashes = true,
                         .stands_still = true, .drains = true, .drifts = true, .forgets = true,
                         .rolls_back = true, .evicts = true, .steps_clock = true, .reloads = true,
                         .parts = true, .changes_levels = true, .has_overrides = true,
                         .asks_once = true});
}

/* Whatever happens, but that the store forgets, or that somebody lends by a clock that he has read long ago. */
static void slots(void **state)
{
    (void)state;
    run(&(struct recipe){"slots", 16, 10, .has_slots = true, .loses = true, .crashes = true,
                         .stands_still = true, .drains = true, .drifts = true, .parts = true});
}

/* All who hold any are there to tell it again before the store lends anew. */
static void slots_of_a_store_that_forgets(void **state)
{
    (void)state;
    run(&(struct recipe){"slots of a store that forgets", 17, 5, .has_slots = true, .forgets = true,
                         .drifts = true});
}

static void slots_with_overrides_asked_once(void **state)
{
    (void)state;
    run(&(struct recipe){"slots with overrides, asked once", 28, 5, .has_slots = true,
                         .loses = true, .crashes = true, .drains = true, .drifts = true,
                         .has_overrides = true, .asks_once = true});
}

/* Leases outlive their processes, and the next ones have their slots. */
static void slots_taken_over(void **state)
{
    (void)state;
    run(&(struct recipe){"slots, taken over", 32, 5, .has_slots = true, .crashes = true,
                         .drains = true, .drifts = true, .takes_over = true});
}

static void slots_taken_over_with_losses(void **state)
{
    (void)state;
    run(&(struct recipe){"slots, taken over, with losses", 33, 5, .has_slots = true, .loses = true,
                         .crashes = true, .stands_still = true, .drains = true, .drifts = true,
                         .parts = true, .takes_over = true});
}

/* The same floods, but chunks that do not count against the burst. */
static void naive_chunks_exceed_the_burst(void **state)
{
    (void)state;
    struct dice dice = dice_new(99);
    double percent = fleet_naive_worst_percent(&dice, 5, 100000);
    printf("naive chunks: at worst %.0f %% of the burst beyond the rate\n", percent);
    assert_true(percent > 110);
}

static int setup(void **state)
{
    (void)state;
    fleet_traces = environment_number("ALLOWD_TRACE", 0) != 0;
    world_questions = environment_number("ALLOWD_QUESTIONS", 300);
    if (fleet_traces)
        setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    printf("%" PRIu64 " questions, %" PRIu64 " allowed, %" PRIu64 " denied, %" PRIu64
           " after waiting, %" PRIu64 " answered as before; %" PRIu64 " leases, renewed %" PRIu64
           " times; %" PRIu64 " orders, %" PRIu64 " reached the store; %" PRIu64 " steps\n",
           total_questions, total_allowed, total_denied, total_waited, total_repeated, total_lent,
           total_renewed, total_orders, total_calls, total_steps);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_faults),
        cmocka_unit_test(drifting_clocks),
        cmocka_unit_test(lost_late_and_doubled_letters),
        cmocka_unit_test(crashes_and_drains),
        cmocka_unit_test(crashes_taken_over),
        cmocka_unit_test(crashes_taken_over_with_losses),
        cmocka_unit_test(copies_written_back),
        cmocka_unit_test(standing_still),
        cmocka_unit_test(a_store_that_forgets),
        cmocka_unit_test(a_store_that_forgets_full),
        cmocka_unit_test(a_store_rolled_back),
        cmocka_unit_test(evictions),
        cmocka_unit_test(a_store_whose_clock_steps),
        cmocka_unit_test(reloads),
        cmocka_unit_test(two_fleets_of_one_name),
        cmocka_unit_test(partitions),
        cmocka_unit_test(partitions_shared),
        cmocka_unit_test(partitions_allowed),
        cmocka_unit_test(cold_keys_denied),
        cmocka_unit_test(cold_keys_allowed),
        cmocka_unit_test(charges_refunds_and_resets),
        cmocka_unit_test(lists),
        cmocka_unit_test(lists_lost_late_and_doubled),
        cmocka_unit_test(overrides),
        cmocka_unit_test(overrides_lost_late_and_doubled),
        cmocka_unit_test(overrides_of_run_time),
        cmocka_unit_test(overrides_of_run_time_and_crashes),
        cmocka_unit_test(asked_once),
        cmocka_unit_test(asked_once_with_losses),
        cmocka_unit_test(everything_at_once),
        cmocka_unit_test(slots),
        cmocka_unit_test(slots_of_a_store_that_forgets),
        cmocka_unit_test(slots_with_overrides_asked_once),
        cmocka_unit_test(slots_taken_over),
        cmocka_unit_test(slots_taken_over_with_losses),
        cmocka_unit_test(naive_chunks_exceed_the_burst),
    };
    const char *kind = getenv("ALLOWD_KIND");
    if (kind != NULL)
        cmocka_set_test_filter(kind);
    return cmocka_run_group_tests_name("fleet", tests, setup, teardown);
}
