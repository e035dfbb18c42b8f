#include "prop/sim.h"

#include <assert.h>
#include <string.h>

const char *const sim_names[SIM_NAMES] = {LIMIT_DEFAULT_NAME, "api", "slow"};
const char *const sim_keys[SIM_KEYS] = {"a", "ab", "b",
                                        "b-a-key-of-more-than-one-cell-of-the-table", "c"};
const char *const sim_globs[SIM_GLOBS] = {NULL, "a*", "b*", "*"};
static const char *const first_letters[SIM_GLOBS] = {"", "a", "b", "abc"};

enum { GUESSED_RETRY_MS = 1000 }; /* where nobody can say */

/* ---- numbers ---- */

static int64_t common(int64_t a, int64_t b)
{
    return b == 0 ? a : common(b, a % b);
}

int64_t sim_token(const struct bucket_terms *bucket, uint64_t tick_ms)
{
    if (bucket->holds_slots)
        return 1;
    int64_t period = (int64_t)bucket->rate.period_ms;
    return period / common(period, (int64_t)(bucket->rate.tokens * tick_ms));
}

int64_t sim_step(const struct bucket_terms *bucket, uint64_t tick_ms)
{
    if (bucket->holds_slots)
        return 0;
    int64_t refill = (int64_t)(bucket->rate.tokens * tick_ms);
    return refill / common((int64_t)bucket->rate.period_ms, refill);
}

int64_t sim_cap(const struct bucket_terms *bucket, uint64_t tick_ms)
{
    return (int64_t)bucket->burst * sim_token(bucket, tick_ms);
}

/* Both need not be positive; b is. */
static int64_t floor_of(__int128 a, int64_t b)
{
    return (int64_t)(a >= 0 ? a / b : -((-a + b - 1) / b));
}

static int64_t ceil_of(__int128 a, int64_t b)
{
    return -floor_of(-a, b);
}

static uint64_t ms_until(uint64_t now_ns, uint64_t then_ns)
{
    return then_ns <= now_ns ? 0 : (then_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
}

/* ---- which terms ---- */

static bool glob_matches(unsigned glob, unsigned key)
{
    return strchr(first_letters[glob], sim_keys[key][0]) != NULL;
}

int sim_match(const struct sim *sim, unsigned key)
{
    for (unsigned i = 0; i < sim->count; i++)
        if (sim->rule[i].glob != 0 && glob_matches(sim->rule[i].glob, key))
            return (int)i;
    return sim_find(sim, 0);
}

static int find_name(const struct sim_rule *rules, unsigned count, unsigned name)
{
    for (unsigned i = 0; i < count; i++)
        if (rules[i].name == name)
            return (int)i;
    return -1;
}

int sim_find(const struct sim *sim, unsigned name)
{
    return find_name(sim->rule, sim->count, name);
}

static int override_at(const struct sim_rule *rule, unsigned key, int64_t date_s)
{
    for (unsigned i = 0; i < rule->overrides_count; i++)
        if (rule->override[i].key == (int)key && rule->override[i].until_s > date_s)
            return (int)i;
    for (unsigned i = 0; i < rule->overrides_count; i++)
        if (rule->override[i].key < 0 && glob_matches(rule->override[i].glob, key) &&
            rule->override[i].until_s > date_s)
            return (int)i;
    return -1;
}

static const struct sim_terms *terms_at(const struct sim_rule *rule, unsigned key, int64_t date_s)
{
    int override = override_at(rule, key, date_s);
    return override >= 0 && rule->override[override].action == OVERRIDE_TERMS
               ? &rule->override[override].terms
               : &rule->terms;
}

int sim_override(const struct sim *sim, const struct sim_rule *rule, unsigned key)
{
    return override_at(rule, key, sim->date_s);
}

const struct sim_terms *sim_terms(const struct sim *sim, const struct sim_rule *rule, unsigned key)
{
    return terms_at(rule, key, sim->date_s);
}

static enum override_action action_of(const struct sim *sim, const struct sim_rule *rule,
                                      unsigned key)
{
    int override = sim_override(sim, rule, key);
    return override < 0 ? OVERRIDE_TERMS : rule->override[override].action;
}

static bool has(const struct sim_terms *terms, bool slots)
{
    for (unsigned i = 0; i < terms->count; i++)
        if (terms->bucket[i].holds_slots == slots)
            return true;
    return false;
}

/* ---- one key ---- */

/* What is asked about, as it is now. */
struct view {
    struct sim *sim;
    const struct sim_rule *rule;
    const struct sim_terms *terms;
    struct sim_bucket *bucket;
    unsigned key;
    int64_t token[BUCKETS_MAX], step[BUCKETS_MAX], cap[BUCKETS_MAX];
};

static struct view view_of(const struct sim *sim, const struct sim_rule *rule, unsigned key)
{
    struct view view = {.sim = (struct sim *)sim,
                        .rule = rule,
                        .terms = sim_terms(sim, rule, key),
                        .bucket = (struct sim_bucket *)&sim->bucket[rule->name][key],
                        .key = key};
    for (unsigned i = 0; i < view.terms->count; i++) {
        view.token[i] = sim_token(&view.terms->bucket[i], sim->tick_ms);
        view.step[i] = sim_step(&view.terms->bucket[i], sim->tick_ms);
        view.cap[i] = sim_cap(&view.terms->bucket[i], sim->tick_ms);
    }
    return view;
}

static bool holds_slots(const struct view *view, unsigned i)
{
    return view->terms->bucket[i].holds_slots;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t content(const struct view *view, unsigned i)
{
    return least(view->bucket->level[i], view->cap[i]);
}

static int64_t charges(const struct view *view, unsigned i)
{
    int64_t sum = 0;
    for (unsigned j = 0; j < view->bucket->count; j++)
        sum += view->bucket->item[j].is_charge ? view->bucket->item[j].charge[i] : 0;
    return sum;
}

static unsigned waiters(const struct view *view)
{
    unsigned count = 0;
    for (unsigned j = 0; j < view->bucket->count; j++)
        count += !view->bucket->item[j].is_charge;
    return count;
}

/* The last tick by the time of leases. A reload that makes ticks shorter ends none. */
static uint64_t lived_ns(const struct sim *sim)
{
    return sim->lease_tick_ns + sim->lived_offset_ns;
}

static bool is_held(const struct sim *sim, const struct sim_lease *lease)
{
    return lease->number != 0 && lease->state == LEASE_HELD && lease->due_ns > lived_ns(sim);
}

uint64_t sim_slots(const struct sim *sim, unsigned name, unsigned key)
{
    uint64_t slots = 0;
    for (unsigned i = 0; i < SIM_LEASES_MAX; i++) {
        const struct sim_lease *lease = &sim->lease[i];
        if (is_held(sim, lease) && !lease->is_lost && lease->name == name && lease->key == key)
            slots += lease->slots;
    }
    return slots;
}

/* Milliseconds, in whole ticks, until a lease ends. */
static uint64_t ms_to_end(const struct sim *sim, uint64_t due_ns)
{
    uint64_t tick_ns = sim->tick_ms * NS_PER_MS, lived = lived_ns(sim);
    return due_ns <= lived ? 0 : (due_ns - lived + tick_ns - 1) / tick_ns * sim->tick_ms;
}

static uint64_t earliest_end_ms(const struct view *view)
{
    uint64_t earliest = RETRY_NEVER;
    for (unsigned i = 0; i < SIM_LEASES_MAX; i++) {
        const struct sim_lease *lease = &view->sim->lease[i];
        if (!is_held(view->sim, lease) || lease->is_lost || lease->slots == 0 ||
            lease->name != view->rule->name || lease->key != view->key)
            continue;
        uint64_t ms = ms_to_end(view->sim, lease->due_ns);
        earliest = ms < earliest ? ms : earliest;
    }
    return earliest == RETRY_NEVER ? GUESSED_RETRY_MS : earliest;
}

/* ---- looking ahead ---- */

/* How the buckets will be when those in the queue have got what they want. */
struct ahead {
    uint64_t ticks; /* from now */
    int64_t level[BUCKETS_MAX];
    uint64_t slots; /* taken */
    bool is_blocked;
};

static struct ahead ahead_of(const struct view *view)
{
    struct ahead ahead = {.slots = sim_slots(view->sim, view->rule->name, view->key)};
    for (unsigned i = 0; i < view->terms->count; i++)
        ahead.level[i] = content(view, i);
    return ahead;
}

static bool lacks_slots(const struct view *view, const struct ahead *ahead,
                        const struct sim_ask *ask)
{
    for (unsigned i = 0; i < view->terms->count; i++)
        if (holds_slots(view, i) && ahead->slots + ask->slots > view->terms->bucket[i].burst)
            return true;
    return false;
}

/* Ticks until all buckets that ticks fill hold what is wanted. */
static uint64_t ticks_until(const struct view *view, const struct ahead *ahead, uint64_t tokens)
{
    int64_t longest = 0;
    for (unsigned i = 0; i < view->terms->count; i++) {
        if (holds_slots(view, i))
            continue;
        __int128 lack = (__int128)tokens * view->token[i] - ahead->level[i];
        int64_t ticks = lack <= 0 ? 0 : ceil_of(lack, view->step[i]);
        longest = ticks > longest ? ticks : longest;
    }
    return (uint64_t)longest;
}

static void look_ahead(const struct view *view, struct ahead *ahead, const struct sim_item *item)
{
    if (item->is_charge) {
        for (unsigned i = 0; i < view->terms->count; i++)
            ahead->level[i] -= item->charge[i];
        return;
    }
    ahead->is_blocked |= lacks_slots(view, ahead, &item->ask);
    uint64_t ticks = ticks_until(view, ahead, item->ask.tokens);
    for (unsigned i = 0; i < view->terms->count; i++) {
        if (holds_slots(view, i))
            continue;
        ahead->level[i] = least(view->cap[i], ahead->level[i] + (int64_t)ticks * view->step[i]) -
                          (int64_t)item->ask.tokens * view->token[i];
    }
    ahead->ticks += ticks;
    ahead->slots += has(view->terms, true) ? item->ask.slots : 0;
}

static struct ahead tail_of(const struct view *view)
{
    struct ahead ahead = ahead_of(view);
    for (unsigned j = 0; j < view->bucket->count; j++)
        look_ahead(view, &ahead, &view->bucket->item[j]);
    return ahead;
}

/* ---- deciding ---- */

bool sim_is_known(const struct sim *sim, const struct sim_rule *rule, unsigned key)
{
    struct view view = view_of(sim, rule, key);
    bool is = view.bucket->count > 0 || view.bucket->is_apart;
    for (unsigned i = 0; i < view.terms->count; i++)
        is |= content(&view, i) < view.cap[i];
    return is;
}

bool sim_is_pinned(const struct sim *sim, const struct sim_rule *rule, unsigned key)
{
    struct view view = view_of(sim, rule, key);
    bool is = view.bucket->count > 0 || view.bucket->is_apart;
    for (unsigned i = 0; i < view.terms->count; i++)
        is |= content(&view, i) < 0;
    return is;
}

void sim_forget(struct sim *sim, const struct sim_rule *rule, unsigned key)
{
    struct view view = view_of(sim, rule, key);
    memcpy(view.bucket->level, view.cap, sizeof view.cap);
}

/* Whether there is no room for this key, as all that there is room for are pinned. */
static bool has_no_room(const struct view *view)
{
    unsigned known = 0, pinned = 0;
    if (view->sim->max_keys == 0 || sim_is_known(view->sim, view->rule, view->key))
        return false;
    for (unsigned i = 0; i < view->sim->count; i++)
        for (unsigned key = 0; key < SIM_KEYS; key++) {
            known += sim_is_known(view->sim, &view->sim->rule[i], key);
            pinned += sim_is_pinned(view->sim, &view->sim->rule[i], key);
        }
    return known >= view->sim->max_keys && pinned == known;
}

struct verdict {
    enum bucket_result result;
    bool waits, is_promised;
    uint64_t retry_after_ms;
};

static bool exceeds(const struct view *view, const struct sim_ask *ask)
{
    for (unsigned i = 0; i < view->terms->count; i++)
        if ((holds_slots(view, i) ? ask->slots : ask->tokens) > view->terms->bucket[i].burst)
            return true;
    return false;
}

static bool wants_nothing(const struct sim_ask *ask)
{
    return ask->tokens == 0 && ask->kind != MESSAGE_ACQUIRE;
}

static uint64_t denied_for_ms(const struct view *view)
{
    int64_t until_s = view->sim->date_s;
    int at = sim_override(view->sim, view->rule, view->key);
    for (; at >= 0 && view->rule->override[at].action == OVERRIDE_DENY;
         at = override_at(view->rule, view->key, until_s))
        until_s = view->rule->override[at].until_s;
    return until_s == OVERRIDE_FOR_EVER ? RETRY_NEVER
                                        : (uint64_t)(until_s - view->sim->date_s) * MS_PER_S;
}

/* What those in the queue want of a bucket; all, or those who have a promise. */
static int64_t wanted_by(const struct view *view, unsigned i, bool all)
{
    int64_t units = 0;
    for (unsigned j = 0; j < view->bucket->count; j++) {
        const struct sim_item *item = &view->bucket->item[j];
        if (!item->is_charge && (all || item->is_promised))
            units += (int64_t)(holds_slots(view, i) ? item->ask.slots : item->ask.tokens) *
                     view->token[i];
    }
    return units;
}

static int64_t wanted(const struct view *view, unsigned i)
{
    return wanted_by(view, i, true);
}

static int64_t promised(const struct view *view, unsigned i)
{
    return wanted_by(view, i, false);
}

/* What a bucket is shown to hold: what is promised, and charges behind, are taken. */
static int64_t shown(const struct view *view, unsigned i)
{
    int64_t units = holds_slots(view, i)
                        ? view->cap[i] - (int64_t)sim_slots(view->sim, view->rule->name, view->key)
                        : content(view, i);
    return units - promised(view, i) - charges(view, i);
}

/* Behind the tail: when the same would succeed. Where slots are lacking nobody can say: not before the
 * next lease ends, nor before its tokens are there behind what is promised. */
static uint64_t retry_ms(const struct view *view, const struct sim_ask *ask,
                         const struct ahead *tail)
{
    uint64_t tick_ms = view->sim->tick_ms;
    if (!tail->is_blocked && !lacks_slots(view, tail, ask))
        return (tail->ticks + ticks_until(view, tail, ask->tokens)) * tick_ms;
    struct ahead behind = *tail;
    for (unsigned i = 0; tail->is_blocked && i < view->terms->count; i++)
        behind.level[i] = shown(view, i);
    if (tail->is_blocked)
        behind.ticks = 0;
    uint64_t ms = (behind.ticks + ticks_until(view, &behind, ask->tokens)) * tick_ms;
    uint64_t end_ms = earliest_end_ms(view);
    return end_ms > ms ? end_ms : ms;
}

static struct verdict consider(const struct view *view, const struct sim_item *item, bool may_wait)
{
    bool is_patient = item->is_patient;
    const struct sim_ask *ask = &item->ask;
    struct verdict verdict = {.result = BUCKET_ALLOWED};
    enum override_action action = action_of(view->sim, view->rule, view->key);
    if (action == OVERRIDE_ALLOW) {
        verdict.result = BUCKET_ALWAYS;
        return verdict;
    }
    if (wants_nothing(ask))
        return verdict;
    struct ahead tail = tail_of(view);
    if (exceeds(view, ask)) {
        verdict.result = action == OVERRIDE_DENY ? BUCKET_NEVER : BUCKET_EXCEEDS_BURST;
        verdict.retry_after_ms = RETRY_NEVER;
        return verdict;
    }
    verdict.retry_after_ms = retry_ms(view, ask, &tail);
    if (action == OVERRIDE_DENY) {
        uint64_t denied_ms = denied_for_ms(view);
        verdict.result = BUCKET_NEVER;
        if (denied_ms > verdict.retry_after_ms)
            verdict.retry_after_ms = denied_ms;
        return verdict;
    }
    bool is_blocked = tail.is_blocked || lacks_slots(view, &tail, ask);
    struct ahead now = ahead_of(view); /* who is blocked waits unless ticks alone take too long */
    uint64_t ticks = is_blocked ? ticks_until(view, &now, ask->tokens)
                                : tail.ticks + ticks_until(view, &tail, ask->tokens);
    if (ticks == 0 && !is_blocked && waiters(view) == 0) {
        bool is_full = has_no_room(view);
        verdict.result = is_full ? BUCKET_TABLE_FULL : BUCKET_ALLOWED;
        verdict.retry_after_ms = is_full ? GUESSED_RETRY_MS : 0;
        return verdict;
    }
    verdict.result = BUCKET_DENIED;
    uint64_t due_ns = view->sim->last_tick_ns + ticks * view->sim->tick_ms * NS_PER_MS;
    bool is_in_vain = due_ns > item->deadline_ns && !(is_blocked && is_patient);
    if (!may_wait || is_in_vain || view->rule->shadow)
        return verdict;
    if (view->sim->waiting >= view->sim->max_waiting || waiters(view) >= view->sim->per_key) {
        verdict.result = BUCKET_TOO_MANY_WAITING;
        return verdict;
    }
    verdict.waits = true;
    verdict.is_promised = !is_blocked;
    return verdict;
}

static void take(const struct view *view, const struct sim_ask *ask)
{
    for (unsigned i = 0; !wants_nothing(ask) && i < view->terms->count; i++)
        if (!holds_slots(view, i))
            view->bucket->level[i] = content(view, i) - (int64_t)ask->tokens * view->token[i];
}

static struct sim_lease *find_lease(struct sim *sim, unsigned number)
{
    for (unsigned i = 0; i < SIM_LEASES_MAX; i++)
        if (sim->lease[i].number == number)
            return &sim->lease[i];
    return NULL;
}

/* A yes of ACQUIRE; if nothing was taken the lease holds nothing. */
static void grant(const struct view *view, const struct sim_ask *ask, bool has_taken,
                  struct sim_answer *answer)
{
    struct sim *sim = view->sim;
    struct sim_lease *lease = find_lease(sim, 0);
    assert_non_null(lease);
    *lease = (struct sim_lease){
        .number = ask->lease,
        .state = LEASE_HELD,
        .key = view->key,
        .name = view->rule->name,
        .tokens = has_taken && has(view->terms, false) ? ask->tokens : 0,
        .slots = has_taken ? ask->slots : 0,
        .ttl_ms = ask->ttl_ms,
        .due_ns = sim->now_ns + sim->lived_offset_ns + ask->ttl_ms * (uint64_t)NS_PER_MS,
    };
    answer->expires_after_ms = ask->ttl_ms;
}

/* ---- describing ---- */

/* Whole tokens, none if it is below zero. */
static uint64_t tokens_in(int64_t units, int64_t token)
{
    return units <= 0 ? 0 : (uint64_t)(units / token);
}

static uint64_t ticks_to_fill(const struct view *view, unsigned i, int64_t from, int64_t to)
{
    return from >= to ? 0 : (uint64_t)ceil_of((__int128)to - from, view->step[i]);
}

/* Until a bucket that is shown to hold so much holds `to` behind all who wait: it may refill no
 * further while they do. */
static uint64_t ms_to_fill(const struct view *view, unsigned i, int64_t shown, int64_t to)
{
    struct ahead tail = tail_of(view);
    uint64_t ticks = tail.is_blocked || tail.level[i] >= to
                         ? ticks_to_fill(view, i, shown, to)
                         : tail.ticks + ticks_to_fill(view, i, tail.level[i], to);
    return ticks * view->sim->tick_ms;
}

static void describe_bucket(const struct view *view, const struct sim_ask *ask, unsigned i,
                            enum bucket_result result, struct bucket_state *state)
{
    enum override_action action = action_of(view->sim, view->rule, view->key);
    uint64_t burst = view->terms->bucket[i].burst, charged = state->charged_tokens;
    *state = (struct bucket_state){.remaining_tokens = burst, .charged_tokens = charged};
    if (holds_slots(view, i))
        state->next_token_ms = state->full_after_ms = RETRY_NEVER;
    if (action == OVERRIDE_ALLOW)
        return;
    int64_t units = shown(view, i);
    uint64_t want = holds_slots(view, i) ? ask->slots : ask->tokens;
    state->remaining_tokens = tokens_in(units, view->token[i]);
    if (!holds_slots(view, i)) {
        int64_t owed = charges(view, i) - content(view, i);
        state->owed_tokens = owed <= 0 ? 0 : (uint64_t)ceil_of(owed, view->token[i]);
        state->full_after_ms = ms_to_fill(view, i, units, view->cap[i]);
        if (state->full_after_ms > 0)
            state->next_token_ms =
                ms_to_fill(view, i, units, (int64_t)(state->remaining_tokens + 1) * view->token[i]);
    }
    state->violated = ((result == BUCKET_DENIED || result == BUCKET_WAIT_OVER ||
                        result == BUCKET_TOO_MANY_WAITING) &&
                       (view->bucket->count > 0 ? tokens_in(units, view->token[i]) < want
                                                : units < (int64_t)want * view->token[i])) ||
                      (result == BUCKET_EXCEEDS_BURST && want > burst);
    if (action == OVERRIDE_DENY) {
        state->remaining_tokens = 0;
        if (!holds_slots(view, i))
            state->next_token_ms = denied_for_ms(view);
    }
}

/* A limit on trial makes nobody wait. How long it would have; 0: it would have denied at once. */
static uint64_t would_wait_ms(const struct view *view, const struct sim_item *item)
{
    struct ahead tail = tail_of(view);
    uint64_t ticks = ticks_until(view, &tail, item->ask.tokens);
    uint64_t due_ns = view->sim->last_tick_ns + ticks * view->sim->tick_ms * NS_PER_MS;
    return lacks_slots(view, &tail, &item->ask) || due_ns > item->deadline_ns
               ? 0
               : ms_until(view->sim->now_ns, due_ns);
}

static void describe(const struct view *view, const struct sim_item *item,
                     struct sim_answer *answer)
{
    const struct sim_ask *ask = &item->ask;
    if (view->rule->shadow && answer->result == BUCKET_DENIED && ask->wait_ms > 0)
        answer->would_wait_ms = would_wait_ms(view, item);
    answer->rule = (int)(view->rule - view->sim->rule);
    answer->override = sim_override(view->sim, view->rule, view->key);
    answer->remaining = UINT64_MAX;
    answer->owed = answer->full_after_ms = 0;
    if (answer->has_waited &&
        (answer->result == BUCKET_DENIED || answer->result == BUCKET_WAIT_OVER ||
         answer->result == BUCKET_TOO_MANY_WAITING)) {
        struct ahead tail = tail_of(view);
        answer->retry_after_ms = retry_ms(view, ask, &tail);
    }
    bool has_tokens = has(view->terms, false), lacks_any = false;
    for (unsigned i = 0; i < view->terms->count; i++) {
        struct bucket_state *state = &answer->bucket[i];
        describe_bucket(view, ask, i, answer->result, state);
        lacks_any |= state->violated;
        if (has_tokens == holds_slots(view, i)) {
            if (state->full_after_ms > answer->full_after_ms)
                answer->full_after_ms = state->full_after_ms;
            continue;
        }
        if (state->remaining_tokens < answer->remaining)
            answer->remaining = state->remaining_tokens;
        if (state->owed_tokens > answer->owed)
            answer->owed = state->owed_tokens;
        if (state->full_after_ms > answer->full_after_ms)
            answer->full_after_ms = state->full_after_ms;
    }
    /* who is denied though nothing lacks is behind somebody who waits for more slots */
    bool is_behind = answer->result == BUCKET_DENIED && view->bucket->count > 0;
    for (unsigned i = 0; is_behind && !lacks_any && i < view->terms->count; i++)
        answer->bucket[i].violated = holds_slots(view, i);
}

/* ---- queues ---- */

static bool says_yes(enum bucket_result result)
{
    return result == BUCKET_ALLOWED || result == BUCKET_ALWAYS || result == BUCKET_UNCOUNTED;
}

static void put_in_queue(const struct view *view, const struct sim_item *item)
{
    assert_true(view->bucket->count < SIM_QUEUE_MAX);
    view->bucket->item[view->bucket->count++] = *item;
    view->sim->waiting += !item->is_charge;
}

/* Asks for the first time or anew. true: it is answered. */
static bool ask_now(const struct view *view, struct sim_item *item, bool may_wait,
                    struct sim_answer *answer)
{
    struct verdict verdict = consider(view, item, may_wait);
    if (verdict.waits) {
        item->is_promised = verdict.is_promised;
        put_in_queue(view, item);
        return false;
    }
    answer->result = verdict.result;
    answer->retry_after_ms = verdict.retry_after_ms;
    if (verdict.result == BUCKET_ALLOWED)
        take(view, &item->ask);
    if (item->ask.kind == MESSAGE_ACQUIRE && (says_yes(verdict.result) || view->rule->shadow))
        grant(view, &item->ask, verdict.result == BUCKET_ALLOWED, answer);
    return true;
}

static struct sim_answer *release(struct sim_released *released, const struct sim_item *item,
                                  const struct sim *sim, unsigned name)
{
    assert_true(released->count < SIM_QUEUE_MAX);
    struct sim_answer *answer = &released->waiter[released->count].answer;
    *answer = (struct sim_answer){.rule = -1, .override = -1, .has_waited = true};
    answer->waited_ms = (sim->now_ns - item->asked_ns) / NS_PER_MS;
    released->waiter[released->count].who = item->who;
    released->waiter[released->count].key = item->ask.key;
    released->waiter[released->count++].name = name;
    return answer;
}

/* Asks anew for one that waits. Its deadline is over by the ticks; or by the clock, if it would be denied
 * now. true: it is answered. */
static bool ask_anew(const struct view *view, struct sim_item *item, struct sim_answer *answer)
{
    const struct sim *sim = view->sim;
    *answer = (struct sim_answer){.result = BUCKET_WAIT_OVER, .rule = -1};
    if (sim->last_tick_ns > item->deadline_ns) {
        if (item->ask.kind == MESSAGE_ACQUIRE && view->rule->shadow)
            grant(view, &item->ask, false, answer);
        return true;
    }
    if (!ask_now(view, item, true, answer))
        return false;
    if (answer->result == BUCKET_DENIED && sim->now_ns >= item->deadline_ns)
        answer->result = BUCKET_WAIT_OVER;
    return true;
}

/* In order, each asks anew. If nothing but time has changed the bucket, who waits without a promise
 * goes on to. */
static void settle(const struct view *view, bool is_by_time, struct sim_released *released)
{
    struct sim_bucket old = *view->bucket;
    unsigned first = released->count;
    const struct sim_item *answered[SIM_QUEUE_MAX];
    view->bucket->count = 0;
    view->sim->waiting -= waiters(&(struct view){.bucket = &old});
    for (unsigned j = 0; j < old.count; j++) {
        struct sim_item *item = &old.item[j];
        if (item->is_charge) {
            if (waiters(view) > 0)
                put_in_queue(view, item);
            for (unsigned i = 0; waiters(view) == 0 && i < view->terms->count; i++)
                view->bucket->level[i] = content(view, i) - item->charge[i];
            continue;
        }
        struct sim_answer answer;
        item->is_patient = is_by_time && !item->is_promised;
        if (!ask_anew(view, item, &answer))
            continue;
        answered[released->count] = item;
        struct sim_answer *place = release(released, item, view->sim, view->rule->name);
        answer.has_waited = true;
        answer.waited_ms = place->waited_ms;
        *place = answer;
    }
    for (unsigned j = first; j < released->count; j++)
        describe(view, answered[j], &released->waiter[j].answer);
}

static void remove_item(const struct view *view, struct sim_item *item)
{
    view->bucket->count--;
    view->sim->waiting--;
    size_t behind = (size_t)(view->bucket->item + view->bucket->count - item);
    memmove(item, item + 1, behind * sizeof *item);
}

/* Who has waited until the deadline without a promise: the one whose deadline was first; or NULL. */
static struct sim_item *find_over(const struct view *view)
{
    struct sim_item *found = NULL;
    for (unsigned j = 0; j < view->bucket->count; j++) {
        struct sim_item *item = &view->bucket->item[j];
        if (!item->is_charge && !item->is_promised && view->sim->now_ns >= item->deadline_ns &&
            (found == NULL || item->deadline_ns < found->deadline_ns))
            found = item;
    }
    return found;
}

static bool is_waited_for(const struct sim *sim, const struct sim_rule *rule, unsigned key)
{
    return sim->bucket[rule->name][key].count > 0;
}

static void settle_key(struct sim *sim, const struct sim_rule *rule, unsigned key,
                       struct sim_released *released)
{
    if (!is_waited_for(sim, rule, key)) {
        sim->bucket[rule->name][key].is_unsettled = false;
        return;
    }
    struct view view = view_of(sim, rule, key);
    unsigned first = released->count;
    struct sim_item over[SIM_QUEUE_MAX];
    bool is_by_time = !view.bucket->is_unsettled && find_over(&view) == NULL;
    view.bucket->is_unsettled = false;
    settle(&view, is_by_time, released);
    for (struct sim_item *item; (item = find_over(&view)) != NULL; settle(&view, false, released)) {
        over[released->count] = *item;
        release(released, item, sim, rule->name)->result = BUCKET_WAIT_OVER;
        remove_item(&view, item);
    }
    for (unsigned j = first; j < released->count; j++)
        if (released->waiter[j].answer.result == BUCKET_WAIT_OVER &&
            released->waiter[j].answer.rule < 0)
            describe(&view, &over[j], &released->waiter[j].answer);
}

/* ---- time ---- */

void sim_init(struct sim *sim, const struct sim_rule *rules, unsigned count, uint64_t tick_ms)
{
    memcpy(sim->rule, rules, count * sizeof rules[0]);
    sim->count = count;
    sim->tick_ms = tick_ms;
    for (unsigned i = 0; i < count; i++)
        for (unsigned key = 0; key < SIM_KEYS; key++) {
            struct view view = view_of(sim, &sim->rule[i], key);
            memcpy(view.bucket->level, view.cap, sizeof view.cap);
        }
}

static void give(const struct view *view, uint64_t tokens)
{
    for (unsigned i = 0; i < view->terms->count; i++)
        if (!holds_slots(view, i))
            view->bucket->level[i] =
                least(view->cap[i], content(view, i) + (int64_t)tokens * view->token[i]);
}

static void refill(struct sim *sim, uint64_t ticks)
{
    for (unsigned r = 0; r < sim->count; r++)
        for (unsigned key = 0; key < SIM_KEYS; key++) {
            struct view view = view_of(sim, &sim->rule[r], key);
            for (unsigned i = 0; i < view.terms->count; i++) {
                __int128 level = view.bucket->level[i] + (__int128)ticks * view.step[i];
                bool is_plain = charges(&view, i) == 0;
                view.bucket->level[i] =
                    is_plain && level > view.cap[i] ? view.cap[i] : (int64_t)level;
            }
        }
}

/* What comes back of leases that have ended; who waits for their keys asks anew. */
static void end_leases(struct sim *sim)
{
    uint64_t lived = lived_ns(sim);
    for (unsigned i = 0; i < SIM_LEASES_MAX; i++) {
        struct sim_lease *lease = &sim->lease[i];
        if (lease->number == 0 || lease->due_ns > lived)
            continue;
        if (lease->state != LEASE_HELD) {
            lease->number = 0;
            continue;
        }
        int rule = sim_find(sim, lease->name);
        if (!lease->is_lost) {
            struct view view = view_of(sim, &sim->rule[rule], lease->key);
            view.bucket->is_unsettled = true;
            bool comes_back = sim->rule[rule].returns_on_expiry && !lease->tokens_lost;
            give(&view, comes_back ? lease->tokens : 0);
        }
        lease->state = LEASE_EXPIRED;
        lease->due_ns += lease->ttl_ms * (uint64_t)NS_PER_MS;
        if (lease->due_ns <= lived)
            lease->number = 0;
    }
}

/* Whose tick comes before the next one that is seen. */
static void find_late(struct sim *sim, uint64_t ticks)
{
    for (unsigned r = 0; r < sim->count; r++)
        for (unsigned key = 0; key < SIM_KEYS; key++) {
            if (!is_waited_for(sim, &sim->rule[r], key))
                continue;
            struct view view = view_of(sim, &sim->rule[r], key);
            struct ahead ahead = ahead_of(&view);
            for (unsigned j = 0; j < view.bucket->count; j++) {
                const struct sim_item *item = &view.bucket->item[j];
                look_ahead(&view, &ahead, item);
                view.bucket->is_unsettled |=
                    !item->is_charge && item->is_promised && ahead.ticks < ticks;
            }
        }
}

void sim_tick(struct sim *sim, uint64_t now_ns, struct sim_released *released)
{
    uint64_t tick_ns = sim->tick_ms * NS_PER_MS;
    uint64_t ticks = (now_ns - sim->last_tick_ns) / tick_ns;
    sim->now_ns = now_ns;
    sim->last_tick_ns += ticks * tick_ns;
    if (ticks > 0) {
        sim->lease_tick_ns = sim->last_tick_ns;
        find_late(sim, ticks);
        refill(sim, ticks);
        end_leases(sim);
    }
    for (unsigned i = 0; i < sim->count; i++)
        for (unsigned key = 0; key < SIM_KEYS; key++)
            settle_key(sim, &sim->rule[i], key, released);
}

uint64_t sim_due_ns(struct sim *sim)
{
    uint64_t due_ns = UINT64_MAX;
    for (unsigned r = 0; r < sim->count; r++)
        for (unsigned key = 0; key < SIM_KEYS; key++) {
            if (!is_waited_for(sim, &sim->rule[r], key))
                continue;
            struct view view = view_of(sim, &sim->rule[r], key);
            struct ahead ahead = ahead_of(&view);
            for (unsigned j = 0; j < view.bucket->count; j++) {
                const struct sim_item *item = &view.bucket->item[j];
                look_ahead(&view, &ahead, item);
                if (item->is_charge)
                    continue;
                uint64_t at_ns = item->is_promised
                                     ? sim->last_tick_ns + ahead.ticks * sim->tick_ms * NS_PER_MS
                                     : item->deadline_ns;
                due_ns = at_ns < due_ns ? at_ns : due_ns;
            }
        }
    return due_ns;
}

/* ---- changes ---- */

static int bucket_of_name(const struct sim_terms *terms, const char *name)
{
    for (unsigned i = 0; i < terms->count; i++)
        if (!terms->bucket[i].holds_slots && strcmp(terms->bucket[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int scarcest(const int64_t *level, const struct sim_terms *terms, uint64_t tick_ms)
{
    int found = -1;
    for (unsigned i = 0; i < terms->count; i++) {
        const struct bucket_terms *bucket = &terms->bucket[i];
        if (bucket->holds_slots || level[i] >= sim_cap(bucket, tick_ms))
            continue;
        if (found < 0 || (__int128)level[i] * sim_token(&terms->bucket[found], tick_ms) <
                             (__int128)level[found] * sim_token(bucket, tick_ms))
            found = (int)i;
    }
    return found;
}

static void carry(struct sim_bucket *bucket, const struct sim_terms *from, uint64_t from_ms,
                  const struct sim_terms *to, uint64_t to_ms)
{
    int source[BUCKETS_MAX], first = -1;
    bool some_stay = false;
    int64_t before[BUCKETS_MAX];
    memcpy(before, bucket->level, sizeof before);
    for (unsigned i = to->count; i-- > 0;) {
        source[i] = -1;
        if (to->bucket[i].holds_slots)
            continue;
        first = (int)i;
        source[i] = bucket_of_name(from, to->bucket[i].name);
        some_stay |= source[i] >= 0;
    }
    if (!some_stay && first >= 0)
        source[first] = scarcest(before, from, from_ms);
    for (unsigned i = 0; i < to->count; i++) {
        int64_t cap = sim_cap(&to->bucket[i], to_ms), token = sim_token(&to->bucket[i], to_ms);
        bucket->level[i] = cap;
        if (source[i] < 0 || before[source[i]] >= sim_cap(&from->bucket[source[i]], from_ms))
            continue;
        int64_t level = floor_of((__int128)before[source[i]] * token,
                                 sim_token(&from->bucket[source[i]], from_ms));
        int64_t lowest = -(int64_t)to->bucket[i].debt_max * token;
        bucket->level[i] = level > cap ? cap : level < lowest ? lowest : level;
    }
}

/* Takes all queues apart: charges are applied, and those who wait are put into `out`, as they came. */
static unsigned take_apart(struct sim *sim, struct sim_item *out)
{
    unsigned count = 0;
    for (unsigned r = 0; r < sim->count; r++)
        for (unsigned key = 0; key < SIM_KEYS; key++) {
            struct view view = view_of(sim, &sim->rule[r], key);
            for (unsigned i = 0; i < view.terms->count; i++)
                view.bucket->level[i] = content(&view, i) - charges(&view, i);
            for (unsigned j = 0; j < view.bucket->count; j++)
                if (!view.bucket->item[j].is_charge)
                    out[count++] = view.bucket->item[j];
            view.bucket->is_apart = waiters(&view) > 0;
            view.bucket->count = 0;
        }
    sim->waiting = 0;
    for (unsigned i = 1; i < count; i++)
        for (unsigned j = i; j > 0 && out[j].number < out[j - 1].number; j--) {
            struct sim_item other = out[j];
            out[j] = out[j - 1];
            out[j - 1] = other;
        }
    return count;
}

static int rule_of(const struct sim *sim, const struct sim_ask *ask)
{
    return ask->limit < 0 ? sim_match(sim, ask->key) : sim_find(sim, (unsigned)ask->limit);
}

static bool needs_lease(const struct view *view, const struct sim_ask *ask)
{
    return ask->kind == MESSAGE_ALLOW && ask->tokens > 0 && has(view->terms, true);
}

static void ask_all_anew(struct sim *sim, struct sim_item *items, unsigned count,
                         struct sim_released *released)
{
    for (unsigned j = 0; j < count; j++) {
        int rule = rule_of(sim, &items[j].ask);
        struct sim_answer answer = {.result = BUCKET_NO_SUCH_LIMIT, .rule = -1};
        if (rule >= 0) {
            struct view view = view_of(sim, &sim->rule[rule], items[j].ask.key);
            items[j].is_patient = false;
            if (needs_lease(&view, &items[j].ask))
                answer.result = BUCKET_NEEDS_LEASE;
            else if (!ask_anew(&view, &items[j], &answer))
                continue;
            answer.rule = rule;
        }
        struct sim_answer *place =
            release(released, &items[j], sim, rule < 0 ? SIM_NAMES : sim->rule[rule].name);
        answer.has_waited = true;
        answer.waited_ms = place->waited_ms;
        *place = answer;
    }
    for (unsigned i = 0; i < SIM_NAMES; i++)
        for (unsigned key = 0; key < SIM_KEYS; key++)
            sim->bucket[i][key].is_apart = false;
}

/* Those that were answered in a change, described as their buckets are after it. */
static void describe_all(struct sim *sim, const struct sim_item *items, unsigned count,
                         struct sim_released *released)
{
    for (unsigned j = 0; j < released->count; j++)
        for (unsigned k = 0; k < count; k++)
            if (items[k].who == released->waiter[j].who && released->waiter[j].answer.rule >= 0) {
                struct sim_answer *answer = &released->waiter[j].answer;
                struct view view = view_of(sim, &sim->rule[answer->rule], items[k].ask.key);
                describe(&view, &items[k], answer);
            }
}

static struct sim_item apart[SIM_QUEUE_MAX * SIM_NAMES * SIM_KEYS];

static bool some_end(const struct sim *sim, int64_t date_s)
{
    for (unsigned r = 0; r < sim->count; r++)
        for (unsigned i = 0; i < sim->rule[r].overrides_count; i++) {
            int64_t until_s = sim->rule[r].override[i].until_s;
            if (until_s > sim->date_s && until_s <= date_s)
                return true;
        }
    return false;
}

void sim_date(struct sim *sim, int64_t date_s, struct sim_released *released)
{
    if (!some_end(sim, date_s)) {
        sim->date_s = date_s;
        return;
    }
    unsigned count = take_apart(sim, apart);
    for (unsigned r = 0; r < sim->count; r++)
        for (unsigned key = 0; key < SIM_KEYS; key++) {
            const struct sim_terms *from = terms_at(&sim->rule[r], key, sim->date_s);
            const struct sim_terms *to = terms_at(&sim->rule[r], key, date_s);
            if (from != to)
                carry(&sim->bucket[sim->rule[r].name][key], from, sim->tick_ms, to, sim->tick_ms);
        }
    sim->date_s = date_s;
    ask_all_anew(sim, apart, count, released);
    describe_all(sim, apart, count, released);
}

static void fill(struct sim_bucket *bucket, const struct sim_terms *terms, uint64_t tick_ms)
{
    for (unsigned i = 0; i < terms->count; i++)
        bucket->level[i] = sim_cap(&terms->bucket[i], tick_ms);
}

void sim_reload(struct sim *sim, const struct sim_rule *rules, unsigned count, uint64_t tick_ms,
                struct sim_released *released)
{
    unsigned waiting = take_apart(sim, apart);
    for (unsigned name = 0; name < SIM_NAMES; name++) {
        int before = sim_find(sim, name), after = find_name(rules, count, name);
        for (unsigned key = 0; after >= 0 && key < SIM_KEYS; key++) {
            struct sim_bucket *bucket = &sim->bucket[name][key];
            const struct sim_terms *to = terms_at(&rules[after], key, sim->date_s);
            if (before < 0)
                fill(bucket, to, tick_ms);
            else
                carry(bucket, sim_terms(sim, &sim->rule[before], key), sim->tick_ms, to, tick_ms);
        }
        for (unsigned i = 0; after < 0 && i < SIM_LEASES_MAX; i++)
            if (sim->lease[i].name == name)
                sim->lease[i].is_lost = true;
    }
    uint64_t tick_ns = tick_ms * NS_PER_MS;
    sim->last_tick_ns = sim->now_ns - (sim->now_ns - sim->last_tick_ns) % tick_ns;
    memcpy(sim->rule, rules, count * sizeof rules[0]);
    sim->count = count;
    sim->tick_ms = tick_ms;
    ask_all_anew(sim, apart, waiting, released);
    describe_all(sim, apart, waiting, released);
}

static void kill_all(struct sim *sim)
{
    for (unsigned r = 0; r < sim->count; r++)
        for (unsigned key = 0; key < SIM_KEYS; key++) {
            struct view view = view_of(sim, &sim->rule[r], key);
            for (unsigned i = 0; i < view.terms->count; i++)
                view.bucket->level[i] -= charges(&view, i);
            view.bucket->count = 0;
        }
    sim->waiting = 0;
    refill(sim, 0);
}

void sim_lose_returns(struct sim *sim)
{
    uint64_t lived = sim->last_tick_ns + sim->lived_offset_ns;
    for (unsigned i = 0; i < SIM_LEASES_MAX; i++)
        if (sim->lease[i].state == LEASE_HELD && sim->lease[i].due_ns <= lived)
            sim->lease[i].tokens_lost = true;
}

void sim_restart(struct sim *sim, uint64_t now_ns, uint64_t away_ns, bool is_reboot)
{
    uint64_t tick_ns = sim->tick_ms * NS_PER_MS, ticks = away_ns / tick_ns;
    uint64_t lived = sim->last_tick_ns + sim->lived_offset_ns + ticks * tick_ns;
    kill_all(sim);
    sim->last_tick_ns = is_reboot ? now_ns : sim->last_tick_ns + ticks * tick_ns;
    sim->lease_tick_ns = sim->last_tick_ns;
    sim->lived_offset_ns = lived - sim->last_tick_ns;
    sim->now_ns = now_ns;
    refill(sim, ticks);
    end_leases(sim);
    for (unsigned i = 0; i < SIM_NAMES; i++)
        for (unsigned key = 0; key < SIM_KEYS; key++)
            sim->bucket[i][key].is_unsettled = false;
}

const struct sim_lease *sim_find_lease(const struct sim *sim, unsigned number)
{
    return find_lease((struct sim *)sim, number);
}

/* ---- questions ---- */

/* Takes of each bucket as many whole tokens as it may owe then; behind those who wait. */
static void charge(const struct view *view, uint64_t tokens, struct sim_item *item,
                   struct sim_answer *answer)
{
    answer->charged = has(view->terms, false) ? tokens : 0;
    for (unsigned i = 0; i < view->terms->count; i++) {
        if (holds_slots(view, i))
            continue;
        view->bucket->level[i] = content(view, i);
        int64_t free = view->bucket->level[i]; /* what is wanted by those who wait is not there */
        if (free > 0)
            free = free > wanted(view, i) ? free - wanted(view, i) : 0;
        int64_t room =
            free - charges(view, i) + (int64_t)view->terms->bucket[i].debt_max * view->token[i];
        uint64_t most = tokens_in(room, view->token[i]);
        uint64_t charged = tokens < most ? tokens : most;
        item->charge[i] = (int64_t)charged * view->token[i];
        answer->bucket[i].charged_tokens = charged;
        answer->charged = charged < answer->charged ? charged : answer->charged;
    }
    item->is_charge = true;
    if (waiters(view) > 0)
        put_in_queue(view, item);
    else
        for (unsigned i = 0; i < view->terms->count; i++)
            if (!holds_slots(view, i))
                view->bucket->level[i] = content(view, i) - item->charge[i];
}

static void reset(const struct view *view)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < view->terms->count; i++)
        view->bucket->level[i] = view->cap[i];
    for (unsigned j = 0; j < view->bucket->count; j++)
        if (!view->bucket->item[j].is_charge)
            view->bucket->item[kept++] = view->bucket->item[j];
    view->bucket->count = kept;
}

bool sim_answer(struct sim *sim, const struct sim_ask *ask, unsigned who, struct sim_answer *answer,
                struct sim_released *released)
{
    int rule = rule_of(sim, ask);
    *answer = (struct sim_answer){.result = BUCKET_NO_SUCH_LIMIT, .rule = -1, .override = -1};
    if (rule < 0)
        return true;
    struct view view = view_of(sim, &sim->rule[rule], ask->key);
    struct sim_item item = {
        .ask = *ask,
        .who = who,
        .asked_ns = sim->now_ns,
        .deadline_ns = sim->now_ns + ask->wait_ms * NS_PER_MS,
    };
    bool changes =
        ask->kind == MESSAGE_RESET || ask->kind == MESSAGE_REFUND || ask->kind == MESSAGE_CHARGE;
    answer->rule = rule;
    answer->result = BUCKET_ALLOWED;
    if (needs_lease(&view, ask) || (changes && !has(view.terms, false))) {
        answer->result = changes ? BUCKET_SLOTS_ONLY : BUCKET_NEEDS_LEASE;
        return true;
    }
    if (ask->kind == MESSAGE_ALLOW || ask->kind == MESSAGE_ACQUIRE) {
        item.number = sim->next_number++;
        if (!ask_now(&view, &item, ask->wait_ms > 0, answer))
            return false;
    }
    if (ask->kind == MESSAGE_CHARGE) {
        if (action_of(sim, view.rule, ask->key) == OVERRIDE_ALLOW)
            answer->result = BUCKET_ALWAYS;
        else if (ask->tokens > 0 && has_no_room(&view))
            *answer = (struct sim_answer){
                .result = BUCKET_TABLE_FULL, .rule = rule, .retry_after_ms = GUESSED_RETRY_MS};
        else if (ask->tokens > 0)
            charge(&view, ask->tokens, &item, answer);
    }
    if (ask->kind == MESSAGE_RESET)
        reset(&view);
    if (ask->kind == MESSAGE_REFUND)
        give(&view, ask->tokens);
    if (ask->kind == MESSAGE_RESET || ask->kind == MESSAGE_REFUND)
        settle(&view, false, released);
    describe(&view, &item, answer);
    return true;
}

void sim_leave(struct sim *sim, unsigned who, struct sim_released *released)
{
    for (unsigned r = 0; r < sim->count; r++)
        for (unsigned key = 0; key < SIM_KEYS; key++) {
            struct view view = view_of(sim, &sim->rule[r], key);
            for (unsigned j = 0; j < view.bucket->count; j++) {
                struct sim_item *item = &view.bucket->item[j];
                if (item->is_charge || item->who != who)
                    continue;
                release(released, item, sim, sim->rule[r].name)->result = BUCKET_LEFT;
                remove_item(&view, item);
                settle(&view, false, released);
                return;
            }
        }
}

/* ---- leases ---- */

static void end_one(struct sim *sim, struct sim_lease *lease, enum lease_state state)
{
    lease->state = state;
    lease->due_ns = sim->now_ns + sim->lived_offset_ns + lease->ttl_ms * (uint64_t)NS_PER_MS;
}

static void release_lease(struct sim *sim, struct sim_lease *lease, const struct sim_ask *ask,
                          struct sim_released *released)
{
    end_one(sim, lease, lease->is_lost ? LEASE_LOST_LIMIT : LEASE_RELEASED);
    if (lease->is_lost)
        return;
    struct view view = view_of(sim, &sim->rule[sim_find(sim, lease->name)], lease->key);
    struct sim_answer answer = {.result = BUCKET_ALLOWED};
    struct sim_item about = {.ask = *ask};
    uint64_t used = ask->has_used ? ask->tokens : lease->tokens;
    if (!has(view.terms, false) || lease->tokens + lease->slots == 0)
        used = lease->tokens; /* nobody counts tokens, or none were given */
    else if (used < lease->tokens)
        lease->returned = lease->tokens - used;
    give(&view, lease->returned);
    if (used > lease->tokens && action_of(sim, view.rule, lease->key) != OVERRIDE_ALLOW) {
        struct sim_item item = {.ask = *ask};
        charge(&view, used - lease->tokens, &item, &answer);
        lease->charged = answer.charged;
        lease->forgiven = used - lease->tokens - answer.charged;
    }
    describe(&view, &about, &answer);
    lease->owed = has(view.terms, false) && lease->tokens + lease->slots > 0 ? answer.owed : 0;
    settle(&view, false, released);
}

struct lease_answer sim_lease(struct sim *sim, const struct sim_ask *ask,
                              struct sim_released *released)
{
    struct sim_lease *lease = find_lease(sim, ask->lease);
    if (lease == NULL)
        return (struct lease_answer){.state = LEASE_NONE};
    if (lease->state == LEASE_HELD && ask->kind == MESSAGE_RELEASE)
        release_lease(sim, lease, ask, released);
    if (lease->state == LEASE_HELD && ask->kind == MESSAGE_RENEW && !lease->is_lost) {
        uint32_t ttl_ms = ask->ttl_ms == 0 ? lease->ttl_ms : ask->ttl_ms;
        lease->due_ns = sim->now_ns + sim->lived_offset_ns + ttl_ms * (uint64_t)NS_PER_MS;
    }
    struct lease_answer answer = {
        .state = lease->state == LEASE_HELD && lease->is_lost ? LEASE_LOST_LIMIT : lease->state,
        .tokens = lease->tokens,
        .slots = lease->slots,
        .returned_tokens = lease->returned,
        .charged_tokens = lease->charged,
        .forgiven_tokens = lease->forgiven,
        .owed_tokens = lease->owed,
    };
    uint64_t lived = sim->now_ns + sim->lived_offset_ns; /* its end is at the tick after */
    if (answer.state == LEASE_HELD && lease->due_ns > lived)
        answer.expires_after_ms = (lease->due_ns - lived) / NS_PER_MS;
    return answer;
}

int64_t sim_level(const struct sim *sim, const struct sim_rule *rule, unsigned key, unsigned bucket)
{
    struct view view = view_of(sim, rule, key);
    return shown(&view, bucket);
}
