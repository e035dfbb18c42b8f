#include "actor/exchange.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* In a mailbox: its taker sleeps, or is about to. Never looked into. */
static struct batch asleep;

int batch_init(struct batch *batch)
{
    memset(batch, 0, sizeof *batch);
    return mailbox_init(&batch->home);
}

void batch_release(struct batch *batch)
{
    limits_release(batch->limits);
    mailbox_release(&batch->home);
}

int mailbox_init(struct mailbox *mailbox)
{
    atomic_init(&mailbox->newest, NULL);
    patience_init(&mailbox->patience, &clock_system);
    return sem_init(&mailbox->wake, 0, 0) == 0 ? 0 : errno;
}

void mailbox_release(struct mailbox *mailbox)
{
    sem_destroy(&mailbox->wake);
}

/* After the one step that puts the batch in, the mailbox may be its taker's last: it is
 * touched again only where the taker sleeps, who then waits for just that. */
static void put(struct mailbox *mailbox, struct batch *batch)
{
    struct batch *before = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    do
        batch->next = before == &asleep ? NULL : before;
    while (!atomic_compare_exchange_weak(&mailbox->newest, &before, batch));
    if (before == &asleep)
        sem_post(&mailbox->wake);
}

static bool is_filled(const void *context)
{
    const struct mailbox *mailbox = context;
    return atomic_load_explicit(&mailbox->newest, memory_order_relaxed) != NULL;
}

/* Waits for a wake-up; false: the deadline came first. */
static bool is_woken(struct mailbox *mailbox, uint64_t deadline_ns)
{
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / NS_PER_S),
        .tv_nsec = (long)(deadline_ns % NS_PER_S),
    };
    int error;
    do
        error = deadline_ns == UINT64_MAX
                    ? sem_wait(&mailbox->wake)
                    : sem_clockwait(&mailbox->wake, CLOCK_MONOTONIC, &deadline);
    while (error != 0 && errno == EINTR);
    return error == 0;
}

/* Says so first, which fails if something has come meanwhile. Whoever finds that, wakes, once;
 * so where the deadline has passed and someone has found it all the same, that is waited for. */
static void sleep_until_filled(struct mailbox *mailbox, uint64_t deadline_ns)
{
    struct batch *nothing = NULL, *sleeper = &asleep;
    if (!atomic_compare_exchange_strong(&mailbox->newest, &nothing, &asleep) ||
        is_woken(mailbox, deadline_ns) ||
        atomic_compare_exchange_strong(&mailbox->newest, &sleeper, NULL))
        return;
    is_woken(mailbox, UINT64_MAX);
}

static struct batch *oldest_first(struct batch *newest)
{
    struct batch *oldest = NULL;
    while (newest != NULL) {
        struct batch *before = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    return oldest;
}

struct batch *mailbox_take(struct mailbox *mailbox, uint64_t deadline_ns)
{
    if (deadline_ns != 0 && !is_filled(mailbox) &&
        !patience_watch(&mailbox->patience, is_filled, mailbox))
        sleep_until_filled(mailbox, deadline_ns);
    return oldest_first(atomic_exchange(&mailbox->newest, NULL));
}

void exchange_post(struct mailbox *mailbox, struct batch *batch)
{
    batch->answered = 0;
    put(mailbox, batch);
}

void exchange_ask(struct mailbox *mailbox, struct batch *batch)
{
    exchange_post(mailbox, batch);
    exchange_await(batch, UINT64_MAX);
}

bool exchange_is_answered(struct batch *batch)
{
    return exchange_await(batch, 0);
}

bool exchange_await(struct batch *batch, uint64_t deadline_ns)
{
    return mailbox_take(&batch->home, deadline_ns) != NULL;
}

void batch_give_back(struct batch *batch)
{
    put(&batch->home, batch);
}
