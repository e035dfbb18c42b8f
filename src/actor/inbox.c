#include "actor/inbox.h"

#include "base/quantity.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* The marks: the taker sleeps, or waits in epoll, or is about to. They are addresses only. */
static struct letter asleep, watching;

int inbox_init(struct inbox *inbox, bool has_event)
{
    atomic_init(&inbox->newest, NULL);
    patience_init(&inbox->patience, &clock_system);
    inbox->event = has_event ? eventfd(0, EFD_CLOEXEC) : -1;
    if (has_event && inbox->event < 0)
        return errno;
    if (sem_init(&inbox->wake, 0, 0) == 0)
        return 0;
    int error = errno;
    if (has_event)
        close(inbox->event);
    return error;
}

void inbox_release(struct inbox *inbox)
{
    sem_destroy(&inbox->wake);
    if (inbox->event >= 0)
        close(inbox->event);
}

static bool is_mark(const struct letter *letter)
{
    return letter == &asleep || letter == &watching;
}

/* As soon as the letters are in, the taker may take them and free the inbox. So it is touched again
 * only if a mark was found there: then the taker waits for the wake-up that follows. */
void inbox_post(struct inbox *inbox, const struct chain *chain)
{
    struct letter *before = atomic_load_explicit(&inbox->newest, memory_order_relaxed);
    do
        chain->oldest->next = is_mark(before) ? NULL : before;
    while (!atomic_compare_exchange_weak(&inbox->newest, &before, chain->newest));
    if (before == &asleep)
        sem_post(&inbox->wake);
    else if (before == &watching)
        eventfd_write(inbox->event, 1);
}

void inbox_post_one(struct inbox *inbox, struct letter *letter)
{
    inbox_post(inbox, &(struct chain){.newest = letter, .oldest = letter});
}

bool inbox_is_filled(const struct inbox *inbox)
{
    return atomic_load_explicit(&inbox->newest, memory_order_relaxed) != NULL;
}

static bool is_filled(const void *inbox)
{
    return inbox_is_filled(inbox);
}

/* Waits for a wake-up; false: the deadline came first. */
static bool is_woken(struct inbox *inbox, uint64_t deadline_ns)
{
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / NS_PER_S),
        .tv_nsec = (long)(deadline_ns % NS_PER_S),
    };
    int error;
    do
        error = deadline_ns == UINT64_MAX ? sem_wait(&inbox->wake)
                                          : sem_clockwait(&inbox->wake, CLOCK_MONOTONIC, &deadline);
    while (error != 0 && errno == EINTR);
    return error == 0;
}

/* Puts a mark into the empty inbox; false: it is not empty. */
static bool put_mark(struct inbox *inbox, struct letter *mark)
{
    struct letter *nothing = NULL;
    return atomic_compare_exchange_strong(&inbox->newest, &nothing, mark);
}

/* Removes the mark. false: a sender has found it already, and its wake-up is on its way. */
static bool take_mark(struct inbox *inbox, struct letter *mark)
{
    return atomic_compare_exchange_strong(&inbox->newest, &mark, NULL);
}

/* Marks the inbox asleep; this fails if a letter came in. A sender who finds the mark posts exactly
 * one wake-up. If we time out but a sender has already found the mark, we take its wake-up. */
static void sleep_until_filled(struct inbox *inbox, uint64_t deadline_ns)
{
    if (!put_mark(inbox, &asleep) || is_woken(inbox, deadline_ns) || take_mark(inbox, &asleep))
        return;
    is_woken(inbox, UINT64_MAX);
}

struct letter *inbox_take(struct inbox *inbox, uint64_t deadline_ns)
{
    if (!inbox_is_filled(inbox)) {
        if (deadline_ns == 0)
            return NULL;
        if (!patience_watch(&inbox->patience, is_filled, inbox))
            sleep_until_filled(inbox, deadline_ns);
    }
    return atomic_exchange(&inbox->newest, NULL);
}

bool inbox_watch(struct inbox *inbox)
{
    return put_mark(inbox, &watching);
}

/* If a sender has found the mark, waits for its wake-up and takes it. */
void inbox_unwatch(struct inbox *inbox)
{
    eventfd_t ignored;
    if (take_mark(inbox, &watching))
        return;
    while (eventfd_read(inbox->event, &ignored) != 0 && errno == EINTR)
        ;
}
