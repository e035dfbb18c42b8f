/*
 * Arenas: memory for one task, taken piece by piece and given back all at once.
 *
 * An arena bounds what a task can take, and makes each piece cost next to nothing.
 *
 * Owns its chunks. One thread. Never blocks. Errors: NULL when there is no memory, or when
 * the task has used up max_bytes; the latter sets `is_spent`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena {
    struct arena_chunk *chunks; /* the newest first */
    char *at, *end;             /* what is left of the newest */
    size_t next_bytes;          /* the size of the next chunk, unless a piece needs more */
    size_t left_bytes;          /* what all further chunks may have together */
    bool is_spent;              /* a piece was refused because left_bytes was too little */
};

/* Takes no memory yet. first_bytes: the size of the first chunk; enough for most tasks is best. */
void arena_init(struct arena *arena, size_t first_bytes, size_t max_bytes);

/* A piece aligned for anything; one of 0 bytes is a piece too. */
void *arena_take(struct arena *arena, size_t size);

/* Gives all pieces back. */
void arena_release(struct arena *arena);
