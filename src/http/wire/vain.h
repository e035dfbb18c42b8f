/*
 * Vain passes: notices when libmicrohttpd wants pass after pass and does nothing in them.
 *
 * While a body comes in chunks, version 0.9.75 can want the next pass at once although it can go on
 * with nothing. One client would keep a processor busy until the deadline of its body. So if
 * libmicrohttpd has called nobody for a while, the next pass waits a little, unless a socket has
 * become ready.
 *
 * Owns its numbers. One thread. Never blocks. Never fails.
 */
#pragma once

#include <stdbool.h>

enum {
    VAIN_PASSES_MAX = 128, /* what takes long, such as a large header, takes fewer */
    VAIN_WAIT_MS = 20,
};

/* All zeros before the first pass. */
struct vain {
    bool has_called;    /* libmicrohttpd has called a hook in this pass */
    unsigned in_chunks; /* requests whose body comes in chunks */
    unsigned passes;    /* in a row without a call */
};

/* Whether the next pass is to wait although libmicrohttpd wants it at once. */
static inline bool vain_waits(const struct vain *vain)
{
    return vain->in_chunks > 0 && vain->passes > VAIN_PASSES_MAX;
}

/* Before each pass; is_ready: a socket has become readable or writable. It need be known only if
 * vain_waits. And behind it. */
static inline void vain_begin_pass(struct vain *vain, bool is_ready)
{
    if (is_ready)
        vain->passes = 0;
    vain->has_called = false;
}

static inline void vain_end_pass(struct vain *vain)
{
    vain->passes = vain->has_called ? 0 : vain->passes + 1;
}
