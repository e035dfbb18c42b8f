#include "fleet/link.h"

#include "base/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 16384

/* ---- life ---- */

void link_init(struct link *link, uint64_t patience_ns)
{
    *link = (struct link){.fd = -1, .patience_ns = patience_ns};
}

void link_close(struct link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    resp_in_release(&link->in);
    resp_out_clear(&link->out);
    link->fd = -1;
    link->state = LINK_CLOSED;
    link->count = 0;
    link->was_opened = link->has_ended = link->is_broken = false;
}

/* From now on nothing more comes; what has come is still read. Only the first reason counts. */
__attribute__((format(printf, 2, 3))) static void end(struct link *link, const char *format, ...)
{
    va_list arguments;
    if (link->has_ended)
        return;
    link->has_ended = true;
    va_start(arguments, format);
    vsnprintf(link->why, sizeof link->why, format, arguments);
    va_end(arguments);
}

void link_fail(struct link *link, const char *why)
{
    link->has_ended = false; /* this reason counts */
    end(link, "%s", why);
    link->is_broken = true;
}

/* ---- connecting ---- */

static void set_options(int fd, int family)
{
    const int yes = 1;
    if (family == AF_UNIX)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
}

static void opened(struct link *link)
{
    link->state = LINK_OPEN;
    link->was_opened = true;
}

void link_open(struct link *link, const struct sockaddr *address, socklen_t len, uint64_t now_ns)
{
    link_close(link);
    link->state = LINK_CONNECTING;
    link->due_ns = now_ns + link->patience_ns;
    link->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->fd < 0 || !resp_in_init(&link->in)) {
        end(link, "no connection can be made: %s", strerror(errno));
        return;
    }
    set_options(link->fd, address->sa_family);
    if (connect(link->fd, address, len) == 0)
        opened(link);
    else if (errno != EINPROGRESS)
        end(link, "it cannot be connected to: %s", strerror(errno));
}

static void end_connecting(struct link *link)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error == 0)
        opened(link);
    else
        end(link, "it cannot be connected to: %s", strerror(error));
}

/* ---- commands ---- */

bool link_send(struct link *link, const struct link_call *call, size_t count,
               const struct resp_arg *args, uint64_t now_ns)
{
    if (link->state != LINK_OPEN || link->has_ended || link->count == LINK_CALLS_MAX ||
        !resp_command(&link->out, count, args))
        return false;
    struct link_call *last = &link->call[(link->first + link->count) % LINK_CALLS_MAX];
    *last = *call;
    last->sent_ns = now_ns;
    link->count++;
    return true;
}

uint64_t link_oldest_ns(const struct link *link)
{
    return link->count == 0 ? CLOCK_NEVER : link->call[link->first].sent_ns;
}

/* ---- bytes ---- */

static void send_bytes(struct link *link)
{
    struct resp_out *out = &link->out;
    while (out->sent < out->len) {
        ssize_t sent = send(link->fd, out->bytes + out->sent, out->len - out->sent, MSG_NOSIGNAL);
        if (sent >= 0)
            out->sent += (size_t)sent;
        else if (errno != EINTR)
            return; /* if it is not full but broken, reading tells why */
    }
    out->sent = out->len = 0;
}

/* Receives once; the rest comes at the next turn, so that one peer does not keep the thread. */
static void receive_bytes(struct link *link)
{
    char bytes[READ_BYTES];
    ssize_t len = recv(link->fd, bytes, sizeof bytes, 0);
    if (len == 0)
        end(link, "it has closed the connection%s",
            link->in.first_len > 0 ? "" : " without an answer; it may want TLS");
    else if (len > 0 && !resp_feed(&link->in, bytes, (size_t)len))
        end(link, "there is no memory for what it answers");
    else if (len < 0 && errno != EAGAIN && errno != EINTR)
        end(link, "the connection has ended: %s", strerror(errno));
}

short link_events(const struct link *link)
{
    bool writes = link->state == LINK_CONNECTING || link->out.sent < link->out.len;
    return (short)((link->state == LINK_OPEN ? POLLIN : 0) | (writes ? POLLOUT : 0));
}

/* ---- turns ---- */

uint64_t link_due_ns(const struct link *link)
{
    if (link->state == LINK_CLOSED)
        return CLOCK_NEVER;
    if (link->has_ended || link->was_opened)
        return 0;
    if (link->state == LINK_CONNECTING)
        return link->due_ns;
    return link->count == 0 ? CLOCK_NEVER : link_oldest_ns(link) + link->patience_ns;
}

void link_turn(struct link *link, short revents, uint64_t now_ns)
{
    const short readable = POLLIN | POLLHUP | POLLERR;
    if (link->state == LINK_CLOSED || link->has_ended)
        return;
    if (link->state == LINK_CONNECTING && (revents & (POLLOUT | POLLHUP | POLLERR)) != 0)
        end_connecting(link);
    if (link->state == LINK_OPEN && (revents & readable) != 0)
        receive_bytes(link);
    if (link->state == LINK_OPEN)
        send_bytes(link);
    if (!link->was_opened && now_ns >= link_due_ns(link) && (revents & readable) == 0)
        end(link, "%s within %u ms",
            link->state == LINK_CONNECTING ? "it cannot be connected to" : "it has not answered",
            (unsigned)(link->patience_ns / 1000000));
}

/* ---- events ---- */

static void take_call(struct link *link, struct link_call *call)
{
    *call = link->call[link->first];
    link->first = (link->first + 1) % LINK_CALLS_MAX;
    link->count--;
}

static enum link_event take_reply(struct link *link, struct link_call *call, redisReply *reply,
                                  redisReply **taken)
{
    char text[LINK_WHY_MAX];
    if (link->count > 0) {
        take_call(link, call);
        *taken = reply;
        return LINK_REPLY;
    }
    bool is_error = reply->type == REDIS_REPLY_ERROR;
    snprintf(text, sizeof text, "it answers what nobody has asked%s%.60s", is_error ? ": " : "",
             is_error ? reply->str : "");
    freeReplyObject(reply);
    link_fail(link, text);
    return LINK_NOTHING;
}

/* What has come is read first, even if the peer has closed since. */
static enum link_event take_next(struct link *link, struct link_call *call, redisReply **reply)
{
    const char *why = NULL;
    redisReply *next = NULL;
    switch (resp_next(&link->in, &next, &why)) {
    case RESP_REPLY:
        return take_reply(link, call, next, reply);
    case RESP_BROKEN:
        link_fail(link, why);
        break;
    case RESP_PARTIAL:
        break;
    }
    return LINK_NOTHING;
}

static enum link_event lose(struct link *link, struct link_call *call)
{
    if (link->count == 0) {
        link_close(link);
        return LINK_LOST;
    }
    take_call(link, call);
    return LINK_UNANSWERED;
}

enum link_event link_next(struct link *link, struct link_call *call, redisReply **reply)
{
    enum link_event event = LINK_NOTHING;
    if (link->state == LINK_CLOSED)
        return LINK_NOTHING;
    if (link->was_opened) {
        link->was_opened = false;
        return LINK_OPENED;
    }
    if (link->state == LINK_OPEN && !link->is_broken)
        event = take_next(link, call, reply);
    return event == LINK_NOTHING && link->has_ended ? lose(link, call) : event;
}
