/*
 * Accept: which of two media types a client would rather have (RFC 9110, 12.5.1).
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { ACCEPT_TYPES = 2 };

/* All zeros before the first field. */
struct accept {
    bool is_there;                 /* there is an Accept field that is not empty */
    unsigned weight[ACCEPT_TYPES]; /* of each type so far, in thousandths */
    unsigned
        precision[ACCEPT_TYPES]; /* of the range that gave it: 3 the type itself, 2, 1; 0: none */
    unsigned place[ACCEPT_TYPES], ranges; /* which range that was */
};

/* Takes a field: its ranges, of which the most precise one counts for each type. */
void accept_field(struct accept *accept, const char *const types[ACCEPT_TYPES], const char *value,
                  size_t len);

/* The index of the type; of two that are as welcome, the one named first, or else the first.
 * ACCEPT_TYPES: neither is welcome. */
unsigned accept_choose(const struct accept *accept);
