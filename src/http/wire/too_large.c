#include "http/wire/parts.h"

#include <assert.h>
#include <sys/socket.h>

/* Beside what is told of a header that is too large, in bytes of a reply's header. */
enum { REFUSAL_HEADER_MAX = 512 };

#define TOO_LARGE_BODY                                                                             \
    "{\"type\":\"about:blank\",\"title\":\"Request Header Fields Too Large\",\"status\":431,"      \
    "\"detail\":\"" HEADER_TOO_LARGE "\"}\n"
static const char too_large[] = "HTTP/1.1 431 Request Header Fields Too Large\r\n"
                                "Content-Type: application/problem+json\r\n"
                                "Cache-Control: no-store\r\n"
                                "Connection: close\r\n"
                                "Content-Length: 193\r\n"
                                "\r\n" TOO_LARGE_BODY;
static_assert(sizeof TOO_LARGE_BODY - 1 == 193, "the length told is the body's");

bool leaves_room_for_refusal(const struct http *http, size_t header_bytes)
{
    return header_bytes + REFUSAL_HEADER_MAX <= (size_t)http->header_room + HTTP_REPLY_HEADER_MAX;
}

enum MHD_Result refuse_without_room(struct http *http, struct client *client)
{
    ssize_t sent =
        send(client->socket, too_large, sizeof too_large - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)
        sent; /* all replies before are received, so there is room for it, unless the client has gone */
    tally_request(http->tally, client->exchange->request.route_number, 431);
    return MHD_NO; /* closes the connection: see leaving.h */
}
