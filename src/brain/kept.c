#include "brain/core.h"
#include "brain/shares.h"
#include "keep/file.h"

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
    time.lived_ns = brain_lived_ns(brain, brain->last_tick_ns);
    store_put_time(brain->store, &time);
}

void brain_keep_lines(struct brain *brain)
{
    if (brain->store != NULL && !store_put_lines(brain->store, &brain->buckets.lines))
        brain_lose_state(brain, "too many limits were replaced in too short a time");
}

/* Says whether the next process may go on with what is in hand of a fleet, as the file has it. */
static void keep_shares(const struct brain *brain, bool are_kept)
{
    if (brain->store != NULL)
        store_put_shares_home(brain->store, are_kept ? brain->store->shares_home : 0,
                              brain->moment.clock_id);
}

/* What is in the file may be stale from now on. */
void brain_lose_state(struct brain *brain, const char *why)
{
    keep_shares(brain, false);
    if (brain->lost_state != NULL)
        return;
    brain->lost_state = why;
    events_tell(brain, EVENT_state_lost, why, 0, 0);
}

void brain_lose_pages(struct brain *brain, const char *why)
{
    brain_lose_state(brain, why);
    buckets_doubt(&brain->buckets);
    leases_write_anew(&brain->leases);
}

struct anew_answer brain_change_file(struct brain *brain, struct state_file *file,
                                     struct state_file *next)
{
    struct store *store = brain->store;
    bool is_elsewhere = brain->buckets.table.has_own_arena;
    size_t arena = (size_t)((char *)store->arena - (char *)store->page);
    struct state_file_part left_out = {arena, arena};
    keep_shares(brain, false);
    if (is_elsewhere)
        left_out.end += table_arena_bytes(store->max_keys);
    int error = state_file_supersede(file, next, left_out);
    struct anew_answer answer = {.error = error, .failures = state_file_failures()};
    if (error != 0)
        return answer;
    if (is_elsewhere)
        buckets_move(&brain->buckets, store->arena, store->max_keys);
    store_put_head(store);
    store_set_shares_file(store, state_file_home(next));
    brain_keep_time(brain);
    brain_keep_lines(brain);
    return answer;
}

/* The lines are kept once more to hear whether there was room for them. A file that has none for
 * leases gets it at a start. */
bool brain_find_state(struct brain *brain, unsigned failures)
{
    if (state_file_failures() != failures || brain->buckets.table.has_own_arena ||
        brain->leases.owns_records)
        return false;
    brain->lost_state = NULL;
    brain_keep_lines(brain);
    if (brain->lost_state != NULL)
        return false;
    shares_keep_anew(brain);
    keep_shares(brain, true);
    events_tell(brain, EVENT_state_found, "the state is kept again", 0, 0);
    return true;
}

void brain_count_refused(struct brain *brain, uint64_t refused)
{
    brain->counters.refused = refused;
}

uint32_t brain_keys(const struct brain *brain)
{
    return brain->buckets.table.keys;
}

uint32_t brain_leases(const struct brain *brain)
{
    return brain->leases.held.count;
}

uint32_t brain_max_keys(const struct brain *brain)
{
    return brain->buckets.table.max_keys;
}
