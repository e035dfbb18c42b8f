/* The table: no entry is lost, mixed up or left behind, and the memory is bounded. */
#include "support/dice.h"
#include "support/unit.h"
#include "table/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LINES = 8 };

static const uint8_t seed[TABLE_SEED_BYTES] = {1, 2, 3};
static const uint16_t own_owners[LINES] = {0, 1, 2, 3, 4, 5, 6, 7};

static struct table table_of(uint32_t max_keys)
{
    struct table table;
    assert_true(table_init(&table, max_keys, seed, own_owners));
    return table;
}

/* An entry of one mark. */
static void put(struct table *table, uint64_t hash, const char *key, size_t len, uint16_t line,
                uint64_t mark)
{
    table_insert(table, hash, key, len, line, &mark, 1);
}

static void insert(struct table *table, const char *key, uint16_t line, uint64_t mark)
{
    put(table, table_hash(table, key, strlen(key)), key, strlen(key), line, mark);
}

static uint32_t find(const struct table *table, const char *key, uint16_t line)
{
    return table_find(table, table_hash(table, key, strlen(key)), key, strlen(key), line);
}

/* A hash whose home is this slot. */
static uint64_t hash_at_home(const struct table *table, uint32_t home)
{
    uint64_t tag = ((uint64_t)home << 32) / table->slots + 1;
    assert_int_equal(table_home(table, tag << 32), home);
    return tag << 32;
}

/* ---- single entries ---- */

static void finds_what_was_inserted(void **state)
{
    (void)state;
    struct table table = table_of(10);
    assert_int_equal(find(&table, "alice", 1), TABLE_NONE);
    insert(&table, "alice", 1, 77);
    uint32_t slot = find(&table, "alice", 1);
    assert_int_not_equal(slot, TABLE_NONE);
    assert_int_equal(table_spent(&table, slot, 0), 77);
    assert_int_equal(table_line(&table, slot), 1);
    assert_int_equal(table.keys, 1);
    table_release(&table);
}

static void a_key_under_two_lines_is_two_entries(void **state)
{
    (void)state;
    struct table table = table_of(10);
    insert(&table, "alice", 1, 11);
    assert_int_equal(find(&table, "alice", 2), TABLE_NONE);
    insert(&table, "alice", 2, 22);
    assert_int_equal(table_spent(&table, find(&table, "alice", 1), 0), 11);
    assert_int_equal(table_spent(&table, find(&table, "alice", 2), 0), 22);
    table_remove(&table, find(&table, "alice", 1));
    assert_int_equal(find(&table, "alice", 1), TABLE_NONE);
    assert_int_equal(table_spent(&table, find(&table, "alice", 2), 0), 22);
    table_release(&table);
}

static void an_entry_is_found_by_the_owner_of_its_line(void **state)
{
    (void)state;
    uint16_t owners[LINES] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct table table;
    assert_true(table_init(&table, 10, seed, owners));
    insert(&table, "alice", 1, 11);
    owners[1] = 5;
    assert_int_equal(find(&table, "alice", 1), TABLE_NONE);
    uint32_t slot = find(&table, "alice", 5);
    assert_int_not_equal(slot, TABLE_NONE);
    assert_int_equal(table_line(&table, slot), 1);
    table_replace(&table, slot, 5, &(uint64_t){55}, 1);
    assert_int_equal(table_spent(&table, find(&table, "alice", 5), 0), 55);
    assert_int_equal(table_line(&table, find(&table, "alice", 5)), 5);
    owners[5] = UINT16_MAX;
    assert_int_equal(find(&table, "alice", 5), TABLE_NONE);
    table_release(&table);
}

/* Each count of marks, with keys that do and do not fit beside them, through every change of
 * count. */
static void an_entry_is_replaced_by_one_of_any_count_of_marks(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 15, 16, 17, TABLE_KEY_INLINE, 21, 44, 45, KEY_MAX};
    static const uint64_t marks[BUCKETS_MAX] = {11, 22, 33, 44};
    char key[KEY_MAX + 1], got[KEY_MAX + 1];
    memset(key, 'k', sizeof key);
    for (size_t l = 0; l < LENGTH(lengths); l++) {
        struct table table = table_of(1);
        table_insert(&table, 42, key, lengths[l], 1, marks, 1);
        for (unsigned step = 0; step < 2 * BUCKETS_MAX * BUCKETS_MAX; step++) {
            unsigned count = 1 + (step * 7 + step / BUCKETS_MAX) % BUCKETS_MAX;
            uint32_t slot = table_find(&table, 42, key, lengths[l], 1);
            assert_int_not_equal(slot, TABLE_NONE);
            table_replace(&table, slot, 1, marks, count);
            assert_int_equal(table_marks(&table, slot), count);
            for (unsigned i = 0; i < count; i++)
                assert_int_equal(table_spent(&table, slot, i), marks[i]);
            assert_int_equal(table_key(&table, slot, got), lengths[l]);
            assert_memory_equal(got, key, lengths[l]);
        }
        table_remove(&table, table_find(&table, 42, key, lengths[l], 1));
        assert_int_equal(table.keys, 0);
        table_release(&table);
    }
}

static void marks_are_set_in_place(void **state)
{
    (void)state;
    struct table table = table_of(10);
    insert(&table, "alice", 1, 1);
    insert(&table, "bob", 1, 2);
    table_set_spent(&table, find(&table, "alice", 1), 0, UINT64_MAX);
    assert_int_equal(table_spent(&table, find(&table, "alice", 1), 0), UINT64_MAX);
    assert_int_equal(table_spent(&table, find(&table, "bob", 1), 0), 2);
    table_release(&table);
}

/* Every length, and at each a second key that differs in one byte, the last or
 * any other, or is one byte shorter: the boundaries of cells are all crossed. */
static void keys_of_every_length_are_told_apart(void **state)
{
    (void)state;
    char key[KEY_MAX + 1];
    for (size_t len = 1; len <= KEY_MAX; len++) {
        struct table table = table_of(4);
        memset(key, 'k', len);
        put(&table, 42, key, len, 1, len);
        assert_int_not_equal(table_find(&table, 42, key, len, 1), TABLE_NONE);
        if (len > 1)
            assert_int_equal(table_find(&table, 42, key, len - 1, 1), TABLE_NONE);
        for (size_t at = 0; at < len; at++) {
            key[at] = 'x';
            assert_int_equal(table_find(&table, 42, key, len, 1), TABLE_NONE);
            key[at] = 'k';
        }
        table_release(&table);
    }
}

static void entries_of_one_hash_are_told_apart(void **state)
{
    (void)state;
    struct table table = table_of(100);
    char key[16];
    for (int i = 0; i < 100; i++) {
        int len = snprintf(key, sizeof key, "%d", i);
        put(&table, 0, key, (size_t)len, 1, (uint64_t)i);
    }
    for (int i = 0; i < 100; i++) {
        int len = snprintf(key, sizeof key, "%d", i);
        uint32_t slot = table_find(&table, 0, key, (size_t)len, 1);
        assert_int_not_equal(slot, TABLE_NONE);
        assert_int_equal(table_spent(&table, slot, 0), i);
    }
    table_release(&table);
}

/* A key for each number, and all of one hash to whoever multiplies by 31 and adds. */
enum { PAIRS = 17, COLLIDING = 1 << PAIRS };

static void colliding_key(char key[2 * PAIRS], uint32_t i)
{
    for (unsigned pair = 0; pair < PAIRS; pair++)
        memcpy(key + 2 * pair, i >> pair & 1 ? "Aa" : "BB", 2);
}

static uint32_t unkeyed_hash(const char *key, size_t len)
{
    uint32_t hash = 0;
    for (size_t i = 0; i < len; i++)
        hash = 31 * hash + (unsigned char)key[i];
    return hash;
}

/* By how many slots all entries together, and the one that is worst off, are past their homes. */
static uint64_t displacement(struct table *table, uint32_t *worst)
{
    uint64_t sum = 0;
    *worst = 0;
    for (uint32_t slot = 0, tag; slot < table->slots; slot++) {
        if (!table_look(table, slot, &tag))
            continue;
        uint32_t home = table_home(table, (uint64_t)tag << 32);
        uint32_t past = slot >= home ? slot - home : slot + table->slots - home;
        sum += past;
        *worst = past > *worst ? past : *worst;
    }
    return sum;
}

/* Who chooses keys to collide has not seen the seed: they lie as keys lie that nobody chose. */
static void keys_chosen_to_collide_are_found_as_fast_as_others(void **state)
{
    (void)state;
    struct table chosen = table_of(COLLIDING), plain = table_of(COLLIDING);
    char key[2 * PAIRS], other[2 * PAIRS + 1];
    colliding_key(key, 0);
    uint32_t hash = unkeyed_hash(key, sizeof key), worst_chosen, worst_plain;
    for (uint32_t i = 0; i < COLLIDING; i++) {
        colliding_key(key, i);
        assert_int_equal(unkeyed_hash(key, sizeof key), hash);
        put(&chosen, table_hash(&chosen, key, sizeof key), key, sizeof key, 1, i);
        snprintf(other, sizeof other, "%034u", (unsigned)i);
        insert(&plain, other, 1, i);
    }
    uint64_t sum_chosen = displacement(&chosen, &worst_chosen);
    uint64_t sum_plain = displacement(&plain, &worst_plain);
    print_message(
        "slots past home, of %d keys: %u at worst and %.2f on average, of others %u and %.2f\n",
        COLLIDING, (unsigned)worst_chosen, (double)sum_chosen / COLLIDING, (unsigned)worst_plain,
        (double)sum_plain / COLLIDING);
    assert_true(sum_chosen < sum_plain + sum_plain / 10);
    assert_true(worst_chosen < 2 * worst_plain);
    table_release(&plain);
    table_release(&chosen);
}

static void the_seed_changes_every_hash(void **state)
{
    (void)state;
    static const uint8_t other_seed[TABLE_SEED_BYTES] = {1, 2, 4};
    struct table one = table_of(1), other;
    assert_true(table_init(&other, 1, other_seed, own_owners));
    char key[16];
    for (int i = 0; i < 1000; i++) {
        size_t len = (size_t)snprintf(key, sizeof key, "%d", i);
        assert_true(table_hash(&one, key, len) != table_hash(&other, key, len));
    }
    table_release(&other);
    table_release(&one);
}

/* The test vector of the SipHash-2-4 paper: the hash is the one it says it is. */
static void the_hash_is_siphash(void **state)
{
    (void)state;
    uint8_t counting[TABLE_SEED_BYTES];
    char message[15];
    for (uint8_t i = 0; i < sizeof counting; i++)
        counting[i] = i;
    for (char i = 0; i < (char)sizeof message; i++)
        message[(size_t)i] = i;
    struct table table;
    assert_true(table_init(&table, 1, counting, own_owners));
    assert_true(table_hash(&table, message, sizeof message) == 0xa129ca6149be45e5);
    table_release(&table);
}

/* Four keys of this length and of some more, as if each had been hashed alone. */
static void hash_four_of(const struct table *table, const char *bytes, size_t len,
                         size_t step_bytes)
{
    const char *keys[TABLE_HASHES];
    size_t lens[TABLE_HASHES];
    uint64_t hashes[TABLE_HASHES];
    for (unsigned i = 0; i < TABLE_HASHES; i++) {
        keys[i] = bytes + i;
        lens[i] = (len + i * step_bytes) % (KEY_MAX + 1);
    }
    table_hash_four(table, keys, lens, hashes);
    for (unsigned i = 0; i < TABLE_HASHES; i++)
        assert_true(hashes[i] == table_hash(table, keys[i], lens[i]));
}

static void four_keys_are_hashed_as_each_alone(void **state)
{
    (void)state;
    struct table table = table_of(1);
    struct dice dice = dice_new(7);
    char bytes[KEY_MAX + TABLE_HASHES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)dice_roll(&dice, 256);
    for (size_t len = 0; len <= KEY_MAX; len++)
        for (size_t step = 0; step <= 9; step++)
            hash_four_of(&table, bytes, len, step);
    table_release(&table);
}

/* What is fetched ahead of a search tells where the entry is, and a slot is not believed to hold what it does not. */
static void a_search_may_begin_where_the_entry_was_fetched(void **state)
{
    (void)state;
    struct table table = table_of(100);
    uint64_t hash = table_hash(&table, "key", 3);
    assert_true(table_prefetch_entry(&table, hash) == TABLE_NONE);
    put(&table, hash, "key", 3, 1, 7);
    uint32_t slot = table_prefetch_entry(&table, hash);
    assert_int_equal(slot, table_find(&table, hash, "key", 3, 1));
    assert_true(table_is_at(&table, slot, "key", 3, 1));
    assert_false(table_is_at(&table, slot, "key", 3, 2));
    assert_false(table_is_at(&table, slot, "kez", 3, 1));
    assert_false(table_is_at(&table, slot, "key:1", 5, 1));
    assert_false(table_is_at(&table, (slot + 1) % table.slots, "key", 3, 1));
    put(&table, hash, "another", 7, 1, 7); /* of the same tag: the first is what is told */
    assert_int_equal(table_prefetch_entry(&table, hash), slot);
    assert_false(table_is_at(&table, slot, "another", 7, 1));
    table_remove(&table, slot);
    assert_false(table_is_at(&table, slot, "key", 3, 1));
    table_release(&table);
}

/* ---- probing and its end ---- */

static void a_cluster_goes_on_past_the_end_of_the_index(void **state)
{
    (void)state;
    struct table table = table_of(12);
    uint64_t last = hash_at_home(&table, table.slots - 1);
    char key[2] = "a";
    for (; key[0] < 'g'; key[0]++)
        put(&table, last, key, 1, 1, (uint64_t)key[0]);
    assert_int_equal(table_find(&table, last, "a", 1, 1), table.slots - 1);
    assert_int_equal(table_find(&table, last, "b", 1, 1), 0);
    for (char gone = 'a'; gone < 'g'; gone++) {
        table_remove(&table, table_find(&table, last, &gone, 1, 1));
        for (char left = (char)(gone + 1); left < 'g'; left++)
            assert_int_not_equal(table_find(&table, last, &left, 1, 1), TABLE_NONE);
    }
    assert_int_equal(table.keys, 0);
    table_release(&table);
}

/* All ways to lay six entries over three homes at the end and the start of the
 * index, and all orders of removing two of them. */
static void backward_shift_loses_nothing_round_the_end(void **state)
{
    (void)state;
    enum { ENTRIES = 6, HOMES = 3, LAYOUTS = 729 };
    for (unsigned layout = 0; layout < LAYOUTS; layout++) {
        for (unsigned removal = 0; removal < ENTRIES * ENTRIES; removal++) {
            struct table table = table_of(8);
            uint64_t hash[ENTRIES];
            char key[ENTRIES];
            unsigned code = layout, gone[2] = {removal / ENTRIES, removal % ENTRIES};
            for (unsigned i = 0; i < ENTRIES; i++, code /= HOMES) {
                hash[i] = hash_at_home(&table, (table.slots - 2 + code % HOMES) % table.slots);
                key[i] = (char)('a' + i);
                put(&table, hash[i], &key[i], 1, 1, i);
            }
            for (unsigned i = 0; i < 2 && (i == 0 || gone[1] != gone[0]); i++)
                table_remove(&table, table_find(&table, hash[gone[i]], &key[gone[i]], 1, 1));
            for (unsigned i = 0; i < ENTRIES; i++) {
                uint32_t slot = table_find(&table, hash[i], &key[i], 1, 1);
                assert_int_equal(slot == TABLE_NONE, i == gone[0] || i == gone[1]);
                if (slot != TABLE_NONE)
                    assert_int_equal(table_spent(&table, slot, 0), i);
            }
            table_release(&table);
        }
    }
}

static void homes_cover_the_index_and_nothing_else(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 10, 1000};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        struct table table = table_of(sizes[i]);
        assert_int_equal(table_home(&table, 0), 0);
        assert_int_equal(table_home(&table, UINT64_MAX), table.slots - 1);
        for (uint32_t home = 0; home < table.slots; home++)
            hash_at_home(&table, home);
        table_release(&table);
    }
}

static void a_full_table_still_ends_its_searches(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 100};
    char key[16];
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        struct table table = table_of(sizes[i]);
        for (uint32_t k = 0; k < sizes[i]; k++) {
            snprintf(key, sizeof key, "%u", (unsigned)k);
            insert(&table, key, 1, k);
        }
        assert_int_equal(table.keys, table.max_keys);
        assert_int_equal(find(&table, "absent", 1), TABLE_NONE);
        assert_int_not_equal(find(&table, "0", 1), TABLE_NONE);
        table_release(&table);
    }
}

static void the_next_occupied_slot_is_sought_round_the_end(void **state)
{
    (void)state;
    struct table table = table_of(8);
    assert_int_equal(table_next_occupied(&table, 3), TABLE_NONE);
    put(&table, hash_at_home(&table, 2), "a", 1, 1, 0);
    put(&table, hash_at_home(&table, 9), "b", 1, 1, 0);
    assert_int_equal(table_next_occupied(&table, 0), 2);
    assert_int_equal(table_next_occupied(&table, 2), 2);
    assert_int_equal(table_next_occupied(&table, 3), 9);
    assert_int_equal(table_next_occupied(&table, 10), 2);
    assert_int_equal(table_next_occupied(&table, table.slots - 1), 2);
    table_release(&table);
}

/* ---- sweeping ---- */

static void a_sweep_meets_every_entry_once_a_round(void **state)
{
    (void)state;
    struct table table = table_of(50);
    unsigned met[50] = {0};
    char key[16];
    for (unsigned i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "%u", i);
        insert(&table, key, 1, i);
    }
    for (uint32_t step = 0; step < table.slots; step++) {
        uint32_t slot = table_sweep_look(&table);
        if (slot == TABLE_NONE)
            continue;
        met[table_spent(&table, slot, 0)]++;
        table_sweep_keep(&table);
    }
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(met[i], 1);
    assert_int_equal(table.hand, 0);
    table_release(&table);
}

/* What moves into the hole under the hand is looked at too. A cluster round the
 * end of the index can carry entries past the hand; the next round gets them. */
static void sweeping_and_removing_empties_the_table(void **state)
{
    (void)state;
    struct dice dice = dice_new(1);
    for (int round = 0; round < 300; round++) {
        struct table table = table_of(40);
        for (char k = 1; k <= 40; k++)
            put(&table, dice_once_in(&dice, 3) ? UINT64_MAX : dice_bits(&dice), &k, 1, 1, 0);
        for (uint32_t step = 0; step < 2 * table.slots + 40; step++) {
            uint32_t slot = table_sweep_look(&table);
            if (slot != TABLE_NONE)
                table_remove(&table, slot);
        }
        assert_int_equal(table.keys, 0);
        table_release(&table);
    }
}

/* ---- against a model ---- */

enum { MODEL_KEYS = 400 };

struct model_entry {
    char key[KEY_MAX];
    size_t len;
    uint64_t hash;
    uint16_t line;  /* as stored */
    unsigned count; /* of marks */
    uint64_t marks[BUCKETS_MAX];
    bool present;
};

static void invent_entries(struct dice *dice, const struct table *table,
                           struct model_entry entries[MODEL_KEYS], bool crowded)
{
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        struct model_entry *entry = &entries[i];
        /* The number makes keys unique; a key of one byte has only itself. */
        entry->len = i < 100 ? 1 : dice_between(dice, 4, KEY_MAX);
        memset(entry->key, 'k', sizeof entry->key);
        if (entry->len == 1)
            entry->key[0] = (char)('!' + i);
        else
            memcpy(entry->key + (dice_once_in(dice, 2) ? 0 : entry->len - 4), &i, sizeof i);
        entry->hash =
            crowded ? (dice_roll(dice, 6) - 3) << 32 : table_hash(table, entry->key, entry->len);
        entry->line = (uint16_t)dice_roll(dice, LINES / 2);
        entry->present = false;
    }
}

static uint32_t find_entry(const struct table *table, const struct model_entry *entry,
                           const uint16_t *owners)
{
    return table_find(table, entry->hash, entry->key, entry->len, owners[entry->line]);
}

static void check_entry(const struct table *table, const struct model_entry *entry,
                        const uint16_t *owners)
{
    uint32_t slot = find_entry(table, entry, owners);
    assert_int_equal(slot != TABLE_NONE, entry->present);
    if (slot == TABLE_NONE)
        return;
    char key[KEY_MAX + 1];
    assert_int_equal(table_key(table, slot, key), entry->len);
    assert_memory_equal(key, entry->key, entry->len);
    assert_int_equal(key[entry->len], 0);
    assert_int_equal(table_line(table, slot), entry->line);
    assert_int_equal(table_marks(table, slot), entry->count);
    for (unsigned i = 0; i < entry->count; i++)
        assert_int_equal(table_spent(table, slot, i), entry->marks[i]);
}

static void roll_marks(struct dice *dice, struct model_entry *entry)
{
    entry->count = dice_once_in(dice, 2) ? 1 : (unsigned)dice_between(dice, 1, BUCKETS_MAX);
    for (unsigned i = 0; i < entry->count; i++)
        entry->marks[i] = dice_bits(dice);
}

static void change_entry(struct dice *dice, struct table *table, struct model_entry *entry,
                         const uint16_t *owners)
{
    uint32_t slot = find_entry(table, entry, owners);
    if (dice_once_in(dice, 2)) {
        unsigned mark = (unsigned)dice_roll(dice, entry->count);
        entry->marks[mark] = dice_bits(dice);
        table_set_spent(table, slot, mark, entry->marks[mark]);
    } else {
        roll_marks(dice, entry);
        entry->line = owners[entry->line];
        table_replace(table, slot, entry->line, entry->marks, entry->count);
    }
}

static void one_step(struct dice *dice, struct table *table, struct model_entry *entry,
                     const uint16_t *owners)
{
    check_entry(table, entry, owners);
    if (!entry->present && table->keys < table->max_keys) {
        roll_marks(dice, entry);
        table_insert(table, entry->hash, entry->key, entry->len, entry->line, entry->marks,
                     entry->count);
        entry->present = true;
    } else if (entry->present && dice_once_in(dice, 3)) {
        change_entry(dice, table, entry, owners);
    } else if (entry->present) {
        table_remove(table, find_entry(table, entry, owners));
        entry->present = false;
    }
    check_entry(table, entry, owners);
}

static void check_all(const struct table *table, const struct model_entry entries[MODEL_KEYS],
                      const uint16_t *owners)
{
    uint32_t present = 0;
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        check_entry(table, &entries[i], owners);
        present += entries[i].present;
    }
    assert_int_equal(table->keys, present);
}

/* In the second half what was the lines' own is their successors', as after a reload. */
static void agrees_with_a_model(uint64_t stream, uint32_t max_keys, bool crowded)
{
    struct dice dice = dice_new(stream);
    for (int world = 0; world < 20; world++) {
        uint16_t owners[LINES] = {0, 1, 2, 3, 4, 5, 6, 7};
        static struct model_entry entries[MODEL_KEYS];
        struct table table;
        assert_true(table_init(&table, max_keys, seed, owners));
        invent_entries(&dice, &table, entries, crowded);
        for (int step = 0; step < 4000; step++) {
            if (step == 2000)
                for (uint16_t line = 0; line < LINES / 2; line++)
                    owners[line] = (uint16_t)(line + LINES / 2);
            one_step(&dice, &table, &entries[dice_roll(&dice, MODEL_KEYS)], owners);
            if (step % 100 == 0)
                check_all(&table, entries, owners);
        }
        check_all(&table, entries, owners);
        table_release(&table);
    }
}

static void random_operations_agree_with_a_model(void **state)
{
    (void)state;
    agrees_with_a_model(2, MODEL_KEYS, false);
}

static void a_table_that_is_mostly_full_agrees_with_a_model(void **state)
{
    (void)state;
    agrees_with_a_model(3, MODEL_KEYS / 4, false);
}

static void hashes_that_collide_agree_with_a_model(void **state)
{
    (void)state;
    agrees_with_a_model(4, MODEL_KEYS / 2, true);
}

/* ---- memory ---- */

static void fill_with_longest_keys(struct table *table)
{
    char key[KEY_MAX];
    memset(key, 'k', sizeof key);
    for (uint32_t i = 0; i < table->max_keys; i++) {
        memcpy(key + 100, &i, sizeof i);
        put(table, table_hash(table, key, sizeof key), key, sizeof key, 1, i);
    }
}

static void every_cell_comes_back(void **state)
{
    (void)state;
    struct table table = table_of(1000);
    fill_with_longest_keys(&table);
    uint32_t cells_used = table.cells_used;
    for (int again = 0; again < 3; again++) {
        while (table.keys > 0)
            table_remove(&table, table_next_occupied(&table, 0));
        fill_with_longest_keys(&table);
        assert_int_equal(table.cells_used, cells_used);
    }
    table_release(&table);
}

static void cells_of_long_keys_serve_short_ones_and_back(void **state)
{
    (void)state;
    struct table table = table_of(1000);
    fill_with_longest_keys(&table);
    uint32_t cells_used = table.cells_used;
    while (table.keys > 0)
        table_remove(&table, table_next_occupied(&table, 0));
    for (uint32_t i = 0; i < table.max_keys; i++)
        put(&table, dice_new(i).state, (const char *)&i, sizeof i, 1, i);
    assert_int_equal(table.cells_used, cells_used);
    while (table.keys > 0)
        table_remove(&table, table_next_occupied(&table, 0));
    fill_with_longest_keys(&table);
    assert_int_equal(table.cells_used, cells_used);
    table_release(&table);
}

static void a_key_of_twenty_bytes_takes_one_cell(void **state)
{
    (void)state;
    char key[KEY_MAX] = {0};
    for (size_t len = 1; len <= KEY_MAX; len++) {
        struct table table = table_of(1);
        put(&table, 0, key, len, 1, 0);
        /* The head holds 16 bytes of a longer key, each further cell 28. */
        uint32_t cells = len <= TABLE_KEY_INLINE ? 1 : (uint32_t)(1 + (len - 16 + 27) / 28);
        assert_int_equal(table.cells_used, 1 + cells); /* cell 0 is never used */
        table_release(&table);
    }
}

/* Pages of the arena that are resident, asked of the kernel, in bytes. */
static size_t resident_bytes(const struct table *table)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = (table->arena_bytes + page - 1) / page, resident = 0;
    unsigned char *map = malloc(pages);
    assert_non_null(map);
    assert_int_equal(mincore(table->index, table->arena_bytes, map), 0);
    for (size_t i = 0; i < pages; i++)
        resident += map[i] & 1;
    free(map);
    return resident * page;
}

static void a_million_ordinary_keys_cost_44_bytes_each(void **state)
{
    (void)state;
    enum { KEYS = 1000000 };
    struct table table = table_of(KEYS);
    assert_true(resident_bytes(&table) < 4096 * 4);
    for (uint32_t i = 0; i < KEYS; i++) {
        char key[32];
        int len = snprintf(key, sizeof key, "user:%012u", (unsigned)i);
        assert_int_equal(len, 17);
        insert(&table, key, 1, i);
    }
    size_t resident = resident_bytes(&table);
    printf("%.1f bytes resident per key of 17 bytes\n", (double)resident / KEYS);
    assert_true(resident <= 44ull * KEYS + KEYS / 2);
    table_release(&table);
}

/* However many keys come and go, no page is touched that a full table has not. */
static void turnover_does_not_grow_the_memory(void **state)
{
    (void)state;
    struct table table = table_of(10000);
    struct dice dice = dice_new(5);
    char key[KEY_MAX];
    memset(key, 'k', sizeof key);
    for (uint32_t i = 0; i < 200000; i++) {
        if (table.keys == table.max_keys) {
            uint32_t at = (uint32_t)dice_roll(&dice, table.slots);
            table_remove(&table, table_next_occupied(&table, at));
        }
        memcpy(key, &i, sizeof i);
        put(&table, dice_bits(&dice), key, 17, 1, i);
    }
    assert_int_equal(table.cells_used, table.max_keys + 1);
    table_release(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_inserted),
        cmocka_unit_test(a_key_under_two_lines_is_two_entries),
        cmocka_unit_test(an_entry_is_found_by_the_owner_of_its_line),
        cmocka_unit_test(an_entry_is_replaced_by_one_of_any_count_of_marks),
        cmocka_unit_test(marks_are_set_in_place),
        cmocka_unit_test(keys_of_every_length_are_told_apart),
        cmocka_unit_test(entries_of_one_hash_are_told_apart),
        cmocka_unit_test(keys_chosen_to_collide_are_found_as_fast_as_others),
        cmocka_unit_test(the_seed_changes_every_hash),
        cmocka_unit_test(the_hash_is_siphash),
        cmocka_unit_test(four_keys_are_hashed_as_each_alone),
        cmocka_unit_test(a_search_may_begin_where_the_entry_was_fetched),
        cmocka_unit_test(a_cluster_goes_on_past_the_end_of_the_index),
        cmocka_unit_test(backward_shift_loses_nothing_round_the_end),
        cmocka_unit_test(homes_cover_the_index_and_nothing_else),
        cmocka_unit_test(a_full_table_still_ends_its_searches),
        cmocka_unit_test(the_next_occupied_slot_is_sought_round_the_end),
        cmocka_unit_test(a_sweep_meets_every_entry_once_a_round),
        cmocka_unit_test(sweeping_and_removing_empties_the_table),
        cmocka_unit_test(random_operations_agree_with_a_model),
        cmocka_unit_test(a_table_that_is_mostly_full_agrees_with_a_model),
        cmocka_unit_test(hashes_that_collide_agree_with_a_model),
        cmocka_unit_test(every_cell_comes_back),
        cmocka_unit_test(cells_of_long_keys_serve_short_ones_and_back),
        cmocka_unit_test(a_key_of_twenty_bytes_takes_one_cell),
        cmocka_unit_test(a_million_ordinary_keys_cost_44_bytes_each),
        cmocka_unit_test(turnover_does_not_grow_the_memory),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
