#include "table/layout.h"

/* An entry was being made. If it is in the index, does what remains; else takes it back. */
static void recover_entry(struct table *table)
{
    const struct table_header *header = table->header;
    enum table_op op = op_of(header);
    struct cells_plan plan = {
        .listed = (uint32_t)(header->place >> 32),
        .free_after = (uint32_t)(header->after >> 32),
        .used_after = (uint32_t)header->after,
    };
    uint64_t slot = table->index[(uint32_t)header->place];
    bool is_there = op == OP_INSERT ? slot != 0 : slot_cell(slot) != header->first;
    if (!is_there) {
        cells_unfill(table, plan.listed, plan.free_after);
        journal_state(table, table->keys, OP_NONE);
        return;
    }
    cells_take(table, &plan);
    if (op == OP_REPLACE)
        journal_state(table, table->keys, OP_FREE);
    else
        journal_state(table, table->keys + (op == OP_INSERT), OP_NONE);
}

static bool entry_makes_sense(const struct table *table)
{
    const struct table_header *header = table->header;
    uint32_t used = (uint32_t)header->after, next = (uint32_t)(header->after >> 32);
    return (uint32_t)header->place < table->slots && header->place >> 32 <= CELLS_PER_KEY_MAX &&
           used >= table->cells_used && used <= table->cells_max && next < used;
}

bool journal_recover(struct table *table)
{
    const struct table_header *header = table->header;
    switch (op_of(header)) {
    case OP_NONE:
        break;
    case OP_INSERT:
    case OP_REPLACE:
    case OP_CLAIM:
        if (!entry_makes_sense(table))
            return false;
        recover_entry(table);
        break;
    case OP_REMOVE:
        if (value_of(header->hole) >= table->slots || header->first >= table->cells_used)
            return false;
        index_close(table, value_of(header->hole));
        break;
    case OP_FREE:
        if (header->first >= table->cells_used)
            return false;
        break;
    }
    if (op_of(header) == OP_REMOVE)
        journal_state(table, table->keys - (table->keys > 0), OP_FREE);
    if (op_of(header) == OP_FREE) {
        cells_free(table, (uint32_t)header->first);
        journal_state(table, table->keys, OP_NONE);
    }
    return true;
}
