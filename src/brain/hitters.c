#include "brain/hitters.h"

#include "base/quantity.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static_assert((HITTERS_COUNTERS & (HITTERS_COUNTERS - 1)) == 0, "a chain is some bits of a hash");
static_assert(HITTERS_COUNTERS < UINT16_MAX, "a counter's number + 1 fits");
static_assert(KEY_MAX <= UINT8_MAX, "key_len is one byte");
static_assert(HITTERS_WINDOW_S <= 60, "no thread has 2^32 events in a window");

/* ---- time ---- */

static const uint64_t window_ns = (uint64_t)HITTERS_WINDOW_S * NS_PER_S;

/* The counters need no clearing: nothing leads to them any more. */
static void clear(struct hitters_window *window)
{
    window->used = window->runs_used = 0;
    window->free_run = 0;
    memset(window->chain, 0, sizeof window->chain);
}

void hitters_advance(struct hitters *hitters, uint64_t now_ns)
{
    uint64_t windows = (now_ns - hitters->began_ns) / window_ns;
    if (windows == 0)
        return;
    hitters->began_ns += windows * window_ns;
    if (windows > 1)
        clear(&hitters->window[hitters->present]);
    hitters->present = (hitters->present + 1) % HITTERS_WINDOWS;
    clear(&hitters->window[hitters->present]);
}

/* ---- counters by key ---- */

static size_t chain_of(uint64_t hash)
{
    return hash & (HITTERS_COUNTERS - 1);
}

static bool is_of(const struct hitters_counter *counter, uint64_t hash, const char *key,
                  size_t key_len, uint16_t label)
{
    return counter->hash == hash && counter->label == label && counter->key_len == key_len &&
           memcmp(counter->key, key, key_len) == 0;
}

/* The number + 1 of a key's counter; 0: the key has none. */
static uint16_t find(const struct hitters_window *window, uint64_t hash, const char *key,
                     size_t key_len, uint16_t label)
{
    uint16_t at = window->chain[chain_of(hash)];
    while (at != 0 && !is_of(&window->counter[at - 1], hash, key, key_len, label))
        at = window->counter[at - 1].next;
    return at;
}

static void unlink_counter(struct hitters_window *window, const struct hitters_counter *counter)
{
    uint16_t *at = &window->chain[chain_of(counter->hash)];
    while (&window->counter[*at - 1] != counter)
        at = &window->counter[*at - 1].next;
    *at = counter->next;
}

static void name(struct hitters_window *window, struct hitters_counter *counter, uint64_t hash,
                 const char *key, size_t key_len, uint16_t label)
{
    uint16_t *chain = &window->chain[chain_of(hash)];
    counter->hash = hash;
    counter->label = label;
    counter->key_len = (uint8_t)key_len;
    memcpy(counter->key, key, key_len);
    counter->next = *chain;
    *chain = (uint16_t)(counter - window->counter + 1);
}

/* ---- counters by count ---- */

static struct hitters_counter *at_place(struct hitters_window *window, uint32_t place)
{
    return &window->counter[window->order[place]];
}

static uint16_t run_take(struct hitters_window *window)
{
    uint16_t run = window->free_run;
    if (run == 0)
        return (uint16_t)window->runs_used++;
    window->free_run = window->run_first[run - 1];
    return run - 1;
}

static void run_give(struct hitters_window *window, uint16_t run)
{
    window->run_first[run] = window->free_run;
    window->free_run = run + 1;
}

static void put(struct hitters_window *window, uint16_t place, struct hitters_counter *counter)
{
    window->order[place] = (uint16_t)(counter - window->counter);
    counter->place = place;
}

/* Joins the run that ends before the counter's place if that counts the same, else begins one. */
static void join_run(struct hitters_window *window, struct hitters_counter *counter)
{
    if (counter->place > 0 && at_place(window, counter->place - 1u)->count == counter->count) {
        counter->run = at_place(window, counter->place - 1u)->run;
        return;
    }
    counter->run = run_take(window);
    window->run_first[counter->run] = counter->place;
}

/* Takes a counter, which must be the first of its run, out of the run. */
static void leave_run(struct hitters_window *window, const struct hitters_counter *counter)
{
    uint16_t run = counter->run, next = counter->place + 1;
    if (next < window->used && at_place(window, next)->run == run)
        window->run_first[run] = next;
    else
        run_give(window, run);
}

static void count_on(struct hitters_window *window, struct hitters_counter *counter)
{
    uint16_t first = window->run_first[counter->run];
    put(window, counter->place, at_place(window, first));
    put(window, first, counter);
    leave_run(window, counter);
    counter->count++;
    join_run(window, counter);
}

/* ---- events ---- */

static struct hitters_counter *begin_counter(struct hitters_window *window)
{
    struct hitters_counter *counter = &window->counter[window->used];
    put(window, (uint16_t)window->used++, counter);
    counter->count = counter->error = 0;
    join_run(window, counter);
    return counter;
}

static struct hitters_counter *take_over_least(struct hitters_window *window)
{
    struct hitters_counter *counter = at_place(window, HITTERS_COUNTERS - 1);
    unlink_counter(window, counter);
    counter->error = counter->count;
    return counter;
}

void hitters_add(struct hitters *hitters, uint64_t hash, const char *key, size_t key_len,
                 uint16_t label)
{
    struct hitters_window *window = &hitters->window[hitters->present];
    uint16_t found = find(window, hash, key, key_len, label);
    if (found != 0) {
        count_on(window, &window->counter[found - 1]);
        return;
    }
    struct hitters_counter *counter =
        window->used < HITTERS_COUNTERS ? begin_counter(window) : take_over_least(window);
    name(window, counter, hash, key, key_len, label);
    count_on(window, counter);
}

/* ---- looking ---- */

/* A key without a counter in a full window may have had as many events as the counter that counts
 * least: that one may have taken its place. */
static struct hitters_count look(const struct hitters_window *window, uint64_t hash,
                                 const char *key, size_t key_len, uint16_t label)
{
    uint16_t found = find(window, hash, key, key_len, label);
    if (found != 0) {
        const struct hitters_counter *counter = &window->counter[found - 1];
        return (struct hitters_count){counter->count - counter->error, counter->error};
    }
    if (window->used < HITTERS_COUNTERS)
        return (struct hitters_count){0, 0};
    return (struct hitters_count){0, window->counter[window->order[HITTERS_COUNTERS - 1]].count};
}

struct hitters_count hitters_look(const struct hitters *hitters, uint64_t hash, const char *key,
                                  size_t key_len, uint16_t label)
{
    struct hitters_count sum = {0, 0};
    for (unsigned i = 0; i < HITTERS_WINDOWS; i++) {
        struct hitters_count seen = look(&hitters->window[i], hash, key, key_len, label);
        sum.count += seen.count;
        sum.error += seen.error;
    }
    return sum;
}

/* qsort(3) may put equals in any order, so the hashes decide: the same list each time. */
static int compare_listed(const void *left, const void *right)
{
    const struct hitters_listed *a = left, *b = right;
    if (a->seen.count != b->seen.count)
        return a->seen.count > b->seen.count ? -1 : 1;
    if (a->seen.error != b->seen.error)
        return a->seen.error > b->seen.error ? -1 : 1;
    return a->counter->hash < b->counter->hash ? -1 : a->counter->hash > b->counter->hash;
}

/* Whether some window before this one has a counter for the same key. */
static bool is_listed(const struct hitters *hitters, unsigned window,
                      const struct hitters_counter *counter)
{
    for (unsigned i = 0; i < window; i++)
        if (find(&hitters->window[i], counter->hash, counter->key, counter->key_len,
                 counter->label) != 0)
            return true;
    return false;
}

size_t hitters_list(const struct hitters *hitters, struct hitters_listed listed[HITTERS_LISTED_MAX])
{
    size_t count = 0;
    for (unsigned i = 0; i < HITTERS_WINDOWS; i++) {
        const struct hitters_window *window = &hitters->window[i];
        for (uint32_t j = 0; j < window->used; j++) {
            const struct hitters_counter *counter = &window->counter[j];
            if (counter->label == HITTERS_NO_LABEL || is_listed(hitters, i, counter))
                continue;
            listed[count++] =
                (struct hitters_listed){counter, hitters_look(hitters, counter->hash, counter->key,
                                                              counter->key_len, counter->label)};
        }
    }
    qsort(listed, count, sizeof listed[0], compare_listed);
    return count;
}

/* A counter that has lost its label stays in use, for no key, until another key takes it over. */
void hitters_relabel(struct hitters *hitters, const uint16_t *label_of)
{
    for (unsigned i = 0; i < HITTERS_WINDOWS; i++)
        for (uint32_t j = 0; j < hitters->window[i].used; j++) {
            uint16_t *label = &hitters->window[i].counter[j].label;
            if (*label != HITTERS_NO_LABEL)
                *label = label_of[*label];
        }
}
