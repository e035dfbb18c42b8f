/*
 * Replies: what goes back to a client, as text: status, headers and body.
 *
 * Owns its buffers, and a large body. A reply points into itself: it is written
 * where it stays. Any thread. Never blocks.
 */
#pragma once

#include "base/text.h"
#include "brain/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_BODY_MAX 4096
#define REPLY_DETAIL_MAX 320
#define REPLY_FIELDS_MAX 4    /* three of a dialect, and Retry-After */
#define REPLY_VALUES_MAX 1280 /* bytes, NULs included */

/* The most that RateLimit-Policy takes, which is the limits' and not in `values`. */
#define REPLY_POLICY_MAX (BUCKETS_MAX * (POLICY_NAME_MAX + sizeof ", ;q=;w=" + (size_t)2 * 20))

/* A header field with a number that tells how the key stands. */
struct reply_field {
    const char *name; /* always the same pointer for the same name */
    const char *value;
};

/* What to say instead if there is no memory to send a reply: what was decided or done, and
 * of anything else that it cannot be told. */
enum reply_terse { TERSE_ALLOWED, TERSE_DENIED, TERSE_DONE, TERSE_UNAVAILABLE, TERSE_COUNT };

struct reply {
    unsigned status;
    enum reply_terse terse;
    bool close;               /* the connection, after this */
    bool recurs;              /* the next one on the connection is likely to be much the same */
    const char *content_type; /* always the same pointer for the same type; NULL: no content */
    const char *allow;        /* Allow, or NULL */
    const char *authenticate; /* WWW-Authenticate, or NULL */
    uint32_t fields_count;
    struct reply_field fields[REPLY_FIELDS_MAX];
    size_t values_len;
    char values[REPLY_VALUES_MAX]; /* those of the fields, each with its NUL */
    size_t body_len;
    char *large_body; /* a body that has no room in `body`, from malloc; else NULL */
    char body[REPLY_BODY_MAX];
};

/* Media types: the same pointers always. */
extern const char reply_type_json[], reply_type_problem[];

/* A reply without fields, TERSE_UNAVAILABLE, and with a body still to be written. */
void reply_begin(struct reply *reply, unsigned status, const char *content_type);

/* A text that is to be the body. */
static inline struct text reply_begin_body(struct reply *reply)
{
    return text_begin(reply->body, sizeof reply->body);
}

static inline void reply_end_body(struct reply *reply, struct text *body)
{
    reply->body_len = text_end(body);
}

/* A reply whose body is a text that has grown. Where that found no memory it is a problem
 * instead, of this status and detail. */
void reply_take_body(struct reply *reply, unsigned status, const char *content_type,
                     struct text *body, unsigned short_status, const char *short_detail);

/* An error: application/problem+json (RFC 9457) whose detail says what to do. */
void reply_problem(struct reply *reply, unsigned status, const char *detail);
