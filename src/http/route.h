/*
 * Routes: the one table of what can be called, how, and with which parameters.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "brain/message.h"

#include <stdbool.h>
#include <stddef.h>

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

/* Parameter bits. */
enum {
    PARAMETER_KEY = 1,
    PARAMETER_TOKENS = 2,
    PARAMETER_LIMIT = 4,
    PARAMETER_PREFIX = 8,
    PARAMETER_SORT = 16,
    PARAMETER_COUNT = 32,
    PARAMETER_CURSOR = 64,
};

/* What the answer to a route's message is for. */
enum route_purpose {
    ROUTE_QUESTION, /* it is what the client asked for */
    ROUTE_HEALTHZ,  /* that it came says that the state thread is alive */
    ROUTE_READYZ,   /* the same, and whether allowd serves */
    ROUTE_RELOAD,   /* it is not asked: the main thread is, for a reload */
};

struct route {
    const char *path;
    unsigned methods;           /* METHOD_ bits */
    const char *allow;          /* the same, as an Allow header */
    unsigned parameters;        /* PARAMETER_ bits it takes */
    const char *takes;          /* the same, for a person */
    enum message_kind with_key; /* what is asked when there is a key */
    int without_key;            /* and when there is none, or -1: it must have one */
    bool takes_list;            /* a POST may bring a list of requests, in JSON */
    enum route_purpose purpose;
    bool is_admin;      /* for admins, where there are listeners of their own or a token */
    bool changes_state; /* so no web page of another origin may call it */
};

/* A small number for each route, 0 for NULL; and the path of a number for people,
 * or NULL beyond the last. */
unsigned route_number(const struct route *route);
const char *route_number_path(unsigned number);

/* The route of a decoded path, or NULL. */
const struct route *route_find(const char *path, size_t len);

/* That of all checks: /check/NAME and every path below, whatever the method. */
#define ROUTE_CHECK_PREFIX "/check/"
extern const struct route route_check;

unsigned method_parse(const char *method);

/* The bit of a decoded parameter name, or 0. */
unsigned parameter_parse(const char *name, size_t len);
