/*
 * Dialects: in which header fields an answer tells how many tokens a key has left.
 *
 * A dialect is a struct, in a file of its own in dialects/; its row of HEADERS_TABLE
 * (ask/contract.h) puts it into the table. Whoever replies knows no dialect by name.
 *
 * Owns nothing. Any thread. Never blocks. Never fails: the longest fields have room in a reply.
 */
#pragma once

#include "ask/contract.h"

#include <stdbool.h>

struct message;
struct reply;
struct serving;

struct dialect {
    bool tells_date; /* it needs serving->wall_ns */
    /* Adds the fields for the buckets of an answered message. The answer must not be
     * BUCKET_NO_SUCH_LIMIT, or another of those in which nothing was done. */
    void (*add)(struct reply *reply, const struct message *message, const struct serving *serving);
};
