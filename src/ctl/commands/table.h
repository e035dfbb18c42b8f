/*
 * The table of commands: one row for each, which help and completion show.
 *
 * Owns nothing. Main thread.
 */
#pragma once

#include "ctl/job.h"

struct command {
    const char *name;      /* one word, or two as "override put" */
    const char *arguments; /* what is behind it, for the help */
    const char *text;      /* what it does, in one line */
    uint32_t options;      /* that it takes besides those of all commands */
    size_t words_min, words_max;
    enum ctl_exit (*run)(const struct job *job);
};

/* X(name of its row): in the order of the help. Several may share a file. */
#define COMMANDS(X)                                                                                \
    X(status)                                                                                      \
    X(allow)                                                                                       \
    X(refund)                                                                                      \
    X(charge)                                                                                      \
    X(reset)                                                                                       \
    X(keys)                                                                                        \
    X(top)                                                                                         \
    X(events)                                                                                      \
    X(explain)                                                                                     \
    X(override_list)                                                                               \
    X(override_put)                                                                                \
    X(override_delete)                                                                             \
    X(leases)                                                                                      \
    X(lease_status)                                                                                \
    X(lease_renew)                                                                                 \
    X(lease_release)                                                                               \
    X(reload)                                                                                      \
    X(check)                                                                                       \
    X(bench_key)

#define X(name) extern const struct command command_##name;
COMMANDS(X)
#undef X

extern const struct command *const commands[];
extern const size_t commands_count;

/* The command that the words begin with, and how many of them name it; NULL: there is none. Of two
 * the one with more words counts. */
const struct command *command_find(char *const *words, size_t count, size_t *named);
