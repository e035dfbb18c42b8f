#include "http/wire/parts.h"

#include <fcntl.h>
#include <sys/epoll.h>

/* If its letter is away, the rest is done once that is home: its connection is about to be closed.
 * So it is if a lease has come home that is not replied yet. */
static void end_request(struct http *http, struct client *client)
{
    http->vain.in_chunks -= client->exchange->request.chunked_max > 0;
    client->exchange->request.chunked_max = 0;
    give_time(http, client, http->idle_timeout_s + HTTP_HEADER_S);
    if (client_letter_is_away(client) ||
        (client->state == CLIENT_ANSWERED && give_lease_back(http, client)))
        return;
    if (client->state == CLIENT_QUEUED)
        turns_remove(&http->turns, &client->exchange->request);
    if (client->state == CLIENT_WRITTEN)
        withdraw_letter(http, client);
    client_move(client, CLIENT_IDLE);
    client->flows = false;
    release_request(http, &client->exchange->request);
    exchange_give_back(http, client);
    if (client->hung_up)
        heed_hangup(client);
}

void on_completed(void *context, struct MHD_Connection *connection, void **client_context,
                  enum MHD_RequestTerminationCode code)
{
    struct http *http = context;
    (void)connection;
    (void)code;
    hook_called(http);
    if (*client_context != NULL)
        end_request(http, *client_context);
}

/* libmicrohttpd is about to close its descriptor of the socket, which must not hold unread input
 * then: see leaving.h. If the letter is away, the client's memory is kept until it is home. */
static void on_closed(struct http *http, struct client *client)
{
    /* 1.0 forgets to call on_completed, if it finds no memory to refuse a request in. */
    if (client->state != CLIENT_IDLE)
        end_request(http, client);
    epoll_ctl(http->hangups, EPOLL_CTL_DEL, client->socket, NULL);
    give_time(http, client, 0);
    int duplicate = client->hung_up ? -1 : fcntl(client->socket, F_DUPFD_CLOEXEC, 0);
    if (duplicate >= 0)
        leaving_add(&http->leaving, duplicate, http->now_ns);
    else
        leaving_drop_input(client->socket);
    client->socket = -1;
    http->tally->connections--;
    leave_if_done(http, client);
    if (client_letter_is_away(client))
        client_move(client, CLIENT_GONE);
    else
        client_give_back(http, client);
}

void on_connection(void *context, struct MHD_Connection *connection, void **client_context,
                   enum MHD_ConnectionNotificationCode code)
{
    struct http *http = context;
    hook_called(http);
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *client_context = begin_client(http, connection);
    else
        on_closed(http, *client_context);
}
