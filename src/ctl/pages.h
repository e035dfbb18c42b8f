/*
 * Keys in a table: asks for one page of /keys after the other, until there are enough keys or no more, and
 * shows them.
 *
 * Owns nothing. Main thread. Blocks as the client does. Errors: the exit status.
 */
#pragma once

#include "ctl/answer.h"
#include "ctl/columns.h"

#define PAGE_KEYS_MAX 1000 /* that one page may have */

struct pages_table {
    const struct column *heads;
    size_t heads_count;
    bool (*add)(struct columns *columns, const json_t *key); /* a row; false: none for this key */
};

/* Shows as many rows as --count says. order: remaining, denied, or NULL for allowd's own, which is the
 * only one of more than one page. */
enum ctl_exit pages_show(const struct job *job, const char *order, const struct pages_table *table);
