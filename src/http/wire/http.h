/*
 * HTTP: reads requests and makes letters of them; takes letters home and writes replies.
 *
 * Its room is the only one that uses libmicrohttpd, in external mode: libmicrohttpd runs when
 * http_run or http_wait is called, and waits only in the latter. When a request has fully arrived, its message goes with the
 * next chain of letters; once that letter is home, the next run replies.
 *
 * Owns its connections and requests, and its letters, also while they are away. One thread, except
 * for http_set_contract and http_set_share. Blocks in http_wait only. Errors: http_new only; if a request cannot be served, the
 * reply says why.
 */
#pragma once

#include "actor/decider.h"
#include "actor/fleet_view.h"
#include "ask/contract.h"
#include "base/clock.h"
#include "http/wire/deadlines.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct http;

/* What of header_room a header takes: its first line and its fields with their line ends, the value
 * of the first Cookie once more, and so many bytes for each field, each cookie of that one, and each
 * parameter of the target. That is how libmicrohttpd 0.9.75 keeps them. */
#define HTTP_HEADER_ENTRY 64

/* At most so many replies may go on at a time, however many connections there may be. */
#define HTTP_FLOWS_MAX 1000

/* Replies that go on, of all front-ends together. */
struct http_flows {
    atomic_uint open, max;
};

/* How many there may be, with so many connections. */
unsigned http_flows_max(unsigned connections);

struct http_terms {
    unsigned connections_max;  /* connections that there is memory for */
    unsigned share;            /* connections that there is room for: see http_set_share */
    struct contract *contract; /* http_new takes a reference of its own */
    uint32_t
        idle_timeout_ms;  /* how long a connection may be silent; in whole seconds, rounded up */
    uint32_t header_room; /* bytes for the header of a request: see HTTP_HEADER_ENTRY */
    unsigned place;       /* of the front-end, by which its reports are known: see tally.h */
    struct http_flows *flows;  /* NULL: they are counted for this one alone */
    bool admin_apart;          /* routes for admins are served on listeners for admins only */
    const struct clock *clock; /* for deadlines; libmicrohttpd has a clock of its own */
    struct inbox *home;        /* its letters come home to it; the caller's, who takes them out */
    struct inbox *decider;     /* of the decider, which is told of who leaves without a report */
    struct inbox *reloads;     /* of whoever answers RELOAD; NULL: nobody does */
    const struct fleet_view *fleet; /* of the fleet's store; NULL: there is none */
    /* The decider, if the caller's thread hosts it. As long as few requests come in at once, it
     * answers each in place if that costs next to nothing. NULL: all goes by http_hand_over. */
    struct decider *host_of;
    void (*woke)(void *context); /* called where http_wait ends, before anything is served */
    void *woke_context;
};

/* NULL and errno: no memory or no descriptors. */
struct http *http_new(const struct http_terms *terms);

/* Closes what is open. Letters may still be away. */
void http_close(struct http *http);

/* Closes, and frees. No letter may be away. */
void http_free(struct http *http);

/* The descriptors to wait for. If one is readable, call http_heed with it, then http_run. */
#define HTTP_DESCRIPTORS 3
#define HTTP_WAKES 0 /* the index of one that http_run sees to, and http_wait waits for itself */
void http_descriptors(const struct http *http, int descriptors[HTTP_DESCRIPTORS]);
void http_heed(struct http *http, int descriptor);

/* Has http_wait end, too, when this descriptor is readable, an epoll set for instance. 0 or an errno. */
int http_watch(struct http *http, int descriptor);

/* Waits for at most timeout_ms, -1 being for ever, until there is something to do, and runs once as
 * http_run does. It waits in libmicrohttpd's own set, which spares a look at another one for each
 * request. Returns whether it served anybody; if not, what http_watch was told of may be readable. */
bool http_wait(struct http *http, int timeout_ms);

/* The time of the last run, by its clock. */
uint64_t http_now_ns(const struct http *http);

/* Milliseconds after which to call http_run though no descriptor is readable; -1: never. */
int http_timeout_ms(const struct http *http);

/* Takes over an accepted socket. If there is no room, it is closed. */
void http_add(struct http *http, int socket, const struct sockaddr *peer, socklen_t peer_len,
              bool is_admin);

/* Sockets that may be open beside the share, while they are being closed. */
#define HTTP_LEAVING_SPARE 16

/* Takes over an accepted socket, replies 503 for want of room, and closes it. */
void http_turn_away(struct http *http, int socket);

/* Reads, parses, replies and writes as far as that is possible without waiting. */
void http_run(struct http *http);

/* The same, to be called before a chain goes: if requests have come in, it runs again for more, a
 * few times at most. */
void http_collect(struct http *http);

/* The same behind http_wait, which counts as the first run. */
void http_collect_more(struct http *http);

/* Questions that are collected and not yet handed over. */
unsigned http_questions(const struct http *http);

/* Whether something is counted that the decider has not been told yet. Once that has waited long
 * enough, hand over a chain even without questions. */
bool http_has_counted(const struct http *http);

/* What the next report tells of the front-end: its thread's processor time in so much time; that it
 * goes; that it has ended, with nobody there and no letter away. */
void http_tell_busy(struct http *http, uint64_t busy_ns, uint64_t since_ns);
void http_tell_going(struct http *http);
void http_tell_last(struct http *http);

/* Where to count until the next report goes: it is another tally then. */
struct tally *const *http_tally(const struct http *http);

/* The chain to post to the decider: the report, a letter with what was counted, then all questions.
 * The report is answered at once, together with every question that need not wait, so when it is
 * home, so are they. Do not call this while the report is away. */
struct chain http_hand_over(struct http *http);

/* Takes letters home, linked by `next`. waited_ns: the time since the last chain was posted.
 * Returns whether the report is home. */
bool http_take_home(struct http *http, struct letter *letters, uint64_t waited_ns);

/* Whether the report is away. */
bool http_is_waited_for(const struct http *http);

/* How many letters are away, the report included. */
unsigned http_letters_away(const struct http *http);

/* Says that the report, posted at asked_ns, is away for too long. Until it is home, health routes
 * reply that allowd is stalled, and every other request that needs an answer waits. */
void http_stalled(struct http *http, uint64_t asked_ns);

/* Sockets open now, with those that are being closed; and whether there is room for one more. */
unsigned http_connections(const struct http *http);
bool http_has_room(const struct http *http);

/* The caller has so many connections of its own, which take up room as well. */
void http_set_others(struct http *http, unsigned others);

/* There is room for so many connections from now on, connections_max at most; those that are open
 * stay. Any thread. */
void http_set_share(struct http *http, unsigned connections);
unsigned http_share(const struct http *http);

/* Every header that is read from now on is judged by this contract. Any thread. */
void http_set_contract(struct http *http, struct contract *contract);

/* From now on /readyz says that the end is near, and nothing else is different. */
void http_leave(struct http *http);

/* From now on each reply is the last on its connection. */
void http_drain(struct http *http);

/* From now on nobody waits for tokens: who does is answered that the end is near, charged nothing. */
void http_end_waits(struct http *http);

/* From now on no reply goes on: each that does is told what there is, and ends. */
void http_end_flows(struct http *http);

/* Ends replies that have gone on until now, because their clients do not read; and stops reading from
 * connections that have no request under way. What has already reached their
 * sockets is still answered; then they are closed. */
void http_close_idle(struct http *http);
