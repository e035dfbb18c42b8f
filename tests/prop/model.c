#include "prop/model.h"

#include <assert.h>
#include <string.h>

const char *const model_names[MODEL_NAMES] = {LIMIT_DEFAULT_NAME, "api", "slow", "bulk", "x"};

char model_keys[MODEL_KEYS][KEY_MAX + 1];

/* Keys begin with "a", "b" or "c"; these are all that the globs look at. */
const char *const model_globs[MODEL_GLOBS] = {NULL, "a*", "b*", "[ab]*", "*", "?*"};
static const char *const first_letters[MODEL_GLOBS] = {"", "a", "b", "ab", "abc", "abc"};

const char *const model_networks[MODEL_NETWORKS] = {
    NULL, "a:10.1.2.3/32", "a:10.1.0.0/16", "a:0.0.0.0/0", "b-2001:db8::/32", "b-::/0",
};
const char *const model_addresses[MODEL_ADDRESSES] = {"a:10.1.2.3", "a:10.2.0.1", "b-2001:db8::"};
static const bool is_in[MODEL_NETWORKS][MODEL_ADDRESSES] = {
    {false, false, false}, {true, false, false}, {true, false, false},
    {true, true, false},   {false, false, true}, {false, false, true},
};

/* Numbers to reckon with, so that none is made and freed at every step. */
static mpq_t scratch, other, step, one_level;
static mpz_t whole;
static bool has_scratch;

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

static uint64_t ceil_u64(const mpq_t number)
{
    mpz_cdiv_q(whole, mpq_numref(number), mpq_denref(number));
    return whole_u64();
}

static uint64_t floor_u64(const mpq_t number)
{
    mpz_fdiv_q(whole, mpq_numref(number), mpq_denref(number));
    return whole_u64();
}

/* Tokens that a tick refills. */
static void set_step(struct rate rate, uint64_t tick_ms)
{
    mpq_set_ui(step, rate.tokens, rate.period_ms);
    mpq_canonicalize(step);
    mpq_set_ui(scratch, tick_ms, 1);
    mpq_mul(step, step, scratch);
}

uint64_t model_token_units(struct rate rate, uint64_t tick_ms)
{
    set_step(rate, tick_ms);
    return mpz_get_ui(mpq_denref(step));
}

void model_init(struct model *model)
{
    if (!has_scratch) {
        mpq_inits(scratch, other, step, one_level, NULL);
        mpz_init(whole);
        has_scratch = true;
    }
    memset(model, 0, sizeof *model);
    for (unsigned name = 0; name < MODEL_NAMES; name++)
        for (unsigned key = 0; key < MODEL_KEYS; key++)
            for (unsigned i = 0; i < BUCKETS_MAX; i++)
                mpq_init(model->buckets[name][key].level[i]);
}

void model_clear(struct model *model)
{
    for (unsigned name = 0; name < MODEL_NAMES; name++)
        for (unsigned key = 0; key < MODEL_KEYS; key++)
            for (unsigned i = 0; i < BUCKETS_MAX; i++)
                mpq_clear(model->buckets[name][key].level[i]);
}

/* ---- which terms ---- */

static bool glob_matches(unsigned glob, unsigned key)
{
    return strchr(first_letters[glob], model_keys[key][0]) != NULL;
}

int model_match(const struct model *model, unsigned key)
{
    int fallback = -1;
    for (unsigned i = 0; i < model->count; i++) {
        if (glob_matches(model->rule[i].glob, key))
            return (int)i;
        if (model->rule[i].name == 0)
            fallback = (int)i;
    }
    return fallback;
}

static int find_name(const struct model_rule *rules, unsigned count, unsigned name)
{
    for (unsigned i = 0; i < count; i++)
        if (rules[i].name == name)
            return (int)i;
    return -1;
}

int model_find(const struct model *model, const char *name)
{
    for (unsigned i = 0; i < model->count; i++)
        if (strcmp(model_names[model->rule[i].name], name) == 0)
            return (int)i;
    return -1;
}

static bool network_has(unsigned network, unsigned key)
{
    return key >= MODEL_FIRST_ADDRESS && is_in[network][key - MODEL_FIRST_ADDRESS];
}

/* The narrowest network that holds, or -1. */
static int network_at(const struct model_rule *rule, unsigned key, int64_t date_s)
{
    int found = -1;
    for (unsigned i = 0; i < rule->overrides_count; i++) {
        const struct model_override *override = &rule->override[i];
        if (override->key < 0 && network_has(override->network, key) &&
            override->until_s > date_s &&
            (found < 0 || override->network < rule->override[found].network))
            found = (int)i;
    }
    return found;
}

static int override_at(const struct model_rule *rule, unsigned key, int64_t date_s)
{
    for (unsigned i = 0; i < rule->overrides_count; i++)
        if (rule->override[i].key == (int)key && rule->override[i].until_s > date_s)
            return (int)i;
    int network = network_at(rule, key, date_s);
    if (network >= 0)
        return network;
    for (unsigned i = 0; i < rule->overrides_count; i++)
        if (rule->override[i].key < 0 && rule->override[i].network == 0 &&
            glob_matches(rule->override[i].glob, key) && rule->override[i].until_s > date_s)
            return (int)i;
    return -1;
}

int model_override(const struct model *model, const struct model_rule *rule, unsigned key)
{
    return override_at(rule, key, model->date_s);
}

static const struct model_terms *terms_at(const struct model_rule *rule, unsigned key,
                                          int64_t date_s)
{
    int override = override_at(rule, key, date_s);
    return override >= 0 && rule->override[override].action == OVERRIDE_TERMS
               ? &rule->override[override].terms
               : &rule->terms;
}

const struct model_terms *model_terms(const struct model *model, const struct model_rule *rule,
                                      unsigned key)
{
    return terms_at(rule, key, model->date_s);
}

static enum override_action action_of(const struct model *model, const struct model_rule *rule,
                                      unsigned key)
{
    int override = model_override(model, rule, key);
    return override < 0 ? OVERRIDE_TERMS : rule->override[override].action;
}

/* ---- levels ---- */

struct model_buckets *model_buckets_of(struct model *model, const struct model_rule *rule,
                                       unsigned key)
{
    return &model->buckets[rule->name][key];
}

void model_level(struct model *model, const struct model_rule *rule, unsigned key, unsigned bucket,
                 mpq_t level)
{
    const struct model_buckets *buckets = model_buckets_of(model, rule, key);
    if (buckets->drawn)
        mpq_set(level, buckets->level[bucket]);
    else
        set_u64(level, model_terms(model, rule, key)->bucket[bucket].burst);
}

void model_lack(struct model *model, const struct model_rule *rule, unsigned key, mpq_t lack)
{
    const struct model_terms *terms = model_terms(model, rule, key);
    set_u64(lack, 0);
    for (unsigned i = 0; i < terms->count; i++) {
        model_level(model, rule, key, i, scratch);
        set_u64(other, terms->bucket[i].burst);
        mpq_sub(other, other, scratch);
        if (mpq_cmp(other, lack) > 0)
            mpq_set(lack, other);
    }
}

bool model_owes(struct model *model, const struct model_rule *rule, unsigned key)
{
    const struct model_terms *terms = model_terms(model, rule, key);
    const struct model_buckets *buckets = model_buckets_of(model, rule, key);
    for (unsigned i = 0; buckets->drawn && i < terms->count; i++)
        if (mpq_sgn(buckets->level[i]) < 0)
            return true;
    return false;
}

static bool is_full(const mpq_t level, const struct bucket_terms *bucket)
{
    return mpq_cmp_ui(level, bucket->burst, 1) >= 0;
}

/* No bucket holds more than its burst; a key with nothing but full ones is forgotten. */
static void settle(struct model_buckets *buckets, const struct model_terms *terms)
{
    bool all_full = true;
    for (unsigned i = 0; i < terms->count; i++) {
        if (is_full(buckets->level[i], &terms->bucket[i]))
            set_u64(buckets->level[i], terms->bucket[i].burst);
        else
            all_full = false;
    }
    if (all_full)
        buckets->drawn = false;
}

/* Gives every bucket `tokens` tokens; takes them if sign is -1. */
static void add_tokens(struct model_buckets *buckets, const struct model_terms *terms, int sign,
                       uint64_t tokens)
{
    for (unsigned i = 0; i < terms->count; i++) {
        if (!buckets->drawn)
            set_u64(buckets->level[i], terms->bucket[i].burst);
        set_u64(scratch, tokens);
        if (sign < 0)
            mpq_sub(buckets->level[i], buckets->level[i], scratch);
        else
            mpq_add(buckets->level[i], buckets->level[i], scratch);
    }
    buckets->drawn = true;
    settle(buckets, terms);
}

/* Takes from each bucket what it may owe, into charged[] what that is. */
static void charge_tokens(struct model_buckets *buckets, const struct model_terms *terms,
                          uint64_t tokens, struct expected *expected)
{
    expected->charged = tokens;
    for (unsigned i = 0; i < terms->count; i++) {
        if (!buckets->drawn)
            set_u64(buckets->level[i], terms->bucket[i].burst);
        set_u64(scratch, terms->bucket[i].debt_max);
        mpq_add(scratch, scratch, buckets->level[i]);
        uint64_t most = floor_u64(scratch), charged = tokens < most ? tokens : most;
        set_u64(scratch, charged);
        mpq_sub(buckets->level[i], buckets->level[i], scratch);
        expected->bucket[i].charged_tokens = charged;
        expected->charged = charged < expected->charged ? charged : expected->charged;
    }
    buckets->drawn = true;
    settle(buckets, terms);
}

void model_advance(struct model *model, uint64_t now_ns)
{
    uint64_t tick_ns = model->tick_ms * NS_PER_MS;
    uint64_t ticks = (now_ns - model->last_tick_ns) / tick_ns;
    model->now_ns = now_ns;
    model->last_tick_ns += ticks * tick_ns;
    for (unsigned i = 0; ticks > 0 && i < model->count; i++)
        for (unsigned key = 0; key < MODEL_KEYS; key++) {
            struct model_buckets *buckets = model_buckets_of(model, &model->rule[i], key);
            const struct model_terms *terms = model_terms(model, &model->rule[i], key);
            for (unsigned j = 0; buckets->drawn && j < terms->count; j++) {
                set_step(terms->bucket[j].rate, model->tick_ms);
                set_u64(scratch, ticks);
                mpq_mul(scratch, scratch, step);
                mpq_add(buckets->level[j], buckets->level[j], scratch);
            }
            if (buckets->drawn)
                settle(buckets, terms);
        }
}

unsigned model_drawn(const struct model *model)
{
    unsigned drawn = 0;
    for (unsigned name = 0; name < MODEL_NAMES; name++)
        for (unsigned key = 0; key < MODEL_KEYS; key++)
            drawn += model->buckets[name][key].drawn;
    return drawn;
}

/* ---- changes ---- */

/* Rounds a level down to a unit of the line of a bucket, and forgives what it may not owe. */
static void round_down(mpq_t level, const struct bucket_terms *bucket, uint64_t tick_ms)
{
    uint64_t token_units = model_token_units(bucket->rate, tick_ms);
    set_u64(scratch, token_units);
    mpq_mul(level, level, scratch);
    mpz_fdiv_q(whole, mpq_numref(level), mpq_denref(level));
    mpq_set_z(level, whole);
    mpq_div(level, level, scratch);
    set_u64(scratch, bucket->debt_max);
    mpq_neg(scratch, scratch);
    if (mpq_cmp(level, scratch) < 0)
        mpq_set(level, scratch);
}

static int bucket_of_name(const struct model_terms *terms, const char *name)
{
    for (unsigned i = 0; i < terms->count; i++)
        if (strcmp(terms->bucket[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int scarcest(const struct model_buckets *buckets, const struct model_terms *terms)
{
    int found = -1;
    for (unsigned i = 0; i < terms->count; i++)
        if (!is_full(buckets->level[i], &terms->bucket[i]) &&
            (found < 0 || mpq_cmp(buckets->level[i], buckets->level[found]) < 0))
            found = (int)i;
    return found;
}

static void carry(struct model_buckets *buckets, const struct model_terms *from,
                  const struct model_terms *to, uint64_t tick_ms)
{
    int source[BUCKETS_MAX];
    bool some_stay = false;
    mpq_t before[BUCKETS_MAX];
    for (unsigned i = 0; i < to->count; i++) {
        source[i] = bucket_of_name(from, to->bucket[i].name);
        some_stay |= source[i] >= 0;
    }
    if (!some_stay)
        source[0] = scarcest(buckets, from);
    for (unsigned i = 0; i < BUCKETS_MAX; i++) {
        mpq_init(before[i]);
        mpq_set(before[i], buckets->level[i]);
    }
    for (unsigned i = 0; i < to->count; i++) {
        bool full = source[i] < 0 || is_full(before[source[i]], &from->bucket[source[i]]);
        if (full) {
            set_u64(buckets->level[i], to->bucket[i].burst);
        } else {
            mpq_set(buckets->level[i], before[source[i]]);
            round_down(buckets->level[i], &to->bucket[i], tick_ms);
        }
    }
    for (unsigned i = 0; i < BUCKETS_MAX; i++)
        mpq_clear(before[i]);
    settle(buckets, to);
}

void model_date(struct model *model, int64_t date_s)
{
    for (unsigned i = 0; i < model->count; i++)
        for (unsigned key = 0; key < MODEL_KEYS; key++) {
            struct model_buckets *buckets = model_buckets_of(model, &model->rule[i], key);
            const struct model_terms *from = terms_at(&model->rule[i], key, model->date_s);
            const struct model_terms *to = terms_at(&model->rule[i], key, date_s);
            if (buckets->drawn && from != to)
                carry(buckets, from, to, model->tick_ms);
        }
    model->date_s = date_s;
}

/* The rule before of which a rule goes on: of its name, else of the one that it had; or -1. */
static int find_before(const struct model *model, const struct model_rule *rule)
{
    int found = find_name(model->rule, model->count, rule->name);
    return found < 0 && rule->was > 0 ? find_name(model->rule, model->count, rule->was) : found;
}

/* What a renamed rule had goes to its new name, which none had before. */
static void rename_buckets(struct model *model, const struct model_rule *rules, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int before = find_before(model, &rules[i]);
        if (before < 0 || model->rule[before].name == rules[i].name)
            continue;
        for (unsigned key = 0; key < MODEL_KEYS; key++) {
            struct model_buckets *from = &model->buckets[rules[i].was][key];
            struct model_buckets *to = &model->buckets[rules[i].name][key], empty = *to;
            *to = *from;
            *from = empty;
        }
    }
}

void model_change(struct model *model, const struct model_rule *rules, unsigned count,
                  uint64_t tick_ms)
{
    rename_buckets(model, rules, count);
    for (unsigned name = 0; name < MODEL_NAMES; name++) {
        int after = find_name(rules, count, name);
        int before = after < 0 ? -1 : find_before(model, &rules[after]);
        for (unsigned key = 0; key < MODEL_KEYS; key++) {
            struct model_buckets *buckets = &model->buckets[name][key];
            if (after < 0)
                buckets->drawn = false;
            else if (buckets->drawn)
                carry(buckets, model_terms(model, &model->rule[before], key),
                      terms_at(&rules[after], key, model->date_s), tick_ms);
        }
    }
    memcpy(model->rule, rules, count * sizeof rules[0]);
    model->count = count;
    model->tick_ms = tick_ms;
}

/* ---- answers ---- */

/* Milliseconds until a level is `need` tokens: whole ticks, rounded up. */
static uint64_t wait_ms(const struct model *model, const struct bucket_terms *bucket,
                        const mpq_t level, uint64_t need)
{
    set_step(bucket->rate, model->tick_ms);
    set_u64(other, need);
    mpq_sub(other, other, level);
    if (mpq_sgn(other) <= 0)
        return 0;
    mpq_div(other, other, step);
    mpz_cdiv_q(whole, mpq_numref(other), mpq_denref(other));
    return whole_u64() * model->tick_ms;
}

static bool holds(struct model *model, const struct model_rule *rule, unsigned key, unsigned bucket,
                  uint64_t tokens)
{
    model_level(model, rule, key, bucket, one_level);
    set_u64(scratch, tokens);
    return mpq_cmp(one_level, scratch) >= 0;
}

static bool exceeds(const struct model_terms *terms, uint64_t tokens)
{
    for (unsigned i = 0; i < terms->count; i++)
        if (tokens > terms->bucket[i].burst)
            return true;
    return false;
}

/* What buckets say to so many tokens, room in the table aside. */
static enum bucket_result look(struct model *model, const struct model_rule *rule, unsigned key,
                               uint64_t tokens)
{
    const struct model_terms *terms = model_terms(model, rule, key);
    enum override_action action = action_of(model, rule, key);
    if (action == OVERRIDE_ALLOW)
        return BUCKET_ALWAYS;
    if (tokens == 0)
        return BUCKET_ALLOWED;
    if (action == OVERRIDE_DENY)
        return BUCKET_NEVER;
    if (exceeds(terms, tokens))
        return BUCKET_EXCEEDS_BURST;
    for (unsigned i = 0; i < terms->count; i++)
        if (!holds(model, rule, key, i, tokens))
            return BUCKET_DENIED;
    return BUCKET_ALLOWED;
}

static uint64_t longest_wait_ms(struct model *model, const struct model_rule *rule, unsigned key,
                                uint64_t tokens)
{
    const struct model_terms *terms = model_terms(model, rule, key);
    uint64_t longest = 0;
    if (exceeds(terms, tokens))
        return RETRY_NEVER;
    for (unsigned i = 0; i < terms->count; i++) {
        model_level(model, rule, key, i, one_level);
        uint64_t ms = wait_ms(model, &terms->bucket[i], one_level, tokens);
        longest = ms > longest ? ms : longest;
    }
    return longest;
}

static uint64_t ends_after_ms(const struct model *model, const struct model_rule *rule,
                              unsigned key)
{
    int64_t until_s = model->date_s;
    int at = model_override(model, rule, key);
    for (; at >= 0 && rule->override[at].action == OVERRIDE_DENY;
         at = override_at(rule, key, until_s))
        until_s = rule->override[at].until_s;
    return until_s == OVERRIDE_FOR_EVER ? RETRY_NEVER
                                        : (uint64_t)(until_s - model->date_s) * MS_PER_S;
}

static uint64_t retry_after_ms(struct model *model, const struct model_rule *rule, unsigned key,
                               uint64_t tokens, enum bucket_result result)
{
    uint64_t wait, ends;
    switch ((int)result) {
    case BUCKET_DENIED:
        return longest_wait_ms(model, rule, key, tokens);
    case BUCKET_EXCEEDS_BURST:
        return RETRY_NEVER;
    case BUCKET_NEVER:
        wait = longest_wait_ms(model, rule, key, tokens);
        ends = ends_after_ms(model, rule, key);
        return wait > ends ? wait : ends;
    default:
        return 0;
    }
}

static void describe_bucket(struct model *model, const struct model_rule *rule, unsigned key,
                            unsigned bucket, struct bucket_state *state)
{
    const struct bucket_terms *terms = &model_terms(model, rule, key)->bucket[bucket];
    *state = (struct bucket_state){
        .remaining_tokens = terms->burst,
        .charged_tokens = state->charged_tokens,
    };
    if (action_of(model, rule, key) == OVERRIDE_ALLOW)
        return;
    model_level(model, rule, key, bucket, one_level);
    state->remaining_tokens = mpq_sgn(one_level) < 0 ? 0 : floor_u64(one_level);
    mpq_neg(scratch, one_level);
    state->owed_tokens = mpq_sgn(scratch) < 0 ? 0 : ceil_u64(scratch);
    state->full_after_ms = wait_ms(model, terms, one_level, terms->burst);
    state->next_token_ms = state->full_after_ms == 0
                               ? 0
                               : wait_ms(model, terms, one_level, state->remaining_tokens + 1);
    if (action_of(model, rule, key) == OVERRIDE_DENY) {
        state->remaining_tokens = 0;
        state->next_token_ms = ends_after_ms(model, rule, key);
    }
}

static void describe(struct model *model, unsigned key, uint64_t tokens, struct expected *expected)
{
    const struct model_rule *rule = &model->rule[expected->rule];
    const struct model_terms *terms = model_terms(model, rule, key);
    expected->override = model_override(model, rule, key);
    expected->retry_after_ms = retry_after_ms(model, rule, key, tokens, expected->result);
    expected->remaining = UINT64_MAX;
    expected->owed = expected->full_after_ms = 0;
    for (unsigned i = 0; i < terms->count; i++) {
        struct bucket_state *state = &expected->bucket[i];
        describe_bucket(model, rule, key, i, state);
        state->violated =
            (expected->result == BUCKET_DENIED && !holds(model, rule, key, i, tokens)) ||
            (expected->result == BUCKET_EXCEEDS_BURST && tokens > terms->bucket[i].burst);
        if (state->remaining_tokens < expected->remaining)
            expected->remaining = state->remaining_tokens;
        if (state->owed_tokens > expected->owed)
            expected->owed = state->owed_tokens;
        if (state->full_after_ms > expected->full_after_ms)
            expected->full_after_ms = state->full_after_ms;
    }
}

static int rule_of(const struct model *model, const struct bucket_question *ask, unsigned key)
{
    return ask->limit_name == NULL ? model_match(model, key) : model_find(model, ask->limit_name);
}

/* Whether taking would make the model remember a key that it does not yet. */
static bool remembers_another(struct model *model, const struct model_rule *rule, unsigned key,
                              uint64_t tokens)
{
    return tokens > 0 && !model_buckets_of(model, rule, key)->drawn &&
           look(model, rule, key, tokens) == BUCKET_ALLOWED;
}

/* The same of a charge, which is for every key but those that are never limited. */
static bool charge_remembers_another(struct model *model, const struct model_rule *rule,
                                     unsigned key, uint64_t tokens)
{
    return tokens > 0 && !model_buckets_of(model, rule, key)->drawn &&
           action_of(model, rule, key) != OVERRIDE_ALLOW;
}

static bool needs_room(struct model *model, enum message_kind kind,
                       const struct bucket_question *ask, unsigned key)
{
    int rule = rule_of(model, ask, key);
    if (rule < 0 || model_drawn(model) < model->max_keys)
        return false;
    if (kind == MESSAGE_CHARGE)
        return charge_remembers_another(model, &model->rule[rule], key, ask->tokens);
    return kind == MESSAGE_ALLOW && remembers_another(model, &model->rule[rule], key, ask->tokens);
}

/* Whether a key is remembered that may be forgotten. */
static bool can_evict(struct model *model)
{
    for (unsigned i = 0; i < model->count; i++)
        for (unsigned key = 0; key < MODEL_KEYS; key++)
            if (model_buckets_of(model, &model->rule[i], key)->drawn &&
                !model_owes(model, &model->rule[i], key))
                return true;
    return false;
}

bool model_evicts(struct model *model, enum message_kind kind, const struct bucket_question *ask,
                  unsigned key)
{
    return needs_room(model, kind, ask, key) && can_evict(model) &&
           (kind == MESSAGE_CHARGE || model->when_full == WHEN_FULL_EVICT);
}

static enum bucket_result without_room(const struct model *model)
{
    return model->when_full == WHEN_FULL_ALLOW ? BUCKET_UNCOUNTED : BUCKET_TABLE_FULL;
}

static void take(struct model *model, const struct model_rule *rule, unsigned key, uint64_t tokens)
{
    if (tokens > 0)
        add_tokens(model_buckets_of(model, rule, key), model_terms(model, rule, key), -1, tokens);
}

static enum bucket_result charge(struct model *model, const struct model_rule *rule, unsigned key,
                                 const struct bucket_question *ask, struct expected *expected)
{
    if (action_of(model, rule, key) == OVERRIDE_ALLOW)
        return BUCKET_ALWAYS;
    if (needs_room(model, MESSAGE_CHARGE, ask, key))
        return BUCKET_TABLE_FULL;
    if (ask->tokens > 0)
        charge_tokens(model_buckets_of(model, rule, key), model_terms(model, rule, key),
                      ask->tokens, expected);
    return BUCKET_ALLOWED;
}

struct expected model_answer(struct model *model, enum message_kind kind,
                             const struct bucket_question *ask, unsigned key)
{
    struct expected expected = {.result = BUCKET_NO_SUCH_LIMIT, .rule = rule_of(model, ask, key)};
    if (expected.rule < 0)
        return expected;
    const struct model_rule *rule = &model->rule[expected.rule];
    struct model_buckets *buckets = model_buckets_of(model, rule, key);
    expected.result = BUCKET_ALLOWED;
    if (kind == MESSAGE_ALLOW) {
        expected.result = needs_room(model, kind, ask, key) ? without_room(model)
                                                            : look(model, rule, key, ask->tokens);
        if (expected.result == BUCKET_ALLOWED)
            take(model, rule, key, ask->tokens);
    }
    if (kind == MESSAGE_CHARGE)
        expected.result = charge(model, rule, key, ask, &expected);
    if (kind == MESSAGE_RESET)
        buckets->drawn = false;
    if (kind == MESSAGE_REFUND && buckets->drawn)
        add_tokens(buckets, model_terms(model, rule, key), 1, ask->tokens);
    describe(model, key, ask->tokens, &expected);
    return expected;
}

/* ---- all or none ---- */

static bool says_yes(enum bucket_result result)
{
    return result == BUCKET_ALLOWED || result == BUCKET_UNCOUNTED || result == BUCKET_ALWAYS;
}

bool model_answer_all(struct model *model, const struct bucket_question *const *asks,
                      const unsigned *keys, unsigned count, struct expected *expected,
                      uint64_t *retry_after)
{
    uint64_t sums[MODEL_NAMES][MODEL_KEYS] = {{0}};
    int results[MODEL_NAMES][MODEL_KEYS];
    unsigned reserved = model_drawn(model);
    bool allowed = true;
    memset(results, 0xff, sizeof results);
    for (unsigned i = 0; i < count; i++) {
        expected[i].rule = rule_of(model, asks[i], keys[i]);
        assert_true(expected[i].rule >= 0);
        sums[expected[i].rule][keys[i]] += asks[i]->tokens;
    }
    for (unsigned i = 0; i < count; i++) {
        const struct model_rule *rule = &model->rule[expected[i].rule];
        uint64_t tokens = sums[expected[i].rule][keys[i]];
        int *result = &results[expected[i].rule][keys[i]];
        if (*result >= 0)
            continue;
        *result = (int)look(model, rule, keys[i], tokens);
        if (model->when_full != WHEN_FULL_EVICT &&
            remembers_another(model, rule, keys[i], tokens) && reserved++ >= model->max_keys) {
            *result = (int)without_room(model);
            reserved--;
        }
        allowed &= says_yes((enum bucket_result) * result) || rule->shadow;
    }
    *retry_after = 0;
    for (unsigned i = 0; i < count; i++) {
        expected[i].result = (enum bucket_result)results[expected[i].rule][keys[i]];
        if (allowed && expected[i].result == BUCKET_ALLOWED)
            take(model, &model->rule[expected[i].rule], keys[i], asks[i]->tokens);
    }
    for (unsigned i = 0; i < count; i++) {
        const struct model_rule *rule = &model->rule[expected[i].rule];
        if (!allowed && says_yes(expected[i].result))
            expected[i].result = BUCKET_HELD_BACK;
        describe(model, keys[i], sums[expected[i].rule][keys[i]], &expected[i]);
        if (!rule->shadow && expected[i].retry_after_ms > *retry_after)
            *retry_after = expected[i].retry_after_ms;
    }
    return allowed;
}
