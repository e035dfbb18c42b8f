/*
 * The process: how much memory, processor time and how many descriptors this one uses.
 *
 * Owns nothing. Any thread. Blocks while it reads /proc: some microseconds, and one more for
 * each descriptor. Errors: a number that cannot be found out is PROCESS_UNKNOWN.
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
