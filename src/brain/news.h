/*
 * News: what the log should hear of, by the events of the brain, which does not log.
 *
 * After each turn the decider takes the news and logs it (actor/news_line.h). Each kind is news at
 * most once in NEWS_PERIOD_S seconds; what is counted meanwhile is told together then.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/event.h"
#include "brain/message.h"
#include "limits/forgotten.h"

#define NEWS_PERIOD_S 60

/* One kind for each TOLD counter: see counters.h. */
enum news_kind {
#define X(field, ...) NEWS_##field,
    TOLD_COUNTERS(X)
#undef X
        NEWS_KINDS,
};

/* How many of each kind there were since that kind was last told. All zeros: there is no news. */
struct news {
    uint64_t count[NEWS_KINDS];
};

/* What has been told. All zeros at first. */
struct news_told {
    uint64_t total; /* of all kinds that have been told */
    uint64_t count[NEWS_KINDS];
    uint64_t due_ns[NEWS_KINDS]; /* when this kind may be told again */
};

/* Whether something is counted that has not been told. Inline, because it is called each turn. */
static inline bool news_may_be(const struct news_told *told, const struct brain_counters *counters)
{
#define X(field, ...) +counters->field
    return told->total != (0 TOLD_COUNTERS(X));
#undef X
}

/* Whether the log is to hear of an event. The others are logged by whoever makes them happen, or not at all. */
bool news_wants(const struct event *event);

/* Counts what such an event tells: in TOLD counters, or among the limits that are gone. */
void news_hear(const struct event *event, struct brain_counters *heard, struct forgotten *gone);

/* Returns what is news now, and remembers it as told. */
struct news news_take(struct news_told *told, const struct brain_counters *counters,
                      uint64_t now_ns);
