#include "daemon/sharing.h"

#include "daemon/core.h"
#include "fleet/fleet.h"
#include "log/log.h"

#include <sodium/randombytes.h>

bool sharing_name_process(struct brain *brain)
{
    uint64_t nonce;
    randombytes_buf(&nonce, sizeof nonce);
    bool is_done = brain_begin_fleet(brain, nonce);
    uint32_t resumed = brain_resumed_sessions(brain);
    if (!is_done)
        log_error("out of memory");
    else if (resumed > 0)
        log_info("the fleet's store is asked for what the process before had in hand of %u key%s",
                 resumed, resumed == 1 ? "" : "s");
    return is_done;
}

bool sharing_begin(struct server *server, const struct config *config)
{
    struct fleet *fleet;
    if (!config->fleet.is_there || server->fleet != NULL)
        return true;
    int error = fleet_start(&fleet, &config->fleet.settings);
    if (error != 0)
        return server_fail("start the fleet thread", error);
    server->fleet = fleet;
    server->fleet_view.look = fleet_look;
    server->fleet_view.latency_bounds_ns = &fleet_latency_bounds_ns;
    atomic_store(&server->fleet_view.fleet, fleet);
    decider_set_fleet(&server->decider, fleet_inbox(fleet));
    server->config->fleet = config->fleet; /* a later reload is held against this */
    return true;
}

void sharing_give_back(struct server *server)
{
    struct message end = {.kind = MESSAGE_FLEET_END};
    if (server->fleet != NULL)
        server_ask(server, &end);
}

void sharing_stop(struct server *server)
{
    if (server->fleet == NULL)
        return;
    atomic_store(&server->fleet_view.fleet, NULL);
    fleet_stop(server->fleet);
    server->fleet = NULL;
}
