/*
 * Decisions: the brain against a model in exact rational numbers, bit for bit.
 *
 * The model is written from the design, not from the code. A bucket's level is
 * a rational number of tokens. Each tick of length T adds rate * T tokens, up
 * to the burst. A full bucket and one never seen are the same. A reload keeps
 * the level of a limit of the same name, up to the new burst and rounded down
 * to a unit of the new line, 1 / token_units tokens with token_units =
 * P / gcd(P, R * T); a limit that goes takes its buckets with it.
 *
 * ALLOWD_DECISIONS sets how many decisions a run makes, ALLOWD_SEED which.
 */
#include "brain/brain.h"
#include "pure/credit.h"
#include "support/dice.h"
#include "support/plain_limit.h"
#include "support/unit.h"

#include <assert.h>
#include <gmp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    NAMES = 5,
    KEYS = 8,
    BATCH_LONGEST = 40,
    WORLD_DECISIONS = 500,
    TINY_KEYS_MAX = 8, /* so few that the brain looks at every entry to find one to give away */
};

#define WORLD_YEARS_NS (19ull * 365 * MS_PER_DAY * NS_PER_MS) /* lines are good for 20 */

static const char *const names[NAMES] = {LIMIT_DEFAULT_NAME, "api", "slow", "bulk", "x"};

/* Keys begin with "a", "b" or "c"; these are all that the globs look at. */
static const struct {
    const char *glob, *first_letters;
} globs[] = {
    {NULL, ""}, {"a*", "a"}, {"b*", "b"}, {"[ab]*", "ab"}, {"*", "abc"}, {"?*", "abc"},
};

static char keys[KEYS][KEY_MAX + 1];

/* Lengths about the boundaries of the table's cells. */
static void invent_keys(void)
{
    static const size_t lengths[KEYS] = {1, 1, 5, 20, 21, 44, 45, KEY_MAX};
    for (size_t i = 0; i < KEYS; i++) {
        memset(keys[i], (int)('0' + i), lengths[i]);
        keys[i][0] = (char)('a' + i % 3);
    }
}

/* ---- the model ---- */

struct rule {
    unsigned name, glob; /* indices */
    uint64_t burst;
    struct rate rate;
    mpq_t step; /* tokens a tick */
};

struct bucket {
    bool drawn; /* on and not full; else the level means nothing */
    mpq_t level;
};

struct model {
    uint64_t tick_ms, now_ns, last_tick_ns;
    uint32_t max_keys;
    enum when_full when_full;
    unsigned count;
    struct rule rule[NAMES];
    struct bucket bucket[NAMES][KEYS]; /* by the limit's name */
};

/* What the model says that the brain must answer. */
struct expected {
    enum bucket_result result;
    int rule; /* -1: no such limit */
    uint64_t remaining, retry_after_ms, next_token_ms, full_after_ms;
};

/* Numbers to reckon with, so that none is made and freed at every step. */
static mpq_t scratch, lack;
static mpz_t whole;

static void set_u64(mpq_t number, uint64_t value)
{
    static_assert(sizeof(unsigned long) == sizeof(uint64_t), "mpq_set_ui takes 64 bits");
    mpq_set_ui(number, value, 1);
}

static uint64_t whole_u64(void)
{
    assert_true(mpz_fits_ulong_p(whole));
    return mpz_get_ui(whole);
}

static uint64_t floor_u64(const mpq_t number)
{
    mpz_fdiv_q(whole, mpq_numref(number), mpq_denref(number));
    return whole_u64();
}

static uint64_t ceil_u64(const mpq_t number)
{
    mpz_cdiv_q(whole, mpq_numref(number), mpq_denref(number));
    return whole_u64();
}

static void set_step(struct rule *rule, uint64_t tick_ms)
{
    mpq_set_ui(rule->step, rule->rate.tokens, rule->rate.period_ms);
    mpq_canonicalize(rule->step);
    set_u64(scratch, tick_ms);
    mpq_mul(rule->step, rule->step, scratch);
}

static void model_init(struct model *model)
{
    memset(model, 0, sizeof *model);
    for (unsigned name = 0; name < NAMES; name++) {
        mpq_init(model->rule[name].step);
        for (unsigned key = 0; key < KEYS; key++)
            mpq_init(model->bucket[name][key].level);
    }
}

static void model_clear(struct model *model)
{
    for (unsigned name = 0; name < NAMES; name++) {
        mpq_clear(model->rule[name].step);
        for (unsigned key = 0; key < KEYS; key++)
            mpq_clear(model->bucket[name][key].level);
    }
}

static struct bucket *bucket_of(struct model *model, const struct rule *rule, unsigned key)
{
    return &model->bucket[rule->name][key];
}

static void get_level(struct model *model, const struct rule *rule, unsigned key, mpq_t level)
{
    const struct bucket *bucket = bucket_of(model, rule, key);
    if (bucket->drawn)
        mpq_set(level, bucket->level);
    else
        set_u64(level, rule->burst);
}

static void refill(struct bucket *bucket, const struct rule *rule, uint64_t ticks)
{
    set_u64(scratch, ticks);
    mpq_mul(scratch, scratch, rule->step);
    mpq_add(bucket->level, bucket->level, scratch);
    if (mpq_cmp_ui(bucket->level, rule->burst, 1) >= 0)
        bucket->drawn = false;
}

static void model_advance(struct model *model, uint64_t now_ns)
{
    uint64_t tick_ns = model->tick_ms * NS_PER_MS;
    uint64_t ticks = (now_ns - model->last_tick_ns) / tick_ns;
    model->now_ns = now_ns;
    model->last_tick_ns += ticks * tick_ns;
    for (unsigned i = 0; ticks > 0 && i < model->count; i++)
        for (unsigned key = 0; key < KEYS; key++)
            if (bucket_of(model, &model->rule[i], key)->drawn)
                refill(bucket_of(model, &model->rule[i], key), &model->rule[i], ticks);
}

static int model_match(const struct model *model, unsigned key)
{
    int fallback = -1;
    for (unsigned i = 0; i < model->count; i++) {
        if (strchr(globs[model->rule[i].glob].first_letters, keys[key][0]) != NULL)
            return (int)i;
        if (model->rule[i].name == 0)
            fallback = (int)i;
    }
    return fallback;
}

static int model_find(const struct model *model, const char *name)
{
    for (unsigned i = 0; i < model->count; i++)
        if (strcmp(names[model->rule[i].name], name) == 0)
            return (int)i;
    return -1;
}

static unsigned model_drawn(const struct model *model)
{
    unsigned drawn = 0;
    for (unsigned name = 0; name < NAMES; name++)
        for (unsigned key = 0; key < KEYS; key++)
            drawn += model->bucket[name][key].drawn;
    return drawn;
}

/* Milliseconds until a bucket at this level holds `need` tokens: whole ticks, rounded up. */
static uint64_t wait_ms(const struct model *model, const struct rule *rule, const mpq_t level,
                        uint64_t need)
{
    set_u64(lack, need);
    mpq_sub(lack, lack, level);
    if (mpq_sgn(lack) <= 0)
        return 0;
    mpq_div(lack, lack, rule->step);
    return ceil_u64(lack) * model->tick_ms;
}

static void expect_level(struct model *model, const struct rule *rule, unsigned key,
                         struct expected *expected)
{
    mpq_t level;
    mpq_init(level);
    get_level(model, rule, key, level);
    expected->remaining = floor_u64(level);
    expected->full_after_ms = wait_ms(model, rule, level, rule->burst);
    expected->next_token_ms = expected->full_after_ms == 0
                                  ? 0
                                  : wait_ms(model, rule, level, expected->remaining + 1);
    mpq_clear(level);
}

static void take(struct bucket *bucket, const struct rule *rule, uint64_t tokens)
{
    if (!bucket->drawn)
        set_u64(bucket->level, rule->burst);
    set_u64(scratch, tokens);
    mpq_sub(bucket->level, bucket->level, scratch);
    bucket->drawn = true;
}

/* Decides, but for making room: the tiny table's test sees to that before. */
static enum bucket_result model_allow(struct model *model, const struct rule *rule, unsigned key,
                                      uint64_t tokens, uint64_t *retry_after_ms)
{
    struct bucket *bucket = bucket_of(model, rule, key);
    if (tokens > rule->burst) {
        *retry_after_ms = RETRY_NEVER;
        return BUCKET_EXCEEDS_BURST;
    }
    if (bucket->drawn && mpq_cmp_ui(bucket->level, tokens, 1) < 0) {
        *retry_after_ms = wait_ms(model, rule, bucket->level, tokens);
        return BUCKET_DENIED;
    }
    if (tokens > 0 && !bucket->drawn && model_drawn(model) == model->max_keys)
        return model->when_full == WHEN_FULL_DENY ? BUCKET_TABLE_FULL : BUCKET_UNCOUNTED;
    if (tokens > 0)
        take(bucket, rule, tokens);
    return BUCKET_ALLOWED;
}

static void give_back(struct bucket *bucket, const struct rule *rule, uint64_t tokens)
{
    if (!bucket->drawn)
        return;
    set_u64(scratch, tokens);
    mpq_add(bucket->level, bucket->level, scratch);
    set_u64(scratch, rule->burst);
    if (mpq_cmp(bucket->level, scratch) >= 0)
        bucket->drawn = false;
}

static struct expected model_answer(struct model *model, const struct message *message,
                                    unsigned key)
{
    const struct bucket_question *ask = &message->ask.bucket;
    struct expected expected = {.result = BUCKET_NO_SUCH_LIMIT};
    expected.rule = ask->limit_name == NULL ? model_match(model, key)
                                            : model_find(model, ask->limit_name);
    if (expected.rule < 0)
        return expected;

    const struct rule *rule = &model->rule[expected.rule];
    expected.result = BUCKET_ALLOWED;
    if (message->kind == MESSAGE_ALLOW)
        expected.result = model_allow(model, rule, key, ask->tokens, &expected.retry_after_ms);
    if (message->kind == MESSAGE_RESET)
        bucket_of(model, rule, key)->drawn = false;
    if (message->kind == MESSAGE_REFUND)
        give_back(bucket_of(model, rule, key), rule, ask->tokens);
    expect_level(model, rule, key, &expected);
    return expected;
}

/* Rounds down to a unit of the line of these terms, and caps at its burst. */
static void carry(struct bucket *bucket, const struct rule *to)
{
    /* token_units is the denominator of a tick's refill in lowest terms: P / gcd(P, R * T). */
    mpz_mul(whole, mpq_numref(bucket->level), mpq_denref(to->step));
    mpz_fdiv_q(whole, whole, mpq_denref(bucket->level));
    mpq_set_z(bucket->level, whole);
    mpz_set(whole, mpq_denref(to->step));
    mpq_set_z(scratch, whole);
    mpq_div(bucket->level, bucket->level, scratch);
    if (mpq_cmp_ui(bucket->level, to->burst, 1) >= 0)
        bucket->drawn = false;
}

/* The rules have changed from `before`: what becomes of the buckets. */
static void model_reload(struct model *model)
{
    for (unsigned name = 0; name < NAMES; name++) {
        int rule = model_find(model, names[name]);
        for (unsigned key = 0; key < KEYS; key++) {
            struct bucket *bucket = &model->bucket[name][key];
            if (rule < 0)
                bucket->drawn = false;
            else if (bucket->drawn)
                carry(bucket, &model->rule[rule]);
        }
    }
}

/* ---- a world: a brain, a model, and the dice that drive both ---- */

struct recipe {
    uint64_t stream;
    unsigned rules_max;
    bool reloads, tiny;
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

/* Terms that the validator takes at this tick. */
static void random_terms(struct dice *dice, uint64_t tick_ms, struct rule *rule)
{
    struct credit_line line;
    do {
        rule->rate = (struct rate){random_magnitude(dice, 9), random_period(dice)};
        uint64_t least = rule->rate.tokens * tick_ms / rule->rate.period_ms + 1;
        rule->burst = dice_once_in(dice, 2) ? random_magnitude(dice, 10)
                                            : least - dice_roll(dice, 2) + dice_roll(dice, 10);
    } while (rule->burst < 1 || rule->burst > TOKENS_MAX ||
             credit_line_init(&line, rule->burst, rule->rate, tick_ms) != CREDIT_OK);
}

static uint64_t random_tick(struct dice *dice)
{
    static const uint64_t usual_ms[] = {1, 2, 7, 10, 100, 250, 1000, 10000};
    return dice_once_in(dice, 3) ? dice_between(dice, 1, 10000)
                                 : usual_ms[dice_roll(dice, LENGTH(usual_ms))];
}

static void shuffle(struct dice *dice, unsigned order[NAMES])
{
    for (unsigned i = 0; i < NAMES; i++)
        order[i] = i;
    for (unsigned i = NAMES - 1; i > 0; i--) {
        unsigned j = (unsigned)dice_roll(dice, i + 1), other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}

static bool still_valid(const struct rule *rule, uint64_t tick_ms)
{
    struct credit_line line;
    return credit_line_init(&line, rule->burst, rule->rate, tick_ms) == CREDIT_OK;
}

/* One rule of a new set: as the old set had it, or changed, or new. */
static void choose_rule(struct world *world, unsigned name, struct rule *rule)
{
    struct model *model = &world->model;
    int known = model_find(model, names[name]);
    bool keep = known >= 0 && still_valid(&model->rule[known], model->tick_ms) &&
                !dice_once_in(&world->dice, 2);
    if (keep) {
        rule->burst = model->rule[known].burst;
        rule->rate = model->rule[known].rate;
    } else {
        random_terms(&world->dice, model->tick_ms, rule);
        /* Often only the burst changes: up or down from what is held. */
        if (known >= 0 && dice_once_in(&world->dice, 2)) {
            struct rule only_burst = {.burst = rule->burst, .rate = model->rule[known].rate};
            if (still_valid(&only_burst, model->tick_ms))
                rule->rate = only_burst.rate;
        }
    }
    rule->name = name;
    if (world->recipe->rules_max == 1)
        rule->glob = 0;
    else
        rule->glob = (unsigned)dice_roll(&world->dice, LENGTH(globs));
}

/* Makes up a set of rules, the default among them, out of the one there is. */
static void choose_rules(struct world *world)
{
    struct model *model = &world->model;
    struct rule next[NAMES];
    unsigned order[NAMES], count = 0;
    unsigned want = (unsigned)dice_between(&world->dice, 1, world->recipe->rules_max);
    shuffle(&world->dice, order);
    for (unsigned i = 0; i < NAMES; i++)
        if (order[i] == 0 || order[i] < want)
            choose_rule(world, order[i], &next[count++]);
    for (unsigned i = 0; i < count; i++) {
        model->rule[i].name = next[i].name;
        model->rule[i].glob = next[i].glob;
        model->rule[i].burst = next[i].burst;
        model->rule[i].rate = next[i].rate;
        set_step(&model->rule[i], model->tick_ms);
    }
    model->count = count;
}

static struct limits *make_limits(const struct model *model)
{
    struct limits *limits = limits_new(model->count, model->tick_ms);
    assert_non_null(limits);
    for (unsigned i = 0; i < model->count; i++)
        add_plain_limit(limits, names[model->rule[i].name], globs[model->rule[i].glob].glob,
                   model->rule[i].burst, model->rule[i].rate);
    return limits;
}

static void world_init(struct world *world, const struct recipe *recipe, uint64_t number)
{
    uint8_t seed[TABLE_SEED_BYTES];
    *world = (struct world){
        .recipe = recipe,
        .number = number,
        .dice = dice_new(recipe->stream << 40 | number),
    };
    struct model *model = &world->model;
    model_init(model);
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)dice_bits(&world->dice);
    model->tick_ms = random_tick(&world->dice);
    model->max_keys = recipe->tiny ? (uint32_t)dice_between(&world->dice, 1, TINY_KEYS_MAX) : 1000;
    model->when_full = recipe->tiny ? (enum when_full)dice_roll(&world->dice, 3) : WHEN_FULL_EVICT;
    world->start_ns = model->now_ns = model->last_tick_ns = dice_roll(&world->dice, 1ull << 60);
    choose_rules(world);
    struct limits *limits = make_limits(model);
    const struct limits_question question = {.limits = limits, .when_full = model->when_full};
    world->brain = brain_new(&question, model->max_keys, seed, model->now_ns);
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

static void pass_time(struct world *world)
{
    uint64_t now_ns = world->model.now_ns;
    unsigned __int128 then_ns = (unsigned __int128)now_ns + random_pass_ns(world);
    if (then_ns - world->start_ns < WORLD_YEARS_NS)
        pass_to(world, (uint64_t)then_ns);
    if (dice_once_in(&world->dice, 4))
        brain_sweep(world->brain);
}

/* ---- decisions ---- */

static uint64_t random_tokens(struct world *world, int rule, unsigned key)
{
    struct model *model = &world->model;
    struct dice *dice = &world->dice;
    struct expected now;
    if (rule < 0)
        return dice_roll(dice, 5);
    switch (dice_roll(dice, 10)) {
    case 0:
        return 0;
    case 1:
        return model->rule[rule].burst;
    case 2:
        return dice_once_in(dice, 2) ? model->rule[rule].burst + 1 : dice_bits(dice);
    case 3:
        return dice_between(dice, 1, model->rule[rule].burst);
    case 4:
    case 5:
        expect_level(model, &model->rule[rule], key, &now);
        return now.remaining + dice_roll(dice, 2);
    default:
        return dice_between(dice, 1, model->rule[rule].burst / 8 + 1);
    }
}

/* None, as for the first that matches; one there is; or rarely one there may be. */
static const char *random_limit_name(struct world *world)
{
    struct dice *dice = &world->dice;
    if (dice_once_in(dice, 2))
        return NULL;
    if (dice_once_in(dice, 20))
        return names[dice_roll(dice, NAMES)];
    return names[world->model.rule[dice_roll(dice, world->model.count)].name];
}

static void random_question(struct world *world, struct message *message, unsigned *key)
{
    static const enum message_kind kinds[] = {
        MESSAGE_ALLOW, MESSAGE_ALLOW, MESSAGE_ALLOW, MESSAGE_ALLOW, MESSAGE_ALLOW,
        MESSAGE_ALLOW, MESSAGE_ALLOW, MESSAGE_ALLOW, MESSAGE_STATUS,
    };
    struct dice *dice = &world->dice;
    *key = (unsigned)dice_roll(dice, KEYS);
    const char *name = random_limit_name(world);
    int rule = name == NULL ? model_match(&world->model, *key) : model_find(&world->model, name);
    *message = (struct message){
        .kind = dice_once_in(dice, 25)   ? MESSAGE_RESET
                : dice_once_in(dice, 10) ? MESSAGE_REFUND
                                         : kinds[dice_roll(dice, LENGTH(kinds))],
        .ask.bucket = {
            .key = keys[*key],
            .key_len = strlen(keys[*key]),
            .limit_name = name,
            .limit_name_len = name == NULL ? 0 : strlen(name),
            .tokens = random_tokens(world, rule, *key),
        },
    };
    memset(&message->answer, 0xa5, sizeof message->answer);
}

static void check_answer(struct world *world, const struct bucket_answer *answer,
                         const struct expected *expected)
{
    check(world, "the result", answer->result, expected->result);
    if (expected->rule < 0)
        return;
    const struct rule *rule = &world->model.rule[expected->rule];
    if (strcmp(answer->limit->name, names[rule->name]) != 0)
        fail_msg("world %" PRIu64 ": limit %s, the model says %s", world->number,
                 answer->limit->name, names[rule->name]);
    check(world, "remaining", answer->remaining_tokens, expected->remaining);
    check(world, "full_after_ms", answer->full_after_ms, expected->full_after_ms);
    check(world, "next_token_ms", answer->buckets[0].next_token_ms, expected->next_token_ms);
    check(world, "active", answer->active, expected->full_after_ms != 0);
    if (expected->result == BUCKET_TABLE_FULL)
        check(world, "a wait for room", answer->retry_after_ms != 0, true);
    else
        check(world, "retry_after_ms", answer->retry_after_ms, expected->retry_after_ms);
    bool waits = dice_once_in(&world->dice, 2) && answer->retry_after_ms != RETRY_NEVER;
    world->hint_ms = waits ? answer->retry_after_ms : answer->full_after_ms;
}

/* The level as a fraction, equal to the model's to the last bit. */
static void check_level(struct world *world, const struct rule *rule, unsigned key)
{
    uint64_t token_units;
    uint64_t units = brain_level_units(world->brain, keys[key], names[rule->name], 0, &token_units);
    check(world, "token_units", token_units, mpz_get_ui(mpq_denref(rule->step)));
    mpq_set_ui(scratch, units, token_units);
    mpq_canonicalize(scratch);
    mpq_t level;
    mpq_init(level);
    get_level(&world->model, rule, key, level);
    bool equal = mpq_equal(scratch, level);
    if (!equal)
        gmp_printf("level of key %u under %s: %Qd, the model says %Qd\n", key, names[rule->name],
                   scratch, level);
    mpq_clear(level);
    check(world, "whether the levels are equal", equal, true);
}

static void check_all_levels(struct world *world)
{
    for (unsigned i = 0; i < world->model.count; i++)
        for (unsigned key = 0; key < KEYS; key++)
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
        random_question(world, &messages[i], &asked[i]);
        batch[i] = &messages[i];
    }
    assert_int_equal(brain_answer(world->brain, batch, count), count);
    for (size_t i = 0; i < count; i++) {
        expected = model_answer(&world->model, &messages[i], asked[i]);
        check_answer(world, &messages[i].answer.bucket, &expected);
        world->decisions++;
    }
    if (expected.rule >= 0)
        check_level(world, &world->model.rule[expected.rule], asked[count - 1]);
}

/* ---- reloads ---- */

/* A new length of tick counts from a tick of the old one, where no part of one is at stake. */
static void change_tick(struct world *world)
{
    struct model *model = &world->model;
    if (model->now_ns != model->last_tick_ns)
        pass_to(world, model->last_tick_ns + model->tick_ms * NS_PER_MS);
    model->tick_ms = random_tick(&world->dice);
}

static void reload(struct world *world)
{
    if (dice_once_in(&world->dice, 4))
        change_tick(world);
    if (!dice_once_in(&world->dice, 5))
        choose_rules(world); /* else unchanged, unless by the tick */
    for (unsigned i = 0; i < world->model.count; i++) {
        if (!still_valid(&world->model.rule[i], world->model.tick_ms))
            random_terms(&world->dice, world->model.tick_ms, &world->model.rule[i]);
        set_step(&world->model.rule[i], world->model.tick_ms);
    }
    model_reload(&world->model);

    struct limits *limits = make_limits(&world->model);
    struct message message = {
        .kind = MESSAGE_LIMITS,
        .ask.limits = {.limits = limits, .when_full = world->model.when_full},
    };
    struct message *batch[] = {&message};
    while (brain_answer(world->brain, batch, 1) == 0)
        brain_sweep(world->brain);
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
        if (dice_once_in(&world->dice, 8))
            check_all_levels(world);
    }
}

/* This share, in percent, of all decisions, in worlds of equal size. */
static void for_each_world(const struct recipe *recipe, uint64_t percent,
                           void (*run)(struct world *, uint64_t decisions))
{
    uint64_t left = environment_number("ALLOWD_DECISIONS", 1000000) * percent / 100;
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
    static const struct recipe recipe = {.stream = 1, .rules_max = 1};
    for_each_world(&recipe, 35, live);
}

static void one_limit_and_its_reloads_decide_as_the_model(void **state)
{
    (void)state;
    static const struct recipe recipe = {.stream = 2, .rules_max = 1, .reloads = true};
    for_each_world(&recipe, 25, live);
}

static void several_limits_decide_as_the_model(void **state)
{
    (void)state;
    static const struct recipe recipe = {.stream = 3, .rules_max = NAMES};
    for_each_world(&recipe, 15, live);
}

static void several_limits_and_their_reloads_decide_as_the_model(void **state)
{
    (void)state;
    static const struct recipe recipe = {.stream = 4, .rules_max = NAMES, .reloads = true};
    for_each_world(&recipe, 15, live);
}

/* ---- a table too small for its keys ---- */

/* Whether this question needs room that the model says is not there. */
static bool needs_room(struct model *model, const struct message *message, int rule, unsigned key)
{
    uint64_t tokens = message->ask.bucket.tokens;
    return rule >= 0 && message->kind == MESSAGE_ALLOW && tokens > 0 &&
           tokens <= model->rule[rule].burst &&
           !bucket_of(model, &model->rule[rule], key)->drawn &&
           model_drawn(model) == model->max_keys;
}

static void get_lack(struct model *model, unsigned rule, unsigned key, mpq_t tokens)
{
    get_level(model, &model->rule[rule], key, scratch);
    set_u64(tokens, model->rule[rule].burst);
    mpq_sub(tokens, tokens, scratch);
}

static bool brain_forgot(struct world *world, unsigned rule, unsigned key)
{
    uint64_t token_units;
    const struct rule *terms = &world->model.rule[rule];
    return brain_level_units(world->brain, keys[key], names[terms->name], 0, &token_units) ==
           terms->burst * token_units;
}

/* Learns which bucket the brain gave away, one of those nearest to full, and
 * holds it to that: ties are the brain's to break. */
static void learn_eviction(struct world *world)
{
    struct model *model = &world->model;
    unsigned forgotten = 0, rule_of = 0, key_of = 0;
    mpq_t least, one;
    mpq_inits(least, one, NULL);
    set_u64(least, TOKENS_MAX);
    for (unsigned i = 0; i < model->count; i++) {
        for (unsigned key = 0; key < KEYS; key++) {
            if (!bucket_of(model, &model->rule[i], key)->drawn)
                continue;
            get_lack(model, i, key, one);
            if (mpq_cmp(one, least) < 0)
                mpq_set(least, one);
            if (brain_forgot(world, i, key)) {
                forgotten++;
                rule_of = i;
                key_of = key;
            }
        }
    }
    check(world, "the number of evicted buckets", forgotten, 1);
    get_lack(model, rule_of, key_of, one);
    bool nearest = mpq_equal(one, least);
    mpq_clears(least, one, NULL);
    check(world, "whether the evicted one was nearest to full", nearest, true);
    bucket_of(model, &model->rule[rule_of], key_of)->drawn = false;
}

static uint64_t count_evicted(struct brain *brain)
{
    struct daemon_answer answer;
    struct message message = {.kind = MESSAGE_DAEMON, .answer.daemon = &answer};
    struct message *batch[] = {&message};
    brain_answer(brain, batch, 1);
    return answer.counters.evicted;
}

static void ask_tiny(struct world *world)
{
    struct model *model = &world->model;
    struct message message, *batch[] = {&message};
    unsigned key;
    uint64_t evicted_before = count_evicted(world->brain);
    random_question(world, &message, &key);
    const char *name = message.ask.bucket.limit_name;
    int rule = name == NULL ? model_match(model, key) : model_find(model, name);
    bool evicts = model->when_full == WHEN_FULL_EVICT && needs_room(model, &message, rule, key);
    assert_int_equal(brain_answer(world->brain, batch, 1), 1);
    check(world, "evictions", count_evicted(world->brain) - evicted_before, evicts);
    if (evicts)
        learn_eviction(world);
    struct expected expected = model_answer(model, &message, key);
    check_answer(world, &message.answer.bucket, &expected);
    world->decisions++;
}

static void live_crowded(struct world *world, uint64_t decisions)
{
    while (world->decisions < decisions) {
        pass_time(world);
        if (world->recipe->reloads && dice_once_in(&world->dice, 40))
            reload(world);
        ask_tiny(world);
        check_all_levels(world);
    }
}

static void a_tiny_table_evicts_denies_and_allows_as_the_model(void **state)
{
    (void)state;
    static const struct recipe recipe = {
        .stream = 5, .rules_max = 3, .reloads = true, .tiny = true,
    };
    for_each_world(&recipe, 10, live_crowded);
}

static int setup(void **state)
{
    (void)state;
    invent_keys();
    mpq_inits(scratch, lack, NULL);
    mpz_init(whole);
    dice_seed();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mpz_clear(whole);
    mpq_clears(scratch, lack, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_limit_decides_as_the_model),
        cmocka_unit_test(one_limit_and_its_reloads_decide_as_the_model),
        cmocka_unit_test(several_limits_decide_as_the_model),
        cmocka_unit_test(several_limits_and_their_reloads_decide_as_the_model),
        cmocka_unit_test(a_tiny_table_evicts_denies_and_allows_as_the_model),
    };
    return cmocka_run_group_tests_name("decisions", tests, setup, teardown);
}
