/*
 * Replies: what goes back to a client, as text: status, headers and body.
 *
 * Owns its buffers, and a large body. A reply points into itself: it is written
 * where it stays. Any thread. Never blocks.
 */
#pragma once

#include "ask/contract.h"
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

struct reply {
    unsigned status;
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

/* A reply without fields, and with a body still to be written. */
void reply_begin(struct reply *reply, unsigned status, const char *content_type);

/* An error: application/problem+json (RFC 9457) whose detail says what to do. */
void reply_problem(struct reply *reply, unsigned status, const char *detail);

/* An answer to ALLOW, RESET, REFUND or STATUS, but not BUCKET_NO_SUCH_LIMIT. */
void reply_bucket(struct reply *reply, const struct message *message, enum headers_dialect dialect);

/* The same answer to a check's ALLOW: 200 without content, or `deny_status` and why,
 * which says nothing of the key: a proxy may pass it on to its client. */
void reply_check(struct reply *reply, const struct bucket_answer *answer, unsigned deny_status,
                 enum headers_dialect dialect);

/* To a request that lacks what its check's key is made of. */
void reply_check_missing(struct reply *reply, bool allows, unsigned deny_status);

/* An answer to EACH, ALL or LIST that names no limit that does not exist. It cannot
 * fail, tokens having been taken: the room for its body is there before the brain is
 * asked, reply_list_room bytes from malloc, and becomes the reply's. */
size_t reply_list_room(const struct list_question *ask);
void reply_list(struct reply *reply, const struct message *message, char *room);

/* An answer to DAEMON. */
void reply_daemon(struct reply *reply, const struct daemon_answer *answer);
