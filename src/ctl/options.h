/*
 * Options of allowctl: the one table, and the command line read by it.
 *
 * Options may stand before the command, behind it and between its words. Which ones a command takes,
 * its row says (commands/table.h).
 *
 * Owns nothing: what is read points into the command line. Main thread. Never blocks. Errors:
 * options_read says what is wrong, on standard error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, letter or 0, long name, its value or NULL, what it does) */
#define OPTIONS(X)                                                                                 \
    X(SERVER, 's', "server", "ADDRESS", "ask the server there: a URL, HOST:PORT or unix:/PATH")    \
    X(TOKEN_FILE, 0, "token-file", "FILE", "prove with the token in FILE that this is an admin")   \
    X(JSON, 0, "json", NULL, "show the server's JSON as it is")                                    \
    X(TIMEOUT, 0, "timeout", "DURATION", "give up after DURATION without an answer; 10s")          \
    X(HELP, 'h', "help", NULL, "show this help, or that of the command, and exit")                 \
    X(VERSION, 'V', "version", NULL, "show the version and exit")                                  \
    X(LIMIT, 'l', "limit", "NAME", "under this limit, not the first one that matches the key")     \
    X(TOKENS, 'n', "tokens", "N", "how many tokens; 1 unless given")                               \
    X(WAIT, 'w', "wait", "DURATION", "wait so long for tokens that are not there yet")             \
    X(ONCE, 0, "once", "TEXT", "do the same question with the same TEXT once a minute only")       \
    X(PREFIX, 'p', "prefix", "TEXT", "only keys that begin with TEXT")                             \
    X(SORT, 0, "sort", "ORDER", "denied: the most denied first; remaining: the emptiest first")    \
    X(COUNT, 'c', "count", "N", "at most N of them")                                               \
    X(KIND, 'k', "kind", "KINDS", "only events of these kinds, such as denied,owed")               \
    X(SINCE, 0, "since", "ID", "events behind the one with this ID; 0: all that are kept")         \
    X(NO_FOLLOW, 0, "no-follow", NULL, "end with the last event that there is")                    \
    X(BURST, 0, "burst", "N", "tokens in a full bucket")                                           \
    X(RATE, 0, "rate", "RATE", "tokens that come back, such as 50/s")                              \
    X(DEBT_MAX, 0, "debt-max", "N", "tokens that the key may owe")                                 \
    X(CONCURRENT, 0, "concurrent", "N", "slots, in place of a burst and a rate")                   \
    X(BUCKET, 0, "bucket", "BUCKET", "one of several buckets, such as name=hour,burst=9,rate=9/h") \
    X(ACTION, 0, "action", "ACTION", "allow or deny, whatever the bucket holds")                   \
    X(UNTIL, 0, "until", "DATE", "when it ends, such as 2026-12-31T23:59:59Z")                     \
    X(REASON, 0, "reason", "TEXT", "why, for those who look at it later")                          \
    X(USED, 0, "used", "N", "how many tokens of the lease were used; all unless given")            \
    X(TTL, 0, "ttl", "DURATION", "how long the lease lasts from now; as long as at first")         \
    X(INTERVAL, 'i', "interval", "DURATION", "look again each DURATION; 1s")                       \
    X(CONNECTIONS, 'C', "connections", "N", "ask on N connections at once; 1")

enum option_name {
#define X(name, ...) OPTION_##name,
    OPTIONS(X)
#undef X
        OPTION_COUNT_OF,
};

/* A set of options. */
#define OPTION_BIT(name) (UINT32_C(1) << OPTION_##name)
#define OPTIONS_OF_ALL                                                                             \
    (OPTION_BIT(SERVER) | OPTION_BIT(TOKEN_FILE) | OPTION_BIT(TIMEOUT) | OPTION_BIT(HELP) |        \
     OPTION_BIT(VERSION))

/* Those that may be there several times: one, so that one list is enough. */
#define OPTIONS_REPEATED OPTION_BIT(BUCKET)
#define OPTION_TIMES_MAX 32

struct option_row {
    const char *name, *value, *text;
    char letter;
};
extern const struct option_row option_rows[OPTION_COUNT_OF];

struct options {
    const char *value[OPTION_COUNT_OF]; /* NULL: not given; "" where it takes none */
    /* All values of an option that may be there several times; the first is in `value` too. */
    const char *repeated[OPTION_TIMES_MAX];
    size_t repeated_count;
    char **words; /* what is no option: the command and what is behind it */
    size_t words_count;
};

/* Reads a command line, and puts its words behind one another. false: it is wrong, which is said. */
bool options_read(int argc, char **argv, struct options *options);

/* Options that were given. */
uint32_t options_given(const struct options *options);
