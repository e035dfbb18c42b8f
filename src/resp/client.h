/*
 * Clients of RESP: a connection, its commands that are not answered yet, and what is kept for it.
 *
 * A client whose connection is closed stays until its letters are home. No other room includes
 * this.
 *
 * Owns its socket, its buffers and its calls. One thread. Never blocks.
 */
#pragma once

#include "resp/call.h"
#include "resp/session.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes that are kept from one turn to the next; no memory is taken while there are none. */
struct kept {
    char *bytes;
    uint32_t len;
};

struct resp_client {
    int socket;       /* -1: closed */
    uint32_t watched; /* the events of epoll(7) that it is watched for */
    struct call *first,
        **last;                /* commands that are not answered, in the order in which they came */
    struct kept input, output; /* not yet parsed; not yet sent */
    uint64_t due_ns;           /* when it must have done its next step */
    struct resp_client *next;  /* among those of a turn, or the free ones */
    struct session session;
    bool is_in_turn;  /* it is to be looked after before the turn is over */
    bool has_more;    /* its input may hold a whole command */
    bool has_hung_up; /* it has sent its last byte */
    bool is_leaving;  /* it has got its last answer: what it sends is thrown away until it closes */
};
