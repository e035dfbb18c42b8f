#include "brain/share_answer.h"

#include "brain/decide.h"
#include "brain/orders.h"
#include "brain/share_estimate.h"
#include "brain/share_hand.h"

/* How long a client is told to wait where nobody can foretell it: see decide.c. */
enum { GUESSED_RETRY_MS = 1000 };

static uint64_t ms_between(uint64_t now_ns, uint64_t then_ns)
{
    return then_ns <= now_ns ? 0 : (then_ns - now_ns - 1) / NS_PER_MS + 1;
}

/* Milliseconds until the same question may be asked with success: when the record has enough, but at the
 * earliest when the next order can go; at least 1. */
static uint64_t lack_ms(const struct brain *brain, const struct share *share, uint64_t tokens)
{
    uint64_t order_ns = orders_may_go_ns(brain, share);
    uint64_t ready_ns = share_come_ns(brain, share, tokens);
    uint64_t ms = ms_between(brain->now_ns, ready_ns > order_ns ? ready_ns : order_ns);
    return ms == 0 ? 1 : ms;
}

/* Of slots nobody knows when others give some back, and a lease of ours may end before the store is asked again. */
static uint64_t slots_ms(const struct brain *brain, const struct place *place, uint64_t lack_ms)
{
    const struct lease_key *key = leases_by_hash(&brain->leases, place->hash);
    uint64_t end_ns = key == NULL ? UINT64_MAX : leases_key_next_slots_ns(&brain->leases, key);
    uint64_t end_ms = end_ns == UINT64_MAX ? RETRY_NEVER : decide_ms_until_end(brain, end_ns);
    return lack_ms < end_ms ? lack_ms : end_ms;
}

static uint64_t retry_after_ms(const struct brain *brain, const struct place *place,
                               const struct share *share, const struct share_told *told)
{
    uint64_t ends_ms, wait_ms;
    switch (told->fate.result) {
    case BUCKET_DENIED:
    case BUCKET_WAIT_OVER:
    case BUCKET_TOO_MANY_WAITING:
        wait_ms = lack_ms(brain, share, told->behind + told->tokens);
        return share->has_slots ? slots_ms(brain, place, wait_ms) : wait_ms;
    case BUCKET_NEVER:
        ends_ms = decide_denial_ends_after_ms(brain, place);
        wait_ms = share == NULL || told->tokens <= share_hand(share)
                      ? 0
                      : lack_ms(brain, share, told->behind + told->tokens);
        if (share != NULL && share->has_slots)
            wait_ms = slots_ms(brain, place, wait_ms);
        return ends_ms > wait_ms ? ends_ms : wait_ms;
    case BUCKET_EXCEEDS_BURST:
        return RETRY_NEVER;
    case BUCKET_TABLE_FULL:
        return GUESSED_RETRY_MS;
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

/* A bucket as far as is known. */
static void show(const struct share *share, uint32_t index, uint64_t now_ns,
                 struct bucket_state *state)
{
    const struct order_terms *terms = &share->bucket[index].terms;
    uint64_t hand = share_bucket_hand(&share->bucket[index]), units = terms->token_units;
    int64_t level = share_level(share, index, now_ns);
    uint64_t left = level <= 0 ? 0 : (uint64_t)level / units;
    int64_t next_units = (int64_t)((left + 1) * units) - level;
    int64_t full_units = (int64_t)((terms->burst_tokens - hand) * units) - level;
    state->remaining_tokens = hand + left;
    state->owed_tokens = level >= 0 ? 0 : ((uint64_t)-level + units - 1) / units;
    state->next_token_ms = full_units <= 0 ? 0 : ((uint64_t)next_units - 1) / terms->step_units + 1;
    state->full_after_ms = full_units <= 0 ? 0 : ((uint64_t)full_units - 1) / terms->step_units + 1;
}

/* Slots come back whenever those who hold them are done, so no time is told. */
static void show_slots(const struct share *share, uint32_t index, uint64_t now_ns,
                       struct bucket_state *state)
{
    int64_t level = share_level(share, index, now_ns);
    state->remaining_tokens =
        share_bucket_hand(&share->bucket[index]) + (level < 0 ? 0 : (uint64_t)level);
    state->owed_tokens = 0;
    state->next_token_ms = state->full_after_ms = RETRY_NEVER;
}

/* One of which nothing is known: no order has ever asked for it. */
static void show_full(const struct bucket_terms *terms, struct bucket_state *state)
{
    state->remaining_tokens = terms->burst;
    state->owed_tokens = 0;
    state->next_token_ms = state->full_after_ms = terms->holds_slots ? RETRY_NEVER : 0;
}

static bool is_violated(const struct share_told *told, const struct bucket_terms *terms,
                        const struct bucket_state *state)
{
    if (told->fate.result == BUCKET_EXCEEDS_BURST)
        return told->tokens > terms->burst;
    return (told->fate.result == BUCKET_DENIED || told->fate.result == BUCKET_WAIT_OVER ||
            told->fate.result == BUCKET_TOO_MANY_WAITING) &&
           state->remaining_tokens < told->behind + told->tokens;
}

/* Who is denied though nothing lacks, as far as is known, is behind others, or the store has not said. */
static void blame_one(struct bucket_answer *answer)
{
    bool is_blamed = false;
    for (uint32_t i = 0; i < answer->allowance->count; i++)
        is_blamed |= answer->buckets[i].violated;
    answer->buckets[0].violated |= !is_blamed;
}

/* Made anew for each who calls it, so that what is constant there costs nothing. */
static inline __attribute__((always_inline)) void describe(
    const struct brain *brain, const struct place *place, const struct place_terms *terms,
    uint32_t buckets, const struct share *share, const struct share_told *told,
    struct bucket_answer *answer)
{
    enum bucket_result result = told->fate.result;
    answer->result = result;
    answer->limit = terms->limit;
    answer->override = terms->override;
    answer->allowance = terms->allowance;
    answer->remaining_tokens = UINT64_MAX;
    answer->owed_tokens = 0;
    answer->retry_after_ms =
        result == BUCKET_ALLOWED ? 0 : retry_after_ms(brain, place, share, told);
    answer->full_after_ms = 0;
    answer->active = false;
    answer->is_estimate = true;
    answer->is_apart = told->fate.is_apart;
    answer->has_waited = false;
    answer->would_wait_ms = 0;
    for (uint32_t i = 0; i < buckets; i++) {
        const struct bucket_terms *bucket = &terms->allowance->bucket[i];
        struct bucket_state state = {0};
        if (share == NULL)
            show_full(bucket, &state);
        else if (bucket->holds_slots)
            show_slots(share, i, brain->now_ns, &state);
        else
            show(share, i, brain->now_ns, &state);
        if (terms->override != NULL)
            decide_show_override(brain, place, bucket, &state);
        state.violated = is_violated(told, bucket, &state);
        if (state.full_after_ms > answer->full_after_ms)
            answer->full_after_ms = state.full_after_ms;
        if (state.remaining_tokens < answer->remaining_tokens)
            answer->remaining_tokens = state.remaining_tokens;
        if (state.owed_tokens > answer->owed_tokens)
            answer->owed_tokens = state.owed_tokens;
        answer->active |=
            bucket->holds_slots ? state.remaining_tokens < bucket->burst : state.full_after_ms != 0;
        answer->buckets[i] = state;
    }
    if (result == BUCKET_DENIED)
        blame_one(answer);
}

void share_describe(const struct brain *brain, const struct place *place, const struct share *share,
                    struct share_told told, struct bucket_answer *answer)
{
    const struct place_terms terms = place_terms(brain, place);
    describe(brain, place, &terms, terms.allowance->count, share, &told, answer);
}

void share_describe_spent(const struct brain *brain, const struct place *place,
                          const struct place_terms *terms, const struct share *share,
                          struct bucket_answer *answer)
{
    const struct share_told told = {.fate = {BUCKET_ALLOWED, false}};
    if (terms->allowance->count == 1)
        describe(brain, place, terms, 1, share, &told, answer);
    else
        describe(brain, place, terms, terms->allowance->count, share, &told, answer);
}
