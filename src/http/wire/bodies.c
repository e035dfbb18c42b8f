#include "http/wire/parts.h"

#include "base/date.h"
#include "http/phrase.h"

#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>

enum {
    HELD_TO_BEGIN_MAX = 64 << 20, /* of HELD_MAX; beyond it no long body begins or grows */
};

const char *body_too_large(size_t body_max)
{
    return body_max == REQUEST_BODY_MAX ? "the body is too large; send at most 4096 bytes"
                                        : "the body is too large; send at most 1048576 bytes";
}
static_assert(REQUEST_BODY_MAX == 4096 && REQUEST_LONG_BODY_MAX == 1048576,
              "the texts above say so");

bool expect_body(struct http *http, struct request *request, size_t len)
{
    size_t room = request_body_room(request, len);
    if (room == 0)
        return true;
    if (http->held + room > HELD_TO_BEGIN_MAX || !request_expect_body(request, len))
        return false;
    count_held(http, request);
    return true;
}

/* As expect_body, for a body whose length is not known, when `len` more bytes of it come. */
static bool expect_more(struct http *http, struct request *request, size_t len)
{
    size_t room = request_body_room_grown(request, len);
    if (room == 0)
        return true;
    if (http->held - request->long_body_room + room > HELD_TO_BEGIN_MAX ||
        !request_grow_body(request, room))
        return false;
    count_held(http, request);
    return true;
}

/*
 * Refuses a request while its body comes, and ends the connection. libmicrohttpd takes a response
 * before a body or behind it, never within; so the bytes are written here. The replies before this
 * one have been sent, and so has a 100 (Continue); if the socket has no room, the client has not
 * even read those, and hears nothing.
 */
static enum MHD_Result refuse_within(struct http *http, struct client *client, unsigned status,
                                     const char *detail)
{
    char date[DATE_HTTP_MAX], bytes[REPLY_DETAIL_MAX + 512];
    struct reply *reply = &client->exchange->request.reply;
    reply_problem(reply, status, detail);
    date_print_http(clock_date_s(http->clock), date);
    int len = snprintf(bytes, sizeof bytes,
                       "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: %s\r\n"
                       "Cache-Control: no-store\r\nConnection: close\r\n"
                       "Content-Length: %zu\r\n\r\n%.*s",
                       status, status_phrase(status), date, reply->content_type, reply->body_len,
                       client->exchange->request.method == METHOD_HEAD ? 0 : (int)reply->body_len,
                       reply->body);
    assert(len < (int)sizeof bytes);
    ssize_t sent = send(client->socket, bytes, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent;
    tally_request(http->tally, client->exchange->request.route_number, status);
    return MHD_NO; /* closes the connection */
}

/* A body whose length was told has room, and libmicrohttpd gives no more of it. */
enum MHD_Result take_body(struct http *http, struct client *client, const char *bytes, size_t *len)
{
    struct request *request = &client->exchange->request;
    if (request->chunked_max > 0) {
        if (*len > request->chunked_max - request->chunked_len)
            return refuse_within(http, client, 413, body_too_large(request->chunked_max));
        if (!expect_more(http, request, *len))
            return refuse_within(http, client, 503, NO_MEMORY_FOR_BATCH);
        request->chunked_len += *len;
    }
    request_add_body(request, bytes, *len);
    *len = 0;
    return MHD_YES;
}
