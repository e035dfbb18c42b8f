/*
 * Deadlines: by when each connection must have done its next step.
 *
 * libmicrohttpd's own timeout begins anew with every byte, so a client that sends
 * one a second would stay for ever. One number a connection; setting it, several
 * times a request, is one store, so the numbers are in no order, and all are looked
 * through when the first of them may be due, DEADLINES_LOOK_MS apart at least.
 *
 * Owns its numbers. One thread. Never blocks. Errors: deadlines_init only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DEADLINES_LOOK_MS 1000 /* so late a connection may be ended */
#define DEADLINE_NONE UINT64_MAX

struct deadlines {
    uint64_t *due_ns; /* of each connection, by its index */
    unsigned count;
    uint64_t look_ns; /* when to look next; DEADLINE_NONE: nothing can be due */
};

/* For connections of the indices 0 to count - 1, none of which has a deadline. false: no memory. */
bool deadlines_init(struct deadlines *deadlines, unsigned count);
void deadlines_release(struct deadlines *deadlines);

/* Sets, or with DEADLINE_NONE takes away, the deadline of a connection. */
static inline void deadlines_set(struct deadlines *deadlines, unsigned index, uint64_t due_ns)
{
    deadlines->due_ns[index] = due_ns;
    if (due_ns < deadlines->look_ns)
        deadlines->look_ns = due_ns;
}

/* Takes away each deadline that has passed, and calls `end` with its connection's
 * index. Does nothing before look_ns. */
void deadlines_look(struct deadlines *deadlines, uint64_t now_ns,
                    void (*end)(void *context, unsigned index), void *context);
