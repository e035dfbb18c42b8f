#include "http/wire/parts.h"

#include <assert.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct client *client_take(struct http *http)
{
    struct client *client = http->free_client;
    if (client != NULL) {
        http->free_client = client->next_free;
        return client;
    }
    assert(http->clients_used < http->connections_max);
    deadlines_add(&http->deadlines);
    return &http->clients[http->clients_used++];
}

/* A client has one at most, so there is one left. */
void exchange_take(struct http *http, struct client *client)
{
    struct exchange *exchange = http->free_exchange;
    if (exchange != NULL)
        http->free_exchange = exchange->next_free;
    else
        exchange = &http->exchanges[http->exchanges_used++];
    assert(http->exchanges_used <= http->connections_max);
    exchange->client = client;
    client->exchange = exchange;
}

void exchange_give_back(struct http *http, struct client *client)
{
    client->exchange->next_free = http->free_exchange;
    http->free_exchange = client->exchange;
    client->exchange = NULL;
}

void client_give_back(struct http *http, struct client *client)
{
    assert(client->exchange == NULL);
    client_move(client, CLIENT_NONE);
    client->next_free = http->free_client;
    http->free_client = client;
    http->connections--;
}

void count_held(struct http *http, struct request *request)
{
    size_t held = request_held(request);
    http->held = http->held - request->counted + held;
    request->counted = held;
}

static void give_flow_place_back(struct http *http, struct request *request)
{
    request->has_flow_place = false;
    http->tally->event_readers--;
    atomic_fetch_sub_explicit(&http->flows->open, 1, memory_order_relaxed);
}

void release_request(struct http *http, struct request *request)
{
    request_release(request);
    if (request->message.limits != NULL)
        message_hold(&request->message, NULL);
    if (request->has_flow_place)
        give_flow_place_back(http, request);
    if (request->counted > 0)
        count_held(http, request);
}

#define HANGUP (EPOLLRDHUP | EPOLLET)

void watch_input(struct http *http, struct client *client, bool watches)
{
    struct epoll_event events = {.events = HANGUP | (watches ? EPOLLIN : 0), .data.ptr = client};
    if (client->is_watched == watches)
        return;
    epoll_ctl(http->hangups, EPOLL_CTL_MOD, client->socket, &events);
    client->is_watched = watches;
}

struct client *begin_client(struct http *http, struct MHD_Connection *connection)
{
    struct client *client = client_take(http);
    struct epoll_event hangup = {.events = HANGUP, .data.ptr = client};
    assert(http->is_adding);
    client->connection = connection;
    client->http = http;
    client->socket =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    client_move(client, CLIENT_IDLE);
    client->is_admin = http->adding_admin;
    client->is_tcp = http->adding_tcp;
    client->hung_up = client->has_left = client->is_watched = client->flows = false;
    epoll_ctl(http->hangups, EPOLL_CTL_ADD, client->socket, &hangup);
    give_time(http, client, HTTP_HEADER_S);
    http->connections++;
    http->tally->connections++;
    return client;
}

/* libmicrohttpd has no threads here, so it calls on_connection before this returns. If it did so
 * later, a stranger's connection could be taken for an admin's; begin_client asserts that it does
 * not. */
void http_add(struct http *http, int socket, const struct sockaddr *peer, socklen_t peer_len,
              bool is_admin)
{
    http->is_adding = true;
    http->adding_admin = is_admin;
    http->adding_tcp = peer->sa_family != AF_UNIX;
    http->now_ns = clock_now_ns(http->clock);
    MHD_add_connection(http->daemon, socket, peer, peer_len);
    http->is_adding = false;
}

void http_set_share(struct http *http, unsigned connections)
{
    atomic_store_explicit(&http->share, connections, memory_order_relaxed);
}

unsigned http_share(const struct http *http)
{
    unsigned share = atomic_load_explicit(&http->share, memory_order_relaxed);
    return share < http->connections_max ? share : http->connections_max;
}

/* Whether one more socket may be open. Sockets that are being closed have some spare ones. */
static bool has_descriptors(const struct http *http)
{
    return http_connections(http) + http->others < http_share(http) + HTTP_LEAVING_SPARE;
}

/* Without Retry-After: some clients, such as Erlang's httpc, then come back by themselves without
 * end, and each of them is one more connection. */
#define NO_ROOM_BODY                                                                               \
    "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"                  \
    "\"detail\":\"no room for another connection now; try again, and keep connections open\"}\n"
static const char no_room[] = "HTTP/1.1 503 Service Unavailable\r\n"
                              "Content-Type: application/problem+json\r\n"
                              "Cache-Control: no-store\r\n"
                              "Connection: close\r\n"
                              "Content-Length: 150\r\n"
                              "\r\n" NO_ROOM_BODY;
static_assert(sizeof NO_ROOM_BODY - 1 == 150, "the length told is the body's");

void http_turn_away(struct http *http, int socket)
{
    if (!has_descriptors(http))
        leaving_close_oldest(&http->leaving);
    leaving_drop_input(socket); /* most send at once, and nobody will read it */
    ssize_t sent = send(socket, no_room, sizeof no_room - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* a new socket has room for it, unless its client has gone */
    leaving_add(&http->leaving, socket, clock_now_ns(http->clock));
    http->tally->turned_away++;
}

/*
 * libmicrohttpd waits for the edge of an event, and takes a short read for all there was. If a
 * client's end came together with its last bytes, that edge has passed, and the connection would
 * stay until its timeout (findings/microhttpd_epoll_half_close.sh). To shut down reading, where
 * nothing more can come, makes a new edge; what has arrived is still read.
 *
 * That makes an edge in http->hangups too, so this is called again and again until libmicrohttpd
 * has read to the end. While libmicrohttpd does not read, because a letter is away or a reply is
 * not yet received, it would be repeated for nothing and for ever. So it is left out then, and
 * on_completed calls it before the next request.
 */
void heed_hangup(const struct client *client)
{
    if (client->state == CLIENT_IDLE || client->state == CLIENT_BEGUN ||
        client->state == CLIENT_READING)
        shutdown(client->socket, SHUT_RD);
}

enum { HANGUPS_AT_A_TIME = 64 };

static bool hides_its_end(const struct client *client)
{
    int unread = 0;
    return client_waits(client) && ioctl(client->socket, FIONREAD, &unread) == 0 &&
           unread > BEHIND_MAX;
}

/* Returns how many there were. */
static int heed_some_hangups(struct http *http)
{
    struct epoll_event events[HANGUPS_AT_A_TIME];
    int count = epoll_wait(http->hangups, events, HANGUPS_AT_A_TIME, 0);
    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;
        client->hung_up |= (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        client->has_left |=
            (events[i].events & (EPOLLHUP | EPOLLERR)) != 0 || hides_its_end(client);
        leave_if_done(http, client);
        if (client->has_left)
            client_resume(client); /* its handler then ends it */
        if (client->hung_up)
            heed_hangup(client);
    }
    return count;
}

/* All that there are, each once: heed_hangup may make the next edge of the same one. */
static void heed_hangups(struct http *http)
{
    for (unsigned seen = 0; seen <= http->connections; seen += HANGUPS_AT_A_TIME)
        if (heed_some_hangups(http) < HANGUPS_AT_A_TIME)
            return;
}

unsigned http_connections(const struct http *http)
{
    return http->connections + http->leaving.count;
}

void http_set_others(struct http *http, unsigned others)
{
    http->others = others;
}

bool http_has_room(const struct http *http)
{
    return http->connections + http->others < http_share(http) && has_descriptors(http);
}

void http_heed(struct http *http, int descriptor)
{
    if (descriptor == http->hangups)
        heed_hangups(http);
    else if (descriptor == http->leaving.epoll)
        leaving_run(&http->leaving, clock_now_ns(http->clock));
}

/* Whether a client still reads what it was given of a reply that goes on. */
static bool still_reads(struct client *client)
{
    int unread = 0;
    if (ioctl(client->socket, SIOCOUTQ, &unread) != 0)
        return false;
    client->looks = unread == client->unread ? client->looks + 1 : 0;
    client->unread = unread;
    return client->looks < HTTP_FLOW_LOOKS;
}

/* Has a client stay whose reply goes on: it gets a heartbeat if it only waits for more. false: it has
 * to end. */
static bool goes_on(struct http *http, struct client *client)
{
    if (!client->flows || (!client->is_suspended && !still_reads(client)))
        return false;
    if (client->is_suspended) {
        client->beat_is_due = true;
        client_resume(client);
    }
    give_time(http, client, HTTP_FLOW_S);
    return true;
}

/* The client has taken too long, unless it is allowd that has nothing to tell it. Nothing more is read from it, and what
 * it has not read is dropped: libmicrohttpd notices the end and closes the connection. */
void end_overdue(void *context, unsigned index)
{
    struct http *http = context;
    if (goes_on(http, &http->clients[index]))
        return;
    shutdown(http->clients[index].socket, SHUT_RDWR);
    http->tally->overdue++;
}

void http_close_idle(struct http *http)
{
    for (unsigned i = 0; i < http->clients_used; i++) {
        const struct client *client = &http->clients[i];
        if (client->socket >= 0 && client->state == CLIENT_IDLE)
            shutdown(client->socket, SHUT_RD);
        else if (client->socket >= 0 && client->flows)
            shutdown(client->socket, SHUT_RDWR);
    }
}
