#include "pure/table_parts.h"

/* The state, sealed with those words of the header that the operation needs. */
static uint64_t seal_state(const struct table_header *header, uint32_t value)
{
    switch ((enum table_op)(value >> OP_SHIFT)) {
    case OP_NONE:
        break;
    case OP_INSERT:
        return seal_with(value, header->place, header->after, 0);
    case OP_REPLACE:
    case OP_CLAIM:
        return seal_with(value, header->place, header->after, header->first);
    case OP_REMOVE:
    case OP_FREE:
        return seal_with(value, 0, 0, header->first);
    }
    return seal(SEAL_STATE, value);
}

void journal_state(struct table *table, uint32_t keys, enum table_op op)
{
    struct table_header *header = table->header;
    table->keys = keys;
    store(&header->state, seal_state(header, (uint32_t)op << OP_SHIFT | keys));
}

void journal_entry(struct table *table, enum table_op op, uint32_t slot,
                   const struct cells_plan *plan, uint32_t first)
{
    struct table_header *header = table->header;
    store(&header->place, (uint64_t)plan->listed << 32 | slot);
    store(&header->after, (uint64_t)plan->free_after << 32 | plan->used_after);
    if (op != OP_INSERT)
        store(&header->first, first);
    journal_state(table, table->keys, op);
}

/* ---- what another process left ---- */

static uint32_t value_of(uint64_t word)
{
    return (uint32_t)word;
}

static enum table_op op_of(const struct table_header *header)
{
    return (enum table_op)(value_of(header->state) >> OP_SHIFT);
}

static uint32_t keys_of(const struct table_header *header)
{
    return value_of(header->state) & ((1u << OP_SHIFT) - 1);
}

static bool is_sealed(enum seal_place place, uint64_t word)
{
    return word == seal(place, value_of(word));
}

static bool header_checks(const struct table *table, const struct table_header *header,
                          uint64_t identity)
{
    uint32_t used = value_of(header->cells_used);
    return header->identity == identity &&
           header->state == seal_state(header, value_of(header->state)) &&
           (op_of(header) != OP_REMOVE || is_sealed(SEAL_HOLE, header->hole)) &&
           is_sealed(SEAL_FREE, header->free_cell) && is_sealed(SEAL_USED, header->cells_used) &&
           op_of(header) <= OP_FREE && keys_of(header) < table->slots && used >= 1 &&
           used <= table->cells_max && value_of(header->free_cell) < used;
}

/* Finds the one bit of the header that, flipped back, makes it check; false: there
 * is none, or more than one. */
static bool mend_header(struct table *table, uint64_t identity)
{
    enum { BITS = 8 * sizeof(struct table_header) };
    unsigned found = BITS;
    uint64_t words[BITS / 64];
    struct table_header header;
    for (unsigned bit = 0; bit < BITS; bit++) {
        memcpy(words, table->header, sizeof words);
        words[bit / 64] ^= 1ull << bit % 64;
        memcpy(&header, words, sizeof header);
        if (!header_checks(table, &header, identity))
            continue;
        if (found != BITS)
            return false;
        found = bit;
    }
    if (found == BITS)
        return false;
    uint64_t *word = (uint64_t *)table->header + found / 64;
    store(word, *word ^ 1ull << found % 64);
    table->damage.mended++;
    return true;
}

bool journal_read(struct table *table, uint64_t identity)
{
    const struct table_header *header = table->header;
    if (!header_checks(table, header, identity) && !mend_header(table, identity))
        return false;
    table->keys = keys_of(header);
    table->free_cell = value_of(header->free_cell);
    table->cells_used = value_of(header->cells_used);
    return true;
}

/* Takes back an entry that is not in the index, or ends what came after it was. */
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
