/*
 * Batches: a list of questions about many keys, read from one body, whichever form that has: JSON
 * (batch_json.h) or lines (batch_lines.h).
 *
 * A batch owns what its calls point to. Any thread. Never blocks. Errors: enum batch_result.
 */
#pragma once

#include "brain/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_BODY_MAX (1u << 20) /* bytes */

struct batch {
    struct bucket_call *calls;
    uint32_t count; /* 1 to LIST_MAX */
    bool all;       /* all of them are allowed, or none is; else each is decided on its own */
    void *memory;   /* all of it, from malloc */
    size_t size;    /* bytes of `memory`; 0: there is none */
};

enum batch_result {
    BATCH_OK,
    BATCH_NONE, /* of JSON: not an object, or one without "requests" */
    BATCH_BAD,  /* the detail says what is wrong, and in which request */
    BATCH_NO_MEMORY,
};

/* Takes memory for so many calls, and for `len` bytes of strings, which begin behind the last call.
 * false: there is none. */
bool batch_take_memory(struct batch *batch, uint32_t count, size_t len);

/* Moves a batch to memory of the right size if most of it is unused, as after a body that is nearly
 * all blanks. used: bytes of it. If there is no memory for that, the batch stays where it is. */
void batch_give_back_rest(struct batch *batch, size_t used);

void batch_release(struct batch *batch);
