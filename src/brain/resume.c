#include "brain/lease.h"
#include "limits/runtime.h"

#include <assert.h>
#include <string.h>

/* The longest absence that counts: a credit line is good for 20 years at least. One that has used
 * half of that is replaced when limits are put into force, which a restart does. */
#define AWAY_MAX_NS (9ull * 365 * MS_PER_DAY * NS_PER_MS)

/* The longest time lived that is believed, 292 years: so what comes to it does not overflow. */
#define LIVED_MAX_NS (UINT64_MAX / 2)

/* ---- beginning ---- */

static struct brain *begin(struct store *store, const struct moment *moment, int64_t date_s)
{
    struct brain *brain = brain_begin(moment->now_ns, date_s);
    if (brain == NULL)
        return NULL;
    brain->store = store;
    brain->moment = *moment;
    return brain;
}

struct brain *brain_new_stored(const struct limits_question *limits, struct store *store,
                               const struct moment *moment)
{
    struct brain *brain = begin(store, moment, limits->date_s);
    if (brain == NULL)
        return NULL;
    assert(store->leases != NULL);
    if (!leases_init(&brain->leases, store->leases, store->max_leases)) {
        brain_end(brain);
        return NULL;
    }
    brain->max_leases = store->max_leases;
    buckets_create(&brain->buckets, store->arena, store->max_keys, store->seed, &brain->counters);
    if (brain_install(brain, limits))
        return brain;
    brain_free(brain);
    return NULL;
}

/* ---- going on ---- */

/* How long nobody counted: by the clock that cannot be set, if it is still the same one (no reboot
 * since), else by the wall clock. */
static uint64_t away_ns(const struct moment *then, const struct moment *now, bool is_same_clock)
{
    if (is_same_clock)
        return now->now_ns - then->now_ns;
    return now->wall_ns > then->wall_ns ? now->wall_ns - then->wall_ns : 0;
}

/* How many of the `ticks` ticks since then_wall_ns were over at a date; `done` of them at least. */
static uint64_t ticks_until(const struct brain *brain, int64_t date_s, uint64_t then_wall_ns,
                            uint64_t done, uint64_t ticks)
{
    uint64_t until_ns = (uint64_t)date_s * NS_PER_S;
    uint64_t until = until_ns > then_wall_ns ? (until_ns - then_wall_ns) / brain->tick_ns : 0;
    return until < done ? done : until > ticks ? ticks : until;
}

/* Credits the ticks since the lines were kept, as if the process had gone on: an override that
 * ended meanwhile did so at its own time. */
static void catch_up(struct brain *brain, int64_t date_s)
{
    struct lines *lines = &brain->buckets.lines;
    struct store_time kept;
    store_time(brain->store, &kept);
    bool is_same_clock =
        moments_share_clock(&kept.due, &brain->moment) && brain->now_ns >= kept.due.now_ns;
    uint64_t ticks = away_ns(&kept.due, &brain->moment, is_same_clock);
    ticks = (ticks < AWAY_MAX_NS ? ticks : AWAY_MAX_NS) / brain->tick_ns;
    if (is_same_clock)
        brain->last_tick_ns = kept.due.now_ns + ticks * brain->tick_ns;
    uint64_t lived_ns = kept.lived_ns < LIVED_MAX_NS ? kept.lived_ns : LIVED_MAX_NS;
    brain->lived_offset_ns = lived_ns + ticks * brain->tick_ns - brain->last_tick_ns;

    /* The time may be older than the lines: a crash of the system can lose part of what was
     * written. */
    uint64_t behind = lines->tick > kept.tick ? lines->tick - kept.tick : 0;
    lines_advance(lines, kept.tick > lines->tick ? kept.tick - lines->tick : 0);
    uint64_t done = behind < ticks ? behind : ticks;
    while (lines->next_end_s <= date_s && lines->next_end_s < OVERRIDE_FOR_EVER) {
        uint64_t until = ticks_until(brain, lines->next_end_s, kept.due.wall_ns, done, ticks);
        lines_advance(lines, until - done);
        unsigned ended = lines_end_overrides(lines, lines->next_end_s);
        brain->counters.overrides_ended += ended;
        events_ended_meanwhile(brain, ended);
        done = until;
    }
    lines_advance(lines, ticks - done);
    brain->leases.now_ns = brain_lived_ns(brain, brain->last_tick_ns);
}

/* The store turns out to be damaged: gives up what was taken over from it so far. */
static enum brain_restored give_up(struct brain *brain, enum brain_restored result)
{
    lines_release(&brain->buckets.lines);
    limits_release(brain->limits);
    brain_end(brain);
    return result;
}

/* What ended up to the last tick of the process before has been given back by it. */
static bool take_over_leases(struct brain *brain)
{
    struct store_time kept;
    store_time(brain->store, &kept);
    return leases_adopt(&brain->leases, brain->store->leases,
                        brain->store->leases != NULL ? brain->store->max_leases : brain->max_leases,
                        &brain->buckets.table, kept.lived_ns, &brain->damaged_leases);
}

static enum brain_restored take_over(struct brain *brain, const char **why)
{
    struct store *store = brain->store;
    size_t len;
    const unsigned char *bytes = store_lines(store, &len);
    lines_init(&brain->buckets.lines);
    switch (snapshot_read(bytes, len, &brain->buckets.lines, &brain->limits)) {
    case SNAPSHOT_OK:
        break;
    case SNAPSHOT_DAMAGED:
        *why = "the limits in it do not hold together";
        return BRAIN_DAMAGED;
    case SNAPSHOT_NO_MEMORY:
        return BRAIN_NO_MEMORY;
    }
    switch (buckets_adopt(&brain->buckets, store->arena, store->max_keys, store->seed,
                          &brain->counters)) {
    case TABLE_ADOPTED:
        if (take_over_leases(brain))
            return BRAIN_RESTORED;
        table_release(&brain->buckets.table);
        return BRAIN_NO_MEMORY;
    case TABLE_UNSOUND:
        *why = "the table of keys in it is damaged";
        return BRAIN_DAMAGED;
    case TABLE_NO_MEMORY:
        break;
    }
    return BRAIN_NO_MEMORY;
}

/* Puts limits into force, with the run-time overrides that were in force before. false: no memory. */
static bool install_beside_runtime(struct brain *brain, const struct limits_question *limits)
{
    struct limits_question ask = *limits;
    ask.limits =
        runtime_merge(limits->limits, brain->limits, NULL, limits->date_s, &brain->runtime_lost);
    if (ask.limits == NULL)
        return false;
    while (!lines_have_room(&brain->buckets.lines, ask.limits))
        brain_sweep(brain);
    bool is_in_force = brain_install(brain, &ask);
    limits_release(ask.limits);
    return is_in_force;
}

enum brain_restored brain_restore(struct brain **restored, const struct limits_question *limits,
                                  uint32_t max_leases, struct store *store,
                                  const struct moment *moment, const char **why)
{
    struct brain *brain = begin(store, moment, limits->date_s);
    if (brain == NULL)
        return BRAIN_NO_MEMORY;
    brain->max_leases = max_leases;
    enum brain_restored result = take_over(brain, why);
    if (result != BRAIN_RESTORED)
        return give_up(brain, result);
    store_renew(store);
    brain->tick_ns = brain->limits->tick_ms * NS_PER_MS;
    brain->counters.restored_keys = brain->buckets.table.keys;
    catch_up(brain, limits->date_s);
    while (lease_ends_are_due(brain)) /* they ended under the limits before */
        lease_keep_books(brain);
    if (!install_beside_runtime(brain, limits)) {
        brain_free(brain);
        return BRAIN_NO_MEMORY;
    }
    lease_restore_entries(brain);
    *restored = brain;
    return BRAIN_RESTORED;
}

struct runtime_lost brain_runtime_lost(const struct brain *brain)
{
    return brain->runtime_lost;
}

uint32_t brain_leases_room(const struct brain *brain)
{
    return brain->leases.held.count > brain->max_leases ? brain->leases.max_leases
                                                        : brain->max_leases;
}

bool brain_move(struct brain *brain, struct store *store)
{
    uint32_t dropped;
    assert(memcmp(brain->store->seed, store->seed, sizeof store->seed) == 0);
    assert(store->leases != NULL && brain->leases.held.count <= store->max_leases);
    if (!leases_move(&brain->leases, store->leases, store->max_leases, &dropped))
        return false;
    buckets_move(&brain->buckets, store->arena, store->max_keys);
    store_copy_shares(store, brain->store);
    brain->store = store;
    brain_keep_time(brain);
    brain_keep_lines(brain);
    return true;
}
