/*
 * Replies: what goes back to a client, as text: status, headers and body.
 *
 * Owns nothing but its buffers. Any thread. Never blocks.
 */
#pragma once

#include "brain/message.h"

#include <stdbool.h>
#include <stddef.h>

#define REPLY_BODY_MAX 2048
#define REPLY_DETAIL_MAX 320
#define REPLY_RATE_LIMIT_MAX (2 * LIMIT_NAME_MAX + 64)
#define REPLY_RETRY_AFTER_MAX 24

struct reply {
    unsigned status;
    bool close;                             /* the connection, after this */
    const char *content_type;               /* always the same pointer for the same type */
    const char *allow;                      /* Allow, or NULL */
    const char *rate_limit_policy;          /* RateLimit-Policy, or NULL */
    char rate_limit[REPLY_RATE_LIMIT_MAX];  /* RateLimit, if there is a policy */
    char retry_after[REPLY_RETRY_AFTER_MAX]; /* Retry-After; empty: none */
    size_t body_len;
    char *large_body; /* a body that has no room in `body`, from malloc; else NULL */
    char body[REPLY_BODY_MAX];
};

/* An error: application/problem+json (RFC 9457) whose detail says what to do. */
void reply_problem(struct reply *reply, unsigned status, const char *detail);

/* An answer to ALLOW, RESET, REFUND or STATUS, but not BUCKET_NO_SUCH_LIMIT. */
void reply_bucket(struct reply *reply, const struct message *message);

/* An answer to DAEMON. */
void reply_daemon(struct reply *reply, const struct daemon_answer *answer);
