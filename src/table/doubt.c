#include "table/layout.h"

#include <stdlib.h>

enum {
    /* Occupied slots in a row. With 10^8 keys two thirds of the index are taken, and the longest
     * row is a few hundred. A longer one than this is wreckage. */
    CLUSTER_MAX = 4096,
    /* After so many entries past mending no more is tried: these are not single flipped bits. */
    FAILURES_MAX = 64,
};

bool doubt_begin(struct table *table)
{
    table->checked = calloc(table->slots / 64 + 1, sizeof table->checked[0]);
    table->past_mending = calloc(table->slots / 64 + 1, sizeof table->past_mending[0]);
    table->owned = calloc(table->cells_max / 64 + 1, sizeof table->owned[0]);
    if (table->checked != NULL && table->past_mending != NULL && table->owned != NULL)
        return true;
    doubt_end(table);
    return false;
}

void doubt_end(struct table *table)
{
    free(table->checked);
    free(table->past_mending);
    free(table->owned);
    table->checked = table->past_mending = table->owned = NULL;
    table->sure = 0;
}

void doubt_own(struct table *table, uint32_t slot)
{
    uint32_t cell = slot_cell(table->index[slot]);
    const struct table_cell *head = &table->cells[cell];
    for (unsigned left = cells_needed(head->head.key_len, marks_of(head)); left > 0; left--) {
        bit_set(table->owned, cell, true);
        cell = table->cells[cell].link.next;
    }
}

void doubt_over(struct table *table, uint32_t slot)
{
    bit_set(table->checked, slot, true);
    bit_set(table->past_mending, slot, false);
    table->sure++;
    doubt_own(table, slot);
}

/* ---- reading what may be anything ---- */

/* The cells as they would be with one bit of one cell flipped. Cell 0: as they are. */
struct view {
    const struct table *table;
    uint32_t cell;
    unsigned bit;
};

static struct table_cell cell_seen(const struct view *view, uint32_t number)
{
    struct table_cell cell = view->table->cells[number];
    if (number == view->cell && number != 0)
        cell.words[view->bit / 64] ^= 1ull << view->bit % 64;
    return cell;
}

/* Whether a number is that of a used cell that belongs to no entry checked so far. */
static bool is_cell(const struct table *table, uint32_t number)
{
    return number > 0 && number < table->cells_used && !bit_is_set(table->owned, number);
}

/* Reads the key of the entry that begins with this head. false: the chain does not hold. */
static bool read_key(const struct view *view, uint32_t first, struct table_cell cell,
                     char key[KEY_MAX])
{
    size_t key_len = cell.head.key_len;
    unsigned marks = marks_of(&cell), links = cells_needed(key_len, marks) - 1;
    size_t done = head_part(key_len, marks);
    memcpy(key, cell.head.key, done);
    for (unsigned i = 0; i < links; i++) {
        if (!is_cell(view->table, cell.link.next))
            return false;
        cell = cell_seen(view, cell.link.next);
        if (i == 0 && marks > 1) {
            if (cell.more.head != back_to(first))
                return false;
            continue;
        }
        size_t part = link_part(key_len - done);
        memcpy(key + done, cell.link.key, part);
        done += part;
    }
    return links == 0 || cell.link.next == back_to(first);
}

/* Whether a search for this tag gets as far as this slot. */
static bool is_reached(const struct table *table, uint32_t at, uint32_t tag)
{
    uint32_t step = home_of(table, tag);
    for (unsigned count = 0; step != at && count < CLUSTER_MAX; count++) {
        if (table->index[step] == 0)
            return false;
        step = slot_after(table, step);
    }
    return step == at;
}

/* Whether the entry that a slot's value leads to checks in all but its marks. */
static bool checks(const struct view *view, uint32_t at, uint64_t slot)
{
    const struct table *table = view->table;
    uint32_t first = slot_cell(slot);
    if ((slot & SLOT_OCCUPIED) == 0 || !is_cell(table, first))
        return false;
    struct table_cell head = cell_seen(view, first);
    unsigned marks = marks_of(&head), marks_of_line;
    uint16_t line = head.head.line;
    uint8_t key_len = head.head.key_len;
    uint64_t salt;
    char key[KEY_MAX];
    return key_len >= 1 && head.head.shape == shape_of(line, key_len, marks) &&
           !cell_is_free(&head, first) &&
           table->user->line(table->user->context, line, &marks_of_line, &salt) &&
           marks == marks_of_line && read_key(view, first, head, key) &&
           tag_of(table_hash(table, key, key_len) ^ salt) == slot_tag(slot) &&
           is_reached(table, at, slot_tag(slot));
}

/* ---- mending ---- */

/* Looks for the bit of a slot that, flipped back, makes the entry check, and flips it. */
static bool mend_slot(struct table *table, uint32_t at)
{
    struct view as_it_is = {.table = table};
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t slot = table->index[at] ^ 1ull << bit;
        if (checks(&as_it_is, at, slot)) {
            store(&table->index[at], slot);
            return true;
        }
    }
    return false;
}

/* The cells that a slot's chain leads through as it stands, each once; returns how many. */
static unsigned cells_of_chain(const struct table *table, uint64_t slot,
                               uint32_t cells[CELLS_PER_KEY_MAX])
{
    unsigned count = 0;
    uint32_t cell = slot_cell(slot);
    while (count < CELLS_PER_KEY_MAX && is_cell(table, cell)) {
        for (unsigned i = 0; i < count; i++)
            if (cells[i] == cell)
                return count;
        cells[count++] = cell;
        cell = table->cells[cell].link.next;
    }
    return count;
}

/* The same for a bit of the entry's cells. The first bit that makes the entry check is taken: a
 * link that leads astray is followed by other entries' cells, where another bit could do too. */
static bool mend_cells(struct table *table, uint32_t at)
{
    uint64_t slot = table->index[at];
    uint32_t cells[CELLS_PER_KEY_MAX];
    unsigned count = cells_of_chain(table, slot, cells);
    for (unsigned i = 0; i < count; i++) {
        struct view view = {.table = table, .cell = cells[i]};
        for (view.bit = 0; view.bit < 8 * sizeof(struct table_cell); view.bit++) {
            if (!checks(&view, at, slot))
                continue;
            uint64_t *word = &table->cells[cells[i]].words[view.bit / 64];
            store(word, *word ^ 1ull << view.bit % 64);
            return true;
        }
    }
    return false;
}

static bool mend(struct table *table, uint32_t at)
{
    if (table->damage.leaks >= FAILURES_MAX || (!mend_slot(table, at) && !mend_cells(table, at)))
        return false;
    table->damage.mended++;
    return true;
}

/* Makes those buckets of an entry empty whose marks cannot be believed. */
static void empty_unbelievable(struct table *table, uint32_t at)
{
    const struct table_user *user = table->user;
    uint16_t line = table_line(table, at);
    bool emptied = false;
    for (unsigned i = 0; i < table_marks(table, at); i++) {
        if (user->believes(user->context, line, i, table_spent(table, at, i)))
            continue;
        table_set_spent(table, at, i, user->empty_mark(user->context, line, i));
        emptied = true;
    }
    table->damage.emptied += emptied;
}

/* Counts an entry that is sure now. There are at least as many keys, whatever the arena says. */
static void count_in(struct table *table, uint32_t at)
{
    doubt_over(table, at);
    if (table->keys < table->sure)
        journal_state(table, table->sure, OP_NONE);
}

static void check(struct table *table, uint32_t at)
{
    struct view as_it_is = {.table = table};
    if (checks(&as_it_is, at, table->index[at]) || mend(table, at)) {
        empty_unbelievable(table, at);
        count_in(table, at);
    } else {
        bit_set(table->checked, at, true);
        bit_set(table->past_mending, at, true);
    }
}

/* ---- settling ---- */

/* A key that somebody asks for. An entry past mending that has its tag is taken to be its own. */
struct claim {
    uint32_t tag;
    const char *key;
    size_t key_len;
    uint16_t line;
};

/* Whether the key has a sure entry already. */
static bool is_there(const struct table *table, const struct claim *claim)
{
    uint16_t owner = table->owners[claim->line];
    uint32_t home = home_of(table, claim->tag), at = home;
    do {
        uint64_t slot = table->index[at];
        if (slot == 0)
            return false;
        const struct table_cell *head = &table->cells[slot_cell(slot)];
        if (slot_is_sure(table, at) && slot_tag(slot) == claim->tag &&
            table->owners[head->head.line] == owner &&
            cells_hold_key(table, head, claim->key, claim->key_len))
            return true;
        at = slot_after(table, at);
    } while (at != home);
    return false;
}

/* Whether a slot past mending was an empty one: one flipped bit. An entry has two bits at least. */
static bool was_empty(uint64_t slot)
{
    return __builtin_popcountll(slot) == 1;
}

/* Makes a slot past mending into the key's entry, with all buckets empty. */
static bool take_for(struct table *table, uint32_t at, const struct claim *claim)
{
    const struct table_user *user = table->user;
    uint64_t slot = table->index[at], empty[BUCKETS_MAX], salt;
    unsigned marks;
    struct cells_plan plan;
    if (was_empty(slot) || is_there(table, claim) ||
        !user->line(user->context, claim->line, &marks, &salt) ||
        !cells_plan(table, cells_needed(claim->key_len, marks), &plan))
        return false;
    for (unsigned i = 0; i < marks; i++)
        empty[i] = user->empty_mark(user->context, claim->line, i);
    journal_entry(table, OP_CLAIM, at, &plan, slot_cell(slot));
    cells_fill(table, &plan, claim->key, claim->key_len, claim->line, empty, marks);
    index_replace(table, OP_CLAIM, at, slot_of(claim->tag, plan.cell[0]), &plan);
    count_in(table, at);
    table->damage.emptied++;
    table->damage.leaks++;
    return true;
}

static void drop(struct table *table, uint32_t at)
{
    if (was_empty(table->index[at])) {
        table->damage.mended++;
        table->keys++; /* it was no key; the removal below counts it down again */
    } else {
        table->damage.dropped++;
        table->damage.leaks++;
    }
    index_remove(table, at, 0);
}

/* Empties a slot to end a row that is too long. The sweep meets what comes after. */
static void cut(struct table *table, uint32_t at)
{
    table->damage.dropped++;
    table->damage.leaks++;
    table->sure -= slot_is_sure(table, at);
    store(&table->index[at], 0);
    journal_state(table, table->keys - (table->keys > table->sure), OP_NONE);
}

/* Checks from a slot up to the next empty one; returns how many slots that was. */
static uint32_t check_cluster(struct table *table, uint32_t slot)
{
    uint32_t count = 0;
    for (uint32_t at = slot; count < table->slots && table->index[at] != 0;
         at = slot_after(table, at)) {
        if (count == CLUSTER_MAX) {
            cut(table, at);
            break;
        }
        if (!bit_is_set(table->checked, at))
            check(table, at);
        count++;
    }
    return count;
}

void doubt_check(struct table *table, uint32_t slot)
{
    check_cluster(table, slot);
}

/* Removes what is past mending from a slot up to the next empty one: all of it, or (claim) only
 * what has the claim's tag. It goes backwards, so that an entry that moves back into a hole has
 * been looked at already. An index without an empty slot has no end to begin from, so it
 * repeats until nothing is left to remove. */
static void clear(struct table *table, uint32_t slot, const struct claim *claim)
{
    bool is_done;
    do {
        is_done = true;
        for (uint32_t count = check_cluster(table, slot); count > 0; count--) {
            /* Nothing changes `slots`, see table.h. NOLINTNEXTLINE(clang-analyzer-core.DivideZero) */
            uint32_t at = (uint32_t)(((uint64_t)slot + count - 1) % table->slots);
            if (table->index[at] == 0 || slot_is_sure(table, at) ||
                (claim != NULL && slot_tag(table->index[at]) != claim->tag))
                continue;
            if (claim == NULL || !take_for(table, at, claim))
                drop(table, at);
            is_done = false;
        }
    } while (!is_done);
}

void doubt_clear(struct table *table, uint32_t slot)
{
    clear(table, slot, NULL);
}

/* An entry past mending with another tag stays until the sweep comes: somebody may ask for its
 * key before that. */
void table_settle(struct table *table, uint64_t hash, const char *key, size_t key_len,
                  uint16_t line)
{
    assert(table_is_in_doubt(table));
    struct claim claim = {tag_of(hash), key, key_len, line};
    clear(table, table_home(table, hash), &claim);
}
