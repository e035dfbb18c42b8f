#include "limits/forgotten.h"

#include <string.h>

void forgotten_add(struct forgotten *forgotten, const char *name, uint64_t keys)
{
    if (forgotten->named == FORGOTTEN_NAMED_MAX) {
        forgotten->others++;
        forgotten->keys_of_others += keys;
        return;
    }
    struct forgotten_limit *limit = &forgotten->limit[forgotten->named++];
    strcpy(limit->name, name);
    limit->keys = keys;
}
