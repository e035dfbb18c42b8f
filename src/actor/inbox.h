/*
 * Inboxes: where letters arrive, whoever sends them, and what wakes the thread that takes them.
 *
 * An inbox is one word. It holds the letters, or it says that there are none, or it holds one of
 * two marks: there are none and the taker sleeps, or there are none and the taker waits in epoll.
 * So to post a chain of letters is one atomic step, which also tells whether to wake somebody, and
 * how. While both sides are awake, neither calls the kernel.
 *
 * The decider has an inbox, and each asker has one that its letters come home to. A letter is at
 * one place at a time, so an inbox holds at most as many letters as the askers own: none is
 * refused or lost, and the queue is bounded.
 *
 * Owns its semaphore and its eventfd; the letters stay their askers'. Threads: one takes, any may
 * post. Blocks: inbox_take, until a letter is there or the deadline passes. Errors: inbox_init.
 */
#pragma once

#include "actor/patience.h"
#include "brain/letter.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct inbox {
    _Atomic(struct letter *) newest; /* linked to those before it; NULL; or one of the marks */
    sem_t wake;
    int event; /* an eventfd: readable if a letter came while it is watched; -1: it never is */
    struct patience patience;
};

/* 0, or an errno value and there is nothing to release. has_event: its taker will wait in epoll
 * too, and may call inbox_watch. */
int inbox_init(struct inbox *inbox, bool has_event);

/* Nobody may post any more. Letters that are still in it belong to their askers. */
void inbox_release(struct inbox *inbox);

/* Posts a chain of at least one letter. From then on the letters are the taker's. */
void inbox_post(struct inbox *inbox, const struct chain *chain);

/* Posts a single letter. */
void inbox_post_one(struct inbox *inbox, struct letter *letter);

/* Takes all letters, newest first, linked by `next`. If there are none, it waits until deadline_ns
 * of CLOCK_MONOTONIC and then returns NULL. UINT64_MAX: it waits for ever; 0: not at all. */
struct letter *inbox_take(struct inbox *inbox, uint64_t deadline_ns);

/* Whether there is a letter to take. Only the taker may ask. */
bool inbox_is_filled(const struct inbox *inbox);

/* The taker calls inbox_watch before it waits in epoll: the next letter then makes `event`
 * readable. false: there are letters already, and it does not watch. If it returned true, the taker
 * must call inbox_unwatch before the next inbox_take, whether `event` became readable or not. */
bool inbox_watch(struct inbox *inbox);
void inbox_unwatch(struct inbox *inbox);
