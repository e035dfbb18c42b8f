/*
 * Forwarded requests: what a request was before a proxy asked about it.
 *
 * A proxy tells in X-Forwarded-* fields, which count only from one that is
 * trusted. If a field is there several times the last one counts: it is the
 * nearest proxy's, should that add to what it was sent and not replace it.
 *
 * Pieces point into the request. Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "ask/check.h"

#include <stdbool.h>
#include <stddef.h>

struct piece {
    const char *bytes; /* NULL: not there */
    size_t len;
};

/* The piece from begin up to end, without blanks around it. */
struct piece piece_trimmed(const char *begin, const char *end);

/* The value of a field; blanks around it are no part of it (RFC 9110, 5.5). */
struct piece forwarded_field(const struct check_request *request, const char *name, unsigned index);

struct piece forwarded_method(const struct check_request *request, bool is_trusted);

/* Without the port. */
struct piece forwarded_host(const struct check_request *request, bool is_trusted);

/* Without scheme, authority, query and fragment; escapes are left as they are; "/" if empty. */
struct piece forwarded_path(const struct check_request *request, bool is_trusted);
