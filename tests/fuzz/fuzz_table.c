/*
 * The table, against a list that is searched from end to end.
 *
 * An input is a byte that sizes the table, then operations of three bytes: what,
 * which key under which owner, and a number for it. Hashes collide on purpose.
 */
#include "fuzz/fuzz.h"
#include "table/table.h"

#include <string.h>

const struct fuzz_target fuzz_target = {.name = "table", .size_max = 512, .runs = 6000};

enum { KEYS = 32, OWNERS = 4, LINES = 8, MAX_KEYS_MAX = 24 };

/* Lines 0 to 3 and 4 to 7 have the owners 0 to 3, as after a reload. */
static const uint16_t owners[LINES] = {0, 1, 2, 3, 0, 1, 2, 3};
static const uint8_t seed[TABLE_SEED_BYTES] = "seed of a fuzzer";

struct entry {
    bool is_there;
    uint16_t line;
    unsigned marks;
    uint64_t spent[BUCKETS_MAX];
};

struct pair {
    struct table table;
    struct entry model[KEYS][OWNERS];
    uint32_t count;
};

/* Lengths round every boundary of cells, no two keys of the same bytes. */
static size_t key_of(unsigned index, char key[KEY_MAX + 1])
{
    static const uint8_t lengths[] = {1, 2, 15, 16, 17, 20, 21, 44, 45, 72, 73, 254, 255};
    size_t len = lengths[index % sizeof lengths];
    memset(key, 'a', len);
    key[0] = (char)('A' + index);
    return len;
}

/* Few homes, the last slot among them, and of some keys the very same hash. */
static uint64_t hash_of(unsigned index)
{
    static const uint32_t tags[] = {1, 1, 2, 1u << 31, UINT32_MAX - 1, UINT32_MAX, UINT32_MAX};
    return (uint64_t)tags[index % (sizeof tags / sizeof tags[0])] << 32;
}

static uint32_t find(const struct pair *pair, unsigned index, uint16_t owner)
{
    char key[KEY_MAX + 1];
    size_t len = key_of(index, key);
    return table_find(&pair->table, hash_of(index), key, len, owner);
}

/* What a slot holds is what the model has of that key. */
static void check_slot(const struct pair *pair, uint32_t slot)
{
    char key[KEY_MAX + 1], expected[KEY_MAX + 1];
    size_t len = table_key(&pair->table, slot, key);
    unsigned index = (unsigned)(key[0] - 'A');
    FUZZ_REQUIRE(index < KEYS && len == key_of(index, expected));
    FUZZ_REQUIRE(memcmp(key, expected, len) == 0 && key[len] == '\0');
    const struct entry *entry = &pair->model[index][owners[table_line(&pair->table, slot)]];
    FUZZ_REQUIRE(entry->is_there && entry->line == table_line(&pair->table, slot));
    FUZZ_REQUIRE(entry->marks == table_marks(&pair->table, slot));
    for (unsigned i = 0; i < entry->marks; i++)
        FUZZ_REQUIRE(entry->spent[i] == table_spent(&pair->table, slot, i));
}

static void fill(struct entry *entry, uint16_t owner, uint8_t number)
{
    entry->line = (uint16_t)(owner + (number & 4));
    entry->marks = 1 + number % BUCKETS_MAX;
    for (unsigned i = 0; i < entry->marks; i++)
        entry->spent[i] = (uint64_t)number * 0x0101010101010101 + i;
}

static void put(struct pair *pair, unsigned index, uint16_t owner, uint8_t number)
{
    struct entry *entry = &pair->model[index][owner];
    char key[KEY_MAX + 1];
    size_t len = key_of(index, key);
    uint32_t slot = find(pair, index, owner);
    FUZZ_REQUIRE((slot != TABLE_NONE) == entry->is_there);
    if (slot != TABLE_NONE) {
        fill(entry, owner, number);
        table_replace(&pair->table, slot, entry->line, entry->spent, entry->marks);
    } else if (pair->count < pair->table.max_keys) {
        fill(entry, owner, number);
        table_insert(&pair->table, hash_of(index), key, len, entry->line, entry->spent,
                     entry->marks);
        entry->is_there = true;
        pair->count++;
    }
}

static void set(struct pair *pair, unsigned index, uint16_t owner, uint8_t number)
{
    struct entry *entry = &pair->model[index][owner];
    uint32_t slot = find(pair, index, owner);
    FUZZ_REQUIRE((slot != TABLE_NONE) == entry->is_there);
    if (slot == TABLE_NONE)
        return;
    unsigned mark = number % entry->marks;
    entry->spent[mark] = ~(uint64_t)number;
    table_set_spent(&pair->table, slot, mark, entry->spent[mark]);
}

/* Takes out the entry of a slot, whosever it is. */
static void take_out(struct pair *pair, uint32_t slot)
{
    char key[KEY_MAX + 1];
    table_key(&pair->table, slot, key);
    pair->model[key[0] - 'A'][owners[table_line(&pair->table, slot)]].is_there = false;
    pair->count--;
    table_remove(&pair->table, slot);
}

static void sweep(struct pair *pair, uint8_t number)
{
    for (unsigned i = 0; i < number % 16u; i++) {
        uint32_t slot = table_sweep_look(&pair->table);
        if (slot == TABLE_NONE)
            continue;
        check_slot(pair, slot);
        if ((number & 16) != 0)
            take_out(pair, slot);
        else
            table_sweep_keep(&pair->table);
    }
}

static void operate(struct pair *pair, const uint8_t op[3])
{
    unsigned index = op[1] % KEYS;
    uint16_t owner = (uint16_t)(op[1] / KEYS % OWNERS);
    uint32_t slot;
    switch (op[0] % 6) {
    case 0:
    case 1:
        put(pair, index, owner, op[2]);
        break;
    case 2:
        set(pair, index, owner, op[2]);
        break;
    case 3:
        slot = find(pair, index, owner);
        FUZZ_REQUIRE((slot != TABLE_NONE) == pair->model[index][owner].is_there);
        if (slot != TABLE_NONE)
            take_out(pair, slot);
        break;
    case 4:
        sweep(pair, op[2]);
        break;
    default:
        slot = table_next_occupied(&pair->table, op[2] % pair->table.slots);
        FUZZ_REQUIRE((slot == TABLE_NONE) == (pair->count == 0));
        if (slot != TABLE_NONE)
            check_slot(pair, slot);
    }
    FUZZ_REQUIRE(pair->table.keys == pair->count);
}

/* Every entry of the model is in the table, and nothing else, for there are as many. */
static void check_all(const struct pair *pair)
{
    for (unsigned index = 0; index < KEYS; index++) {
        for (uint16_t owner = 0; owner < OWNERS; owner++) {
            uint32_t slot = find(pair, index, owner);
            FUZZ_REQUIRE((slot != TABLE_NONE) == pair->model[index][owner].is_there);
            if (slot != TABLE_NONE)
                check_slot(pair, slot);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pair pair = {0};
    if (size == 0)
        return 0;
    FUZZ_REQUIRE(table_init(&pair.table, 1 + data[0] % MAX_KEYS_MAX, seed, owners));
    for (size_t at = 1; at + 3 <= size; at += 3)
        operate(&pair, data + at);
    check_all(&pair);
    table_release(&pair.table);
    return 0;
}
