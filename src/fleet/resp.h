/*
 * RESP: the protocol of Redis and its kin: commands as they are written, replies as they are read.
 *
 * Commands go into a queue of bytes, which has a bound. Replies are hiredis's, read by its reader, which is given two
 * bounds that it has not by itself: bytes and elements of one reply. So a peer that is no store, or a
 * broken one, cannot make it take memory.
 *
 * Owns its bytes. One thread. Never blocks. Errors: false for no room or no memory; RESP_BROKEN.
 */
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#define RESP_OUT_MAX ((size_t)1 << 20)
#define RESP_REPLY_BYTES_MAX ((size_t)1 << 20)
#define RESP_REPLY_ELEMENTS_MAX ((size_t)1 << 16)

/* ---- commands ---- */

struct resp_out {
    char *bytes;
    size_t sent, len, capacity; /* bytes[sent] to bytes[len] are to be sent */
};

struct resp_arg {
    const void *bytes;
    size_t len;
};

/* Appends a command. false: there is no room, and nothing is appended. */
bool resp_command(struct resp_out *out, size_t count, const struct resp_arg *args);
void resp_out_clear(struct resp_out *out); /* frees its memory too */

/* An argument that is a string. */
struct resp_arg resp_string(const char *string);

/* ---- replies ---- */

struct resp_in {
    redisReader *reader;
    redisReplyObjectFunctions functions; /* the reader's own, but for arrays */
    redisReplyObjectFunctions *usual;
    size_t bytes, elements; /* of the reply that is being read */
    char first[8];          /* the first bytes that came, or zeros */
    size_t first_len;
};

enum resp { RESP_REPLY, RESP_PARTIAL, RESP_BROKEN };

bool resp_in_init(struct resp_in *in);
void resp_in_release(struct resp_in *in);

/* Takes bytes that have come. false: there is no memory. */
bool resp_feed(struct resp_in *in, const char *bytes, size_t len);

/* The next whole reply, for freeReplyObject. After RESP_BROKEN nothing can be read any more; *why says why, and
 * holds until the release. */
enum resp resp_next(struct resp_in *in, redisReply **reply, const char **why);
