#include "table/layout.h"

/* The state's value, sealed with those words of the header that its operation needs. */
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

/* Finds the one bit of the header that, flipped back, makes it check. false: no bit does, or more
 * than one. */
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
