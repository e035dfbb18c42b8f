/*
 * Routes: what can be called, each as one thing: how it is called, what it asks, how it replies.
 *
 * A route is data and functions, all in one file of routes/; a row of routes/table.h puts it
 * into the table. Whoever serves it (request.c, access.c, wire/) knows none by its name.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct check_request;
struct contract;
struct request;
struct serving;

/* Method bits. Any method without one of its own is METHOD_OTHER. */
enum {
    METHOD_GET = 1,
    METHOD_HEAD = 2,
    METHOD_POST = 4,
    METHOD_DELETE = 8,
    METHOD_OTHER = 16,
    METHOD_ANY = 31,
    METHOD_CONNECT = 32, /* asks for a tunnel, and never for a path: no route takes it */
};

unsigned method_parse(const char *method);

/* A parameter of a query or a form. Those that several routes take are in parameters.h. */
struct parameter {
    const char *name;
    /* Takes the value, which is still escaped; request_refuse if it is none. */
    void (*parse)(struct request *request, const char *value, size_t len);
};

/* Whom the message goes to that `ask` fills in. */
enum route_asks {
    ROUTE_ASKS_BRAIN,       /* the decider */
    ROUTE_ASKS_MAIN_THREAD, /* the main thread, which alone reads the configuration */
};

/* What all that is served in one turn of a front-end may cost together, in bytes of a
 * list's body: it takes some milliseconds. See wire/turns.h. */
#define ROUTE_COST_TURN 65536

/* What is zero or NULL is not so, or not done. */
struct route {
    const char *path;                          /* has one slash, at its begin */
    const char *below;                         /* every path below is its own: "/NAME", to show */
    unsigned methods;                          /* METHOD_ bits */
    const char *allow;                         /* the same, as an Allow header */
    const struct parameter *const *parameters; /* those it takes, then NULL */
    bool takes_list;    /* a POST may bring a list of requests, in JSON: see list.h */
    bool header_only;   /* its query and its body are another's, and not looked at */
    bool is_admin;      /* for admins, where there are listeners of their own or a token */
    bool is_guarded;    /* not served at all where there are neither */
    bool changes_state; /* so no web page of another origin may call it */
    enum route_asks asks;

    /* What a request costs in a turn once its body is whole, or when it asks again. NULL or
     * 0: so little that it need not wait for a turn. */
    size_t (*cost)(const struct request *request);

    /* Before the parameters are taken: gives those that are not there their defaults. */
    void (*begin)(struct request *request);

    /* When the header has arrived: takes what it needs of it. path: of the raw target. */
    void (*heed_header)(struct request *request, const struct contract *contract, const char *path,
                        struct check_request asked);

    /* Call -> question: fills in the message, or refuses. What the reply needs room for is
     * taken here: once tokens are taken a reply must not fail. */
    void (*ask)(struct request *request);

    /* Whether an answered message is to be asked once more: the answer is added to. */
    bool (*asks_again)(const struct request *request);

    /* Answer -> reply. It says also what to tell if there is no memory for that reply
     * (reply->terse). */
    void (*reply)(struct request *request, const struct serving *serving);

    /* If the state thread has not answered for so long: the reply then. NULL: it waits. */
    void (*reply_stalled)(struct request *request, uint64_t waited_ms);

    /* Frees what of its own it holds (request->own), at any time after `begin`. */
    void (*release)(struct request *request);
};

/* All routes. One is known by its number, for the counters: 1 for the first, and 0 for none. */
struct route_table {
    const struct route *const *routes; /* those with paths below them first */
    unsigned count;
    const char *no_such_path; /* what to say of a path that is none of them */
};

/* The number of the route that a path names, or 0: of one whose paths below are its own, by
 * the raw path; of the others, by the decoded one. */
unsigned route_find_below(const struct route_table *table, const char *raw, size_t len);
unsigned route_find(const struct route_table *table, const char *path, size_t len);

/* The route of a number; NULL: of none. */
static inline const struct route *route_at(const struct route_table *table, unsigned number)
{
    return number == 0 ? NULL : table->routes[number - 1];
}

/* The path of a number for people, or NULL beyond the last. */
const char *route_path(const struct route_table *table, unsigned number);
