/*
 * The courier: what the fleet thread does, without its thread and its inbox, in whatever time it is told.
 *
 * It takes letters of orders, asks the stations that have their records, and sends the letters home answered. Of a
 * letter, all orders whose records are in one shard go in one call of the script; without a cluster, all do. The
 * answer to a call is in the trip that its serial number finds (trips.h), so one that is late touches nothing.
 *
 * A letter that comes before it is known whether there is a store waits for the end of the first try to connect, but
 * no longer than for an answer.
 *
 * While an answer is overdue, nothing more is asked of that station: then the letter comes home at once, and it is
 * sure that nothing was done. A station without an answer for LINK_PATIENCE_NS is connected to anew.
 *
 * Owns its posts and trips. One thread. Never blocks. Errors: an errno value, from courier_init.
 */
#pragma once

#include "base/clock.h"
#include "fleet/fleet.h"
#include "fleet/posts.h"
#include "fleet/trips.h"

struct courier {
    struct fleet_settings settings;
    struct clock keys; /* the clock of the brain, by which orders are timed */
    bool is_stopping;
    /* When the first try to connect counts as over at the latest; 0: it is over. */
    uint64_t first_try_ns;
    struct posts posts;
    struct trips trips;
    struct fleet_seen seen;
    uint64_t down_ns; /* since when there is no store; CLOCK_NEVER: there is one */
};

/* It stays where it is: its parts point at its settings. */
int courier_init(struct courier *courier, const struct fleet_settings *settings,
                 const struct clock *keys, uint64_t random, uint64_t now_ns);
void courier_release(struct courier *courier);

/* Takes a letter, which goes home with this or a later courier_turn. */
void courier_take(struct courier *courier, struct orders *letter, uint64_t now_ns);

/* Takes no more letters. Whether none is under way. */
void courier_stop(struct courier *courier);
bool courier_is_idle(const struct courier *courier);

/* Fills in what to poll for; returns how many. The same polls go to the next courier_turn. */
unsigned courier_poll(const struct courier *courier, struct pollfd polls[POSTS_POLLS_MAX]);

/* When a turn is due though nothing comes; CLOCK_NEVER: it is not. */
uint64_t courier_due_ns(const struct courier *courier);

/* Goes on with everything. Letters that are answered go home. */
void courier_turn(struct courier *courier, const struct pollfd polls[POSTS_POLLS_MAX],
                  uint64_t now_ns);
