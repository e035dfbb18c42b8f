/*
 * one_override: the brain alone, for test_instructions.py to have its instructions counted as it puts limits
 * into force that differ in one override from those before.
 *
 * A limit has COUNT overrides, each for one key. One of them is set anew, as a request does at run time; the limits
 * are made before, and compared. What the brain takes for that is in `measured`, and nothing else is.
 *
 * usage: one_override COUNT
 */
#include "brain/brain.h"
#include "limits/changes.h"
#include "limits/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_ROOM = 18 };

static struct override_terms override_of(const char *key, uint64_t burst)
{
    return (struct override_terms){
        .key = key,
        .until_s = OVERRIDE_FOR_EVER,
        .buckets_count = 1,
        .buckets = {{.burst = burst, .rate = {1, MS_PER_S}}},
        .is_runtime = true,
    };
}

static struct limits *limits_with(const struct override_terms *overrides, uint32_t count)
{
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{.burst = 10, .rate = {1, MS_PER_S}}},
        .overrides_count = count,
        .overrides = overrides,
    };
    struct limits *limits = limits_new(1, 100);
    if (limits == NULL || !limits_add(limits, &terms))
        abort();
    return limits;
}

/* In an order that is not that of the keys. */
static struct limits *limits_of(uint32_t count)
{
    struct override_terms *overrides = calloc(count, sizeof *overrides);
    char(*keys)[KEY_ROOM] = calloc(count, sizeof *keys);
    if (overrides == NULL || keys == NULL)
        abort();
    for (uint32_t i = 0; i < count; i++) {
        snprintf(keys[i], KEY_ROOM, "user:%08x", i * 2654435761u);
        overrides[i] = override_of(keys[i], 20 + i % 7);
    }
    struct limits *limits = limits_with(overrides, count);
    free(overrides);
    free(keys);
    return limits;
}

static struct limits *with_one_changed(const struct limits *prior)
{
    const char *key = prior->limit[0].overrides[prior->limit[0].overrides_count / 2].key;
    const struct override_terms changed = override_of(key, 1000);
    const struct runtime_change change = {.key = key, .set = &changed};
    struct runtime_lost lost;
    struct limits *configured = limits_with(NULL, 0);
    struct limits *next = runtime_merge(configured, prior, &change, 0, &lost);
    if (next == NULL)
        abort();
    limits_release(configured);
    return next;
}

/* By name, for callgrind: whatever happens between its call and its return counts. */
__attribute__((noipa)) static void measured(struct brain *brain, struct message *message)
{
    struct chain answered = {0};
    brain_answer(brain, &message->letter, &answered);
}

int main(int argc, char **argv)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "the same always";
    unsigned long count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (count < 1 || count > OVERRIDES_MAX) {
        fprintf(stderr, "usage: one_override COUNT\n");
        return 2;
    }
    struct limits *prior = limits_of((uint32_t)count), *next = with_one_changed(prior);
    struct brain *brain = brain_new(&(struct limits_question){.limits = prior}, 1000, 10, seed, 1);
    struct override_changes *changes = changes_between(prior, next, 0);
    struct message message = {
        .kind = MESSAGE_LIMITS,
        .ask.limits = {.limits = next, .changes = changes, .is_no_reload = true}};
    if (brain == NULL || changes == NULL)
        abort();
    measured(brain, &message);
    if (message.answer.limits != LIMITS_IN_FORCE)
        abort();
    brain_free(brain);
    limits_release(prior);
    limits_release(next);
    free(changes);
    return 0;
}
