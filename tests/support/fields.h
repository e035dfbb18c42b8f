/*
 * The fields of a request that a test has made up, as a check reads them (ask/check.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The value of the field of this name with so many before it, or NULL. */
typedef const char *field_finder(void *context, const char *name, unsigned index, size_t *len);

/* Passes all values of a field, until one is not taken. */
static inline void pass_found(field_finder *find, void *context, const char *name,
                              bool (*take)(void *taker, const char *value, size_t len), void *taker)
{
    size_t len = 0;
    const char *value;
    for (unsigned i = 0; (value = find(context, name, i, &len)) != NULL; i++)
        if (!take(taker, value, len))
            return;
}
