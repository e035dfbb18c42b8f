/*
 * The table: every route there is, a row each.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "http/route.h"

/* Those with paths below them first; the others are looked for in this order. A route's place
 * is its number in the counters of requests, and the order in which /metrics shows them. */
#define ROUTES(X)                                                                                  \
    X(check)                                                                                       \
    X(allow)                                                                                       \
    X(reset)                                                                                       \
    X(refund)                                                                                      \
    X(status)                                                                                      \
    X(keys)                                                                                        \
    X(metrics)                                                                                     \
    X(healthz)                                                                                     \
    X(readyz)                                                                                      \
    X(reload)

/* What a client reads who asks for another path: it names all of them. */
#define ROUTES_NO_SUCH_PATH                                                                        \
    "no such path; there are /allow, /reset, /refund and /status, /keys, /metrics, /healthz and "  \
    "/readyz, /reload, and the checks below /check/"

#define X(name) extern const struct route route_##name;
ROUTES(X)
#undef X

extern const struct route_table route_table;
