#include "http/json_memory.h"

#include "base/arena.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

/* jansson takes 1 MiB for the largest batch there can be, and four times the length of a string,
 * which may be as long as the body. JSON that wants more than this is no batch. */
#define ARENA_MAX_BYTES (8 * JSON_MEMORY_TEXT_MAX)

/* A typical batch takes 13 times its length. */
#define ARENA_FIRST_BYTES(len) (14 * (len) + 4096)

/* The memory of the parse that runs on this thread, if one does, and whether that was refused
 * any: jansson does not always tell. */
static _Thread_local struct arena arena;
static _Thread_local bool is_parsing, was_refused;
static bool is_set_up;

bool (*json_memory_fails)(void);

bool json_memory_is_out(void)
{
    return json_memory_fails != NULL && json_memory_fails();
}

static void *take(size_t size)
{
    if (!is_parsing)
        return malloc(size);
    void *piece = json_memory_is_out() ? NULL : arena_take(&arena, size);
    was_refused |= piece == NULL;
    return piece;
}

/* During a parse nothing is freed: the arena gives all back at its end. */
static void give_back(void *piece)
{
    if (!is_parsing)
        free(piece);
}

void json_memory_set_up(void)
{
    json_set_alloc_funcs(take, give_back);
    json_object_seed(0);
    is_set_up = true;
}

void json_memory_begin(size_t len)
{
    assert(is_set_up && !is_parsing && len <= JSON_MEMORY_TEXT_MAX);
    arena_init(&arena, ARENA_FIRST_BYTES(len), ARENA_MAX_BYTES);
    was_refused = false;
    is_parsing = true;
}

void json_memory_end(void)
{
    is_parsing = false;
    arena_release(&arena);
}

bool json_memory_was_short(void)
{
    return was_refused;
}

bool json_memory_was_spent(void)
{
    return was_refused && arena.is_spent;
}
