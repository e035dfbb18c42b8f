/*
 * The table, adopted with bits of it flipped: each single one is mended, or a
 * bucket is empty that it was the mark of; of many, none ends the process.
 *
 * ALLOWD_SHARE is which share of the single bits is flipped, ALLOWD_CORRUPTIONS how many arenas are
 * spoilt at random; ALLOWD_SEED repeats a run.
 */
#include "limits/credit.h"
#include "support/share.h"
#include "support/table_world.h"
#include "support/unit.h"
#include "table/layout.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_KEYS = 14 };

/* An arena of the size that it must have, so that what is beyond it is noticed. */
static void *arena_new(void)
{
    void *arena = aligned_alloc(64, (table_arena_bytes(MAX_KEYS) + 63) / 64 * 64);
    assert_non_null(arena);
    memset(arena, 0, table_arena_bytes(MAX_KEYS));
    return arena;
}

static enum table_adoption adopt(struct table *table, void *arena)
{
    return table_adopt(table, arena, MAX_KEYS, world_seed, world_owners, &world_user);
}

static void change(struct dice *dice, struct table *table, struct world *world, int times)
{
    for (int i = 0; i < times; i++) {
        struct world next;
        struct world_step step = world_roll(dice, world, MAX_KEYS, &next);
        world_do(table, step, &next);
        *world = next;
    }
}

/* A table that has seen much: entries of every shape, and a free list. */
static struct table busy_table(struct dice *dice, void *arena, struct world *world)
{
    struct table table;
    memset(arena, 0, table_arena_bytes(MAX_KEYS));
    *world = (struct world){0};
    table_create(&table, arena, MAX_KEYS, world_seed, world_owners);
    do
        change(dice, &table, world, 200);
    while (world->keys < 8 || table.free_cell == 0);
    return table;
}

static void sweep_round(struct table *table)
{
    for (uint64_t laps = table->laps; table->laps == laps;)
        if (table_sweep_look(table) != TABLE_NONE)
            table_sweep_keep(table);
}

/* ---- one bit ---- */

/* Whether it is a bit of a mark: those cannot be mended, only noticed. */
static bool is_of_a_mark(const struct table *table, size_t byte)
{
    for (uint32_t slot = 0; slot < table->slots; slot++) {
        if (table->index[slot] == 0)
            continue;
        const char *head = (const char *)&table->cells[slot_cell(table->index[slot])];
        const char *more = (const char *)next_cell(table, (const struct table_cell *)head);
        const char *at = (const char *)table->index + byte;
        size_t marks = table_marks(table, slot);
        if ((at >= head && at < head + 8) ||
            (marks > 1 && at >= more && at < more + 8 * (marks - 1)))
            return true;
    }
    return false;
}

/* Asked, swept, or changed first: the outcome is the same. */
static void meet_the_flip(struct dice *dice, void *arena, const struct world *world, bool of_a_mark)
{
    struct table table;
    struct world after = *world;
    assert_int_equal(adopt(&table, arena), TABLE_ADOPTED);
    switch (dice_roll(dice, 3)) {
    case 0:
        assert_true(world_is_but_for(&table, &after, of_a_mark));
        sweep_round(&table);
        break;
    case 1:
        sweep_round(&table);
        assert_true(world_is_but_for(&table, &after, of_a_mark));
        break;
    default:
        while (table.laps == 0) {
            change(dice, &table, &after, 2);
            if (table_sweep_look(&table) != TABLE_NONE)
                table_sweep_keep(&table);
        }
        unsigned still = of_a_mark && world_is_but_for(&table, &after, 1);
        assert_true(world_is_but_for(&table, &after, still));
    }
    assert_false(table_is_in_doubt(&table));
    assert_int_equal(table.damage.dropped, 0);
    assert_int_equal(table.damage.leaks, 0);
    assert_true(table.damage.emptied <= of_a_mark);
    assert_true(table.damage.mended + table.damage.emptied <= 1);
    table_release(&table);
}

static void each_flipped_bit_is_mended_or_a_bucket_is_empty(void **state)
{
    (void)state;
    struct dice dice = dice_new(1);
    uint8_t *arena = arena_new(), *spoilt = arena_new();
    unsigned long cases = 0, flips = 0;
    for (int round = 0; round < 3; round++) {
        struct world world;
        struct table table = busy_table(&dice, arena, &world);
        for (size_t byte = 0; byte < world_arena_used(&table); byte++) {
            bool of_a_mark = is_of_a_mark(&table, byte);
            for (unsigned bit = 0; bit < 8; bit++) {
                if (!share_has(cases++))
                    continue;
                flips++;
                memcpy(spoilt, arena, table_arena_bytes(MAX_KEYS));
                spoilt[byte] ^= (uint8_t)(1u << bit);
                meet_the_flip(&dice, spoilt, &world, of_a_mark);
            }
        }
        table_release(&table);
    }
    printf("%lu of %lu bits flipped\n", flips, cases);
    free(spoilt);
    free(arena);
}

/* No head is two flipped bits from another, so that of one there is but one remedy. */
static void heads_are_three_bits_apart(void **state)
{
    (void)state;
    struct dice dice = dice_new(10);
    for (int i = 0; i < 10000; i++) {
        uint16_t line = (uint16_t)dice_bits(&dice);
        uint8_t key_len = (uint8_t)dice_bits(&dice);
        uint8_t shape = shape_of(line, key_len, (unsigned)dice_between(&dice, 1, BUCKETS_MAX));
        uint32_t head = (uint32_t)line << 16 | (uint32_t)key_len << 8 | shape;
        for (unsigned a = 0; a < 32; a++) {
            for (unsigned b = a; b < 32; b++) {
                uint32_t near = head ^ 1u << a ^ (b == a ? 0 : 1u << b);
                assert_int_not_equal(
                    shape_of((uint16_t)(near >> 16), (uint8_t)(near >> 8), 1 + (near & 3)),
                    near & 0xff);
            }
        }
    }
}

/* ---- more than that ---- */

static void a_mark_above_the_last_one_is_of_an_empty_bucket(void **state)
{
    (void)state;
    struct dice dice = dice_new(2);
    void *arena = arena_new();
    struct world world;
    struct table table = busy_table(&dice, arena, &world);
    table_set_spent(&table, table_next_occupied(&table, 0), 0, credit_seal(WORLD_LAST_MARK + 1));
    table_release(&table);
    assert_int_equal(adopt(&table, arena), TABLE_ADOPTED);
    assert_true(world_is_but_for(&table, &world, 1));
    assert_int_equal(table.damage.emptied, 1);
    table_release(&table);
    free(arena);
}

/* The slot of an entry whose head is wiped out. */
static uint32_t wipe(struct table *table, struct world *world, unsigned *index, uint16_t *owner)
{
    uint32_t slot = table_next_occupied(table, 0);
    *index = world_which(table, slot, owner);
    assert_true(*index < WORLD_KEYS);
    memset(&table->cells[slot_cell(table->index[slot])], 0, sizeof(struct table_cell));
    world->entry[*index][*owner].is_there = false;
    world->keys--;
    return slot;
}

static void what_is_past_mending_is_his_who_asks_and_empty(void **state)
{
    (void)state;
    struct dice dice = dice_new(3);
    void *arena = arena_new();
    struct world world;
    struct table table = busy_table(&dice, arena, &world);
    unsigned index;
    uint16_t owner;
    wipe(&table, &world, &index, &owner);
    table_release(&table);
    assert_int_equal(adopt(&table, arena), TABLE_ADOPTED);
    for (unsigned other = 0; other < WORLD_KEYS; other++)
        if (other != index)
            world_find(&table, other, owner); /* his neighbours leave it to him */
    uint32_t slot = world_find(&table, index, owner), keys = table.keys;
    assert_int_not_equal(slot, TABLE_NONE);
    for (unsigned i = 0; i < table_marks(&table, slot); i++)
        assert_true(table_spent(&table, slot, i) == world_empty_mark());
    assert_int_equal(keys, world.keys + 1);
    assert_int_equal(table.damage.emptied, 1);
    table_remove(&table, slot);
    assert_true(world_is(&table, &world));
    table_release(&table);
    free(arena);
}

static void what_is_past_mending_is_dropped_if_nobody_asks(void **state)
{
    (void)state;
    struct dice dice = dice_new(4);
    void *arena = arena_new();
    struct world world;
    struct table table = busy_table(&dice, arena, &world);
    unsigned index;
    uint16_t owner;
    wipe(&table, &world, &index, &owner);
    table_release(&table);
    assert_int_equal(adopt(&table, arena), TABLE_ADOPTED);
    sweep_round(&table);
    assert_int_equal(table.damage.dropped, 1);
    assert_true(world_is(&table, &world));
    while (table.keys > 0)
        table_remove(&table, table_next_occupied(&table, 0));
    assert_int_equal(table.cells_used, 1); /* what was lost is back */
    table_release(&table);
    free(arena);
}

static void a_free_list_past_mending_is_given_up(void **state)
{
    (void)state;
    struct dice dice = dice_new(5);
    void *arena = arena_new();
    struct world world;
    struct table table = busy_table(&dice, arena, &world);
    table.cells[table.free_cell].free.check = 0;
    table_release(&table);
    assert_int_equal(adopt(&table, arena), TABLE_ADOPTED);
    /* It is come to when more cells are in use than when it was damaged. */
    for (int i = 0; i < 100000 && table.damage.leaks == 0; i++)
        change(&dice, &table, &world, 1);
    change(&dice, &table, &world, 50);
    assert_true(world_is(&table, &world));
    assert_true(table.damage.leaks > 0);
    table_release(&table);
    free(arena);
}

/* Has a key inserted with empty buckets, as many as the line has, or removed. */
static void toggle(struct table *table, struct world *world, unsigned index, uint16_t line)
{
    struct world_entry *entry = &world->entry[index][0];
    enum world_change change = entry->is_there ? WORLD_REMOVE : WORLD_INSERT;
    *entry = (struct world_entry){.is_there = !entry->is_there, .line = line};
    for (unsigned i = 0; i < world_marks(line); i++)
        entry->marks[i] = world_empty_mark();
    world->keys += entry->is_there ? 1 : -1u;
    world_do(table, (struct world_step){change, index, 0, 0}, world);
}

/* Each cell of the circle checks: what one of them said was true at another time. */
static void a_free_list_that_leads_round_gives_no_cell_twice(void **state)
{
    (void)state;
    enum { ONE = 1, OTHER = 2, LONGEST = 15 }; /* keys; the first two have a cell each */
    void *arena = arena_new();
    for (int adopts = 0; adopts <= 1; adopts++) {
        struct world world = {0};
        struct table table;
        memset(arena, 0, table_arena_bytes(MAX_KEYS));
        table_create(&table, arena, MAX_KEYS, world_seed, world_owners);
        toggle(&table, &world, ONE, 0);
        toggle(&table, &world, OTHER, 0);
        toggle(&table, &world, OTHER, 0);
        toggle(&table, &world, ONE, 0);
        uint32_t one = table.free_cell;
        struct table_cell leads_to_other = table.cells[one];
        toggle(&table, &world, ONE, 0);
        toggle(&table, &world, OTHER, 0);
        toggle(&table, &world, ONE, 0);
        toggle(&table, &world, OTHER, 0);
        assert_int_equal(table.cells[table.free_cell].free.next, one);
        assert_int_equal(leads_to_other.free.next, table.free_cell);
        table.cells[one] = leads_to_other;
        if (adopts) {
            table_release(&table);
            assert_int_equal(adopt(&table, arena), TABLE_ADOPTED);
        }
        toggle(&table, &world, LONGEST, 3);
        toggle(&table, &world, ONE, 0);
        assert_true(world_is(&table, &world));
        assert_true(world_cells_add_up(&table));
        table_release(&table);
    }
    free(arena);
}

static void a_wiped_index_is_an_empty_table(void **state)
{
    (void)state;
    struct dice dice = dice_new(6);
    void *arena = arena_new();
    for (int sweep = 0; sweep < 2; sweep++) {
        struct world world, none = {0};
        struct table table = busy_table(&dice, arena, &world);
        memset(table.index, 0, table.slots * sizeof table.index[0]);
        table_release(&table);
        assert_int_equal(adopt(&table, arena), TABLE_ADOPTED);
        assert_int_equal(table.keys, world.keys);
        if (sweep)
            sweep_round(&table);
        else
            assert_int_equal(table_next_occupied(&table, 5), TABLE_NONE);
        assert_true(world_is(&table, &none));
        table_release(&table);
    }
    free(arena);
}

static void another_table_is_not_adopted(void **state)
{
    (void)state;
    static const uint8_t other_seed[TABLE_SEED_BYTES] = "another seed";
    struct dice dice = dice_new(7);
    uint8_t *arena = arena_new(), *before = arena_new();
    struct world world;
    struct table table = busy_table(&dice, arena, &world);
    memcpy(before, arena, table_arena_bytes(MAX_KEYS));
    table_release(&table);
    assert_int_equal(
        table_adopt(&table, arena, MAX_KEYS - 1, world_seed, world_owners, &world_user),
        TABLE_UNSOUND);
    assert_int_equal(table_adopt(&table, arena, MAX_KEYS, other_seed, world_owners, &world_user),
                     TABLE_UNSOUND);
    assert_memory_equal(arena, before, table_arena_bytes(MAX_KEYS));
    memset(arena, 0, table_arena_bytes(MAX_KEYS));
    assert_int_equal(adopt(&table, arena), TABLE_UNSOUND);
    free(before);
    free(arena);
}

/* ---- anything ---- */

static void spoil(struct dice *dice, uint8_t *bytes, size_t size)
{
    size_t at = dice_roll(dice, size), from = dice_roll(dice, size) & ~(size_t)7;
    size_t run = dice_roll(dice, 64);
    switch (dice_roll(dice, 5)) {
    case 0:
    case 1:
        bytes[at] ^= (uint8_t)(1u << dice_roll(dice, 8));
        break;
    case 2:
        bytes[at] = (uint8_t)dice_bits(dice);
        break;
    case 3:
        for (size_t i = 0; i < run; i++)
            bytes[(at + i) % size] = dice_once_in(dice, 2) ? 0 : (uint8_t)dice_bits(dice);
        break;
    default: /* what checks in one place, in another */
        memcpy(bytes + (at & ~(size_t)7), bytes + from, 8);
    }
}

/* What a user does, who believes what he is told. */
static void use(struct dice *dice, struct table *table)
{
    unsigned index = (unsigned)dice_roll(dice, WORLD_KEYS);
    uint16_t owner = (uint16_t)dice_roll(dice, WORLD_OWNERS);
    uint16_t line = (uint16_t)(owner * BUCKETS_MAX + dice_roll(dice, BUCKETS_MAX));
    uint64_t marks[BUCKETS_MAX];
    char key[KEY_MAX + 1];
    size_t len = world_key(index, key);
    for (unsigned i = 0; i < BUCKETS_MAX; i++)
        marks[i] = world_roll_mark(dice);
    uint32_t slot = world_find(table, index, owner);
    if (dice_once_in(dice, 4)) {
        slot = table_sweep_look(table);
        if (slot != TABLE_NONE)
            table_sweep_keep(table);
    } else if (dice_once_in(dice, 8)) {
        slot = table_next_occupied(table, (uint32_t)dice_roll(dice, table->slots));
    }
    if (slot == TABLE_NONE) {
        if (table->keys < table->max_keys && world_find(table, index, owner) == TABLE_NONE)
            table_insert(table, world_hash(table, index, owner), key, len, line, marks,
                         world_marks(line));
        return;
    }
    assert_in_range(table_marks(table, slot), 1, BUCKETS_MAX);
    for (unsigned i = 0; i < table_marks(table, slot); i++)
        table_set_spent(table, slot, i, table_spent(table, slot, i));
    table_key(table, slot, key);
    line = (uint16_t)(world_owners[table_line(table, slot)] * BUCKETS_MAX + line % BUCKETS_MAX);
    if (dice_once_in(dice, 3))
        table_remove(table, slot);
    else if (dice_once_in(dice, 2))
        table_replace(table, slot, line, marks, world_marks(line));
}

static void no_bytes_end_the_process(void **state)
{
    (void)state;
    struct dice dice = dice_new(8);
    uint8_t *arena = arena_new(), *spoilt = arena_new();
    uint64_t corruptions = dice_repeats("ALLOWD_CORRUPTIONS", 20000), adopted = 0;
    struct world world;
    struct table table;
    for (uint64_t i = 0; i < corruptions; i++) {
        if (i % 100 == 0) {
            table = busy_table(&dice, arena, &world);
            table_release(&table);
        }
        memcpy(spoilt, arena, table_arena_bytes(MAX_KEYS));
        size_t used = world_arena_used(&table);
        for (uint64_t times = 1 + dice_roll(&dice, 30); times > 0; times--)
            spoil(&dice, spoilt, dice_once_in(&dice, 2) ? used : table.slots * 8);
        struct table next;
        if (adopt(&next, spoilt) != TABLE_ADOPTED)
            continue;
        adopted++;
        for (int step = 0; step < 60; step++)
            use(&dice, &next);
        assert_true(world_sure_is_whole(&next));
        sweep_round(&next);
        for (int step = 0; step < 20; step++)
            use(&dice, &next);
        assert_true(world_sure_is_whole(&next));
        table_release(&next);
    }
    printf("%llu of %llu adopted\n", (unsigned long long)adopted, (unsigned long long)corruptions);
    assert_true(adopted > corruptions / 4);
    free(spoilt);
    free(arena);
}

/* An index that is nothing but wreckage takes no longer than one that is whole. */
static void wreckage_is_cleared_away_in_time(void **state)
{
    (void)state;
    enum { KEYS = 100000 };
    struct dice dice = dice_new(9);
    struct table table;
    void *arena = aligned_alloc(64, (table_arena_bytes(KEYS) + 63) / 64 * 64);
    assert_non_null(arena);
    memset(arena, 0, table_arena_bytes(KEYS));
    table_create(&table, arena, KEYS, world_seed, world_owners);
    for (uint32_t slot = 0; slot < table.slots; slot++)
        table.index[slot] = dice_bits(&dice);
    table_release(&table);
    assert_int_equal(table_adopt(&table, arena, KEYS, world_seed, world_owners, &world_user),
                     TABLE_ADOPTED);
    assert_int_equal(world_find(&table, 0, 0), TABLE_NONE);
    sweep_round(&table);
    assert_int_equal(table.keys, 0);
    struct world world = {0};
    change(&dice, &table, &world, 100);
    assert_true(world_is(&table, &world));
    table_release(&table);
    free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_flipped_bit_is_mended_or_a_bucket_is_empty),
        cmocka_unit_test(heads_are_three_bits_apart),
        cmocka_unit_test(a_mark_above_the_last_one_is_of_an_empty_bucket),
        cmocka_unit_test(what_is_past_mending_is_his_who_asks_and_empty),
        cmocka_unit_test(what_is_past_mending_is_dropped_if_nobody_asks),
        cmocka_unit_test(a_free_list_past_mending_is_given_up),
        cmocka_unit_test(a_free_list_that_leads_round_gives_no_cell_twice),
        cmocka_unit_test(a_wiped_index_is_an_empty_table),
        cmocka_unit_test(another_table_is_not_adopted),
        cmocka_unit_test(no_bytes_end_the_process),
        cmocka_unit_test(wreckage_is_cleared_away_in_time),
    };
    return cmocka_run_group_tests_name("table damage", tests, NULL, NULL);
}
