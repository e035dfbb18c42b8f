#include "brain/list.h"

#include "brain/decide.h"

#include <stdlib.h>
#include <string.h>

enum { GROUP_MAX = 32 }; /* calls whose memory is fetched together */

/* Finds the places of all calls; the index of the first without one, or `count`. */
static uint32_t find_places(struct brain *brain, const struct list_question *list)
{
    uint32_t missing = list->count;
    for (uint32_t i = list->count; i-- > 0;) {
        brain->places[i] = buckets_place(&brain->buckets, brain->limits, &list->calls[i].ask);
        if (brain->places[i].limit < 0)
            missing = i;
    }
    return missing;
}

/* Asks for the memory that a group of calls will read, each step for the next one's. */
static void prefetch(const struct brain *brain, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        table_prefetch_slot(&brain->buckets.table, brain->places[i].hash);
    for (uint32_t i = from; i < to; i++)
        table_prefetch_entry(&brain->buckets.table, brain->places[i].hash);
}

static void answer_each(struct brain *brain, enum message_kind kind,
                        const struct list_question *list)
{
    for (uint32_t from = 0; from < list->count; from += GROUP_MAX) {
        uint32_t to = list->count - from < GROUP_MAX ? list->count : from + GROUP_MAX;
        prefetch(brain, from, to);
        for (uint32_t i = from; i < to; i++)
            decide(brain, kind, &brain->places[i], &list->calls[i].ask, &list->calls[i].answer);
    }
}

/* ---- all or none ----
 *
 * Calls about the same bucket are one: their tokens add up. First every bucket is
 * looked at, and nothing changes but that idle entries go. If none refuses, all
 * are taken from; what was seen to be there still is, for between the two an
 * entry can only be dropped or given away, which makes its buckets full.
 */

struct all {
    struct brain *brain;
    struct bucket_call *calls;
};

/* Calls about the same bucket next to each other, and these in the order given. */
static int by_bucket(const void *left, const void *right, void *context)
{
    const struct all *all = context;
    uint16_t a = *(const uint16_t *)left, b = *(const uint16_t *)right;
    const struct place *place_a = &all->brain->places[a], *place_b = &all->brain->places[b];
    if (place_a->hash != place_b->hash)
        return place_a->hash < place_b->hash ? -1 : 1;
    if (place_a->limit != place_b->limit)
        return place_a->limit < place_b->limit ? -1 : 1;
    int keys = strcmp(all->calls[a].ask.key, all->calls[b].ask.key);
    return keys != 0 ? keys : a < b ? -1 : 1;
}

static bool same_bucket(const struct all *all, uint16_t a, uint16_t b)
{
    return all->brain->places[a].hash == all->brain->places[b].hash &&
           all->brain->places[a].limit == all->brain->places[b].limit &&
           strcmp(all->calls[a].ask.key, all->calls[b].ask.key) == 0;
}

/* One bucket's calls: order[from] to order[to - 1]. */
struct group {
    uint32_t from, to;
    uint64_t tokens; /* of all of them: at most LIST_MAX * TOKENS_MAX, which 63 bits hold */
};

/* The group that begins at `from`. */
static struct group group_at(const struct all *all, uint32_t count, uint32_t from)
{
    const uint16_t *order = all->brain->order;
    struct group group = {.from = from, .to = from};
    while (group.to < count && same_bucket(all, order[from], order[group.to]))
        group.tokens += all->calls[order[group.to++]].ask.tokens;
    return group;
}

/* Whether there will be room for a bucket that has no entry, once for each. */
static enum bucket_result reserve(struct brain *brain, const struct place *place,
                                  uint32_t *reserved)
{
    if (brain->when_full == WHEN_FULL_EVICT)
        return BUCKET_ALLOWED;
    if (!buckets_make_room(&brain->buckets, place->hash, *reserved, false))
        return brain->when_full == WHEN_FULL_DENY ? BUCKET_TABLE_FULL : BUCKET_UNCOUNTED;
    ++*reserved;
    return BUCKET_ALLOWED;
}

/* What a group's bucket says to all its tokens. An idle entry goes first, so that
 * making room for others cannot take one that was counted on. */
static enum bucket_result look(struct brain *brain, const struct place *place,
                               const struct bucket_question *ask, uint64_t tokens,
                               uint32_t *reserved)
{
    uint64_t marks[BUCKETS_MAX];
    uint32_t slot = buckets_find(&brain->buckets, place, ask);
    if (slot != TABLE_NONE && buckets_drop_if_idle(&brain->buckets, slot))
        slot = TABLE_NONE;
    buckets_marks(&brain->buckets, place, slot, marks);
    enum bucket_result result = decide_look(brain, place, tokens, marks);
    bool needs_room = result == BUCKET_ALLOWED && tokens > 0 && slot == TABLE_NONE;
    return needs_room ? reserve(brain, place, reserved) : result;
}

static void take(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                 uint64_t tokens)
{
    uint64_t marks[BUCKETS_MAX];
    uint32_t slot = buckets_find(&brain->buckets, place, ask);
    if (slot == TABLE_NONE)
        buckets_make_room(&brain->buckets, place->hash, 0, brain->when_full == WHEN_FULL_EVICT);
    buckets_marks(&brain->buckets, place, slot, marks);
    decide_take(brain, place, ask, tokens, slot, marks);
}

/* The answers of a group's calls: each that of the whole group. */
static void describe(struct all *all, const struct group *group, enum bucket_result result)
{
    struct brain *brain = all->brain;
    uint64_t marks[BUCKETS_MAX];
    uint16_t first = brain->order[group->from];
    uint32_t slot = buckets_find(&brain->buckets, &brain->places[first], &all->calls[first].ask);
    buckets_marks(&brain->buckets, &brain->places[first], slot, marks);
    for (uint32_t i = group->from; i < group->to; i++) {
        uint16_t call = brain->order[i];
        decide_describe(brain, &brain->places[call], group->tokens, result, marks,
                        &all->calls[call].answer);
    }
}

static bool is_refused(const struct brain *brain, const struct place *place,
                       enum bucket_result result)
{
    return !bucket_result_allows(result) && !brain->limits->limit[place->limit].shadow;
}

static void answer_all(struct brain *brain, const struct list_question *list,
                       struct list_answer *answer)
{
    struct all all = {brain, list->calls};
    uint32_t reserved = 0;
    for (uint32_t i = 0; i < list->count; i++)
        brain->order[i] = (uint16_t)i;
    qsort_r(brain->order, list->count, sizeof brain->order[0], by_bucket, &all);

    *answer = (struct list_answer){.no_such_limit = list->count, .allowed = true};
    struct group group;
    for (uint32_t from = 0; from < list->count; from = group.to) {
        group = group_at(&all, list->count, from);
        uint16_t first = brain->order[from];
        enum bucket_result result = look(brain, &brain->places[first], &list->calls[first].ask,
                                         group.tokens, &reserved);
        list->calls[first].answer.result = result; /* kept for the next passes */
        if (is_refused(brain, &brain->places[first], result))
            answer->allowed = false;
    }
    for (uint32_t from = 0; answer->allowed && from < list->count; from = group.to) {
        group = group_at(&all, list->count, from);
        uint16_t first = brain->order[from];
        if (list->calls[first].answer.result == BUCKET_ALLOWED && group.tokens > 0)
            take(brain, &brain->places[first], &list->calls[first].ask, group.tokens);
    }
    for (uint32_t from = 0; from < list->count; from = group.to) {
        group = group_at(&all, list->count, from);
        uint16_t first = brain->order[from];
        enum bucket_result result = list->calls[first].answer.result;
        bool is_held_back = !answer->allowed &&
                            !is_refused(brain, &brain->places[first], result);
        describe(&all, &group, is_held_back ? BUCKET_HELD_BACK : result);
        uint64_t retry_ms = list->calls[first].answer.retry_after_ms;
        if (!answer->allowed && retry_ms > answer->retry_after_ms)
            answer->retry_after_ms = retry_ms;
    }
    for (uint32_t i = 0; i < list->count; i++)
        decide_count(brain, &list->calls[i].answer);
}

void list_answer(struct brain *brain, struct message *message)
{
    const struct list_question list = message->ask.list;
    struct list_answer *answer = &message->answer.list;
    uint32_t missing = find_places(brain, &list);
    *answer = (struct list_answer){.no_such_limit = missing};
    if (missing < list.count)
        return;
    if (message->kind == MESSAGE_ALL)
        answer_all(brain, &list, answer);
    else
        answer_each(brain, message->kind == MESSAGE_EACH ? MESSAGE_ALLOW : MESSAGE_STATUS, &list);
}
