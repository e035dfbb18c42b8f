#include "machine/exchange.h"

#include <errno.h>
#include <string.h>
#include <time.h>

int batch_init(struct batch *batch)
{
    memset(batch, 0, sizeof *batch);
    return sem_init(&batch->done, 0, 0) == 0 ? 0 : errno;
}

void batch_release(struct batch *batch)
{
    limits_release(batch->limits);
    sem_destroy(&batch->done);
}

int mailbox_init(struct mailbox *mailbox)
{
    pthread_condattr_t attributes;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    int error = pthread_mutex_init(&mailbox->lock, NULL);
    if (error != 0)
        return error;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    error = pthread_cond_init(&mailbox->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    if (error != 0)
        pthread_mutex_destroy(&mailbox->lock);
    return error;
}

void mailbox_release(struct mailbox *mailbox)
{
    pthread_cond_destroy(&mailbox->filled);
    pthread_mutex_destroy(&mailbox->lock);
}

/* The taker sleeps only while it has seen the mailbox empty under the lock, and
 * whoever fills an empty mailbox signals: so a wake-up cannot be lost, and a
 * mailbox that was not empty needs none. */
void exchange_post(struct mailbox *mailbox, struct batch *batch)
{
    batch->next = NULL;
    batch->answered = 0;
    atomic_store_explicit(&batch->is_back, false, memory_order_relaxed);
    pthread_mutex_lock(&mailbox->lock);
    bool was_empty = mailbox->first == NULL;
    *mailbox->last = batch;
    mailbox->last = &batch->next;
    pthread_mutex_unlock(&mailbox->lock);
    if (was_empty)
        pthread_cond_signal(&mailbox->filled);
}

void exchange_ask(struct mailbox *mailbox, struct batch *batch)
{
    exchange_post(mailbox, batch);
    while (sem_wait(&batch->done) != 0 && errno == EINTR)
        ;
}

bool exchange_is_answered(struct batch *batch)
{
    return sem_trywait(&batch->done) == 0;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){
        .tv_sec = (time_t)(ns / NS_PER_S),
        .tv_nsec = (long)(ns % NS_PER_S),
    };
}

bool exchange_await(struct batch *batch, uint64_t deadline_ns)
{
    struct timespec deadline = timespec_of(deadline_ns);
    while (sem_clockwait(&batch->done, CLOCK_MONOTONIC, &deadline) != 0)
        if (errno != EINTR)
            return false;
    /* The semaphore orders this already, but the thread sanitizer does not know sem_clockwait. */
    return atomic_load_explicit(&batch->is_back, memory_order_acquire);
}

/* Waits for the mailbox to fill; false: the deadline came first. */
static bool wait_filled(struct mailbox *mailbox, uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX)
        return pthread_cond_wait(&mailbox->filled, &mailbox->lock) == 0;
    struct timespec deadline = timespec_of(deadline_ns);
    return pthread_cond_timedwait(&mailbox->filled, &mailbox->lock, &deadline) == 0;
}

struct batch *mailbox_take(struct mailbox *mailbox, uint64_t deadline_ns)
{
    pthread_mutex_lock(&mailbox->lock);
    while (mailbox->first == NULL && deadline_ns != 0 && wait_filled(mailbox, deadline_ns))
        ;
    struct batch *batches = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    pthread_mutex_unlock(&mailbox->lock);
    return batches;
}

void batch_give_back(struct batch *batch)
{
    atomic_store_explicit(&batch->is_back, true, memory_order_release);
    sem_post(&batch->done);
}
