#include "http/wire/client.h"

#include <stddef.h>

static_assert(CLIENT_STATES <= 32, "a set of states is a word");

#define TO(state) (1u << CLIENT_##state)

/* What ends a request early leads to IDLE. */
const uint32_t client_moves[CLIENT_STATES] = {
    [CLIENT_NONE] = TO(IDLE),
    [CLIENT_IDLE] = TO(BEGUN) | TO(NONE),
    [CLIENT_BEGUN] = TO(READING) | TO(REPLIED) | TO(IDLE),
    [CLIENT_READING] = TO(QUEUED) | TO(WRITTEN) | TO(AWAY) | TO(REPLIED) | TO(IDLE),
    [CLIENT_QUEUED] = TO(TURN) | TO(IDLE),
    [CLIENT_TURN] = TO(WRITTEN) | TO(AWAY) | TO(REPLIED) | TO(IDLE),
    [CLIENT_WRITTEN] = TO(AWAY) | TO(REPLIED) | TO(IDLE),
    [CLIENT_AWAY] = TO(ANSWERED) | TO(FLOWING) | TO(LEAVING) | TO(DISOWNED) | TO(GONE),
    [CLIENT_LEAVING] = TO(ANSWERED) | TO(FLOWING) | TO(GONE),
    [CLIENT_ANSWERED] = TO(QUEUED) | TO(LEAVING) | TO(REPLIED) | TO(FLOWING) | TO(IDLE),
    [CLIENT_REPLIED] = TO(IDLE) | TO(NONE),
    [CLIENT_FLOWING] = TO(WRITTEN) | TO(IDLE),
    [CLIENT_DISOWNED] = TO(REPLIED) | TO(GONE),
    [CLIENT_GONE] = TO(NONE),
};

struct client *client_of(struct letter *letter)
{
    size_t offset = message_of(letter)->kind == MESSAGE_LEAVE
                        ? offsetof(struct exchange, leave)
                        : offsetof(struct exchange, request.message);
    return ((struct exchange *)((char *)letter - offset))->client;
}

void client_suspend(struct client *client)
{
    assert(!client->is_suspended);
    client->is_suspended = true;
    MHD_suspend_connection(client->connection);
}

void client_resume(struct client *client)
{
    if (!client->is_suspended)
        return;
    client->is_suspended = false;
    MHD_resume_connection(client->connection);
}
