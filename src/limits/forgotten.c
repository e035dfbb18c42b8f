#include "limits/forgotten.h"

#include <string.h>

void forgotten_add_others(struct forgotten *forgotten, uint32_t limits, uint64_t keys)
{
    forgotten->others += limits;
    forgotten->keys_of_others += keys;
}

void forgotten_add(struct forgotten *forgotten, const char *name, uint64_t keys)
{
    if (forgotten->named == FORGOTTEN_NAMED_MAX) {
        forgotten_add_others(forgotten, 1, keys);
        return;
    }
    struct forgotten_limit *limit = &forgotten->limit[forgotten->named++];
    strcpy(limit->name, name);
    limit->keys = keys;
}
