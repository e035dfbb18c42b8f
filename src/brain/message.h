/*
 * Messages: everything that can be asked of the brain, and what it answers.
 *
 * A message is a letter: whoever asks fills it in and posts it, and it comes home with the
 * answer in place. The asker owns it throughout, and must not touch it while it is away.
 */
#pragma once

#include "brain/counters.h"
#include "brain/letter.h"
#include "brain/sampler.h"
#include "limits/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum message_kind {
    MESSAGE_ALLOW,         /* may this key take so many tokens? */
    MESSAGE_RESET,         /* make this key's buckets full */
    MESSAGE_REFUND,        /* give tokens back to this key */
    MESSAGE_STATUS,        /* how full are this key's buckets? */
    MESSAGE_EACH,          /* a list: ALLOW each, on its own */
    MESSAGE_ALL,           /* a list: ALLOW all of it, or none */
    MESSAGE_LIST,          /* a list: STATUS of each */
    MESSAGE_MISSING,       /* a check found no key: nothing but count it */
    MESSAGE_DAEMON,        /* how is the whole? */
    MESSAGE_METRICS,       /* the same, with all that is measured */
    MESSAGE_KEYS,          /* which keys are tracked, or denied most? */
    MESSAGE_RELOAD_FAILED, /* a reload changed nothing: nothing but count it */
    MESSAGE_STATE_LOST,    /* the state will not outlive the process: see brain_lose_state */
    MESSAGE_TALLY,         /* a front-end's own: what it has counted; answered at once */
    MESSAGE_RELOAD,        /* read the configuration again: of the main thread, not of the brain */
    MESSAGE_LIMITS,        /* from now on decide by these limits; it may have to wait for room */
    MESSAGE_STOP,          /* the last message: the state thread ends */
};

/* About one key under one limit. The strings are borrowed until the answer. */
struct bucket_question {
    const char *key; /* checked by key_check, NUL-terminated */
    size_t key_len;
    const char *limit_name; /* NULL: the first limit that matches the key */
    size_t limit_name_len;
    uint64_t tokens; /* of ALLOW and REFUND; at most TOKENS_MAX */
};

enum bucket_result {
    BUCKET_ALLOWED,       /* the tokens were taken; of the others: done */
    BUCKET_DENIED,        /* nothing was taken; there is a time when it will succeed */
    BUCKET_EXCEEDS_BURST, /* nothing was taken; it never will */
    BUCKET_TABLE_FULL,    /* denied: no room for another key (when_full: deny) */
    BUCKET_UNCOUNTED,     /* allowed, nothing was taken: no room (when_full: allow) */
    BUCKET_ALWAYS,        /* allowed, nothing was taken: an override never limits the key */
    BUCKET_NEVER,         /* denied: an override always denies the key */
    BUCKET_HELD_BACK,     /* of ALL: this one could have been allowed, but another could not */
    BUCKET_NO_SUCH_LIMIT, /* nothing was done, the rest of the answer is unset */
};

#define RETRY_NEVER UINT64_MAX

/* One of a limit's buckets, as the answer leaves it. */
struct bucket_state {
    uint64_t remaining_tokens; /* whole tokens in it now */
    uint64_t next_token_ms;    /* until one token more is there; RETRY_NEVER; 0: it is full */
    uint64_t full_after_ms;    /* until it is full */
    bool violated;             /* it did not hold what was asked for */
};

/* What is borrowed here lives as long as these limits: see `limits` of struct message. */
struct bucket_answer {
    enum bucket_result result;
    const struct limit *limit;         /* which decided */
    const struct override *override;   /* which held for the key, or NULL */
    const struct allowance *allowance; /* the buckets: the override's, or the limit's */
    uint64_t remaining_tokens;         /* the fewest of all buckets */
    /* until this very request would succeed; RETRY_NEVER; 0 if it did */
    uint64_t retry_after_ms;
    uint64_t full_after_ms;                   /* until all are full */
    bool active;                              /* not all are full */
    struct sample sample;                     /* if it denies: whether the log is to show it */
    struct bucket_state buckets[BUCKETS_MAX]; /* allowance->count of them */
};

/* Whether the answer is yes, a limit on trial aside. */
bool bucket_result_allows(enum bucket_result result);

/* Whether the caller is told yes, but of ALL: a limit on trial allows whatever it decided. */
bool bucket_answer_allows(const struct bucket_answer *answer);

/* Whether the answer to ALLOW, of whichever kind, is no, or is why all of a list is
 * refused: not what is on trial, nor what was only held back. */
bool bucket_answer_denies(const struct bucket_answer *answer);

/* One of a list. */
struct bucket_call {
    struct bucket_question ask;
    struct bucket_answer answer;
};

#define LIST_MAX 1000

/* Of EACH, ALL and LIST: the asker's. */
struct list_question {
    struct bucket_call *calls;
    uint32_t count; /* 1 to LIST_MAX */
};

/* To EACH, ALL and LIST, beside those of the calls. If some call names no limit
 * there is, nothing was done at all. */
struct list_answer {
    uint32_t no_such_limit;  /* the first such call's index, or `count` */
    bool allowed;            /* of ALL */
    uint64_t retry_after_ms; /* of ALL: until all of it would succeed; RETRY_NEVER; 0 if it did */
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
    const struct limits *limits; /* see `limits` of struct message */
    struct brain_counters counters;
    /* why the state will not outlive the process though it should, or NULL */
    const char *lost_state;
};

/* Of LIMITS. */
struct limits_question {
    struct limits *limits; /* the brain takes a reference of its own */
    enum when_full when_full;
    int64_t date_s; /* Unix time: overrides that have ended by then do not hold */
};

/* To LIMITS. */
enum limits_result { LIMITS_IN_FORCE, LIMITS_NO_MEMORY /* the ones before stay */ };

struct message {
    struct letter letter;
    enum message_kind kind;
    /* A reference to the limits that its answer points into, or NULL. TALLY holds one for all
     * that comes home with it, so that one comparison serves a whole chain; a message that had to wait
     * comes home later, and holds its own. Whoever asked gives it up: see message_hold. */
    struct limits *limits;
    union {
        struct bucket_question bucket;
        struct list_question list;
        bool missing_allows;              /* of MISSING: what the check then does */
        const struct keys_question *keys; /* of KEYS: the asker's, see keys.h */
        const char *lost_state;           /* of STATE_LOST: why; outlives the brain */
        const struct tally *tally;        /* of TALLY: the asker's */
        struct limits_question limits;
    } ask;
    union {
        struct bucket_answer bucket;
        struct list_answer list;
        struct daemon_answer *daemon;   /* of DAEMON: the asker's, filled in by the brain */
        struct metrics_answer *metrics; /* of METRICS, likewise: see meters.h */
        struct keys_answer *keys;       /* of KEYS, likewise: see keys.h */
        struct reload_report *reload;   /* of RELOAD, likewise: see actor/reload.h */
        enum limits_result limits;
    } answer;
};

/* The message that a letter is the first member of. */
static inline struct message *message_of(struct letter *letter)
{
    return (struct message *)letter;
}

/* Lets a message hold these limits (NULL: none) in place of those that it held before. */
void message_hold(struct message *message, struct limits *limits);
