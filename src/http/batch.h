/*
 * Batches in JSON: from the bytes of a body to a list of calls.
 *
 *   {"requests":[{"key":"user:1","limit":"api","tokens":2}, ...],"mode":"each"}
 *
 * Strict: it is a fault, told with its place, if a member is unknown or
 * there twice, if a type is wrong, if anything follows the end, or if a text is not UTF-8.
 *
 * A batch owns what its calls point to. Any thread. Never blocks. Errors: enum batch_json_result.
 */
#pragma once

#include "brain/message.h"
#include "http/reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_JSON_BODY_MAX (1u << 20) /* bytes */

struct batch_json {
    struct bucket_call *calls;
    uint32_t count; /* 1 to LIST_MAX */
    bool all;       /* "mode": "all"; else "each", the default */
    void *memory;   /* all of it, from malloc */
    size_t size;    /* bytes of `memory`; 0: there is none */
};

enum batch_json_result {
    BATCH_JSON_OK,
    BATCH_JSON_NO_BATCH, /* not an object, or one without "requests" */
    BATCH_JSON_BAD,      /* *detail says what is wrong, and in which request */
    BATCH_JSON_NO_MEMORY,
};

/* Reads a batch, which keeps no pointer into the bytes. Unless it returns BATCH_JSON_OK, *batch
 * is untouched. */
enum batch_json_result batch_json_parse(const char *bytes, size_t len, struct batch_json *batch,
                                        char detail[REPLY_DETAIL_MAX]);

void batch_json_release(struct batch_json *batch);
