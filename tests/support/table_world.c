#include "support/table_world.h"

#include "limits/credit.h"
#include "table/layout.h"

const uint16_t world_owners[WORLD_LINES] = {0, 0, 0, 0, 1, 1, 1, 1};
const uint8_t world_seed[TABLE_SEED_BYTES] = "seed of a world";

unsigned world_marks(uint16_t line)
{
    return 1 + line % BUCKETS_MAX;
}

static uint64_t salt_of(uint16_t owner)
{
    return owner * 0xda942042e4dd58b5u;
}

static bool knows_line(const void *context, uint16_t line, unsigned *marks, uint64_t *salt)
{
    (void)context;
    if (line >= WORLD_LINES)
        return false;
    *marks = world_marks(line);
    *salt = salt_of(world_owners[line]);
    return true;
}

static bool believes(const void *context, uint16_t line, unsigned mark, uint64_t spent_mark)
{
    (void)context, (void)line, (void)mark;
    return credit_is_sealed(spent_mark) && credit_unseal(spent_mark) <= WORLD_LAST_MARK;
}

uint64_t world_empty_mark(void)
{
    return credit_seal(WORLD_CREDIT);
}

static uint64_t empty_mark(const void *context, uint16_t line, unsigned mark)
{
    (void)context, (void)line, (void)mark;
    return world_empty_mark();
}

const struct table_user world_user = {
    .line = knows_line,
    .believes = believes,
    .empty_mark = empty_mark,
};

uint64_t world_roll_mark(struct dice *dice)
{
    uint64_t mark = dice_roll(dice, WORLD_LAST_MARK);
    return credit_seal(mark + (mark >= WORLD_CREDIT)); /* any but that of an empty bucket */
}

size_t world_key(unsigned index, char key[KEY_MAX + 1])
{
    static const uint8_t lengths[WORLD_KEYS] = {17, 1,  2,  15, 16, 20, 21,  44,
                                                45, 72, 73, 3,  19, 18, 254, 255};
    size_t len = lengths[index];
    memset(key, 'a', len);
    key[0] = (char)('A' + index);
    return len;
}

uint64_t world_hash(const struct table *table, unsigned index, uint16_t owner)
{
    char key[KEY_MAX + 1];
    size_t len = world_key(index, key);
    return table_hash(table, key, len) ^ salt_of(owner);
}

uint32_t world_find(struct table *table, unsigned index, uint16_t owner)
{
    char key[KEY_MAX + 1];
    size_t len = world_key(index, key);
    uint64_t hash = table_hash(table, key, len) ^ salt_of(owner);
    uint16_t line = owner * BUCKETS_MAX;
    if (table_is_in_doubt(table))
        table_settle(table, hash, key, len, line);
    return table_find(table, hash, key, len, owner);
}

unsigned world_which(const struct table *table, uint32_t slot, uint16_t *owner)
{
    char key[KEY_MAX + 1], expected[KEY_MAX + 1];
    size_t len = table_key(table, slot, key);
    unsigned index = (unsigned)(key[0] - 'A');
    if (index >= WORLD_KEYS || table_line(table, slot) >= WORLD_LINES)
        return WORLD_KEYS;
    *owner = world_owners[table_line(table, slot)];
    bool is_it = world_key(index, expected) == len && memcmp(key, expected, len) == 0;
    return is_it ? index : WORLD_KEYS;
}

/* ---- changes ---- */

static void roll_entry(struct dice *dice, uint16_t owner, struct world_entry *entry)
{
    entry->is_there = true;
    entry->line = (uint16_t)(owner * BUCKETS_MAX + dice_roll(dice, BUCKETS_MAX));
    for (unsigned i = 0; i < world_marks(entry->line); i++)
        entry->marks[i] = world_roll_mark(dice);
}

struct world_step world_roll(struct dice *dice, const struct world *world, uint32_t max_keys,
                             struct world *next)
{
    struct world_step step = {
        .index = (unsigned)dice_roll(dice, WORLD_KEYS),
        .owner = (uint16_t)dice_roll(dice, WORLD_OWNERS),
    };
    *next = *world;
    struct world_entry *entry = &next->entry[step.index][step.owner];
    if (!entry->is_there && world->keys == max_keys)
        return world_roll(dice, world, max_keys, next);
    if (!entry->is_there) {
        step.change = WORLD_INSERT;
        roll_entry(dice, step.owner, entry);
        next->keys++;
    } else if (dice_once_in(dice, 3)) {
        step.change = WORLD_REPLACE;
        roll_entry(dice, step.owner, entry);
    } else if (dice_once_in(dice, 8)) {
        step.change = WORLD_SET;
        step.mark = (unsigned)dice_roll(dice, world_marks(entry->line));
        entry->marks[step.mark] = world_roll_mark(dice);
    } else {
        step.change = WORLD_REMOVE;
        entry->is_there = false;
        next->keys--;
    }
    return step;
}

void world_do(struct table *table, struct world_step step, const struct world *next)
{
    const struct world_entry *entry = &next->entry[step.index][step.owner];
    uint32_t slot = world_find(table, step.index, step.owner);
    char key[KEY_MAX + 1];
    size_t len = world_key(step.index, key);
    switch (step.change) {
    case WORLD_INSERT:
        table_insert(table, world_hash(table, step.index, step.owner), key, len, entry->line,
                     entry->marks, world_marks(entry->line));
        break;
    case WORLD_SET:
        table_set_spent(table, slot, step.mark, entry->marks[step.mark]);
        break;
    case WORLD_REPLACE:
        table_replace(table, slot, entry->line, entry->marks, world_marks(entry->line));
        break;
    case WORLD_REMOVE:
        table_remove(table, slot);
        break;
    }
}

/* ---- comparing ---- */

/* Whether an entry is as it should be, buckets that are empty instead counted. */
static bool entry_is(struct table *table, unsigned index, uint16_t owner,
                     const struct world_entry *entry, unsigned *emptied)
{
    uint32_t slot = world_find(table, index, owner);
    if (slot == TABLE_NONE || !entry->is_there)
        return slot == TABLE_NONE && !entry->is_there;
    uint16_t owner_there;
    if (world_which(table, slot, &owner_there) != index || owner_there != owner ||
        table_line(table, slot) != entry->line ||
        table_marks(table, slot) != world_marks(entry->line))
        return false;
    for (unsigned i = 0; i < world_marks(entry->line); i++) {
        uint64_t mark = table_spent(table, slot, i);
        if (mark != entry->marks[i] && mark != world_empty_mark())
            return false;
        *emptied += mark != entry->marks[i];
    }
    return true;
}

bool world_is_but_for(struct table *table, const struct world *world, unsigned emptied)
{
    unsigned found_emptied = 0;
    for (unsigned index = 0; index < WORLD_KEYS; index++)
        for (uint16_t owner = 0; owner < WORLD_OWNERS; owner++)
            if (!entry_is(table, index, owner, &world->entry[index][owner], &found_emptied))
                return false;
    /* All are there, and nothing else is, but for flipped bits that nobody has met. */
    uint32_t slots_taken = 0;
    for (uint32_t slot = 0; slot < table->slots; slot++)
        slots_taken += table->index[slot] != 0;
    return found_emptied == emptied && table->keys == world->keys &&
           (slots_taken == world->keys || table_is_in_doubt(table));
}

bool world_is(struct table *table, const struct world *world)
{
    return world_is_but_for(table, world, 0);
}

size_t world_arena_used(const struct table *table)
{
    return (size_t)((const char *)(table->cells + table->cells_used) - (const char *)table->index);
}

enum { CELLS_SEEN = (2 * WORLD_KEYS + 2) * CELLS_PER_KEY_MAX }; /* of the largest table */

static bool see(const struct table *table, uint32_t cell, bool seen[])
{
    if (cell == 0 || cell >= table->cells_used || seen[cell])
        return false;
    seen[cell] = true;
    return true;
}

/* Counts the cells of the entry in a slot, none of which may have been seen. */
static bool see_entry(const struct table *table, uint32_t slot, bool seen[], uint32_t *count)
{
    uint32_t cell = slot_cell(table->index[slot]);
    const struct table_cell *head = &table->cells[cell];
    if (head->head.shape != shape_of(head->head.line, head->head.key_len, marks_of(head)))
        return false;
    for (unsigned left = cells_needed(head->head.key_len, marks_of(head)); left > 0; left--) {
        if (!see(table, cell, seen))
            return false;
        ++*count;
        cell = table->cells[cell].link.next;
    }
    return true;
}

bool world_cells_add_up(const struct table *table)
{
    bool seen[CELLS_SEEN] = {true};
    uint32_t count = 1;
    for (uint32_t slot = 0; slot < table->slots; slot++)
        if (table->index[slot] != 0 && !see_entry(table, slot, seen, &count))
            return false;
    for (uint32_t cell = table->free_cell; cell != 0; cell = table->cells[cell].free.next) {
        if (!see(table, cell, seen) || !cell_is_free(&table->cells[cell], cell))
            return false;
        count++;
    }
    return count == table->cells_used;
}

bool world_sure_is_whole(const struct table *table)
{
    bool seen[CELLS_SEEN] = {true};
    uint32_t cells = 0, sure = 0;
    for (uint32_t slot = 0; slot < table->slots; slot++) {
        bool is_sure = table->checked == NULL || slot_is_sure(table, slot);
        if (table->index[slot] == 0 || !is_sure)
            continue;
        sure++;
        if (!see_entry(table, slot, seen, &cells))
            return false;
    }
    return table_is_in_doubt(table) ? sure == table->sure && sure <= table->keys
                                    : sure == table->keys;
}
