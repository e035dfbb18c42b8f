#include "http/wire/leaving.h"

#include "base/quantity.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

bool leaving_init(struct leaving *leaving)
{
    leaving->count = leaving->oldest = leaving->end = 0;
    leaving->epoll = epoll_create1(EPOLL_CLOEXEC);
    return leaving->epoll >= 0;
}

/* Closes the socket of a slot, then frees the oldest slots that are closed. */
static void close_slot(struct leaving *leaving, unsigned slot)
{
    close(leaving->slots[slot % LEAVING_MAX].socket);
    leaving->slots[slot % LEAVING_MAX].socket = -1;
    leaving->count--;
    while (leaving->oldest != leaving->end &&
           leaving->slots[leaving->oldest % LEAVING_MAX].socket < 0)
        leaving->oldest++;
}

void leaving_release(struct leaving *leaving)
{
    while (leaving->oldest != leaving->end)
        close_slot(leaving, leaving->oldest);
    if (leaving->epoll >= 0)
        close(leaving->epoll);
}

void leaving_close_oldest(struct leaving *leaving)
{
    if (leaving->oldest != leaving->end)
        close_slot(leaving, leaving->oldest);
}

void leaving_add(struct leaving *leaving, int socket, uint64_t now_ns)
{
    if (leaving->end - leaving->oldest == LEAVING_MAX)
        leaving_close_oldest(leaving);
    unsigned slot = leaving->end++ % LEAVING_MAX;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u32 = slot};
    leaving->slots[slot].socket = socket;
    leaving->slots[slot].deadline_ns = now_ns + LEAVING_MS * (uint64_t)NS_PER_MS;
    leaving->count++;
    shutdown(socket, SHUT_WR);
    if (epoll_ctl(leaving->epoll, EPOLL_CTL_ADD, socket, &event) != 0)
        close_slot(leaving, slot);
}

/* Throws away some of the input. Returns what recv(2) does. */
static ssize_t drop_some(int socket)
{
    char dropped[16384];
    return recv(socket, dropped, sizeof dropped, MSG_DONTWAIT);
}

void leaving_drop_input(int socket)
{
    enum { READS_MAX = 256 }; /* a client that keeps sending is not worth more */
    for (int reads = 0; reads < READS_MAX && drop_some(socket) > 0; reads++)
        ;
}

/* Throws away some of the input. false: the client has closed. */
static bool drop_input(int socket)
{
    ssize_t got = drop_some(socket);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void leaving_run(struct leaving *leaving, uint64_t now_ns)
{
    struct epoll_event events[64];
    int count = epoll_wait(leaving->epoll, events, sizeof events / sizeof events[0], 0);
    for (int i = 0; i < count; i++)
        if (!drop_input(leaving->slots[events[i].data.u32].socket))
            close_slot(leaving, events[i].data.u32);
    while (leaving_deadline_ns(leaving) <= now_ns)
        leaving_close_oldest(leaving);
}

uint64_t leaving_deadline_ns(const struct leaving *leaving)
{
    return leaving->oldest == leaving->end
               ? UINT64_MAX
               : leaving->slots[leaving->oldest % LEAVING_MAX].deadline_ns;
}
