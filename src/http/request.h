/*
 * Requests: turns the bytes of a target and a body into one checked message.
 *
 * A fault is found when its part is parsed, but told only after the whole request has arrived. If
 * there are several, the most general one is told: framing, path, method, then parameters.
 *
 * Owns its buffers, and what request_release frees; the message borrows from them. One thread.
 * Never blocks. Errors: request_finish, and the functions that return false.
 */
#pragma once

#include "actor/fleet_view.h"
#include "actor/override.h"
#include "actor/reload.h"
#include "ask/contract.h"
#include "brain/event.h"
#include "brain/keys.h"
#include "brain/message.h"
#include "http/access.h"
#include "http/batch.h"
#include "http/dialect.h"
#include "http/reply.h"
#include "http/route.h"
#include "limits/key.h"

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_DENY_STATUS 429 /* unless the caller asks for another */

#define REQUEST_BODY_MAX 4096                /* bytes of form, or of anything that is ignored */
#define REQUEST_LONG_BODY_MAX BATCH_BODY_MAX /* of a list, or of what is sent to a check */

/* What /check remembers of a request from its header to its reply. */
struct check_asked {
    struct contract *contract; /* a reference, which keeps the check; NULL: there is no check */
    const struct check *check;
    bool skips, reads_body, is_missing, missing_allows;
    struct check_request asked; /* if reads_body */
};

/* What /events remembers of a request's parameters and header. */
struct events_asked {
    enum events_from from; /* if has_place */
    uint32_t boot;
    uint64_t since;
    uint32_t kinds;
    bool has_place, follows, is_lines;
};

/* What a query says of a batch: see parameter_mode. */
enum list_mode { LIST_MODE_NONE, LIST_MODE_EACH, LIST_MODE_ALL };

struct event_stream;

/* What the routes about leases remember of a request's parameters: see lease.h. */
struct lease_asked {
    bool is_given; /* there is a `lease`, if perhaps a malformed one */
    struct lease_question ask;
};

/* What /overrides remembers of a request from its query to its reply. */
struct overrides_asked {
    struct override_call call;    /* of PUT and DELETE */
    struct text terms;            /* what the parameters say of an override, as JSON; it grows */
    bool has_terms;               /* something is in it */
    char *object;                 /* the whole of it, or NULL */
    struct bucket_question asked; /* of GET */
    struct daemon_answer daemon;
};

struct request {
    unsigned method;                /* METHOD_ bit; 0 until known */
    unsigned route_number;          /* see route.h */
    const struct route *route;      /* NULL: no such path */
    const struct route *if_options; /* of a target that is "*" or "/": what answers OPTIONS */
    unsigned seen;                  /* a bit for each parameter of the route that has a value */
    unsigned fault_status;          /* of the first fault in the parameters; 0: none so far */
    char detail[REPLY_DETAIL_MAX];
    unsigned deny_status; /* of a denial of /allow or /acquire */
    struct message message;
    void *room;                    /* for a large answer, from malloc; or NULL */
    size_t room_bytes;             /* of `room` */
    uint32_t wait_max_ms;          /* the contract's; set when the header has arrived */
    enum access_verdict verdict;   /* set when the header has arrived */
    bool wants_tag, wants_absence; /* set when the header has arrived: see access.h */
    size_t target_len;             /* bytes of the raw target */
    size_t origin_len;             /* of these, bytes of "http://HOST:PORT" in front; mostly 0 */
    size_t target_parameters;      /* number of parameters in its query */
    size_t body_len;
    size_t chunked_max;    /* of a body in chunks: the most bytes it may have; else 0 */
    size_t chunked_len;    /* and what has come of it */
    char *long_body;       /* a body that does not fit into `body`, or NULL */
    size_t long_body_room; /* bytes of long_body */
    size_t reply_size;     /* bytes of a large reply, until it has been sent */
    size_t counted;        /* what whoever adds up all requests has counted of request_held */
    bool has_flow_place;   /* it is counted among the replies that go on: see wire/flows.c */
    bool is_list;
    bool is_lines;                /* and it was written in lines, as its answer is to be */
    enum list_mode mode;          /* of the query */
    bool is_object;               /* the body is JSON, for a route that takes_object */
    bool keeps_body;              /* of a route that is header_only: its body is wanted after all */
    bool ignores_proxy;           /* a field of a proxy that is not trusted: see trust_warning.h */
    bool key_is_private;          /* the log must not show it as it is */
    struct batch list;            /* if is_list */
    struct request *next_in_turn; /* while it waits for its turn */
    char *list_room;              /* for the reply to a list, until that is written */
    union {                       /* of the route that serves it; no other route touches it */
        struct daemon_answer daemon;
        struct {
            struct keys_question ask;
            uint64_t cursor;
        } keys;
        struct check_asked check; /* see routes/check.c */
        struct reload_report reload;
        struct {
            struct events_asked ask;
            struct event_stream *stream; /* see routes/events.c */
        } events;
        struct overrides_asked overrides;
    } own;
    struct lease_asked lease;  /* of those about leases */
    struct once_question once; /* if message.once is not NULL */
    size_t prefix_len;         /* of a prefix in `key`: see parameter_prefix */
    char key[KEY_MAX + 1];
    char limit_name[LIMIT_NAME_MAX + 1];
    union {
        char body[REQUEST_BODY_MAX]; /* until it is parsed */
        struct reply reply;          /* from then on */
    };
};

/* What replies need to know of the front-end that serves the request. */
struct serving {
    const struct route_table *routes;
    const struct dialect *dialect;
    bool retry_after_ms;              /* a denial also has Retry-After-Ms */
    uint64_t wall_ns;                 /* Unix time of the pass, if the dialect tells dates */
    bool leaving;                     /* it is about to drain: /readyz says so, and all is served */
    bool draining;                    /* each reply is the last on its connection */
    uint64_t waited_ns;               /* how long the decider took for its last chain */
    uint64_t (*log_lines_lost)(void); /* lines lost so far; NULL: nothing is logged */
    const struct fleet_view *fleet;   /* of the store; NULL: there is none */
};

/* What a target has before its authority, if it has one. */
#define REQUEST_SCHEME "http://"

/* Begins a request from its raw target: perhaps "http://HOST:PORT"; path, "?", query; NUL-terminated. */
void request_begin(struct request *request, const struct route_table *routes, const char *target);

/* The most bytes that the body of this request may have. content_type: NULL if there is none. */
size_t request_body_max(const struct request *request, const char *content_type);

/* The bytes that a body of this length, at most request_body_max, needs beside the request.
 * request_expect_body allocates them; false: no memory. */
size_t request_body_room(const struct request *request, size_t len);
bool request_expect_body(struct request *request, size_t len);

/* The same for a body whose length is not known, when `len` more bytes of it come. The room is at
 * most four times what has come; 0: they fit into what it has. After request_grow_body they fit. */
size_t request_body_room_grown(const struct request *request, size_t len);
bool request_grow_body(struct request *request, size_t room);

/* Adds bytes of the body. The caller knows that they fit. */
void request_add_body(struct request *request, const char *bytes, size_t len);

/* Call it once the whole request has arrived. true: the message is ready to be posted. false: the
 * reply says what is wrong. content_type: NULL if there was none. */
bool request_finish(struct request *request, const char *content_type);

/* Whether an answered message is to be asked once more, to add to its answer. */
static inline bool request_asks_again(const struct request *request)
{
    return request->route->asks_again != NULL && request->route->asks_again(request);
}

/* Whether it gets a reply (route->reply_stalled) even while the decider does not answer. */
static inline bool request_bears_no_stall(const struct request *request)
{
    return request->route != NULL && request->route->reply_stalled != NULL;
}

/* Whether what it asks may wait, for its tokens or for something to happen. */
static inline bool request_may_wait(const struct request *request)
{
    const struct message *message = &request->message;
    if (message->kind == MESSAGE_EVENTS)
        return message->ask.events->waits;
    return (message->kind == MESSAGE_ALLOW || message->kind == MESSAGE_ACQUIRE) &&
           message->ask.bucket.wait_ms > 0;
}

/* Whether it is for everyone, though its route is for admins. */
static inline bool request_is_for_all(const struct request *request)
{
    return request->route->is_for_all != NULL && request->route->is_for_all(request);
}

/* What a request costs in a turn: see route->cost. */
static inline size_t request_cost(const struct request *request)
{
    const struct route *route = request->route;
    return route == NULL || route->cost == NULL ? 0 : route->cost(request);
}

/* Writes the reply to an answered message. */
void request_reply(struct request *request, const struct serving *serving);

/* Bytes that a request holds now besides itself. */
size_t request_held(const struct request *request);

/* Frees what a request holds besides itself. After that, or all zeros, it can begin. */
void request_release(struct request *request);
