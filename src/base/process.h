/*
 * The process: what the system says of this one.
 *
 * Owns nothing. Any thread. Blocks for as long as /proc takes to be read, some
 * microseconds and one more for each descriptor. Errors: what cannot be found out
 * is PROCESS_UNKNOWN.
 */
#pragma once

#include <stdint.h>

#define PROCESS_UNKNOWN UINT64_MAX

struct process {
    uint64_t resident_bytes;
    uint64_t descriptors, descriptors_max;
    uint64_t cpu_ns; /* of all threads, since the start */
};

struct process process_look(void);
