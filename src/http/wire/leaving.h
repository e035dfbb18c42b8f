/*
 * Leaving: sockets that allowd is done with, while their clients may still be sending.
 *
 * If a socket that holds unread input is closed, the kernel drops the output that is still on its
 * way, replies included. So the sending side is closed first, and input is read and thrown away
 * until the client closes too or LEAVING_MS have passed.
 *
 * Owns its sockets. One thread. Never blocks. Errors: leaving_init only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LEAVING_MS 1000
#define LEAVING_MAX 256 /* if one more comes, the oldest is closed as it is */

struct leaving {
    int epoll;
    unsigned count;       /* sockets open */
    unsigned oldest, end; /* slots in use are oldest to end - 1, modulo LEAVING_MAX */
    struct {
        int socket; /* -1: closed early */
        uint64_t deadline_ns;
    } slots[LEAVING_MAX];
};

/* false and errno: no descriptor. */
bool leaving_init(struct leaving *leaving);
void leaving_release(struct leaving *leaving);

/* Reads and throws away the input that a socket holds, up to 4 MiB. */
void leaving_drop_input(int socket);

/* Closes the socket that has been here for longest, if there is any. */
void leaving_close_oldest(struct leaving *leaving);

/* Takes over a socket. */
void leaving_add(struct leaving *leaving, int socket, uint64_t now_ns);

/* Reads what has come in, and closes the sockets that have ended or are due. Call it if
 * leaving->epoll is readable, and when leaving_deadline_ns has passed. */
void leaving_run(struct leaving *leaving, uint64_t now_ns);

/* When the oldest socket is due; UINT64_MAX: there is none. */
uint64_t leaving_deadline_ns(const struct leaving *leaving);
