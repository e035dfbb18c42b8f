#include "fleet/fleet.h"

#include "base/clock.h"
#include "base/secret.h"
#include "base/thread.h"
#include "fleet/board.h"
#include "fleet/courier.h"

#include <errno.h>
#include <stdlib.h>

struct fleet {
    struct inbox inbox;
    struct courier courier;
    struct board board;
    struct message stop; /* the last letter */
    bool is_stopping;
    pthread_t thread;
};

static uint64_t now_ns(void)
{
    return clock_now_ns(&clock_system);
}

/* ---- the thread ---- */

static void take_letters(struct fleet *fleet)
{
    struct letter *letter = letters_oldest_first(inbox_take(&fleet->inbox, 0)), *next;
    for (; letter != NULL; letter = next) {
        next = letter->next;
        if (letter == &fleet->stop.letter) {
            fleet->is_stopping = true;
            courier_stop(&fleet->courier);
        } else {
            courier_take(&fleet->courier, orders_of(message_of(letter)), now_ns());
        }
    }
}

static void tell(struct fleet *fleet)
{
    board_write(&fleet->board, &(struct board_text){.seen = fleet->courier.seen,
                                                    .down_ns = fleet->courier.down_ns});
}

/* Waits for a letter, a station or the time. */
static void wait_for_work(struct fleet *fleet, struct pollfd polls[POSTS_POLLS_MAX + 1])
{
    unsigned count = courier_poll(&fleet->courier, polls);
    bool watches = inbox_watch(&fleet->inbox);
    int timeout_ms = watches ? clock_ms_until(now_ns(), courier_due_ns(&fleet->courier)) : 0;
    polls[count] = (struct pollfd){.fd = fleet->inbox.event, .events = POLLIN};
    if (poll(polls, count + 1, timeout_ms) < 0) {
        for (unsigned i = 0; i < count; i++)
            polls[i].revents = 0;
    }
    if (watches)
        inbox_unwatch(&fleet->inbox);
}

static void *run(void *argument)
{
    struct fleet *fleet = argument;
    struct pollfd polls[POSTS_POLLS_MAX + 1];
    thread_name("fleet");
    while (!fleet->is_stopping || !courier_is_idle(&fleet->courier)) {
        wait_for_work(fleet, polls);
        take_letters(fleet);
        courier_turn(&fleet->courier, polls, now_ns());
        tell(fleet);
    }
    return NULL;
}

/* ---- life ---- */

static int begin(struct fleet *fleet, const struct fleet_settings *settings)
{
    uint64_t random;
    secret_draw(&random, sizeof random);
    int error = courier_init(&fleet->courier, settings, &clock_keys, random, now_ns());
    if (error != 0)
        return error;
    error = inbox_init(&fleet->inbox, true);
    if (error == 0) {
        tell(fleet);
        error = thread_start(&fleet->thread, run, fleet);
        if (error == 0)
            return 0;
        inbox_release(&fleet->inbox);
    }
    courier_release(&fleet->courier);
    return error;
}

int fleet_start(struct fleet **fleet, const struct fleet_settings *settings)
{
    struct fleet *started = calloc(1, sizeof *started);
    if (started == NULL)
        return ENOMEM;
    int error = begin(started, settings);
    if (error == 0)
        *fleet = started;
    else
        free(started);
    return error;
}

struct inbox *fleet_inbox(struct fleet *fleet)
{
    return &fleet->inbox;
}

void fleet_look(struct fleet *fleet, struct fleet_seen *seen)
{
    struct board_text text;
    board_read(&fleet->board, &text);
    uint64_t now = now_ns();
    *seen = text.seen;
    if (text.down_ns < now)
        seen->down_ns += now - text.down_ns;
}

void fleet_stop(struct fleet *fleet)
{
    inbox_post_one(&fleet->inbox, &fleet->stop.letter);
    pthread_join(fleet->thread, NULL);
    courier_release(&fleet->courier);
    inbox_release(&fleet->inbox);
    free(fleet);
}
