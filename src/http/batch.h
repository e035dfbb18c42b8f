/*
 * Batches in JSON: from the bytes of a body to a list of calls.
 *
 *   {"requests":[{"key":"user:1","limit":"api","tokens":2}, ...],"mode":"each"}
 *
 * The only user of jansson. Strict: a duplicate or unknown member, a wrong type,
 * anything behind the end and what is not UTF-8 is a fault that names its place.
 *
 * A batch owns what its calls point to. Any thread. Never blocks.
 */
#pragma once

#include "brain/message.h"
#include "http/reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_JSON_BODY_MAX (1u << 20) /* bytes */

/* Once, before a batch is parsed and before there is another thread: sets jansson's allocator
 * and seed, which are the whole process's. While a batch is parsed, jansson's pieces are of an
 * arena of that parse; any other use of jansson, on whatever thread, has malloc(3) and free(3)
 * as ever. What lives longer than a parse must not come out of it. */
void batch_json_set_up(void);

struct batch_json {
    struct bucket_call *calls;
    uint32_t count; /* 1 to LIST_MAX */
    bool all;       /* "mode": "all"; else "each", the default */
    void *memory;   /* all of it, from malloc */
    size_t size;    /* of that, in bytes; 0: there is none */
};

enum batch_json_result {
    BATCH_JSON_OK,
    BATCH_JSON_NO_BATCH, /* it is no object, or one without "requests" */
    BATCH_JSON_BAD,      /* *detail says what is wrong, and in which request */
    BATCH_JSON_NO_MEMORY,
};

/* Reads a batch; the bytes are not needed any more. *batch is untouched unless BATCH_JSON_OK. */
enum batch_json_result batch_json_parse(const char *bytes, size_t len, struct batch_json *batch,
                                        char detail[REPLY_DETAIL_MAX]);

void batch_json_release(struct batch_json *batch);

/* For tests: asked before each piece of memory is taken, unless NULL. */
extern bool (*batch_json_has_no_memory)(void);
