/*
 * Messages: everything that can be asked of the brain, and what it answers.
 *
 * A message begins with a letter: the asker fills it in and posts it, and it comes home with the
 * answer in place. The asker owns it throughout, but must not touch it while it is away.
 *
 * Threads: one at a time, by where the letter is. Never blocks. Never fails.
 */
#pragma once

#include "base/file_look.h"
#include "brain/counters.h"
#include "brain/fleet_counters.h"
#include "brain/letter.h"
#include "brain/sampler.h"
#include "brain/waiter.h"
#include "limits/changes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum message_kind {
    MESSAGE_ALLOW,   /* may this key take so many tokens? */
    MESSAGE_ACQUIRE, /* the same, and slots, for a lease */
    MESSAGE_RESET,   /* make this key's buckets full */
    MESSAGE_REFUND,  /* give tokens back to this key */
    MESSAGE_CHARGE,  /* take tokens of this key, though it may owe them then */
    MESSAGE_STATUS,  /* how full are this key's buckets? */
    MESSAGE_LEAVE,   /* who asked something that may still wait does not wait any more */
    MESSAGE_RENEW, /* let this lease end later; of a limit of scope fleet it may wait for the store */
    MESSAGE_RELEASE, /* end this lease now */
    MESSAGE_LEASE,   /* how is this lease? */
    MESSAGE_EACH,    /* a list: ALLOW for each key on its own */
    MESSAGE_ALL,     /* a list: ALLOW for all keys, or for none */
    MESSAGE_LIST,    /* a list: STATUS of each key */
    MESSAGE_GCRA,    /* may this key take so many tokens, under a limit that comes along? */
    MESSAGE_MISSING, /* a check found no key: only count it */
    MESSAGE_SKIPPED, /* a check let a request pass uncounted: only count that */
    MESSAGE_DAEMON,  /* how is the daemon? */
    MESSAGE_METRICS, /* the same, with all that is measured */
    MESSAGE_KEYS,    /* which keys are tracked, or denied most? */
    MESSAGE_EXPLAIN, /* how would the next question about this key be decided, and why? */
    MESSAGE_EVENTS,  /* what has happened since? It may wait for something: see event.h */
    MESSAGE_DRAIN, /* the daemon drains: only have an event tell it, to who waits for one at once */
    MESSAGE_RELOAD_FAILED, /* a reload changed nothing: only count and tell it */
    MESSAGE_STATE_LOST,    /* the state will not outlive the process: see brain_lose_state */
    MESSAGE_STATE_ANEW,    /* go on in another file: see brain_change_file */
    MESSAGE_STATE_KEPT,    /* the state will outlive the process again: see brain_find_state */
    MESSAGE_SURROUNDINGS,  /* how what the daemon depends on is: only keep it for who asks */
    MESSAGE_TALLY,         /* the report of a front-end: what it has counted; answered at once */
    MESSAGE_RELOAD,        /* read the configuration again: the main thread answers it */
    MESSAGE_OVERRIDE,      /* set or drop an override at run time: the main thread answers it */
    MESSAGE_ORDERS,        /* the store's answer to what the brain has ordered: see order.h */
    MESSAGE_FLEET_END,     /* give all tokens in hand back to the store; answered when it is done */
    MESSAGE_LIMITS,        /* decide by these limits from now on; it may have to wait for room */
    MESSAGE_STOP,          /* the last message: the decider stops */
};

/* A question about one key under one limit. The strings are borrowed until it is answered. */
struct bucket_question {
    const char *key; /* checked by key_check, NUL-terminated */
    size_t key_len;
    bool key_is_plain;      /* it is known to stand for itself in a JSON string; false: it may */
    const char *limit_name; /* NULL: the first limit that matches the key */
    size_t limit_name_len;
    uint64_t tokens;  /* of ALLOW, ACQUIRE, REFUND, CHARGE and EXPLAIN; at most TOKENS_MAX */
    uint64_t wait_ms; /* of ALLOW and ACQUIRE: how long it may wait for its tokens, in all
                         no more than a day; 0: not at all. Of others, and in lists: 0 */
};

#define ONCE_MAX 64 /* bytes of a token: printable ASCII */

/* The token of a question that is to be answered once only, however often it is asked: see once.h.
 * It belongs to the asker. */
struct once_question {
    char token[ONCE_MAX];
    uint8_t token_len; /* 1 to ONCE_MAX */
    uint64_t hash;     /* the brain's, by which it finds the answer again */
    bool is_repeated;  /* the brain's: it has been answered as one before it */
};

/* Bounds of how long a lease lasts unless it is renewed, and what holds if nobody says. */
#define LEASE_TTL_MIN_MS 100u
#define LEASE_TTL_MAX_MS 86400000u
#define LEASE_TTL_MS 30000u

/* A lease: 128 random bits, which are the right to it. All zeros: none. */
#define LEASE_ID_BYTES 16
struct lease_id {
    uint8_t bytes[LEASE_ID_BYTES];
};

/* The question of ACQUIRE. Whoever asks draws the lease's id. */
struct acquire_question {
    struct bucket_question bucket; /* the first member, so that it is ask.bucket of a message too */
    struct lease_id id;
    uint32_t slots;  /* of the limit's buckets of slots; 1 to SLOTS_MAX */
    uint32_t ttl_ms; /* LEASE_TTL_MIN_MS to LEASE_TTL_MAX_MS */
};

/* The question of RENEW, RELEASE and LEASE. */
struct lease_question {
    struct lease_id id;
    uint32_t ttl_ms;      /* of RENEW; 0: as long as when it was acquired */
    bool has_used;        /* of RELEASE: it says how many of the tokens were used; else all were */
    uint64_t used_tokens; /* at most TOKENS_MAX */
};

/* The question of GCRA: see throttle.h. The key is borrowed until it is answered. */
struct throttle_question {
    const char *key; /* checked by key_check */
    size_t key_len;
    uint64_t burst;       /* tokens of a key that has never asked; 1 or more */
    uint64_t interval_ns; /* in which one comes back; burst of them are THROTTLE_MOST_NS at most */
    uint64_t tokens;      /* 0 only looks; any number */
};
#define THROTTLE_MOST_NS (UINT64_C(100) * 365 * MS_PER_DAY * NS_PER_MS)

/* The answer to GCRA. */
struct throttle_answer {
    bool has_no_memory; /* nothing was decided, and the rest is not set */
    bool is_denied;
    uint64_t remaining_tokens;
    uint64_t retry_after_ns; /* RETRY_NEVER: it is allowed, or never will be */
    uint64_t full_after_ns;  /* until the key is as if it had never asked */
};

enum bucket_result {
    BUCKET_ALLOWED,       /* the tokens were taken; of RESET, REFUND, CHARGE, STATUS: it is done */
    BUCKET_DENIED,        /* nothing was taken; it will succeed after retry_after_ms */
    BUCKET_EXCEEDS_BURST, /* nothing was taken; it never succeeds, because the burst is too small */
    BUCKET_TABLE_FULL,    /* denied: the table has no room for the key (when_full: deny; or evict,
                             and of CHARGE whatever it is, if all keys that could go owe) */
    BUCKET_UNCOUNTED,     /* allowed, nothing was taken: no room for the key (when_full: allow) */
    BUCKET_ALWAYS,        /* allowed, nothing was taken: an override never limits the key; of CHARGE
                             too */
    BUCKET_NEVER,         /* denied: an override always denies the key */
    BUCKET_HELD_BACK,     /* of ALL: this one could have been allowed, but another could not */
    BUCKET_WAIT_OVER,     /* denied: it has waited as long as it may, and nothing came back */
    BUCKET_TOO_MANY_WAITING, /* denied: it would have to wait, and as many wait as may */
    BUCKET_TOO_MANY_LEASES,  /* denied: there are as many leases as may be */
    BUCKET_LEFT,             /* it does not wait any more: see LEAVE; nothing was taken */
    /* In these nothing was done, and the rest of the answer is not set, but for `limit`: */
    BUCKET_NEEDS_LEASE, /* of ALLOW: the key's buckets hold slots, which only ACQUIRE takes */
    BUCKET_SLOTS_ONLY,  /* of RESET, REFUND, CHARGE: the key's buckets hold nothing but slots */
    BUCKET_NO_LEASES,   /* of ACQUIRE: the limit is of scope fleet and has no slots */
    /* In these `limit` is not set either: */
    BUCKET_ONCE_DIFFERS, /* its token was used for another question of this kind about this key */
    BUCKET_ONCE_WAITS,   /* the question that first used its token still waits for its answer */
    BUCKET_NO_SUCH_LIMIT,
};

#define RETRY_NEVER UINT64_MAX

/* One bucket of the key, after the question was answered. */
struct bucket_state {
    uint64_t remaining_tokens; /* whole tokens in it now, or slots that are free */
    uint64_t next_token_ms;    /* until it holds one token more; 0: it is full; or RETRY_NEVER */
    uint64_t
        full_after_ms;    /* until it is full; of slots both are RETRY_NEVER: no tick brings them */
    bool violated;        /* it did not hold what was asked for */
    uint64_t owed_tokens; /* that ticks pay back before it holds any; a part of one counts */
    uint64_t charged_tokens; /* of CHARGE only: those that it took */
};

/* The pointers are borrowed from the limits: see `limits` of struct message. What is told of nearly all answers comes
 * first, and so is in few cache lines. */
struct bucket_answer {
    enum bucket_result result;
    bool active;      /* not all are full */
    bool is_estimate; /* the limit is of scope fleet: of what is in its store the numbers say
                                  what it last told, and what has refilled since */
    bool is_apart;    /* likewise, of ALLOW: it was decided without the store, as cold or
                                  on_partition says, because no answer came in time */
    bool has_waited;  /* of ALLOW and ACQUIRE */
    const struct limit *limit;         /* the limit that decided */
    const struct override *override;   /* the override in force for the key, or NULL */
    const struct allowance *allowance; /* the buckets of the override, or of the limit */
    uint64_t
        remaining_tokens;    /* in the bucket that holds fewest; where all hold slots, those free */
    uint64_t owed_tokens;    /* by the bucket that owes most */
    uint64_t retry_after_ms; /* until the same request would succeed; 0: it did; or RETRY_NEVER */
    uint64_t full_after_ms;  /* until all are full; RETRY_NEVER if one holds slots */
    uint64_t would_wait_ms;  /* a limit on trial: how long it would have waited; 0: not at all */
    struct bucket_state buckets[BUCKETS_MAX]; /* allowance->count of them */
    uint64_t
        charged_tokens; /* of CHARGE only: by the bucket that took fewest; the rest is forgiven */
    uint64_t waited_ms; /* if it has waited: for how long */
    uint64_t expires_after_ms; /* of ACQUIRE, if it is allowed: until its lease ends */
    struct sample sample;      /* if denied: whether to log it */
};

/* Whether the result is yes, as if no limit were on trial. */
static inline bool bucket_result_allows(enum bucket_result result)
{
    return result == BUCKET_ALLOWED || result == BUCKET_UNCOUNTED || result == BUCKET_ALWAYS;
}

/* Whether an answer that is no yes says which limit decided so: one of these results of ALLOW and ACQUIRE. */
bool bucket_result_denies(enum bucket_result result);

/* A limit on trial allows whatever it decides. But there is no lease to be given where as many are held
 * as may be. */
static inline bool bucket_answer_is_on_trial(const struct bucket_answer *answer)
{
    return answer->limit->shadow && answer->result != BUCKET_TOO_MANY_LEASES;
}

/* Whether the caller is told yes: a limit on trial allows whatever it decided. Not for ALL. If nothing
 * was decided, because it left for instance, that is no. */
static inline bool bucket_answer_allows(const struct bucket_answer *answer)
{
    return bucket_result_allows(answer->result) ||
           (bucket_result_denies(answer->result) && bucket_answer_is_on_trial(answer));
}

/* Whether this answer, to ALLOW or to one key of EACH or ALL, is a denial. It is not if the limit
 * is on trial, or if the key was only held back because another key of ALL was denied. */
static inline bool bucket_answer_denies(const struct bucket_answer *answer)
{
    return answer->result != BUCKET_ALLOWED && bucket_result_denies(answer->result) &&
           !bucket_answer_is_on_trial(answer);
}

/* How a lease is, or what became of it. */
enum lease_state {
    LEASE_NONE, /* there is none of this id, or it ended too long ago to be remembered */
    LEASE_HELD,
    LEASE_RELEASED,
    LEASE_EXPIRED,    /* nobody renewed it in time */
    LEASE_LOST_LIMIT, /* held, but its limit is not configured any more: nothing can come back */
    LEASE_UNRENEWED, /* of RENEW only: held, and it ends as before, because the store of the fleet has not
                        said in time that it knows of a later end */
};

/* The answer to RENEW, RELEASE and LEASE. A RELEASE that is repeated is answered as the first one. */
struct lease_answer {
    enum lease_state state; /* after the question was answered */
    char *key;              /* KEY_MAX + 1 bytes of the asker's, for the lease's key; or NULL */
    size_t key_len;
    const struct limit *limit; /* see `limits` of struct message; NULL: it is gone */
    uint64_t tokens;           /* that it took, and slots */
    uint32_t slots;
    uint64_t expires_after_ms; /* HELD */
    /* RELEASED: of its tokens, those that came back; beyond them, those charged and forgiven, as by
     * CHARGE; and what the bucket that owes most owes then */
    uint64_t returned_tokens, charged_tokens, forgiven_tokens, owed_tokens;
};

/* One key of a list. */
struct bucket_call {
    struct bucket_question ask;
    struct bucket_answer answer;
};

#define LIST_MAX 1000

/* The question of EACH, ALL and LIST. The calls belong to the asker. */
struct list_question {
    struct bucket_call *calls;
    uint32_t count; /* 1 to LIST_MAX */
};

/* The answer to EACH, ALL and LIST, beside the answers of the calls. If a call names a limit that
 * does not exist, or asks for tokens where it needs a lease, nothing was done at all, and the calls
 * have no answers, but for the limit of the call that needs_lease names. */
struct list_answer {
    uint32_t no_such_limit;  /* the index of the first such call, or `count` */
    uint32_t needs_lease;    /* of EACH and ALL; likewise: see BUCKET_NEEDS_LEASE */
    bool allowed;            /* of ALL */
    uint64_t retry_after_ms; /* of ALL: until all would succeed; 0: it did; or RETRY_NEVER */
};

/* What happens to a key that the table has no room for. */
enum when_full { WHEN_FULL_EVICT, WHEN_FULL_DENY, WHEN_FULL_ALLOW };
#define WHEN_FULL_COUNT 3
extern const char *const when_full_names[WHEN_FULL_COUNT]; /* as the configuration names them */

struct state_file;

/* The question of STATE_ANEW. Both belong to the asker. */
struct anew_question {
    struct state_file *file, *next;
};

/* The answer to STATE_ANEW. */
struct anew_answer {
    int error;         /* an errno value: the file is as it was */
    unsigned failures; /* of state files so far, as the next one began */
};

/* The question of SURROUNDINGS. */
struct surroundings {
    uint32_t lost_sockets;        /* whose files are gone, so that nobody new can connect to them */
    enum file_look config, token; /* how the files that were read are now */
};

/* How many files have changed since they were read, or are gone. */
static inline uint32_t surroundings_changed_files(const struct surroundings *seen)
{
    return (uint32_t)(seen->config != FILE_AS_READ) + (uint32_t)(seen->token != FILE_AS_READ);
}

#define FRONTS_ANSWER_MAX 128

/* The front-ends, which serve connections. */
struct fronts_answer {
    uint32_t count;
    struct {
        bool goes; /* it accepts no more, and ends with its last connection */
        uint64_t connections, requests;
        uint32_t busy_permille; /* of a processor, in the last seconds */
    } front[FRONTS_ANSWER_MAX];
};

/* What the brain knows of limits of scope fleet. */
struct fleet_answer {
    bool is_there; /* a limit is of that scope */
    bool
        is_cut; /* the last that was heard of the store, or a part of it, is that it cannot be reached */
    uint32_t shares; /* keys under such limits, of which something is known or asked now */
    struct fleet_counters counters;
};

/* The answer to DAEMON. */
struct daemon_answer {
    struct fronts_answer *fronts; /* if not NULL: to be filled in too; owned by the asker */
    uint64_t uptime_ms;
    uint32_t keys, max_keys;
    uint32_t leases, max_leases; /* held now, and as many as may be */
    enum when_full when_full;
    const struct limits *limits; /* see `limits` of struct message */
    int64_t date_s;              /* Unix time: overrides that end by then hold no more */
    struct brain_counters counters;
    struct fleet_answer fleet;
    struct surroundings surroundings;
    bool is_stored; /* the state is in a file */
    const char
        *lost_state; /* why the state will not outlive the process though it should, or NULL */
};

/* The question of LIMITS. */
struct limits_question {
    struct limits *limits; /* the brain takes a reference of its own */
    /* which overrides begin and end, from the limits in force, borrowed until the answer; NULL: the brain
     * works it out */
    const struct override_changes *changes;
    enum when_full when_full;
    int64_t date_s;    /* Unix time: overrides that have ended by then are not in force */
    uint64_t warnings; /* of their configuration; only told */
    bool is_no_reload; /* only run-time overrides have changed: it does not count as a reload */
};

/* The answer to LIMITS. */
enum limits_result { LIMITS_IN_FORCE, LIMITS_NO_MEMORY /* the old limits stay in force */ };

struct message {
    struct letter letter;
    enum message_kind kind;
    /* A reference to the limits that its answer points into, or NULL. The report (TALLY) holds one
     * for all letters that come home with it, so one comparison serves the whole chain. A message
     * that had to wait comes home later and holds its own. The asker releases it: message_hold. */
    struct limits *limits;
    /* Of ALLOW, ACQUIRE, REFUND and CHARGE: its token, or NULL. A RELEASE of a lease that its client
     * never got keeps that of its ACQUIRE, so that the next one of this token gets another lease. */
    struct once_question *once;
    union {
        struct bucket_question bucket;
        struct acquire_question acquire;
        struct lease_question lease;
        /* Of LEAVE: the message that waits, or waited until now. While LEAVE is away the asker does
         * not touch that one, not even if it has come home; it is home before LEAVE is. */
        struct message *leaves;
        struct list_question list;
        struct throttle_question throttle;
        bool missing_allows;                  /* of MISSING: whether the check allows then */
        const struct keys_question *keys;     /* of KEYS; owned by the asker, see keys.h */
        const struct events_question *events; /* of EVENTS; owned by the asker, see event.h */
        const char *detail;                   /* of DRAIN: why; the asker's */
        const char *faults;     /* of RELOAD_FAILED: lines that say why; the asker's */
        const char *lost_state; /* of STATE_LOST: the reason; must outlive the brain */
        struct anew_question anew;
        unsigned failures; /* of STATE_KEPT: those that are made good */
        struct surroundings surroundings;
        const struct tally *tally; /* of TALLY; owned by the asker */
        struct limits_question limits;
    } ask;
    union {
        struct bucket_answer bucket; /* of ACQUIRE too */
        struct lease_answer lease;
        struct list_answer list;
        struct throttle_answer throttle;
        struct daemon_answer *daemon;   /* of DAEMON; owned by the asker, filled in by the brain */
        struct metrics_answer *metrics; /* of METRICS, likewise: see meters.h */
        struct keys_answer *keys;       /* of KEYS, likewise: see keys.h */
        struct explain_answer *explain; /* of EXPLAIN, likewise: see explain.h */
        struct events_answer *events;   /* of EVENTS, likewise: see event.h */
        struct reload_report *reload;   /* of RELOAD, likewise: see actor/reload.h */
        struct override_call *override; /* of OVERRIDE, likewise: see actor/override.h */
        enum limits_result limits;
        struct anew_answer anew;
        bool is_kept; /* of STATE_KEPT */
    } answer;
    struct waiter waiter; /* the brain's; all zeros at first */
};

/* The message that begins with this letter. */
static inline struct message *message_of(struct letter *letter)
{
    return (struct message *)letter;
}

/* Whether an answered EACH, ALL or LIST was done: its calls have answers. */
static inline bool list_is_done(const struct message *message)
{
    const struct list_answer *told = &message->answer.list;
    uint32_t count = message->ask.list.count;
    return told->no_such_limit == count && told->needs_lease == count;
}

/* The message that a waiter is in. */
static inline struct message *message_of_waiter(struct waiter *waiter)
{
    return (struct message *)((char *)waiter - offsetof(struct message, waiter));
}

/* Has a message hold a reference to these limits (NULL: to none), and release what it held. */
void message_hold(struct message *message, struct limits *limits);
