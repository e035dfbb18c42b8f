/*
 * The brain: all state, and every decision on it. Takes messages and the time, gives answers.
 *
 * It knows no threads and reads no clock: its caller tells the time, in nanoseconds of a clock
 * that never goes back. An earlier time than the last one told is ignored.
 *
 * Owns the table, the credit lines and a reference to the limits. One thread.
 * Never blocks, but in brain_change_file. Errors: brain_new and a message LIMITS may run out of
 * memory, and brain_change_file says what failed; nothing else can fail.
 */
#pragma once

#include "brain/message.h"
#include "brain/news.h"
#include "brain/tally.h"
#include "keep/store.h"
#include "limits/runtime.h"
#include "table/table.h"

struct brain;

#define BRAIN_EVENTS_MAX 1000000u
#define BRAIN_NEVER UINT64_MAX

/* A brain whose buckets are all full and which has granted no lease. The seed is the key of the
 * hash. NULL: no memory. */
struct brain *brain_new(const struct limits_question *limits, uint32_t max_keys,
                        uint32_t max_leases, const uint8_t seed[TABLE_SEED_BYTES], uint64_t now_ns);
void brain_free(struct brain *brain);

/* Readers get the last `keep` events, 0 to BRAIN_EVENTS_MAX, of a process that `boot` stands for:
 * a number drawn at its start. Unless it is called they get none. Call it before anybody asks for events.
 * false: no memory, and all is as it was. */
bool brain_keep_events(struct brain *brain, uint32_t keep, uint32_t boot);

/* Tells from what number the ids of sessions with the store of a fleet are made: 64 random bits, which no other
 * process has. Sessions that a process before has left in the brain's store are taken over, and those that begin are kept there.
 * Call it before anybody asks anything. false: no memory; sessions are not kept. */
bool brain_begin_fleet(struct brain *brain, uint64_t nonce);

/* How many sessions are to be taken over, once that has begun. */
uint32_t brain_resumed_sessions(const struct brain *brain);

/* The same in a store that was just begun with room for leases, which must outlive the brain.
 * Another brain can go on from it later. */
struct brain *brain_new_stored(const struct limits_question *limits, struct store *store,
                               const struct moment *moment);

enum brain_restored { BRAIN_RESTORED, BRAIN_DAMAGED, BRAIN_NO_MEMORY };

/* A brain that goes on from what another one left in a store. Buckets have refilled meanwhile, by
 * the clock that both have in common; the limits are put into force as by a reload. The brain grants
 * up to max_leases leases, if the store has room for as many; if it has room for none, they are in
 * memory of the brain's own.
 * BRAIN_DAMAGED: there is no sound state in the store, which is as it was; *why says what is
 * wrong. */
enum brain_restored brain_restore(struct brain **brain, const struct limits_question *limits,
                                  uint32_t max_leases, struct store *store,
                                  const struct moment *moment, const char **why);

/* The run-time overrides in the store that a brain goes on from, which could not stay. */
struct runtime_lost brain_runtime_lost(const struct brain *brain);

/* For how many leases a store must have room that the brain moves into: for max_leases, or while more
 * than these are held for as many as its own store, so that none is lost. */
uint32_t brain_leases_room(const struct brain *brain);

/* Moves a brain that has a store into another store, just begun, for another number of keys or of
 * leases, of which it must have room for brain_leases_room, or that has shares. What the other one has of these,
 * if it is believed, is copied, and has no home yet. This walks the whole table. false: there
 * is no memory, and nothing can be done with the brain but to free it; the store that it was in is as
 * it was. */
bool brain_move(struct brain *brain, struct store *store);

/* Whether the brain has a store. If so, tell it the wall clock's time before each brain_tick. */
bool brain_is_stored(const struct brain *brain);
void brain_tell_wall(struct brain *brain, uint64_t now_ns, uint64_t wall_ns);

/* From now on the brain answers that its state will not outlive the process though it should, and
 * why. The first reason given stays. */
void brain_lose_state(struct brain *brain, const char *why);

/* The same, because pages of the store have turned to zeros: the whole table is in doubt again. */
void brain_lose_pages(struct brain *brain, const char *why);

/* Goes on in another file than the one that the store is in: see state_file_supersede. The head, the
 * time and the lines, which may have been lost, are put anew; a table that had left the store,
 * because what was there was past mending, comes back. This blocks on the disk. The brain still
 * answers that the state is lost. brain_find_state ends that; false: it is still lost, because there
 * were more failures than those, or what was copied turned out to be past mending. */
struct anew_answer brain_change_file(struct brain *brain, struct state_file *file,
                                     struct state_file *next);
bool brain_find_state(struct brain *brain, unsigned failures);

/* Tells how many states were found at the start that could not be used. */
void brain_count_refused(struct brain *brain, uint64_t refused);

/* Keys that the brain tracks, and has room for; and leases that are held, or whose end is yet to be
 * seen to. */
uint32_t brain_keys(const struct brain *brain);
uint32_t brain_leases(const struct brain *brain);
uint32_t brain_max_keys(const struct brain *brain);

/* Brings time forward: credits all ticks up to now and, if there was one, sweeps a slice of the
 * table; and lets go who waits and is due. Calling it late, or twice, changes no decision made after
 * it. */
void brain_tick(struct brain *brain, uint64_t now_ns);

/* When brain_tick is due: the next tick, or BRAIN_NEVER while every bucket is full; or the end of
 * somebody's wait. */
uint64_t brain_next_tick_ns(const struct brain *brain);

/* From when on the next tick is so late that it may be because the machine was suspended: then
 * brain_slept, before brain_tick, tells for how long it was, and that is no lateness. */
#define BRAIN_LATE_MS 100
uint64_t brain_late_ns(const struct brain *brain);
void brain_slept(struct brain *brain, uint64_t slept_ns);

/* Tells the date (Unix time): overrides whose end has come hold no longer. An earlier date than
 * the last one brings none of them back. */
void brain_date(struct brain *brain, int64_t date_s);

/* Whether the date matters: some override has an end that is still to come. */
bool brain_needs_date(const struct brain *brain);

/* Answers the messages of letters that are linked oldest first, at the time of the last brain_tick,
 * and adds each that is answered to `answered`. What must wait stays with the brain: a LIMITS,
 * while the marks of too many earlier reloads are still being converted; an ALLOW that waits for its
 * tokens, and an EVENTS that waits for something to happen, until brain_released. */
void brain_answer(struct brain *brain, struct letter *letters, struct chain *answered);

/* The letters of messages that have waited for tokens and are answered by now, linked in the order in
 * which they were, or NULL. They may have several homes. Call it after brain_tick, brain_date,
 * brain_answer and brain_look_again, and send them home before what the latter two have answered: so
 * nobody hears that a LEAVE is done before the message that it is about is home. */
struct letter *brain_released(struct brain *brain);

/* Letters of orders that are to go to the store of the fleet now, linked in the order in which they were
 * made, or NULL. Call it at the end of each turn, and of each tick. Each is with its caller until it comes back as a
 * message ORDERS, answered. It comes home to nobody: from then on it is the brain's. */
struct letter *brain_orders(struct brain *brain);

/* Whether some LIMITS waits in the brain. */
bool brain_is_waited_for(const struct brain *brain);

/* Whether one does, or leases have ended whose bookkeeping is not done. Then call brain_look_again soon:
 * it does a slice of that, sweeps a slice of the table, and adds to `answered` what is answered by
 * now. */
bool brain_has_work(const struct brain *brain);
void brain_look_again(struct brain *brain, struct chain *answered);

/* Sweeps a slice of the table without waiting for a tick. */
void brain_sweep(struct brain *brain);

/* The limits in force, borrowed. */
struct limits *brain_limits(const struct brain *brain);

/* Tell it, for METRICS, what only its caller can see: how many messages came together, and how long
 * so many decisions took together. */
void brain_measure_batch(struct brain *brain, uint64_t messages);
void brain_measure_time(struct brain *brain, uint64_t decisions, uint64_t took_ns);

/* What has happened that the log should hear of, by what the ring of events tells; each is told once. And
 * whether there may be any. Call brain_news at the end of each turn in which there is, and then
 * brain_released: it lets readers of events go as well. */
bool brain_has_news(const struct brain *brain);
struct news brain_news(struct brain *brain);
struct forgotten brain_forgotten(struct brain *brain);

/* Decisions made so far. */
uint64_t brain_decisions(const struct brain *brain);

/* For tests: the exact level of one of a key's buckets, in units, and the units
 * of one token, without changing anything. What is promised or was charged behind those who wait counts
 * as taken. */
int64_t brain_level_units(const struct brain *brain, const char *key, const char *limit_name,
                          unsigned bucket, uint64_t *token_units);
