/*
 * Fault texts: what a caller reads if a key, a number of tokens or the name of a limit is wrong.
 *
 * Queries, forms and JSON have the same faults, so their callers read the same words.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "limits/key.h"

#include <inttypes.h>
#include <stddef.h>

/* What a client sent, made fit to be shown: its beginning, in printable ASCII. */
struct shown {
    char text[44];
};
struct shown show(const char *bytes, size_t len);

/* What is wrong with a key, or with a prefix of keys, and what to do. */
const char *fault_text_key(enum key_fault fault);
const char *fault_text_prefix(enum key_fault fault);

/* Formats for printf. FAULT_TOKENS takes the value as text, in quotes unless it is JSON, and
 * (uint64_t)TOKENS_MAX. */
#define FAULT_TOKENS "tokens is %s; give a whole number from 0 to %" PRIu64 ", in digits only"

/* They take the name as text. The first is for a name that no limit can have, the second for one
 * that no limit has. */
#define FAULT_LIMIT_NAME "there can be no limit named \"%s\"; GET /status lists the limits"
#define FAULT_NO_SUCH_LIMIT "there is no limit named \"%s\"; GET /status lists the limits"

/* Takes the name of the limit that a key falls under. */
#define FAULT_NEEDS_LEASE                                                                          \
    "limit \"%s\" counts what goes on at a time, and this call does not say when that ends; POST " \
    "/acquire?key=KEY instead, and /release its lease at the end"

/* Takes the name of the limit too. */
#define FAULT_NO_LEASES                                                                              \
    "limit \"%s\" has scope: fleet and counts tokens, which leases hold only under limits of scope " \
    "local; POST /allow?key=KEY instead, or name a limit that has concurrent"

#define FAULT_CURSOR                                                                               \
    "this server did not issue this cursor; send the cursor of the last page unchanged, or leave " \
    "it out to start over"
