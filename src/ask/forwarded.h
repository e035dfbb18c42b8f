/*
 * Forwarded requests: method, host and path of the request that a proxy asks about.
 *
 * A proxy tells them in X-Forwarded-* fields, which count only if the proxy is trusted. If a
 * field is there several times the last one counts: some proxies add to what they were sent
 * instead of replacing it, and the last one is the nearest proxy's.
 *
 * Pieces point into the request. Owns nothing. Any thread. Never blocks. Errors: a piece with
 * NULL bytes, if what is asked for is not there.
 */
#pragma once

#include "ask/check.h"

#include <stdbool.h>
#include <stddef.h>

/* Some bytes of a request. */
struct piece {
    const char *bytes; /* NULL: it is not there */
    size_t len;
};

/* The piece from begin to end, without the blanks around it. */
struct piece piece_trimmed(const char *begin, const char *end);

/* Calls `take` with the value of each field of this name, the first one first, until it returns false.
 * The blanks around a value are no part of it (RFC 9110, 5.5). */
void forwarded_fields(const struct check_request *request, const char *name,
                      bool (*take)(void *taker, struct piece value), void *taker);

/* The value of the first of them. */
struct piece forwarded_field(const struct check_request *request, const char *name);

struct piece forwarded_method(const struct check_request *request);

/* Without the port. */
struct piece forwarded_host(const struct check_request *request);

/* Without scheme, authority, query and fragment; escapes are left as they are; "/" if empty. */
struct piece forwarded_path(const struct check_request *request);

/* What follows the '?' of the target that a trusted proxy tells, without a fragment; it may be empty.
 * Nothing: no such proxy tells a target. */
struct piece forwarded_query(const struct check_request *request);
