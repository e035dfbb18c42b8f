#include "http/batch.h"

#include "http/json_memory.h"

#include <stdlib.h>
#include <string.h>

bool batch_take_memory(struct batch *batch, uint32_t count, size_t len)
{
    batch->count = count;
    batch->size = count * sizeof batch->calls[0] + len;
    batch->calls = json_memory_is_out() ? NULL : malloc(batch->size);
    batch->memory = batch->calls;
    return batch->memory != NULL;
}

static void rebase(const char **string, const char *from, char *to)
{
    if (*string != NULL)
        *string = to + (*string - from);
}

void batch_give_back_rest(struct batch *batch, size_t used)
{
    char *from = batch->memory;
    char *to = used < batch->size / 2 && !json_memory_is_out() ? malloc(used) : NULL;
    if (to == NULL)
        return;
    memcpy(to, from, used);
    batch->memory = batch->calls = (struct bucket_call *)to;
    batch->size = used;
    for (uint32_t i = 0; i < batch->count; i++) {
        rebase(&batch->calls[i].ask.key, from, to);
        rebase(&batch->calls[i].ask.limit_name, from, to);
    }
    free(from);
}

void batch_release(struct batch *batch)
{
    free(batch->memory);
    batch->memory = NULL;
    batch->size = 0;
}
