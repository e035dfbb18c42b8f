#include "limits/runtime.h"

#include "limits/fleet_fit.h"
#include "limits/lines.h"

#include <stdlib.h>
#include <string.h>

/* A merge while it is made. */
struct merge {
    const struct limits *prior;
    const struct runtime_change *change;
    int64_t date_s;
    uint64_t tick_ms;
    uint32_t room; /* for run-time overrides, those that were admitted left out */
    struct runtime_lost lost;
};

uint32_t runtime_count(const struct limit *limit, int64_t as_of_s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < limit->overrides_count; i++)
        count += limit->overrides[i].is_runtime && limit->overrides[i].until_s > as_of_s;
    return count;
}

static uint32_t count_configured_of(const struct limit *limit)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < limit->overrides_count; i++)
        count += !limit->overrides[i].is_runtime;
    return count;
}

uint32_t runtime_count_all(const struct limit *limit, int64_t as_of_s)
{
    return count_configured_of(limit) + runtime_count(limit, as_of_s);
}

static uint32_t count_configured(const struct limits *limits)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < limits->count; i++)
        count += count_configured_of(&limits->limit[i]);
    return count;
}

/* Whether the buckets of an override go with the tick, and with the scope of their limit. */
static bool fits(const struct override_terms *override, const struct limit *limit, uint64_t tick_ms)
{
    struct credit_line credit;
    for (uint32_t i = 0; i < override->buckets_count; i++)
        if (!lines_credit(&override->buckets[i], tick_ms, &credit) ||
            (limit->is_fleet && fleet_fit_of(&override->buckets[i],
                                             fleet_beside(limit->allowance.bucket)) != FLEET_FITS))
            return false;
    return true;
}

/* Whether a run-time override that was in force is still to be. */
static bool is_to_stay(const struct merge *merge, int before, const struct override *override)
{
    const struct runtime_change *change = merge->change;
    bool is_changed =
        change != NULL && (int)change->limit == before && strcmp(change->key, override->key) == 0;
    return override->is_runtime && override->until_s > merge->date_s && !is_changed;
}

/* Adds an override for which there is room to those of a limit. */
static void admit(struct merge *merge, const struct limit *limit,
                  const struct override_terms *override, struct override_terms *overrides,
                  uint32_t *count)
{
    if (!fits(override, limit, merge->tick_ms)) {
        merge->lost.unfit++;
    } else if (merge->room == 0) {
        merge->lost.without_room++;
    } else {
        merge->room--;
        overrides[(*count)++] = *override;
    }
}

/* The run-time overrides of a limit, which goes on as the one of this index. */
static void add_runtime(struct merge *merge, const struct limit *next, int before,
                        struct override_terms *overrides, uint32_t *count)
{
    const struct runtime_change *change = merge->change;
    if (change != NULL && change->set != NULL && (int)change->limit == before)
        admit(merge, next, change->set, overrides, count);
    const struct limit *limit = &merge->prior->limit[before];
    for (uint32_t i = 0; i < limit->overrides_count; i++) {
        if (!is_to_stay(merge, before, &limit->overrides[i]))
            continue;
        const struct override_terms terms = override_terms_of(&limit->overrides[i]);
        admit(merge, next, &terms, overrides, count);
    }
}

/* Adds the limit as it is configured, and its run-time overrides. false: no memory. */
static bool add_limit(struct merge *merge, const struct limit *limit, struct limits *merged)
{
    int before = limits_before(merge->prior, limit);
    uint32_t room = limit->overrides_count + 1;
    if (before >= 0)
        room += merge->prior->limit[before].overrides_count;
    struct override_terms *overrides = calloc(room, sizeof *overrides);
    if (overrides == NULL)
        return false;
    struct limit_terms terms = limit_terms_of(limit);
    terms.overrides_count = 0;
    if (before >= 0)
        add_runtime(merge, limit, before, overrides, &terms.overrides_count);
    for (uint32_t i = 0; i < limit->overrides_count; i++)
        if (!limit->overrides[i].is_runtime)
            overrides[terms.overrides_count++] = override_terms_of(&limit->overrides[i]);
    terms.overrides = overrides;
    bool is_added = limits_add(merged, &terms);
    free(overrides);
    return is_added;
}

/* Whether all limits are to be just as they are configured. */
static bool changes_nothing(const struct merge *merge, const struct limits *configured)
{
    for (uint32_t i = 0; i < configured->count; i++)
        if (count_configured_of(&configured->limit[i]) < configured->limit[i].overrides_count)
            return false;
    for (uint32_t i = 0; merge->prior != NULL && i < merge->prior->count; i++)
        for (uint32_t j = 0; j < merge->prior->limit[i].overrides_count; j++)
            if (is_to_stay(merge, (int)i, &merge->prior->limit[i].overrides[j]))
                return false;
    return merge->change == NULL || merge->change->set == NULL;
}

/* How many run-time overrides were in force of limits that no configured one goes on as. */
static uint32_t count_without_limit(const struct merge *merge, const struct limits *configured)
{
    bool goes_on[LIMITS_MAX] = {false};
    uint32_t count = 0;
    for (uint32_t i = 0; i < configured->count; i++) {
        int before = limits_before(merge->prior, &configured->limit[i]);
        if (before >= 0)
            goes_on[before] = true;
    }
    for (uint32_t i = 0; merge->prior != NULL && i < merge->prior->count; i++) {
        const struct limit *limit = &merge->prior->limit[i];
        for (uint32_t j = 0; !goes_on[i] && j < limit->overrides_count; j++)
            count += is_to_stay(merge, (int)i, &limit->overrides[j]);
    }
    return count;
}

struct limits *runtime_merge(struct limits *configured, const struct limits *prior,
                             const struct runtime_change *change, int64_t date_s,
                             struct runtime_lost *lost)
{
    uint32_t taken = count_configured(configured);
    struct merge merge = {
        .prior = prior,
        .change = change,
        .date_s = date_s,
        .tick_ms = configured->tick_ms,
        .room = taken < OVERRIDES_MAX ? OVERRIDES_MAX - taken : 0,
    };
    if (changes_nothing(&merge, configured)) {
        *lost = merge.lost;
        return limits_retain(configured);
    }
    struct limits *merged = limits_new_like(configured);
    if (merged == NULL)
        return NULL;
    for (uint32_t i = 0; i < configured->count; i++) {
        if (!add_limit(&merge, &configured->limit[i], merged)) {
            limits_release(merged);
            return NULL;
        }
    }
    merge.lost.without_limit = count_without_limit(&merge, configured);
    *lost = merge.lost;
    return merged;
}

int runtime_find(const struct limit *limit, const char *key, int64_t as_of_s)
{
    for (uint32_t i = 0; i < limit->overrides_count; i++) {
        const struct override *override = &limit->overrides[i];
        if (override->is_runtime && override->until_s > as_of_s && strcmp(override->key, key) == 0)
            return (int)i;
    }
    return -1;
}
