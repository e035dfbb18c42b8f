#include "http/wire/http.h"

#include "base/clock.h"
#include "brain/meters.h"
#include "http/access.h"
#include "http/request.h"
#include "http/routes/table.h"
#include "http/wire/deadlines.h"
#include "http/wire/fields.h"
#include "http/wire/gate.h"
#include "http/wire/leaving.h"
#include "http/wire/response.h"
#include "http/wire/turns.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static_assert(MHD_VERSION >= 0x00097500, "the batch exchange is proven against 0.9.75");

/* For a request's line and header, then its reply's; cookies count twice, so that
 * one of 4 KiB, the most a browser keeps, has room. libmicrohttpd 0.9.75 clears
 * all of it after every request: see HACKING for what more would cost. */
enum {
    CONNECTION_MEMORY = 13 * 1024 + 512,
    TARGET_MAX = 8000,
    COLLECT_PASSES = 8,      /* before a batch goes */
    RELOAD_LOOK_MS = 1,      /* how often to see whether a reload is done */
    REPLY_HEADER_MAX = 2560, /* of which this is kept for the reply */
    ENTRY_BYTES = 64,        /* a field, parameter or cookie takes so much besides its text */
    HELD_MAX = 128 << 20,    /* bytes that lists may hold at once, on their way in and out */
    /* with which another long body may begin: small lists then still go */
    HELD_TO_BEGIN_MAX = 64 << 20,
};

static_assert(REPLY_POLICY_MAX + REPLY_VALUES_MAX + 256 <= REPLY_HEADER_MAX,
              "the longest header of a reply has room");

/* A connection and its request: it has one at a time. */
struct client {
    struct request request;
    struct http_response response;
    struct client *next_free;
    int socket;     /* -1: no connection */
    bool busy;      /* a request is under way */
    bool is_orphan; /* the connection has gone while the request's message is away */
    bool is_admin;  /* it came in where everything is served */
    bool hung_up;   /* its client has sent its last byte */
};

struct http {
    struct MHD_Daemon *daemon;
    /* one for each connection there can be; memory is touched as they come */
    struct client *clients;
    struct client *free_client;
    int hangups; /* an epoll set of all clients, for those that have sent their last byte */
    struct leaving leaving;
    struct deadlines deadlines; /* by index among the clients */
    uint64_t now_ns;            /* as of this run */
    struct http_terse_set terse;
    unsigned clients_used;
    unsigned connections, connections_max;
    size_t held;                /* bytes, by all requests besides themselves */
    const struct http_log *log; /* NULL: there is none */
    const struct reload_desk *desk;
    unsigned reloads;                         /* requests that wait for one */
    uint64_t asked_ns;                        /* when the batch went that is late; 0: none is */
    struct contract *contract;                /* a reference */
    _Atomic(struct contract *) next_contract; /* a reference to take its place, or NULL */
    struct serving serving;
    bool admin_apart;  /* what is for admins is served to them alone */
    bool adding_admin; /* the connection that is being added came in on such a listener */
    bool check_places; /* see gate.h */
    struct batch batch;
    struct turns turns;
    bool some_have_turn;
    struct tally *tally;     /* of what has been counted since the last batch went */
    struct tally tallies[2]; /* that, and one that may be away with the batch */
};

#define NO_MEMORY_FOR_BATCH                                                                        \
    "no memory for another large batch now; try again, or send a smaller one"
#define NO_MEMORY_FOR_ANSWER "no memory for another large answer now; try again"

static struct client *client_of(const struct message *message)
{
    return (struct client *)((char *)message - offsetof(struct client, request.message));
}

/* ---- connections ---- */

static struct client *client_take(struct http *http)
{
    struct client *client = http->free_client;
    if (client != NULL) {
        http->free_client = client->next_free;
        return client;
    }
    assert(http->clients_used < http->connections_max);
    return &http->clients[http->clients_used++];
}

static void client_give_back(struct http *http, struct client *client)
{
    client->next_free = http->free_client;
    http->free_client = client;
    http->connections--;
}

/* By when the client must have done its next step: 0 for no limit. */
static void give_time(struct http *http, const struct client *client, unsigned seconds)
{
    deadlines_set(&http->deadlines, (unsigned)(client - http->clients),
                  seconds == 0 ? DEADLINE_NONE : http->now_ns + seconds * (uint64_t)NS_PER_S);
}

static void on_started(struct http *http, struct client *client, int socket)
{
    struct epoll_event hangup = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = client};
    client->socket = socket;
    client->is_admin = http->adding_admin;
    client->busy = client->hung_up = client->is_orphan = false;
    epoll_ctl(http->hangups, EPOLL_CTL_ADD, socket, &hangup);
    give_time(http, client, HTTP_HEADER_S);
    http->connections++;
    http->tally->connections++;
}

/* libmicrohttpd is about to close its descriptor of the socket, which must hold
 * no unread input then: see leaving.h. */
static void on_closed(struct http *http, struct client *client)
{
    epoll_ctl(http->hangups, EPOLL_CTL_DEL, client->socket, NULL);
    give_time(http, client, 0);
    int duplicate = client->hung_up ? -1 : fcntl(client->socket, F_DUPFD_CLOEXEC, 0);
    if (duplicate >= 0)
        leaving_add(&http->leaving, duplicate, http->now_ns);
    else
        leaving_drop_input(client->socket);
    client->socket = -1;
    http->tally->connections--;
    if (!client->is_orphan)
        client_give_back(http, client);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **client_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct client *client = client_take(http);
        *client_context = client;
        on_started(
            http, client,
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
    } else {
        on_closed(http, *client_context);
    }
}

/* libmicrohttpd's name for this hook is "URI log": it is called with the raw
 * target before that is cut up, and what it returns is the request's context. */
static void *on_target(void *context, const char *target, struct MHD_Connection *connection)
{
    struct http *http = context;
    struct client *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    client->busy = true;
    request_begin(&client->request, http->serving.routes, target);
    return client;
}

/* Takes a request's message back out of the batch: its client has gone. */
static void withdraw(struct batch *batch, const struct request *request)
{
    struct message *last = batch->messages[--batch->count];
    batch->messages[request->batch_index] = last;
    client_of(last)->request.batch_index = request->batch_index;
}

/* Counts what a request holds now. */
static void count_held(struct http *http, struct request *request)
{
    size_t held = request_held(request);
    http->held = http->held - request->counted + held;
    request->counted = held;
}

static void release_request(struct http *http, struct request *request)
{
    request_release(request);
    count_held(http, request);
}

static void leave_reload(struct http *http, struct request *request)
{
    if (request->reload == NULL)
        return;
    reload_leave(request->reload);
    request->reload = NULL;
    http->reloads--;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **client_context,
                         enum MHD_RequestTerminationCode code)
{
    struct http *http = context;
    struct client *client = *client_context;
    (void)connection;
    (void)code;
    if (client == NULL)
        return;
    client->busy = false;
    give_time(http, client, HTTP_IDLE_TIMEOUT_S + HTTP_HEADER_S);
    leave_reload(http, &client->request);
    if (client->request.stage == REQUEST_ASKED && http->asked_ns != 0) {
        client->is_orphan = true;
        return;
    }
    if (client->request.stage == REQUEST_QUEUED)
        turns_remove(&http->turns, &client->request);
    if (client->request.stage == REQUEST_ASKED)
        withdraw(&http->batch, &client->request);
    release_request(http, &client->request);
}

/* ---- requests ---- */

static enum MHD_Result send_reply(struct http *http, struct MHD_Connection *connection,
                                  struct client *client)
{
    struct reply *reply = &client->request.reply;
    unsigned status = reply->status;
    if (http_response_queue(&client->response, connection, reply,
                            reply->close || http->serving.draining) != MHD_YES) {
        if (http_terse_queue(&http->terse, reply->terse, connection) != MHD_YES)
            return MHD_NO;
        status = http_terse_status(reply->terse);
    }
    give_time(http, client, HTTP_REPLY_S);
    tally_request(http->tally, client->request.route_number, status);
    return MHD_YES;
}

static uint64_t stalled_ms(const struct http *http)
{
    return (clock_now_ns(&clock_system) - http->asked_ns) / NS_PER_MS;
}

/* Of a request that bears no stall while the state thread is late. Its message may be away, so
 * nothing else may begin in its place: the connection is closed. */
static enum MHD_Result send_stalled(struct http *http, struct MHD_Connection *connection,
                                    struct client *client)
{
    client->request.route->reply_stalled(&client->request, stalled_ms(http));
    client->request.reply.close = true;
    return send_reply(http, connection, client);
}

/* Refuses a request before its body: the connection is closed, and whatever
 * follows on it never runs as a request. */
static enum MHD_Result refuse(struct http *http, struct MHD_Connection *connection,
                              struct client *client, unsigned status, const char *detail)
{
    reply_problem(&client->request.reply, status, detail);
    client->request.reply.close = true;
    return send_reply(http, connection, client);
}

/* Makes room for the body, within the bytes there are for all; false: not now. */
static bool expect_body(struct http *http, struct request *request, size_t len)
{
    size_t room = request_body_room(request, len);
    if (room == 0)
        return true;
    if (http->held + room > HELD_TO_BEGIN_MAX || !request_expect_body(request, len))
        return false;
    count_held(http, request);
    return true;
}

/* Takes over the contract that was set, if any, before each header that is read: what is
 * told as reloaded holds for all that comes then. Nothing of a request under way
 * points into the one before. */
static void heed_contract(struct http *http)
{
    if (atomic_load(&http->next_contract) == NULL)
        return; /* as nearly always: an exchange would cost more */
    struct contract *next = atomic_exchange(&http->next_contract, NULL);
    contract_release(http->contract);
    http->contract = next;
    http->serving.headers = next->headers;
}

/* The first call, when the header has arrived: the gate. */
static enum MHD_Result on_header(struct http *http, struct MHD_Connection *connection,
                                 struct client *client, const char *url, const char *method,
                                 const char *version)
{
    struct request *request = &client->request;
    struct gate gate;
    gate_begin(&gate, version, http->check_places);
    if (gate.fault != NULL)
        return refuse(http, connection, client, 505, gate.fault);
    /* One blank is between method and target, and between target and version,
     * unless there were more, or a NUL cut a string short. */
    if (http->check_places && ((size_t)(url - 1 - method) != strlen(method) ||
                               (size_t)(version - 1 - url) != request->target_len))
        return refuse(http, connection, client, 400,
                      "the request line holds a NUL character or more than two blanks");

    if (request->target_len > TARGET_MAX)
        return refuse(http, connection, client, 414,
                      "the target is too long; use at most 8000 bytes");

    const union MHD_ConnectionInfo *header =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct access access = {0};
    http_fields_pass(connection, &gate, &access);
    request->method = method_parse(method);
    /* Only a body that not every request may have needs a look for what it is. */
    size_t body_max = gate.content_length <= REQUEST_BODY_MAX
                          ? REQUEST_BODY_MAX
                          : request_body_max(request, http_fields_content_type(connection));
    gate_end(&gate, method + header->header_size, body_max);
    size_t memory = header->header_size + gate.cookie_bytes +
                    ENTRY_BYTES * (gate.entries + request->target_parameters);
    if (gate.fault != NULL)
        return refuse(http, connection, client, 400, gate.fault);
    if (memory > CONNECTION_MEMORY - REPLY_HEADER_MAX)
        return refuse(http, connection, client, 431,
                      "the header is too large; send fewer or shorter header fields");
    if (gate.too_large)
        return refuse(http, connection, client, 413,
                      body_max == REQUEST_BODY_MAX
                          ? "the body is too large; send at most 4096 bytes"
                          : "the body is too large; send at most 1048576 bytes");
    if (!expect_body(http, request, gate.content_length))
        return refuse(http, connection, client, 503, NO_MEMORY_FOR_BATCH);
    heed_contract(http);
    const struct route *route = request->route;
    if (route != NULL && route->heed_header != NULL)
        route->heed_header(request, http->contract, url, http_fields_of_check(connection, method));
    if (route != NULL)
        request->verdict =
            access_judge(&access, route, client->is_admin, http->admin_apart, http->contract);
    request->stage = REQUEST_READING;
    give_time(http, client, HTTP_BODY_S);
    return MHD_YES;
}
static_assert(REQUEST_BODY_MAX == 4096 && REQUEST_LONG_BODY_MAX == 1048576,
              "the texts above say so");

static enum MHD_Result reply_now(struct http *http, struct MHD_Connection *connection,
                                 struct client *client)
{
    request_reply(&client->request, &http->serving);
    count_held(http, &client->request);
    return send_reply(http, connection, client);
}

static enum MHD_Result ask_main_thread(struct http *http, struct MHD_Connection *connection,
                                       struct client *client)
{
    struct request *request = &client->request;
    request->reload = http->serving.draining ? NULL : reload_ask(http->desk);
    if (request->reload == NULL)
        return reply_now(http, connection, client);
    request->stage = REQUEST_RELOADS;
    http->reloads++;
    return MHD_YES; /* no response yet: called again until it is done */
}

/* When it is done the new contract has been set: what follows on the connection is
 * served by that. */
static enum MHD_Result await_reload(struct http *http, struct MHD_Connection *connection,
                                    struct client *client)
{
    if (!reload_is_done(client->request.reload) && !http->serving.draining)
        return MHD_YES;
    return reply_now(http, connection, client);
}

/* Has a request asked with the batch. */
static enum MHD_Result ask(struct http *http, struct request *request)
{
    struct batch *batch = &http->batch;
    assert(batch->count < BATCH_MAX); /* a connection has one request at a time */
    request->stage = REQUEST_ASKED;
    request->batch_index = batch->count;
    batch->messages[batch->count++] = &request->message;
    return MHD_YES; /* no response yet: called again once it is answered */
}

/* The last call: the request is whole. */
static enum MHD_Result on_whole(struct http *http, struct MHD_Connection *connection,
                                struct client *client)
{
    struct request *request = &client->request;
    give_time(http, client, 0);
    bool is_late = http->asked_ns != 0;
    if (is_late && !request_bears_no_stall(request))
        return MHD_YES; /* the batch is away: called again until it is back */
    const char *content_type = NULL;
    if (request->body_len > 0)
        content_type = http_fields_content_type(connection);
    bool asks = request_finish(request, content_type);
    count_held(http, request);
    if (asks && http->held > HELD_MAX && request_cost(request) > 0) {
        const char *detail = request->is_list ? NO_MEMORY_FOR_BATCH : NO_MEMORY_FOR_ANSWER;
        release_request(http, request);
        reply_problem(&request->reply, 503, detail);
        asks = false;
    }
    if (!asks)
        return send_reply(http, connection, client);
    if (is_late)
        return send_stalled(http, connection, client);
    switch (request->route->asks) {
    case ROUTE_ASKS_BRAIN:
        return ask(http, request);
    case ROUTE_ASKS_MAIN_THREAD:
        return ask_main_thread(http, connection, client);
    }
    return MHD_NO;
}

static enum MHD_Result await_turn(struct http *http, struct client *client)
{
    give_time(http, client, 0);
    client->request.stage = REQUEST_QUEUED;
    turns_add(&http->turns, &client->request);
    http->some_have_turn = true;
    return MHD_YES; /* called again in the run that it has its turn in */
}

/* Says which requests have their turn in the coming run. */
static void give_turns(struct http *http)
{
    http->some_have_turn = false;
    turns_begin(&http->turns);
    for (struct request *request; (request = turns_next(&http->turns)) != NULL;) {
        request->stage = REQUEST_TURN;
        http->some_have_turn = true;
    }
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **client_context)
{
    struct http *http = context;
    struct client *client = *client_context;
    struct request *request = &client->request;
    switch (request->stage) {
    case REQUEST_BEGUN:
        return on_header(http, connection, client, url, method, version);
    case REQUEST_READING:
        if (*upload_len == 0)
            return request_cost(request) > 0 ? await_turn(http, client)
                                             : on_whole(http, connection, client);
        request_add_body(request, upload, *upload_len);
        *upload_len = 0;
        return MHD_YES;
    case REQUEST_QUEUED:
        return MHD_YES;
    case REQUEST_TURN:
        if (!request_asks_again(request))
            return on_whole(http, connection, client);
        return http->asked_ns != 0 ? MHD_YES : ask(http, request);
    case REQUEST_ASKED:
        return http->asked_ns != 0 && request_bears_no_stall(request)
                   ? send_stalled(http, connection, client)
                   : MHD_YES;
    case REQUEST_ANSWERED:
        if (!http->serving.draining && request_asks_again(request))
            return await_turn(http, client);
        return reply_now(http, connection, client);
    case REQUEST_RELOADS:
        return await_reload(http, connection, client);
    }
    return MHD_NO;
}

/* Outside of libmicrohttpd's own threads it starts the connection within the call. */
void http_add(struct http *http, int socket, const struct sockaddr *peer, socklen_t peer_len,
              bool is_admin)
{
    http->adding_admin = is_admin;
    http->now_ns = clock_now_ns(&clock_system);
    MHD_add_connection(http->daemon, socket, peer, peer_len);
}

/* Whether one more socket may be open: those leaving have some to themselves. */
static bool has_descriptors(const struct http *http)
{
    return http_connections(http) < http->connections_max + HTTP_LEAVING_SPARE;
}

#define NO_ROOM_BODY                                                                               \
    "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"                  \
    "\"detail\":\"no room for another connection now; try again, and keep connections open\"}\n"
static const char no_room[] = "HTTP/1.1 503 Service Unavailable\r\n"
                              "Content-Type: application/problem+json\r\n"
                              "Cache-Control: no-store\r\n"
                              "Retry-After: 1\r\n"
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
    leaving_add(&http->leaving, socket, clock_now_ns(&clock_system));
    http->tally->turned_away++;
}

/*
 * libmicrohttpd waits for the edge of an event, and takes a read that came up
 * short for all there was. When a client's end came along with its last bytes
 * that edge is past, and the connection would stay until its timeout. Shutting
 * down our side of reading, where nothing more can come, makes a new edge; what
 * has arrived is still read.
 */
static void heed_hangups(struct http *http)
{
    struct epoll_event events[64];
    int count = epoll_wait(http->hangups, events, sizeof events / sizeof events[0], 0);
    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;
        client->hung_up = true;
        shutdown(client->socket, SHUT_RD);
    }
}

unsigned http_connections(const struct http *http)
{
    return http->connections + http->leaving.count;
}

bool http_has_room(const struct http *http)
{
    return http->connections < http->connections_max && has_descriptors(http);
}

void http_set_contract(struct http *http, struct contract *contract)
{
    contract_release(atomic_exchange(&http->next_contract, contract_retain(contract)));
}

/* The client has taken too long. What it has sent is read no more, and what it has not
 * read is dropped: libmicrohttpd hears of the end and closes. */
static void end_overdue(void *context, unsigned index)
{
    struct http *http = context;
    shutdown(http->clients[index].socket, SHUT_RDWR);
    http->tally->overdue++;
}

void http_drain(struct http *http)
{
    http->serving.draining = true;
}

void http_close_idle(struct http *http)
{
    for (unsigned i = 0; i < http->clients_used; i++)
        if (http->clients[i].socket >= 0 && !http->clients[i].busy)
            shutdown(http->clients[i].socket, SHUT_RD);
}

/* ---- the daemon ---- */

/* Targets are decoded by request.c, strictly; libmicrohttpd leaves them as they are. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

static struct MHD_Daemon *start_daemon(struct http *http, unsigned connections_max)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request, http,
        MHD_OPTION_CONNECTION_LIMIT, connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)HTTP_IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_URI_LOG_CALLBACK, on_target, http,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_END);
}

/* false and errno: some part is missing; http_free takes the others. */
static bool make_parts(struct http *http)
{
    http->clients = calloc(http->connections_max, sizeof http->clients[0]);
    if (http->clients == NULL)
        return false;
    http->hangups = epoll_create1(EPOLL_CLOEXEC);
    if (http->hangups < 0 || !leaving_init(&http->leaving) || !http_terse_init(&http->terse) ||
        !deadlines_init(&http->deadlines, http->connections_max))
        return false;
    http->daemon = start_daemon(http, http->connections_max);
    return http->daemon != NULL;
}

struct http *http_new(unsigned connections_max, struct contract *contract, bool admin_apart,
                      const struct reload_desk *desk)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return NULL;
    http->connections_max = connections_max;
    http->tally = &http->tallies[0];
    turns_init(&http->turns);
    http->contract = contract_retain(contract);
    http->serving = (struct serving){.routes = &route_table, .headers = contract->headers};
    atomic_init(&http->next_contract, NULL);
    http->admin_apart = admin_apart;
    http->desk = desk;
    http->check_places = strncmp(MHD_get_version(), "0.", 2) == 0;
    http->hangups = http->leaving.epoll = -1;
    int why = batch_init(&http->batch);
    if (why != 0) {
        contract_release(contract);
        free(http);
        errno = why;
        return NULL;
    }
    if (make_parts(http))
        return http;
    why = errno;
    http_free(http);
    errno = why;
    return NULL;
}

void http_set_log(struct http *http, const struct http_log *log)
{
    http->log = log;
    http->serving.log_lines_lost = log->lines_lost;
}

void http_free(struct http *http)
{
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    for (unsigned i = 0; i < http->clients_used; i++)
        http_response_release(&http->clients[i].response);
    http_terse_release(&http->terse);
    leaving_release(&http->leaving);
    deadlines_release(&http->deadlines);
    if (http->hangups >= 0)
        close(http->hangups);
    batch_release(&http->batch);
    contract_release(http->contract);
    contract_release(atomic_load(&http->next_contract));
    free(http->clients);
    free(http);
}

void http_descriptors(const struct http *http, int descriptors[HTTP_DESCRIPTORS])
{
    descriptors[0] = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    descriptors[1] = http->hangups;
    descriptors[2] = http->leaving.epoll;
}

void http_heed(struct http *http, int descriptor)
{
    if (descriptor == http->hangups)
        heed_hangups(http);
    else if (descriptor == http->leaving.epoll)
        leaving_run(&http->leaving, clock_now_ns(&clock_system));
}

int http_timeout_ms(const struct http *http)
{
    unsigned long long mhd_ms = INT_MAX;
    if (http->turns.first != NULL || http->some_have_turn)
        return 0;
    if (http->reloads > 0)
        return RELOAD_LOOK_MS;
    bool has_timeout = MHD_get_timeout(http->daemon, &mhd_ms) == MHD_YES;
    int timeout_ms = !has_timeout ? -1 : mhd_ms < INT_MAX ? (int)mhd_ms : INT_MAX;
    uint64_t due_ns = leaving_deadline_ns(&http->leaving);
    if (http->connections > 0 && http->deadlines.look_ns < due_ns)
        due_ns = http->deadlines.look_ns;
    if (due_ns == CLOCK_NEVER)
        return timeout_ms;
    int due_ms = clock_ms_until(clock_now_ns(&clock_system), due_ns);
    return has_timeout && timeout_ms < due_ms ? timeout_ms : due_ms;
}

static void pass(struct http *http)
{
    http->now_ns = clock_now_ns(&clock_system);
    deadlines_look(&http->deadlines, http->now_ns, end_overdue, http);
    MHD_run(http->daemon);
    if (http->leaving.count > 0)
        leaving_run(&http->leaving, http->now_ns);
}

void http_run(struct http *http)
{
    if (http->asked_ns == 0)
        give_turns(http);
    pass(http);
}

/* An exchange costs the same for many as for one, so what has come while others were read
 * goes along, unless everybody's request is in already. */
void http_collect(struct http *http)
{
    size_t before = http->batch.count;
    http_run(http);
    for (int passes = 1; passes < COLLECT_PASSES && http->batch.count > before &&
                         http->batch.count < http->connections;
         passes++) {
        before = http->batch.count;
        pass(http);
    }
}

struct batch *http_batch(struct http *http)
{
    return &http->batch;
}

bool http_has_counted(const struct http *http)
{
    return !tally_is_empty(http->tally);
}

static struct tally *other_tally(struct http *http)
{
    return http->tally == &http->tallies[0] ? &http->tallies[1] : &http->tallies[0];
}

void http_hand_over(struct http *http)
{
    http->batch.tally = http->tally;
    http->tally = other_tally(http);
}

void http_stalled(struct http *http, uint64_t asked_ns)
{
    http->asked_ns = asked_ns;
}

static void log_if_sampled(const struct http_log *log, const struct bucket_question *ask,
                           const struct bucket_answer *answer, bool key_is_private)
{
    if (bucket_answer_denies(answer) && answer->sample.is_taken)
        log->denial(ask, answer, key_is_private);
}

/* What the brain has chosen of the denials, also of those whose client has gone. */
static void log_denials(const struct http_log *log, const struct request *request)
{
    const struct message *message = &request->message;
    const struct list_question *list = &message->ask.list;
    if (message->kind == MESSAGE_ALLOW)
        log_if_sampled(log, &message->ask.bucket, &message->answer.bucket, request->key_is_private);
    else if ((message->kind == MESSAGE_EACH || message->kind == MESSAGE_ALL) &&
             message->answer.list.no_such_limit == list->count)
        for (uint32_t i = 0; i < list->count; i++)
            log_if_sampled(log, &list->calls[i].ask, &list->calls[i].answer, false);
}

void http_answered(struct http *http, uint64_t waited_ns)
{
    for (size_t i = 0; i < http->batch.count; i++) {
        struct client *client = client_of(http->batch.messages[i]);
        client->request.stage = REQUEST_ANSWERED;
        if (http->log != NULL)
            log_denials(http->log, &client->request);
        if (client->is_orphan) {
            release_request(http, &client->request);
            client_give_back(http, client);
        }
    }
    http->batch.count = 0;
    tally_clear(other_tally(http));
    http->asked_ns = 0;
    http->serving.waited_ns = waited_ns;
}
