/*
 * The parts of HTTP: what the files of this room share. No other room includes it.
 *
 * One thread, except for next_contract and share.
 */
#pragma once

#include "brain/meters.h"
#include "http/wire/client.h"
#include "http/wire/deadlines.h"
#include "http/wire/http.h"
#include "http/wire/leaving.h"
#include "http/wire/turns.h"
#include "http/wire/vain.h"

#include "base/quantity.h"

#include <stdatomic.h>

/* Bytes that the header of a reply takes. A connection's memory in libmicrohttpd holds the header of
 * a request, up to header_room, and then that of its reply. 0.9.75 clears all of it after every
 * request: tests/bench/NOTEBOOK.md says what more costs. */
#define HTTP_REPLY_HEADER_MAX 3328

struct http {
    struct MHD_Daemon *daemon;
    const struct clock *clock;
    struct client *clients; /* connections_max of them; memory is touched as they come */
    struct client *free_client;
    struct exchange *exchanges; /* as many, likewise */
    struct exchange *free_exchange;
    int hangups; /* an epoll set of all clients, readable if one has sent its last byte */
    struct leaving leaving;
    struct deadlines deadlines; /* by index among the clients */
    uint64_t now_ns;            /* the time of this pass */
    struct http_terse_set terse;
    unsigned clients_used, exchanges_used;
    unsigned connections, connections_max;
    unsigned others;           /* connections that the caller has: see http_set_others */
    atomic_uint share;         /* of connections_max: see http_set_share */
    size_t held;               /* bytes that all requests hold besides themselves */
    struct contract *contract; /* a reference */
    _Atomic(struct contract *) next_contract; /* a reference to its successor, or NULL */
    struct serving serving;
    uint32_t idle_timeout_s;
    uint32_t header_room;
    bool admin_apart;  /* routes for admins are served on listeners for admins only */
    bool is_adding;    /* a connection is being added: see http_add */
    bool adding_admin; /* it came in on such a listener */
    bool adding_tcp;
    bool check_places; /* see gate.h */
    struct turns turns;
    bool some_have_turn;
    struct vain vain;
    bool is_waiting;      /* in http_wait, and nothing has come yet */
    void (*woke)(void *); /* see http_terms */
    void *woke_context;
    unsigned questions_before; /* the first pass of a turn */

    struct inbox *home;    /* all letters come home to it */
    struct inbox *decider; /* goodbyes go there */
    struct inbox *reloads; /* of the main thread, which answers RELOAD; or NULL */
    struct decider *host_of;
    unsigned asked_now;     /* questions of this pass */
    unsigned crowd;         /* how many questions a pass has had lately: see look_at_crowd */
    struct chain questions; /* the next chain, without the report */
    unsigned questions_count;
    struct chain goodbyes;    /* the next chain of LEAVE and RELEASE; it needs no report */
    bool ends_waits;          /* nobody may wait any more: see http_end_waits */
    bool ends_flows;          /* no reply goes on any more: see http_end_flows */
    struct http_flows *flows; /* how many do */
    struct http_flows own_flows;
    bool some_end;         /* a pass is needed for replies that have gone on until now */
    bool some_have_waited; /* their answers are home, and are not replied yet */
    unsigned away;         /* letters of clients that are away */
    uint64_t asked_ns;     /* in a stall: when the report was posted; else 0 */
    struct message report; /* MESSAGE_TALLY: takes one tally along with each chain */
    bool report_is_away;
    struct tally *tally;
    struct tally tallies[2]; /* one counts while the other may be away: see tally.h */
};

/* ---- waking.c ---- */

/* Has the requests of a pass know the time. */
void tell_time(struct http *http);

/* The wait of http_wait is over: tells the time, and woke() of http_terms. */
void come_back(struct http *http);

/* Each hook begins so: libmicrohttpd has called it, in the pass that the wait for it ended with, or in
 * a later one. */
static inline void hook_called(struct http *http)
{
    http->vain.has_called = true;
    if (http->is_waiting)
        come_back(http);
}

/* ---- too_large.c ---- */

#define HEADER_TOO_LARGE                                                                           \
    "the header is too large; send fewer or shorter header fields, or raise header_room in the "   \
    "configuration"

/* Whether a header of so many bytes leaves libmicrohttpd memory for a reply that refuses it, which shares the connection's. */
bool leaves_room_for_refusal(const struct http *http, size_t header_bytes);

/* Tells the client that its header is too large, past libmicrohttpd, and has the connection closed. */
enum MHD_Result refuse_without_room(struct http *http, struct client *client);

/* ---- connections.c ---- */

/* The client must do its next step within so many seconds; 0: there is no limit. */
static inline void give_time(struct http *http, const struct client *client, unsigned seconds)
{
    deadlines_set(&http->deadlines, (unsigned)(client - http->clients),
                  seconds == 0 ? DEADLINE_NONE : http->now_ns + seconds * (uint64_t)NS_PER_S);
}

/* release_request frees what a request holds. count_held brings http->held up to date with it. */
void release_request(struct http *http, struct request *request);
void count_held(struct http *http, struct request *request);

/* The same as count_held, but quick if it held nothing and holds nothing, as nearly always. */
static inline void count_if_held(struct http *http, struct request *request)
{
    if (request->counted > 0 || request->is_list || request->room != NULL ||
        request->reply_size > 0)
        count_held(http, request);
}

/* Gives a client an exchange for its request, and takes it away again. */
void exchange_take(struct http *http, struct client *client);
void exchange_give_back(struct http *http, struct client *client);

void client_give_back(struct http *http, struct client *client);

/* The client of a connection that has begun. */
struct client *begin_client(struct http *http, struct MHD_Connection *connection);

/* Lets libmicrohttpd notice, if it reads now, that the client has sent its last byte. */
void heed_hangup(const struct client *client);

/* While a client waits, it is taken for one that has left if it sends more than that behind its
 * request: its end would find no room in the socket, and nobody could see it. */
#define BEHIND_MAX 32768

/* Watches for that, or does so no more. */
void watch_input(struct http *http, struct client *client, bool watches);

/* Ends the connection of a client that has taken too long. */
void end_overdue(void *context, unsigned index);

/* ---- post.c ---- */

/* Puts the message of a request into the next chain, or takes it out again. */
void write_letter(struct http *http, struct client *client);
void withdraw_letter(struct http *http, struct client *client);

/* Posts the message of a request to the hosted decider and has it take its turn. After that the
 * letter is home, unless its answer must wait. */
void ask_in_place(struct http *http, struct client *client);

/* Posts the message of a request to the main thread. */
void send_to_main(struct http *http, struct client *client);

/* ---- goodbyes.c ---- */

/* Tells the brain that a client does not wait any more, if it does. It is taken for
 * one that has left if it has sent its last byte: nobody could tell whether it still listens. */
void leave_if_done(struct http *http, struct client *client);

/* Gives back the lease that a message has got, because its client has gone: true. false: it has got
 * none. */
bool give_lease_back(struct http *http, struct client *client);

/* Posts what those two have written; nearly always that is nothing. */
void post_all_goodbyes(struct http *http);
static inline void post_goodbyes(struct http *http)
{
    if (http->goodbyes.newest != NULL)
        post_all_goodbyes(http);
}

/* ---- flows.c ---- */

/* Takes a place among the replies that go on. false: all are taken, and the request is refused. */
bool take_flow_place(struct http *http, struct request *request);

/* Queues a reply that goes on. MHD_NO: no memory, and nothing was queued. */
enum MHD_Result queue_flow(struct http *http, struct MHD_Connection *connection,
                           struct client *client);

/* ---- ends.c ---- */

/* libmicrohttpd's hooks: a request has ended; a connection has begun or ended. */
void on_completed(void *context, struct MHD_Connection *connection, void **client_context,
                  enum MHD_RequestTerminationCode code);
void on_connection(void *context, struct MHD_Connection *connection, void **client_context,
                   enum MHD_ConnectionNotificationCode code);

/* ---- bodies.c ---- */

#define NO_MEMORY_FOR_BATCH                                                                        \
    "no memory for another large batch now; try again, or send a smaller one"

/* What to tell whose body is longer than this; request_body_max gives two lengths. */
const char *body_too_large(size_t body_max);

/* Allocates room for a body of this length. false: there is no memory, or all requests hold too
 * much already. */
bool expect_body(struct http *http, struct request *request, size_t len);

/* Takes bytes of a body, and sets *len to 0. If they do not fit, the client is told so at once and
 * its connection ends. */
enum MHD_Result take_body(struct http *http, struct client *client, const char *bytes, size_t *len);

/* ---- calls.c ---- */

/* libmicrohttpd's hooks. on_target: the raw target is here, before it is cut up. on_request: more
 * of a request is here, or it waits for its reply. */
void *on_target(void *context, const char *target, struct MHD_Connection *connection);
enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                           const char *method, const char *version, const char *upload,
                           size_t *upload_len, void **client_context);

/* Chooses the requests that have their turn in the coming run. */
void give_turns(struct http *http);
