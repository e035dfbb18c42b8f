#include "brain/meters.h"

#include <assert.h>
#include <string.h>

const char *const decision_names[DECISION_COUNT] = {
#define X(name, label) [DECISION_##name] = (label),
    DECISIONS(X)
#undef X
};

const struct histogram_bounds meters_batch_bounds = {
    .count = 13,
    .bound = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096},
};

const struct histogram_bounds meters_decision_bounds_ns = {
    .count = 12,
    .bound = {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 1000000, 10000000},
};

const struct histogram_bounds meters_wait_bounds_ns = {
    .count = 14,
    .bound = {1000000, 10000000, 50000000, 100000000, 250000000, 500000000, 1000000000, 2500000000,
              5000000000, 10000000000, 30000000000, 60000000000, 600000000000, 3600000000000},
};

void meters_carry(struct meters *meters, const struct limits *prior, const struct limits *next)
{
    uint64_t before[LIMITS_MAX][DECISION_COUNT];
    if (prior == NULL)
        return;
    memcpy(before, meters->decisions, prior->count * sizeof before[0]);
    memset(meters->decisions, 0, sizeof meters->decisions);
    for (uint32_t i = 0; i < next->count; i++) {
        int found = limits_before(prior, &next->limit[i]);
        if (found >= 0)
            memcpy(meters->decisions[i], before[found], sizeof before[0]);
    }
}

/* One that has told its last leaves its place as it was before. */
static void take_front(struct meters_front *front, const struct tally *tally, uint64_t requests,
                       uint64_t now_ns)
{
    const struct tally_front *told = &tally->front;
    if (told->is_last) {
        *front = (struct meters_front){0};
        return;
    }
    front->is_there = true;
    front->goes = told->goes;
    front->connections += tally->connections;
    front->requests += requests;
    if (told->since_ns == 0)
        return;
    front->busy_ns = told->busy_ns;
    front->since_ns = told->since_ns;
    front->told_ns = now_ns;
}

void meters_take(struct meters *meters, const struct tally *tally, uint64_t now_ns)
{
    uint64_t requests = 0;
    for (uint32_t i = 0; i < tally->used_count; i++) {
        requests += tally->cells[tally->used[i]];
        meters->requests[tally->used[i]] += tally->cells[tally->used[i]];
    }
    take_front(&meters->fronts[tally->front.place], tally, requests, now_ns);
#define X(field, ...) meters->field += tally->field;
    FRONT_COUNTERS(X)
#undef X
}

uint32_t meters_fronts(const struct meters *meters)
{
    uint32_t fronts = 0;
    for (int i = 0; i < TALLY_FRONTS_MAX; i++)
        fronts += meters->fronts[i].is_there;
    return fronts;
}

static uint32_t busy_permille(const struct meters_front *front, uint64_t now_ns)
{
    uint64_t silent_ns = now_ns - front->told_ns, of_ns = front->since_ns;
    if (silent_ns > METERS_FRESH_MS * (uint64_t)NS_PER_MS)
        of_ns += silent_ns;
    uint64_t busy_us = front->busy_ns / 1000, of_us = of_ns / 1000;
    return of_us == 0 ? 0 : busy_us >= of_us ? 1000 : (uint32_t)(busy_us * 1000 / of_us);
}

void meters_tell_fronts(const struct meters *meters, uint64_t now_ns, struct fronts_answer *answer)
{
    answer->count = 0;
    for (int i = 0; i < TALLY_FRONTS_MAX; i++) {
        const struct meters_front *front = &meters->fronts[i];
        if (!front->is_there)
            continue;
        answer->front[answer->count].goes = front->goes;
        answer->front[answer->count].connections = (uint64_t)front->connections;
        answer->front[answer->count].requests = front->requests;
        answer->front[answer->count++].busy_permille = busy_permille(front, now_ns);
    }
}
static_assert(FRONTS_ANSWER_MAX == TALLY_FRONTS_MAX, "all have room in an answer");

void meters_batch(struct meters *meters, uint64_t messages)
{
    histogram_add(&meters->batch_size, &meters_batch_bounds, messages, 1);
}

void meters_took(struct meters *meters, uint64_t decisions, uint64_t took_ns)
{
    histogram_add(&meters->decision_ns, &meters_decision_bounds_ns, took_ns, decisions);
}

void meters_waited(struct meters *meters, uint64_t waited_ns)
{
    histogram_add(&meters->waited_ns, &meters_wait_bounds_ns, waited_ns, 1);
}

/* ---- the peak: of two windows, so that each value counts for a whole one at least ---- */

static const uint64_t window_ns = (uint64_t)METERS_PEAK_S * NS_PER_S;

static uint64_t windows_since(const struct meters_peak *peak, uint64_t now_ns)
{
    return (now_ns - peak->began_ns) / window_ns;
}

void meters_tick_late(struct meters *meters, uint64_t now_ns, uint64_t late_ns)
{
    struct meters_peak *peak = &meters->tick_lag_ns;
    uint64_t windows = windows_since(peak, now_ns);
    if (windows > 0) {
        peak->before = windows == 1 ? peak->greatest : 0;
        peak->greatest = 0;
        peak->began_ns += windows * window_ns;
    }
    if (late_ns > peak->greatest)
        peak->greatest = late_ns;
}

uint64_t meters_peak(const struct meters_peak *peak, uint64_t now_ns)
{
    uint64_t windows = windows_since(peak, now_ns);
    if (windows > 1)
        return 0;
    if (windows == 1 || peak->greatest > peak->before)
        return peak->greatest;
    return peak->before;
}
