/*
 * Checks: how a reverse proxy asks about a request that it holds: which key it counts against.
 *
 * A check makes the key from a template: literal text and parts of the request
 * in braces, such as "api:{header:X-Api-Key}" or "{client_ip/64} {path}".
 *
 * A check owns its parts, and never changes once built. Any thread. Never
 * blocks. Errors: as each function says.
 */
#pragma once

#include "limits/key.h"
#include "limits/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define CHECKS_MAX 100
#define CHECK_NAME_MAX 64      /* bytes: letters, digits, '-', '_' and '.', no '.' in front */
#define CHECK_TEMPLATE_MAX 512 /* bytes */
#define CHECK_PARTS_MAX 16     /* literals included */
#define CHECK_TRUSTED_MAX 64
#define CHECK_DENY_STATUS_MIN 400
#define CHECK_DENY_STATUS_MAX 599
#define CHECK_DENY_STATUS_DEFAULT 403
#define CHECK_FAULT_MAX 256

struct check;

/* What a check is made from; copied. */
struct check_terms {
    const char *name;
    const char *limit; /* NULL: the first limit that matches the key */
    const char *key;   /* the template */
    unsigned deny_status;
    bool missing_allows;        /* when a part is missing; else it denies */
    const char *const *trusted; /* proxies: "unix", an address, or a network such as 10.0.0.0/8 */
    uint32_t trusted_count;
};

/* Whether these can be part of a check; if not, `fault` says what is wrong and what is allowed. */
bool check_name_is_valid(const char *name);
bool check_template_is_valid(const char *template, char fault[CHECK_FAULT_MAX]);
bool check_trusted_is_valid(const char *text);

/* NULL: no memory. All of the terms must be valid. */
struct check *check_new(const struct check_terms *terms);
void check_free(struct check *check); /* NULL is fine */

/* The terms as they were given; they live as long as the check. */
const struct check_terms *check_terms(const struct check *check);

/* Whether its keys may hold what nobody else is to see: the value of a header field. */
bool check_key_is_private(const struct check *check);

/* What a request has to be asked for. Strings are borrowed during check_key. */
struct check_request {
    const char *method;
    /* of the raw target, behind /check/NAME: begins with '/', or is empty; no query */
    const char *suffix;
    const struct sockaddr *peer;
    /* The value of the field of this name (any case) and its length: the first
     * for index 0, and so on; NULL when there are no more. */
    const char *(*field)(void *context, const char *name, unsigned index, size_t *len);
    void *context;
};

/* The key that a request counts against, NUL-terminated: what the template makes
 * of it, or the SHA-256 of that where it is no valid key, too long for instance.
 * false: a part is missing. */
bool check_key(const struct check *check, const struct check_request *request,
               char key[KEY_MAX + 1], size_t *key_len);
