#include "limits/limits.h"

#include "base/glob.h"
#include "base/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS_FIRST_BYTES = 1024 };

const char *const fleet_cold_names[FLEET_COLD_COUNT] = {
    [FLEET_COLD_WAIT] = "wait",
    [FLEET_COLD_DENY] = "deny",
    [FLEET_COLD_ALLOW] = "allow",
};

const char *const fleet_partition_names[FLEET_PARTITION_COUNT] = {
    [FLEET_PARTITION_DENY] = "deny",
    [FLEET_PARTITION_SHARE] = "share",
    [FLEET_PARTITION_ALLOW] = "allow",
};

const char *const fleet_loss_names[FLEET_LOSS_COUNT] = {
    [FLEET_LOSS_EMPTY] = "empty",
    [FLEET_LOSS_FULL] = "full",
};

struct limits *limits_new(uint32_t capacity, uint64_t tick_ms)
{
    struct limits *limits = calloc(1, sizeof *limits + capacity * sizeof limits->limit[0]);
    if (limits == NULL)
        return NULL;
    atomic_init(&limits->references, 1);
    limits->tick_ms = tick_ms;
    arena_init(&limits->texts, TEXTS_FIRST_BYTES, SIZE_MAX);
    return limits;
}

/* ---- texts made once, for answers to point to ---- */

static char *copy(struct arena *texts, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copied = arena_take(texts, size);
    return copied == NULL ? NULL : memcpy(copied, text, size);
}

/* A text of up to three parts in quotes, escaped; NULL: no memory. What takes more than a backslash there,
 * control characters, is in none of them. */
static char *quote(struct arena *texts, const char *first, const char *second, const char *third)
{
    const char *const parts[] = {first, second, third};
    size_t size = 2 * (strlen(first) + strlen(second) + strlen(third)) + 3;
    char *quoted = arena_take(texts, size);
    if (quoted == NULL)
        return NULL;
    struct text text = text_begin(quoted, size);
    text_literal(&text, "\"");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        text_json_part(&text, parts[i], strlen(parts[i]));
    text_literal(&text, "\"");
    text_end(&text);
    return quoted;
}

#define POLICY_ITEM_MAX (POLICY_NAME_MAX + sizeof ", ;q=;w=" + (size_t)2 * 20)
static_assert(SLOTS_MAX == 1000000 && sizeof ", ;q=1000000;qu=\"concurrent-requests\"" <=
                                          POLICY_ITEM_MAX - POLICY_NAME_MAX,
              "so have those of slots room");

/* Of slots there is no window: they come back when whoever holds them is done. */
static size_t write_policy(char *text, size_t room, const struct bucket_terms *bucket)
{
    int len = bucket->holds_slots
                  ? snprintf(text, room, ";q=%" PRIu64 ";qu=\"concurrent-requests\"", bucket->burst)
                  : snprintf(text, room, ";q=%" PRIu64 ";w=%" PRIu64, bucket->burst,
                             limit_window_s(bucket->burst, bucket->rate));
    return (size_t)len;
}

static char *policy_of(struct arena *texts, const struct allowance *allowance)
{
    char text[BUCKETS_MAX * POLICY_ITEM_MAX];
    size_t len = 0;
    for (uint32_t i = 0; i < allowance->count; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i == 0 ? "" : ", ",
                                allowance->policy_name[i]);
        len += write_policy(text + len, sizeof text - len, &allowance->bucket[i]);
    }
    return copy(texts, text);
}

/* ---- building ---- */

static bool is_network(const char *key)
{
    struct network_key read;
    return !text_is_glob(key) && network_read(key, &read) == NETWORK_IS;
}

/* A bucket counts into the smallest of its kind; 0: there was none before. */
static void count_in(uint64_t *smallest, uint64_t burst)
{
    if (*smallest == 0 || burst < *smallest)
        *smallest = burst;
}

/* false: no memory. */
static bool allowance_init(struct allowance *allowance, struct arena *texts, const char *limit_name,
                           const struct bucket_terms *buckets, uint32_t count)
{
    assert(count >= 1 && count <= BUCKETS_MAX);
    allowance->count = count;
    allowance->burst = 0;
    allowance->slots = 0;
    bool made_all = true;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = buckets[i].name;
        allowance->bucket[i] = buckets[i];
        count_in(buckets[i].holds_slots ? &allowance->slots : &allowance->burst, buckets[i].burst);
        allowance->policy_name[i] = quote(texts, limit_name, name[0] == '\0' ? "" : "/", name);
        made_all &= allowance->policy_name[i] != NULL;
    }
    if (made_all)
        allowance->policy = policy_of(texts, allowance);
    return made_all && allowance->policy != NULL;
}

static bool override_init(struct override *override, struct arena *texts, const struct limit *limit,
                          const struct override_terms *terms)
{
    override->key = copy(texts, terms->key);
    override->quoted_key = quote(texts, terms->key, "", "");
    override->is_glob = text_is_glob(terms->key);
    override->is_network = !limit->knows_no_networks && is_network(terms->key);
    override->action = terms->action;
    override->is_runtime = terms->is_runtime;
    override->until_s = terms->until_s;
    override->reason = terms->reason == NULL ? NULL : copy(texts, terms->reason);
    if (override->key == NULL || override->quoted_key == NULL ||
        (override->reason == NULL) != (terms->reason == NULL))
        return false;
    return terms->action != OVERRIDE_TERMS ||
           allowance_init(&override->allowance, texts, limit->name, terms->buckets,
                          terms->buckets_count);
}

static void limit_release(struct limit *limit)
{
    free(limit->overrides);
    free(limit->by_key);
    free(limit->exact);
    free(limit->globs);
    networks_release(&limit->networks);
}

static int by_key(const void *a, const void *b, void *overrides)
{
    const struct override *of = overrides;
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    int order = strcmp(of[one].key, of[other].key);
    return order != 0 ? order : one < other ? -1 : one > other;
}

/* Of overrides that are all there. */
static bool add_networks(struct limit *limit)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < limit->overrides_count; i++)
        count += limit->overrides[i].is_network;
    if (!networks_init(&limit->networks, count))
        return false;
    for (uint32_t i = 0; i < limit->overrides_count; i++) {
        const char *key = limit->overrides[i].key;
        struct network_key read;
        if (limit->overrides[i].is_network && network_read(key, &read) == NETWORK_IS)
            networks_add(&limit->networks, key, &read, i);
    }
    networks_sort(&limit->networks);
    return true;
}

static bool add_overrides(struct limit *limit, struct arena *texts, const struct limit_terms *terms)
{
    if (terms->overrides_count == 0)
        return true;
    limit->overrides = calloc(terms->overrides_count, sizeof limit->overrides[0]);
    limit->by_key = calloc(terms->overrides_count, sizeof limit->by_key[0]);
    limit->exact = calloc(terms->overrides_count, sizeof limit->exact[0]);
    limit->globs = calloc(terms->overrides_count, sizeof limit->globs[0]);
    if (limit->overrides == NULL || limit->by_key == NULL || limit->exact == NULL ||
        limit->globs == NULL)
        return false;
    for (uint32_t i = 0; i < terms->overrides_count; i++) {
        limit->overrides_count++;
        if (!override_init(&limit->overrides[i], texts, limit, &terms->overrides[i]))
            return false;
        limit->by_key[i] = i;
        if (limit->overrides[i].is_glob)
            limit->globs[limit->globs_count++] = i;
    }
    qsort_r(limit->by_key, limit->overrides_count, sizeof limit->by_key[0], by_key,
            limit->overrides);
    for (uint32_t i = 0; i < limit->overrides_count; i++)
        if (!limit->overrides[limit->by_key[i]].is_glob)
            limit->exact[limit->exact_count++] = limit->by_key[i];
    return add_networks(limit);
}

bool limits_add(struct limits *limits, const struct limit_terms *terms)
{
    struct limit *limit = &limits->limit[limits->count];
    const char *match = terms->match == NULL ? "" : terms->match;
    const char *was = terms->was == NULL ? "" : terms->was;
    assert(limit_name_is_valid(terms->name, strlen(terms->name)));
    assert(was[0] == '\0' || limit_name_is_valid(was, strlen(was)));
    assert(strlen(match) <= LIMIT_MATCH_MAX);

    strcpy(limit->name, terms->name);
    strcpy(limit->was, was);
    strcpy(limit->match, match);
    limit->shadow = terms->shadow;
    limit->is_fleet = terms->is_fleet;
    limit->warn_percent = terms->warn_percent;
    limit->returns_on_expiry = terms->returns_on_expiry;
    limit->knows_no_networks = terms->knows_no_networks;
    limit->quoted_name = quote(&limits->texts, terms->name, "", "");
    if (limit->quoted_name == NULL ||
        !allowance_init(&limit->allowance, &limits->texts, terms->name, terms->buckets,
                        terms->buckets_count) ||
        !add_overrides(limit, &limits->texts, terms)) {
        limit_release(limit);
        memset(limit, 0, sizeof *limit);
        return false;
    }
    if (strcmp(terms->name, LIMIT_DEFAULT_NAME) == 0)
        limits->fallback = limits->count;
    limits->has_fleet |= terms->is_fleet;
    limits->has_slots |= limit_has_slots(limit);
    limits->overrides_count += limit->overrides_count;
    limits->count++;
    if (match[0] != '\0')
        limits->matching = limits->count;
    return true;
}

struct limits *limits_new_like(const struct limits *other)
{
    struct limits *limits = limits_new(other->count, other->tick_ms);
    if (limits == NULL)
        return NULL;
    limits->shown_denials = other->shown_denials;
    limits->waiting = other->waiting;
    limits->fleet = other->fleet;
    return limits;
}

struct limit_terms limit_terms_of(const struct limit *limit)
{
    struct limit_terms terms = {
        .name = limit->name,
        .was = limit->was,
        .match = limit->match,
        .shadow = limit->shadow,
        .is_fleet = limit->is_fleet,
        .returns_on_expiry = limit->returns_on_expiry,
        .warn_percent = limit->warn_percent,
        .knows_no_networks = limit->knows_no_networks,
        .buckets_count = limit->allowance.count,
        .overrides_count = limit->overrides_count,
    };
    memcpy(terms.buckets, limit->allowance.bucket, sizeof terms.buckets);
    return terms;
}

struct override_terms override_terms_of(const struct override *override)
{
    struct override_terms terms = {
        .key = override->key,
        .action = override->action,
        .is_runtime = override->is_runtime,
        .until_s = override->until_s,
        .reason = override->reason,
        .buckets_count = override->allowance.count,
    };
    memcpy(terms.buckets, override->allowance.bucket, sizeof terms.buckets);
    return terms;
}

struct limits *limits_retain(struct limits *limits)
{
    atomic_fetch_add_explicit(&limits->references, 1, memory_order_relaxed);
    return limits;
}

void limits_release(struct limits *limits)
{
    if (limits == NULL ||
        atomic_fetch_sub_explicit(&limits->references, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < limits->count; i++)
        limit_release(&limits->limit[i]);
    arena_release(&limits->texts);
    free(limits);
}

/* ---- asking ---- */

/* An override that allows or denies has an empty allowance. */
bool limit_has_tokens(const struct limit *limit)
{
    bool has_tokens = limit->allowance.burst > 0;
    for (uint32_t i = 0; i < limit->overrides_count; i++)
        has_tokens |= limit->overrides[i].allowance.burst > 0;
    return has_tokens;
}

bool limit_has_slots(const struct limit *limit)
{
    bool has_slots = limit->allowance.slots > 0;
    for (uint32_t i = 0; i < limit->overrides_count; i++)
        has_slots |= limit->overrides[i].allowance.slots > 0;
    return has_slots;
}

static bool is_printable_name(const char *name, size_t len, size_t max)
{
    if (len == 0 || len > max || name[0] == ' ' || name[len - 1] == ' ')
        return false;
    for (size_t i = 0; i < len; i++)
        if (name[i] < ' ' || name[i] > '~')
            return false;
    return true;
}

bool limit_name_is_valid(const char *name, size_t len)
{
    return is_printable_name(name, len, LIMIT_NAME_MAX);
}

bool bucket_name_is_valid(const char *name, size_t len)
{
    return is_printable_name(name, len, BUCKET_NAME_MAX) && memchr(name, '/', len) == NULL;
}

int limits_find(const struct limits *limits, const char *name, size_t len)
{
    for (uint32_t i = 0; i < limits->count; i++) {
        const char *candidate = limits->limit[i].name;
        if (strlen(candidate) == len && memcmp(candidate, name, len) == 0)
            return (int)i;
    }
    return -1;
}

int limits_before(const struct limits *prior, const struct limit *next)
{
    int found = prior == NULL ? -1 : limits_find(prior, next->name, strlen(next->name));
    if (found < 0 && prior != NULL && next->was[0] != '\0')
        found = limits_find(prior, next->was, strlen(next->was));
    return found;
}

uint32_t limits_find_match(const struct limits *limits, const char *key)
{
    for (uint32_t i = 0; i < limits->matching; i++) {
        const char *match = limits->limit[i].match;
        if (match[0] != '\0' && glob_matches(match, key))
            return i;
    }
    return limits->fallback;
}

/* The place in `exact` of the first override for just this key, if there is one. */
static uint32_t find_exact(const struct limit *limit, const char *key)
{
    uint32_t low = 0, high = limit->exact_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(key, limit->overrides[limit->exact[middle]].key) <= 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Goes through the overrides for a key in the order in which one goes before the other, whenever
 * they end. */
struct override_walk {
    const struct limit *limit;
    const char *key;
    uint32_t exact; /* the place of the next one in limit->exact */
    struct networks_walk networks;
    uint32_t glob; /* the index of the next one */
};

static struct override_walk override_walk(const struct limit *limit, const char *key)
{
    struct override_walk walk = {.limit = limit, .key = key, .exact = find_exact(limit, key)};
    if (limit->networks.count > 0)
        walk.networks = networks_walk(&limit->networks, key);
    return walk;
}

/* The next override that holds after a time; -1: there is none. */
static int override_next(struct override_walk *walk, int64_t as_of_s)
{
    const struct limit *limit = walk->limit;
    int found;
    while (walk->exact < limit->exact_count) {
        uint32_t index = limit->exact[walk->exact];
        const struct override *override = &limit->overrides[index];
        if (strcmp(override->key, walk->key) != 0) {
            walk->exact = limit->exact_count;
            break;
        }
        walk->exact++;
        if (override->until_s > as_of_s)
            return (int)index;
    }
    while (limit->networks.count > 0 && (found = networks_next(&walk->networks)) >= 0)
        if (limit->overrides[found].until_s > as_of_s)
            return found;
    while (walk->glob < limit->globs_count) {
        uint32_t index = limit->globs[walk->glob++];
        const struct override *override = &limit->overrides[index];
        if (override->until_s > as_of_s && glob_matches(override->key, walk->key))
            return (int)index;
    }
    return -1;
}

int limit_find_override(const struct limit *limit, const char *key, int64_t as_of_s)
{
    struct override_walk walk = override_walk(limit, key);
    return override_next(&walk, as_of_s);
}

uint32_t limit_overrides_of(const struct limit *limit, const char *key, int64_t as_of_s,
                            uint32_t *indices, uint32_t max)
{
    struct override_walk walk = override_walk(limit, key);
    uint32_t count = 0;
    for (int at; (at = override_next(&walk, INT64_MIN)) >= 0;) {
        const struct override *override = &limit->overrides[at];
        if (override->is_runtime && override->until_s <= as_of_s)
            continue;
        if (count < max)
            indices[count] = (uint32_t)at;
        count++;
    }
    return count;
}

/* One pass is enough: until_s only grows, so an override that has ended by then never holds
 * again. */
int64_t limit_denied_until_s(const struct limit *limit, const char *key, int64_t as_of_s)
{
    int64_t until_s = as_of_s;
    struct override_walk walk = override_walk(limit, key);
    int at;
    while ((at = override_next(&walk, until_s)) >= 0) {
        const struct override *override = &limit->overrides[at];
        if (override->action != OVERRIDE_DENY)
            break;
        until_s = override->until_s;
    }
    return until_s;
}

int64_t limit_next_end_s(const struct limit *limit, int64_t as_of_s)
{
    int64_t next_s = OVERRIDE_FOR_EVER;
    for (uint32_t i = 0; i < limit->overrides_count; i++) {
        int64_t until_s = limit->overrides[i].until_s;
        if (until_s > as_of_s && until_s < next_s)
            next_s = until_s;
    }
    return next_s;
}

uint64_t limit_window_s(uint64_t burst, struct rate rate)
{
    unsigned __int128 dividend = (unsigned __int128)burst * rate.period_ms;
    unsigned __int128 divisor = (unsigned __int128)rate.tokens * MS_PER_S;
    return (uint64_t)((dividend + divisor - 1) / divisor);
}
