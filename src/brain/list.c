#include "brain/list.h"

#include "brain/decide.h"
#include "brain/each.h"
#include "brain/lease.h"
#include "brain/share_lists.h"
#include "brain/shares.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Applies what has ended of the keys of all calls, before anything is decided about one of them. */
static void settle_all(struct brain *brain, const struct list_question *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        lease_settle(brain, &brain->list.place[i], &list->calls[i].ask);
}

/* The index of the first call, all of which have places, that only a lease can answer, or `count`. */
static uint32_t find_leases(const struct brain *brain, const struct list_question *list)
{
    uint32_t at = 0;
    while (at < list->count && !decide_needs_lease(place_allowance(brain, &brain->list.place[at]),
                                                   list->calls[at].ask.tokens))
        at++;
    return at;
}

/* ---- all or none ----
 *
 * Calls about the same buckets count as one: the first of them leads, and their tokens add up.
 * First the buckets of every leader are looked at; this changes nothing but that idle entries
 * go. If no bucket refuses, tokens are taken from all. By then they are still there: the only
 * thing that can happen to an entry meanwhile is that it is dropped or given away, which makes
 * its buckets full. But there may be no room for a new entry, if that has to be made by giving entries
 * away (when_full: evict) and all of them owe. Then what was taken is given back.
 */

struct by_bucket {
    const struct place *place;
    const struct bucket_call *calls;
};

/* Orders calls by their buckets; 0: the same buckets. */
static int compare_buckets(const struct by_bucket *by, uint16_t a, uint16_t b)
{
    const struct place *place_a = &by->place[a], *place_b = &by->place[b];
    if (place_a->hash != place_b->hash)
        return place_a->hash < place_b->hash ? -1 : 1;
    int limits = place_a->limit - place_b->limit;
    return limits != 0 ? limits : strcmp(by->calls[a].ask.key, by->calls[b].ask.key);
}

static int compare_calls(const void *left, const void *right, void *by)
{
    uint16_t a = *(const uint16_t *)left, b = *(const uint16_t *)right;
    int buckets = compare_buckets(by, a, b);
    return buckets != 0 ? buckets : a < b ? -1 : 1;
}

/* The sum is at most LIST_MAX * TOKENS_MAX, which 63 bits hold. */
static void find_leaders(struct list_scratch *scratch, const struct list_question *list)
{
    struct by_bucket by = {scratch->place, list->calls};
    for (uint32_t i = 0; i < list->count; i++)
        scratch->order[i] = (uint16_t)i;
    qsort_r(scratch->order, list->count, sizeof scratch->order[0], compare_calls, &by);
    uint16_t leader = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        uint16_t call = scratch->order[i];
        if (i == 0 || compare_buckets(&by, leader, call) != 0) {
            leader = call;
            scratch->tokens[leader] = 0;
        }
        scratch->leader[call] = leader;
        scratch->tokens[leader] += list->calls[call].ask.tokens;
    }
}
static_assert(LIST_MAX * TOKENS_MAX <= INT64_MAX, "a sum of tokens does not overflow");

/* Whether there is room for the entry of one more leader, beside those reserved before. */
static enum bucket_result reserve(struct brain *brain, const struct place *place,
                                  uint32_t *reserved)
{
    if (brain->when_full == WHEN_FULL_EVICT)
        return BUCKET_ALLOWED;
    if (!buckets_make_room(&brain->buckets, place->hash, *reserved, false))
        return brain->when_full == WHEN_FULL_ALLOW ? BUCKET_UNCOUNTED : BUCKET_TABLE_FULL;
    ++*reserved;
    return BUCKET_ALLOWED;
}

/* What a leader's buckets say to `tokens` tokens. If its entry is idle it is dropped first: it
 * could otherwise be dropped later to make room for another, after it had been counted as
 * having room itself. */
static enum bucket_result look(struct brain *brain, const struct place *place,
                               const struct bucket_question *ask, uint64_t tokens,
                               uint32_t *reserved)
{
    uint64_t marks[BUCKETS_MAX];
    if (shares_concern(brain, place))
        return share_look(brain, place, ask, tokens);
    uint32_t slot = buckets_find(&brain->buckets, place, ask);
    if (slot != TABLE_NONE && buckets_drop_if_idle(&brain->buckets, slot))
        slot = TABLE_NONE;
    buckets_marks(&brain->buckets, place, ask, slot, marks);
    const struct holding *holding = buckets_holding(&brain->buckets, place, ask->key, ask->key_len);
    enum bucket_result result = decide_look(brain, place, holding, decide_is_next(holding),
                                            (struct demand){tokens, 0}, marks);
    bool needs_room = result == BUCKET_ALLOWED && tokens > 0 && slot == TABLE_NONE;
    return needs_room ? reserve(brain, place, reserved) : result;
}

/* false: there is no room for an entry. */
static bool take(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                 uint64_t tokens)
{
    uint64_t marks[BUCKETS_MAX];
    if (shares_concern(brain, place)) {
        share_take(brain, place, ask, tokens);
        return true;
    }
    uint32_t slot = buckets_find(&brain->buckets, place, ask);
    if (slot == TABLE_NONE &&
        !buckets_make_room(&brain->buckets, place->hash, 0, brain->when_full == WHEN_FULL_EVICT))
        return false;
    buckets_marks(&brain->buckets, place, ask, slot, marks);
    decide_take(brain, place, NULL, ask, (struct demand){tokens, 0}, slot, marks);
    return true;
}

/* Gives back what was just taken. If the entry has been given away since, its buckets are full. */
static void give_back(struct brain *brain, const struct place *place,
                      const struct bucket_question *ask, uint64_t tokens)
{
    const struct line *line = buckets_line(&brain->buckets, place);
    uint64_t marks[BUCKETS_MAX];
    if (shares_concern(brain, place)) {
        share_put_back(brain, place, ask, tokens);
        return;
    }
    uint32_t slot = buckets_find(&brain->buckets, place, ask);
    if (slot == TABLE_NONE)
        return;
    buckets_marks(&brain->buckets, place, ask, slot, marks);
    for (unsigned i = 0; i < line->count; i++)
        credit_give(&line->credit[i], tokens, &marks[i]);
    buckets_store(&brain->buckets, place, ask, slot, marks);
    buckets_drop_if_idle(&brain->buckets, slot);
}

/* Whether a result refuses the whole list. A limit on trial never does. */
static bool is_refusal(const struct brain *brain, const struct place *place,
                       enum bucket_result result)
{
    return !bucket_result_allows(result) && result != BUCKET_HELD_BACK &&
           !brain->limits->limit[place->limit].shadow;
}

/* Looks at the buckets of every leader. true: none of them refuses. */
static bool look_at_all(struct brain *brain, const struct list_question *list)
{
    struct list_scratch *scratch = &brain->list;
    uint32_t reserved = 0;
    bool allowed = true;
    for (uint32_t i = 0; i < list->count; i++) {
        if (scratch->leader[i] != i)
            continue;
        scratch->result[i] =
            look(brain, &scratch->place[i], &list->calls[i].ask, scratch->tokens[i], &reserved);
        allowed &= !is_refusal(brain, &scratch->place[i], scratch->result[i]);
    }
    return allowed;
}

static bool takes(const struct list_scratch *scratch, uint32_t call)
{
    return scratch->leader[call] == call && scratch->result[call] == BUCKET_ALLOWED &&
           scratch->tokens[call] > 0;
}

/* false: there was no room for all, and nothing is taken. */
static bool take_from_all(struct brain *brain, const struct list_question *list)
{
    struct list_scratch *scratch = &brain->list;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct place *place = &scratch->place[i];
        if (!takes(scratch, i) || take(brain, place, &list->calls[i].ask, scratch->tokens[i]))
            continue;
        scratch->result[i] = BUCKET_TABLE_FULL;
        if (!is_refusal(brain, place, BUCKET_TABLE_FULL))
            continue;
        while (i-- > 0)
            if (takes(scratch, i))
                give_back(brain, &scratch->place[i], &list->calls[i].ask, scratch->tokens[i]);
        return false;
    }
    return true;
}

/* Answers one call: all calls about the same buckets get the same answer. */
static void describe_one(struct brain *brain, const struct list_question *list, uint32_t call,
                         bool allowed)
{
    const struct list_scratch *scratch = &brain->list;
    const struct place *place = &scratch->place[call];
    const struct bucket_question *ask = &list->calls[call].ask;
    const struct holding *holding = buckets_holding(&brain->buckets, place, ask->key, ask->key_len);
    uint16_t leader = scratch->leader[call];
    enum bucket_result result = scratch->result[leader];
    uint64_t marks[BUCKETS_MAX];
    if (!allowed && bucket_result_allows(result))
        result = BUCKET_HELD_BACK;
    if (shares_concern(brain, place)) {
        share_tell(brain, place, ask, scratch->tokens[leader], result, &list->calls[call].answer);
        return;
    }
    buckets_marks(&brain->buckets, place, ask, buckets_find(&brain->buckets, place, ask), marks);
    decide_describe(brain, place, holding, (struct demand){scratch->tokens[leader], 0}, result,
                    marks, &list->calls[call].answer);
}

/* What all calls about the same buckets demand counts as that of the first. */
static struct demand demand_of_group(const struct brain *brain, uint32_t call)
{
    const struct list_scratch *scratch = &brain->list;
    return (struct demand){scratch->leader[call] == call ? scratch->tokens[call] : 0, 0};
}

static void answer_all(struct brain *brain, const struct list_question *list,
                       struct list_answer *answer)
{
    find_leaders(&brain->list, list);
    answer->allowed = look_at_all(brain, list) && take_from_all(brain, list);
    for (uint32_t i = 0; i < list->count; i++) {
        struct bucket_answer *one = &list->calls[i].answer;
        describe_one(brain, list, i, answer->allowed);
        decide_count(brain, &brain->list.place[i], &list->calls[i].ask, one, answer->allowed);
        if (answer->allowed)
            events_allowed(brain, &brain->list.place[i], &list->calls[i].ask,
                           demand_of_group(brain, i), one);
        if (is_refusal(brain, &brain->list.place[i], one->result) &&
            one->retry_after_ms > answer->retry_after_ms)
            answer->retry_after_ms = one->retry_after_ms;
    }
}

/* Answers a list. has_waited: it has waited before. false: it waits. */
static bool answer_list(struct brain *brain, struct message *message, bool has_waited)
{
    const struct list_question list = message->ask.list;
    struct list_answer *answer = &message->answer.list;
    uint32_t missing = buckets_places_at(&brain->buckets, brain->limits, list.calls, list.count,
                                         brain->list.place);
    *answer = (struct list_answer){.no_such_limit = missing, .needs_lease = list.count};
    if (missing < list.count)
        return true;
    if (lease_ends_are_due(brain))
        settle_all(brain, &list);
    if (message->kind != MESSAGE_LIST && brain->limits->has_slots)
        answer->needs_lease = find_leases(brain, &list);
    if (answer->needs_lease < list.count) {
        uint32_t limit = (uint32_t)brain->list.place[answer->needs_lease].limit;
        list.calls[answer->needs_lease].answer.limit = &brain->limits->limit[limit];
        return true;
    }
    if ((has_waited ? share_lists_park_again : share_lists_park)(brain, message, brain->list.place))
        return false;
    if (message->kind == MESSAGE_ALL)
        answer_all(brain, &list, answer);
    else
        each_answer(brain, message->kind == MESSAGE_EACH ? MESSAGE_ALLOW : MESSAGE_STATUS, &list);
    return true;
}

bool list_answer(struct brain *brain, struct message *message)
{
    return answer_list(brain, message, false);
}

void list_advance(struct brain *brain)
{
    struct message *message;
    while ((message = share_lists_next(brain)) != NULL) {
        if (!answer_list(brain, message, true))
            continue;
        message_hold(message, brain->limits);
        chain_add(&brain->released, &message->letter);
    }
}
