/*
 * Places: where the buckets of a key under a limit are.
 *
 * Owns nothing. One thread, the brain's.
 */
#pragma once

#include <stdint.h>

/* It holds until limits are installed or an override ends. */
struct place {
    int limit;      /* index, or -1: there is no such limit */
    int override;   /* index in the limit, or -1 */
    uint16_t owner; /* the limit's edition */
    uint16_t line;
    uint64_t hash;          /* of the key, with the limit's salt: the same in all its editions */
    int64_t denied_until_s; /* if the override denies: see limit_denied_until_s */
};
