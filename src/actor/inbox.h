/*
 * Inboxes: where letters arrive, whoever sends them, and what wakes the thread that takes them.
 *
 * An inbox is one word: the letters in it, or a mark that it is empty and its taker sleeps, or a
 * mark that it is empty and its taker waits in epoll. So to post a chain of letters is one atomic
 * step, which also tells whether somebody has to be woken, and how; while both sides are awake
 * nothing goes to the kernel. The state thread has an inbox, and each asker has one that its letters
 * come home to. A letter is at one place at a time, so an inbox never holds more letters than
 * their askers own: nothing is refused, lost or queued without end.
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
    _Atomic(struct letter *) newest; /* linked to those before it; NULL; or one of the two marks */
    sem_t wake;
    int event; /* an eventfd, readable once a letter has come to who watches; -1: nobody will */
    struct patience patience;
};

/* 0, or an errno value and there is nothing to release. has_event: its taker will wait in epoll too. */
int inbox_init(struct inbox *inbox, bool has_event);

/* Nobody may be about to post. Letters that are still in it are their askers'. */
void inbox_release(struct inbox *inbox);

/* Puts in a chain of at least one letter, which is the taker's from then on. */
void inbox_post(struct inbox *inbox, const struct chain *chain);

/* The same of a single letter. */
void inbox_post_one(struct inbox *inbox, struct letter *letter);

/* Takes every letter there is, newest first, linked by `next`; NULL once deadline_ns of
 * CLOCK_MONOTONIC has passed. UINT64_MAX: there is no deadline; 0: it does not wait. */
struct letter *inbox_take(struct inbox *inbox, uint64_t deadline_ns);

/* Whether there is a letter to take. By its taker only. */
bool inbox_is_filled(const struct inbox *inbox);

/* Before its taker waits in epoll: from now on the next letter makes `event` readable. false:
 * letters are there already. Whoever has begun to watch must end it before the next inbox_take,
 * whether `event` became readable or not. */
bool inbox_watch(struct inbox *inbox);
void inbox_unwatch(struct inbox *inbox);
