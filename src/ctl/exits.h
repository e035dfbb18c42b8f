/*
 * Exit statuses of allowctl: the one table, which scripts go by. "allowctl -h" shows it, and
 * allowctl(8) explains it.
 */
#pragma once

/* X(name, status, what it says) */
#define EXITS(X)                                                                                   \
    X(DONE, 0, "done; or the key may go on")                                                       \
    X(DENIED, 1, "the key is denied")                                                              \
    X(USAGE, 2, "the command line is wrong, or a file that it names cannot be used")               \
    X(UNREACHABLE, 3, "the server cannot be reached, or has not answered in time")                 \
    X(REFUSED, 4, "the server refused, and has said why")                                          \
    X(UNREADABLE, 5, "the answer is none of allowd's")                                             \
    X(FAULTY, 6, "the configuration, or an override, is faulty")                                   \
    X(FAILED, 7, "something failed here: no memory, no room for output, no allowd to run")

enum ctl_exit {
#define X(name, status, text) CTL_##name = (status),
    EXITS(X)
#undef X
};
