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
#define CHECK_ALLOW_STATUS 200
#define CHECK_DENY_STATUS_MIN 400
#define CHECK_DENY_STATUS_MAX 599
#define CHECK_DENY_STATUS_DEFAULT 403
#define CHECK_STATUS_MIN 200 /* of an answer that is written out */
#define CHECK_STATUS_MAX 599
#define CHECK_RULES_MAX 32       /* of one kind */
#define CHECK_RULE_LIST_MAX 64   /* methods, paths or networks of a rule */
#define CHECK_RULE_PATH_MAX 8000 /* bytes of a request's path that rules look at */
#define CHECK_FIELDS_MAX 8       /* header fields of an answer */
#define CHECK_FIELDS_ROOM 768    /* bytes that they may take, at their longest */
#define CHECK_BODY_ROOM 3072     /* bytes that the body of an answer may take, at its longest */
#define CHECK_FIELD_NAME_MAX 64  /* bytes of client_ip_header */
#define CHECK_TYPE_MAX 128       /* bytes of a Content-Type */
#define CHECK_TYPE_DEFAULT "text/plain"
#define CHECK_FAULT_MAX 384

struct check;

/* Which requests a rule holds for: those that have one of each list that is not empty. */
struct check_rule_terms {
    const char *const *methods, *const *paths, *const *networks;
    uint32_t methods_count, paths_count, networks_count;
    uint64_t tokens; /* of `cost`: 1 to TOKENS_MAX */
};

/* Whom an answer is for. */
enum check_case {
    CHECK_ALLOW,
    CHECK_DENY,
    CHECK_NEVER,   /* denied, and waiting never cures it */
    CHECK_MISSING, /* a part of the key is missing */
    CHECK_CASES,
};
/* as the configuration names them */
extern const char *const check_case_names[CHECK_CASES];

/* An answer that is written out. */
struct check_answer_terms {
    bool is_given;    /* false: the rest is not set */
    unsigned status;  /* 0: as if it were not written out */
    const char *type; /* NULL: CHECK_TYPE_DEFAULT if there is a body */
    const char *body; /* a wording; NULL: none, or the usual problem if the status is an error */
    const char *const *headers; /* "NAME: VALUE", where VALUE is a wording */
    uint32_t headers_count;
};

/* What a check is made from; everything is copied. */
struct check_terms {
    const char *name;
    const char *limit; /* NULL: the first limit that matches the key */
    const char *key;   /* the template */
    unsigned deny_status;
    unsigned never_status; /* 0: the same as of another denial */
    uint32_t wait_ms;      /* how long a request may wait for its tokens; 0: not at all */
    bool missing_allows;   /* what happens if a part is missing: true: allowed, false: denied */
    uint32_t skip_count, cost_count;
    const struct check_rule_terms *skip, *cost;
    struct check_answer_terms answers[CHECK_CASES];
    const char *client_ip_header; /* in which they tell the client's address; NULL: the usual one */
    const char *const *trusted;   /* proxies: "unix", an address, or a network such as 10.0.0.0/8 */
    uint32_t trusted_count;
};

/* The case that holds in the place of one whose answer is not written out; of ALLOW and DENY, the case
 * itself. */
enum check_case check_case_otherwise(const struct check_terms *terms, enum check_case which);

/* The status of the answer in a case. Of the terms it needs the statuses and missing_allows only. */
unsigned check_status(const struct check_terms *terms, enum check_case which);

/* Whether these are valid in a check. If a template is not, `fault` says what is wrong and what is
 * allowed. */
bool check_name_is_valid(const char *name);
bool check_template_is_valid(const char *template, char fault[CHECK_FAULT_MAX]);
bool check_trusted_is_valid(const char *text);

/* Whether a valid template has a part that can never count: a request is never without a method or
 * a path, so nothing falls back from those. */
bool check_template_has_dead_part(const char *template);

/* Whether a valid text trusts everybody: all of IPv4, or all of IPv6. */
bool check_trusted_is_everybody(const char *text);

/* The same of "NAME: VALUE". *longest: the bytes that it takes in an answer, at its longest. */
bool check_header_is_valid(const char *header, char fault[CHECK_FAULT_MAX], size_t *longest);

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
    bool is_trusted; /* what check_trusts says of the peer; false: no field of a proxy counts */
    /* The host that the target names, which then counts in place of the field Host; mostly NULL. */
    const char *host;
    size_t host_len;
    /* Calls `take` with each field of this name (in any case), the first one first, until it returns
     * false. One walk through the header, however many there are. */
    void (*fields)(void *context, const char *name,
                   bool (*take)(void *taker, const char *value, size_t len), void *taker);
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

/* Whether a peer is a trusted proxy of the check. */
bool check_trusts(const struct check *check, const struct sockaddr *peer);

/* Whether a request passes uncounted; if not, how many tokens it costs. */
bool check_skips(const struct check *check, const struct check_request *request);
uint64_t check_cost(const struct check *check, const struct check_request *request);

/* A header field of an answer. */
struct check_field {
    const char *name, *value; /* value: a wording */
};

/* How a check answers in one case: what is written out, or what holds in its place. */
struct check_answer {
    unsigned status;
    bool is_written_out;     /* false: the rest is not set, and the answer is the usual one */
    const char *type, *body; /* as in the terms, but type is set if there is a body */
    uint32_t fields_count;
    struct check_field fields[CHECK_FIELDS_MAX];
};
const struct check_answer *check_answer(const struct check *check, enum check_case which);

/* Makes the key that a request counts for, NUL-terminated: what the template makes of it, or the
 * SHA-256 of that if it is no valid key, because it is too long for instance. false: a part is
 * missing. */
bool check_key(const struct check *check, const struct check_request *request,
               char key[KEY_MAX + 1], size_t *key_len);
