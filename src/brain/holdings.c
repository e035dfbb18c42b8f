#include "brain/holdings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef __int128 i128;

enum { CHAINS_MIN = 64 };

/* ---- the index ---- */

void holdings_release(struct holdings *holdings)
{
    for (uint32_t i = 0; i < holdings->chains_count; i++)
        for (struct holding *holding = holdings->chains[i], *next; holding != NULL;
             holding = next) {
            next = holding->next;
            free(holding);
        }
    free(holdings->chains);
}

static struct holding **chain_of(const struct holdings *holdings, uint64_t hash)
{
    return &holdings->chains[hash & (holdings->chains_count - 1)];
}

struct holding *holdings_find(const struct holdings *holdings, uint64_t hash, uint64_t salt,
                              const char *key, size_t key_len)
{
    struct holding *holding = *chain_of(holdings, hash);
    while (holding != NULL &&
           (holding->hash != hash || holding->salt != salt || holding->key_len != key_len ||
            memcmp(holding->key, key, key_len) != 0))
        holding = holding->next;
    return holding;
}

/* Doubles the number of chains. Without memory for that the chains are only longer. */
static void grow(struct holdings *holdings)
{
    uint32_t count = holdings->chains_count == 0 ? CHAINS_MIN : 2 * holdings->chains_count;
    struct holdings grown = {.chains_count = count, .count = holdings->count};
    grown.chains = calloc(count, sizeof(struct holding *));
    if (grown.chains == NULL)
        return;
    for (uint32_t i = 0; i < holdings->chains_count; i++)
        for (struct holding *holding = holdings->chains[i], *next; holding != NULL;
             holding = next) {
            struct holding **chain = chain_of(&grown, holding->hash);
            next = holding->next;
            holding->next = *chain;
            *chain = holding;
        }
    free(holdings->chains);
    *holdings = grown;
}

struct holding *holdings_make(struct holdings *holdings, uint64_t hash, uint64_t salt,
                              const char *key, size_t key_len)
{
    if (holdings->count >= holdings->chains_count)
        grow(holdings);
    if (holdings->chains_count == 0)
        return NULL;
    struct holding *holding = calloc(1, sizeof *holding + key_len + 1);
    if (holding == NULL)
        return NULL;
    struct holding **chain = chain_of(holdings, hash);
    *holding = (struct holding){.next = *chain, .hash = hash, .salt = salt, .key_len = key_len};
    memcpy(holding->key, key, key_len);
    *chain = holding;
    holdings->count++;
    return holding;
}

void holdings_drop_unused(struct holdings *holdings, struct holding *holding)
{
    if (holding_is_waited_for(holding))
        return;
    struct holding **link = chain_of(holdings, holding->hash);
    while (*link != holding)
        link = &(*link)->next;
    *link = holding->next;
    holdings->count--;
    free(holding);
}

void holdings_drop_all_unused(struct holdings *holdings)
{
    for (uint32_t i = 0; i < holdings->chains_count; i++)
        for (struct holding *holding = holdings->chains[i], *next; holding != NULL;
             holding = next) {
            next = holding->next;
            holdings_drop_unused(holdings, holding);
        }
}

/* ---- the queue ---- */

static void move_charges(uint64_t to[BUCKETS_MAX], uint64_t from[BUCKETS_MAX])
{
    for (unsigned i = 0; i < BUCKETS_MAX; i++) {
        to[i] += from[i];
        from[i] = 0;
    }
}

void holding_join(struct holding *holding, struct waiter *waiter)
{
    waiter->holding = holding;
    waiter->before = holding->last;
    waiter->after = NULL;
    memset(waiter->charged_before, 0, sizeof waiter->charged_before);
    move_charges(waiter->charged_before, holding->charged_behind);
    if (holding->last == NULL)
        holding->first = waiter;
    else
        holding->last->after = waiter;
    holding->last = waiter;
    holding->waiters++;
}

void holding_part(struct holding *holding, struct waiter *waiter)
{
    move_charges(waiter->after == NULL ? holding->charged_behind : waiter->after->charged_before,
                 waiter->charged_before);
    if (waiter->before == NULL)
        holding->first = waiter->after;
    else
        waiter->before->after = waiter->after;
    if (waiter->after == NULL)
        holding->last = waiter->before;
    else
        waiter->after->before = waiter->before;
    holding->waiters--;
    waiter->holding = NULL;
}

struct waiter *holding_disband(struct holding *holding, uint64_t charged_behind[BUCKETS_MAX])
{
    struct waiter *first = holding->first;
    for (struct waiter *waiter = first; waiter != NULL; waiter = waiter->after)
        waiter->holding = NULL;
    holding->first = holding->last = NULL;
    holding->waiters = 0;
    holding->promised = (struct demand){0, 0};
    holding->hoped_tokens = 0;
    memcpy(charged_behind, holding->charged_behind, sizeof holding->charged_behind);
    memset(holding->charged_behind, 0, sizeof holding->charged_behind);
    return first;
}

/* ---- levels ---- */

/* A level that 64 bits do not hold can only come of damage. */
static int64_t level_of(i128 level_units)
{
    return level_units < INT64_MIN ? INT64_MIN : (int64_t)level_units;
}

int64_t holding_content(const struct holding *holding, const struct credit_line *credit,
                        unsigned bucket, uint64_t mark)
{
    return credit_level(credit, holding_mark(holding, bucket, mark));
}

static i128 promised_units(const struct holding *holding, const struct credit_line *credit)
{
    return (i128)demand_of(holding->promised, credit) * (i128)credit->token_units;
}

int64_t holding_shown(const struct holding *holding, const struct credit_line *credit,
                      unsigned bucket, uint64_t mark)
{
    return level_of((i128)holding_content(holding, credit, bucket, mark) -
                    promised_units(holding, credit) - (i128)holding->deferred[bucket]);
}

int64_t holding_owing(const struct holding *holding, const struct credit_line *credit,
                      unsigned bucket, uint64_t mark)
{
    return level_of((i128)holding_content(holding, credit, bucket, mark) -
                    (i128)holding->deferred[bucket]);
}

/* ---- charges ---- */

uint64_t holding_charge(struct holding *holding, const struct credit_line *credit, unsigned bucket,
                        uint64_t tokens, uint64_t *mark)
{
    int64_t content = holding_content(holding, credit, bucket, *mark);
    i128 there = content;
    if (content > 0) {
        there -= promised_units(holding, credit) +
                 (i128)holding->hoped_tokens * (i128)credit->token_units;
        there = there < 0 ? 0 : there;
    }
    i128 room = there - (i128)holding->deferred[bucket] + (i128)credit->debt_units;
    uint64_t most = room <= 0 ? 0 : (uint64_t)(room / (i128)credit->token_units);
    uint64_t charged = tokens < most ? tokens : most;
    uint64_t units = charged * credit->token_units;
    holding->deferred[bucket] += units;
    holding->charged_behind[bucket] += units;
    if (holding->tail.tick != TICK_NEVER)
        holding->tail.level_units[bucket] -= (int64_t)units;
    *mark = holding_stored(holding, bucket, credit->credit_units - (uint64_t)content);
    return charged;
}

void holding_defer(struct holding *holding, unsigned buckets, const uint64_t charged[BUCKETS_MAX])
{
    for (unsigned i = 0; i < buckets; i++) {
        holding->charged_behind[i] += charged[i];
        if (holding->tail.tick != TICK_NEVER)
            holding->tail.level_units[i] -= (int64_t)charged[i];
    }
}

void holding_forgive(struct holding *holding)
{
    for (struct waiter *waiter = holding->first; waiter != NULL; waiter = waiter->after)
        memset(waiter->charged_before, 0, sizeof waiter->charged_before);
    memset(holding->charged_behind, 0, sizeof holding->charged_behind);
    memset(holding->deferred, 0, sizeof holding->deferred);
}

void holding_apply(struct holding *holding, const struct credit_line *credit, unsigned bucket,
                   uint64_t charged, uint64_t *mark)
{
    int64_t content = holding_content(holding, credit, bucket, *mark);
    *mark = holding_stored(holding, bucket, credit->credit_units - (uint64_t)content);
    holding->deferred[bucket] -= charged;
}

/* ---- projections ---- */

struct projection projection_of(const struct holding *holding, const struct line *line,
                                uint64_t now_tick, const uint64_t marks[BUCKETS_MAX])
{
    struct projection projection = {.tick = now_tick};
    for (unsigned i = 0; i < line->count; i++)
        projection.level_units[i] = holding_content(holding, &line->credit[i], i, marks[i]);
    return projection;
}

static_assert(CREDIT_NEVER == TICK_NEVER, "what never comes has no tick");

static uint64_t sum_of_ticks(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? TICK_NEVER : sum;
}

uint64_t projection_due(const struct projection *projection, const struct line *line,
                        struct demand demand)
{
    uint64_t ticks = 0;
    if (projection->tick == TICK_NEVER)
        return TICK_NEVER;
    for (unsigned i = 0; i < line->count; i++) {
        const struct credit_line *credit = &line->credit[i];
        uint64_t of_bucket = credit_ticks_until(credit, projection->level_units[i],
                                                demand_of(demand, credit) * credit->token_units);
        if (of_bucket > ticks)
            ticks = of_bucket;
    }
    return sum_of_ticks(projection->tick, ticks);
}

void projection_take(struct projection *projection, const struct line *line, struct demand demand,
                     uint64_t due_tick)
{
    for (unsigned i = 0; i < line->count && due_tick != TICK_NEVER; i++) {
        const struct credit_line *credit = &line->credit[i];
        i128 level = projection->level_units[i] +
                     (i128)(due_tick - projection->tick) * (i128)credit->step_units;
        if (level > (i128)credit->cap_units)
            level = (i128)credit->cap_units;
        projection->level_units[i] =
            (int64_t)(level - (i128)(demand_of(demand, credit) * credit->token_units));
    }
    projection->tick = due_tick;
}

uint64_t holding_ticks_until(const struct holding *holding, const struct credit_line *credit,
                             unsigned bucket, int64_t shown_units, uint64_t need_units,
                             uint64_t now_tick)
{
    const struct projection *tail = &holding->tail;
    if (tail->tick == TICK_NEVER || tail->tick < now_tick ||
        (tail->level_units[bucket] >= 0 && (uint64_t)tail->level_units[bucket] >= need_units))
        return credit_ticks_until(credit, shown_units, need_units);
    return sum_of_ticks(tail->tick - now_tick,
                        credit_ticks_until(credit, tail->level_units[bucket], need_units));
}
