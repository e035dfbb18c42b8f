/*
 * Checks: which key a request counts for, when a reverse proxy asks about one that it holds.
 *
 * The key is made from a template: literal text, and parts of the request in braces, such as
 * "api:{header:X-Api-Key}" or "{client_ip/64} {path}".
 *
 * A check owns its parts, and never changes once built. Any thread. Never blocks. Errors: as
 * each function says.
 */
#pragma once

#include "base/form.h"
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

/* What a check is made from; everything is copied. */
struct check_terms {
    const char *name;
    const char *limit; /* NULL: the first limit that matches the key */
    const char *key;   /* the template */
    unsigned deny_status;
    bool missing_allows; /* what happens if a part is missing: true: allowed, false: denied */
    const char *const *trusted; /* proxies: "unix", an address, or a network such as 10.0.0.0/8 */
    uint32_t trusted_count;
};

/* Whether these are valid in a check. If a template is not, `fault` says what is wrong and what is
 * allowed. */
bool check_name_is_valid(const char *name);
bool check_template_is_valid(const char *template, char fault[CHECK_FAULT_MAX]);
bool check_trusted_is_valid(const char *text);

/* All of the terms must be valid. NULL: no memory. */
struct check *check_new(const struct check_terms *terms);
void check_free(struct check *check); /* NULL is fine */

/* The terms as they were given, borrowed for as long as the check lives. */
const struct check_terms *check_terms(const struct check *check);

/* Whether keys of this check may be secret: they hold a value that a client has sent, of a header
 * field, a query or a body. */
bool check_key_is_private(const struct check *check);

/* Whether keys of this check hold parts of the body, so that they can be made only once that is
 * whole. */
bool check_reads_body(const struct check *check);

/* What check_key asks of a request. Strings are borrowed while it runs; those but form and json hold
 * until the request has been replied to. */
struct check_request {
    const char *method;
    /* what the raw target has behind /check/NAME, without the query: empty, or begins with '/' */
    const char *suffix;
    const struct sockaddr *peer;
    /* The value and length of the field of this name (in any case): index 0 is the first one.
     * NULL: there are no more. */
    const char *(*field)(void *context, const char *name, unsigned index, size_t *len);
    /* Calls `take` with each parameter of the target's query, still escaped. */
    void (*parameters)(void *context, void (*take)(void *taker, const struct form_pair *parameter),
                       void *taker);
    void *context;
    /* The body, if it is a form, as it came; else NULL. */
    const char *form;
    size_t form_len;
    /* The text of a member of the object that the body is in JSON, and its length; the text holds
     * until the next call. NULL: there is no such member, or it is neither a string nor a whole
     * number nor a boolean. */
    const char *(*json)(void *json_context, const char *name, size_t *len);
    void *json_context; /* NULL: the body is no object in JSON, and `json` is not called */
};

/* Makes the key that a request counts for, NUL-terminated: what the template makes of it, or the
 * SHA-256 of that if it is no valid key, because it is too long for instance. false: a part is
 * missing. */
bool check_key(const struct check *check, const struct check_request *request,
               char key[KEY_MAX + 1], size_t *key_len);
