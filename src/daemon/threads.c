#include "daemon/threads.h"

#include "base/processors.h"
#include "daemon/core.h"
#include "daemon/room.h"
#include "log/log.h"

#include <errno.h>
#include <string.h>

static_assert(FRONTS_SERVING_MAX == CONFIG_THREADS_MAX,
              "as many as can be configured have a place");

bool threads_host_decider(const struct config *config)
{
    return config->threads == 0 ||
           (config->threads == PARAMETER_IS_WORD && processors_usable() == 1);
}

unsigned threads_wanted(const struct config *config)
{
    bool is_one = config->threads == 0 || config->threads == PARAMETER_IS_WORD;
    return is_one ? 1 : config->threads;
}

bool threads_start(struct server *server)
{
    const struct front_terms terms = {
        .listeners = server->listeners,
        .listeners_count = server->listeners_count,
        .decider = &server->decider,
        .reloads = &server->reloads,
        .fleet = &server->fleet_view,
        .clock = &clock_system,
        .idle_timeout_ms = server->config->idle_timeout_ms,
        .header_room = server->config->header_room,
    };
    unsigned wanted = threads_wanted(server->config);
    int error = fronts_init(&server->fronts, &terms);
    if (error != 0)
        return server_fail("open an eventfd", error);
    server->has_fronts = true;
    error = fronts_set(&server->fronts, wanted, room_connections(server, wanted),
                       server->config->contract);
    if (server->fronts.serving > 0 && server->decider.is_hosted)
        decider_is_taken_care_of(&server->decider);
    return error == 0 || server_fail("start a front-end thread", error);
}

/* Whether decisions have a thread of their own is settled at the start. */
static bool threads_wait_for_start(const struct server *server, const struct config *next)
{
    return threads_host_decider(next) != server->decider.is_hosted;
}

void threads_warn(const struct server *server, const struct config *next)
{
    if (threads_wait_for_start(server, next))
        log_warning("threads has changed %s 0; that takes effect at the next start",
                    server->decider.is_hosted ? "from" : "to");
}

unsigned threads_with(const struct server *server, const struct config *next)
{
    unsigned serving = server->fronts.serving, wanted = threads_wanted(next);
    return threads_wait_for_start(server, next) || wanted < serving ? serving : wanted;
}

void threads_set(struct server *server, const struct config *next)
{
    unsigned before = server->fronts.serving, wanted = threads_wanted(next);
    if (threads_wait_for_start(server, next) || wanted == before)
        return;
    int error =
        fronts_set(&server->fronts, wanted, room_connections(server, wanted), next->contract);
    unsigned serving = server->fronts.serving;
    if (error == EAGAIN && server->fronts.going > 0)
        log_warning("only %u of %u threads serve: others, which go, have not closed their last "
                    "connection yet; reload again once they have",
                    serving, wanted);
    else if (error != 0)
        log_error("cannot start a front-end thread: %s; %u of %u serve, and a reload tries again",
                  strerror(error), serving, wanted);
    if (server->is_leaving)
        fronts_leave(&server->fronts);
    if (serving > before)
        log_info("threads that serve connections: %u, of which %u came", serving, serving - before);
    else if (serving < before)
        log_info("threads that serve connections: %u; %u go with their last connections", serving,
                 before - serving);
}

void threads_look(struct server *server)
{
    unsigned ended = fronts_look(&server->fronts);
    if (ended > 0)
        log_info("threads that have gone: %u; %u still go", ended, server->fronts.going);
}
