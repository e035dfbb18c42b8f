/* The sweep: between two laps of the hand every entry was looked at, or is new. */
#include "support/table_world.h"
#include "support/unit.h"

#include <string.h>

struct met {
    bool met[WORLD_KEYS][WORLD_OWNERS]; /* in this lap: looked at, inserted or replaced */
};

/* The hand has come round: nobody was left out. */
static void check_lap(const struct world *world, struct met *met)
{
    for (unsigned index = 0; index < WORLD_KEYS; index++)
        for (unsigned owner = 0; owner < WORLD_OWNERS; owner++)
            assert_true(!world->entry[index][owner].is_there || met->met[index][owner]);
    *met = (struct met){0};
}

/* A step of the sweep; whoever is met stays, or goes once in so many times. */
static void sweep(struct dice *dice, struct table *table, struct world *world, struct met *met,
                  uint64_t goes_once_in)
{
    uint64_t laps = table->laps;
    uint16_t owner;
    uint32_t slot = table_sweep_look(table);
    if (slot != TABLE_NONE) {
        unsigned index = world_which(table, slot, &owner);
        met->met[index][owner] = true;
        if (dice_once_in(dice, goes_once_in)) {
            table_remove(table, slot);
            world->entry[index][owner].is_there = false;
            world->keys--;
        } else {
            table_sweep_keep(table);
        }
    }
    if (table->laps == laps)
        return;
    assert_true(table->laps == laps + 1 && table->hand == 0);
    check_lap(world, met);
}

static void change(struct dice *dice, struct table *table, struct world *world, struct met *met)
{
    struct world next;
    struct world_step step = world_roll(dice, world, table->max_keys, &next);
    world_do(table, step, &next);
    if (step.change == WORLD_INSERT || step.change == WORLD_REPLACE)
        met->met[step.index][step.owner] = true;
    *world = next;
}

static void nobody_is_left_out_of_a_lap(void **state)
{
    (void)state;
    struct dice dice = dice_new(1);
    uint64_t back = 0, laps = 0;
    for (int round = 0; round < 600; round++) {
        struct table table;
        struct world world = {0};
        struct met met = {0};
        uint32_t max_keys = (uint32_t)dice_between(&dice, 1, 2 * WORLD_KEYS);
        uint64_t changes_once_in = dice_between(&dice, 2, 8);
        assert_true(table_init(&table, max_keys, world_seed, world_owners));
        for (int step = 0; step < 3000; step++) {
            uint32_t hand = table.hand;
            if (dice_once_in(&dice, changes_once_in))
                change(&dice, &table, &world, &met);
            else
                sweep(&dice, &table, &world, &met, 4);
            back += table.hand < hand && table.hand != 0;
        }
        assert_true(world_is(&table, &world));
        laps += table.laps;
        table_release(&table);
    }
    assert_true(laps > 10000);
    assert_true(back > 100); /* it is what this is about */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_left_out_of_a_lap),
    };
    return cmocka_run_group_tests_name("table laps", tests, NULL, NULL);
}
