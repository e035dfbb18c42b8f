/*
 * HTTP: connections in, a batch of questions out; answers in, responses out.
 *
 * The only user of libmicrohttpd, in its external mode: it runs when http_run
 * is called and never waits. A request that has fully arrived puts its message
 * into the batch; once the batch has been answered the next run replies.
 *
 * Owns its connections and requests. One thread, but for http_set_contract. Never
 * blocks. Errors: http_new only; a request that cannot be served is answered with
 * the reason.
 */
#pragma once

#include "actor/exchange.h"
#include "actor/reload.h"
#include "ask/contract.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct http;

/* How long a client may take: for the header, from the start of its connection; for the
 * body, from there; to take in the reply; and between its requests without a byte. The
 * next header must have come HTTP_HEADER_S after that, whatever trickles in. */
#define HTTP_HEADER_S 10
#define HTTP_BODY_S 20
#define HTTP_REPLY_S 60
#define HTTP_IDLE_TIMEOUT_S 60

/* Room for `connections_max` connections, at most BATCH_MAX; takes a reference to
 * the contract. admin_apart: what is for admins is served only to connections that
 * are. desk: where to ask for reloads. NULL and errno: no memory or no descriptors. */
struct http *http_new(unsigned connections_max, struct contract *contract, bool admin_apart,
                      const struct reload_desk *desk);

/* The log, which is of a higher layer. Neither waits. */
struct http_log {
    uint64_t (*lines_lost)(void); /* so far */
    void (*denial)(const struct bucket_question *ask, const struct bucket_answer *answer,
                   bool key_is_private);
};

/* Where to log; before anything is served, and unless this is called nowhere. */
void http_set_log(struct http *http, const struct http_log *log);

/* Closes what is open, and frees. */
void http_free(struct http *http);

/* The descriptors to wait for; when one is readable, call http_heed with it, then http_run. */
#define HTTP_DESCRIPTORS 3
void http_descriptors(const struct http *http, int descriptors[HTTP_DESCRIPTORS]);
void http_heed(struct http *http, int descriptor);

/* Milliseconds after which http_run has something to do all the same; -1: none. */
int http_timeout_ms(const struct http *http);

/* Takes over an accepted socket; it is closed if there is no room. */
void http_add(struct http *http, int socket, const struct sockaddr *peer, socklen_t peer_len,
              bool is_admin);

/* Sockets that may be open besides those of connections_max, on their way out. */
#define HTTP_LEAVING_SPARE 16

/* Tells the client of an accepted socket that there is no room, and takes the socket over
 * to close it. */
void http_turn_away(struct http *http, int socket);

/* Reads, parses, replies and writes as far as that goes without waiting. */
void http_run(struct http *http);

/* The same before a batch goes: again while more and more comes in, a few times at most. */
void http_collect(struct http *http);

/* The questions collected; when there are any, hand over, exchange the batch, call
 * http_answered with the time that took, and run again. */
struct batch *http_batch(struct http *http);

/* Whether something has been counted that no batch has taken along, and puts that into
 * the batch. It is worth a batch without questions when it has waited long enough. */
bool http_has_counted(const struct http *http);
void http_hand_over(struct http *http);
void http_answered(struct http *http, uint64_t waited_ns);

/* The batch has been away since then, which is too long: until http_answered a
 * run touches nothing of it, tells health that it is red, and has the rest wait. */
void http_stalled(struct http *http, uint64_t asked_ns);

/* Sockets open now, those leaving included, and whether one more would have room. */
unsigned http_connections(const struct http *http);
bool http_has_room(const struct http *http);

/* Every header read from now on is judged by this contract. From any thread. */
void http_set_contract(struct http *http, struct contract *contract);

/* From now on each reply is the last on its connection. */
void http_drain(struct http *http);

/* Takes in what has reached the sockets that have no request under way, and
 * hears no more from them: each is closed once that has been answered. */
void http_close_idle(struct http *http);
