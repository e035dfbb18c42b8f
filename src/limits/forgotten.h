/*
 * Forgotten: which limits are gone from the configuration, and how many keys went with them.
 *
 * Their keys are counted as the sweep drops them, so the number is known once it has been round.
 * The first few limits have their names here, the others are added up: a reload can take away a
 * thousand.
 *
 * It begins as all zeros. Owns nothing. One thread. Never blocks. Never fails.
 */
#pragma once

#include "limits/limits.h"

#include <stdint.h>

#define FORGOTTEN_NAMED_MAX 16

struct forgotten_limit {
    char name[LIMIT_NAME_MAX + 1];
    uint64_t keys; /* that were not full when it went */
};

struct forgotten {
    uint32_t named, others; /* limits */
    uint64_t keys_of_others;
    struct forgotten_limit limit[FORGOTTEN_NAMED_MAX];
};

static inline bool forgotten_is_empty(const struct forgotten *forgotten)
{
    return forgotten->named == 0;
}

void forgotten_add(struct forgotten *forgotten, const char *name, uint64_t keys);

/* Adds so many limits without their names. */
void forgotten_add_others(struct forgotten *forgotten, uint32_t limits, uint64_t keys);
