#include "http/wire/parts.h"

#include "ask/fault_text.h"
#include "http/question.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>

/*
 * How a reply goes on (route->flow).
 *
 * libmicrohttpd asks for more of the body once all that it had is in the socket. If there is nothing,
 * the next question goes with the next chain, and the connection is suspended until its letter is home
 * or a heartbeat is due. So of a client that does not read, nothing is asked for: it holds what
 * libmicrohttpd has for its connection, its request, and what its socket takes.
 */

enum {
    FLOW_BLOCK = 4096, /* to HTTP/1.0, which knows no chunks, so much at once */
    FLOW_SOCKET_ROOM =
        65536 /* bytes that the kernel keeps for who does not read, or twice so many */
};

/* ---- how many there may be ---- */

unsigned http_flows_max(unsigned connections)
{
    unsigned quarter = connections / 4;
    return quarter == 0 ? 1 : quarter < HTTP_FLOWS_MAX ? quarter : HTTP_FLOWS_MAX;
}

bool take_flow_place(struct http *http, struct request *request)
{
    unsigned max = atomic_load_explicit(&http->flows->max, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&http->flows->open, 1, memory_order_relaxed) >= max) {
        char detail[REPLY_DETAIL_MAX];
        atomic_fetch_sub_explicit(&http->flows->open, 1, memory_order_relaxed);
        snprintf(
            detail, sizeof detail,
            "as many follow as may, %u; try again later, or raise max_connections: a quarter of "
            "them may, and %d at most",
            max, HTTP_FLOWS_MAX);
        release_request(http, request);
        reply_problem(&request->reply, 503, detail);
        return false;
    }
    request->has_flow_place = true;
    http->tally->event_readers++;
    return true;
}

/* ---- how one goes on ---- */

/* It is looked at whether it reads that, unless it asks for more before. */
static ssize_t give(struct http *http, struct client *client, size_t len)
{
    client->looks = 0;
    client->unread = -1;
    give_time(http, client, HTTP_FLOW_S);
    return (ssize_t)len;
}

/* Nothing can be written before the letter is home. */
static ssize_t await_more(struct http *http, struct client *client)
{
    give_time(http, client, HTTP_BEAT_S);
    client_suspend(client);
    return 0;
}

/* Ends the reply. Where the end of the reply is that of the connection, libmicrohttpd closes it and then
 * forgets to look at it again, 0.9.75 and 1.0 alike: it would keep its descriptor until its timeout. A
 * connection that is resumed it does look at, in the next pass. */
static ssize_t end(struct http *http, struct client *client, ssize_t how)
{
    client_suspend(client);
    client_resume(client);
    http->some_end = true;
    return how;
}

/* libmicrohttpd's hook: all is written that it had of the body. */
static ssize_t write_more(void *context, uint64_t position, char *bytes, size_t room)
{
    struct client *client = context;
    struct http *http = client->http;
    struct request *request = &client->exchange->request;
    const struct route_flow *flow = request->route->flow;
    (void)position;
    hook_called(http);
    if (request->method == METHOD_HEAD)
        return end(http, client, MHD_CONTENT_READER_END_OF_STREAM);
    if (client->has_left)
        return end(http, client, MHD_CONTENT_READER_END_WITH_ERROR);
    if (client->state != CLIENT_FLOWING) {
        bool is_due = client->beat_is_due;
        client->beat_is_due = false;
        return is_due ? give(http, client, flow->beat(request, bytes, room))
                      : await_more(http, client);
    }
    client->beat_is_due = false;
    size_t len = flow->write(request, clock_wall_ns(http->clock) / NS_PER_MS, bytes, room);
    if (len > 0)
        return give(http, client, len);
    if (!flow->ask(request, http->ends_flows || client->hung_up))
        return end(http, client, MHD_CONTENT_READER_END_OF_STREAM);
    write_letter(http, client);
    return await_more(http, client);
}

static struct MHD_Response *make_response(struct client *client)
{
    struct MHD_Response *made =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, FLOW_BLOCK, write_more, client, NULL);
    /* 0.9.75 would send the end of a body in chunks to HEAD. */
    if (made != NULL && client->exchange->request.method == METHOD_HEAD)
        MHD_set_response_options(made, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    if (made != NULL && !http_response_add_fields(made, &client->exchange->request.reply, true)) {
        MHD_destroy_response(made);
        return NULL;
    }
    return made;
}

enum MHD_Result queue_flow(struct http *http, struct MHD_Connection *connection,
                           struct client *client)
{
    const int socket_room = FLOW_SOCKET_ROOM;
    struct MHD_Response *made = make_response(client);
    if (made == NULL)
        return MHD_NO;
    enum MHD_Result result =
        MHD_queue_response(connection, client->exchange->request.reply.status, made);
    MHD_destroy_response(made);
    if (result != MHD_YES)
        return MHD_NO;
    setsockopt(client->socket, SOL_SOCKET, SO_SNDBUF, &socket_room, sizeof socket_room);
    client->flows = true;
    client->looks = 0;
    client->unread = -1;
    client->beat_is_due = false;
    watch_input(http, client, true);
    return MHD_YES;
}

/* ---- how all end ---- */

void http_end_flows(struct http *http)
{
    http->ends_flows = true;
    for (unsigned i = 0; i < http->clients_used; i++)
        leave_if_done(http, &http->clients[i]);
    post_goodbyes(http);
}
