/*
 * The table, killed between any two stores: the next process finds what it was
 * about done or not begun, every cell accounted for, and goes on.
 *
 * ALLOWD_KILLS is how many times, ALLOWD_SEED repeats a run.
 */
#include "limits/credit.h"
#include "support/table_world.h"
#include "support/unit.h"

#include <assert.h>
#include <sodium/crypto_shorthash_siphash24.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The table's own source, with every store told. */
static void stored(void);
#define __atomic_store_n(place, value, order) (*(place) = (value), stored())
#include "table/cells.c"
#include "table/doubt.c"
#include "table/journal.c"
#include "table/table.c"
#undef __atomic_store_n

enum { MAX_KEYS = 14, ARENA_MAX = 8192, DEPTH_MAX = 2 };

/* What is done while it is killed, and by how many processes already. */
static struct {
    bool is_under_way;
    unsigned depth;
    const struct table *table;
    const struct world *before, *after;
    uint64_t kills, in_recovery;
    struct dice dice;
} run;

static _Alignas(64) uint64_t arenas[DEPTH_MAX + 1][ARENA_MAX / 8];

/* A few changes more, each as it should be. */
static void go_on(struct table *table, const struct world *world)
{
    struct world now = *world;
    for (int i = 0; i < 4; i++) {
        struct world next;
        struct world_step step = world_roll(&run.dice, &now, MAX_KEYS, &next);
        world_do(table, step, &next);
        now = next;
    }
    assert_true(world_is(table, &now));
    assert_true(world_cells_add_up(table));
}

/* The next process, on a copy of what the one before left. */
static void recover(void *arena)
{
    struct table table;
    run.is_under_way = run.depth < DEPTH_MAX && dice_once_in(&run.dice, 8);
    run.table = &table;
    assert_int_equal(table_adopt(&table, arena, MAX_KEYS, world_seed, world_owners, &world_user),
                     TABLE_ADOPTED);
    run.is_under_way = false;
    assert_true(world_cells_add_up(&table));
    const struct world *found = world_is(&table, run.before) ? run.before : run.after;
    assert_true(world_is(&table, found));
    assert_int_equal(
        table.damage.mended + table.damage.emptied + table.damage.dropped + table.damage.leaks, 0);
    if (dice_once_in(&run.dice, 16))
        go_on(&table, found);
    table_release(&table);
}

/* A bit is being mended, in arenas[1]. */
static struct mending {
    bool is_under_way;
    const struct world *world;
    uint64_t kills;
} mending;

static void killed_while_mending(void)
{
    struct table table;
    mending.is_under_way = false;
    mending.kills++;
    memcpy(arenas[2], arenas[1], sizeof arenas[1]);
    assert_int_equal(
        table_adopt(&table, arenas[2], MAX_KEYS, world_seed, world_owners, &world_user),
        TABLE_ADOPTED);
    assert_true(world_is(&table, mending.world) || world_is_but_for(&table, mending.world, 1));
    table_release(&table);
    mending.is_under_way = true;
}

/* Killed here. The one that was killed then goes on as if it had not been. */
static void stored(void)
{
    if (mending.is_under_way)
        killed_while_mending();
    if (!run.is_under_way)
        return;
    const struct table *killed = run.table;
    memcpy(arenas[run.depth + 1], arenas[run.depth], table_arena_bytes(MAX_KEYS));
    run.kills++;
    run.in_recovery += run.depth > 0;
    run.depth++;
    recover(arenas[run.depth]);
    run.depth--;
    run.table = killed;
    run.is_under_way = true;
}

static void a_kill_between_any_two_stores_loses_nothing(void **state)
{
    (void)state;
    assert_true(table_arena_bytes(MAX_KEYS) <= ARENA_MAX);
    uint64_t kills = dice_repeats("ALLOWD_KILLS", 1000000);
    run.dice = dice_new(1);
    while (run.kills < kills) {
        struct table table;
        struct world world = {0}, next;
        memset(arenas[0], 0, sizeof arenas[0]);
        table_create(&table, arenas[0], MAX_KEYS, world_seed, world_owners);
        for (int i = 0; i < 400; i++) {
            struct world_step step = world_roll(&run.dice, &world, MAX_KEYS, &next);
            run.before = &world;
            run.after = &next;
            run.table = &table;
            run.is_under_way = true;
            world_do(&table, step, &next);
            run.is_under_way = false;
            assert_true(world_is(&table, &next));
            world = next;
        }
        table_release(&table);
    }
    printf("%llu kills, %llu of them while recovering from one\n", (unsigned long long)run.kills,
           (unsigned long long)run.in_recovery);
    assert_true(run.in_recovery > 0);
}

/* Changes of a new table in arenas[0]. */
static void begin_world(struct dice *dice, struct table *table, struct world *world)
{
    memset(arenas[0], 0, sizeof arenas[0]);
    *world = (struct world){0};
    table_create(table, arenas[0], MAX_KEYS, world_seed, world_owners);
    for (int i = 0; i < 200; i++) {
        struct world next;
        struct world_step step = world_roll(dice, world, MAX_KEYS, &next);
        world_do(table, step, &next);
        *world = next;
    }
}

/* Asks for every key of what is in arenas[1], with a kill at each store. */
static void ask_and_be_killed(const struct world *world)
{
    struct table table;
    mending.is_under_way = true;
    mending.world = world;
    assert_int_equal(
        table_adopt(&table, arenas[1], MAX_KEYS, world_seed, world_owners, &world_user),
        TABLE_ADOPTED);
    assert_true(world_is(&table, world) || world_is_but_for(&table, world, 1));
    mending.is_under_way = false;
    table_release(&table);
}

/* The next process finds all that was there, or with a bucket that is empty. */
static void a_kill_while_a_bit_is_mended_loses_nothing(void **state)
{
    (void)state;
    struct dice dice = dice_new(2);
    struct table table;
    struct world world;
    mending.kills = 0;
    for (int round = 0; round < 4000; round++) {
        if (round % 100 == 0)
            begin_world(&dice, &table, &world);
        memcpy(arenas[1], arenas[0], sizeof arenas[0]);
        arenas[1][dice_roll(&dice, world_arena_used(&table) / 8)] ^= 1ull << dice_roll(&dice, 64);
        ask_and_be_killed(&world);
    }
    assert_true(mending.kills > 100);
}

/* An entry with one mark whose head is wiped out: the one who asks gets it, empty. */
static void a_kill_while_what_is_lost_is_claimed_leaves_it_empty(void **state)
{
    (void)state;
    struct dice dice = dice_new(3);
    mending.kills = 0;
    for (int round = 0; round < 200; round++) {
        struct table table;
        struct world world;
        begin_world(&dice, &table, &world);
        for (uint32_t slot = 0; slot < table.slots; slot++) {
            if (table.index[slot] == 0 || table_line(&table, slot) % BUCKETS_MAX != 0)
                continue;
            memcpy(arenas[1], arenas[0], sizeof arenas[0]);
            const struct table_cell *head = &table.cells[slot_cell(table.index[slot])];
            memset(&arenas[1][head->words - arenas[0]], 0, sizeof *head);
            ask_and_be_killed(&world);
        }
    }
    assert_true(mending.kills > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_between_any_two_stores_loses_nothing),
        cmocka_unit_test(a_kill_while_a_bit_is_mended_loses_nothing),
        cmocka_unit_test(a_kill_while_what_is_lost_is_claimed_leaves_it_empty),
    };
    return cmocka_run_group_tests_name("table kills", tests, NULL, NULL);
}
