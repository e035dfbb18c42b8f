/*
 * Decisions: the brain against a model in exact rational numbers, bit for bit.
 *
 * ALLOWD_DECISIONS sets how many decisions a run makes, ALLOWD_SEED which.
 */
#include "brain/brain.h"
#include "limits/credit.h"
#include "limits/runtime.h"
#include "prop/model.h"
#include "support/ask_brain.h"
#include "support/dice.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    BATCH_LONGEST = 40,
    LIST_LONGEST = 12,
    WORLD_DECISIONS = 500,
    TINY_KEYS_MAX = 8, /* so few that the brain looks at every entry to find one to give away */
};

#define WORLD_YEARS_NS (19ull * 365 * MS_PER_DAY * NS_PER_MS) /* lines are good for 20 */

/* Lengths about the boundaries of the table's cells. */
static void invent_keys(void)
{
    static const size_t lengths[MODEL_FIRST_ADDRESS] = {1, 1, 5, 20, 21, 44, 45, KEY_MAX};
    for (size_t i = 0; i < MODEL_FIRST_ADDRESS; i++) {
        memset(model_keys[i], (int)('0' + i), lengths[i]);
        model_keys[i][0] = (char)('a' + i % 3);
    }
    for (size_t i = 0; i < MODEL_ADDRESSES; i++)
        strcpy(model_keys[MODEL_FIRST_ADDRESS + i], model_addresses[i]);
}

/* ---- a world: a brain, a model, and the dice that drive both ---- */

struct recipe {
    uint64_t stream;
    unsigned rules_max, buckets_max, overrides_max;
    bool reloads, trials, lists, tiny;
    bool runtime; /* overrides are set at run time too */
};

struct world {
    const struct recipe *recipe;
    uint64_t number;
    struct dice dice;
    struct model model;
    struct brain *brain;
    uint64_t start_ns, hint_ms; /* hint_ms: a time that the last answer named */
    unsigned decisions;
};

static void differ(const struct world *world, const char *what, uint64_t brain, uint64_t model)
{
    fail_msg("ALLOWD_SEED=%" PRIu64 " world %" PRIu64 " decision %u: %s is %" PRIu64
             ", the model says %" PRIu64,
             dice_seed(), world->number, world->decisions, what, brain, model);
}

static void check(const struct world *world, const char *what, uint64_t brain, uint64_t model)
{
    if (brain != model)
        differ(world, what, brain, model);
}

/* ---- rules ---- */

static uint64_t random_period(struct dice *dice)
{
    static const uint64_t round_ones[] = {1, 10, 100, 1000, 60000, 3600000, MS_PER_DAY};
    switch (dice_roll(dice, 4)) {
    case 0:
        return dice_between(dice, 1, 100);
    case 1:
        return dice_between(dice, 1, 100000);
    case 2:
        return dice_between(dice, 1, PERIOD_MAX_MS);
    default:
        return round_ones[dice_roll(dice, LENGTH(round_ones))];
    }
}

static uint64_t random_magnitude(struct dice *dice, unsigned digits_max)
{
    uint64_t high = 10;
    for (uint64_t digits = dice_roll(dice, digits_max); digits > 0; digits--)
        high *= 10;
    return dice_once_in(dice, 3) ? high / 10 : dice_between(dice, 1, high);
}

static uint64_t random_tick(struct dice *dice)
{
    static const uint64_t usual_ms[] = {1, 2, 7, 10, 100, 250, 1000, 10000};
    return dice_once_in(dice, 3) ? dice_between(dice, 1, 10000)
                                 : usual_ms[dice_roll(dice, LENGTH(usual_ms))];
}

static void shuffle(struct dice *dice, unsigned order[MODEL_NAMES])
{
    for (unsigned i = 0; i < MODEL_NAMES; i++)
        order[i] = i;
    for (unsigned i = MODEL_NAMES - 1; i > 0; i--) {
        unsigned j = (unsigned)dice_roll(dice, i + 1), other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}

/* None, the burst, the most there can be, or any. */
static uint64_t random_debt(struct dice *dice, uint64_t burst, uint64_t most)
{
    uint64_t debt = random_magnitude(dice, 12);
    switch (dice_roll(dice, 6)) {
    case 0:
        return 0;
    case 1:
        return most;
    case 2:
    case 3:
        debt = burst;
        break;
    }
    return debt < most ? debt : most;
}

/* Terms that the validator takes at this tick. */
static void random_bucket(struct dice *dice, uint64_t tick_ms, struct bucket_terms *bucket)
{
    struct credit_line line;
    do {
        bucket->rate = (struct rate){random_magnitude(dice, 9), random_period(dice)};
        uint64_t least = bucket->rate.tokens * tick_ms / bucket->rate.period_ms + 1;
        bucket->burst = dice_once_in(dice, 2) ? random_magnitude(dice, 10)
                                              : least - dice_roll(dice, 2) + dice_roll(dice, 10);
    } while (bucket->burst < 1 || bucket->burst > TOKENS_MAX ||
             credit_line_init(&line, bucket->burst, bucket->rate, tick_ms) != CREDIT_OK);
    bucket->debt_max = random_debt(dice, bucket->burst, credit_debt_most(&line, tick_ms));
}

/* Buckets of the same burst are named the same often enough to carry over. */
static void random_terms(struct world *world, uint64_t tick_ms, struct model_terms *terms)
{
    static const char *const bucket_names[] = {"second", "hour", "day", "a", "b"};
    struct dice *dice = &world->dice;
    unsigned first = (unsigned)dice_roll(dice, LENGTH(bucket_names));
    *terms = (struct model_terms){.count = 1};
    if (!dice_once_in(dice, 3))
        terms->count = (unsigned)dice_between(dice, 1, world->recipe->buckets_max);
    for (unsigned i = 0; i < terms->count; i++) {
        random_bucket(dice, tick_ms, &terms->bucket[i]);
        if (terms->count > 1 || (world->recipe->buckets_max > 1 && dice_once_in(dice, 3)))
            strcpy(terms->bucket[i].name, bucket_names[(first + i) % LENGTH(bucket_names)]);
    }
}

static bool still_valid(const struct model_terms *terms, uint64_t tick_ms)
{
    struct credit_line line;
    for (unsigned i = 0; i < terms->count; i++)
        if (credit_line_init(&line, terms->bucket[i].burst, terms->bucket[i].rate, tick_ms) !=
                CREDIT_OK ||
            !credit_line_lend(&line, terms->bucket[i].debt_max, tick_ms))
            return false;
    return true;
}

static int64_t random_end(struct world *world)
{
    struct dice *dice = &world->dice;
    return dice_once_in(dice, 3) ? OVERRIDE_FOR_EVER
                                 : world->model.date_s - 5 + (int64_t)dice_roll(dice, 60);
}

/* Whether there is an override of the same kind for the same already. Globs of a configuration may be there
 * twice. */
static bool is_overridden(const struct model_rule *rule, const struct model_override *by)
{
    for (unsigned i = 0; i < rule->overrides_count; i++) {
        const struct model_override *there = &rule->override[i];
        bool is_glob = by->key < 0 && by->network == 0;
        if (there->is_runtime == by->is_runtime && (by->is_runtime || !is_glob) &&
            there->key == by->key && there->network == by->network && there->glob == by->glob)
            return true;
    }
    return false;
}

/* Run-time ones come first, and the others are often for the same as one of them. */
static void random_overrides(struct world *world, uint64_t tick_ms, struct model_rule *rule)
{
    struct dice *dice = &world->dice;
    unsigned want = (unsigned)dice_roll(dice, world->recipe->overrides_max + 1);
    unsigned at_runtime = world->recipe->runtime ? (unsigned)dice_roll(dice, want + 1) : 0;
    rule->overrides_count = 0;
    while (rule->overrides_count < want) {
        struct model_override override = {.key = -1, .until_s = random_end(world)};
        override.is_runtime = rule->overrides_count < at_runtime;
        if (!override.is_runtime && at_runtime > 0 && dice_once_in(dice, 2)) {
            override.key = rule->override[0].key;
            override.network = rule->override[0].network;
            override.glob = rule->override[0].glob;
        } else if (dice_once_in(dice, 2))
            override.key = (int)dice_roll(dice, MODEL_KEYS);
        else if (dice_once_in(dice, 3))
            override.network = (unsigned)dice_between(dice, 1, MODEL_NETWORKS - 1);
        else
            override.glob = (unsigned)dice_between(dice, 1, MODEL_GLOBS - 1);
        override.action =
            dice_once_in(dice, 3) ? (enum override_action)dice_roll(dice, 3) : OVERRIDE_TERMS;
        random_terms(world, tick_ms, &override.terms);
        if (!is_overridden(rule, &override))
            rule->override[rule->overrides_count++] = override;
    }
}

/* One rule of a new set: as the old set had it, or changed, or new. */
static void choose_rule(struct world *world, unsigned name, uint64_t tick_ms,
                        struct model_rule *rule)
{
    struct model *model = &world->model;
    struct dice *dice = &world->dice;
    int known = model_find(model, model_names[name]);
    *rule = known >= 0 ? model->rule[known] : (struct model_rule){.name = name};
    if (known < 0 || dice_once_in(dice, 3)) {
        struct model_terms before = rule->terms;
        random_terms(world, tick_ms, &rule->terms);
        /* Often only the burst changes, or the debt: up or down from what is held or owed. */
        struct model_terms only_burst = before;
        if (dice_once_in(dice, 2))
            only_burst.bucket[0].burst = rule->terms.bucket[0].burst;
        else
            only_burst.bucket[0].debt_max = rule->terms.bucket[0].debt_max;
        if (known >= 0 && dice_once_in(dice, 2) && still_valid(&only_burst, tick_ms))
            rule->terms = only_burst;
    }
    if (known < 0 || dice_once_in(dice, 3))
        random_overrides(world, tick_ms, rule);
    if (!still_valid(&rule->terms, tick_ms))
        random_terms(world, tick_ms, &rule->terms);
    for (unsigned i = 0; i < rule->overrides_count; i++)
        if (!still_valid(&rule->override[i].terms, tick_ms))
            random_terms(world, tick_ms, &rule->override[i].terms);
    rule->shadow = world->recipe->trials && dice_once_in(dice, 4);
    if (world->recipe->rules_max > 1)
        rule->glob = (unsigned)dice_roll(dice, MODEL_GLOBS);
}

static bool is_named(const struct model_rule *rules, unsigned count, unsigned name)
{
    for (unsigned i = 0; i < count; i++)
        if (rules[i].name == name || rules[i].was == name)
            return true;
    return false;
}

/* Gives a rule that there was another name, or one that it never had; or leaves it. */
static void rename_rule(struct world *world, struct model_rule *rules, unsigned count,
                        struct model_rule *rule)
{
    struct dice *dice = &world->dice;
    unsigned name = (unsigned)dice_between(dice, 1, MODEL_NAMES - 1);
    rule->was = 0;
    if (rule->name == 0 || is_named(rules, count, name) || !dice_once_in(dice, 3))
        return;
    if (dice_once_in(dice, 4)) {
        rule->was = name; /* of a limit that goes, or of none: the rule goes on as itself */
    } else if (model_find(&world->model, model_names[name]) < 0) {
        rule->was = rule->name;
        rule->name = name;
    }
}

/* Makes up a set of rules, the default among them, out of the one there is. */
static unsigned choose_rules(struct world *world, uint64_t tick_ms,
                             struct model_rule next[MODEL_NAMES])
{
    unsigned order[MODEL_NAMES], count = 0;
    unsigned want = (unsigned)dice_between(&world->dice, 1, world->recipe->rules_max);
    shuffle(&world->dice, order);
    for (unsigned i = 0; i < MODEL_NAMES; i++)
        if (order[i] == 0 || order[i] < want)
            choose_rule(world, order[i], tick_ms, &next[count++]);
    for (unsigned i = 0; i < count; i++)
        rename_rule(world, next, count, &next[i]);
    return count;
}

static struct override_terms override_terms(const struct model_override *from)
{
    struct override_terms terms = {
        .key = from->key >= 0      ? model_keys[from->key]
               : from->network > 0 ? model_networks[from->network]
                                   : model_globs[from->glob],
        .action = from->action,
        .until_s = from->until_s,
        .is_runtime = from->is_runtime,
    };
    if (from->action != OVERRIDE_TERMS)
        return terms;
    terms.buckets_count = from->terms.count;
    memcpy(terms.buckets, from->terms.bucket, sizeof terms.buckets);
    return terms;
}

static unsigned runtime_of(const struct model_rule *rule)
{
    unsigned count = 0;
    while (count < rule->overrides_count && rule->override[count].is_runtime)
        count++;
    return count;
}

/* Adds a rule without the overrides that are set at run time. */
static void add_rule(struct limits *limits, const struct model_rule *rule)
{
    struct override_terms overrides[MODEL_OVERRIDES];
    struct limit_terms terms = {
        .name = model_names[rule->name],
        .was = rule->was == 0 ? NULL : model_names[rule->was],
        .match = model_globs[rule->glob],
        .shadow = rule->shadow,
        .buckets_count = rule->terms.count,
        .overrides = overrides,
    };
    memcpy(terms.buckets, rule->terms.bucket, sizeof terms.buckets);
    for (unsigned i = runtime_of(rule); i < rule->overrides_count; i++)
        overrides[terms.overrides_count++] = override_terms(&rule->override[i]);
    assert_true(limits_add(limits, &terms));
}

/* Sets an override as a request does. Nothing is left out for its date: it does not hold then. */
static struct limits *set_at_runtime(struct limits *configured, struct limits *prior,
                                     uint32_t limit, const struct model_override *from)
{
    const struct override_terms terms = override_terms(from);
    const struct runtime_change change = {.limit = limit, .key = terms.key, .set = &terms};
    struct runtime_lost lost;
    struct limits *next = runtime_merge(configured, prior, &change, INT64_MIN, &lost);
    assert_non_null(next);
    assert_int_equal(lost.without_limit + lost.unfit + lost.without_room, 0);
    limits_release(prior);
    return next;
}

/* The one that is set last stands first. */
static struct limits *make_limits(const struct model *model)
{
    struct limits *configured = limits_new(model->count, model->tick_ms);
    assert_non_null(configured);
    for (unsigned i = 0; i < model->count; i++)
        add_rule(configured, &model->rule[i]);
    struct limits *limits = limits_retain(configured);
    for (unsigned i = 0; i < model->count; i++)
        for (unsigned j = runtime_of(&model->rule[i]); j-- > 0;)
            limits = set_at_runtime(configured, limits, i, &model->rule[i].override[j]);
    limits_release(configured);
    return limits;
}

static void world_init(struct world *world, const struct recipe *recipe, uint64_t number)
{
    uint8_t seed[TABLE_SEED_BYTES];
    struct model_rule rules[MODEL_NAMES];
    *world = (struct world){
        .recipe = recipe,
        .number = number,
        .dice = dice_new(recipe->stream << 40 | number),
    };
    struct model *model = &world->model;
    model_init(model);
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)dice_bits(&world->dice);
    uint64_t tick_ms = random_tick(&world->dice);
    model->max_keys = recipe->tiny ? (uint32_t)dice_between(&world->dice, 1, TINY_KEYS_MAX) : 1000;
    model->when_full = recipe->tiny ? (enum when_full)dice_roll(&world->dice, 3) : WHEN_FULL_EVICT;
    world->start_ns = model->now_ns = model->last_tick_ns = dice_roll(&world->dice, 1ull << 60);
    model->date_s = (int64_t)dice_roll(&world->dice, 1ull << 33);
    unsigned count = choose_rules(world, tick_ms, rules);
    model_change(model, rules, count, tick_ms);
    struct limits *limits = make_limits(model);
    const struct limits_question question = {
        .limits = limits, .when_full = model->when_full, .date_s = model->date_s};
    world->brain = brain_new(&question, model->max_keys, 10, seed, model->now_ns);
    assert_non_null(world->brain);
    limits_release(limits);
}

static void world_release(struct world *world)
{
    brain_free(world->brain);
    model_clear(&world->model);
}

/* ---- time ---- */

static uint64_t random_pass_ns(struct world *world)
{
    struct dice *dice = &world->dice;
    uint64_t tick_ns = world->model.tick_ms * NS_PER_MS;
    switch (dice_roll(dice, 10)) {
    case 0:
        return dice_roll(dice, tick_ns);
    case 1:
        return world->model.last_tick_ns + tick_ns - world->model.now_ns; /* to the next tick */
    case 2:
        return world->model.last_tick_ns + tick_ns - world->model.now_ns - 1;
    case 3:
        return tick_ns * dice_between(dice, 1, 5);
    case 4:
        return world->hint_ms * NS_PER_MS;
    case 5:
        return world->hint_ms * NS_PER_MS - (world->hint_ms == 0 ? 0 : tick_ns);
    case 6:
        return dice_roll(dice, (world->hint_ms + 2) * NS_PER_MS);
    case 7:
        return dice_once_in(dice, 200) ? 3650ull * MS_PER_DAY * NS_PER_MS : 0;
    default:
        return 0;
    }
}

/* Calls as a bad timer would: late, twice, back in time, or not at all. */
static void stray_ticks(struct world *world, uint64_t until_ns)
{
    while (dice_once_in(&world->dice, 2)) {
        uint64_t now_ns = world->model.now_ns;
        uint64_t at_ns = now_ns + dice_roll(&world->dice, until_ns - now_ns + 1);
        brain_tick(world->brain, at_ns);
        if (dice_once_in(&world->dice, 2))
            brain_tick(world->brain, at_ns);
        if (dice_once_in(&world->dice, 2))
            brain_tick(world->brain, dice_roll(&world->dice, at_ns + 1));
    }
}

static void pass_to(struct world *world, uint64_t now_ns)
{
    stray_ticks(world, now_ns);
    brain_tick(world->brain, now_ns);
    model_advance(&world->model, now_ns);
}

/* The date is told late, twice, or as one that has been. */
static void pass_date(struct world *world)
{
    struct model *model = &world->model;
    int64_t date_s = model->date_s + (int64_t)dice_roll(&world->dice, 20);
    if (dice_once_in(&world->dice, 4))
        brain_date(world->brain, date_s - 1000);
    brain_date(world->brain, date_s);
    if (dice_once_in(&world->dice, 4))
        brain_date(world->brain, date_s);
    model_date(model, date_s);
}

static void pass_time(struct world *world)
{
    uint64_t now_ns = world->model.now_ns;
    unsigned __int128 then_ns = (unsigned __int128)now_ns + random_pass_ns(world);
    if (then_ns - world->start_ns < WORLD_YEARS_NS)
        pass_to(world, (uint64_t)then_ns);
    if (dice_once_in(&world->dice, 4))
        brain_sweep(world->brain);
    if (world->recipe->overrides_max > 0 && dice_once_in(&world->dice, 3))
        pass_date(world);
}

/* ---- decisions ---- */

static uint64_t at_most_all(uint64_t tokens)
{
    return tokens < TOKENS_MAX ? tokens : TOKENS_MAX;
}

static uint64_t random_tokens(struct world *world, int rule_number, unsigned key)
{
    struct model *model = &world->model;
    struct dice *dice = &world->dice;
    if (rule_number < 0)
        return dice_roll(dice, 5);
    const struct model_rule *rule = &model->rule[rule_number];
    const struct model_terms *terms = model_terms(model, rule, key);
    const struct bucket_terms *bucket = &terms->bucket[dice_roll(dice, terms->count)];
    uint64_t burst = bucket->burst;
    struct bucket_question look = {.limit_name = model_names[rule->name]};
    switch (dice_roll(dice, 12)) {
    case 0:
        return 0;
    case 1:
        return burst;
    case 10: /* what a bucket owes, may owe, or one more */
        return at_most_all(model_answer(model, MESSAGE_STATUS, &look, key).owed +
                           dice_roll(dice, 2));
    case 11:
        return at_most_all(model_answer(model, MESSAGE_STATUS, &look, key).remaining +
                           bucket->debt_max + dice_roll(dice, 2));
    case 2:
        return dice_once_in(dice, 2) || burst == TOKENS_MAX ? TOKENS_MAX : burst + 1;
    case 3:
        return dice_between(dice, 1, burst);
    case 4:
    case 5:
        return model_answer(model, MESSAGE_STATUS, &look, key).remaining + dice_roll(dice, 2);
    default:
        return dice_between(dice, 1, burst / 8 + 1);
    }
}

/* None, as for the first that matches; one there is; or rarely one there may be. */
static const char *random_limit_name(struct world *world, bool must_be_there)
{
    struct dice *dice = &world->dice;
    if (dice_once_in(dice, 2))
        return NULL;
    if (!must_be_there && dice_once_in(dice, 20))
        return model_names[dice_roll(dice, MODEL_NAMES)];
    return model_names[world->model.rule[dice_roll(dice, world->model.count)].name];
}

static struct bucket_question random_question(struct world *world, unsigned *key,
                                              bool must_be_there)
{
    *key = (unsigned)dice_roll(&world->dice, MODEL_KEYS);
    const char *name = random_limit_name(world, must_be_there);
    int rule = name == NULL ? model_match(&world->model, *key) : model_find(&world->model, name);
    return (struct bucket_question){
        .key = model_keys[*key],
        .key_len = strlen(model_keys[*key]),
        .limit_name = name,
        .limit_name_len = name == NULL ? 0 : strlen(name),
        .tokens = random_tokens(world, rule, *key),
    };
}

static enum message_kind random_kind(struct dice *dice)
{
    return dice_once_in(dice, 25)   ? MESSAGE_RESET
           : dice_once_in(dice, 10) ? MESSAGE_REFUND
           : dice_once_in(dice, 8)  ? MESSAGE_CHARGE
           : dice_once_in(dice, 9)  ? MESSAGE_STATUS
                                    : MESSAGE_ALLOW;
}

static void check_buckets(const struct world *world, const struct bucket_answer *answer,
                          const struct expected *expected)
{
    for (unsigned i = 0; i < answer->allowance->count; i++) {
        const struct bucket_state *brain = &answer->buckets[i], *model = &expected->bucket[i];
        check(world, "a bucket's remaining", brain->remaining_tokens, model->remaining_tokens);
        check(world, "what a bucket owes", brain->owed_tokens, model->owed_tokens);
        check(world, "a bucket's full_after_ms", brain->full_after_ms, model->full_after_ms);
        check(world, "a bucket's next_token_ms", brain->next_token_ms, model->next_token_ms);
        check(world, "whether a bucket is violated", brain->violated, model->violated);
    }
}

static void check_answer(struct world *world, const struct bucket_answer *answer,
                         const struct expected *expected, unsigned key)
{
    check(world, "the result", answer->result, expected->result);
    if (expected->rule < 0)
        return;
    const struct model_rule *rule = &world->model.rule[expected->rule];
    if (strcmp(answer->limit->name, model_names[rule->name]) != 0)
        fail_msg("world %" PRIu64 ": limit %s, the model says %s", world->number,
                 answer->limit->name, model_names[rule->name]);
    check(world, "the override",
          answer->override == NULL ? UINT64_MAX
                                   : (uint64_t)(answer->override - answer->limit->overrides),
          (uint64_t)expected->override);
    check(world, "the count of buckets", answer->allowance->count,
          model_terms(&world->model, rule, key)->count);
    check(world, "remaining", answer->remaining_tokens, expected->remaining);
    check(world, "what is owed", answer->owed_tokens, expected->owed);
    check(world, "full_after_ms", answer->full_after_ms, expected->full_after_ms);
    check(world, "active", answer->active, expected->full_after_ms != 0);
    check_buckets(world, answer, expected);
    if (expected->result == BUCKET_TABLE_FULL)
        check(world, "a wait for room", answer->retry_after_ms != 0, true);
    else
        check(world, "retry_after_ms", answer->retry_after_ms, expected->retry_after_ms);
    bool waits = dice_once_in(&world->dice, 2) && answer->retry_after_ms != RETRY_NEVER;
    world->hint_ms = waits ? answer->retry_after_ms : answer->full_after_ms;
}

static void check_charged(const struct world *world, const struct bucket_answer *answer,
                          const struct expected *expected)
{
    if (expected->rule < 0)
        return;
    check(world, "what was charged", answer->charged_tokens, expected->charged);
    for (unsigned i = 0; i < answer->allowance->count; i++)
        check(world, "what a bucket was charged", answer->buckets[i].charged_tokens,
              expected->bucket[i].charged_tokens);
}

/* The levels as fractions, equal to the model's to the last bit. No bucket owes more than it may. */
static void check_level(struct world *world, const struct model_rule *rule, unsigned key)
{
    const struct model_terms *terms = model_terms(&world->model, rule, key);
    mpq_t brain, model;
    mpq_inits(brain, model, NULL);
    for (unsigned i = 0; i < terms->count; i++) {
        uint64_t token_units;
        int64_t units = brain_level_units(world->brain, model_keys[key], model_names[rule->name], i,
                                          &token_units);
        check(world, "token_units", token_units,
              model_token_units(terms->bucket[i].rate, world->model.tick_ms));
        check(world, "whether a bucket owes more than debt_max",
              units < -(__int128)terms->bucket[i].debt_max * (__int128)token_units, false);
        mpq_set_si(brain, units, token_units);
        mpq_canonicalize(brain);
        model_level(&world->model, rule, key, i, model);
        bool equal = mpq_equal(brain, model);
        if (!equal)
            gmp_printf("level %u of key %u under %s: %Qd, the model says %Qd\n", i, key,
                       model_names[rule->name], brain, model);
        check(world, "whether the levels are equal", equal, true);
    }
    mpq_clears(brain, model, NULL);
}

static void check_all_levels(struct world *world)
{
    for (unsigned i = 0; i < world->model.count; i++)
        for (unsigned key = 0; key < MODEL_KEYS; key++)
            check_level(world, &world->model.rule[i], key);
}

/* Asks a batch and holds each answer, and the levels after it, against the model. */
static void ask_batch(struct world *world, size_t count)
{
    static struct message messages[BATCH_LONGEST];
    static struct message *batch[BATCH_LONGEST];
    unsigned asked[BATCH_LONGEST];
    struct expected expected = {.rule = -1};
    for (size_t i = 0; i < count; i++) {
        messages[i].kind = random_kind(&world->dice);
        messages[i].ask.bucket = random_question(world, &asked[i], false);
        memset(&messages[i].answer, 0xa5, sizeof messages[i].answer);
        batch[i] = &messages[i];
    }
    assert_int_equal(ask_brain(world->brain, batch, count), count);
    for (size_t i = 0; i < count; i++) {
        expected = model_answer(&world->model, messages[i].kind, &messages[i].ask.bucket, asked[i]);
        check_answer(world, &messages[i].answer.bucket, &expected, asked[i]);
        if (messages[i].kind == MESSAGE_CHARGE)
            check_charged(world, &messages[i].answer.bucket, &expected);
        world->decisions++;
    }
    if (expected.rule >= 0)
        check_level(world, &world->model.rule[expected.rule], asked[count - 1]);
}

/* ---- lists ---- */

static void check_all_or_none(struct world *world, const struct message *message,
                              const unsigned *keys)
{
    const struct list_question *list = &message->ask.list;
    struct expected expected[LIST_LONGEST];
    const struct bucket_question *asks[LIST_LONGEST];
    uint64_t retry_after_ms;
    for (uint32_t i = 0; i < list->count; i++)
        asks[i] = &list->calls[i].ask;
    bool allowed =
        model_answer_all(&world->model, asks, keys, list->count, expected, &retry_after_ms);
    check(world, "whether all are allowed", message->answer.list.allowed, allowed);
    for (uint32_t i = 0; i < list->count; i++)
        check_answer(world, &list->calls[i].answer, &expected[i], keys[i]);
    for (uint32_t i = 0; i < list->count; i++) /* a guess, where there was no room */
        if (expected[i].result == BUCKET_TABLE_FULL)
            return;
    check(world, "retry_after_ms of all", message->answer.list.retry_after_ms, retry_after_ms);
}

static void ask_list(struct world *world)
{
    static const enum message_kind kinds[] = {MESSAGE_ALL, MESSAGE_ALL, MESSAGE_EACH, MESSAGE_LIST};
    static struct bucket_call calls[LIST_LONGEST];
    unsigned keys[LIST_LONGEST];
    struct message message = {.kind = kinds[dice_roll(&world->dice, LENGTH(kinds))]};
    message.ask.list.calls = calls;
    message.ask.list.count = (uint32_t)dice_between(&world->dice, 1, LIST_LONGEST);
    memset(calls, 0xa5, sizeof calls);
    for (uint32_t i = 0; i < message.ask.list.count; i++)
        calls[i].ask = random_question(world, &keys[i], true);
    struct message *batch[] = {&message};
    assert_int_equal(ask_brain(world->brain, batch, 1), 1);
    check(world, "no_such_limit", message.answer.list.no_such_limit, message.ask.list.count);
    if (message.kind == MESSAGE_ALL)
        check_all_or_none(world, &message, keys);
    for (uint32_t i = 0; message.kind != MESSAGE_ALL && i < message.ask.list.count; i++) {
        enum message_kind kind = message.kind == MESSAGE_EACH ? MESSAGE_ALLOW : MESSAGE_STATUS;
        struct expected expected = model_answer(&world->model, kind, &calls[i].ask, keys[i]);
        check_answer(world, &calls[i].answer, &expected, keys[i]);
    }
    world->decisions += message.ask.list.count;
}

/* ---- reloads ---- */

/* A new length of tick counts from a tick of the old one, where no part of one is at stake. */
static uint64_t change_tick(struct world *world)
{
    struct model *model = &world->model;
    if (model->now_ns != model->last_tick_ns)
        pass_to(world, model->last_tick_ns + model->tick_ms * NS_PER_MS);
    return random_tick(&world->dice);
}

static void reload(struct world *world)
{
    struct model *model = &world->model;
    struct model_rule rules[MODEL_NAMES];
    uint64_t tick_ms = dice_once_in(&world->dice, 4) ? change_tick(world) : model->tick_ms;
    unsigned count = choose_rules(world, tick_ms, rules);
    model_change(model, rules, count, tick_ms);

    struct limits *limits = make_limits(model);
    struct message message = {
        .kind = MESSAGE_LIMITS,
        .ask.limits = {.limits = limits, .when_full = model->when_full, .date_s = model->date_s},
    };
    struct message *batch[] = {&message};
    ask_brain(world->brain, batch, 1);
    wait_for_room(world->brain);
    check(world, "the answer to limits", message.answer.limits, LIMITS_IN_FORCE);
    limits_release(limits);
    check_all_levels(world);
}

/* ---- worlds ---- */

static void live(struct world *world, uint64_t decisions)
{
    while (world->decisions < decisions) {
        pass_time(world);
        if (world->recipe->reloads && dice_once_in(&world->dice, 15))
            reload(world);
        uint64_t longest = dice_once_in(&world->dice, 10) ? BATCH_LONGEST : 5;
        ask_batch(world, dice_between(&world->dice, 1, longest));
        if (world->recipe->lists && dice_once_in(&world->dice, 2))
            ask_list(world);
        if (dice_once_in(&world->dice, 8))
            check_all_levels(world);
    }
}

/* This share, in percent, of all decisions, in worlds of equal size. */
static void for_each_world(const struct recipe *recipe, uint64_t percent,
                           void (*run)(struct world *, uint64_t decisions))
{
    uint64_t left = dice_repeats("ALLOWD_DECISIONS", 1000000) * percent / 100;
    for (uint64_t number = 0; left > 0; number++) {
        static struct world world;
        uint64_t decisions = left < WORLD_DECISIONS ? left : WORLD_DECISIONS;
        world_init(&world, recipe, number);
        run(&world, decisions);
        check_all_levels(&world);
        world_release(&world);
        left -= decisions;
    }
}

static void one_limit_decides_as_the_model(void **state)
{
    (void)state;
    static const struct recipe recipe = {.stream = 1, .rules_max = 1, .buckets_max = 1};
    for_each_world(&recipe, 20, live);
}

static void one_limit_and_its_reloads_decide_as_the_model(void **state)
{
    (void)state;
    static const struct recipe recipe = {
        .stream = 2,
        .rules_max = 1,
        .buckets_max = 1,
        .reloads = true,
    };
    for_each_world(&recipe, 15, live);
}

static void several_limits_and_their_reloads_decide_as_the_model(void **state)
{
    (void)state;
    static const struct recipe recipe = {
        .stream = 4,
        .rules_max = MODEL_NAMES,
        .buckets_max = 1,
        .reloads = true,
    };
    for_each_world(&recipe, 15, live);
}

static void several_buckets_decide_as_the_model(void **state)
{
    (void)state;
    static const struct recipe recipe = {
        .stream = 6,
        .rules_max = 2,
        .buckets_max = BUCKETS_MAX,
        .reloads = true,
    };
    for_each_world(&recipe, 15, live);
}

static void overrides_decide_as_the_model(void **state)
{
    (void)state;
    static const struct recipe recipe = {
        .stream = 7,
        .rules_max = 2,
        .buckets_max = 1,
        .overrides_max = MODEL_OVERRIDES,
        .runtime = true,
        .reloads = true,
    };
    for_each_world(&recipe, 10, live);
}

static void everything_at_once_decides_as_the_model(void **state)
{
    (void)state;
    static const struct recipe recipe = {
        .stream = 8,
        .rules_max = MODEL_NAMES,
        .buckets_max = BUCKETS_MAX,
        .overrides_max = MODEL_OVERRIDES,
        .runtime = true,
        .reloads = true,
        .trials = true,
        .lists = true,
    };
    for_each_world(&recipe, 15, live);
}

/* ---- a table too small for its keys ---- */

static bool brain_forgot(struct world *world, const struct model_rule *rule, unsigned key)
{
    const struct model_terms *terms = model_terms(&world->model, rule, key);
    for (unsigned i = 0; i < terms->count; i++) {
        uint64_t token_units;
        int64_t units = brain_level_units(world->brain, model_keys[key], model_names[rule->name], i,
                                          &token_units);
        if (units < 0 || (uint64_t)units != terms->bucket[i].burst * token_units)
            return false;
    }
    return true;
}

/* Learns which key the brain gave away, one of those nearest to full that owe nothing,
 * and holds it to that: ties are the brain's to break. */
static void learn_eviction(struct world *world)
{
    struct model *model = &world->model;
    const struct model_rule *rule_of = NULL;
    unsigned forgotten = 0, key_of = 0;
    mpq_t least, one;
    mpq_inits(least, one, NULL);
    mpq_set_ui(least, TOKENS_MAX, 1);
    for (unsigned i = 0; i < model->count; i++) {
        const struct model_rule *rule = &model->rule[i];
        for (unsigned key = 0; key < MODEL_KEYS; key++) {
            if (!model_buckets_of(model, rule, key)->drawn)
                continue;
            if (model_owes(model, rule, key)) {
                check(world, "whether a key that owes was evicted", brain_forgot(world, rule, key),
                      false);
                continue;
            }
            model_lack(model, rule, key, one);
            if (mpq_cmp(one, least) < 0)
                mpq_set(least, one);
            if (brain_forgot(world, rule, key)) {
                forgotten++;
                rule_of = rule;
                key_of = key;
            }
        }
    }
    check(world, "the number of evicted keys", forgotten, 1);
    model_lack(model, rule_of, key_of, one);
    bool nearest = mpq_equal(one, least);
    mpq_clears(least, one, NULL);
    check(world, "whether the evicted one was nearest to full", nearest, true);
    model_buckets_of(model, rule_of, key_of)->drawn = false;
}

static uint64_t count_evicted(struct brain *brain)
{
    struct daemon_answer answer = {0};
    struct message message = {.kind = MESSAGE_DAEMON, .answer.daemon = &answer};
    struct message *batch[] = {&message};
    ask_brain(brain, batch, 1);
    return answer.counters.evicted;
}

static void ask_tiny(struct world *world)
{
    struct model *model = &world->model;
    struct message message = {.kind = random_kind(&world->dice)}, *batch[] = {&message};
    unsigned key;
    uint64_t evicted_before = count_evicted(world->brain);
    message.ask.bucket = random_question(world, &key, false);
    bool evicts = model_evicts(model, message.kind, &message.ask.bucket, key);
    assert_int_equal(ask_brain(world->brain, batch, 1), 1);
    check(world, "evictions", count_evicted(world->brain) - evicted_before, evicts);
    if (evicts)
        learn_eviction(world);
    struct expected expected = model_answer(model, message.kind, &message.ask.bucket, key);
    check_answer(world, &message.answer.bucket, &expected, key);
    if (message.kind == MESSAGE_CHARGE)
        check_charged(world, &message.answer.bucket, &expected);
    world->decisions++;
}

static void live_crowded(struct world *world, uint64_t decisions)
{
    while (world->decisions < decisions) {
        pass_time(world);
        if (world->recipe->reloads && dice_once_in(&world->dice, 40))
            reload(world);
        ask_tiny(world);
        if (world->recipe->lists && world->model.when_full != WHEN_FULL_EVICT &&
            dice_once_in(&world->dice, 2))
            ask_list(world);
        check_all_levels(world);
    }
}

static void a_tiny_table_evicts_denies_and_allows_as_the_model(void **state)
{
    (void)state;
    static const struct recipe recipe = {
        .stream = 5,
        .rules_max = 3,
        .buckets_max = 2,
        .overrides_max = 1,
        .runtime = true,
        .reloads = true,
        .trials = true,
        .lists = true,
        .tiny = true,
    };
    for_each_world(&recipe, 10, live_crowded);
}

static int setup(void **state)
{
    (void)state;
    invent_keys();
    dice_seed();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_limit_decides_as_the_model),
        cmocka_unit_test(one_limit_and_its_reloads_decide_as_the_model),
        cmocka_unit_test(several_limits_and_their_reloads_decide_as_the_model),
        cmocka_unit_test(several_buckets_decide_as_the_model),
        cmocka_unit_test(overrides_decide_as_the_model),
        cmocka_unit_test(everything_at_once_decides_as_the_model),
        cmocka_unit_test(a_tiny_table_evicts_denies_and_allows_as_the_model),
    };
    return cmocka_run_group_tests_name("decisions", tests, setup, NULL);
}
