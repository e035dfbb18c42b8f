#include "http/dialects/table.h"
#include "http/wire/fields.h"
#include "http/wire/parts.h"

#include <assert.h>
#include <string.h>

enum {
    TARGET_MAX = 8000,
    IN_PLACE_MAX = 16,    /* beyond this crowd one chain is quicker than answers in place */
    HELD_MAX = 128 << 20, /* bytes that the bodies and replies of all requests may hold */
};

static_assert(REPLY_POLICY_MAX + REPLY_VALUES_MAX + 256 <= HTTP_REPLY_HEADER_MAX,
              "the longest header of a reply has room");

#define NO_MEMORY_FOR_ANSWER "no memory for another large answer now; try again"

/* libmicrohttpd calls this hook "URI log". It gets the raw target before that is cut up, and what
 * it returns becomes the request's context. */
void *on_target(void *context, const char *target, struct MHD_Connection *connection)
{
    struct http *http = context;
    struct client *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    hook_called(http);
    client_move(client, CLIENT_BEGUN);
    exchange_take(http, client);
    request_begin(&client->exchange->request, http->serving.routes, target);
    return client;
}

/* ---- replies ---- */

/* Behind a body in chunks nothing runs. libmicrohttpd 0.9.75 lets a bare line feed end a chunk's
 * line, so it and a proxy before it may see different ends of the body. */
static enum MHD_Result send_reply(struct http *http, struct MHD_Connection *connection,
                                  struct client *client)
{
    struct reply *reply = &client->exchange->request.reply;
    unsigned status = reply->status;
    if (reply->goes_on && queue_flow(http, connection, client) == MHD_YES) {
        client_move(client, CLIENT_FLOWING);
        give_time(http, client, HTTP_FLOW_S);
        tally_request(http->tally, client->exchange->request.route_number, status);
        return MHD_YES;
    }
    if (reply->goes_on ||
        http_response_queue(&client->exchange->response, connection, reply,
                            reply->close || client->exchange->request.chunked_max > 0 ||
                                http->serving.draining) != MHD_YES) {
        if (http_terse_queue(&http->terse, reply, connection) != MHD_YES)
            return MHD_NO;
        status = http_terse_status(reply);
    }
    client_move(client, client->state == CLIENT_AWAY ? CLIENT_DISOWNED : CLIENT_REPLIED);
    give_time(http, client, HTTP_REPLY_S);
    tally_request(http->tally, client->exchange->request.route_number, status);
    http->tally->proxies_ignored += client->exchange->request.ignores_proxy;
    return MHD_YES;
}

static uint64_t stalled_ms(const struct http *http)
{
    return (clock_now_ns(http->clock) - http->asked_ns) / NS_PER_MS;
}

/* Replies to a request that must not wait for a late decider. Its letter may be away, so no other
 * request may begin in its place, and the connection is closed. */
static enum MHD_Result send_stalled(struct http *http, struct MHD_Connection *connection,
                                    struct client *client)
{
    if (client->state == CLIENT_WRITTEN)
        withdraw_letter(http, client);
    client->exchange->request.route->reply_stalled(&client->exchange->request, stalled_ms(http));
    client->exchange->request.reply.close = true;
    return send_reply(http, connection, client);
}

/* Refuses a request before its body has come. The connection is closed, so that nothing behind it
 * is taken for a request. */
static enum MHD_Result refuse(struct http *http, struct MHD_Connection *connection,
                              struct client *client, unsigned status, const char *detail)
{
    reply_problem(&client->exchange->request.reply, status, detail);
    client->exchange->request.reply.close = true;
    return send_reply(http, connection, client);
}

/* Before each header that is read, takes over the contract that was set, if any: once a reload is
 * told as done, it holds for every request that comes. No request under way points into the old
 * contract. */
static void heed_contract(struct http *http)
{
    if (atomic_load(&http->next_contract) == NULL)
        return; /* as nearly always; atomic_exchange would cost more */
    struct contract *next = atomic_exchange(&http->next_contract, NULL);
    contract_release(http->contract);
    http->contract = next;
    http->serving.dialect = dialect_table[next->headers];
    http->serving.retry_after_ms = next->retry_after_ms;
    http->serving.wall_ns = clock_wall_ns(http->clock); /* the last dialect may not have told it */
}

/* The host that a target begins with, which then counts in place of the field Host; mostly none. */
static struct access_value authority_of(const struct request *request, const char *target)
{
    const size_t scheme_len = strlen(REQUEST_SCHEME);
    if (request->origin_len == 0)
        return (struct access_value){0};
    return (struct access_value){target + scheme_len, request->origin_len - scheme_len, 1};
}

/* Shows a route the header, if it wants to see it. */
static void heed_header(struct http *http, struct MHD_Connection *connection, struct client *client,
                        const char *target, const char *method, struct access_value host)
{
    struct request *request = &client->exchange->request;
    struct check_request asked = http_fields_of_check(connection, method);
    asked.host = host.text;
    asked.host_len = host.len;
    request->route->heed_header(request, http->contract, target + request->origin_len, asked);
}

/* The first call, when the header has arrived: the gate. */
static enum MHD_Result on_header(struct http *http, struct MHD_Connection *connection,
                                 struct client *client, const char *url, const char *method,
                                 const char *version)
{
    struct request *request = &client->exchange->request;
    struct gate gate;
    const union MHD_ConnectionInfo *header =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (!leaves_room_for_refusal(http, header->header_size))
        return refuse_without_room(http, client);
    gate_begin(&gate, version, http->check_places);
    if (gate.fault != NULL)
        return refuse(http, connection, client, 505, gate.fault);
    /* There must be one blank between method and target, and between target and version. If there
     * is more, the client sent more blanks, or a NUL cut a string short. */
    if (http->check_places && ((size_t)(url - 1 - method) != strlen(method) ||
                               (size_t)(version - 1 - url) != request->target_len))
        return refuse(http, connection, client, 400,
                      "the request line holds a NUL character or more than two blanks");

    if (request->target_len > TARGET_MAX)
        return refuse(http, connection, client, 414,
                      "the target is too long; use at most 8000 bytes");

    struct access access = {.is_tcp = client->is_tcp};
    http_fields_pass(connection, &gate, &access);
    struct access_value host = authority_of(request, url);
    if (host.count > 0)
        access.host = host;
    request->method = method_parse(method);
    /* Its Content-Type matters only if the body is longer than every request may have. */
    size_t body_max = gate.content_length <= REQUEST_BODY_MAX && !gate.is_chunked
                          ? REQUEST_BODY_MAX
                          : request_body_max(request, http_fields_content_type(connection));
    gate_end(&gate, method + header->header_size, body_max);
    client->header_memory = header->header_size + gate.cookie_bytes +
                            HTTP_HEADER_ENTRY * (gate.entries + request->target_parameters);
    if (!leaves_room_for_refusal(http, client->header_memory))
        return refuse_without_room(http, client);
    if (gate.fault != NULL)
        return refuse(http, connection, client, 400, gate.fault);
    if (client->header_memory > http->header_room)
        return refuse(http, connection, client, 431, HEADER_TOO_LARGE);
    if (gate.too_large)
        return refuse(http, connection, client, 413, body_too_large(body_max));
    if (gate.is_chunked) {
        request->chunked_max = body_max;
        http->vain.in_chunks++;
    } else if (gate.content_length > REQUEST_BODY_MAX &&
               !expect_body(http, request, gate.content_length))
        return refuse(http, connection, client, 503, NO_MEMORY_FOR_BATCH);
    heed_contract(http);
    request->wait_max_ms = http->contract->wait_max_ms;
    const struct route *route = request->route;
    if (route != NULL && route->heed_header != NULL)
        heed_header(http, connection, client, url, method, host);
    request->wants_tag = access.wants_tag;
    request->wants_absence = access.wants_absence;
    if (route != NULL && !request_is_for_all(request))
        request->verdict = access_judge(&access, route, request->method, client->is_admin,
                                        http->admin_apart, http->contract);
    client_move(client, CLIENT_READING);
    if (gate.content_length > 0 || gate.is_chunked) /* else it is whole already */
        give_time(http, client, HTTP_BODY_S);
    return MHD_YES;
}

/* If no response is queued, libmicrohttpd calls again in each pass. While the answer is late that
 * is for nothing, so the connection is suspended. */
static enum MHD_Result await_letter(struct http *http, struct MHD_Connection *connection,
                                    struct client *client)
{
    bool is_late = http->asked_ns != 0;
    leave_if_done(http, client);
    if (client->has_left)
        return MHD_NO; /* closes the connection */
    if (is_late && request_bears_no_stall(&client->exchange->request))
        return send_stalled(http, connection, client);
    if (is_late || client_letter_is_away(client))
        client_suspend(client);
    if (client_waits(client))
        watch_input(http, client, true);
    return MHD_YES;
}

static enum MHD_Result await_turn(struct http *http, struct client *client)
{
    give_time(http, client, 0);
    client_move(client, CLIENT_QUEUED);
    turns_add(&http->turns, &client->exchange->request);
    http->some_have_turn = true;
    return MHD_YES; /* called again in the run that it has its turn in */
}

/* Whether nobody is there to take a lease. One that has not waited may have sent its last byte and
 * still be there. */
static bool has_left_its_lease(const struct client *client)
{
    const struct message *message = &client->exchange->request.message;
    const struct bucket_answer *answer = &message->answer.bucket;
    return message->kind == MESSAGE_ACQUIRE && bucket_answer_allows(answer) &&
           (client->has_left || (client->hung_up && answer->has_waited));
}

/* That it left is told only to those who were sent away and are still there. */
static bool has_left_unasked(const struct client *client)
{
    return client->has_left && request_may_wait(&client->exchange->request) &&
           client->exchange->request.message.answer.bucket.result == BUCKET_LEFT;
}

static enum MHD_Result on_answer(struct http *http, struct MHD_Connection *connection,
                                 struct client *client)
{
    if (!http->serving.draining && request_asks_again(&client->exchange->request))
        return await_turn(http, client);
    if (has_left_its_lease(client) || has_left_unasked(client))
        return MHD_NO; /* closes the connection, and gives the lease back */
    request_reply(&client->exchange->request, &http->serving);
    count_if_held(http, &client->exchange->request);
    return send_reply(http, connection, client);
}

/* Whether the decider, if it is hosted, had better answer a request by itself, at once. A list fetches its
 * memory ahead as a chain does, and what it is read into and written from is still at hand. */
static bool suits_place(const struct http *http, const struct request *request)
{
    return request->is_list || (http->crowd <= IN_PLACE_MAX && request_cost(request) == 0);
}

/* If no reply is queued, libmicrohttpd calls again; the letter is home then. */
static enum MHD_Result ask_brain(struct http *http, struct MHD_Connection *connection,
                                 struct client *client)
{
    http->asked_now++;
    if (http->host_of == NULL || !suits_place(http, &client->exchange->request)) {
        write_letter(http, client);
        return MHD_YES;
    }
    ask_in_place(http, client);
    return client->state == CLIENT_ANSWERED ? on_answer(http, connection, client) : MHD_YES;
}

static enum MHD_Result ask(struct http *http, struct MHD_Connection *connection,
                           struct client *client)
{
    switch (route_asks(client->exchange->request.route, client->exchange->request.method)) {
    case ROUTE_ASKS_BRAIN:
        return ask_brain(http, connection, client);
    case ROUTE_ASKS_MAIN_THREAD:
        send_to_main(http, client);
        return MHD_YES;
    }
    return MHD_NO;
}

/* The last call: the request is whole. */
static enum MHD_Result on_whole(struct http *http, struct MHD_Connection *connection,
                                struct client *client)
{
    struct request *request = &client->exchange->request;
    give_time(http, client, 0);
    if (request->chunked_max > 0 &&
        client->header_memory + http_fields_trailer_memory(connection, HTTP_HEADER_ENTRY) >
            http->header_room)
        return refuse(http, connection, client, 431,
                      "the fields behind the last chunk are too large; send fewer or none");
    const char *content_type = NULL;
    bool may_be_list = request->route != NULL && request->route->takes_list &&
                       (request->method & (METHOD_POST | METHOD_QUERY)) != 0;
    if (request->body_len > 0 || may_be_list) /* a list may be empty, by mistake */
        content_type = http_fields_content_type(connection);
    bool asks = request_finish(request, content_type);
    count_if_held(http, request);
    if (asks && http->held > HELD_MAX && request_cost(request) > 0) {
        const char *detail = request->is_list ? NO_MEMORY_FOR_BATCH : NO_MEMORY_FOR_ANSWER;
        release_request(http, request);
        reply_problem(&request->reply, 503, detail);
        asks = false;
    }
    if (asks && request->route->flow != NULL)
        asks = take_flow_place(http, request);
    if (!asks)
        return send_reply(http, connection, client);
    if (http->asked_ns != 0 && request_bears_no_stall(request))
        return send_stalled(http, connection, client);
    return ask(http, connection, client);
}

void give_turns(struct http *http)
{
    http->some_have_turn = false;
    turns_begin(&http->turns);
    for (struct request *request; (request = turns_next(&http->turns)) != NULL;) {
        struct client *client = client_of(&request->message.letter);
        client_move(client, CLIENT_TURN);
        client_resume(client);
        http->some_have_turn = true;
    }
}

static enum MHD_Result on_turn(struct http *http, struct MHD_Connection *connection,
                               struct client *client)
{
    if (!request_asks_again(&client->exchange->request))
        return on_whole(http, connection, client);
    write_letter(http, client);
    return MHD_YES;
}

enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                           const char *method, const char *version, const char *upload,
                           size_t *upload_len, void **client_context)
{
    struct http *http = context;
    struct client *client = *client_context;
    struct request *request = &client->exchange->request;
    hook_called(http);
    switch (client->state) {
    case CLIENT_BEGUN:
        return on_header(http, connection, client, url, method, version);
    case CLIENT_READING:
        if (*upload_len == 0)
            return request_cost(request) > 0 ? await_turn(http, client)
                                             : on_whole(http, connection, client);
        return take_body(http, client, upload, upload_len);
    case CLIENT_QUEUED:
    case CLIENT_WRITTEN:
    case CLIENT_AWAY:
    case CLIENT_LEAVING:
        return await_letter(http, connection, client);
    case CLIENT_TURN:
        return on_turn(http, connection, client);
    case CLIENT_ANSWERED:
        return on_answer(http, connection, client);
    case CLIENT_NONE:
    case CLIENT_IDLE:
    case CLIENT_REPLIED:
    case CLIENT_FLOWING:
    case CLIENT_DISOWNED:
    case CLIENT_GONE:
    case CLIENT_STATES:
        break;
    }
    return MHD_NO;
}
