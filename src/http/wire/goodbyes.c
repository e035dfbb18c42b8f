#include "http/wire/parts.h"

static void add_goodbye(struct http *http, struct client *client, struct message *message)
{
    message->letter.home = http->home;
    client->letters_away++;
    http->away++;
    chain_add(&http->goodbyes, &message->letter);
}

static void leave(struct http *http, struct client *client)
{
    client_move(client, CLIENT_LEAVING);
    client->exchange->leave.kind = MESSAGE_LEAVE;
    client->exchange->leave.ask.leaves = &client->exchange->request.message;
    add_goodbye(http, client, &client->exchange->leave);
}

void leave_if_done(struct http *http, struct client *client)
{
    if (!client_waits(client))
        return;
    client->has_left |= client->hung_up;
    if (client->has_left || client->socket < 0 || http->ends_waits ||
        (client->flows && http->ends_flows))
        leave(http, client);
}

static bool has_lease(const struct message *message)
{
    return message->kind == MESSAGE_ACQUIRE && bucket_answer_allows(&message->answer.bucket);
}

/* The message keeps its token: see message.h. */
bool give_lease_back(struct http *http, struct client *client)
{
    struct message *message = &client->exchange->request.message;
    if (!has_lease(message))
        return false;
    const struct lease_id id = message->ask.acquire.id;
    if (client->state == CLIENT_ANSWERED)
        client_move(client, CLIENT_LEAVING);
    message->kind = MESSAGE_RELEASE;
    message->ask.lease = (struct lease_question){.id = id, .has_used = true};
    message->answer.lease.key = NULL;
    add_goodbye(http, client, message);
    return true;
}

void post_all_goodbyes(struct http *http)
{
    inbox_post(http->decider, &http->goodbyes);
    http->goodbyes.newest = NULL;
}

void http_end_waits(struct http *http)
{
    http->ends_waits = true;
    for (unsigned i = 0; i < http->clients_used; i++)
        leave_if_done(http, &http->clients[i]);
    post_goodbyes(http);
}
