/*
 * Events: the one table of what happens that an operator may want to see, and the form in which an
 * event is kept and travels to readers.
 *
 * The brain numbers its events from 1 and keeps the last ones in a ring (event_ring.h). A reader asks
 * with MESSAGE_EVENTS for those after the last one that it has, and gets records: packed bytes, one
 * event after the other, which event_unpack reads. Numbers are of one process; its boot, drawn at the
 * start, says of which.
 *
 * Owns nothing. Threads: any, each with its own bytes. Never blocks. Never fails.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an event tells as numbers: X(name, in JSON, how it is told). All that an event has follow its
 * time, kind, subject and text, in the order of its row below. */
#define EVENT_VALUES(X)                                                                            \
    X(COUNT, "count", EVENT_AS_NUMBER)   /* so many such events in one: see events.h */            \
    X(TOKENS, "tokens", EVENT_AS_NUMBER) /* that were asked for, or that the lease took */         \
    X(SLOTS, "slots", EVENT_AS_NUMBER)                                                             \
    X(REMAINING, "remaining", EVENT_AS_NUMBER)                                                     \
    X(BURST, "burst", EVENT_AS_NUMBER)                                                             \
    X(PERCENT, "percent", EVENT_AS_NUMBER)                                                         \
    X(OWED, "owed", EVENT_AS_NUMBER)                                                               \
    X(WAITED_MS, "waited_ms", EVENT_AS_NUMBER)                                                     \
    X(RETRY_AFTER_MS, "retry_after_ms", EVENT_AS_NUMBER_OR_NULL)                                   \
    X(RESULT, "reason", EVENT_AS_RESULT)                                                           \
    X(ACTION, "action", EVENT_AS_ACTION)                                                           \
    X(UNTIL_S, "until", EVENT_AS_DATE)                                                             \
    X(RUNTIME, "runtime", EVENT_AS_BOOL) /* set by a request, not by the configuration */          \
    X(REMOVED, "removed", EVENT_AS_BOOL) /* before its end, by a reload or a request */            \
    X(LIMITS, "limits", EVENT_AS_NUMBER)                                                           \
    X(WARNINGS, "warnings", EVENT_AS_NUMBER)                                                       \
    X(KEYS, "keys", EVENT_AS_NUMBER)                                                               \
    X(FRONTS, "fronts", EVENT_AS_NUMBER)                                                           \
    X(CAUSE, "detail", EVENT_AS_CAUSE)

/* How such a number is told. */
enum event_form {
    EVENT_AS_NUMBER,
    EVENT_AS_NUMBER_OR_NULL, /* null: UINT64_MAX */
    EVENT_AS_RESULT,         /* enum bucket_result; left out where answers give no reason */
    EVENT_AS_ACTION,         /* enum override_action: limit, allow, deny */
    EVENT_AS_DATE,           /* Unix time in seconds; left out: INT64_MAX */
    EVENT_AS_BOOL,
    EVENT_AS_CAUSE, /* enum event_cause, by its text */
};

enum event_value {
#define X(name, json, form) EVENT_##name,
    EVENT_VALUES(X)
#undef X
        EVENT_VALUE_COUNT,
    EVENT_NO_VALUES = EVENT_VALUE_COUNT,
};

/* What an event is about. Of an event that stands for those of many keys, limit and key are NULL, and of its
 * numbers only the count, and `removed`, mean anything. */
enum event_subject {
    EVENT_OF_DAEMON,   /* it has neither limit nor key */
    EVENT_OF_LIMIT,    /* a limit */
    EVENT_OF_KEY,      /* a limit and a key */
    EVENT_OF_OVERRIDE, /* a limit and what the override is for: a key, a glob or a network */
};

/* What its text is. */
enum event_text {
    EVENT_NO_TEXT,
    EVENT_REASON, /* "reason"; left out if it is empty */
    EVENT_FAULTS, /* "faults": lines, which JSON tells as a list */
    EVENT_DETAIL, /* "detail" */
};

/* The kinds: X(kind, about what, its text, its numbers). LOST is in no ring: whoever tells a reader's
 * events makes it of struct events_answer, with the number of the last event that was lost. */
#define EVENT_KINDS(X)                                                                             \
    X(denied, EVENT_OF_KEY, EVENT_NO_TEXT, EVENT_COUNT, EVENT_TOKENS, EVENT_REMAINING,             \
      EVENT_RETRY_AFTER_MS, EVENT_RESULT)                                                          \
    X(warned, EVENT_OF_KEY, EVENT_NO_TEXT, EVENT_COUNT, EVENT_REMAINING, EVENT_BURST,              \
      EVENT_PERCENT)                                                                               \
    X(owed, EVENT_OF_KEY, EVENT_NO_TEXT, EVENT_COUNT, EVENT_OWED)                                  \
    X(waited, EVENT_OF_KEY, EVENT_NO_TEXT, EVENT_COUNT, EVENT_WAITED_MS)                           \
    X(wait_over, EVENT_OF_KEY, EVENT_NO_TEXT, EVENT_COUNT, EVENT_WAITED_MS)                        \
    X(lease_expired, EVENT_OF_KEY, EVENT_NO_TEXT, EVENT_COUNT, EVENT_TOKENS, EVENT_SLOTS)          \
    X(evicted, EVENT_OF_DAEMON, EVENT_NO_TEXT, EVENT_COUNT)                                        \
    X(uncounted, EVENT_OF_DAEMON, EVENT_NO_TEXT, EVENT_COUNT)                                      \
    X(override_begun, EVENT_OF_OVERRIDE, EVENT_REASON, EVENT_COUNT, EVENT_ACTION, EVENT_UNTIL_S,   \
      EVENT_RUNTIME)                                                                               \
    X(override_ended, EVENT_OF_OVERRIDE, EVENT_REASON, EVENT_COUNT, EVENT_ACTION, EVENT_UNTIL_S,   \
      EVENT_RUNTIME, EVENT_REMOVED)                                                                \
    X(reloaded, EVENT_OF_DAEMON, EVENT_NO_TEXT, EVENT_LIMITS, EVENT_WARNINGS)                      \
    X(reload_failed, EVENT_OF_DAEMON, EVENT_FAULTS, EVENT_NO_VALUES)                               \
    X(limit_forgotten, EVENT_OF_LIMIT, EVENT_NO_TEXT, EVENT_COUNT, EVENT_KEYS)                     \
    X(state_lost, EVENT_OF_DAEMON, EVENT_DETAIL, EVENT_NO_VALUES)                                  \
    X(state_found, EVENT_OF_DAEMON, EVENT_DETAIL, EVENT_NO_VALUES)                                 \
    X(fleet_lost, EVENT_OF_DAEMON, EVENT_DETAIL, EVENT_NO_VALUES)                                  \
    X(fleet_back, EVENT_OF_DAEMON, EVENT_DETAIL, EVENT_NO_VALUES)                                  \
    X(front_added, EVENT_OF_DAEMON, EVENT_NO_TEXT, EVENT_FRONTS)                                   \
    X(front_gone, EVENT_OF_DAEMON, EVENT_NO_TEXT, EVENT_FRONTS)                                    \
    X(overload, EVENT_OF_DAEMON, EVENT_NO_TEXT, EVENT_COUNT, EVENT_CAUSE)                          \
    X(drain, EVENT_OF_DAEMON, EVENT_DETAIL, EVENT_NO_VALUES)                                       \
    X(lost, EVENT_OF_DAEMON, EVENT_NO_TEXT, EVENT_COUNT)

enum event_kind {
#define X(kind, ...) EVENT_##kind,
    EVENT_KINDS(X)
#undef X
        EVENT_KIND_COUNT,
};

/* Why there is an overload: X(cause, the text that tells it). */
#define EVENT_CAUSES(X)                                                                            \
    X(CONNECTIONS, "connections were turned away: there are max_connections")                      \
    X(STALL, "the daemon stood still for 100 ms or more")                                          \
    X(TABLE, "requests were denied because the table is full")                                     \
    X(CHARGES, "charges were refused because the table is full of keys that owe")                  \
    X(LEASES, "requests were denied because max_leases are held")                                  \
    X(WAITING, "requests were denied because as many wait as may")

enum event_cause {
#define X(cause, text) EVENT_CAUSE_##cause,
    EVENT_CAUSES(X)
#undef X
        EVENT_CAUSE_COUNT,
};

#define EVENT_ROW_MAX 6

/* A row of the table of kinds, a number's name and form, the text of a cause. */
struct event_row {
    const char *word;
    enum event_subject subject;
    enum event_text text;
    uint8_t values_count;
    enum event_value values[EVENT_ROW_MAX];
};
struct event_value_row {
    const char *name;
    enum event_form form;
};
extern const struct event_row event_rows[EVENT_KIND_COUNT];
extern const struct event_value_row event_value_rows[EVENT_VALUE_COUNT];
extern const char *const event_cause_texts[EVENT_CAUSE_COUNT];

/* The kind of this name, or EVENT_KIND_COUNT: it is none. */
enum event_kind event_kind_named(const char *name, size_t len);

/* An event. The texts are borrowed, end with no NUL, and are NULL where the event has none. */
struct event {
    uint64_t number;  /* from 1; see above */
    uint64_t time_ms; /* Unix time */
    enum event_kind kind;
    const char *limit, *key, *text;
    size_t limit_len, key_len, text_len;
    uint64_t values[EVENT_ROW_MAX]; /* in the order of the kind's row */
};

#define EVENT_TEXT_MAX 1000    /* bytes; what is longer is cut, at a whole character */
#define EVENT_RECORD_MAX 1536u /* bytes of a record, at most */

/* Bytes of the record of an event; and packs it into so many bytes. */
size_t event_packed_bytes(const struct event *event);
void event_pack(const struct event *event, void *bytes);

/* Reads the record there. The event borrows from it. Returns its length. */
size_t event_unpack(const void *bytes, struct event *event);

/* From where on a reader wants events. */
enum events_from {
    EVENTS_SINCE,  /* those after the event of this number, of this boot */
    EVENTS_KEPT,   /* all that are kept */
    EVENTS_TO_COME /* only those that are still to come */
};

/* The question of MESSAGE_EVENTS. It and all that it points to belong to the asker. */
struct events_question {
    enum events_from from;
    uint32_t boot;          /* of SINCE */
    uint64_t since;         /* of SINCE; 0: from the first event on */
    bool waits;             /* if there is none yet, until there is; LEAVE takes it back */
    uint32_t kinds;         /* those to show: bits 1u << enum event_kind */
    const char *limit_name; /* shows only events of this limit; NULL: of all, and of none */
    size_t limit_name_len;
    const char *prefix; /* shows only those of keys, or overrides, that begin so; NULL: all */
    size_t prefix_len;
    void *room;        /* for records */
    size_t room_bytes; /* at least EVENT_RECORD_MAX */
};

/* The answer. To go on, ask for what is SINCE `next` of `boot`: even an answer without records may have
 * gone on, past events that do not suit; then ask again at once, though the question waited. */
struct events_answer {
    bool
        is_kept; /* false: this daemon keeps no events (events: {keep: 0}), and nothing else is set */
    uint32_t boot;      /* this process's */
    bool is_other_boot; /* the question's was another one, or its number is not one given yet: the
                           answer begins with the oldest event that is kept */
    uint64_t lost; /* so many events, of any kind, came after `since` and are kept no more; they
                      stand before the records */
    uint64_t lost_last; /* if any: the number of the last of them */
    uint64_t next;      /* the number of the last event that was looked at */
    uint32_t count;     /* records in the room, */
    size_t bytes;       /* so many bytes */
};
