/*
 * Resolvers: the addresses of a host by its name, without waiting for them.
 *
 * getaddrinfo(3) may wait for name servers for half a minute, and cannot be stopped. So a name is looked up by a
 * thread of its own, which ends with its one answer; whoever does not want that any more leaves it alone. An address in digits
 * needs no thread.
 *
 * Owns its job, together with the thread. Threads: one; it begins others. Never blocks. Errors: resolver_take.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define ADDRESSES_MAX 8

struct addresses {
    unsigned count;
    struct {
        socklen_t len;
        struct sockaddr_storage socket;
    } address[ADDRESSES_MAX];
};

struct resolver_job;

struct resolver {
    struct resolver_job *job; /* NULL: nothing is looked up */
    struct addresses found;
    const char *fault; /* why nothing was found, or NULL */
};

/* Begins. All zeros at first; what was looked up before is left alone. */
void resolver_begin(struct resolver *resolver, const char *host, const char *port);

/* What to poll for POLLIN until it is done; -1: it is done. */
int resolver_fd(const struct resolver *resolver);

/* Whether it is done: then `found` has the addresses, or `fault` the reason. */
bool resolver_is_done(struct resolver *resolver);

void resolver_leave(struct resolver *resolver);
