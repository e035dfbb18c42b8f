#include "brain/each.h"

#include "brain/decide.h"
#include "brain/share_lists.h"
#include "brain/shares.h"

enum { GROUP_MAX = 32 }; /* calls whose memory is fetched together */

/* Asks for the memory that a group of calls will read, each step for what the next one reads; and learns
 * at which slots their entries are likely to be. */
static void prefetch(const struct brain *brain, uint32_t from, uint32_t to,
                     uint32_t slots[GROUP_MAX])
{
    const struct table *table = &brain->buckets.table;
    for (uint32_t i = from; i < to; i++)
        table_prefetch_slot(table, brain->list.place[i].hash);
    for (uint32_t i = from; i < to; i++)
        slots[i - from] = table_prefetch_entry(table, brain->list.place[i].hash);
}

/* Whether no key is waited for, and no entry is to be checked before it is looked at. */
static bool is_at_ease(const struct brain *brain)
{
    return brain->buckets.holdings.count == 0 && !table_is_in_doubt(&brain->buckets.table);
}

/* Whether a place has one bucket, of tokens, that is here alone. An override can have any. */
static bool is_plain(const struct brain *brain, const struct place *place, const struct line *line)
{
    return place->override < 0 && line->count == 1 && !credit_has_slots(&line->credit[0]) &&
           !shares_concern(brain, place);
}

/* Says what decide() would of a bucket that holds so much after tokens were taken: so it is not full. */
static void tell(const struct brain *brain, const struct limit *limit,
                 const struct credit_line *credit, int64_t level, struct bucket_answer *answer)
{
    uint64_t remaining = credit_tokens(credit, level), tick_ms = brain->limits->tick_ms;
    uint64_t next_units = (remaining + 1) * credit->token_units;
    uint64_t full_after_ms = tick_ms * credit_ticks_until(credit, level, credit->cap_units);
    answer->limit = limit;
    answer->override = NULL;
    answer->allowance = &limit->allowance;
    answer->remaining_tokens = remaining;
    answer->owed_tokens = 0;
    answer->retry_after_ms = 0;
    answer->full_after_ms = full_after_ms;
    answer->active = true;
    answer->is_estimate = answer->is_apart = answer->has_waited = false;
    answer->would_wait_ms = 0;
    answer->buckets[0] = (struct bucket_state){
        .remaining_tokens = remaining,
        .next_token_ms = tick_ms * credit_ticks_until(credit, level, next_units),
        .full_after_ms = full_after_ms,
    };
    answer->result = BUCKET_ALLOWED;
}

/* Takes the tokens of a call whose entry is at this slot, as likely as not. false: it is no call as nearly all
 * are, and nothing has changed. */
static bool take(struct brain *brain, const struct place *place, uint32_t slot,
                 const struct bucket_question *ask, struct bucket_answer *answer)
{
    struct table *table = &brain->buckets.table;
    const struct limit *limit = &brain->limits->limit[place->limit];
    const struct line *line = buckets_line(&brain->buckets, place);
    const struct credit_line *credit = &line->credit[0];
    if (slot == TABLE_NONE || !is_plain(brain, place, line) || ask->tokens == 0 ||
        !table_is_at(table, slot, ask->key, ask->key_len, place->line))
        return false;
    uint64_t mark = credit_unseal(table_spent(table, slot, 0));
    if (!credit_take(credit, ask->tokens, &mark))
        return false;
    table_set_spent(table, slot, 0, credit_seal(mark));
    tell(brain, limit, credit, (int64_t)(credit->credit_units - mark), answer);
    decide_count(brain, place, ask, answer, true);
    events_allowed(brain, place, ask, (struct demand){ask->tokens, 0}, answer);
    return true;
}

void each_answer(struct brain *brain, enum message_kind kind, const struct list_question *list)
{
    uint32_t slots[GROUP_MAX];
    bool may_take = kind == MESSAGE_ALLOW && is_at_ease(brain);
    for (uint32_t from = 0; from < list->count; from += GROUP_MAX) {
        uint32_t to = list->count - from < GROUP_MAX ? list->count : from + GROUP_MAX;
        prefetch(brain, from, to, slots);
        for (uint32_t i = from; i < to; i++) {
            const struct place *place = &brain->list.place[i];
            struct bucket_call *call = &list->calls[i];
            if (may_take && take(brain, place, slots[i - from], &call->ask, &call->answer))
                continue;
            (shares_concern(brain, place) ? share_decide : decide)(brain, kind, place, &call->ask,
                                                                   &call->answer);
        }
    }
}
