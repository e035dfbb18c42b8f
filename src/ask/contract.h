/*
 * The contract: what a configuration decides about HTTP: header names, checks, admin token.
 *
 * A contract is built once, then never changes; a reload builds another. It is shared by
 * reference count: each front-end holds one.
 *
 * Owns its checks. Threads: call contract_add_check before it is shared; all else from any
 * thread. Never blocks. Errors: NULL or false when there is no memory.
 */
#pragma once

#include "ask/check.h"
#include "base/secret.h"

#include <stdatomic.h>
#include <stdint.h>

/* Which header fields carry the numbers of an answer, a row for each dialect: its constant, its word
 * in the configuration, and its file in http/dialects/. */
#define HEADERS_TABLE(X)                                                                           \
    X(IETF, "ietf", ietf)                                                                          \
    X(IETF_ACW, "ietf-acw", ietf_acw)                                                              \
    X(DRAFT_03, "draft-03", draft_03)                                                              \
    X(X_RATELIMIT, "x-ratelimit", x_ratelimit)                                                     \
    X(X_RATELIMIT_EPOCH, "x-ratelimit-epoch", x_ratelimit_epoch)                                   \
    X(NONE, "none", none)

enum headers_dialect {
#define X(constant, word, file) HEADERS_##constant,
    HEADERS_TABLE(X)
#undef X
        HEADERS_DIALECTS,
};
/* as the configuration has them */
extern const char *const headers_dialect_names[HEADERS_DIALECTS];

/* Names by which admins may call. */
#define HOSTS_MAX 32
#define HOST_NAME_BYTES_MAX 253 /* RFC 1035 has 255 bytes for it, with lengths */

struct contract {
    atomic_uint references;
    enum headers_dialect headers;
    bool retry_after_ms;       /* a denial also has Retry-After-Ms; set before it is shared */
    uint32_t wait_max_ms;      /* the most that a caller may ask to wait; set before it is shared */
    struct secret admin_token; /* set before the contract is shared */
    uint32_t hosts_count;
    char hosts[HOSTS_MAX][HOST_NAME_BYTES_MAX + 1]; /* likewise */
    uint32_t checks_count;
    struct check *checks[CHECKS_MAX];
};

/* A contract without checks, with one reference. */
struct contract *contract_new(enum headers_dialect headers);

/* Adds a check, of which the name must be new; at most CHECKS_MAX. */
bool contract_add_check(struct contract *contract, const struct check_terms *terms);

/* Whether a host that a request names is the server's own, for all that a browser can be made to
 * believe: an address, localhost, or one of the contract's hosts. It may have a port, and is a valid
 * one as far as its characters go. */
bool contract_is_own_host(const struct contract *contract, const char *host, size_t len);

/* The check of that name, or NULL. */
const struct check *contract_find_check(const struct contract *contract, const char *name,
                                        size_t len);

struct contract *contract_retain(struct contract *contract);
void contract_release(struct contract *contract); /* NULL is fine; the last one frees */
