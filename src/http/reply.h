/*
 * Replies: what goes back to a client, as text: status, headers and body.
 *
 * Owns its buffers, and a large body. A reply points into itself, so it must not be copied or
 * moved. Any thread. Never blocks. Errors: reply_take_body.
 */
#pragma once

#include "ask/check.h"
#include "base/text.h"
#include "brain/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_BODY_MAX 4096
#define REPLY_DETAIL_MAX 384
#define REPLY_NUMBER_MAX ((size_t)20) /* digits */

/* Header fields of a reply at most, and bytes of their values, NULs included: those of a dialect,
 * those that say when to come back, then those that a check writes out. */
#define REPLY_DIALECT_FIELDS_MAX 3
#define REPLY_DIALECT_VALUES_MAX 1216
#define REPLY_RETRY_FIELDS_MAX 2
#define REPLY_RETRY_VALUES_MAX 64
#define REPLY_FIELDS_MAX (REPLY_DIALECT_FIELDS_MAX + REPLY_RETRY_FIELDS_MAX + CHECK_FIELDS_MAX)
#define REPLY_VALUES_MAX (REPLY_DIALECT_VALUES_MAX + REPLY_RETRY_VALUES_MAX + CHECK_FIELDS_ROOM)

/* The most bytes of RateLimit-Policy. Its text belongs to the limits and is not in `values`. */
#define REPLY_POLICY_MAX (BUCKETS_MAX * (POLICY_NAME_MAX + sizeof ", ;q=;w=" + (size_t)2 * 20))

/* A header field of one reply. */
struct reply_field {
    const char *name; /* always the same pointer for the same name */
    const char *value;
};

/* What to say instead if there is no memory to send a reply: what was decided or done; for any
 * other reply, that it is unavailable. */
enum reply_terse { TERSE_ALLOWED, TERSE_DENIED, TERSE_DONE, TERSE_UNAVAILABLE, TERSE_COUNT };

struct reply {
    unsigned status;
    enum reply_terse terse;
    bool close;               /* this reply is the last on its connection */
    bool goes_on;             /* its body is what route->flow writes, and it is the last */
    bool recurs;              /* the next reply on the connection may differ in its values only */
    const char *content_type; /* always the same pointer for the same type; NULL: no content */
    const char *allow;        /* Allow, or NULL */
    const char *authenticate; /* WWW-Authenticate, or NULL */
    uint32_t fields_count;
    struct reply_field fields[REPLY_FIELDS_MAX];
    size_t values_len;
    char values[REPLY_VALUES_MAX]; /* the texts that `fields` points to, each with its NUL */
    size_t body_len;
    char *large_body;   /* a body that does not fit into `body`, from malloc; else NULL */
    size_t large_spare; /* bytes of its memory beyond body_len */
    char body[REPLY_BODY_MAX];
};

/* Media types, for content_type. */
extern const char reply_type_json[], reply_type_problem[];

/* Begins a reply without fields and with an empty body; `terse` is TERSE_UNAVAILABLE. */
void reply_begin(struct reply *reply, unsigned status, const char *content_type);

/* Adds a header field. The value is borrowed until the reply has been sent. */
void reply_add_field(struct reply *reply, const char *name, const char *value);

/* Writes the value of a field, and adds the field. Fields may be added in between. */
struct text reply_begin_value(struct reply *reply);
void reply_end_value(struct reply *reply, const char *name, struct text *value);

/* Adds a field that is a number. */
void reply_add_number(struct reply *reply, const char *name, uint64_t number);

/* Returns the text that the body is written with. */
static inline struct text reply_begin_body(struct reply *reply)
{
    return text_begin(reply->body, sizeof reply->body);
}

static inline void reply_end_body(struct reply *reply, struct text *body)
{
    reply->body_len = text_end(body);
}

/* Makes a reply whose body is a growing text. If the text ran out of memory, the reply is a problem
 * of short_status and short_detail instead. */
void reply_take_body(struct reply *reply, unsigned status, const char *content_type,
                     struct text *body, unsigned short_status, const char *short_detail);

/* Makes an error: application/problem+json (RFC 9457). The detail says what to do. */
void reply_problem(struct reply *reply, unsigned status, const char *detail);
