#include "table/layout.h"

#include <sys/mman.h>

/* ---- the arena ---- */

/* At two thirds full a miss looks at 5 slots on average (Knuth, TAOCP 3, 6.4). */
static uint32_t slots_for(uint32_t max_keys)
{
    return max_keys + max_keys / 2 + 8;
}

static size_t index_bytes(uint32_t max_keys)
{
    return (slots_for(max_keys) * sizeof(uint64_t) + 63) & ~(size_t)63;
}

/* Cell 0, and cells for one entry more than there are keys: while it replaces one, table_replace
 * has both. */
static uint32_t cells_for(uint32_t max_keys)
{
    return (max_keys + 1) * CELLS_PER_KEY_MAX + 1;
}

size_t table_arena_bytes(uint32_t max_keys)
{
    return index_bytes(max_keys) + sizeof(struct table_header) +
           cells_for(max_keys) * sizeof(struct table_cell);
}

static struct table table_at(void *arena, uint32_t max_keys, const uint8_t seed[TABLE_SEED_BYTES],
                             const uint16_t *owners)
{
    assert(max_keys >= 1 && max_keys <= TABLE_KEYS_MAX);
    struct table_header *header = (struct table_header *)((char *)arena + index_bytes(max_keys));
    struct table table = {
        .max_keys = max_keys,
        .slots = slots_for(max_keys),
        .cells_max = cells_for(max_keys),
        .owners = owners,
        .index = arena,
        .header = header,
        .cells = (struct table_cell *)(header + 1),
        .arena_bytes = table_arena_bytes(max_keys),
    };
    memcpy(table.seed, seed, TABLE_SEED_BYTES);
    return table;
}

static uint64_t identity_of(const struct table *table)
{
    struct {
        char layout[8];
        uint32_t max_keys, slots, cells_max, cell_bytes;
    } sizes = {"table 1", table->max_keys, table->slots, table->cells_max,
               sizeof(struct table_cell)};
    return table_hash(table, (const char *)&sizes, sizeof sizes);
}

void table_create(struct table *table, void *arena, uint32_t max_keys,
                  const uint8_t seed[TABLE_SEED_BYTES], const uint16_t *owners)
{
    *table = table_at(arena, max_keys, seed, owners);
    cells_forget(table);
    journal_state(table, 0, OP_NONE);
    store(&table->header->identity, identity_of(table));
}

enum table_adoption table_adopt(struct table *table, void *arena, uint32_t max_keys,
                                const uint8_t seed[TABLE_SEED_BYTES], const uint16_t *owners,
                                const struct table_user *user)
{
    struct table left = table_at(arena, max_keys, seed, owners);
    if (!journal_read(&left, identity_of(&left)) || !journal_recover(&left))
        return TABLE_UNSOUND;
    left.user = user;
    if (!doubt_begin(&left))
        return TABLE_NO_MEMORY;
    *table = left;
    return TABLE_ADOPTED;
}

bool table_init(struct table *table, uint32_t max_keys, const uint8_t seed[TABLE_SEED_BYTES],
                const uint16_t *owners)
{
    void *arena = mmap(NULL, table_arena_bytes(max_keys), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena == MAP_FAILED)
        return false;
    table_create(table, arena, max_keys, seed, owners);
    table->has_own_arena = true;
    return true;
}

void table_release(struct table *table)
{
    doubt_end(table);
    if (table->has_own_arena)
        munmap(table->index, table->arena_bytes);
}

/* ---- finding ---- */

void table_prefetch_slot(const struct table *table, uint64_t hash)
{
    __builtin_prefetch(&table->index[home_of(table, tag_of(hash))]);
}

uint32_t table_prefetch_entry(const struct table *table, uint64_t hash)
{
    uint32_t tag = tag_of(hash), home = home_of(table, tag), at = home;
    while (table->index[at] != 0 && slot_tag(table->index[at]) != tag)
        if ((at = slot_after(table, at)) == home)
            return TABLE_NONE;
    if (table->index[at] == 0)
        return TABLE_NONE;
    __builtin_prefetch(&table->cells[slot_cell(table->index[at])]);
    return at;
}

bool table_is_at(const struct table *table, uint32_t slot, const char *key, size_t key_len,
                 uint16_t line)
{
    const struct table_cell *head = &table->cells[slot_cell(table->index[slot])];
    return table->index[slot] != 0 && head->head.line == line &&
           cells_hold_key(table, head, key, key_len);
}

uint32_t table_find(const struct table *table, uint64_t hash, const char *key, size_t key_len,
                    uint16_t owner)
{
    uint32_t tag = tag_of(hash), home = home_of(table, tag), at = home;
    do {
        uint64_t slot = table->index[at];
        if (slot == 0)
            return TABLE_NONE;
        if (slot_tag(slot) == tag) {
            const struct table_cell *head = &table->cells[slot_cell(slot)];
            if (table->owners[head->head.line] == owner &&
                cells_hold_key(table, head, key, key_len))
                return at;
        }
        at = slot_after(table, at);
    } while (at != home);
    return TABLE_NONE;
}

/* ---- entries come and go ---- */

bool table_insert(struct table *table, uint64_t hash, const char *key, size_t key_len,
                  uint16_t line, const uint64_t *spent_marks, unsigned marks)
{
    assert(table->keys < table->max_keys && key_len >= 1 && key_len <= KEY_MAX);
    assert(marks >= 1 && marks <= BUCKETS_MAX);

    struct cells_plan plan;
    uint32_t tag = tag_of(hash), home = home_of(table, tag), at = home;
    while (table->index[at] != 0)
        if ((at = slot_after(table, at)) == home)
            return false;
    if (!cells_plan(table, cells_needed(key_len, marks), &plan))
        return false;
    journal_entry(table, OP_INSERT, at, &plan, 0);
    cells_fill(table, &plan, key, key_len, line, spent_marks, marks);
    store(&table->index[at], slot_of(tag, plan.cell[0]));
    if (table->checked != NULL)
        doubt_over(table, at);
    cells_take(table, &plan);
    journal_state(table, table->keys + 1, OP_NONE);
    return true;
}

void table_remove(struct table *table, uint32_t slot)
{
    if (table->checked != NULL) {
        doubt_check(table, slot_after(table, slot));
        table->sure--;
    }
    uint32_t first = slot_cell(table->index[slot]);
    index_remove(table, slot, cell_is_free(&table->cells[first], first) ? 0 : first);
}

bool table_replace(struct table *table, uint32_t slot, uint16_t line, const uint64_t *spent_marks,
                   unsigned marks)
{
    char key[KEY_MAX + 1];
    size_t key_len = table_key(table, slot, key);
    uint64_t before = table->index[slot];
    struct cells_plan plan;
    if (!cells_plan(table, cells_needed(key_len, marks), &plan))
        return false;
    journal_entry(table, OP_REPLACE, slot, &plan, slot_cell(before));
    cells_fill(table, &plan, key, key_len, line, spent_marks, marks);
    index_replace(table, OP_REPLACE, slot, slot_of(slot_tag(before), plan.cell[0]), &plan);
    if (table->checked != NULL)
        doubt_own(table, slot);
    return true;
}

/* ---- going through ---- */

uint32_t table_next_occupied(struct table *table, uint32_t slot)
{
    for (uint32_t left = table->slots; left > 0 && table->keys > 0; left--) {
        if (table->checked != NULL && table->index[slot] != 0 && !slot_is_sure(table, slot))
            doubt_clear(table, slot);
        if (table->index[slot] != 0)
            return slot;
        slot = slot_after(table, slot);
    }
    if (table->keys > 0)
        journal_state(table, 0, OP_NONE);
    return TABLE_NONE;
}

/* Asks for the memory of an entry that will be looked at soon. */
static void prefetch_ahead(const struct table *table, uint32_t slot)
{
    enum { AHEAD = 8 };
    if (slot + AHEAD < table->slots)
        __builtin_prefetch(&table->cells[slot_cell(table->index[slot + AHEAD])]);
}

bool table_look(struct table *table, uint32_t slot, uint32_t *tag)
{
    prefetch_ahead(table, slot);
    if (table->checked != NULL && table->index[slot] != 0 && !slot_is_sure(table, slot))
        doubt_clear(table, slot);
    *tag = slot_tag(table->index[slot]);
    return table->index[slot] != 0;
}

uint32_t table_sweep_look(struct table *table)
{
    prefetch_ahead(table, table->hand);
    /* Clearing can move the hand, so look again. */
    while (table->checked != NULL && table->index[table->hand] != 0 &&
           !slot_is_sure(table, table->hand))
        doubt_clear(table, table->hand);
    if (table->index[table->hand] != 0)
        return table->hand;
    table_sweep_keep(table);
    return TABLE_NONE;
}

void table_sweep_keep(struct table *table)
{
    table->hand = slot_after(table, table->hand);
    if (table->hand != 0)
        return;
    table->laps++;
    if (table->checked == NULL)
        return;
    if (table->keys != table->sure)
        journal_state(table, table->sure, OP_NONE);
    doubt_end(table);
}
