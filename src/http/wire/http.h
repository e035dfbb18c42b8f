/*
 * HTTP: connections in, letters out with what they ask; letters home, replies out.
 *
 * The only room that uses libmicrohttpd, in its external mode: it runs when http_run is called and
 * never waits. The message of a request that has fully arrived goes with the next chain of letters; once it
 * is home, the next run replies.
 *
 * Owns its connections and requests, and its letters, also while they are away. One thread, but
 * for http_set_contract. Never blocks. Errors: http_new only; a request that cannot be served is
 * answered with the reason.
 */
#pragma once

#include "actor/decider.h"
#include "ask/contract.h"
#include "base/clock.h"

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

struct http_terms {
    unsigned connections_max;  /* there is room for so many */
    struct contract *contract; /* it takes a reference of its own */
    bool admin_apart;          /* what is for admins is served only to connections that are */
    const struct clock
        *clock;            /* its own deadlines go by it; libmicrohttpd has a clock of its own */
    struct inbox *home;    /* where its letters come home to: the caller's, who takes them */
    struct inbox *reloads; /* whoever answers RELOAD takes from there; NULL: nobody does */
    /* Hosted by the caller's thread: what costs next to nothing is asked in place and replied to at
     * once, where not many ask at the same time. NULL: all goes by http_hand_over. */
    struct decider *host_of;
};

/* NULL and errno: no memory or no descriptors. */
struct http *http_new(const struct http_terms *terms);

/* Closes what is open. Letters may still be away. */
void http_close(struct http *http);

/* Closes, and frees. No letter may be away. */
void http_free(struct http *http);

/* The descriptors to wait for; when one is readable, call http_heed with it, then http_run. */
#define HTTP_DESCRIPTORS 3
#define HTTP_WAKES 0 /* of these: nothing of it is to be heeded, http_run sees to it */
void http_descriptors(const struct http *http, int descriptors[HTTP_DESCRIPTORS]);
void http_heed(struct http *http, int descriptor);

/* The time of the last run, by its clock: for who need not know it better. */
uint64_t http_now_ns(const struct http *http);

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

/* The same before a chain goes: again while more and more comes in, a few times at most. */
void http_collect(struct http *http);

/* Questions that have been collected and not handed over. */
unsigned http_questions(const struct http *http);

/* Whether something has been counted that was not told yet. It is worth a chain without questions
 * when it has waited long enough. */
bool http_has_counted(const struct http *http);

/* What is to be posted to the decider: the questions, and before them a letter with what was counted.
 * That one is answered at once, so when it is home, so is all that need not wait. Not while it is away. */
struct chain http_hand_over(struct http *http);

/* Letters have come home, linked by `next`. waited_ns: how long the decider has taken for the last
 * chain. Returns whether the letter with what was counted is home. */
bool http_take_home(struct http *http, struct letter *letters, uint64_t waited_ns);

/* Whether the letter with what was counted is away. */
bool http_is_waited_for(const struct http *http);

/* Letters that are not home. */
unsigned http_letters_away(const struct http *http);

/* The letter with what was counted has been away since then, which is too long: until it is home,
 * health is told red, and all that needs an answer waits. */
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
