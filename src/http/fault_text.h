/*
 * Fault texts: what to say of a key, a number of tokens or a limit's name that is none.
 *
 * Queries, forms and JSON have the same faults, and their callers read the same words.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "limits/key.h"

#include <inttypes.h>
#include <stddef.h>

/* What a client sent, made fit to be shown: printable ASCII, and not too much of it. */
struct shown {
    char text[44];
};
struct shown show(const char *bytes, size_t len);

/* What is wrong with a key, or with what a key is to begin with, and what to do. */
const char *fault_text_key(enum key_fault fault);
const char *fault_text_prefix(enum key_fault fault);

/* For printf: the value as text, in quotes where the client has no quotes of its
 * own; and (uint64_t)TOKENS_MAX. */
#define FAULT_TOKENS "tokens is %s; give a whole number from 0 to %" PRIu64 ", in digits only"

/* For printf: the names as text. Of a name that no limit can have, and of one
 * that none has. */
#define FAULT_LIMIT_NAME "there can be no limit named \"%s\"; GET /status lists the limits"
#define FAULT_NO_SUCH_LIMIT "there is no limit named \"%s\"; GET /status lists the limits"

#define FAULT_CURSOR                                                                               \
    "this server did not issue this cursor; send the cursor of the last page unchanged, or leave " \
    "it out to start over"
