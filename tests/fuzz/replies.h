/*
 * Replies as a strict client reads them: HTTP/1.1 messages one behind the other,
 * with JSON in them.
 *
 * Owns nothing. One thread. Never blocks. Errors: what is not well-formed is a
 * failure of the fuzz target.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What all replies on a connection say together. */
struct replies {
    unsigned count; /* final ones: not 100 Continue */
    unsigned first_status;
    unsigned allowed;        /* of those in JSON, the keys that were told yes */
    uint64_t allowed_tokens; /* and how many tokens those asked for */
    unsigned no_content;     /* 200 without content, nor Allow as to OPTIONS: a check's yes */
    unsigned bodiless;       /* replies whose body is left out, as HEAD wants it */
    bool closes;             /* the last one says that it is */
};

struct replies replies_read(const char *bytes, size_t len);
