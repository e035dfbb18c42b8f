#include "pure/table_parts.h"

#include <sodium/crypto_shorthash_siphash24.h>
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

/* Cell 0, and one entry more than there are keys: table_replace has both for a moment. */
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

uint64_t table_hash(const struct table *table, const char *bytes, size_t len)
{
    uint64_t hash;
    static_assert(sizeof hash == crypto_shorthash_siphash24_BYTES, "SipHash-2-4 gives 64 bits");
    static_assert(TABLE_SEED_BYTES == crypto_shorthash_siphash24_KEYBYTES, "and takes 128");
    crypto_shorthash_siphash24((unsigned char *)&hash, (const unsigned char *)bytes, len,
                               table->seed);
    return hash;
}

uint32_t table_home(const struct table *table, uint64_t hash)
{
    return home_of(table, tag_of(hash));
}

void table_prefetch_slot(const struct table *table, uint64_t hash)
{
    __builtin_prefetch(&table->index[table_home(table, hash)]);
}

void table_prefetch_entry(const struct table *table, uint64_t hash)
{
    uint32_t tag = tag_of(hash), home = home_of(table, tag), at = home;
    while (table->index[at] != 0 && slot_tag(table->index[at]) != tag)
        if ((at = slot_after(table, at)) == home)
            return;
    __builtin_prefetch(&table->cells[slot_cell(table->index[at])]);
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

/* ---- the index ---- */

/* Whether an entry at `at` whose home is `home` may move back to the hole: the
 * hole is not before its home, counting round the end. */
static bool may_move(const struct table *table, uint32_t home, uint32_t hole, uint32_t at)
{
    uint32_t to_hole = hole >= home ? hole - home : hole + table->slots - home;
    uint32_t to_at = at >= home ? at - home : at + table->slots - home;
    return to_hole < to_at;
}

/* What is at a slot goes with it; the hand goes back to one that it has not met. */
static void carry_along(struct table *table, uint32_t hole, uint32_t at)
{
    if (table->checked != NULL) {
        bit_set(table->checked, hole, bit_is_set(table->checked, at));
        bit_set(table->past_mending, hole, bit_is_set(table->past_mending, at));
    }
    if (hole < table->hand && table->hand <= at)
        table->hand = hole;
}

/* Removal without tombstones: entries after the hole move back into it (Knuth,
 * TAOCP 3, 6.4, algorithm R). Each is written to its new slot before its old
 * one is given up, so that at no instant an entry is missing. Begun again at the
 * hole, it does the same. In an index that wreckage has filled there is no empty slot, and
 * it ends when there is nothing all the way round that may move into the last hole. */
void index_close(struct table *table, uint32_t hole)
{
    for (uint32_t at = slot_after(table, hole); at != hole && table->index[at] != 0;
         at = slot_after(table, at)) {
        if (!may_move(table, home_of(table, slot_tag(table->index[at])), hole, at))
            continue;
        carry_along(table, hole, at);
        store(&table->index[hole], table->index[at]);
        store(&table->header->hole, seal(SEAL_HOLE, at));
        hole = at;
    }
    store(&table->index[hole], 0);
}

void index_remove(struct table *table, uint32_t slot, uint32_t first)
{
    store(&table->header->hole, seal(SEAL_HOLE, slot));
    store(&table->header->first, first);
    journal_state(table, table->keys, OP_REMOVE);
    index_close(table, slot);
    journal_state(table, table->keys - (table->keys > table->sure), OP_FREE);
    cells_free(table, first);
    journal_state(table, table->keys, OP_NONE);
    if (table->keys == 0 && table->damage.leaks > 0 && table->checked == NULL)
        cells_forget(table);
}

void index_replace(struct table *table, enum table_op op, uint32_t slot, uint64_t entry,
                   const struct cells_plan *plan)
{
    store(&table->index[slot], entry);
    cells_take(table, plan);
    if (op == OP_REPLACE) {
        journal_state(table, table->keys, OP_FREE);
        cells_free(table, (uint32_t)table->header->first);
    }
    journal_state(table, table->keys, OP_NONE);
}

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

/* ---- entries ---- */

static struct table_cell *entry(const struct table *table, uint32_t slot)
{
    return &table->cells[slot_cell(table->index[slot])];
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

uint16_t table_line(const struct table *table, uint32_t slot)
{
    return entry(table, slot)->head.line;
}

unsigned table_marks(const struct table *table, uint32_t slot)
{
    return marks_of(entry(table, slot));
}

static uint64_t *place_of_mark(const struct table *table, uint32_t slot, unsigned mark)
{
    struct table_cell *head = entry(table, slot);
    return mark == 0 ? &head->head.spent_mark : &next_cell(table, head)->more.spent_marks[mark - 1];
}

uint64_t table_spent(const struct table *table, uint32_t slot, unsigned mark)
{
    return *place_of_mark(table, slot, mark);
}

void table_set_spent(struct table *table, uint32_t slot, unsigned mark, uint64_t spent_mark)
{
    store(place_of_mark(table, slot, mark), spent_mark);
}

size_t table_key(const struct table *table, uint32_t slot, char key[KEY_MAX + 1])
{
    const struct table_cell *cell = entry(table, slot);
    unsigned marks = marks_of(cell);
    size_t key_len = cell->head.key_len, part = head_part(key_len, marks);
    memcpy(key, cell->head.key, part);
    if (part < key_len && marks > 1)
        cell = next_cell(table, cell);
    for (size_t done = part; done < key_len; done += part) {
        cell = next_cell(table, cell);
        part = link_part(key_len - done);
        memcpy(key + done, cell->link.key, part);
    }
    key[key_len] = '\0';
    return key_len;
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

/* Asks for the entry of a slot that will be looked at soon. */
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
    /* Clearing can take the hand along. */
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
