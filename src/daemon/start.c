#include "daemon/start.h"

#include "daemon/core.h"
#include "daemon/listening.h"
#include "daemon/room.h"
#include "daemon/sharing.h"
#include "daemon/signals.h"
#include "daemon/threads.h"
#include "daemon/warnings.h"
#include "log/log.h"

#include <errno.h>
#include <unistd.h>

static bool open_signals(struct server *server)
{
    server->signals = signals_open();
    return server->signals >= 0 || server_fail("open a signalfd", errno);
}

static bool open_log(void)
{
    int error = log_open();
    return error == 0 || server_fail("open a pipe", error);
}

static bool start_log(void)
{
    int error = log_start();
    return error == 0 || server_fail("start the log's thread", error);
}

static bool open_inboxes(struct server *server)
{
    int error = inbox_init(&server->home, false);
    if (error != 0)
        return server_fail("make an inbox", error);
    error = inbox_init(&server->drain_told.home, false);
    if (error == 0) {
        error = inbox_init(&server->reloads, true);
        if (error == 0)
            return server->has_inboxes = true;
        inbox_release(&server->drain_told.home);
    }
    inbox_release(&server->home);
    return server_fail("make an inbox", error);
}

static void close_inboxes(struct server *server)
{
    inbox_release(&server->home);
    inbox_release(&server->drain_told.home);
    inbox_release(&server->reloads);
}

/* Called before the log has its thread, because a wait for a state must be logged at once. */
static bool open_state(struct server *server)
{
    room_bound_waiting(server, threads_wanted(server->config), server->config->limits);
    const struct limits_question limits = server_limits_question(server->config, server->warnings);
    server->brain = keeper_open(&server->keeper, server->config, &limits);
    if (server->brain == NULL || !sharing_name_process(server->brain))
        return false;
    overrides_init(&server->overrides, server->config, brain_limits(server->brain));
    server->when_full = limits.when_full;
    server->config_warnings = limits.warnings;
    const struct runtime_lost lost = brain_runtime_lost(server->brain);
    warnings_of_lost(&lost);
    warnings_of_overrides(&server->overrides);
    server->max_keys = brain_max_keys(server->brain);
    return true;
}

static bool start_decider(struct server *server)
{
    int error = decider_init(&server->decider, server->brain, clock_keys,
                             threads_host_decider(server->config));
    if (error != 0)
        return server_fail("start the state thread", error);
    server->brain = NULL;
    error = watchdog_init(&server->watchdog, &server->decider.inbox, server->notify.watchdog_ns,
                          clock_now_ns(&clock_system));
    if (error == 0) {
        error = decider_start(&server->decider);
        if (error == 0)
            return true;
        watchdog_release(&server->watchdog);
    }
    decider_release(&server->decider);
    return server_fail("start the state thread", error);
}

bool start_deciding(struct server *server)
{
    return open_signals(server) && open_state(server) && open_log() && open_inboxes(server) &&
           start_decider(server);
}

bool start_serving(struct server *server)
{
    return listening_open(server) && start_log() && sharing_begin(server, server->config) &&
           threads_start(server);
}

void start_undo(struct server *server)
{
    if (server->brain != NULL)
        brain_free(server->brain);
    overrides_release(&server->overrides);
    keeper_close(&server->keeper);
    close(server->signals);
    if (server->has_inboxes)
        close_inboxes(server);
}
