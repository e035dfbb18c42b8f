#include "brain/decide.h"

#include <assert.h>

/* How long a client is told to wait if it is denied because the table is full: a guess, because
 * room comes as other buckets fill up, which nobody can foretell. */
enum { TABLE_FULL_RETRY_MS = 1000 };

static const struct limit *limit_at(const struct brain *brain, const struct place *place)
{
    return &brain->limits->limit[place->limit];
}

static const struct override *override_at(const struct brain *brain, const struct place *place)
{
    return place->override < 0 ? NULL : &limit_at(brain, place)->overrides[place->override];
}

static enum override_action action_at(const struct brain *brain, const struct place *place)
{
    const struct override *override = override_at(brain, place);
    return override == NULL ? OVERRIDE_TERMS : override->action;
}

static const struct allowance *allowance_at(const struct brain *brain, const struct place *place)
{
    const struct override *override = override_at(brain, place);
    return override != NULL && override->action == OVERRIDE_TERMS
               ? &override->allowance
               : &limit_at(brain, place)->allowance;
}

/* ---- what buckets of slots are not for ---- */

bool decide_needs_lease(const struct brain *brain, const struct place *place, uint64_t tokens)
{
    return tokens > 0 && allowance_at(brain, place)->slots > 0;
}

bool decide_suits(const struct brain *brain, enum message_kind kind, const struct place *place,
                  uint64_t tokens, struct bucket_answer *answer)
{
    bool has_tokens = allowance_at(brain, place)->burst > 0;
    enum bucket_result result = BUCKET_ALLOWED;
    if (kind == MESSAGE_ALLOW && decide_needs_lease(brain, place, tokens))
        result = BUCKET_NEEDS_LEASE;
    if (!has_tokens && (kind == MESSAGE_RESET || kind == MESSAGE_REFUND || kind == MESSAGE_CHARGE))
        result = BUCKET_SLOTS_ONLY;
    if (result == BUCKET_ALLOWED)
        return true;
    *answer = (struct bucket_answer){.result = result, .limit = limit_at(brain, place)};
    return false;
}

/* ---- looking and taking ---- */

static bool holds(const struct holding *holding, const struct line *line, unsigned bucket,
                  uint64_t tokens, uint64_t mark)
{
    return credit_holds(&line->credit[bucket], tokens, holding_mark(holding, bucket, mark));
}

enum bucket_result decide_look(const struct brain *brain, const struct place *place,
                               const struct holding *holding, bool is_next, uint64_t tokens,
                               const uint64_t marks[BUCKETS_MAX])
{
    const struct line *line = buckets_line(&brain->buckets, place);
    enum override_action action = action_at(brain, place);
    if (action == OVERRIDE_ALLOW)
        return BUCKET_ALWAYS;
    if (tokens == 0)
        return BUCKET_ALLOWED;
    if (action == OVERRIDE_DENY)
        return BUCKET_NEVER;
    if (tokens > allowance_at(brain, place)->burst)
        return BUCKET_EXCEEDS_BURST;
    if (!is_next)
        return BUCKET_DENIED;
    for (unsigned i = 0; i < line->count; i++)
        if (!holds(holding, line, i, tokens, marks[i]))
            return BUCKET_DENIED;
    return BUCKET_ALLOWED;
}

void decide_take(struct brain *brain, const struct place *place, const struct holding *holding,
                 const struct bucket_question *ask, uint64_t tokens, uint32_t slot,
                 uint64_t marks[BUCKETS_MAX])
{
    const struct line *line = buckets_line(&brain->buckets, place);
    for (unsigned i = 0; i < line->count; i++) {
        uint64_t mark = holding_mark(holding, i, marks[i]);
        bool taken = credit_take(&line->credit[i], tokens, &mark);
        assert(taken);
        (void)taken;
        marks[i] = holding_stored(holding, i, mark);
    }
    buckets_store(&brain->buckets, place, ask, slot, marks);
}

enum bucket_result decide_try(struct brain *brain, const struct place *place,
                              const struct holding *holding, bool is_next,
                              const struct bucket_question *ask, uint32_t slot,
                              uint64_t marks[BUCKETS_MAX])
{
    enum bucket_result result = decide_look(brain, place, holding, is_next, ask->tokens, marks);
    if (result != BUCKET_ALLOWED || ask->tokens == 0)
        return result;
    if (slot == TABLE_NONE &&
        !buckets_make_room(&brain->buckets, place->hash, 0, brain->when_full == WHEN_FULL_EVICT))
        return brain->when_full == WHEN_FULL_ALLOW ? BUCKET_UNCOUNTED : BUCKET_TABLE_FULL;
    decide_take(brain, place, holding, ask, ask->tokens, slot, marks);
    return BUCKET_ALLOWED;
}

/* ---- describing ---- */

/* The level of a bucket, as it is shown. */
static int64_t level_of(const struct holding *holding, const struct line *line, unsigned bucket,
                        uint64_t mark)
{
    const struct credit_line *credit = &line->credit[bucket];
    return holding == NULL ? credit_level(credit, mark)
                           : holding_shown(holding, credit, bucket, mark);
}

/* Milliseconds until a bucket of this level holds so much, behind all who wait. */
static uint64_t ms_until(const struct brain *brain, const struct holding *holding,
                         const struct line *line, unsigned bucket, int64_t level,
                         uint64_t need_units)
{
    const struct credit_line *credit = &line->credit[bucket];
    uint64_t tick_ms = brain->limits->tick_ms;
    uint64_t ticks = decide_is_next(holding)
                         ? credit_ticks_until(credit, level, need_units)
                         : holding_ticks_until(holding, credit, bucket, level, need_units,
                                               brain->buckets.lines.tick);
    return ticks == TICK_NEVER ? RETRY_NEVER : tick_ms * ticks;
}

/* Slots that are taken come back whenever those who hold them are done, so no time is told. */
static void show_level(const struct brain *brain, const struct holding *holding,
                       const struct line *line, unsigned bucket, uint64_t mark,
                       struct bucket_state *state)
{
    const struct credit_line *credit = &line->credit[bucket];
    int64_t level = level_of(holding, line, bucket, mark);
    uint64_t remaining = credit_tokens(credit, level);
    bool full = level == (int64_t)credit->cap_units;
    state->remaining_tokens = remaining;
    state->owed_tokens =
        credit_owed(credit, holding == NULL ? level : holding_owing(holding, credit, bucket, mark));
    state->next_token_ms = RETRY_NEVER;
    state->full_after_ms = RETRY_NEVER;
    if (credit_has_slots(credit))
        return;
    state->next_token_ms =
        full ? 0
             : ms_until(brain, holding, line, bucket, level, (remaining + 1) * credit->token_units);
    state->full_after_ms =
        full ? 0 : ms_until(brain, holding, line, bucket, level, credit->cap_units);
}

/* Milliseconds until every bucket holds `tokens` tokens, behind all who wait; RETRY_NEVER: one of them
 * never can. */
static uint64_t wait_ms(const struct brain *brain, const struct holding *holding,
                        const struct line *line, uint64_t tokens, const uint64_t marks[BUCKETS_MAX])
{
    uint64_t longest_ms = 0;
    for (unsigned i = 0; i < line->count; i++) {
        const struct credit_line *credit = &line->credit[i];
        uint64_t need_units;
        if (__builtin_mul_overflow(tokens, credit->token_units, &need_units) ||
            need_units > credit->cap_units)
            return RETRY_NEVER;
        int64_t level = level_of(holding, line, i, marks[i]);
        uint64_t ms = ms_until(brain, holding, line, i, level, need_units);
        if (ms > longest_ms)
            longest_ms = ms;
    }
    return longest_ms;
}

/* Milliseconds until no override denies any more, counted from the last date known. */
static uint64_t denial_ends_after_ms(const struct brain *brain, const struct place *place)
{
    if (place->denied_until_s == OVERRIDE_FOR_EVER)
        return RETRY_NEVER;
    return (uint64_t)(place->denied_until_s - brain->buckets.lines.date_s) * MS_PER_S;
}

/* Whether it was denied for what its buckets held. */
static bool is_for_lack(enum bucket_result result)
{
    return result == BUCKET_DENIED || result == BUCKET_WAIT_OVER ||
           result == BUCKET_TOO_MANY_WAITING;
}

static uint64_t retry_after_ms(const struct brain *brain, const struct place *place,
                               const struct holding *holding, uint64_t tokens,
                               enum bucket_result result, const uint64_t marks[BUCKETS_MAX])
{
    const struct line *line = buckets_line(&brain->buckets, place);
    uint64_t wait, ends;
    switch (result) {
    case BUCKET_DENIED:
    case BUCKET_WAIT_OVER:
    case BUCKET_TOO_MANY_WAITING:
        return wait_ms(brain, holding, line, tokens, marks);
    case BUCKET_EXCEEDS_BURST:
        return RETRY_NEVER;
    case BUCKET_TABLE_FULL:
        return TABLE_FULL_RETRY_MS;
    case BUCKET_NEVER:
        wait = wait_ms(brain, holding, line, tokens, marks);
        ends = denial_ends_after_ms(brain, place);
        return wait > ends ? wait : ends;
    case BUCKET_ALLOWED:
    case BUCKET_UNCOUNTED:
    case BUCKET_ALWAYS:
    case BUCKET_HELD_BACK:
    case BUCKET_TOO_MANY_LEASES:
    case BUCKET_LEFT:
    case BUCKET_NEEDS_LEASE:
    case BUCKET_SLOTS_ONLY:
    case BUCKET_ONCE_DIFFERS:
    case BUCKET_ONCE_WAITS:
    case BUCKET_NO_SUCH_LIMIT:
        break;
    }
    return 0;
}

/* Shows a bucket as an override that allows or denies makes it look. */
static void apply_action(const struct brain *brain, const struct place *place,
                         const struct bucket_terms *terms, struct bucket_state *state)
{
    const uint64_t never = terms->holds_slots ? RETRY_NEVER : 0;
    switch (action_at(brain, place)) {
    case OVERRIDE_TERMS:
        return;
    case OVERRIDE_ALLOW:
        *state = (struct bucket_state){
            .remaining_tokens = terms->burst,
            .next_token_ms = never,
            .full_after_ms = never,
        };
        return;
    case OVERRIDE_DENY:
        state->remaining_tokens = 0;
        if (!terms->holds_slots)
            state->next_token_ms = denial_ends_after_ms(brain, place);
        return;
    }
}

/* Whether a bucket, as it is shown, does not hold `tokens` tokens. */
static bool lacks(const struct holding *holding, const struct line *line, unsigned bucket,
                  uint64_t tokens, uint64_t mark)
{
    if (holding == NULL)
        return !credit_holds(&line->credit[bucket], tokens, mark);
    return credit_tokens(&line->credit[bucket], level_of(holding, line, bucket, mark)) < tokens;
}

/* Adds a bucket to what an answer says of all together. Slots count only where there is nothing else. */
static void sum_up(const struct bucket_state *state, bool holds_slots, struct bucket_answer *answer)
{
    if (state->full_after_ms > answer->full_after_ms)
        answer->full_after_ms = state->full_after_ms;
    if (holds_slots && answer->allowance->burst > 0)
        return;
    if (state->remaining_tokens < answer->remaining_tokens)
        answer->remaining_tokens = state->remaining_tokens;
    if (state->owed_tokens > answer->owed_tokens)
        answer->owed_tokens = state->owed_tokens;
}

/* Whether a bucket is not full, as it is shown. An override that denies shows no slots, though none is
 * taken. */
static bool is_active(const struct credit_line *line, uint64_t mark,
                      const struct bucket_state *state)
{
    if (!credit_has_slots(line))
        return state->full_after_ms != 0;
    return !credit_is_full(line, mark) && state->remaining_tokens < line->cap_units;
}

void decide_describe(const struct brain *brain, const struct place *place,
                     const struct holding *holding, uint64_t tokens, enum bucket_result result,
                     const uint64_t marks[BUCKETS_MAX], struct bucket_answer *answer)
{
    const struct line *line = buckets_line(&brain->buckets, place);
    answer->result = result;
    answer->limit = limit_at(brain, place);
    answer->override = override_at(brain, place);
    answer->allowance = allowance_at(brain, place);
    answer->remaining_tokens = UINT64_MAX;
    answer->owed_tokens = 0;
    answer->retry_after_ms = retry_after_ms(brain, place, holding, tokens, result, marks);
    answer->full_after_ms = 0;
    answer->active = false;
    answer->has_waited = false;
    answer->would_wait_ms = 0;
    for (unsigned i = 0; i < line->count; i++) {
        struct bucket_state *state = &answer->buckets[i];
        const struct bucket_terms *terms = &answer->allowance->bucket[i];
        show_level(brain, holding, line, i, marks[i], state);
        apply_action(brain, place, terms, state);
        state->violated = (is_for_lack(result) && lacks(holding, line, i, tokens, marks[i])) ||
                          (result == BUCKET_EXCEEDS_BURST && tokens > terms->burst);
        sum_up(state, terms->holds_slots, answer);
        answer->active |= is_active(&line->credit[i], marks[i], state);
    }
}

/* ---- the kinds ---- */

/* Counts a denied key for /keys. What a limit on trial would have denied counts too; a call that
 * was held back does not, because another call's key is to blame. */
static void count_denial(struct brain *brain, const struct place *place,
                         const struct bucket_question *ask)
{
    hitters_advance(&brain->denied, brain->now_ns);
    hitters_add(&brain->denied, place->hash, ask->key, ask->key_len, (uint16_t)place->limit);
}

void decide_count(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                  struct bucket_answer *answer, bool allowed)
{
    struct brain_counters *counters = &brain->counters;
    if (allowed)
        counters->allowed++;
    else
        counters->denied++;
    counters->table_full_denied += answer->result == BUCKET_TABLE_FULL;
    counters->table_full_allowed += answer->result == BUCKET_UNCOUNTED;
    counters->shadow_denied += allowed && !bucket_result_allows(answer->result);
    meters_decided(&brain->meters, (uint32_t)place->limit, answer->result, allowed);
    if (!bucket_result_allows(answer->result) && answer->result != BUCKET_HELD_BACK)
        count_denial(brain, place, ask);
    if (!allowed && bucket_answer_denies(answer))
        answer->sample = sampler_take(&brain->denials, brain->now_ns);
}

/* Buckets of slots stay as they are: what leases hold comes back when they end. */
static void reset(struct brain *brain, const struct place *place, struct holding *holding,
                  const struct bucket_question *ask, uint32_t slot, uint64_t marks[BUCKETS_MAX])
{
    const struct line *line = buckets_line(&brain->buckets, place);
    if (holding != NULL)
        holding_forgive(holding);
    for (unsigned i = 0; i < line->count; i++)
        if (!credit_has_slots(&line->credit[i]))
            marks[i] = credit_full_mark(&line->credit[i]);
    if (slot != TABLE_NONE && allowance_at(brain, place)->slots > 0)
        buckets_store(&brain->buckets, place, ask, slot, marks);
    else if (slot != TABLE_NONE)
        buckets_drop(&brain->buckets, slot);
    counters_reset(&brain->counters);
}

static void refund(struct brain *brain, const struct place *place, const struct holding *holding,
                   const struct bucket_question *ask, uint32_t slot, uint64_t marks[BUCKETS_MAX])
{
    const struct line *line = buckets_line(&brain->buckets, place);
    for (unsigned i = 0; i < line->count; i++) {
        if (credit_has_slots(&line->credit[i]))
            continue;
        uint64_t mark = holding_mark(holding, i, marks[i]);
        credit_give(&line->credit[i], ask->tokens, &mark);
        marks[i] = holding_stored(holding, i, mark);
    }
    if (slot != TABLE_NONE)
        buckets_store(&brain->buckets, place, ask, slot, marks);
    counters_refunded(&brain->counters);
}

/* Each bucket takes what its debt allows. It makes room whatever when_full says, because what has been
 * used must be counted. charged: what each bucket took. */
static enum bucket_result take_charge(struct brain *brain, const struct place *place,
                                      struct holding *holding, const struct bucket_question *ask,
                                      uint32_t slot, uint64_t marks[BUCKETS_MAX],
                                      uint64_t charged[BUCKETS_MAX])
{
    const struct line *line = buckets_line(&brain->buckets, place);
    if (action_at(brain, place) == OVERRIDE_ALLOW)
        return BUCKET_ALWAYS;
    if (ask->tokens == 0)
        return BUCKET_ALLOWED;
    if (slot == TABLE_NONE && !buckets_make_room(&brain->buckets, place->hash, 0, true))
        return BUCKET_TABLE_FULL;
    bool is_next = decide_is_next(holding);
    for (unsigned i = 0; i < line->count; i++)
        if (!credit_has_slots(&line->credit[i]))
            charged[i] = is_next
                             ? credit_charge(&line->credit[i], ask->tokens, &marks[i])
                             : holding_charge(holding, &line->credit[i], i, ask->tokens, &marks[i]);
    buckets_store(&brain->buckets, place, ask, slot, marks);
    return BUCKET_ALLOWED;
}

/* What a key that is never limited has used is not counted as forgiven: nobody would have owed it. */
static void count_charge(struct brain *brain, const struct bucket_question *ask,
                         const struct bucket_answer *answer)
{
    if (answer->result == BUCKET_TABLE_FULL)
        brain->counters.charges_failed++;
    else
        counters_charged(&brain->counters, answer->result == BUCKET_ALWAYS
                                               ? 0
                                               : ask->tokens - answer->charged_tokens);
}

static void charge(struct brain *brain, const struct place *place, struct holding *holding,
                   const struct bucket_question *ask, uint32_t slot, uint64_t marks[BUCKETS_MAX],
                   struct bucket_answer *answer)
{
    uint64_t charged[BUCKETS_MAX] = {0};
    enum bucket_result result = take_charge(brain, place, holding, ask, slot, marks, charged);
    decide_describe(brain, place, holding, ask->tokens, result, marks, answer);
    answer->charged_tokens = ask->tokens;
    for (unsigned i = 0; i < answer->allowance->count; i++) {
        answer->buckets[i].charged_tokens = charged[i];
        if (!answer->allowance->bucket[i].holds_slots && charged[i] < answer->charged_tokens)
            answer->charged_tokens = charged[i];
    }
    count_charge(brain, ask, answer);
}

void decide(struct brain *brain, enum message_kind kind, const struct place *place,
            const struct bucket_question *ask, struct bucket_answer *answer)
{
    enum bucket_result result = BUCKET_ALLOWED;
    if (!decide_suits(brain, kind, place, ask->tokens, answer))
        return;
    uint64_t marks[BUCKETS_MAX];
    uint32_t slot = buckets_find(&brain->buckets, place, ask);
    struct holding *holding = buckets_holding(&brain->buckets, place, ask->key, ask->key_len);
    buckets_marks(&brain->buckets, place, ask, slot, marks);
    if (kind == MESSAGE_CHARGE) {
        charge(brain, place, holding, ask, slot, marks, answer);
        return;
    }
    if (kind == MESSAGE_ALLOW)
        result = decide_try(brain, place, holding, decide_is_next(holding), ask, slot, marks);
    else if (kind == MESSAGE_RESET)
        reset(brain, place, holding, ask, slot, marks);
    else if (kind == MESSAGE_REFUND)
        refund(brain, place, holding, ask, slot, marks);
    else
        counters_told_status(&brain->counters);
    decide_describe(brain, place, holding, ask->tokens, result, marks, answer);
    if (kind == MESSAGE_ALLOW)
        decide_count(brain, place, ask, answer, bucket_answer_allows(answer));
}
