#include "resp/parts.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

void add_to_turn(struct resp *resp, struct resp_client *client)
{
    if (client->is_in_turn)
        return;
    client->is_in_turn = true;
    client->next = NULL;
    *resp->in_turn_last = client;
    resp->in_turn_last = &client->next;
}

void give_time(struct resp *resp, struct resp_client *client, uint64_t ms)
{
    client->due_ns = resp->now_ns + ms * NS_PER_MS;
    if (client->due_ns < resp->look_ns)
        resp->look_ns = client->due_ns;
}

void drop_kept(struct resp *resp, struct kept *kept)
{
    resp->held -= kept->len;
    free(kept->bytes);
    *kept = (struct kept){0};
}

bool keep(struct resp *resp, struct kept *kept, const char *bytes, size_t len)
{
    struct kept next = {.bytes = malloc(len), .len = (uint32_t)len};
    bool has_room = next.bytes != NULL && resp->held - kept->len + len <= RESP_HELD_MAX;
    if (has_room)
        memcpy(next.bytes, bytes, len);
    drop_kept(resp, kept);
    if (!has_room) {
        free(next.bytes);
        return false;
    }
    resp->held += len;
    *kept = next;
    return true;
}

void give_client_back(struct resp *resp, struct resp_client *client)
{
    client->next = resp->free_client;
    resp->free_client = client;
}

void close_client(struct resp *resp, struct resp_client *client)
{
    if (client->socket < 0)
        return;
    close(client->socket);
    client->socket = -1;
    client->has_more = false;
    resp->connections--;
    tally_of(resp)->connections--;
    drop_kept(resp, &client->input);
    drop_kept(resp, &client->output);
    end_wait(resp, client);
    add_to_turn(resp, client);
}

void watch(struct resp *resp, struct resp_client *client, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (client->watched == events || client->socket < 0)
        return;
    epoll_ctl(resp->epoll, EPOLL_CTL_MOD, client->socket, &event);
    client->watched = events;
}

void begin_leaving(struct resp *resp, struct resp_client *client)
{
    shutdown(client->socket, SHUT_WR);
    client->is_leaving = true;
    client->has_more = false;
    drop_kept(resp, &client->input);
    give_time(resp, client, RESP_LEAVING_MS);
    watch(resp, client, EPOLLIN);
}

/* ---- they come ---- */

static struct resp_client *take_client(struct resp *resp)
{
    struct resp_client *client = resp->free_client;
    if (client != NULL)
        resp->free_client = client->next;
    else if (resp->clients_used < resp->clients_max)
        client = &resp->clients[resp->clients_used++];
    return client;
}

static void begin_client(struct resp *resp, struct resp_client *client, int socket)
{
    *client = (struct resp_client){
        .socket = socket,
        .watched = EPOLLIN,
        .session = {.protocol = 2, .id = ++resp->clients_ever * TALLY_FRONTS_MAX + resp->place},
    };
    client->last = &client->first;
    resp->connections++;
    tally_of(resp)->connections++;
    resp->now_ns = clock_now_ns(resp->clock);
    give_time(resp, client, resp->idle_timeout_ms);
}

void resp_add(struct resp *resp, int socket, const struct sockaddr *peer)
{
    struct resp_client *client = take_client(resp);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (client == NULL) {
        resp_turn_away(resp, socket);
        return;
    }
    if (peer->sa_family != AF_UNIX)
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    begin_client(resp, client, socket);
    if (epoll_ctl(resp->epoll, EPOLL_CTL_ADD, socket, &event) != 0)
        close_client(resp, client);
}

/* Throws away what has come in. One that sends as fast as it is read is not worth more than 256 KiB. */
static void drop_what_came(struct resp *resp, int socket)
{
    enum { READS_MAX = 4 };
    for (int reads = 0; reads < READS_MAX && recv(socket, resp->input, sizeof resp->input, 0) > 0;
         reads++)
        ;
}

/* A new socket has room for it, unless its client has gone. What it has sent would reset it. */
void resp_turn_away(struct resp *resp, int socket)
{
    static const char no_room[] =
        "-ERR max number of clients reached; try again, and keep connections open\r\n";
    drop_what_came(resp, socket);
    ssize_t sent = send(socket, no_room, sizeof no_room - 1, MSG_NOSIGNAL);
    (void)sent;
    close(socket);
    tally_of(resp)->turned_away++;
}

unsigned resp_connections(const struct resp *resp)
{
    return resp->connections;
}

/* ---- they go ---- */

void resp_end_waits(struct resp *resp)
{
    resp->ends_waits = true;
    for (unsigned i = 0; i < resp->clients_used; i++)
        end_wait(resp, &resp->clients[i]);
}

void resp_drain(struct resp *resp)
{
    resp->drains = true;
}
