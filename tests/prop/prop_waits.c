/*
 * Waits, debts and leases: the brain against a simulation, every answer and the tick at which it comes.
 *
 * Worlds live in virtual time: keys are asked for tokens and slots, by some who may wait; those leave,
 * leases are renewed, released or end, buckets are charged, reset and refunded, limits change
 * under those who wait, overrides end, ticks come late. What must hold has names, see PROPERTIES;
 * tests/prop/planted.sh plants a fault for each, which its check must find.
 *
 * ALLOWD_DECISIONS is how many questions are asked, ALLOWD_SEED which. ALLOWD_WORLD begins with that
 * world of each kind, and with ALLOWD_TRACE=1 all that happens is printed.
 */
#include "brain/core.h"
#include "limits/credit.h"
#include "prop/sim.h"
#include "prop/told_stores.h"
#include "support/ask_brain.h"
#include "support/dice.h"
#include "support/old_store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    CALLERS = 40,
    BOOK = 60,
    WORLD_QUESTIONS = 250,
    MAX_LEASES = 100,
    KEYS_MAX = 50,
    PAGE_BYTES = 4096,
    SNAPSHOT_USED = 32 << 10, /* bytes of each that are copied */
};

/* ---- what must hold ---- */

enum property { ANSWERS, ADMITTED, IN_ORDER, ONCE, SLOTS, KILLED, PINNED, TAKEN_OVER };
static const char *const PROPERTIES[] = {
    [ANSWERS] = "an answer is as the simulation's",
    [ADMITTED] = "no more is admitted than came in or back, and levels are equal to the last unit",
    [IN_ORDER] = "first come, first served, at the tick that pays",
    [ONCE] = "everyone who waits is answered exactly once",
    [SLOTS] = "no more slots are out than there are, and none is lost",
    [KILLED] = "a kill leaves a lease whole or not at all, and mints nothing",
    [PINNED] = "a key with debts, promises or slots stays",
    [TAKEN_OVER] = "what another process left is taken over, mark for mark",
};

/* ---- a world ---- */

struct recipe {
    const char *name;
    uint64_t stream;
    unsigned percent; /* of all questions */
    unsigned rules_max, buckets_max, overrides_max;
    bool slots, charges, reloads, trials, lateness, stored, tiny;
};

struct caller {
    struct message message;
    bool is_away;
    unsigned number; /* of the question */
};

/* A lease as its holder knows it. */
struct held {
    unsigned number; /* 0: none */
    unsigned key, name;
    uint32_t slots;
};

struct world {
    const struct recipe *recipe;
    uint64_t number;
    struct dice dice;
    struct sim sim;
    struct sim_released expected;
    struct brain *brain;
    struct caller caller[CALLERS];
    unsigned questions, leases;
    uint64_t hint_ms;
    bool is_time; /* nothing but time passes */
    /* somebody's wait for this key was over, and others go after that, in one tick: then it is open
     * between which of them an answer is; or its key may have been evicted since */
    bool is_torn;
    char last[200]; /* what was done last */

    /* Of a world that is stored: */
    struct store store;
    struct moment moment;
    struct sim before; /* what is being done now */
    const struct sim_ask *asked;
};

/* A store, the one that a kill would leave, and when that is. */
static struct {
    unsigned char *memory, *copy;
    const struct world *world;
    unsigned stores_left; /* until it is killed; 0: it is not */
    bool is_under_way, is_killed;
    uint64_t kills, restarts, takeovers; /* of 0.1.0's files */
} run;

static uint64_t total_questions, total_waited, total_leases, total_evicted;

static void violated(const struct world *world, enum property property, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void violated(const struct world *world, enum property property, const char *format, ...)
{
    char what[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    fail_msg("property %d (%s) does not hold: ALLOWD_SEED=%" PRIu64 " %s, world %" PRIu64
             ", question %u, after %s: %s",
             property, PROPERTIES[property], dice_seed(), world->recipe->name, world->number,
             world->questions, world->last, what);
}

static void check(const struct world *world, enum property property, const char *what,
                  uint64_t brain, uint64_t sim)
{
    if (brain != sim)
        violated(world, property, "%s is %" PRIu64 ", the simulation says %" PRIu64, what, brain,
                 sim);
}

static bool is_traced; /* ALLOWD_TRACE is set */

static void note(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void note(struct world *world, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->last, sizeof world->last, format, arguments);
    va_end(arguments);
    if (is_traced)
        printf("%" PRIu64 " #%u +%" PRIu64 ": %s\n", world->number, world->questions,
               world->sim.now_ns / 1000, world->last);
}

static void trace_key(const struct sim *sim, const struct sim_rule *rule, unsigned key)
{
    const struct sim_bucket *bucket = &sim->bucket[rule->name][key];
    const struct sim_terms *terms = sim_terms(sim, rule, key);
    printf("  %s %s:", sim_names[rule->name], sim_keys[key]);
    for (unsigned i = 0; i < terms->count; i++)
        if (terms->bucket[i].holds_slots)
            printf(" %" PRIu64 " of %" PRIu64 " slots", sim_slots(sim, rule->name, key),
                   terms->bucket[i].burst);
        else
            printf(" %" PRId64 "/%" PRId64 " of %" PRId64 " +%" PRId64, bucket->level[i],
                   sim_token(&terms->bucket[i], sim->tick_ms),
                   sim_cap(&terms->bucket[i], sim->tick_ms),
                   sim_step(&terms->bucket[i], sim->tick_ms));
    for (unsigned i = 0; i < bucket->count; i++)
        if (bucket->item[i].is_charge)
            printf(", charge");
        else
            printf(", #%u %" PRIu64 "+%u%s", bucket->item[i].who, bucket->item[i].ask.tokens,
                   bucket->item[i].ask.slots, bucket->item[i].is_promised ? "" : " unpromised");
    printf("\n");
}

static void trace(const struct world *world)
{
    for (unsigned i = 0; is_traced && i < world->sim.count; i++)
        for (unsigned key = 0; key < SIM_KEYS; key++)
            trace_key(&world->sim, &world->sim.rule[i], key);
}

/* ---- limits ---- */

static bool is_valid(const struct bucket_terms *bucket, uint64_t tick_ms)
{
    struct credit_line line;
    return bucket->holds_slots ||
           (credit_line_init(&line, bucket->burst, bucket->rate, tick_ms) == CREDIT_OK &&
            credit_line_lend(&line, bucket->debt_max, tick_ms));
}

static void random_bucket(struct world *world, uint64_t tick_ms, struct bucket_terms *bucket)
{
    static const uint64_t periods[] = {100, 1000, 1000, 1700, 2000, 3000, 7777, 60000};
    struct dice *dice = &world->dice;
    *bucket = (struct bucket_terms){0};
    if (world->recipe->slots && dice_once_in(dice, 2)) {
        bucket->holds_slots = true;
        bucket->burst = dice_between(dice, 1, 4);
        return;
    }
    do {
        bucket->rate = (struct rate){dice_between(dice, 1, dice_once_in(dice, 3) ? 12 : 3),
                                     periods[dice_roll(dice, LENGTH(periods))]};
        bucket->burst =
            dice_once_in(dice, 20) ? dice_between(dice, 1, 1000) : dice_between(dice, 1, 12);
        bucket->debt_max = dice_roll(dice, 2 * bucket->burst + 1);
    } while (!is_valid(bucket, tick_ms));
}

static void random_terms(struct world *world, uint64_t tick_ms, struct sim_terms *terms)
{
    static const char *const names[] = {"p", "q", "r", "s"};
    unsigned first = (unsigned)dice_roll(&world->dice, LENGTH(names));
    *terms = (struct sim_terms){
        .count = (unsigned)dice_between(&world->dice, 1, world->recipe->buckets_max)};
    for (unsigned i = 0; i < terms->count; i++) {
        random_bucket(world, tick_ms, &terms->bucket[i]);
        if (terms->count > 1 || dice_once_in(&world->dice, 2))
            strcpy(terms->bucket[i].name, names[(first + i) % LENGTH(names)]);
    }
}

static bool are_valid(const struct sim_terms *terms, uint64_t tick_ms)
{
    for (unsigned i = 0; i < terms->count; i++)
        if (!is_valid(&terms->bucket[i], tick_ms))
            return false;
    return true;
}

static void random_overrides(struct world *world, uint64_t tick_ms, struct sim_rule *rule)
{
    struct dice *dice = &world->dice;
    unsigned want = (unsigned)dice_roll(dice, world->recipe->overrides_max + 1);
    rule->overrides_count = 0;
    while (rule->overrides_count < want) {
        struct sim_override override = {.key = -1};
        override.until_s = dice_once_in(dice, 3)
                               ? OVERRIDE_FOR_EVER
                               : world->sim.date_s - 2 + (int64_t)dice_roll(dice, 40);
        if (rule->overrides_count == 0 && dice_once_in(dice, 2))
            override.key = (int)dice_roll(dice, SIM_KEYS);
        else
            override.glob = rule->overrides_count + 1;
        override.action =
            dice_once_in(dice, 2) ? (enum override_action)dice_roll(dice, 3) : OVERRIDE_TERMS;
        random_terms(world, tick_ms, &override.terms);
        rule->override[rule->overrides_count++] = override;
    }
}

static void choose_rule(struct world *world, unsigned name, uint64_t tick_ms, struct sim_rule *rule)
{
    struct dice *dice = &world->dice;
    int known = sim_find(&world->sim, name);
    *rule = known >= 0 ? world->sim.rule[known] : (struct sim_rule){.name = name};
    if (known < 0 || dice_once_in(dice, 3) || !are_valid(&rule->terms, tick_ms))
        random_terms(world, tick_ms, &rule->terms);
    if (known < 0 || dice_once_in(dice, 3))
        random_overrides(world, tick_ms, rule);
    for (unsigned i = 0; i < rule->overrides_count; i++)
        if (!are_valid(&rule->override[i].terms, tick_ms))
            random_terms(world, tick_ms, &rule->override[i].terms);
    rule->shadow = world->recipe->trials && dice_once_in(dice, 4);
    rule->returns_on_expiry = dice_once_in(dice, 2);
    rule->glob = world->recipe->rules_max > 1 ? (unsigned)dice_roll(dice, SIM_GLOBS) : 0;
}

static unsigned choose_rules(struct world *world, uint64_t tick_ms, struct sim_rule *rules)
{
    unsigned count = 0;
    for (unsigned name = 0; name < world->recipe->rules_max; name++)
        if (name == 0 || !dice_once_in(&world->dice, 2))
            choose_rule(world, name, tick_ms, &rules[count++]);
    return count;
}

static void add_rule(struct limits *limits, const struct sim_rule *rule)
{
    struct override_terms overrides[SIM_OVERRIDES];
    struct limit_terms terms = {
        .name = sim_names[rule->name],
        .match = sim_globs[rule->glob],
        .shadow = rule->shadow,
        .returns_on_expiry = rule->returns_on_expiry,
        .buckets_count = rule->terms.count,
        .overrides_count = rule->overrides_count,
        .overrides = overrides,
    };
    memcpy(terms.buckets, rule->terms.bucket, sizeof terms.buckets);
    for (unsigned i = 0; i < rule->overrides_count; i++) {
        const struct sim_override *from = &rule->override[i];
        overrides[i] = (struct override_terms){
            .key = from->key >= 0 ? sim_keys[from->key] : sim_globs[from->glob],
            .action = from->action,
            .until_s = from->until_s,
        };
        if (from->action != OVERRIDE_TERMS)
            continue;
        overrides[i].buckets_count = from->terms.count;
        memcpy(overrides[i].buckets, from->terms.bucket, sizeof overrides[i].buckets);
    }
    assert_true(limits_add(limits, &terms));
}

static struct limits *make_limits(const struct sim *sim, const struct sim_rule *rules,
                                  unsigned count, uint64_t tick_ms)
{
    struct limits *limits = limits_new(count, tick_ms);
    assert_non_null(limits);
    for (unsigned i = 0; i < count; i++)
        add_rule(limits, &rules[i]);
    limits->waiting =
        (struct waiting_terms){.max_waiting = sim->max_waiting, .per_key = sim->per_key};
    return limits;
}

static uint64_t random_tick(struct dice *dice)
{
    static const uint64_t ticks_ms[] = {7, 10, 100, 100, 250, 1000};
    return ticks_ms[dice_roll(dice, LENGTH(ticks_ms))];
}

static size_t file_bytes(void)
{
    return store_bytes(KEYS_MAX, MAX_LEASES, false);
}

static unsigned char *map_file(void)
{
    void *memory =
        mmap(NULL, file_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static struct brain *new_stored(struct world *world, const struct limits_question *question,
                                const uint8_t seed[TABLE_SEED_BYTES])
{
    run.memory = map_file();
    run.copy = map_file();
    run.world = world;
    world->moment =
        (struct moment){.now_ns = world->sim.now_ns, .wall_ns = 1ull << 60, .clock_id = "1"};
    store_begin(&world->store, run.memory, KEYS_MAX, MAX_LEASES, false, seed);
    return brain_new_stored(question, &world->store, &world->moment);
}

static void world_init(struct world *world, const struct recipe *recipe, uint64_t number)
{
    uint8_t seed[TABLE_SEED_BYTES];
    struct sim_rule rules[SIM_NAMES];
    memset(world, 0, sizeof *world);
    world->recipe = recipe;
    world->number = number;
    world->dice = dice_new(recipe->stream << 40 | number);
    strcpy(world->last, "the beginning");
    struct sim *sim = &world->sim;
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)dice_bits(&world->dice);
    sim->now_ns = sim->last_tick_ns = sim->lease_tick_ns = dice_roll(&world->dice, 1ull << 50);
    sim->date_s = (int64_t)dice_roll(&world->dice, 1ull << 33);
    sim->max_waiting = (uint32_t)dice_between(&world->dice, 1, CALLERS);
    sim->per_key = (uint32_t)dice_between(&world->dice, 1, 20);
    sim->max_keys = recipe->tiny ? (uint32_t)dice_between(&world->dice, 1, 5) : 0;
    uint64_t tick_ms = random_tick(&world->dice);
    unsigned count = choose_rules(world, tick_ms, rules);
    sim_init(sim, rules, count, tick_ms);
    struct limits *limits = make_limits(sim, rules, count, tick_ms);
    const struct limits_question question = {
        .limits = limits, .when_full = WHEN_FULL_EVICT, .date_s = sim->date_s};
    world->brain = recipe->stored ? new_stored(world, &question, seed)
                                  : brain_new(&question, recipe->tiny ? sim->max_keys : KEYS_MAX,
                                              MAX_LEASES, seed, sim->now_ns);
    assert_non_null(world->brain);
    limits_release(limits);
}

/* ---- answers ---- */

static void check_bucket(const struct world *world, const struct bucket_state *brain,
                         const struct bucket_state *sim, bool is_slots)
{
    enum property property = is_slots ? SLOTS : ADMITTED;
    check(world, property, "what remains in a bucket", brain->remaining_tokens,
          sim->remaining_tokens);
    check(world, ANSWERS, "next_token_ms", brain->next_token_ms, sim->next_token_ms);
    check(world, ANSWERS, "full_after_ms of a bucket", brain->full_after_ms, sim->full_after_ms);
    check(world, ANSWERS, "what a bucket owes", brain->owed_tokens, sim->owed_tokens);
    check(world, ANSWERS, "whether a bucket is violated", brain->violated, sim->violated);
}

static bool says_yes(enum bucket_result result)
{
    return result == BUCKET_ALLOWED || result == BUCKET_UNCOUNTED || result == BUCKET_ALWAYS;
}

/* What does not hold if somebody is admitted whom the simulation does not admit. */
static enum property property_broken(const struct world *world, const struct sim_answer *sim)
{
    for (unsigned i = 0; sim->rule >= 0 && i < BUCKETS_MAX; i++)
        if (sim->bucket[i].violated && sim->bucket[i].full_after_ms == RETRY_NEVER)
            return SLOTS;
    return world->sim.waiting > 0 ? IN_ORDER : ADMITTED;
}

static void check_answer(struct world *world, const struct bucket_answer *brain,
                         const struct sim_answer *sim)
{
    bool admits = brain->result == BUCKET_ALLOWED && sim->result != BUCKET_ALLOWED;
    check(world, admits ? property_broken(world, sim) : ANSWERS, "the result", brain->result,
          sim->result);
    if (sim->result >= BUCKET_NEEDS_LEASE || sim->result == BUCKET_LEFT)
        return;
    const struct sim_rule *rule = &world->sim.rule[sim->rule];
    if (strcmp(brain->limit->name, sim_names[rule->name]) != 0)
        violated(world, ANSWERS, "the limit is %s, not %s", brain->limit->name,
                 sim_names[rule->name]);
    check(world, ANSWERS, "the override",
          (uint64_t)(brain->override == NULL ? -1 : brain->override - brain->limit->overrides),
          (uint64_t)sim->override);
    check(world, ANSWERS, "has_waited", brain->has_waited, sim->has_waited);
    check(world, ANSWERS, "waited_ms", brain->has_waited ? brain->waited_ms : 0,
          sim->has_waited ? sim->waited_ms : 0);
    if (sim->has_waited && world->is_torn)
        return;
    check(world, ANSWERS, "retry_after_ms", brain->retry_after_ms, sim->retry_after_ms);
    check(world, ANSWERS, "would_wait_ms", brain->would_wait_ms, sim->would_wait_ms);
    for (unsigned i = 0; i < brain->allowance->count; i++)
        check_bucket(world, &brain->buckets[i], &sim->bucket[i],
                     brain->allowance->bucket[i].holds_slots);
    check(world, ANSWERS, "remaining", brain->remaining_tokens, sim->remaining);
    check(world, ANSWERS, "owed", brain->owed_tokens, sim->owed);
    check(world, ANSWERS, "full_after_ms", brain->full_after_ms, sim->full_after_ms);
    if (brain->retry_after_ms < 100000)
        world->hint_ms = brain->retry_after_ms;
}

static void check_levels_as(struct world *world, enum property property)
{
    const struct sim *sim = &world->sim;
    for (unsigned i = 0; i < sim->count; i++)
        for (unsigned key = 0; key < SIM_KEYS; key++) {
            const struct sim_terms *terms = sim_terms(sim, &sim->rule[i], key);
            for (unsigned j = 0; j < terms->count; j++) {
                if (terms->bucket[j].holds_slots)
                    continue;
                uint64_t token;
                int64_t level = brain_level_units(world->brain, sim_keys[key],
                                                  sim_names[sim->rule[i].name], j, &token);
                check(world, property, "the units of a token", token,
                      (uint64_t)sim_token(&terms->bucket[j], sim->tick_ms));
                int64_t expected = sim_level(sim, &sim->rule[i], key, j);
                if (level != expected)
                    violated(world, property,
                             "bucket %u of key %s under %s has %" PRId64
                             " units, the simulation says "
                             "%" PRId64,
                             j, sim_keys[key], sim_names[sim->rule[i].name], level, expected);
            }
        }
}

static void check_levels(struct world *world)
{
    check_levels_as(world, ADMITTED);
}

/* ---- kills ---- */

/* Called after each store of a world that is stored. */
static void on_store(void)
{
    if (!run.is_under_way || run.stores_left == 0 || --run.stores_left > 0)
        return;
    size_t arena = (size_t)((unsigned char *)run.world->store.arena - run.memory);
    size_t second = PAGE_BYTES + (arena - PAGE_BYTES) / 2;
    memcpy(run.copy, run.memory, PAGE_BYTES + SNAPSHOT_USED);
    memcpy(run.copy + second, run.memory + second, SNAPSHOT_USED);
    memcpy(run.copy + arena, run.memory + arena, file_bytes() - arena);
    run.is_killed = true;
}

/* Whether what is done next is killed at one of its stores. */
static void may_be_killed(struct world *world, const struct sim_ask *asked)
{
    run.stores_left = 0;
    world->asked = asked;
    if (!world->recipe->stored || !dice_once_in(&world->dice, 2))
        return;
    world->before = world->sim;
    run.stores_left = (unsigned)dice_between(&world->dice, 1, 8);
    run.is_killed = false;
}

/* The brain that goes on from a store. */
static struct brain *go_on(struct world *world, struct store *store, unsigned char *memory)
{
    const char *why = "";
    struct brain *brain = NULL;
    struct sim *sim = &world->sim;
    struct limits *limits = make_limits(sim, sim->rule, sim->count, sim->tick_ms);
    const struct limits_question question = {
        .limits = limits, .when_full = WHEN_FULL_EVICT, .date_s = sim->date_s};
    if (store_find(store, memory, file_bytes(), &why) != STORE_FOUND)
        violated(world, TAKEN_OVER, "the store is refused: %s", why);
    if (brain_restore(&brain, &question, MAX_LEASES, store, &world->moment, &why) != BRAIN_RESTORED)
        violated(world, TAKEN_OVER, "the store is damaged: %s", why);
    limits_release(limits);
    const struct table_damage *damage = &brain->buckets.table.damage;
    check(world, TAKEN_OVER, "what is damaged", damage->mended + damage->emptied + damage->dropped,
          0);
    return brain;
}

static struct lease_id id_of(unsigned number)
{
    struct lease_id id = {{1}};
    memcpy(id.bytes + 4, &number, sizeof number);
    return id;
}

static enum lease_state state_in(struct brain *brain, unsigned lease)
{
    struct message message = {.kind = MESSAGE_LEASE, .ask.lease.id = id_of(lease)};
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(brain, messages, 1), 1);
    return message.answer.lease.state;
}

static enum lease_state state_by(const struct sim *sim, unsigned lease)
{
    const struct sim_lease *found = sim_find_lease(sim, lease);
    if (found == NULL)
        return LEASE_NONE;
    return found->state == LEASE_HELD && found->is_lost ? LEASE_LOST_LIMIT : found->state;
}

/* How much a key may hold after a kill: what it held before, or as what was asked had been done alone, less
 * the tokens of leases that are there now. A lease that is still there has given none back. */
static int64_t most_of(const struct world *world, struct brain *killed, const struct sim *before,
                       const struct sim *alone, const struct sim *after, unsigned rule,
                       unsigned key, unsigned bucket)
{
    const struct bucket_terms *terms = &sim_terms(before, &before->rule[rule], key)->bucket[bucket];
    const struct sim_ask *asked = world->asked;
    int64_t most = sim_level(before, &before->rule[rule], key, bucket);
    int64_t then = sim_level(alone, &alone->rule[rule], key, bucket);
    bool is_released = asked == NULL || asked->kind != MESSAGE_RELEASE ||
                       state_in(killed, asked->lease) != LEASE_HELD;
    if (is_released && then > most)
        most = then;
    for (unsigned lease = world->leases > 20 ? world->leases - 20 : 1; lease <= world->leases;
         lease++) {
        const struct sim_lease *now = sim_find_lease(after, lease);
        if (now != NULL && now->key == key && now->name == before->rule[rule].name &&
            sim_find_lease(before, lease) == NULL && state_in(killed, lease) == LEASE_HELD)
            most -= (int64_t)now->tokens * sim_token(terms, before->tick_ms);
    }
    return most;
}

/* What was asked, if nobody waited any more: a kill may come when it is done, and nobody has been let go. */
static void ask_alone(struct sim *sim, const struct sim_ask *asked)
{
    struct sim_released nobody = {0};
    struct sim_answer answer;
    if (asked == NULL)
        return;
    if (asked->kind == MESSAGE_RESET || asked->kind == MESSAGE_REFUND)
        sim_answer(sim, asked, 0, &answer, &nobody);
    if (asked->kind == MESSAGE_RELEASE)
        sim_lease(sim, asked, &nobody);
}

/* What the next process makes of a kill in what was just done. */
static void check_kill(struct world *world)
{
    static struct sim after, alone;
    struct store store;
    if (run.stores_left == 0 && !run.is_killed)
        return;
    run.stores_left = 0;
    if (!run.is_killed)
        return;
    run.is_killed = false;
    run.kills++;
    uint64_t now_ns = world->sim.now_ns;
    after = world->sim;
    sim_restart(&after, now_ns, now_ns - after.last_tick_ns, false);
    sim_restart(&world->before, now_ns, now_ns - world->before.last_tick_ns, false);
    alone = world->before;
    ask_alone(&alone, world->asked);
    struct brain *brain = go_on(world, &store, run.copy);
    for (unsigned lease = 1; lease <= world->leases; lease++) {
        enum lease_state state = state_in(brain, lease);
        if (state != state_by(&after, lease) && state != state_by(&world->before, lease))
            violated(world, KILLED, "lease %u is %d, was %d and should be %d", lease, state,
                     state_by(&world->before, lease), state_by(&after, lease));
    }
    for (unsigned i = 0; i < after.count; i++)
        for (unsigned key = 0; key < SIM_KEYS; key++) {
            const struct sim_terms *terms = sim_terms(&after, &after.rule[i], key);
            for (unsigned j = 0; j < terms->count; j++) {
                uint64_t token;
                int64_t level = brain_level_units(brain, sim_keys[key],
                                                  sim_names[after.rule[i].name], j, &token);
                if (!terms->bucket[j].holds_slots &&
                    level > most_of(world, brain, &world->before, &alone, &after, i, key, j))
                    violated(world, KILLED, "key %s has %" PRId64 " units, more than there can be",
                             sim_keys[key], level);
            }
        }
    brain_free(brain);
}

/* What allowd 0.1.0 would have left, which knows no leases and not how long it lived; then it gets room for
 * leases. */
static void make_old(struct world *world)
{
    const char *why = "";
    struct store store;
    size_t bytes = store_bytes(KEYS_MAX, 0, false);
    old_store_first_layout(run.memory);
    memset(run.memory + bytes, 0, file_bytes() - bytes);
    if (store_find(&store, run.memory, bytes, &why) != STORE_FOUND)
        violated(world, TAKEN_OVER, "the store of 0.1.0 is refused: %s", why);
    check(world, TAKEN_OVER, "how long the store is to be", store_grow(&store, bytes, MAX_LEASES),
          file_bytes());
    world->sim.lived_offset_ns = 0 - world->sim.last_tick_ns;
}

static unsigned leases_known(const struct sim *sim);

/* The process is killed for good, with all who wait, and another one goes on. */
static void restart(struct world *world)
{
    struct sim *sim = &world->sim;
    struct moment *moment = &world->moment;
    uint64_t down_ns = dice_roll(&world->dice, 30) * sim->tick_ms * NS_PER_MS / 4;
    bool is_reboot = dice_once_in(&world->dice, 3);
    note(world, "a restart after %" PRIu64 " ns%s", down_ns, is_reboot ? ", rebooted" : "");
    brain_free(world->brain);
    for (unsigned i = 0; i < CALLERS; i++)
        world->caller[i].is_away = false;
    moment->clock_id[0] = (uint8_t)(moment->clock_id[0] + is_reboot);
    moment->wall_ns += sim->now_ns - moment->now_ns + down_ns;
    moment->now_ns = sim->now_ns + down_ns + (is_reboot ? dice_roll(&world->dice, 1ull << 40) : 0);
    bool is_old = leases_known(sim) == 0 && dice_once_in(&world->dice, 2);
    if (is_old)
        make_old(world);
    run.takeovers += is_old;
    sim_lose_returns(sim);
    sim_restart(sim, moment->now_ns, sim->now_ns - sim->last_tick_ns + down_ns, is_reboot);
    world->brain = go_on(world, &world->store, run.memory);
    run.restarts++;
    check_levels_as(world, TAKEN_OVER);
    for (unsigned lease = 1; lease <= world->leases; lease++)
        check(world, TAKEN_OVER, "how a lease is", state_in(world->brain, lease),
              state_by(sim, lease));
}

/* ---- those who wait ---- */

static void trace_answers(const struct world *world, const struct letter *letters)
{
    for (const struct letter *letter = letters; is_traced && letter != NULL;
         letter = letter->next) {
        const struct caller *caller = (const struct caller *)letter;
        printf("  brain: #%u result %d\n", caller->number, caller->message.answer.bucket.result);
    }
    for (unsigned i = 0; is_traced && i < world->expected.count; i++)
        printf("  simulation: #%u result %d\n", world->expected.waiter[i].who,
               world->expected.waiter[i].answer.result);
}

/* Nobody of a key is let go before one who came before. */
static void check_order(struct world *world, struct letter *letters)
{
    unsigned last[SIM_NAMES + 1][SIM_KEYS] = {{0}};
    for (struct letter *letter = letters; letter != NULL; letter = letter->next) {
        const struct caller *caller = (struct caller *)message_of(letter);
        if (!caller->is_away)
            violated(world, ONCE, "question %u is answered twice", caller->number);
        unsigned at = 0;
        for (; at < world->expected.count; at++)
            if (world->expected.waiter[at].who == caller->number)
                break;
        if (at == world->expected.count)
            violated(world, IN_ORDER, "question %u is answered with %d, and should wait",
                     caller->number, caller->message.answer.bucket.result);
        if (caller->message.answer.bucket.result != BUCKET_ALLOWED)
            continue;
        unsigned *before = &last[world->expected.waiter[at].name][world->expected.waiter[at].key];
        if (*before > at + 1)
            violated(world, IN_ORDER, "question %u is let go after one that came later",
                     caller->number);
        *before = at + 1;
    }
}

static void come_home(struct world *world, struct caller *caller, const struct sim_answer *expected)
{
    caller->is_away = false;
    check(world, ONCE, "whether it is out of the queue", caller->message.waiter.holding == NULL,
          true);
    size_t length = strlen(world->last);
    snprintf(world->last + length, sizeof world->last - length, ", for question %u",
             caller->number);
    check_answer(world, &caller->message.answer.bucket, expected);
    world->last[length] = '\0';
    if (says_yes(expected->result) && caller->message.kind == MESSAGE_ACQUIRE)
        check(world, ANSWERS, "expires_after_ms", caller->message.answer.bucket.expires_after_ms,
              expected->expires_after_ms);
    message_hold(&caller->message, NULL);
    total_waited += expected->result == BUCKET_ALLOWED;
}

static bool is_over_for(const struct world *world, unsigned key)
{
    for (unsigned i = 0; i < world->expected.count; i++)
        if (world->expected.waiter[i].key == key &&
            world->expected.waiter[i].answer.result == BUCKET_WAIT_OVER)
            return true;
    return false;
}

/* Those who have waited and are answered now are those of the simulation. */
static void collect(struct world *world)
{
    struct letter *letters = brain_released(world->brain);
    trace_answers(world, letters);
    check_order(world, letters);
    for (struct letter *letter = letters, *next; letter != NULL; letter = next) {
        struct caller *caller = (struct caller *)message_of(letter);
        next = letter->next;
        for (unsigned i = 0; i < world->expected.count; i++)
            if (world->expected.waiter[i].who == caller->number) {
                world->is_torn =
                    world->recipe->tiny || is_over_for(world, world->expected.waiter[i].key);
                come_home(world, caller, &world->expected.waiter[i].answer);
                world->expected.waiter[i].who = UINT32_MAX;
            }
    }
    for (unsigned i = 0; i < world->expected.count; i++)
        if (world->expected.waiter[i].who != UINT32_MAX)
            violated(world, world->is_time ? IN_ORDER : ONCE,
                     "question %u is not answered, and should be with %d",
                     world->expected.waiter[i].who, world->expected.waiter[i].answer.result);
    world->expected.count = 0;
}

/* ---- evictions ---- */

/* Learns which keys the brain has evicted to make room for those that were asked about: for each at most
 * one, which nothing pins. */
static void learn_evictions(struct world *world, unsigned asked)
{
    unsigned forgotten = 0;
    for (unsigned i = 0; world->recipe->tiny && i < world->sim.count; i++)
        for (unsigned key = 0; key < SIM_KEYS; key++) {
            const struct sim_rule *rule = &world->sim.rule[i];
            const struct sim_terms *terms = sim_terms(&world->sim, rule, key);
            bool is_full = true;
            for (unsigned j = 0; j < terms->count; j++) {
                uint64_t token;
                is_full &=
                    brain_level_units(world->brain, sim_keys[key], sim_names[rule->name], j,
                                      &token) == sim_cap(&terms->bucket[j], world->sim.tick_ms);
            }
            if (!is_full || !sim_is_known(&world->sim, rule, key))
                continue;
            if (sim_is_pinned(&world->sim, rule, key))
                violated(world, PINNED, "key %s is pinned, and was evicted", sim_keys[key]);
            sim_forget(&world->sim, rule, key);
            forgotten++;
        }
    total_evicted += forgotten;
    if (forgotten > asked)
        violated(world, PINNED, "%u keys were evicted for %u", forgotten, asked);
}

/* ---- time ---- */

static void tick(struct world *world, uint64_t now_ns)
{
    may_be_killed(world, NULL);
    if (world->recipe->stored) {
        world->moment.wall_ns += now_ns - world->moment.now_ns;
        world->moment.now_ns = now_ns;
        brain_tell_wall(world->brain, now_ns, world->moment.wall_ns);
    }
    run.is_under_way = world->recipe->stored;
    brain_tick(world->brain, now_ns);
    sim_tick(&world->sim, now_ns, &world->expected);
    wait_for_room(world->brain);
    run.is_under_way = false;
    world->is_time = true;
    collect(world);
    world->is_time = false;
    check_kill(world);
}

/* In time for all that is due, or late. */
static void pass_to(struct world *world, uint64_t now_ns, bool late)
{
    while (!late) {
        uint64_t next_ns = brain_next_tick_ns(world->brain);
        if (next_ns > now_ns)
            break;
        if (next_ns <= world->sim.now_ns)
            next_ns = world->sim.now_ns + 1;
        uint64_t wakes_ns = next_ns;
        if (world->recipe->lateness && dice_once_in(&world->dice, 3))
            wakes_ns += dice_roll(&world->dice, world->sim.tick_ms * NS_PER_MS);
        if (wakes_ns > now_ns)
            wakes_ns = now_ns;
        uint64_t due_ns = sim_due_ns(&world->sim);
        if (due_ns < next_ns && due_ns > world->sim.now_ns)
            violated(world, IN_ORDER,
                     "the brain sleeps until +%" PRIu64 " ns, but somebody is due at "
                     "+%" PRIu64,
                     next_ns - world->sim.now_ns, due_ns - world->sim.now_ns);
        tick(world, wakes_ns);
    }
    if (now_ns > world->sim.now_ns)
        tick(world, now_ns);
}

static void pass_time(struct world *world)
{
    struct dice *dice = &world->dice;
    uint64_t tick_ns = world->sim.tick_ms * NS_PER_MS, pass_ns = 0;
    switch (dice_roll(dice, 8)) {
    case 0:
        pass_ns = dice_roll(dice, tick_ns);
        break;
    case 1:
        pass_ns = world->sim.last_tick_ns + tick_ns - world->sim.now_ns;
        break;
    case 2:
        pass_ns = tick_ns * dice_between(dice, 1, 5);
        break;
    case 3:
        pass_ns = world->hint_ms * NS_PER_MS;
        break;
    case 4:
        pass_ns = dice_once_in(dice, 10) ? dice_roll(dice, 60000) * NS_PER_MS
                                         : dice_roll(dice, 2000) * NS_PER_MS;
        break;
    }
    bool late = world->recipe->lateness && dice_once_in(dice, 4);
    if (pass_ns == 0)
        return;
    note(world, "%" PRIu64 " ns pass%s", pass_ns, late ? ", unseen" : "");
    pass_to(world, world->sim.now_ns + pass_ns, late);
}

static void pass_date(struct world *world)
{
    int64_t date_s = world->sim.date_s + (int64_t)dice_roll(&world->dice, 8);
    note(world, "the date is %" PRId64, date_s);
    brain_date(world->brain, date_s);
    sim_date(&world->sim, date_s, &world->expected);
    collect(world);
}

/* ---- questions ---- */

/* Asks one; it may be killed meanwhile. Whether it is answered. */
static bool ask_killed(struct world *world, struct message *message)
{
    struct message *messages[] = {message};
    run.is_under_way = world->recipe->stored;
    size_t count = ask_brain(world->brain, messages, 1);
    run.is_under_way = false;
    return count == 1;
}

static uint64_t random_tokens(struct world *world)
{
    struct dice *dice = &world->dice;
    if (dice_once_in(dice, 15))
        return dice_roll(dice, 40);
    return dice_once_in(dice, 12) ? 0 : dice_between(dice, 1, 6);
}

static uint64_t random_wait(struct world *world)
{
    struct dice *dice = &world->dice;
    switch (dice_roll(dice, 5)) {
    case 0:
        return 0;
    case 1:
        return dice_between(dice, 1, 500);
    case 2:
        return world->hint_ms;
    case 3:
        return dice_between(dice, 1, 60000);
    default:
        return dice_between(dice, 1, 5000);
    }
}

static enum message_kind random_kind(struct world *world)
{
    struct dice *dice = &world->dice;
    switch (dice_roll(dice, 12)) {
    case 0:
        return world->recipe->charges ? MESSAGE_RESET : MESSAGE_ALLOW;
    case 1:
        return world->recipe->charges ? MESSAGE_REFUND : MESSAGE_ALLOW;
    case 2:
    case 3:
        return world->recipe->charges ? MESSAGE_CHARGE : MESSAGE_ALLOW;
    case 4:
        return MESSAGE_STATUS;
    case 5:
    case 6:
    case 7:
        return world->recipe->slots ? MESSAGE_ACQUIRE : MESSAGE_ALLOW;
    default:
        return world->recipe->slots && dice_once_in(dice, 2) ? MESSAGE_ACQUIRE : MESSAGE_ALLOW;
    }
}

static struct caller *free_caller(struct world *world)
{
    for (unsigned i = 0; i < CALLERS; i++)
        if (!world->caller[i].is_away)
            return &world->caller[i];
    return NULL;
}

static unsigned leases_known(const struct sim *sim)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SIM_LEASES_MAX; i++)
        count += sim->lease[i].number != 0;
    return count;
}

static struct sim_ask random_ask(struct world *world)
{
    struct dice *dice = &world->dice;
    struct sim_ask ask = {
        .kind = random_kind(world),
        .key = (unsigned)(dice_once_in(dice, 2) ? 0 : dice_roll(dice, SIM_KEYS)),
        .limit = -1,
        .tokens = random_tokens(world),
    };
    if (dice_once_in(dice, 2))
        ask.limit = (int)world->sim.rule[dice_roll(dice, world->sim.count)].name;
    if ((ask.kind == MESSAGE_ALLOW || ask.kind == MESSAGE_ACQUIRE) && ask.tokens > 0)
        ask.wait_ms = random_wait(world);
    if (ask.kind == MESSAGE_STATUS)
        ask.tokens = 0;
    if (ask.kind != MESSAGE_ACQUIRE)
        return ask;
    ask.lease = ++world->leases;
    ask.slots = (uint32_t)dice_between(dice, 1, dice_once_in(dice, 3) ? 5 : 2);
    ask.ttl_ms =
        (uint32_t)dice_between(dice, LEASE_TTL_MIN_MS, dice_once_in(dice, 3) ? 20000 : 2000);
    return ask;
}

static struct bucket_question question_of(const struct sim_ask *ask)
{
    const char *limit = ask->limit < 0 ? NULL : sim_names[ask->limit];
    return (struct bucket_question){
        .key = sim_keys[ask->key],
        .key_len = strlen(sim_keys[ask->key]),
        .limit_name = limit,
        .limit_name_len = limit == NULL ? 0 : strlen(limit),
        .tokens = ask->tokens,
        .wait_ms = ask->wait_ms,
    };
}

/* A batch of one, which is answered as it would be alone. */
static struct bucket_answer ask_batch(struct world *world, const struct sim_ask *ask)
{
    struct bucket_call call = {.ask = question_of(ask)};
    struct message message = {
        .kind = ask->kind == MESSAGE_STATUS ? MESSAGE_LIST : MESSAGE_EACH,
        .ask.list = {.calls = &call, .count = 1},
    };
    memset(&call.answer, 0xa5, sizeof call.answer);
    assert_true(ask_killed(world, &message));
    if (message.answer.list.needs_lease == 0)
        call.answer.result = BUCKET_NEEDS_LEASE;
    return call.answer;
}

/* Asks; if it waits, the message stays with the brain. */
static bool ask_brain_of(struct world *world, const struct sim_ask *ask, struct caller *caller)
{
    struct message *message = &caller->message;
    bool can_be_in_batch =
        ask->kind == MESSAGE_STATUS || (ask->kind == MESSAGE_ALLOW && ask->wait_ms == 0);
    *caller = (struct caller){.number = world->questions, .message = {.kind = ask->kind}};
    memset(&message->answer, 0xa5, sizeof message->answer);
    if (can_be_in_batch && dice_once_in(&world->dice, 3)) {
        message->answer.bucket = ask_batch(world, ask);
        return true;
    }
    message->ask.bucket = question_of(ask);
    if (ask->kind == MESSAGE_ACQUIRE) {
        message->ask.acquire.id = id_of(ask->lease);
        message->ask.acquire.slots = ask->slots;
        message->ask.acquire.ttl_ms = ask->ttl_ms;
    }
    return ask_killed(world, message);
}

static void check_at_once(struct world *world, const struct sim_ask *ask,
                          const struct bucket_answer *answer, const struct sim_answer *expected)
{
    if (ask->kind == MESSAGE_CHARGE && expected->result == BUCKET_ALLOWED)
        check(world, ADMITTED, "what is charged", answer->charged_tokens, expected->charged);
    check_answer(world, answer, expected);
    if (ask->kind != MESSAGE_ACQUIRE || !says_yes(expected->result))
        return;
    check(world, ANSWERS, "expires_after_ms", answer->expires_after_ms, expected->expires_after_ms);
    total_leases++;
}

static void ask_one(struct world *world)
{
    struct caller *caller = free_caller(world);
    if (caller == NULL || leases_known(&world->sim) + world->sim.waiting >= SIM_LEASES_MAX)
        return;
    struct sim_ask ask = random_ask(world);
    struct sim_answer expected;
    world->questions++;
    total_questions++;
    note(world,
         "kind %d of %s under %s: %" PRIu64 " tokens, %u slots, ttl %u ms, wait %" PRIu64 " ms",
         ask.kind, sim_keys[ask.key], ask.limit < 0 ? "any" : sim_names[ask.limit], ask.tokens,
         ask.slots, ask.ttl_ms, ask.wait_ms);
    may_be_killed(world, &ask);
    bool answered = sim_answer(&world->sim, &ask, world->questions, &expected, &world->expected);
    bool is_home = ask_brain_of(world, &ask, caller);
    caller->is_away = !is_home;
    if (answered && !is_home)
        violated(world, ANSWERS, "it waits, and should be answered with %d", expected.result);
    if (!answered && is_home)
        violated(world, ANSWERS, "it is answered with %d, and should wait",
                 caller->message.answer.bucket.result);
    learn_evictions(world, 1);
    collect(world);
    check_kill(world);
    if (answered)
        check_at_once(world, &ask, &caller->message.answer.bucket, &expected);
    if (answered)
        message_hold(&caller->message, NULL);
}

static void leave_one(struct world *world, unsigned at)
{
    struct caller *caller = &world->caller[at];
    struct message message = {.kind = MESSAGE_LEAVE, .ask.leaves = &caller->message};
    note(world, "question %u leaves", caller->number);
    may_be_killed(world, NULL);
    sim_leave(&world->sim, caller->number, &world->expected);
    check(world, ONCE, "whether LEAVE is answered", ask_killed(world, &message), true);
    collect(world);
    check_kill(world);
}

static void ask_lease(struct world *world)
{
    static const enum message_kind kinds[] = {MESSAGE_RELEASE, MESSAGE_RELEASE, MESSAGE_RENEW,
                                              MESSAGE_LEASE};
    struct dice *dice = &world->dice;
    if (world->leases == 0)
        return;
    uint64_t back = dice_roll(dice, world->leases < 12 ? world->leases : 12);
    struct sim_ask ask = {
        .kind = kinds[dice_roll(dice, LENGTH(kinds))],
        .lease = world->leases - (unsigned)back,
        .ttl_ms = dice_once_in(dice, 2) ? 0 : (uint32_t)dice_between(dice, LEASE_TTL_MIN_MS, 3000),
        .has_used = !dice_once_in(dice, 3),
        .tokens = dice_roll(dice, dice_once_in(dice, 3) ? 12 : 4),
    };
    struct message message = {.kind = ask.kind};
    message.ask.lease = (struct lease_question){
        .id = id_of(ask.lease),
        .ttl_ms = ask.ttl_ms,
        .has_used = ask.has_used,
        .used_tokens = ask.tokens,
    };
    may_be_killed(world, &ask);
    note(world, "kind %d of lease %u, used %d, ttl %u", ask.kind, ask.lease,
         ask.has_used ? (int)ask.tokens : -1, ask.ttl_ms);
    struct lease_answer expected = sim_lease(&world->sim, &ask, &world->expected);
    assert_true(ask_killed(world, &message));
    collect(world);
    check_kill(world);
    const struct lease_answer *answer = &message.answer.lease;
    check(world, SLOTS, "how the lease is", answer->state, expected.state);
    if (expected.state == LEASE_NONE)
        return;
    check(world, ANSWERS, "tokens of the lease", answer->tokens, expected.tokens);
    check(world, ANSWERS, "slots of the lease", answer->slots, expected.slots);
    if (expected.state == LEASE_HELD)
        check(world, ANSWERS, "expires_after_ms", answer->expires_after_ms,
              expected.expires_after_ms);
    if (expected.state != LEASE_RELEASED)
        return;
    check(world, ANSWERS, "returned", answer->returned_tokens, expected.returned_tokens);
    check(world, ANSWERS, "charged", answer->charged_tokens, expected.charged_tokens);
    check(world, ANSWERS, "forgiven", answer->forgiven_tokens, expected.forgiven_tokens);
    check(world, ANSWERS, "owed", answer->owed_tokens, expected.owed_tokens);
}

static void reload(struct world *world)
{
    struct sim *sim = &world->sim;
    struct sim_rule rules[SIM_NAMES];
    uint64_t tick_ms = dice_once_in(&world->dice, 4) ? random_tick(&world->dice) : sim->tick_ms;
    unsigned count = choose_rules(world, tick_ms, rules);
    if (dice_once_in(&world->dice, 3)) {
        sim->max_waiting = (uint32_t)dice_between(&world->dice, 1, CALLERS);
        sim->per_key = (uint32_t)dice_between(&world->dice, 1, 20);
    }
    note(world, "a reload, tick %" PRIu64, tick_ms);
    struct limits *limits = make_limits(sim, rules, count, tick_ms);
    struct message message = {
        .kind = MESSAGE_LIMITS,
        .ask.limits = {.limits = limits, .when_full = WHEN_FULL_EVICT, .date_s = sim->date_s},
    };
    struct message *messages[] = {&message};
    ask_brain(world->brain, messages, 1);
    wait_for_room(world->brain);
    check(world, ANSWERS, "the answer to limits", message.answer.limits, LIMITS_IN_FORCE);
    limits_release(limits);
    unsigned waiting = sim->waiting;
    sim_reload(sim, rules, count, tick_ms, &world->expected);
    learn_evictions(world, waiting);
    collect(world);
}

/* ---- worlds ---- */

static void live(struct world *world, unsigned questions)
{
    struct dice *dice = &world->dice;
    while (world->questions < questions) {
        trace(world);
        if (dice_once_in(dice, 3))
            pass_time(world);
        ask_one(world);
        if (world->recipe->slots && dice_once_in(dice, 2))
            ask_lease(world);
        unsigned at = (unsigned)dice_roll(dice, CALLERS);
        if (world->caller[at].is_away && dice_once_in(dice, 4))
            leave_one(world, at);
        /* Of two who are asked anew, the first may evict a key that the second then takes of: that is not
         * to be seen afterwards. */
        bool can_be_seen = !world->recipe->tiny || world->sim.waiting < 2;
        if (world->recipe->reloads && can_be_seen && dice_once_in(dice, 25))
            reload(world);
        if (world->recipe->overrides_max > 0 && dice_once_in(dice, 15))
            pass_date(world);
        if (world->recipe->stored && dice_once_in(dice, 30))
            restart(world);
        if (dice_once_in(dice, 3))
            check_levels(world);
    }
}

/* All who still wait leave: each is answered then, once, and nothing is left of them. */
static void world_release(struct world *world)
{
    for (unsigned i = 0; i < CALLERS; i++)
        if (world->caller[i].is_away)
            leave_one(world, i);
    for (unsigned i = 0; i < CALLERS; i++)
        check(world, ONCE, "whether somebody still waits", world->caller[i].is_away, false);
    check_levels(world);
    brain_free(world->brain);
    if (!world->recipe->stored)
        return;
    munmap(run.memory, file_bytes());
    munmap(run.copy, file_bytes());
}

static const struct recipe recipes[] = {
    {.name = "one bucket", .stream = 1, .percent = 7, .rules_max = 1, .buckets_max = 1},
    {.name = "one bucket, late ticks, charges",
     .stream = 2,
     .percent = 12,
     .rules_max = 1,
     .buckets_max = 1,
     .charges = true,
     .lateness = true},
    {.name = "two buckets, of which one pays at once and one late",
     .stream = 3,
     .percent = 16,
     .rules_max = 1,
     .buckets_max = 3,
     .charges = true,
     .lateness = true},
    {.name = "slots and leases",
     .stream = 4,
     .percent = 17,
     .rules_max = 1,
     .buckets_max = 2,
     .slots = true,
     .charges = true,
     .lateness = true},
    {.name = "reloads and overrides",
     .stream = 5,
     .percent = 15,
     .rules_max = SIM_NAMES,
     .buckets_max = 2,
     .overrides_max = SIM_OVERRIDES,
     .charges = true,
     .reloads = true,
     .trials = true},
    {.name = "everything",
     .stream = 6,
     .percent = 15,
     .rules_max = SIM_NAMES,
     .buckets_max = BUCKETS_MAX,
     .overrides_max = SIM_OVERRIDES,
     .slots = true,
     .charges = true,
     .reloads = true,
     .trials = true,
     .lateness = true},
    {.name = "kills and restarts",
     .stream = 7,
     .percent = 8,
     .rules_max = 2,
     .buckets_max = 2,
     .slots = true,
     .charges = true,
     .reloads = true,
     .lateness = true,
     .stored = true},
    {.name = "kills and files of the release before",
     .stream = 8,
     .percent = 3,
     .rules_max = 2,
     .buckets_max = 2,
     .charges = true,
     .reloads = true,
     .stored = true},
    {.name = "a table too small for its keys",
     .stream = 10,
     .percent = 7,
     .rules_max = 2,
     .buckets_max = 2,
     .charges = true,
     .reloads = true,
     .lateness = true,
     .tiny = true},
};

static void run_recipe(const struct recipe *recipe)
{
    static struct world world;
    uint64_t left = dice_repeats("ALLOWD_DECISIONS", 100000) * recipe->percent / 100;
    uint64_t only = environment_number("ALLOWD_WORLD", UINT64_MAX);
    for (uint64_t number = only == UINT64_MAX ? 0 : only; left > 0; number++) {
        unsigned questions = left < WORLD_QUESTIONS ? (unsigned)left : WORLD_QUESTIONS;
        world_init(&world, recipe, number);
        live(&world, questions);
        world_release(&world);
        left -= questions;
    }
}

#define RECIPE_TEST(number, name)                                                                  \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        run_recipe(&recipes[number]);                                                              \
    }
RECIPE_TEST(0, one_bucket)
RECIPE_TEST(1, late_ticks_and_charges)
RECIPE_TEST(2, buckets_of_which_one_pays_at_once_and_one_late)
RECIPE_TEST(3, slots_and_leases)
RECIPE_TEST(4, reloads_and_overrides)
RECIPE_TEST(5, everything)
RECIPE_TEST(6, kills_and_restarts)
RECIPE_TEST(7, kills_and_files_of_the_release_before)
RECIPE_TEST(8, evictions)

/* ---- a flood of keys ---- */

enum { FLOOD_PINNED_MAX = 6, FLOOD_KEYS = 200 };

struct flood {
    struct dice dice;
    struct brain *brain;
    struct message waiting[FLOOD_PINNED_MAX];
    char pinned[FLOOD_PINNED_MAX][16];
};

static struct bucket_answer flood_ask(struct flood *flood, struct message *message,
                                      enum message_kind kind, const char *key, uint64_t tokens)
{
    struct message *messages[] = {message};
    message->kind = kind;
    message->ask.bucket.key = key;
    message->ask.bucket.key_len = strlen(key);
    message->ask.bucket.tokens = tokens;
    ask_brain(flood->brain, messages, 1);
    return message->answer.bucket;
}

/* Pins a key: by a debt, by a promise, or by a slot. */
static void flood_pin(struct flood *flood, unsigned at)
{
    struct message message = {0};
    char *key = flood->pinned[at];
    uint64_t how = dice_roll(&flood->dice, 3);
    snprintf(key, sizeof flood->pinned[at], "pin%u", at);
    if (how == 0) {
        flood_ask(flood, &message, MESSAGE_CHARGE, key, 12);
    } else if (how == 1) {
        flood_ask(flood, &message, MESSAGE_CHARGE, key, dice_between(&flood->dice, 8, 10));
        flood->waiting[at] = (struct message){.ask.bucket.wait_ms = 60000};
        flood_ask(flood, &flood->waiting[at], MESSAGE_ALLOW, key, 5);
    } else {
        message.ask.acquire = (struct acquire_question){
            .bucket = {.limit_name = "slots", .limit_name_len = 5},
            .id = id_of(at + 1),
            .slots = 1,
            .ttl_ms = 60000,
        };
        flood_ask(flood, &message, MESSAGE_ACQUIRE, key, 1);
    }
}

static int64_t flood_level(const struct flood *flood, unsigned at)
{
    uint64_t token;
    return brain_level_units(flood->brain, flood->pinned[at], LIMIT_DEFAULT_NAME, 0, &token) +
           1000000 * brain_level_units(flood->brain, flood->pinned[at], "slots", 0, &token);
}

static struct limits *flood_limits(void)
{
    const struct limit_terms terms[] = {
        {.name = LIMIT_DEFAULT_NAME,
         .buckets_count = 1,
         .buckets = {{.burst = 10, .rate = {1, 1000}, .debt_max = 10}}},
        {.name = "slots", .buckets_count = 1, .buckets = {{.burst = 4, .holds_slots = true}}},
    };
    struct limits *limits = limits_new(LENGTH(terms), 100);
    for (size_t i = 0; i < LENGTH(terms); i++)
        assert_true(limits_add(limits, &terms[i]));
    limits->waiting = (struct waiting_terms){.max_waiting = 100, .per_key = 100};
    return limits;
}

static void flood_check(struct flood *flood, unsigned pinned, uint32_t max_keys,
                        const int64_t levels[FLOOD_PINNED_MAX])
{
    for (unsigned i = 0; i < FLOOD_KEYS; i++) {
        char key[16];
        struct message message = {0};
        snprintf(key, sizeof key, "flood%u", i);
        struct bucket_answer answer = flood_ask(flood, &message, MESSAGE_ALLOW, key, 1);
        if ((answer.result == BUCKET_TABLE_FULL) != (pinned == max_keys))
            fail_msg("property %d (%s) does not hold: ALLOWD_SEED=%" PRIu64 ", %u keys of %u are "
                     "pinned, and another one gets %d",
                     PINNED, PROPERTIES[PINNED], dice_seed(), pinned, max_keys, answer.result);
    }
    brain_sweep(flood->brain);
    for (unsigned i = 0; i < pinned; i++)
        if (flood_level(flood, i) != levels[i])
            fail_msg("property %d (%s) does not hold: ALLOWD_SEED=%" PRIu64
                     ", pinned key %u is gone",
                     PINNED, PROPERTIES[PINNED], dice_seed(), i);
}

static void a_flood_evicts_no_key_with_debts_promises_or_slots(void **state)
{
    (void)state;
    uint8_t seed[TABLE_SEED_BYTES] = "flood";
    struct limits *limits = flood_limits();
    for (uint64_t round = 0; round < 20; round++) {
        static struct flood flood;
        int64_t levels[FLOOD_PINNED_MAX];
        flood = (struct flood){.dice = dice_new(9ull << 40 | round)};
        unsigned pinned = (unsigned)dice_between(&flood.dice, 1, FLOOD_PINNED_MAX);
        uint32_t max_keys = pinned + (uint32_t)dice_roll(&flood.dice, 3);
        const struct limits_question question = {.limits = limits, .when_full = WHEN_FULL_EVICT};
        flood.brain = brain_new(&question, max_keys, MAX_LEASES, seed, 1000);
        assert_non_null(flood.brain);
        for (unsigned i = 0; i < pinned; i++) {
            flood_pin(&flood, i);
            levels[i] = flood_level(&flood, i);
        }
        flood_check(&flood, pinned, max_keys, levels);
        brain_free(flood.brain);
    }
    limits_release(limits);
}

static int setup(void **state)
{
    (void)state;
    dice_seed();
    told_store = on_store;
    is_traced = environment_number("ALLOWD_TRACE", 0) != 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    printf("%" PRIu64 " questions, %" PRIu64 " let go after a wait, %" PRIu64 " leases, %" PRIu64
           " evictions, %" PRIu64 " kills, %" PRIu64 " restarts, %" PRIu64
           " with a file of 0.1.0\n",
           total_questions, total_waited, total_leases, total_evicted, run.kills, run.restarts,
           run.takeovers);
    return 0;
}

int main(void)
{

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bucket),
        cmocka_unit_test(late_ticks_and_charges),
        cmocka_unit_test(buckets_of_which_one_pays_at_once_and_one_late),
        cmocka_unit_test(slots_and_leases),
        cmocka_unit_test(reloads_and_overrides),
        cmocka_unit_test(everything),
        cmocka_unit_test(kills_and_restarts),
        cmocka_unit_test(kills_and_files_of_the_release_before),
        cmocka_unit_test(evictions),
        cmocka_unit_test(a_flood_evicts_no_key_with_debts_promises_or_slots),
    };
    return cmocka_run_group_tests_name("waits", tests, setup, teardown);
}
