#include "daemon/acceptor.h"

#include "base/quantity.h"
#include "log/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    ACCEPTS_A_TURN = 64,
    BACKLOG_MAX = SOMAXCONN + 1, /* no more can wait at a listener */
};

static uint64_t now_ns(const struct acceptor *acceptor)
{
    return clock_now_ns(acceptor->clock);
}

/* Whether there is room for another connection. Keeps with_room up to date with it. */
static bool look_for_room(struct acceptor *acceptor)
{
    if (acceptor->resp != NULL)
        http_set_others(acceptor->http, resp_connections(acceptor->resp));
    bool has_room = http_has_room(acceptor->http);
    if (has_room && !acceptor->has_room)
        atomic_fetch_add(acceptor->with_room, 1);
    else if (!has_room && acceptor->has_room)
        atomic_fetch_sub(acceptor->with_room, 1);
    acceptor->has_room = has_room;
    return has_room;
}

/* Each new connection wakes all threads that watch, and whichever comes first takes it. If only one
 * were woken (EPOLLEXCLUSIVE), that one could have just got full, and nobody else would know. */
static int watch_all(const struct acceptor *acceptor)
{
    for (unsigned i = 0; i < acceptor->listeners_count; i++) {
        int socket = acceptor->listeners[i].socket;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = socket};
        if (epoll_ctl(acceptor->epoll, EPOLL_CTL_ADD, socket, &event) != 0 && errno != EEXIST)
            return errno;
    }
    return 0;
}

int acceptor_open(struct acceptor *acceptor)
{
    int error = watch_all(acceptor);
    if (error != 0)
        return error;
    look_for_room(acceptor);
    acceptor->is_open = true;
    return 0;
}

void acceptor_release(struct acceptor *acceptor)
{
    if (acceptor->has_room)
        atomic_fetch_sub(acceptor->with_room, 1);
    acceptor->has_room = false;
}

/* Stops watching the listeners. What comes in waits in their backlogs. */
static void pause(struct acceptor *acceptor, uint64_t resume_ns)
{
    for (unsigned i = 0; acceptor->is_open && i < acceptor->listeners_count; i++)
        epoll_ctl(acceptor->epoll, EPOLL_CTL_DEL, acceptor->listeners[i].socket, NULL);
    acceptor->is_open = false;
    acceptor->resume_ns = resume_ns;
}

/* The others go by with_room: if this one has room but is not counted there, they would turn away
 * clients that it could take. */
void acceptor_look_for_room(struct acceptor *acceptor)
{
    if (look_for_room(acceptor) && !acceptor->is_open && now_ns(acceptor) >= acceptor->resume_ns)
        acceptor_open(acceptor);
}

/* Whether accept(2) would fail again at once. */
static bool is_out_of_resources(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void pause_for_resources(struct acceptor *acceptor, int error)
{
    if (!acceptor->short_of_resources)
        log_warning("accept: %s; trying again every %d ms", strerror(error), ACCEPTOR_PAUSE_MS);
    acceptor->short_of_resources = true;
    pause(acceptor, now_ns(acceptor) + ACCEPTOR_PAUSE_MS * (uint64_t)NS_PER_MS);
}

/* One that is not open watches all of them once it is. If there is no memory to watch it now, it
 * tries again like one that is short of it. */
void acceptor_listen_again(struct acceptor *acceptor)
{
    int error = acceptor->is_open ? watch_all(acceptor) : 0;
    if (error != 0)
        pause_for_resources(acceptor, error);
}

/* Tells a client that no front-end has room. */
static void turn_away(struct acceptor *acceptor, const struct listener *listener, int socket)
{
    uint64_t at_ns = now_ns(acceptor);
    if (at_ns >= acceptor->full_told_ns) {
        acceptor->full_told_ns = at_ns + ACCEPTOR_FULL_TOLD_MS * (uint64_t)NS_PER_MS;
        log_warning("no room for more than %u connections on this thread: others are told so",
                    http_share(acceptor->http));
    }
    if (listener->is_resp)
        resp_turn_away(acceptor->resp, socket);
    else
        http_turn_away(acceptor->http, socket);
}

static void add(struct acceptor *acceptor, const struct listener *listener, int socket,
                const struct sockaddr *peer, socklen_t peer_len)
{
    if (listener->is_resp)
        resp_add(acceptor->resp, socket, peer);
    else
        http_add(acceptor->http, socket, peer, peer_len, listener->is_admin);
}

/* Accepts at most so many connections from one listener. */
static void accept_from(struct acceptor *acceptor, const struct listener *listener, int most)
{
    for (int i = 0; i < most; i++) {
        struct sockaddr_storage peer;
        socklen_t peer_len = sizeof peer;
        bool has_room = look_for_room(acceptor);
        if (!has_room && atomic_load(acceptor->with_room) > 0 && !acceptor->is_ending) {
            pause(acceptor, 0); /* another one takes it */
            return;
        }
        int socket = accept4(listener->socket, (struct sockaddr *)&peer, &peer_len,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            acceptor->short_of_resources = false;
            if (has_room)
                add(acceptor, listener, socket, (struct sockaddr *)&peer, peer_len);
            else
                turn_away(acceptor, listener, socket);
        } else if (is_out_of_resources(errno)) {
            pause_for_resources(acceptor, errno);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return; /* the backlog is empty */
        }
    }
}

bool acceptor_heed(struct acceptor *acceptor, int descriptor)
{
    for (unsigned i = 0; i < acceptor->listeners_count; i++)
        if (acceptor->listeners[i].socket == descriptor) {
            accept_from(acceptor, &acceptor->listeners[i], ACCEPTS_A_TURN);
            return true;
        }
    return false;
}

void acceptor_leave(struct acceptor *acceptor)
{
    pause(acceptor, 0);
    acceptor_release(acceptor);
}

/* After shutdown(2) a Unix socket still hands out what came in before. An inherited socket is left
 * alone: what waits there is for the next process. Whoever comes while a backlog is emptied may come
 * for ever, and is not waited for. */
void acceptor_end(struct acceptor *acceptor)
{
    acceptor->is_ending = true;
    for (unsigned i = 0; i < acceptor->listeners_count; i++) {
        if (acceptor->listeners[i].is_inherited)
            continue;
        accept_from(acceptor, &acceptor->listeners[i], BACKLOG_MAX);
        shutdown(acceptor->listeners[i].socket, SHUT_RDWR);
        accept_from(acceptor, &acceptor->listeners[i], BACKLOG_MAX);
    }
    pause(acceptor, 0);
}
