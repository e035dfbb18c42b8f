#include "limits/changes.h"

#include <stdlib.h>
#include <string.h>

/* Goes through the overrides of a limit that hold at a date, sorted by what they are for. */
struct holding_walk {
    const struct limit *limit; /* NULL: it has none */
    uint32_t next;
    int64_t date_s;
};

static const struct override *holding_next(struct holding_walk *walk)
{
    const struct limit *limit = walk->limit;
    while (limit != NULL && walk->next < limit->overrides_count) {
        const struct override *override = &limit->overrides[limit->by_key[walk->next++]];
        if (override->until_s > walk->date_s)
            return override;
    }
    return NULL;
}

/* A run-time override may be for the same as one of the configuration, and stands before it. */
static int compare_keys(const struct override *a, const struct override *b)
{
    int order = strcmp(a->key, b->key);
    return order != 0 ? order : b->is_runtime - a->is_runtime;
}

static bool are_same(const struct override *a, const struct override *b)
{
    if (a->action != b->action || a->until_s != b->until_s ||
        a->allowance.count != b->allowance.count)
        return false;
    for (uint32_t i = 0; i < a->allowance.count; i++) {
        const struct bucket_terms *one = &a->allowance.bucket[i], *other = &b->allowance.bucket[i];
        if (strcmp(one->name, other->name) != 0 || one->burst != other->burst ||
            one->rate.tokens != other->rate.tokens ||
            one->rate.period_ms != other->rate.period_ms || one->debt_max != other->debt_max ||
            one->holds_slots != other->holds_slots)
            return false;
    }
    return true;
}

static void add_change(struct override_changes *changes, const struct limit *limit,
                       const struct override *override, bool has_ended)
{
    changes->change[changes->count++] =
        (struct override_change){.limit = limit, .override = override, .has_ended = has_ended};
}

/* Of one limit. prior: NULL if it is new, next: NULL if it is gone. */
static void add_changes(struct override_changes *changes, const struct limit *prior,
                        const struct limit *next, int64_t date_s)
{
    struct holding_walk gone = {.limit = prior, .date_s = date_s};
    struct holding_walk come = {.limit = next, .date_s = date_s};
    const struct override *before = holding_next(&gone), *after = holding_next(&come);
    while (before != NULL && after != NULL) {
        int order = compare_keys(before, after);
        bool is_kept = order == 0 && are_same(before, after);
        if (order <= 0 && !is_kept)
            add_change(changes, next, before, true);
        if (order >= 0 && !is_kept)
            add_change(changes, next, after, false);
        before = order <= 0 ? holding_next(&gone) : before;
        after = order >= 0 ? holding_next(&come) : after;
    }
    for (; before != NULL; before = holding_next(&gone))
        add_change(changes, next != NULL ? next : prior, before, true);
    for (; after != NULL; after = holding_next(&come))
        add_change(changes, next, after, false);
}

static bool goes_on(const struct limits *prior, uint32_t index, const struct limits *next)
{
    for (uint32_t i = 0; i < next->count; i++)
        if (limits_before(prior, &next->limit[i]) == (int)index)
            return true;
    return false;
}

struct override_changes *changes_between(const struct limits *prior, const struct limits *next,
                                         int64_t date_s)
{
    size_t most = prior->overrides_count + next->overrides_count;
    struct override_changes *changes = malloc(sizeof *changes + most * sizeof changes->change[0]);
    if (changes == NULL)
        return NULL;
    *changes = (struct override_changes){.prior = prior};
    for (uint32_t i = 0; i < next->count; i++) {
        int before = limits_before(prior, &next->limit[i]);
        add_changes(changes, before < 0 ? NULL : &prior->limit[before], &next->limit[i], date_s);
    }
    for (uint32_t i = 0; i < prior->count; i++)
        if (prior->limit[i].overrides_count > 0 && !goes_on(prior, i, next))
            add_changes(changes, &prior->limit[i], NULL, date_s);
    return changes;
}
