#include "daemon/room.h"

#include "daemon/core.h"
#include "log/log.h"

#include <assert.h>
#include <sys/resource.h>

enum {
    DESCRIPTORS_SPARE =
        21, /* for all but connections, listeners, front-ends and the fleet thread */
    /* its inbox, its connections, one for each node of a cluster, and what looks up their names */
    DESCRIPTORS_FLEET = 8 + FLEET_STORES_MAX,
    /* its epoll sets and eventfds, and clients that it has no room for */
    DESCRIPTORS_PER_FRONT = 7 + HTTP_LEAVING_SPARE,
};

/* Raises the limit on descriptors to what is needed, or as far as it may be raised. Returns what it
 * is then; if the system does not tell, as much as is needed, for what lacks is told when it does. */
static rlim_t raise_descriptors(rlim_t needed)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return needed;
    if (limit.rlim_cur >= needed)
        return limit.rlim_cur;
    const struct rlimit raised = {
        .rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed,
        .rlim_max = limit.rlim_max,
    };
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

/* How many connections there is room for, and what limits them. */
struct room {
    unsigned connections;
    rlim_t needed, allowed; /* descriptors */
};

/* The room that so many front-ends have together: max_connections, or what there are descriptors for
 * beside those that still go. */
static struct room room_of(const struct server *server, unsigned fronts)
{
    const struct config *config = server->config;
    unsigned listeners =
        server->listeners_count > 0
            ? server->listeners_count
            : config->listen_count + config->admin_listen_count + config->listen_resp_count;
    unsigned most = config->max_connections, all = fronts + server->fronts.going;
    unsigned fleet = config->fleet.is_there ? DESCRIPTORS_FLEET : 0;
    rlim_t spare = DESCRIPTORS_SPARE + all * DESCRIPTORS_PER_FRONT + listeners + fleet;
    struct room room = {.connections = most, .needed = most + spare};
    room.allowed = raise_descriptors(room.needed);
    if (room.allowed < room.needed)
        room.connections = room.allowed > spare ? (unsigned)(room.allowed - spare) : 0;
    return room;
}

unsigned room_connections(const struct server *server, unsigned fronts)
{
    struct room room = room_of(server, fronts);
    unsigned usable = room.connections;
    assert(fronts > 0);
    if (room.allowed < room.needed)
        log_warning("room for %u connections, not for the %u of max_connections: the system allows "
                    "%llu descriptors, and it takes %llu; raise that (ulimit -n, LimitNOFILE=), or "
                    "lower max_connections",
                    usable < fronts ? fronts : usable / fronts * fronts,
                    server->config->max_connections, (unsigned long long)room.allowed,
                    (unsigned long long)room.needed);
    return usable;
}

void room_bound_waiting(const struct server *server, unsigned fronts, struct limits *limits)
{
    uint32_t most = config_waiting_most(room_of(server, fronts).connections);
    if (limits->waiting.max_waiting > most)
        limits->waiting.max_waiting = most;
}
