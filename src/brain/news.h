/*
 * News: what happens in the brain that somebody should hear of, though nobody asked.
 *
 * The state thread has no log. What it has counted since it was last told goes along
 * with the next batch of a front-end, of each kind at most once a minute, and that
 * front-end logs it.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/message.h"

#define NEWS_PERIOD_S 60

/* The counters that are TOLD. */
enum news_kind {
#define X(field, ...) NEWS_##field,
    TOLD_COUNTERS(X)
#undef X
        NEWS_KINDS,
};

/* How many of each kind since the last time that it was news; all zeros: there are none. */
struct news {
    uint64_t count[NEWS_KINDS];
};

/* What has been told; all zeros at first. */
struct news_told {
    uint64_t total; /* of all kinds that have been told */
    uint64_t count[NEWS_KINDS];
    uint64_t due_ns[NEWS_KINDS]; /* until when more of the kind is not news */
};

/* Whether something was counted that has not been told. Here, for it is asked with every chain. */
static inline bool news_may_be(const struct news_told *told, const struct brain_counters *counters)
{
#define X(field, ...) +counters->field
    return told->total != (0 TOLD_COUNTERS(X));
#undef X
}

/* What is news now; it is told. */
struct news news_take(struct news_told *told, const struct brain_counters *counters,
                      uint64_t now_ns);
