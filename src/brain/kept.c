#include "brain/core.h"

bool brain_is_stored(const struct brain *brain)
{
    return brain->store != NULL;
}

void brain_tell_wall(struct brain *brain, uint64_t now_ns, uint64_t wall_ns)
{
    brain->moment.now_ns = now_ns;
    brain->moment.wall_ns = wall_ns;
}

/* Call it before any decision that uses the credit of these ticks, so that no mark is ahead of the
 * time kept. The wall clock's time of the last tick is worked back from the last moment told. */
void brain_keep_time(struct brain *brain)
{
    if (brain->store == NULL)
        return;
    struct store_time time = {.tick = brain->buckets.lines.tick, .due = brain->moment};
    time.due.now_ns = brain->last_tick_ns;
    time.due.wall_ns -= brain->moment.now_ns - brain->last_tick_ns;
    store_put_time(brain->store, &time);
}

void brain_keep_lines(struct brain *brain)
{
    if (brain->store != NULL && !store_put_lines(brain->store, &brain->buckets.lines))
        brain_lose_state(brain, "too many limits were replaced in too short a time");
}

void brain_lose_state(struct brain *brain, const char *why)
{
    if (brain->lost_state == NULL)
        brain->lost_state = why;
}

void brain_lose_pages(struct brain *brain, const char *why)
{
    brain_lose_state(brain, why);
    buckets_doubt(&brain->buckets);
}

void brain_count_refused(struct brain *brain, uint64_t refused)
{
    brain->counters.refused = refused;
}

uint32_t brain_keys(const struct brain *brain)
{
    return brain->buckets.table.keys;
}

uint32_t brain_max_keys(const struct brain *brain)
{
    return brain->buckets.table.max_keys;
}
