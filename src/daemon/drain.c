#include "daemon/drain.h"

#include "base/quantity.h"
#include "daemon/core.h"
#include "log/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { AFTER_DELAY_MS = FRONT_DRAIN_MS + 5000 }; /* until it has drained and ended, at most */

/* The first signal begins the delay, if there is one: all is served on, but /readyz is red, so that
 * nobody new is sent here. */
static bool begins_delay(struct server *server)
{
    char delay[QUANTITY_TEXT_MAX], status[STATUS_MAX];
    if (server->drain_delay_ms == 0 || server->is_leaving)
        return false;
    quantity_print_duration(server->drain_delay_ms, delay);
    snprintf(status, sizeof status, "serving, and draining in %s", delay);
    notify_stopping(&server->notify, status, server->drain_delay_ms + AFTER_DELAY_MS);
    server->is_leaving = true;
    server->drain_due_ns =
        clock_now_ns(&clock_system) + server->drain_delay_ms * (uint64_t)NS_PER_MS;
    fronts_leave(&server->fronts);
    return true;
}

/* Tells the log and events of it. hint: what the log says besides; it may be empty. */
static void tell_drain(struct server *server, const char *what, const char *hint)
{
    struct drain_told *told = &server->drain_told;
    struct message *message = &told->message[told->count];
    struct chain chain = {0};
    assert(told->count < sizeof told->message / sizeof told->message[0]);
    log_info("%s%s", what, hint);
    snprintf(told->detail[told->count], sizeof told->detail[0], "%s", what);
    *message = (struct message){
        .letter.home = &told->home,
        .kind = MESSAGE_DRAIN,
        .ask.detail = told->detail[told->count],
    };
    told->count++;
    chain_add(&chain, &message->letter);
    decider_post(&server->decider, &chain);
}

bool drain_heed(struct server *server, int signal)
{
    char delay[QUANTITY_TEXT_MAX], what[STATUS_MAX];
    bool is_delayed = begins_delay(server);
    quantity_print_duration(server->drain_delay_ms, delay);
    snprintf(what, sizeof what, "%s: draining%s%s", strsignal(signal), is_delayed ? " in " : "",
             is_delayed ? delay : "");
    tell_drain(server, what, is_delayed ? "; a second signal begins it" : "");
    return !is_delayed;
}

bool drain_is_due(const struct server *server)
{
    return clock_now_ns(&clock_system) >= server->drain_due_ns;
}

void drain_tell_due(struct server *server)
{
    tell_drain(server, "the delay is over: draining", "");
}

void drain_begin(struct server *server)
{
    server->drain_due_ns = CLOCK_NEVER;
    notify_stopping(&server->notify, "draining", server->is_leaving ? AFTER_DELAY_MS : 0);
}
