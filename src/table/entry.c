#include "table/layout.h"

#include <sodium/crypto_shorthash_siphash24.h>

uint64_t table_hash(const struct table *table, const char *bytes, size_t len)
{
    uint64_t hash;
    static_assert(sizeof hash == crypto_shorthash_siphash24_BYTES, "SipHash-2-4 gives 64 bits");
    static_assert(TABLE_SEED_BYTES == crypto_shorthash_siphash24_KEYBYTES, "and takes 128");
    crypto_shorthash_siphash24((unsigned char *)&hash, (const unsigned char *)bytes, len,
                               table->seed);
    return hash;
}

uint32_t table_home(const struct table *table, uint64_t hash)
{
    return home_of(table, tag_of(hash));
}

/* ---- what an entry holds ---- */

unsigned table_marks(const struct table *table, uint32_t slot)
{
    return marks_of(table_entry(table, slot));
}

uint64_t *table_further_mark(const struct table *table, uint32_t slot, unsigned mark)
{
    return &next_cell(table, table_entry(table, slot))->more.spent_marks[mark - 1];
}

size_t table_key(const struct table *table, uint32_t slot, char key[KEY_MAX + 1])
{
    const struct table_cell *cell = table_entry(table, slot);
    unsigned marks = marks_of(cell);
    size_t key_len = cell->head.key_len, part = head_part(key_len, marks);
    memcpy(key, cell->head.key, part);
    if (part < key_len && marks > 1)
        cell = next_cell(table, cell);
    for (size_t done = part; done < key_len; done += part) {
        cell = next_cell(table, cell);
        part = link_part(key_len - done);
        memcpy(key + done, cell->link.key, part);
    }
    key[key_len] = '\0';
    return key_len;
}
