#include "pure/table.h"

#include <assert.h>
#include <sodium/crypto_shorthash_siphash24.h>
#include <string.h>
#include <sys/mman.h>

/*
 * A cell is the head of an entry, a part of its chain, or free. A chain begins
 * where the key has no room in the head, or there is more than one mark: the
 * last four bytes of the head are then `next`. First in the chain is a cell of
 * marks, if there is more than one, then come cells of 28 bytes of the key each,
 * all with `next` in the same place.
 */
enum { HEAD_CHAINED_KEY = 16, CONTINUATION_KEY = 28 };

struct table_cell {
    union {
        struct {
            uint64_t spent_mark;
            uint16_t line;
            uint8_t key_len;
            uint8_t marks;
            char key[TABLE_KEY_INLINE];
        } head;
        struct {
            uint64_t spent_marks[BUCKETS_MAX - 1];
            uint32_t reserved, next;
        } more;
        struct {
            char key[CONTINUATION_KEY];
            uint32_t next;
        } link;
    };
};
static_assert(sizeof(struct table_cell) == 32, "a cell is half a cache line");
static_assert(offsetof(struct table_cell, more.next) == offsetof(struct table_cell, link.next) &&
                  offsetof(struct table_cell, head.key) + HEAD_CHAINED_KEY ==
                      offsetof(struct table_cell, link.next),
              "next is in the same place in all cells of a chain");
static_assert(KEY_MAX <= UINT8_MAX, "key_len is one byte");

enum {
    CELLS_PER_KEY_MAX = 2 + (KEY_MAX - HEAD_CHAINED_KEY + CONTINUATION_KEY - 1) / CONTINUATION_KEY
};

/* A slot is the tag in its upper half and the entry's first cell in its lower;
 * cell 0 is never used, so that an empty slot is 0. */
static uint32_t slot_tag(uint64_t slot)
{
    return (uint32_t)(slot >> 32);
}

static uint32_t slot_cell(uint64_t slot)
{
    return (uint32_t)slot;
}

/* What changes and is not in the index or a cell: the last cache line before the cells. */
struct table_header {
    uint64_t identity; /* the hash of the table's sizes under its seed */
    uint64_t keys, cells_used, free_cell;
};

static_assert((uint64_t)(TABLE_KEYS_MAX + 1) * CELLS_PER_KEY_MAX + 1 < TABLE_NONE,
              "cell numbers are 32 bits");

enum { HEADER_BYTES = 64 };
static_assert(sizeof(struct table_header) <= HEADER_BYTES, "the header is one cache line");

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
    return index_bytes(max_keys) + HEADER_BYTES +
           cells_for(max_keys) * sizeof(struct table_cell);
}

static struct table table_at(void *arena, uint32_t max_keys, const uint8_t seed[TABLE_SEED_BYTES],
                             const uint16_t *owners)
{
    assert(max_keys >= 1 && max_keys <= TABLE_KEYS_MAX);
    char *header = (char *)arena + index_bytes(max_keys);
    struct table table = {
        .max_keys = max_keys,
        .slots = slots_for(max_keys),
        .cells_max = cells_for(max_keys),
        .owners = owners,
        .index = arena,
        .header = (struct table_header *)header,
        .cells = (struct table_cell *)(header + HEADER_BYTES),
        .arena_bytes = table_arena_bytes(max_keys),
    };
    memcpy(table.seed, seed, TABLE_SEED_BYTES);
    return table;
}

static uint64_t identity_of(const struct table *table)
{
    struct {
        char magic[8];
        uint32_t max_keys, slots, cells_max, cell_bytes;
    } sizes = {"table 1", table->max_keys, table->slots, table->cells_max,
               sizeof(struct table_cell)};
    return table_hash(table, (const char *)&sizes, sizeof sizes);
}

void table_create(struct table *table, void *arena, uint32_t max_keys,
                  const uint8_t seed[TABLE_SEED_BYTES], const uint16_t *owners)
{
    *table = table_at(arena, max_keys, seed, owners);
    table->cells_used = 1;
    table->header->cells_used = 1;
    table->header->identity = identity_of(table);
}

enum table_adoption table_adopt(struct table *table, void *arena, uint32_t max_keys,
                                const uint8_t seed[TABLE_SEED_BYTES], const uint16_t *owners,
                                const struct table_user *user)
{
    struct table left = table_at(arena, max_keys, seed, owners);
    const struct table_header *header = left.header;
    if (header->identity != identity_of(&left) || header->keys > max_keys ||
        header->cells_used == 0 || header->cells_used > left.cells_max ||
        header->free_cell >= header->cells_used)
        return TABLE_UNSOUND;
    left.keys = (uint32_t)header->keys;
    left.cells_used = (uint32_t)header->cells_used;
    left.free_cell = (uint32_t)header->free_cell;
    left.user = user;
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
    if (table->has_own_arena)
        munmap(table->index, table->arena_bytes);
}

uint64_t table_hash(const struct table *table, const char *bytes, size_t len)
{
    uint64_t hash;
    static_assert(sizeof hash == crypto_shorthash_siphash24_BYTES, "SipHash-2-4 gives 64 bits");
    static_assert(TABLE_SEED_BYTES == crypto_shorthash_siphash24_KEYBYTES, "and takes 128");
    crypto_shorthash_siphash24((unsigned char *)&hash, (const unsigned char *)bytes, len,
                               table->seed);
    return hash;
}

/* The tag alone decides the home, so that a removal can move entries without
 * hashing their keys (Lemire's multiply-shift range reduction). */
static uint32_t home_of(const struct table *table, uint32_t tag)
{
    return (uint32_t)((uint64_t)tag * table->slots >> 32);
}

static uint32_t after(const struct table *table, uint32_t slot)
{
    return slot + 1 == table->slots ? 0 : slot + 1;
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
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
    __builtin_prefetch(&table->cells[slot_cell(table->index[table_home(table, hash)])]);
}

/* How much of a key the head holds. */
static size_t head_part(size_t key_len, unsigned marks)
{
    return key_len <= TABLE_KEY_INLINE && marks == 1 ? key_len
           : key_len < HEAD_CHAINED_KEY              ? key_len
                                                     : HEAD_CHAINED_KEY;
}

static size_t link_part(size_t rest)
{
    return rest < CONTINUATION_KEY ? rest : CONTINUATION_KEY;
}

static struct table_cell *next_cell(const struct table *table, const struct table_cell *cell)
{
    return &table->cells[cell->link.next];
}

static bool key_equals(const struct table *table, const struct table_cell *cell, const char *key,
                       size_t key_len)
{
    size_t part = head_part(key_len, cell->head.marks);
    if (cell->head.key_len != key_len || memcmp(cell->head.key, key, part) != 0)
        return false;
    if (part == key_len)
        return true;
    if (cell->head.marks > 1)
        cell = next_cell(table, cell);
    for (size_t done = part; done < key_len; done += part) {
        cell = next_cell(table, cell);
        part = link_part(key_len - done);
        if (memcmp(cell->link.key, key + done, part) != 0)
            return false;
    }
    return true;
}

uint32_t table_find(const struct table *table, uint64_t hash, const char *key, size_t key_len,
                    uint16_t owner)
{
    uint32_t tag = tag_of(hash);
    for (uint32_t at = home_of(table, tag); table->index[at] != 0; at = after(table, at)) {
        if (slot_tag(table->index[at]) != tag)
            continue;
        const struct table_cell *cell = &table->cells[slot_cell(table->index[at])];
        if (table->owners[cell->head.line] == owner && key_equals(table, cell, key, key_len))
            return at;
    }
    return TABLE_NONE;
}

void table_settle(struct table *table, uint64_t hash, const char *key, size_t key_len,
                  uint16_t line)
{
    (void)table, (void)hash, (void)key, (void)key_len, (void)line;
}

static uint32_t cell_take(struct table *table)
{
    uint32_t cell = table->free_cell;
    if (cell == 0) {
        table->header->cells_used = table->cells_used + 1;
        return table->cells_used++;
    }
    table->free_cell = table->cells[cell].link.next;
    table->header->free_cell = table->free_cell;
    return cell;
}

static void cell_give(struct table *table, uint32_t cell)
{
    table->cells[cell].link.next = table->free_cell;
    table->free_cell = cell;
    table->header->free_cell = cell;
}

/* Appends a cell to a chain that ends with this one. */
static struct table_cell *chain(struct table *table, struct table_cell *cell)
{
    uint32_t next = cell_take(table);
    cell->link.next = next;
    return &table->cells[next];
}

/* Makes an entry that is not in the index yet; its first cell. */
static uint32_t entry_make(struct table *table, const char *key, size_t key_len, uint16_t line,
                           const uint64_t *spent_marks, unsigned marks)
{
    uint32_t first = cell_take(table);
    struct table_cell *cell = &table->cells[first];
    cell->head.spent_mark = spent_marks[0];
    cell->head.line = line;
    cell->head.key_len = (uint8_t)key_len;
    cell->head.marks = (uint8_t)marks;
    size_t part = head_part(key_len, marks);
    memcpy(cell->head.key, key, part);
    if (marks > 1) {
        cell = chain(table, cell);
        memcpy(cell->more.spent_marks, spent_marks + 1, (marks - 1) * sizeof spent_marks[0]);
    }
    for (size_t done = part; done < key_len; done += part) {
        cell = chain(table, cell);
        part = link_part(key_len - done);
        memcpy(cell->link.key, key + done, part);
    }
    return first;
}

/* Puts an entry into the index, where it is found from then on. */
static void publish(struct table *table, uint32_t slot, uint32_t tag, uint32_t first)
{
    __atomic_store_n(&table->index[slot], (uint64_t)tag << 32 | first, __ATOMIC_RELEASE);
}

bool table_insert(struct table *table, uint64_t hash, const char *key, size_t key_len,
                  uint16_t line, const uint64_t *spent_marks, unsigned marks)
{
    assert(table->keys < table->max_keys && key_len >= 1 && key_len <= KEY_MAX);
    assert(marks >= 1 && marks <= BUCKETS_MAX);

    uint32_t first = entry_make(table, key, key_len, line, spent_marks, marks);
    uint32_t tag = tag_of(hash), at = home_of(table, tag);
    while (table->index[at] != 0)
        at = after(table, at);
    publish(table, at, tag, first);
    table->header->keys = ++table->keys;
    return true;
}

static void entry_free(struct table *table, uint32_t first)
{
    size_t key_len = table->cells[first].head.key_len;
    unsigned marks = table->cells[first].head.marks;
    size_t rest = key_len - head_part(key_len, marks);
    size_t chained = (marks > 1) + (rest + CONTINUATION_KEY - 1) / CONTINUATION_KEY;
    uint32_t cell = first;
    for (size_t i = 0; i < chained; i++) {
        uint32_t next = table->cells[cell].link.next;
        cell_give(table, cell);
        cell = next;
    }
    cell_give(table, cell);
}

/* Whether an entry at `at` whose home is `home` may move back to the hole: the
 * hole is not before its home, counting round the end. */
static bool may_move(const struct table *table, uint32_t home, uint32_t hole, uint32_t at)
{
    uint32_t to_hole = hole >= home ? hole - home : hole + table->slots - home;
    uint32_t to_at = at >= home ? at - home : at + table->slots - home;
    return to_hole < to_at;
}

/* Removal without tombstones: entries after the hole move back into it (Knuth,
 * TAOCP 3, 6.4, algorithm R). Each is written to its new slot before its old
 * one is given up, so that at no instant an entry is missing. */
void table_remove(struct table *table, uint32_t slot)
{
    uint32_t first = slot_cell(table->index[slot]);
    uint32_t hole = slot;
    for (uint32_t at = after(table, slot); table->index[at] != 0; at = after(table, at)) {
        if (may_move(table, home_of(table, slot_tag(table->index[at])), hole, at)) {
            __atomic_store_n(&table->index[hole], table->index[at], __ATOMIC_RELEASE);
            if (hole < table->hand && table->hand <= at)
                table->hand = hole; /* the hand has not met this one */
            hole = at;
        }
    }
    __atomic_store_n(&table->index[hole], 0, __ATOMIC_RELEASE);
    entry_free(table, first);
    table->header->keys = --table->keys;
}

static struct table_cell *entry(const struct table *table, uint32_t slot)
{
    return &table->cells[slot_cell(table->index[slot])];
}

uint16_t table_line(const struct table *table, uint32_t slot)
{
    return entry(table, slot)->head.line;
}

unsigned table_marks(const struct table *table, uint32_t slot)
{
    return entry(table, slot)->head.marks;
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
    __atomic_store_n(place_of_mark(table, slot, mark), spent_mark, __ATOMIC_RELAXED);
}

size_t table_key(const struct table *table, uint32_t slot, char key[KEY_MAX + 1])
{
    const struct table_cell *cell = entry(table, slot);
    size_t key_len = cell->head.key_len, part = head_part(key_len, cell->head.marks);
    memcpy(key, cell->head.key, part);
    if (part < key_len && cell->head.marks > 1)
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
    uint32_t before = slot_cell(table->index[slot]);
    uint32_t first = entry_make(table, key, key_len, line, spent_marks, marks);
    publish(table, slot, slot_tag(table->index[slot]), first);
    entry_free(table, before);
    return true;
}

uint32_t table_next_occupied(struct table *table, uint32_t slot)
{
    if (table->keys == 0)
        return TABLE_NONE;
    while (table->index[slot] == 0)
        slot = after(table, slot);
    return slot;
}

/* Asks for the entry of a slot that will be looked at soon. */
static void prefetch_ahead(const struct table *table, uint32_t slot)
{
    enum { AHEAD = 8 };
    if (slot + AHEAD < table->slots)
        __builtin_prefetch(&table->cells[slot_cell(table->index[slot + AHEAD])]);
}

bool table_look(const struct table *table, uint32_t slot, uint32_t *tag)
{
    prefetch_ahead(table, slot);
    *tag = slot_tag(table->index[slot]);
    return table->index[slot] != 0;
}

uint32_t table_sweep_look(struct table *table)
{
    prefetch_ahead(table, table->hand);
    if (table->index[table->hand] != 0)
        return table->hand;
    table_sweep_keep(table);
    return TABLE_NONE;
}

void table_sweep_keep(struct table *table)
{
    table->hand = after(table, table->hand);
    table->laps += table->hand == 0;
}
