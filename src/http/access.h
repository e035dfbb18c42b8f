/*
 * Access: who may call what: where a connection came in, whose token it brings,
 * and whether a web page of another origin is behind it.
 *
 * Fed with one header field at a time, in order, each past the gate; what it
 * remembers of them is borrowed. Owns nothing. One thread. Never blocks.
 */
#pragma once

#include "ask/contract.h"
#include "http/route.h"

#include <stdbool.h>
#include <stddef.h>

/* A field's value, and how often the field was there. */
struct access_value {
    const char *text;
    size_t len;
    unsigned count;
};

/* All zeros before the first field. */
struct access {
    struct access_value host, origin, fetch_site, authorization;
};

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_UNGUARDED,    /* it is not served where anybody is an admin */
    ACCESS_ADMIN_APART,  /* it is served on the listeners for admins */
    ACCESS_OTHER_ORIGIN, /* a web page of another origin is behind it */
    ACCESS_NO_TOKEN,
    ACCESS_WRONG_TOKEN,
};

void access_field(struct access *access, const char *name, size_t name_len, const char *value,
                  size_t value_len);

/* After the last field. is_admin: the connection came in on a listener for admins;
 * admin_apart: there are such listeners. */
enum access_verdict access_judge(const struct access *access, const struct route *route,
                                 bool is_admin, bool admin_apart, const struct contract *contract);

/* Of a verdict other than GRANTED: the status, what to say, and of a 401 the
 * WWW-Authenticate field. */
unsigned access_status(enum access_verdict verdict);
const char *access_detail(enum access_verdict verdict);
const char *access_challenge(enum access_verdict verdict);
