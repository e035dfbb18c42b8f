/*
 * Parsing: one command of Redis's protocol, RESP, out of the bytes that a client has sent.
 *
 * A command is an array of bulk strings, or a line of words, as people type them. Nothing is kept
 * between two calls: as long as a command is not whole, the caller comes again with all of it. The
 * arguments point into the bytes.
 *
 * Owns nothing. Any thread. Never blocks. Errors: PARSE_BROKEN, after which nobody can tell where
 * the next command would begin.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_MAX 65536     /* bytes of a command, with all that stands between its arguments */
#define COMMAND_LINE_MAX 4096 /* bytes of one that is a line */
#define COMMAND_ARGS_MAX 64

struct argument {
    const char *text; /* any bytes, and no NUL behind them */
    size_t len;
};

struct command {
    unsigned count; /* 0: it was empty, and gets no answer */
    bool is_line;
    struct argument args[COMMAND_ARGS_MAX]; /* its name first */
};

enum parse_result {
    PARSE_DONE,
    PARSE_MORE, /* it is not whole yet; at COMMAND_MAX bytes that is never said */
    PARSE_BROKEN,
};

/* Reads the command that the bytes begin with. If it is done, *taken is its length; if it is broken,
 * *fault says why, in words fit for an error. */
enum parse_result command_parse(const char *bytes, size_t len, struct command *command,
                                size_t *taken, const char **fault);
