/*
 * Samples: what /metrics says at one instant, and what has come to pass between two of them.
 *
 * Owns the list of its limits. Main thread. Never blocks. Errors: sample_read is false if there is no memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLE_BOUNDS_MAX 32

#define SAMPLE_NAME_MAX 255 /* bytes of a limit's name; one that is longer is left out */

struct limit_sample {
    char name[SAMPLE_NAME_MAX + 1];
    double allowed, denied; /* decisions so far */
};

struct sample {
    uint64_t taken_ns;
    struct limit_sample *limits;
    size_t limits_count;
    size_t bounds_count; /* of the histogram of a decision's duration */
    double bound_s[SAMPLE_BOUNDS_MAX], below[SAMPLE_BOUNDS_MAX];
    double connections, waiting, memory_bytes, processor_s;
};

/* Reads the text, which ends with a NUL. To be released in any case. */
bool sample_read(const char *metrics, uint64_t taken_ns, struct sample *sample);
void sample_release(struct sample *sample);

/* What a limit has decided, a second. 0 if it is in one sample only, or if the server has begun anew. */
struct limit_rate {
    double allowed_s, denied_s;
};
struct limit_rate sample_rate(const struct sample *before, const struct sample *now,
                              const char *limit);

/* The same of all limits that are in the later one. */
struct limit_rate sample_rate_of_all(const struct sample *before, const struct sample *now);

/* The bound, in seconds, within which that share of the decisions took place; 0: there were none;
 * infinity: it is above the last bound. */
double sample_quantile_s(const struct sample *before, const struct sample *now, double share);

/* Seconds of a processor that were used, a second. */
double sample_processor(const struct sample *before, const struct sample *now);
