/*
 * Batches in JSON: from the bytes of a body to a list of calls.
 *
 *   {"requests":[{"key":"user:1","limit":"api","tokens":2}, ...],"mode":"each"}
 *
 * The only user of jansson. Strict: it is a fault, told with its place, if a member is unknown or
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

/* Call it once, before a batch is parsed and while there is one thread only: it sets jansson's
 * allocator and seed, which hold for the whole process. While a thread parses a batch, jansson
 * gets its memory there from an arena that ends with the parse, so nothing that jansson makes may
 * outlive the parse. Any other use of jansson gets malloc(3) and free(3). */
void batch_json_set_up(void);

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

/* For tests: if not NULL, it is called before each allocation, which fails if it returns true. */
extern bool (*batch_json_has_no_memory)(void);
