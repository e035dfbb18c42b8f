/*
 * Messages: everything that can be asked of the brain, and what it answers.
 *
 * A message is filled in by whoever asks, handed over, and comes back with the
 * answer in place. The asker owns it throughout, and must not touch it while
 * it is away.
 */
#pragma once

#include "pure/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum message_kind {
    MESSAGE_ALLOW,  /* may this key take so many tokens? */
    MESSAGE_RESET,  /* make this key's bucket full */
    MESSAGE_REFUND, /* give tokens back to this key */
    MESSAGE_STATUS, /* how full is this key's bucket? */
    MESSAGE_DAEMON, /* how is the whole? */
    MESSAGE_LIMITS, /* from now on decide by these limits; alone in its batch */
    MESSAGE_STOP,   /* the last message: the state thread ends; alone in its batch */
};

/* Of ALLOW, RESET, REFUND and STATUS. The strings are borrowed until the answer. */
struct bucket_question {
    const char *key; /* checked by key_check, NUL-terminated */
    size_t key_len;
    const char *limit_name; /* NULL: the first limit that matches the key */
    size_t limit_name_len;
    uint64_t tokens; /* of ALLOW and REFUND */
};

enum bucket_result {
    BUCKET_ALLOWED,        /* the tokens were taken; of the others: done */
    BUCKET_DENIED,         /* nothing was taken; there is a time when it will succeed */
    BUCKET_EXCEEDS_BURST,  /* nothing was taken; it never will */
    BUCKET_TABLE_FULL,     /* denied: no room for another key (when_full: deny) */
    BUCKET_UNCOUNTED,      /* allowed, nothing was taken: no room (when_full: allow) */
    BUCKET_NO_SUCH_LIMIT,  /* nothing was done, the rest of the answer is unset */
};

/* To ALLOW, RESET, REFUND and STATUS. */
struct bucket_answer {
    enum bucket_result result;
    const struct limit *limit;  /* which limit decided; lives as long as the batch's limits */
    uint64_t remaining_tokens;  /* whole tokens in the bucket now */
    uint64_t retry_after_ms;    /* of BUCKET_DENIED and BUCKET_TABLE_FULL; else 0 */
    uint64_t next_token_ms;     /* until one token more is there; 0: the bucket is full */
    uint64_t full_after_ms;     /* until the bucket is full */
    bool active;                /* the bucket is not full */
};

/* One list of everything the brain counts, since its start. */
#define BRAIN_COUNTERS(X)                                                                          \
    X(allowed)            /* ALLOW answered yes, looks included */                                 \
    X(denied)             /* ALLOW answered no */                                                  \
    X(resets)             /* RESET */                                                              \
    X(refunds)            /* REFUND */                                                             \
    X(statuses)           /* STATUS */                                                             \
    X(dropped_full)       /* entries dropped because the bucket had become full */                 \
    X(dropped_unlimited)  /* entries dropped because a reload took their limit away */             \
    X(evicted)            /* entries given away to make room */                                    \
    X(table_full_denied)  /* denied for want of room, also in denied */                            \
    X(table_full_allowed) /* allowed for want of room, also in allowed */                          \
    X(reloads)            /* LIMITS */

struct brain_counters {
#define X(name) uint64_t name;
    BRAIN_COUNTERS(X)
#undef X
};

/* What happens to a key that the table has no room for. */
enum when_full { WHEN_FULL_EVICT, WHEN_FULL_DENY, WHEN_FULL_ALLOW };
#define WHEN_FULL_COUNT 3
extern const char *const when_full_names[WHEN_FULL_COUNT]; /* as the configuration has them */

/* To DAEMON. */
struct daemon_answer {
    uint64_t uptime_ms;
    uint32_t keys, max_keys;
    enum when_full when_full;
    const struct limits *limits; /* lives as long as the batch's limits */
    struct brain_counters counters;
};

/* Of LIMITS. */
struct limits_question {
    struct limits *limits; /* the brain takes a reference of its own */
    enum when_full when_full;
};

struct message {
    enum message_kind kind;
    union {
        struct bucket_question bucket;
        struct limits_question limits;
    } ask;
    union {
        struct bucket_answer bucket;
        struct daemon_answer *daemon; /* of DAEMON: the asker's, filled in by the brain */
    } answer;
};
