#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

struct arena_chunk {
    struct arena_chunk *next;
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena, size_t first_bytes, size_t max_bytes)
{
    *arena = (struct arena){.next_bytes = first_bytes, .left_bytes = max_bytes};
}

/* Makes room for a piece. Each chunk is twice as large as the one before, so that a large task
 * needs only a few. */
static bool grow(struct arena *arena, size_t size)
{
    size_t bytes = size > arena->next_bytes ? size : arena->next_bytes;
    if (bytes > arena->left_bytes)
        bytes = arena->left_bytes;
    if (bytes < size) {
        arena->is_spent = true;
        return false;
    }
    struct arena_chunk *chunk = malloc(sizeof *chunk + bytes);
    if (chunk == NULL)
        return false;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->at = chunk->bytes;
    arena->end = chunk->bytes + bytes;
    arena->left_bytes -= bytes;
    arena->next_bytes = 2 * bytes;
    return true;
}

void *arena_take(struct arena *arena, size_t size)
{
    const size_t unit = alignof(max_align_t);
    if (size > SIZE_MAX - unit)
        return NULL;
    size = size == 0 ? unit : (size + unit - 1) / unit * unit;
    if (size > (size_t)(arena->end - arena->at) && !grow(arena, size))
        return NULL;
    void *piece = arena->at;
    arena->at += size;
    return piece;
}

void arena_release(struct arena *arena)
{
    for (struct arena_chunk *chunk = arena->chunks; chunk != NULL;) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (struct arena){0};
}
