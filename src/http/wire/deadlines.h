/*
 * Deadlines: by when each connection must have done its next step.
 *
 * libmicrohttpd's own timeout begins anew with every byte, so a client that sends one byte a second
 * would stay for ever. Here each connection has one number. It is set several times a request, so
 * setting it is one store, and the numbers are in no order. They are all looked through when the
 * first of them may be due, but not more often than every DEADLINES_LOOK_MS.
 *
 * Owns its numbers. One thread. Never blocks. Errors: deadlines_init only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* How long a client may take: to send the header, from the start of its connection; to send the
 * body, from the end of the header; to receive the reply; and to send the first byte of its next
 * request, which is http_terms.idle_timeout_ms. The header of that request must be complete
 * HTTP_HEADER_S later, however many bytes trickle in. */
#define HTTP_HEADER_S 10
#define HTTP_BODY_S 20
#define HTTP_REPLY_S 60

/* Of a reply that goes on: how often to look whether its client reads, and how often it may be found
 * to have read nothing before it is ended, 30 to 40 seconds after it last did; and between two pieces
 * of the reply, heartbeats included. */
#define HTTP_FLOW_S 10
#define HTTP_FLOW_LOOKS 3
#define HTTP_BEAT_S 15

#define DEADLINES_LOOK_MS 1000 /* a connection may be ended so much too late */
#define DEADLINE_NONE UINT64_MAX

struct deadlines {
    uint64_t *due_ns; /* of each connection, by its index */
    unsigned count;   /* connections that there has been so far */
    uint64_t look_ns; /* when to look next; DEADLINE_NONE: nothing can be due */
};

/* Makes room for so many connections, and touches none of it yet. false: no memory. */
bool deadlines_init(struct deadlines *deadlines, unsigned most);
void deadlines_release(struct deadlines *deadlines);

/* One more connection, whose index is the next one. It has no deadline yet. */
static inline void deadlines_add(struct deadlines *deadlines)
{
    deadlines->due_ns[deadlines->count++] = DEADLINE_NONE;
}

/* Sets the deadline of a connection; DEADLINE_NONE removes it. */
static inline void deadlines_set(struct deadlines *deadlines, unsigned index, uint64_t due_ns)
{
    deadlines->due_ns[index] = due_ns;
    if (due_ns < deadlines->look_ns)
        deadlines->look_ns = due_ns;
}

/* Removes each deadline that has passed and calls `end` with the index of its connection. Does
 * nothing before look_ns. */
void deadlines_look(struct deadlines *deadlines, uint64_t now_ns,
                    void (*end)(void *context, unsigned index), void *context);
