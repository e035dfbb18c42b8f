/*
 * The table, adopted from an arena that anything may have happened to.
 *
 * An input is operations of four bytes: what, and three for it. Some change the
 * table, some are of another process's: they spoil the arena and adopt it.
 */
#include "fuzz/fuzz.h"
#include "support/table_world.h"

#include <string.h>

const struct fuzz_target fuzz_target = {.name = "adopt", .size_max = 1024, .runs = 2000};

enum { MAX_KEYS = 14 };

struct left {
    struct table table;
    uint8_t *arena;
    size_t bytes;
};

static bool adopt(struct left *left)
{
    table_release(&left->table);
    return table_adopt(&left->table, left->arena, MAX_KEYS, world_seed, world_owners,
                       &world_user) == TABLE_ADOPTED;
}

/* A byte of the arena. */
static size_t place_of(const struct left *left, const uint8_t op[4])
{
    return (op[1] + 256u * op[2]) % left->bytes;
}

static void put(struct left *left, const uint8_t op[4])
{
    unsigned index = op[1] % WORLD_KEYS;
    uint16_t owner = op[2] % WORLD_OWNERS;
    uint16_t line = (uint16_t)(owner * BUCKETS_MAX + op[3] % BUCKETS_MAX);
    uint64_t marks[BUCKETS_MAX];
    char key[KEY_MAX + 1];
    size_t len = world_key(index, key);
    for (unsigned i = 0; i < BUCKETS_MAX; i++)
        marks[i] = world_empty_mark();
    uint32_t slot = world_find(&left->table, index, owner);
    if (slot != TABLE_NONE)
        table_replace(&left->table, slot, line, marks, world_marks(line));
    else if (left->table.keys < MAX_KEYS)
        table_insert(&left->table, world_hash(&left->table, index, owner), key, len, line, marks,
                     world_marks(line));
}

/* Finds what was asked for, or whatever is there, and reads and writes all of it. */
static uint32_t look(struct left *left, const uint8_t op[4])
{
    struct table *table = &left->table;
    uint16_t owner = op[2] % WORLD_OWNERS;
    uint32_t slot = op[3] % 2 == 0 ? world_find(table, op[1] % WORLD_KEYS, owner)
                                   : table_next_occupied(table, op[1] % table->slots);
    if (slot == TABLE_NONE)
        return slot;
    char key[KEY_MAX + 1];
    FUZZ_REQUIRE(world_which(table, slot, &owner) < WORLD_KEYS);
    FUZZ_REQUIRE(table_key(table, slot, key) >= 1);
    FUZZ_REQUIRE(table_marks(table, slot) == world_marks(table_line(table, slot)));
    for (unsigned i = 0; i < table_marks(table, slot); i++) {
        FUZZ_REQUIRE(
            world_user.believes(NULL, table_line(table, slot), i, table_spent(table, slot, i)));
        table_set_spent(table, slot, i, table_spent(table, slot, i));
    }
    return slot;
}

static void sweep(struct table *table, unsigned steps)
{
    for (; steps > 0; steps--)
        if (table_sweep_look(table) != TABLE_NONE)
            table_sweep_keep(table);
}

/* false: the arena is not to be adopted any more. */
static bool operate(struct left *left, const uint8_t op[4])
{
    size_t at = place_of(left, op);
    uint32_t slot;
    switch (op[0] % 8) {
    case 0:
    case 1:
        put(left, op);
        return true;
    case 2:
        look(left, op);
        return true;
    case 3:
        slot = look(left, op);
        if (slot != TABLE_NONE)
            table_remove(&left->table, slot);
        return true;
    case 4:
        sweep(&left->table, op[1] % 64);
        return true;
    case 5:
        return adopt(left);
    case 6:
        left->arena[at] ^= op[3];
        return adopt(left);
    default: /* eight bytes that are good in one place, in another */
        memmove(left->arena + (at & ~(size_t)7), left->arena + op[3] * 8u % left->bytes, 8);
        return adopt(left);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct left left = {.bytes = table_arena_bytes(MAX_KEYS)};
    left.arena = aligned_alloc(64, (left.bytes + 63) / 64 * 64);
    FUZZ_REQUIRE(left.arena != NULL);
    memset(left.arena, 0, left.bytes);
    table_create(&left.table, left.arena, MAX_KEYS, world_seed, world_owners);
    bool is_sound = true;
    for (size_t at = 0; is_sound && at + 4 <= size; at += 4)
        is_sound = operate(&left, data + at);
    if (is_sound) {
        FUZZ_REQUIRE(world_sure_is_whole(&left.table));
        table_release(&left.table);
    }
    free(left.arena);
    return 0;
}
