#include "table/layout.h"

/* Whether an entry at `at` whose home is `home` may move back to the hole: only if the hole does
 * not lie before its home, counted round the end of the index. */
static bool may_move(const struct table *table, uint32_t home, uint32_t hole, uint32_t at)
{
    uint32_t to_hole = hole >= home ? hole - home : hole + table->slots - home;
    uint32_t to_at = at >= home ? at - home : at + table->slots - home;
    return to_hole < to_at;
}

/* What is known of an entry moves along with it, and the sweep's hand goes back to an entry that
 * moves past it unmet. */
static void carry_along(struct table *table, uint32_t hole, uint32_t at)
{
    if (table->checked != NULL) {
        bit_set(table->checked, hole, bit_is_set(table->checked, at));
        bit_set(table->past_mending, hole, bit_is_set(table->past_mending, at));
    }
    if (hole < table->hand && table->hand <= at)
        table->hand = hole;
}

/* Removal without tombstones: entries after the hole move back into it (Knuth, TAOCP 3, 6.4,
 * algorithm R). Each is written to its new slot before its old one becomes the hole, so that no
 * entry is ever missing. After a kill it may begin again at the journal's hole. If wreckage has
 * filled the index there is no empty slot: then it ends when, all the way round, nothing may
 * move into the last hole. */
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
