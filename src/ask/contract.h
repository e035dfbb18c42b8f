/*
 * The contract: the part of what callers see over HTTP that a configuration can choose.
 *
 * A contract is built once, then never changes; a reload builds another. It is
 * shared by reference count with the front-ends.
 *
 * Owns its checks. Threads: contract_add_check before it is shared; all else
 * from any thread. Never blocks. Errors: NULL or false, no memory.
 */
#pragma once

#include "ask/check.h"
#include "base/secret.h"

#include <stdatomic.h>
#include <stdint.h>

/* The names that the fields with the numbers of an answer go by. */
enum headers_dialect {
    HEADERS_IETF, /* draft-ietf-httpapi-ratelimit-headers-08 to -11 */
    /* the same draft in its third version: RateLimit-Limit, -Remaining, -Reset */
    HEADERS_DRAFT_03,
    HEADERS_X_RATELIMIT, /* X-RateLimit-Limit, -Remaining, -Reset, in seconds from now */
    HEADERS_NONE,
};
#define HEADERS_DIALECTS 4
/* as the configuration has them */
extern const char *const headers_dialect_names[HEADERS_DIALECTS];

struct contract {
    atomic_uint references;
    enum headers_dialect headers;
    struct secret admin_token; /* set before it is shared */
    uint32_t checks_count;
    struct check *checks[CHECKS_MAX];
};

/* Without checks, with one reference. */
struct contract *contract_new(enum headers_dialect headers);

/* Adds a check of a name that is not there yet; at most CHECKS_MAX. */
bool contract_add_check(struct contract *contract, const struct check_terms *terms);

/* The check of that name, or NULL. */
const struct check *contract_find_check(const struct contract *contract, const char *name,
                                        size_t len);

struct contract *contract_retain(struct contract *contract);
void contract_release(struct contract *contract); /* NULL is fine; the last one frees */
