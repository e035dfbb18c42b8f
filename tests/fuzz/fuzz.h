/*
 * Fuzz targets: what one is to drive.c and to libFuzzer alike.
 *
 * A target is a file fuzz_NAME.c with a fuzz_target and the entry point of
 * libFuzzer, which must do the same for the same bytes every time and leave
 * nothing behind. Its seeds are in seeds/NAME, its words in words/NAME (a dictionary
 * of libFuzzer's), the inputs that once failed in regressions/NAME.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct fuzz_target {
    const char *name;
    const char *more_seeds; /* a directory of the source tree that has others, or NULL */
    size_t size_max;        /* bytes of an input that drive.c makes */
    unsigned long runs;     /* executions of "make check"; ring fuzzers has FUZZ_TIMES as many */
};
extern const struct fuzz_target fuzz_target;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the bytes are; an assertion that no build leaves out. */
#define FUZZ_REQUIRE(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))

_Noreturn static inline void fuzz_fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}
