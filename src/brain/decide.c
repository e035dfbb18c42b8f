#include "brain/decide.h"

#include <assert.h>
#include <string.h>

/* How long a client is told to wait where nobody can foretell it: a guess. So it is where the table is
 * full, for room comes as other buckets fill up. */
enum { GUESSED_RETRY_MS = 1000 };

/* What is marked so is made anew for each who calls it: for keys that nobody waits for, of one bucket or of
 * any number, and as it stands. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* What a place leads to, looked up once. */
struct at {
    struct place_terms terms;
    const struct line *line;
    unsigned count; /* of buckets */
};

ALWAYS_INLINE struct at look_up(const struct brain *brain, const struct place *place)
{
    const struct line *line = buckets_line(&brain->buckets, place);
    return (struct at){place_terms(brain, place), line, line->count};
}

/* ---- looking and taking ---- */

ALWAYS_INLINE bool holds(const struct holding *holding, const struct credit_line *credit,
                         unsigned bucket, struct demand demand, uint64_t mark)
{
    return credit_holds(credit, demand_of(demand, credit), holding_mark(holding, bucket, mark));
}

/* Whether it is more than the smallest bucket can ever hold. */
static bool is_too_much(const struct allowance *allowance, struct demand demand)
{
    return (allowance->burst > 0 && demand.tokens > allowance->burst) ||
           (allowance->slots > 0 && demand.slots > allowance->slots);
}

ALWAYS_INLINE enum bucket_result look(const struct at *at, const struct holding *holding,
                                      bool is_next, struct demand demand,
                                      const uint64_t marks[BUCKETS_MAX])
{
    enum override_action action = place_action(&at->terms);
    if (action == OVERRIDE_ALLOW)
        return BUCKET_ALWAYS;
    if (demand_is_nothing(demand))
        return BUCKET_ALLOWED;
    if (action == OVERRIDE_DENY)
        return BUCKET_NEVER;
    if (is_too_much(at->terms.allowance, demand))
        return BUCKET_EXCEEDS_BURST;
    if (!is_next)
        return BUCKET_DENIED;
    for (unsigned i = 0; i < at->count; i++)
        if (!holds(holding, &at->line->credit[i], i, demand, marks[i]))
            return BUCKET_DENIED;
    return BUCKET_ALLOWED;
}

enum bucket_result decide_look(const struct brain *brain, const struct place *place,
                               const struct holding *holding, bool is_next, struct demand demand,
                               const uint64_t marks[BUCKETS_MAX])
{
    const struct at at = look_up(brain, place);
    return look(&at, holding, is_next, demand, marks);
}

/* Moves the marks of buckets that hold what is demanded. */
ALWAYS_INLINE void move_marks(const struct at *at, const struct holding *holding,
                              struct demand demand, uint64_t marks[BUCKETS_MAX])
{
    for (unsigned i = 0; i < at->count; i++) {
        const struct credit_line *credit = &at->line->credit[i];
        uint64_t mark = holding_mark(holding, i, marks[i]);
        bool taken = credit_take(credit, demand_of(demand, credit), &mark);
        assert(taken);
        (void)taken;
        marks[i] = holding_stored(holding, i, mark);
    }
}

void decide_take(struct brain *brain, const struct place *place, const struct holding *holding,
                 const struct bucket_question *ask, struct demand demand, uint32_t slot,
                 uint64_t marks[BUCKETS_MAX])
{
    const struct at at = look_up(brain, place);
    move_marks(&at, holding, demand, marks);
    buckets_store(&brain->buckets, place, ask, slot, marks);
}

/* ---- leases ---- */

static void hold_lease(struct brain *brain, const struct place *place,
                       const struct acquire_question *acquire, uint64_t tokens, uint32_t slots)
{
    struct lease_terms terms = {
        .salt = brain->buckets.salt[place->limit],
        .tokens = tokens,
        .slots = slots,
        .ttl_ms = acquire->ttl_ms,
        .key_len = (uint8_t)acquire->bucket.key_len,
    };
    memcpy(terms.id, acquire->id.bytes, sizeof terms.id);
    memcpy(terms.key, acquire->bucket.key, terms.key_len);
    uint64_t ttl_ns = acquire->ttl_ms * (uint64_t)NS_PER_MS;
    leases_hold(&brain->leases, &terms, place->hash, brain_lived_ns(brain, brain->now_ns) + ttl_ns);
    brain->counters.leases_granted++;
}

static bool can_hold_lease(struct brain *brain)
{
    return !brain_leases_are_full(brain) && leases_make_ready(&brain->leases);
}

/* Slots count towards whatever the limit has by then, tokens come back only if they were taken. */
static void hold_taken(struct brain *brain, const struct place *place,
                       const struct acquire_question *acquire)
{
    bool has_tokens = place_allowance(brain, place)->burst > 0;
    hold_lease(brain, place, acquire, has_tokens ? acquire->bucket.tokens : 0, acquire->slots);
}

bool decide_hold_lease(struct brain *brain, const struct place *place,
                       const struct acquire_question *acquire)
{
    if (!can_hold_lease(brain))
        return false;
    hold_taken(brain, place, acquire);
    return true;
}

enum bucket_result decide_lease(struct brain *brain, const struct place *place,
                                const struct acquire_question *acquire, enum bucket_result result)
{
    const struct bucket_answer answer = {.result = result, .limit = place_limit(brain, place)};
    if (!bucket_answer_allows(&answer) ||
        leases_find(&brain->leases, &acquire->id) != LEASE_NONE_NUMBER)
        return result;
    if (!can_hold_lease(brain))
        return BUCKET_TOO_MANY_LEASES;
    hold_lease(brain, place, acquire, 0, 0);
    return result;
}

/* ---- trying ---- */

ALWAYS_INLINE enum bucket_result try(struct brain *brain, const struct place *place,
                                     const struct at *at, const struct holding *holding,
                                     bool is_next, const struct acquire_question *acquire,
                                     const struct bucket_question *ask, struct demand demand,
                                     uint32_t slot, uint64_t marks[BUCKETS_MAX])
{
    enum bucket_result result = look(at, holding, is_next, demand, marks);
    if (result != BUCKET_ALLOWED || demand_is_nothing(demand))
        return result;
    if (acquire != NULL && !can_hold_lease(brain))
        return BUCKET_TOO_MANY_LEASES;
    if (slot == TABLE_NONE &&
        !buckets_make_room(&brain->buckets, place->hash, 0, brain->when_full == WHEN_FULL_EVICT))
        return brain->when_full == WHEN_FULL_ALLOW ? BUCKET_UNCOUNTED : BUCKET_TABLE_FULL;
    move_marks(at, holding, demand, marks);
    buckets_store_all(&brain->buckets, place, ask, slot, at->count, marks);
    if (acquire != NULL)
        hold_taken(brain, place, acquire);
    return BUCKET_ALLOWED;
}

enum bucket_result decide_try(struct brain *brain, const struct place *place,
                              const struct holding *holding, bool is_next, enum message_kind kind,
                              const struct bucket_question *ask, uint32_t slot,
                              uint64_t marks[BUCKETS_MAX])
{
    const struct at at = look_up(brain, place);
    return try(brain, place, &at, holding, is_next, acquire_of(kind, ask), ask,
               demand_by(kind, ask), slot, marks);
}

/* ---- describing ---- */

/* The level of a bucket, as it is shown. */
ALWAYS_INLINE int64_t level_of(const struct holding *holding, const struct credit_line *credit,
                               unsigned bucket, uint64_t mark)
{
    return holding == NULL ? credit_level(credit, mark)
                           : holding_shown(holding, credit, bucket, mark);
}

/* Milliseconds until a bucket of this level holds so much, behind all who wait. */
ALWAYS_INLINE uint64_t ms_until(const struct brain *brain, const struct holding *holding,
                                const struct credit_line *credit, unsigned bucket, int64_t level,
                                uint64_t need_units)
{
    uint64_t tick_ms = brain->limits->tick_ms;
    uint64_t ticks = decide_is_next(holding)
                         ? credit_ticks_until(credit, level, need_units)
                         : holding_ticks_until(holding, credit, bucket, level, need_units,
                                               brain->buckets.lines.tick);
    return ticks == TICK_NEVER ? RETRY_NEVER : tick_ms * ticks;
}

/* Slots that are taken come back whenever those who hold them are done, so no time is told. */
ALWAYS_INLINE struct bucket_state show_level(const struct brain *brain,
                                             const struct holding *holding,
                                             const struct credit_line *credit, unsigned bucket,
                                             uint64_t mark)
{
    int64_t level = level_of(holding, credit, bucket, mark);
    uint64_t remaining = credit_tokens(credit, level),
             next_units = (remaining + 1) * credit->token_units;
    bool full = level == (int64_t)credit->cap_units;
    struct bucket_state state = {
        .remaining_tokens = remaining,
        .owed_tokens = credit_owed(
            credit, holding == NULL ? level : holding_owing(holding, credit, bucket, mark)),
        .next_token_ms = RETRY_NEVER,
        .full_after_ms = RETRY_NEVER,
    };
    if (credit_has_slots(credit))
        return state;
    state.next_token_ms = full ? 0 : ms_until(brain, holding, credit, bucket, level, next_units);
    state.full_after_ms =
        full ? 0 : ms_until(brain, holding, credit, bucket, level, credit->cap_units);
    return state;
}

uint64_t decide_ms_until_end(const struct brain *brain, uint64_t end_ns)
{
    assert(end_ns > brain->leases.now_ns);
    uint64_t ticks = (end_ns - brain->leases.now_ns + brain->tick_ns - 1) / brain->tick_ns;
    return ticks * brain->limits->tick_ms;
}

/* Milliseconds until the next slot of a key comes back, unless a client gives it back before. If none is
 * out, those who wait for tokens have been promised all, and nobody can say when they are done. */
static uint64_t ms_until_slot(const struct brain *brain, const struct place *place)
{
    const struct lease_key *key = leases_by_hash(&brain->leases, place->hash);
    uint64_t end_ns = key == NULL ? UINT64_MAX : leases_key_next_slots_ns(&brain->leases, key);
    return end_ns == UINT64_MAX ? GUESSED_RETRY_MS : decide_ms_until_end(brain, end_ns);
}

/* Milliseconds until the last one is let go who waits for a key, for nobody passes them. */
static uint64_t ms_until_tail(const struct brain *brain, const struct place *place,
                              const struct holding *holding)
{
    uint64_t tick = brain->buckets.lines.tick;
    if (decide_is_next(holding) || holding->tail.tick <= tick)
        return 0;
    return holding->tail.tick == TICK_NEVER ? ms_until_slot(brain, place)
                                            : (holding->tail.tick - tick) * brain->limits->tick_ms;
}

/* Milliseconds until every bucket holds what is demanded, behind all who wait; RETRY_NEVER: one of them
 * never can. */
ALWAYS_INLINE uint64_t wait_ms(const struct brain *brain, const struct place *place,
                               const struct at *at, const struct holding *holding,
                               struct demand demand, const uint64_t marks[BUCKETS_MAX])
{
    uint64_t longest_ms = 0;
    for (unsigned i = 0; i < at->count; i++) {
        const struct credit_line *credit = &at->line->credit[i];
        uint64_t need_units;
        if (__builtin_mul_overflow(demand_of(demand, credit), credit->token_units, &need_units) ||
            need_units > credit->cap_units)
            return RETRY_NEVER;
        int64_t level = level_of(holding, credit, i, marks[i]);
        uint64_t ms = ms_until(brain, holding, credit, i, level, need_units);
        if (ms == RETRY_NEVER && credit_has_slots(credit))
            ms = ms_until_slot(brain, place);
        if (ms > longest_ms)
            longest_ms = ms;
    }
    uint64_t queue_ms = ms_until_tail(brain, place, holding);
    return queue_ms > longest_ms ? queue_ms : longest_ms;
}

uint64_t decide_denial_ends_after_ms(const struct brain *brain, const struct place *place)
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

uint64_t decide_ms_until_room(const struct brain *brain)
{
    return brain_leases_are_full(brain)
               ? decide_ms_until_end(brain, leases_next_end_ns(&brain->leases))
               : GUESSED_RETRY_MS; /* there was no memory */
}

ALWAYS_INLINE uint64_t retry_after_ms(const struct brain *brain, const struct place *place,
                                      const struct at *at, const struct holding *holding,
                                      struct demand demand, enum bucket_result result,
                                      const uint64_t marks[BUCKETS_MAX])
{
    uint64_t wait, ends;
    if (result == BUCKET_ALLOWED)
        return 0; /* as mostly */
    switch (result) {
    case BUCKET_DENIED:
    case BUCKET_WAIT_OVER:
    case BUCKET_TOO_MANY_WAITING:
        return wait_ms(brain, place, at, holding, demand, marks);
    case BUCKET_EXCEEDS_BURST:
        return RETRY_NEVER;
    case BUCKET_TABLE_FULL:
        return GUESSED_RETRY_MS;
    case BUCKET_NEVER:
        wait = wait_ms(brain, place, at, holding, demand, marks);
        ends = decide_denial_ends_after_ms(brain, place);
        return wait > ends ? wait : ends;
    case BUCKET_ALLOWED:
    case BUCKET_UNCOUNTED:
    case BUCKET_ALWAYS:
    case BUCKET_HELD_BACK:
    case BUCKET_LEFT:
    case BUCKET_NEEDS_LEASE:
    case BUCKET_SLOTS_ONLY:
    case BUCKET_NO_LEASES:
    case BUCKET_ONCE_DIFFERS:
    case BUCKET_ONCE_WAITS:
    case BUCKET_NO_SUCH_LIMIT:
        break;
    case BUCKET_TOO_MANY_LEASES:
        return decide_ms_until_room(brain);
    }
    return 0;
}

void decide_show_override(const struct brain *brain, const struct place *place,
                          const struct bucket_terms *terms, struct bucket_state *state)
{
    const uint64_t never = terms->holds_slots ? RETRY_NEVER : 0;
    const struct place_terms at = place_terms(brain, place);
    switch (place_action(&at)) {
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
            state->next_token_ms = decide_denial_ends_after_ms(brain, place);
        return;
    }
}

/* Whether a bucket, as it is shown, does not hold what is demanded. */
ALWAYS_INLINE bool lacks(const struct holding *holding, const struct credit_line *credit,
                         unsigned bucket, struct demand demand, uint64_t mark)
{
    uint64_t wanted = demand_of(demand, credit);
    if (holding == NULL)
        return !credit_holds(credit, wanted, mark);
    return credit_tokens(credit, level_of(holding, credit, bucket, mark)) < wanted;
}

/* Who is denied though nothing lacks is behind somebody who waits for more slots than there are. */
static void blame_slots(struct bucket_answer *answer)
{
    bool is_blamed = false;
    for (unsigned i = 0; i < answer->allowance->count; i++)
        is_blamed |= answer->buckets[i].violated;
    for (unsigned i = 0; i < answer->allowance->count; i++)
        answer->buckets[i].violated |= !is_blamed && answer->allowance->bucket[i].holds_slots;
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

ALWAYS_INLINE void describe(const struct brain *brain, const struct place *place,
                            const struct at *at, const struct holding *holding,
                            struct demand demand, enum bucket_result result,
                            const uint64_t marks[BUCKETS_MAX], struct bucket_answer *answer)
{
    answer->result = result;
    answer->limit = at->terms.limit;
    answer->override = at->terms.override;
    answer->allowance = at->terms.allowance;
    answer->remaining_tokens = UINT64_MAX;
    answer->owed_tokens = 0;
    answer->retry_after_ms = retry_after_ms(brain, place, at, holding, demand, result, marks);
    answer->full_after_ms = 0;
    answer->active = false;
    answer->is_estimate = false;
    answer->is_apart = false;
    answer->has_waited = false;
    answer->would_wait_ms = 0;
    for (unsigned i = 0; i < at->count; i++) {
        const struct credit_line credit = at->line->credit[i];
        const struct bucket_terms *terms = &at->terms.allowance->bucket[i];
        struct bucket_state state = show_level(brain, holding, &credit, i, marks[i]);
        if (at->terms.override != NULL)
            decide_show_override(brain, place, terms, &state);
        uint64_t wanted = demand_of(demand, &credit);
        state.violated = (is_for_lack(result) && lacks(holding, &credit, i, demand, marks[i])) ||
                         (result == BUCKET_EXCEEDS_BURST && wanted > terms->burst);
        sum_up(&state, terms->holds_slots, answer);
        answer->active |= is_active(&credit, marks[i], &state);
        answer->buckets[i] = state;
    }
    if (holding != NULL && result == BUCKET_DENIED)
        blame_slots(answer);
}

void decide_describe(const struct brain *brain, const struct place *place,
                     const struct holding *holding, struct demand demand, enum bucket_result result,
                     const uint64_t marks[BUCKETS_MAX], struct bucket_answer *answer)
{
    const struct at at = look_up(brain, place);
    describe(brain, place, &at, holding, demand, result, marks, answer);
}

void decide_describe_lease(const struct brain *brain, const struct acquire_question *acquire,
                           struct bucket_answer *answer)
{
    bool is_held = leases_find(&brain->leases, &acquire->id) != LEASE_NONE_NUMBER;
    answer->expires_after_ms = is_held ? acquire->ttl_ms : 0;
}

/* ---- foreseeing ---- */

/* What try would say of a demand, beyond what the buckets hold. */
static enum bucket_result foresee_room(struct brain *brain, const struct place *place,
                                       bool is_acquire, uint32_t slot)
{
    if (is_acquire && brain_leases_are_full(brain))
        return BUCKET_TOO_MANY_LEASES;
    if (slot == TABLE_NONE &&
        !buckets_have_room(&brain->buckets, place->hash, brain->when_full == WHEN_FULL_EVICT))
        return brain->when_full == WHEN_FULL_ALLOW ? BUCKET_UNCOUNTED : BUCKET_TABLE_FULL;
    return BUCKET_ALLOWED;
}

/* What try, and then decide_lease, would say. The marks become those after it. */
static enum bucket_result foresee(struct brain *brain, enum message_kind kind,
                                  const struct place *place, const struct holding *holding,
                                  struct demand demand, uint32_t slot, uint64_t marks[BUCKETS_MAX])
{
    bool is_acquire = kind == MESSAGE_ACQUIRE;
    const struct at at = look_up(brain, place);
    enum bucket_result result = look(&at, holding, decide_is_next(holding), demand, marks);
    if (result == BUCKET_ALLOWED && !demand_is_nothing(demand)) {
        result = foresee_room(brain, place, is_acquire, slot);
        if (result == BUCKET_ALLOWED) {
            move_marks(&at, holding, demand, marks);
            return BUCKET_ALLOWED;
        }
    }
    const struct bucket_answer answer = {.result = result, .limit = place_limit(brain, place)};
    return is_acquire && bucket_answer_allows(&answer) && brain_leases_are_full(brain)
               ? BUCKET_TOO_MANY_LEASES
               : result;
}

void decide_foresee(struct brain *brain, enum message_kind kind, const struct place *place,
                    const struct bucket_question *ask, struct bucket_answer *answer)
{
    const struct holding *holding = buckets_holding(&brain->buckets, place, ask->key, ask->key_len);
    struct demand demand = demand_by(kind, ask);
    uint64_t marks[BUCKETS_MAX];
    enum bucket_result result = BUCKET_ALLOWED;
    const struct place_terms terms = place_terms(brain, place);
    if (!decide_suits(kind, &terms, ask->tokens, answer))
        return;
    uint32_t slot = buckets_find(&brain->buckets, place, ask);
    buckets_marks(&brain->buckets, place, ask, slot, marks);
    if (kind != MESSAGE_STATUS)
        result = foresee(brain, kind, place, holding, demand, slot, marks);
    decide_describe(brain, place, holding, demand, result, marks, answer);
    if (kind == MESSAGE_ACQUIRE)
        answer->expires_after_ms = bucket_answer_allows(answer) ? acquire_of(kind, ask)->ttl_ms : 0;
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

void decide_count_beside(struct brain *brain, const struct place *place,
                         const struct bucket_question *ask, struct bucket_answer *answer,
                         bool allowed)
{
    struct brain_counters *counters = &brain->counters;
    bool would_allow = bucket_result_allows(answer->result);
    counters->table_full_denied += answer->result == BUCKET_TABLE_FULL;
    counters->table_full_allowed += answer->result == BUCKET_UNCOUNTED && !answer->is_apart;
    counters->leases_refused += answer->result == BUCKET_TOO_MANY_LEASES;
    counters->shadow_denied += allowed && !would_allow;
    if (!would_allow && answer->result != BUCKET_HELD_BACK)
        count_denial(brain, place, ask);
    if (!allowed && bucket_answer_denies(answer)) {
        answer->sample = sampler_take(&brain->denials, brain->now_ns);
        events_denied(brain, place, ask, answer);
    }
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
    if (slot != TABLE_NONE && place_allowance(brain, place)->slots > 0)
        buckets_store(&brain->buckets, place, ask, slot, marks);
    else if (slot != TABLE_NONE)
        buckets_drop(&brain->buckets, slot);
    counters_reset(&brain->counters);
}

void decide_give(const struct brain *brain, const struct place *place,
                 const struct holding *holding, uint64_t tokens, uint64_t marks[BUCKETS_MAX])
{
    const struct line *line = buckets_line(&brain->buckets, place);
    for (unsigned i = 0; i < line->count; i++) {
        if (credit_has_slots(&line->credit[i]))
            continue;
        uint64_t mark = holding_mark(holding, i, marks[i]);
        credit_give(&line->credit[i], tokens, &mark);
        marks[i] = holding_stored(holding, i, mark);
    }
}

static void refund(struct brain *brain, const struct place *place, const struct holding *holding,
                   const struct bucket_question *ask, uint32_t slot, uint64_t marks[BUCKETS_MAX])
{
    decide_give(brain, place, holding, ask->tokens, marks);
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
    const struct at at = look_up(brain, place);
    if (place_action(&at.terms) == OVERRIDE_ALLOW)
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
    decide_describe(brain, place, holding, (struct demand){ask->tokens, 0}, result, marks, answer);
    answer->charged_tokens = ask->tokens;
    for (unsigned i = 0; i < answer->allowance->count; i++) {
        answer->buckets[i].charged_tokens = charged[i];
        if (!answer->allowance->bucket[i].holds_slots && charged[i] < answer->charged_tokens)
            answer->charged_tokens = charged[i];
    }
    count_charge(brain, ask, answer);
    if (answer->owed_tokens > 0)
        events_owed(brain, place, ask, answer->owed_tokens);
}

/* ALLOW of a key that nobody waits for, which is what is asked nearly always. */
ALWAYS_INLINE void allow(struct brain *brain, const struct place *place, const struct at *at,
                         const struct bucket_question *ask, struct bucket_answer *answer)
{
    const struct demand demand = {ask->tokens, 0};
    uint64_t marks[BUCKETS_MAX];
    uint32_t slot = buckets_find(&brain->buckets, place, ask);
    buckets_marks_all(&brain->buckets, place, ask, slot, at->count, marks);
    enum bucket_result result = try(brain, place, at, NULL, true, NULL, ask, demand, slot, marks);
    describe(brain, place, at, NULL, demand, result, marks, answer);
    decide_count(brain, place, ask, answer, bucket_answer_allows(answer));
    events_allowed(brain, place, ask, demand, answer);
}

/* Anything else, and whatever is asked of a key that somebody waits for. */
static void decide_any(struct brain *brain, enum message_kind kind, const struct place *place,
                       struct holding *holding, const struct bucket_question *ask,
                       struct bucket_answer *answer)
{
    const struct acquire_question *acquire = acquire_of(kind, ask);
    enum bucket_result result = BUCKET_ALLOWED;
    uint64_t marks[BUCKETS_MAX];
    uint32_t slot = buckets_find(&brain->buckets, place, ask);
    buckets_marks(&brain->buckets, place, ask, slot, marks);
    if (kind == MESSAGE_CHARGE) {
        charge(brain, place, holding, ask, slot, marks, answer);
        return;
    }
    if (kind == MESSAGE_ALLOW || kind == MESSAGE_ACQUIRE)
        result = decide_try(brain, place, holding, decide_is_next(holding), kind, ask, slot, marks);
    else if (kind == MESSAGE_RESET)
        reset(brain, place, holding, ask, slot, marks);
    else if (kind == MESSAGE_REFUND)
        refund(brain, place, holding, ask, slot, marks);
    else
        counters_told_status(&brain->counters);
    if (acquire != NULL)
        result = decide_lease(brain, place, acquire, result);
    decide_describe(brain, place, holding, demand_by(kind, ask), result, marks, answer);
    if (acquire != NULL)
        decide_describe_lease(brain, acquire, answer);
    if (kind == MESSAGE_ALLOW || kind == MESSAGE_ACQUIRE) {
        decide_count(brain, place, ask, answer, bucket_answer_allows(answer));
        events_allowed(brain, place, ask, demand_by(kind, ask), answer);
    }
}

void decide(struct brain *brain, enum message_kind kind, const struct place *place,
            const struct bucket_question *ask, struct bucket_answer *answer)
{
    const struct at at = look_up(brain, place);
    if (!decide_suits(kind, &at.terms, ask->tokens, answer))
        return;
    struct holding *holding = buckets_holding(&brain->buckets, place, ask->key, ask->key_len);
    if (kind != MESSAGE_ALLOW || holding != NULL)
        decide_any(brain, kind, place, holding, ask, answer);
    else if (at.count == 1)
        allow(brain, place, &(struct at){at.terms, at.line, 1}, ask, answer);
    else
        allow(brain, place, &at, ask, answer);
}
