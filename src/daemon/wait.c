#include "daemon/wait.h"

#include "daemon/core.h"
#include "daemon/drain.h"
#include "daemon/upkeep.h"

/* The sooner of two timeouts, of which -1 is never. */
static int sooner(int a_ms, int b_ms)
{
    return (unsigned)a_ms < (unsigned)b_ms ? a_ms : b_ms;
}

/* Waits up to timeout_ms for an event or a letter. */
static int wait_once(struct server *server, struct pollfd *events, nfds_t count, int timeout_ms)
{
    if (server->asked != NULL || !inbox_watch(&server->reloads))
        return poll(events, count, 0) < 0 ? 0 : 1;
    int found = poll(events, count, timeout_ms);
    inbox_unwatch(&server->reloads);
    return inbox_is_filled(&server->reloads) ? 1 : found;
}

void wait_for_events(struct server *server, struct pollfd *events, nfds_t count)
{
    int timeout_ms;
    for (nfds_t i = 0; i < count; i++)
        events[i].revents = 0;
    do {
        uint64_t now_ns = clock_now_ns(&clock_system);
        if (watchdog_look(&server->watchdog, now_ns))
            notify_alive(&server->notify);
        if (keeper_timeout_ms(&server->keeper, now_ns) == 0)
            upkeep_look_at_state(server, now_ns);
        if (watch_timeout_ms(&server->watch, now_ns) == 0)
            upkeep_look_around(server, now_ns);
        timeout_ms = sooner(sooner(watchdog_timeout_ms(&server->watchdog, now_ns),
                                   keeper_timeout_ms(&server->keeper, now_ns)),
                            sooner(watch_timeout_ms(&server->watch, now_ns),
                                   clock_ms_until(now_ns, server->drain_due_ns)));
    } while (wait_once(server, events, count, timeout_ms) <= 0 && !drain_is_due(server));
}
