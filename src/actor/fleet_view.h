/*
 * The fleet's view: how the store of a fleet is, as whoever asks is told.
 *
 * The fleet thread speaks to the store, and so it alone knows; the routes that tell of it know nothing of that
 * thread but how to look. There may be no store at first, and one from a reload on.
 *
 * Owns nothing. Threads: one sets `fleet`; any looks. Blocks: as `look` does. Never fails.
 */
#pragma once

#include "base/histogram.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum fleet_link { FLEET_DOWN, FLEET_CONNECTING, FLEET_UP };

struct fleet_seen {
    enum fleet_link link;
    char server[64]; /* as it names itself, such as "redis 7.0.15"; empty: not known yet */
    char trouble
        [256]; /* why it is not up, or what it refuses; a warning about its settings; or empty */
    uint64_t calls;        /* of the script, for letters */
    uint64_t calls_failed; /* refused, not answered in time, or strangely */
    uint64_t reconnects;
    uint64_t late_answers;    /* to letters that were home by then */
    uint64_t down_ns;         /* for so long there was none, in all */
    struct histogram latency; /* of calls that were answered in time */
};

struct fleet;

struct fleet_view {
    _Atomic(struct fleet *) fleet; /* NULL: there is none yet */
    void (*look)(struct fleet *fleet, struct fleet_seen *seen);
    const struct histogram_bounds *latency_bounds_ns;
};

/* How it is now. false: there is no store, and nothing is seen. view: NULL: there is none either. */
static inline bool fleet_view_look(const struct fleet_view *view, struct fleet_seen *seen)
{
    struct fleet *fleet = view == NULL ? NULL : atomic_load(&view->fleet);
    if (fleet == NULL)
        return false;
    view->look(fleet, seen);
    return true;
}
