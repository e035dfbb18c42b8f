/*
 * The table of routes: one row for each.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "http/route.h"

/* Routes that serve paths below theirs come first. The others are looked up in this order, and
 * /metrics shows them in it. The place of a row, from 1, is the route's number. */
#define ROUTES(X)                                                                                  \
    X(check)                                                                                       \
    X(allow)                                                                                       \
    X(reset)                                                                                       \
    X(refund)                                                                                      \
    X(charge)                                                                                      \
    X(acquire)                                                                                     \
    X(release)                                                                                     \
    X(renew)                                                                                       \
    X(status)                                                                                      \
    X(keys)                                                                                        \
    X(explain)                                                                                     \
    X(events)                                                                                      \
    X(overrides)                                                                                   \
    X(metrics)                                                                                     \
    X(healthz)                                                                                     \
    X(readyz)                                                                                      \
    X(reload)                                                                                      \
    X(page)

/* What a client reads that asks for any other path. It must name every path. */
#define ROUTES_NO_SUCH_PATH                                                                        \
    "no such path; there are /allow, /charge, /refund, /reset and /status, /acquire, /renew and "  \
    "/release, /keys, /explain, /overrides and /events, /metrics, /healthz and /readyz, /reload, " \
    "the checks below /check/, and / for a browser"

#define X(name) extern const struct route route_##name;
ROUTES(X)
#undef X

extern const struct route route_whole;

extern const struct route_table route_table;
