/*
 * Calls that fail when a test says so, in a program that is linked with $(failing_ldflags).
 *
 * What the code under test calls is wrapped by the linker, which goes along with every sanitizer;
 * the C library's own calls, and those of other libraries, are not.
 *
 * Owns nothing. One thread. Never blocks.
 */
#pragma once

#include <stdbool.h>

enum failing {
    FAILING_ALLOCATION, /* malloc, calloc, realloc, strdup, open_memstream */
    FAILING_MMAP,
    FAILING_MREMAP,
    FAILING_FSTAT,
    FAILING_FTRUNCATE,
    FAILING_FCHMOD,
    FAILING_EVENTFD,
    FAILING_SIGACTION,
    FAILING_FOPEN,
    FAILINGS,
};

/* Has a call of that kind fail, the nth from now on, and no other. */
void failing_at(enum failing call, unsigned nth);

/* Has none fail from now on; whether it had come to that. */
bool failing_end(void);
