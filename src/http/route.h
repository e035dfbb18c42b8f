/*
 * Routes: what can be called. A route says how it is called, what it asks and how it replies.
 *
 * A route is a struct of data and functions, all in one file of routes/; a row of routes/table.h
 * puts it into the table. Whoever serves it (request.c, access.c, wire/) knows no route by name.
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

/* A bit for each method. A method that has no bit of its own is METHOD_OTHER. */
enum {
    METHOD_GET = 1,
    METHOD_HEAD = 2,
    METHOD_POST = 4,
    METHOD_DELETE = 8,
    METHOD_QUERY = 16, /* RFC 10008: as safe as GET, and what is asked is in the body */
    METHOD_OPTIONS = 32,
    METHOD_PUT = 64,
    METHOD_OTHER = 128,
    METHOD_ANY = 255,
    METHOD_NONE =
        256, /* no route takes it: CONNECT, whose target is a host and never a path; and what
                        * is no token */
};

unsigned method_parse(const char *method);

/* A parameter of a query or a form. Those that several routes take are in parameters.h. */
struct parameter {
    const char *name;
    /* Takes the value, which is still escaped. Refuses the request if the value is wrong. */
    void (*parse)(struct request *request, const char *value, size_t len);
    bool suits_list;  /* it may be in the query of a list too */
    bool suits_lines; /* or of one that is in lines, only */
};

/* Who answers the message that `ask` fills in. */
enum route_asks {
    ROUTE_ASKS_BRAIN,       /* the decider */
    ROUTE_ASKS_MAIN_THREAD, /* the main thread, which alone reads the configuration */
};

/* How a reply goes on that has no end of its own: see reply->goes_on. */
struct route_flow {
    /* Writes more of the body; 0: nothing is left of what came with the last answer. */
    size_t (*write)(struct request *request, uint64_t wall_ms, char *bytes, size_t room);

    /* Fills in the message that asks for more. ends: what it brings is to be the last, and it must not
     * wait. false: the body is whole. */
    bool (*ask)(struct request *request, bool ends);

    /* The answer to that has come home. */
    void (*take)(struct request *request);

    /* Writes something that a reader ignores, between two pieces of the body: `write` has just had
     * nothing. The letter may be away. */
    size_t (*beat)(struct request *request, char *bytes, size_t room);
};

/* The most that the requests of one turn of a front-end may cost together; it takes some
 * milliseconds. See wire/turns.h. */
#define ROUTE_COST_TURN 65536

/* What a byte of a list's body costs. */
#define ROUTE_COST_LIST_BYTE 4

/* Members may be left out: then a flag is false, and a function is not called. */
struct route {
    const char *path;                          /* begins with its only slash */
    const char *below;                         /* "/NAME": it serves all paths below too */
    unsigned methods;                          /* METHOD_ bits */
    const char *allow;                         /* the methods, as an Allow header */
    const struct parameter *const *parameters; /* the parameters it takes, then NULL */
    bool takes_list;    /* a POST may bring a list of requests, and a QUERY, where that is among the
                         * methods, must: see list.h */
    bool takes_object;  /* a PUT may bring a JSON object, which is the route's to read */
    bool header_only;   /* query and body belong to another service: heed_header has its say */
    bool is_admin;      /* for admins only, if there is an admin_listen or an admin token */
    bool is_tokenless;  /* is_admin, but the token is not asked for, because it tells nothing */
    bool is_guarded;    /* refused if there is neither */
    bool changes_state; /* so no web page of another origin may call it */
    enum route_asks asks;
    /* METHOD_ bits of those that only read: is_guarded, changes_state and `asks` are not for them, and
     * the decider answers them */
    unsigned reads;

    /* Whether a request is for everyone all the same, by the parameters of its query. Only of a route
     * that is_admin and changes nothing. */
    bool (*is_for_all)(const struct request *request);

    /* What a request costs in a turn, once its body is whole or when it asks again. NULL or 0: so
     * little that it need not wait for its turn. */
    size_t (*cost)(const struct request *request);

    /* Called before the parameters are read: sets their defaults. */
    void (*begin)(struct request *request);

    /* Called when the header has arrived: takes what it needs. path: of the raw target. */
    void (*heed_header)(struct request *request, struct contract *contract, const char *path,
                        struct check_request asked);

    /* Fills in the message, or refuses the request. Allocates what the reply will need, because
     * once tokens are taken a reply must not fail. */
    void (*ask)(struct request *request);

    /* Whether an answered message is to be asked once more, to add to its answer. */
    bool (*asks_again)(const struct request *request);

    /* Writes the reply to the answer, and sets reply->terse: what to tell if there is no memory
     * to send that reply. */
    void (*reply)(struct request *request, const struct serving *serving);

    /* How its replies go on, if they do. */
    const struct route_flow *flow;

    /* Writes the reply if the decider has not answered for so long. NULL: the request waits. */
    void (*reply_stalled)(struct request *request, uint64_t waited_ms);

    /* Frees what request->own holds. Called at any time after `begin`. */
    void (*release)(struct request *request);
};

/* Who answers a request, by its METHOD_ bit. */
static inline enum route_asks route_asks(const struct route *route, unsigned method)
{
    return (method & route->reads) != 0 ? ROUTE_ASKS_BRAIN : route->asks;
}

/* All routes. The counters know a route by its number: 1 is the first, 0 is no route. */
struct route_table {
    const struct route *const *routes; /* routes that serve paths below theirs come first */
    unsigned count;
    const char *no_such_path; /* the detail of the 404 for any other path */
    /* What answers OPTIONS of the server as a whole; it has no path and no number. NULL: nothing. */
    const struct route *whole;
};

/* The number of the route that a path names, or 0. route_find_below looks among the routes that
 * serve paths below theirs and takes the raw path; route_find takes the decoded path. */
unsigned route_find_below(const struct route_table *table, const char *raw, size_t len);
unsigned route_find(const struct route_table *table, const char *path, size_t len);

/* The route of a number; NULL for number 0. */
static inline const struct route *route_at(const struct route_table *table, unsigned number)
{
    return number == 0 ? NULL : table->routes[number - 1];
}

/* The path of a route's number, for people; NULL beyond the last. */
const char *route_path(const struct route_table *table, unsigned number);
