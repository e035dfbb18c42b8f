/*
 * The parts of HTTP, for the files of this room and nobody else.
 *
 * One thread's, but for next_contract.
 */
#pragma once

#include "brain/meters.h"
#include "http/wire/client.h"
#include "http/wire/deadlines.h"
#include "http/wire/http.h"
#include "http/wire/leaving.h"
#include "http/wire/turns.h"

#include "base/quantity.h"

#include <stdatomic.h>

/* Bytes for a request's line and header, then its reply's; cookies count twice, so that one of
 * 4 KiB, the most a browser keeps, has room. libmicrohttpd 0.9.75 clears all of it after every
 * request: see tests/bench for what more would cost. */
#define HTTP_CONNECTION_MEMORY (13 * 1024 + 512)

struct http {
    struct MHD_Daemon *daemon;
    const struct clock *clock;
    struct client
        *clients; /* one for each connection there can be; memory is touched as they come */
    struct client *free_client;
    int hangups; /* an epoll set of all clients, for those that have sent their last byte */
    struct leaving leaving;
    struct deadlines deadlines; /* by index among the clients */
    uint64_t now_ns;            /* as of this run */
    struct http_terse_set terse;
    unsigned clients_used;
    unsigned connections, connections_max;
    size_t held;                              /* bytes, by all requests besides themselves */
    struct contract *contract;                /* a reference */
    _Atomic(struct contract *) next_contract; /* a reference to take its place, or NULL */
    struct serving serving;
    bool admin_apart;  /* what is for admins is served to them alone */
    bool adding_admin; /* the connection that is being added came in on such a listener */
    bool check_places; /* see gate.h */
    struct turns turns;
    bool some_have_turn;

    struct inbox *home;    /* where all letters come home to */
    struct inbox *reloads; /* the main thread's, which answers RELOAD; or NULL */
    struct decider *host_of;
    unsigned asked_now;     /* questions in this pass */
    unsigned crowd;         /* about how many come in a pass these days */
    struct chain questions; /* that go next */
    unsigned questions_count;
    unsigned away;         /* letters of clients that are away */
    uint64_t asked_ns;     /* when the tally went that is late; 0: none is */
    struct message report; /* the TALLY, and what was counted since the last one went */
    bool report_is_away;
    struct tally *tally;
    struct tally tallies[2]; /* that, and one that may be away */
};

/* ---- connections.c ---- */

/* By when the client must have done its next step: 0 for no limit. */
static inline void give_time(struct http *http, const struct client *client, unsigned seconds)
{
    deadlines_set(&http->deadlines, (unsigned)(client - http->clients),
                  seconds == 0 ? DEADLINE_NONE : http->now_ns + seconds * (uint64_t)NS_PER_S);
}

/* Gives up what a request holds; counts what it holds now. */
void release_request(struct http *http, struct request *request);
void count_held(struct http *http, struct request *request);

/* The same, quickly where it is nothing now and was nothing before, as nearly always. */
static inline void count_if_held(struct http *http, struct request *request)
{
    if (request->counted > 0 || request->is_list || request->room != NULL ||
        request->reply_size > 0)
        count_held(http, request);
}

void client_give_back(struct http *http, struct client *client);

/* libmicrohttpd's hook for connections that begin and end. */
void on_connection(void *context, struct MHD_Connection *connection, void **client_context,
                   enum MHD_ConnectionNotificationCode code);

/* Has libmicrohttpd hear, if it reads, that the client has sent its last byte. */
void heed_hangup(const struct client *client);

/* Ends the connection of a client that has taken too long. */
void end_overdue(void *context, unsigned index);

/* ---- post.c ---- */

/* Has the message of a request go with the next chain, or take it out again. */
void write_letter(struct http *http, struct client *client);
void withdraw_letter(struct http *http, struct client *client);

/* Posts the message of a request to a decider that is hosted, and has it take its turn. Its letter is home
 * then, unless it is one that waits. */
void ask_in_place(struct http *http, struct client *client);

/* Sends the message of a request to the main thread. */
void send_to_main(struct http *http, struct client *client);

/* ---- calls.c ---- */

/* libmicrohttpd's hooks: the raw target, before it is cut up; each time that it has got on with a
 * request; and its end. */
void *on_target(void *context, const char *target, struct MHD_Connection *connection);
enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                           const char *method, const char *version, const char *upload,
                           size_t *upload_len, void **client_context);
void on_completed(void *context, struct MHD_Connection *connection, void **client_context,
                  enum MHD_RequestTerminationCode code);

/* Says which requests have their turn in the coming run. */
void give_turns(struct http *http);
