#include "daemon/upkeep.h"

#include "daemon/core.h"
#include "daemon/keeper_mend.h"

void upkeep_look_at_state(struct server *server, uint64_t now_ns)
{
    const char *why = keeper_look(&server->keeper, now_ns);
    struct message lost = {.kind = MESSAGE_STATE_LOST, .ask.lost_state = why};
    if (why != NULL)
        server_ask(server, &lost);
}

void upkeep_mend_state(struct server *server)
{
    struct keeper *keeper = &server->keeper;
    struct message anew = {.kind = MESSAGE_STATE_ANEW, .ask.anew = {&keeper->file, &keeper->next}};
    struct message kept = {.kind = MESSAGE_STATE_KEPT};
    enum keeper_mend mend = keeper_mend(keeper);
    switch (mend) {
    case KEEPER_LEFT:
        return;
    case KEEPER_ANEW:
        server_ask(server, &anew);
        if (!keeper_put_in_place(keeper, &anew.answer.anew))
            return;
        break;
    case KEEPER_BACK:
        break;
    }
    kept.ask.failures = keeper->failures;
    server_ask(server, &kept);
    keeper_end_mend(keeper, mend, kept.answer.is_kept);
}

void upkeep_look_around(struct server *server, uint64_t now_ns)
{
    struct message message = {.kind = MESSAGE_SURROUNDINGS};
    if (!watch_look(&server->watch, now_ns))
        return;
    message.ask.surroundings = server->watch.seen;
    server_ask(server, &message);
}

void upkeep_mend_sockets(struct server *server)
{
    watch_look_at_sockets(&server->watch);
    if (watch_mend(&server->watch, &server->config->sockets) == 0)
        return;
    fronts_listen_again(&server->fronts);
}
