/*
 * Clients: a connection and the one request that it can have at a time.
 *
 * A client is always in one state, and a table says which states may follow. A letter may be away
 * for as long as its answer takes, and the client may leave meanwhile: its memory is given to
 * another client only after its letter is home. If what it asked may wait for its tokens, the brain
 * is told that it leaves, by a letter of its own: then two are away, and nothing is touched before
 * both are home.
 *
 * A reply may go on, and its client ask for more of it while it has got a part: then the same letter
 * goes again and again, and comes home to the state FLOWING.
 *
 * What a request needs, an exchange, is the client's only while it is under way. It is large, and few
 * requests are under way where many connections are open; so clients that are idle hold none, and the
 * exchange that was given back last, which the processor's caches still hold, is taken first.
 *
 * Owns its exchange. One thread. Never blocks. Never fails: a move
 * that is not in the table is a bug, and an assertion catches it.
 */
#pragma once

#include "http/request.h"
#include "http/wire/response.h"

#include <assert.h>

enum client_state {
    CLIENT_NONE,     /* there is no connection */
    CLIENT_IDLE,     /* no request is under way, or its first line is not complete */
    CLIENT_BEGUN,    /* its target is parsed */
    CLIENT_READING,  /* its header passed the gate; a body may be on its way */
    CLIENT_QUEUED,   /* it waits for its turn: see turns.h */
    CLIENT_TURN,     /* it has its turn */
    CLIENT_WRITTEN,  /* its letter is in the next chain */
    CLIENT_AWAY,     /* its letter is away; perhaps it waits for its tokens */
    CLIENT_LEAVING,  /* a letter is away that says that nobody wants what it asked for any more */
    CLIENT_ANSWERED, /* its letters are home, and its reply is not yet queued */
    CLIENT_REPLIED,  /* its reply is queued, or on its way out */
    CLIENT_FLOWING,  /* likewise, and the reply goes on: see flows.c */
    CLIENT_DISOWNED, /* it has got its reply, although its letter is still away */
    CLIENT_GONE,     /* its connection is closed, and a letter of its is still away */
    CLIENT_STATES,
};

struct http;

/* A request under way, and the response kept for the next one that is like it. */
struct exchange {
    struct request request;
    struct message leave; /* LEAVE, about the request's message */
    struct http_response response;
    struct client *client; /* whose it is */
    struct exchange *next_free;
};

struct client {
    struct exchange *exchange; /* of its request; NULL in NONE and IDLE */
    struct client *next_free;
    size_t header_memory; /* of its connection's memory, what the header of the request takes */
    struct MHD_Connection *connection;
    struct http *http;
    int socket; /* -1: no connection */
    enum client_state state;
    unsigned char letters_away; /* 2: the request's, and `leave` */
    bool is_suspended;   /* libmicrohttpd does not look at its connection: see client_suspend */
    bool is_watched;     /* what it sends counts: see watch_input */
    bool is_admin;       /* it came in on a listener for admins */
    bool is_tcp;         /* not a Unix socket */
    bool hung_up;        /* it has sent its last byte */
    bool has_left;       /* and it will receive nothing any more */
    bool may_wait;       /* its letter is, or was last, of a question that may wait */
    bool flows;          /* it has got the header of a reply that goes on */
    unsigned char looks; /* of one that goes on: how often it was found to have read nothing */
    int unread;          /* and what it had not read then, in bytes */
    bool beat_is_due;    /* of a reply that goes on: nothing was written for a while */
};

/* The client that a letter belongs to: that of its request, or its LEAVE. */
struct client *client_of(struct letter *letter);

/* For each state, a bit for each state that may follow it. */
extern const uint32_t client_moves[CLIENT_STATES];

static inline void client_move(struct client *client, enum client_state next)
{
    assert((client_moves[client->state] >> next & 1) != 0);
    client->state = next;
}

/* Whether a letter of its is away, whether or not the client still waits for it. */
static inline bool client_letter_is_away(const struct client *client)
{
    return client->state == CLIENT_AWAY || client->state == CLIENT_LEAVING ||
           client->state == CLIENT_DISOWNED || client->state == CLIENT_GONE;
}

/* Whether it waits, for its tokens or for something to happen, as far as anybody knows whose letter is away. */
static inline bool client_waits(const struct client *client)
{
    return client->state == CLIENT_AWAY && client->may_wait;
}

/* If a letter is away for longer than a turn, libmicrohttpd would ask for the reply in each pass
 * and want the next pass at once. While a connection is suspended it does not, but neither does it
 * notice when the client leaves: heed_hangups does. Its timeout begins anew when it is resumed. If
 * any are, the next pass looks through all that are suspended, once. All must be resumed before
 * libmicrohttpd is stopped. */
void client_suspend(struct client *client);
void client_resume(struct client *client);
