/*
 * loop: an epoll loop with nothing behind it, for the kernel's part of a request.
 *
 * One thread, and for each request one recv(2) and one send(2) of the bytes that bare.c
 * sends. It takes whatever arrives for one request: it is for a load that sends one at a
 * time on a connection, and waits for the answer.
 * Usage: loop PORT
 */
#include "answer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIELD(name, value) name ": " value "\r\n"
static const char head[] = "HTTP/1.1 200 OK\r\n"
                           "Date: Mon, 23 Nov 2026 19:42:35 GMT\r\n" ANSWER_FIELDS(FIELD);
#undef FIELD

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(listener, SOMAXCONN) == 0)
        return listener;
    perror("loop: cannot listen");
    exit(1);
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        perror("loop: cannot watch a connection");
        exit(1);
    }
}

static void accept_all(int epoll, int listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(epoll, fd);
    }
}

int main(int argc, char **argv)
{
    enum { EVENTS_MAX = 1024 };
    static struct epoll_event events[EVENTS_MAX];
    static char request[16 * 1024], answer[1024];
    if (argc != 2) {
        fprintf(stderr, "usage: loop PORT\n");
        return 2;
    }
    size_t answer_len = (size_t)snprintf(answer, sizeof answer, "%sContent-Length: %zu\r\n\r\n%s",
                                         head, strlen(ANSWER_BODY), ANSWER_BODY);
    int listener = listen_on((uint16_t)atoi(argv[1])), epoll = epoll_create1(0);
    watch(epoll, listener);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                accept_all(epoll, listener);
            else if (recv(fd, request, sizeof request, 0) <= 0 ||
                     send(fd, answer, answer_len, MSG_NOSIGNAL) != (ssize_t)answer_len)
                close(fd);
        }
    }
}
