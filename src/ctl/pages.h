/*
 * Pages of /keys: asks for one after the other, until there are enough keys or no more.
 *
 * Owns nothing. Main thread. Blocks as the client does. Errors: the exit status.
 */
#pragma once

#include "ctl/answer.h"

#define PAGE_KEYS_MAX 1000 /* that one page may have */

/* Takes one of the keys, and whether it is to be counted as one of the wanted ones. */
struct pages_sink {
    bool (*take)(void *context, const json_t *key);
    void *context;
};

/* order: remaining, denied, or NULL for the table's own, which is the only one of more than one page.
 * most: how many keys are wanted. */
enum ctl_exit pages_of_keys(const struct job *job, const char *order, uint64_t most,
                            const struct pages_sink *sink);
