/*
 * Clients: a connection and the one request that it can have at a time.
 *
 * What becomes of a request is one state of a table that says which moves there are. A request
 * whose answer is late is in one of them like any other: its letter may be away for as long as it
 * takes, and its client may leave meanwhile, for a client's memory is not given to another before
 * its letter is home.
 *
 * Owns its request and the response kept for it. One thread. Never blocks. Never fails: a move
 * that the table does not have is a mistake of ours.
 */
#pragma once

#include "http/request.h"
#include "http/wire/response.h"

#include <assert.h>

enum client_state {
    CLIENT_NONE,     /* there is no connection */
    CLIENT_IDLE,     /* no request is under way, or not all of its first line is here */
    CLIENT_BEGUN,    /* its target is parsed */
    CLIENT_READING,  /* its header passed the gate; a body may be on its way */
    CLIENT_QUEUED,   /* it waits for its turn: see turns.h */
    CLIENT_TURN,     /* it has its turn */
    CLIENT_WRITTEN,  /* its letter goes with the next chain */
    CLIENT_AWAY,     /* its letter is away */
    CLIENT_ANSWERED, /* its letter is home, and the reply not yet queued */
    CLIENT_REPLIED,  /* its reply is queued, or on its way out */
    CLIENT_DISOWNED, /* it was replied to without waiting for its letter, which is away */
    CLIENT_GONE,     /* its connection has gone, and its letter is away */
    CLIENT_STATES,
};

struct client {
    struct request request;
    struct http_response response;
    struct client *next_free;
    struct MHD_Connection *connection;
    int socket; /* -1: no connection */
    enum client_state state;
    bool is_suspended; /* libmicrohttpd does not look at its connection: see client_suspend */
    bool is_admin;     /* it came in where everything is served */
    bool hung_up;      /* it has sent its last byte */
    bool has_left;     /* and will take in none */
};

/* The client that a letter is of. */
struct client *client_of(struct letter *letter);

/* From each state, a bit for each that may follow. */
extern const uint32_t client_moves[CLIENT_STATES];

static inline void client_move(struct client *client, enum client_state next)
{
    assert((client_moves[client->state] >> next & 1) != 0);
    client->state = next;
}

/* Whether its letter is away, whoever waits for it. */
static inline bool client_letter_is_away(const struct client *client)
{
    return client->state == CLIENT_AWAY || client->state == CLIENT_DISOWNED ||
           client->state == CLIENT_GONE;
}

/* While a letter is away for longer than a turn takes, libmicrohttpd would ask for the reply in
 * each of its passes and want the next at once. A connection that is suspended costs nothing, but its
 * leaving is invisible to libmicrohttpd, whose stop must not find any that are. */
void client_suspend(struct client *client);
void client_resume(struct client *client);
