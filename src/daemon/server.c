#include "daemon/server.h"

#include "daemon/asked.h"
#include "daemon/core.h"
#include "daemon/drain.h"
#include "daemon/listening.h"
#include "daemon/reload.h"
#include "daemon/sharing.h"
#include "daemon/signals.h"
#include "daemon/start.h"
#include "daemon/threads.h"
#include "daemon/wait.h"
#include "daemon/warnings.h"
#include "log/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int next_signal(struct server *server)
{
    struct signalfd_siginfo info;
    ssize_t got = read(server->signals, &info, sizeof info);
    return got == sizeof info ? (int)info.ssi_signo : 0;
}

/* Serves until the drain begins. */
static void serve(struct server *server)
{
    struct pollfd events[] = {
        {.fd = server->reloads.event, .events = POLLIN},
        {.fd = server->signals, .events = POLLIN},
        {.events = POLLIN},
        {.fd = fronts_event(&server->fronts), .events = POLLIN},
    };
    for (;;) {
        events[2].fd = server->keeper.has_failed ? -1 : state_file_failure();
        wait_for_events(server, events, sizeof events / sizeof events[0]);
        if (events[2].revents != 0)
            keeper_tell_failure(&server->keeper);
        if (events[3].revents != 0)
            threads_look(server);
        asked_answer(server);
        int signal = events[1].revents != 0 ? next_signal(server) : 0;
        if (signal == SIGHUP) {
            reload_for_signal(server);
        } else if (signal != 0 && drain_heed(server, signal)) {
            return;
        }
        if (drain_is_due(server)) {
            drain_tell_due(server);
            return;
        }
    }
}

/* The front-ends still use the listeners, so only the files are removed. */
static void end_at_once(const struct server *server)
{
    log_warning("a second signal: ending at once");
    listening_remove_files(server);
    log_end();
    _exit(EXIT_STATUS_OK);
}

/* Waits until the front-ends have ended. A second signal ends the process at once. */
static void wait_for_fronts(struct server *server)
{
    while (!fronts_have_ended(&server->fronts)) {
        struct pollfd events[] = {
            {.fd = server->reloads.event, .events = POLLIN},
            {.fd = server->signals, .events = POLLIN},
            {.fd = fronts_event(&server->fronts), .events = POLLIN},
        };
        wait_for_events(server, events, 3);
        asked_refuse(server);
        if (events[1].revents != 0 && next_signal(server) != SIGHUP)
            end_at_once(server);
    }
}

/* Stops the front-ends first, then the decider, which gives back before what it has in hand, then the fleet
 * thread. A front-end that hosts the decider ends only after that. */
static void stop_threads(struct server *server)
{
    if (server->has_fronts) {
        fronts_drain(&server->fronts);
        wait_for_fronts(server);
    }
    sharing_give_back(server);
    decider_stop(&server->decider, &server->home);
    if (server->has_fronts)
        fronts_end(&server->fronts);
    sharing_stop(server);
}

/* Whether a signal has ended the start. */
static bool is_ended(bool has_started)
{
    if (signals_ended_by() == 0 && (!has_started || signals_await_end(0) == 0))
        return false;
    log_info("%s: ended before it was ready", strsignal(signals_ended_by()));
    return true;
}

/* Runs from a decider that is made to one that is stopped. */
static enum exit_status run_fronts(struct server *server)
{
    enum exit_status status = EXIT_STATUS_FAILURE;
    unsigned limits = server->config->limits->count, max_keys = server->max_keys;
    warnings_of_faults(server->warnings, server->config_path);
    warnings_of_token(server->config);
    bool has_started = start_serving(server);
    if (is_ended(has_started)) {
        status = EXIT_STATUS_OK;
    } else if (has_started) {
        watch_begin(&server->watch, server->listeners, server->listeners_count, server->config_path,
                    server->config);
        log_info("version " PACKAGE_VERSION " ready: %u limit%s, room for %u key%s", limits,
                 limits == 1 ? "" : "s", max_keys, max_keys == 1 ? "" : "s");
        server->limits_count = server->config->limits->count;
        server_tell_serving(server, "");
        serve(server);
        drain_begin(server);
        status = EXIT_STATUS_OK;
    }
    stop_threads(server);
    listening_close(server);
    return status;
}

enum exit_status server_run(struct config *config, const char *config_path,
                            const struct faults *warnings, int ready_fd)
{
    struct server *server = calloc(1, sizeof *server);
    enum exit_status status = EXIT_STATUS_FAILURE;
    if (server == NULL) {
        server_fail("start", errno);
        return status;
    }
    server->config = config;
    server->config_path = config_path;
    server->warnings = warnings;
    server->keeper.file.descriptor = -1;
    server->drain_delay_ms = config->drain_delay_ms;
    server->drain_due_ns = CLOCK_NEVER;
    log_set(&config->log);
    notify_open(&server->notify, ready_fd);
    if (start_deciding(server)) {
        status = run_fronts(server);
        watchdog_release(&server->watchdog);
        decider_release(&server->decider);
        if (status == EXIT_STATUS_OK)
            log_info("stopped");
    } else if (signals_ended_by() != 0) {
        log_info("stopped");
        status = EXIT_STATUS_OK;
    }
    notify_close(&server->notify);
    start_undo(server);
    free(server);
    log_end();
    return status;
}
