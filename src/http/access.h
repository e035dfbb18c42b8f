/*
 * Access: decides who may call what, by the listener that a connection came in on, by the token
 * that a request brings, and by whether a web page of another origin is behind it. It also notes on
 * what conditions a request is made.
 *
 * The caller shows it each header field, in order, once the gate has let the field pass. The values
 * are borrowed. Owns nothing. Threads: one at a time. Never blocks. Never fails.
 */
#pragma once

#include "ask/contract.h"
#include "http/route.h"

#include <stdbool.h>
#include <stddef.h>

/* The last value of a field, and how often the field was there. */
struct access_value {
    const char *text;
    size_t len;
    unsigned count;
};

/* All zeros before the first field, but for is_tcp. */
struct access {
    bool is_tcp; /* the connection is one of TCP, so a browser can be behind it */
    struct access_value host, origin, fetch_site, authorization;
    bool wants_tag;     /* an If-Match names entity tags, and nothing here has one */
    bool wants_absence; /* If-None-Match: *, and everything here is there */
};

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_UNGUARDED,    /* refused, because no admin_listen and no admin token is configured */
    ACCESS_ADMIN_APART,  /* refused here, because it is served on the listeners for admins */
    ACCESS_OTHER_HOST,   /* it names a host that may be anybody's */
    ACCESS_OTHER_ORIGIN, /* a web page of another origin is behind it */
    ACCESS_NO_TOKEN,
    ACCESS_WRONG_TOKEN,
};

void access_field(struct access *access, const char *name, size_t name_len, const char *value,
                  size_t value_len);

/* Call it after the last field. method: a METHOD_ bit; is_admin: the connection came in on a listener
 * for admins; admin_apart: there are such listeners. */
enum access_verdict access_judge(const struct access *access, const struct route *route,
                                 unsigned method, bool is_admin, bool admin_apart,
                                 const struct contract *contract);

/* If the verdict is not ACCESS_GRANTED: the status of the refusal, its detail, and the
 * WWW-Authenticate field of a 401 (NULL: the status is another). */
unsigned access_status(enum access_verdict verdict);
const char *access_detail(enum access_verdict verdict);
const char *access_challenge(enum access_verdict verdict);
