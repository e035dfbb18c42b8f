#include "pure/table_parts.h"

#include <stdlib.h>

enum {
    /* More slots in a row than any table has: with 10^8 keys two thirds of the
     * index are taken, and the longest row is a few hundred. What has more is wreckage. */
    CLUSTER_MAX = 4096,
    /* Entries past mending, after which no more mending is tried: that is no flipped bit. */
    FAILURES_MAX = 64,
};

bool doubt_begin(struct table *table)
{
    table->checked = calloc(table->slots / 64 + 1, sizeof table->checked[0]);
    return table->checked != NULL;
}

void doubt_end(struct table *table)
{
    free(table->checked);
    table->checked = NULL;
}

/* ---- reading what may be anything ---- */

/* The cells, with one bit of one of them flipped; cell 0: none. */
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

static bool is_cell(const struct table *table, uint32_t number)
{
    return number > 0 && number < table->cells_used;
}

/* The key of an entry, whose head this is. false: its chain is not one. */
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
        if (i == 0 && marks > 1)
            continue;
        size_t part = link_part(key_len - done);
        memcpy(key + done, cell.link.key, part);
        done += part;
    }
    return links == 0 || cell.link.next == (CELL_LAST | first);
}

/* Whether all checks of the entry that a slot would be of, but its marks. */
static bool checks(const struct view *view, uint64_t slot)
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
           tag_of(table_hash(table, key, key_len) ^ salt) == slot_tag(slot);
}

/* ---- mending ---- */

/* What one flipped bit would make of a slot that does not check. */
struct remedy {
    unsigned found; /* how many there are; of the last: */
    uint64_t slot;
    uint32_t cell; /* 0: it is the slot's bit */
    unsigned bit;
};

static void try_slot(const struct table *table, uint64_t slot, struct remedy *remedy)
{
    struct view as_it_is = {.table = table};
    for (unsigned bit = 0; bit < 64; bit++) {
        if (!checks(&as_it_is, slot ^ 1ull << bit))
            continue;
        *remedy = (struct remedy){remedy->found + 1, slot ^ 1ull << bit, 0, 0};
    }
}

/* The cells to try are those that the chain leads through as it is. */
static void try_cells(const struct table *table, uint64_t slot, struct remedy *remedy)
{
    uint32_t cell = slot_cell(slot);
    for (unsigned i = 0; i < CELLS_PER_KEY_MAX && is_cell(table, cell); i++) {
        struct view view = {.table = table, .cell = cell};
        for (view.bit = 0; view.bit < 8 * sizeof(struct table_cell); view.bit++)
            if (checks(&view, slot))
                *remedy = (struct remedy){remedy->found + 1, slot, cell, view.bit};
        cell = table->cells[cell].link.next;
    }
}

/* Mends a slot that does not check, or its entry, if one bit does it and no other would. */
static bool mend(struct table *table, uint32_t at)
{
    struct remedy remedy = {0};
    uint64_t slot = table->index[at];
    if (table->damage.leaks < FAILURES_MAX) {
        try_slot(table, slot, &remedy);
        try_cells(table, slot, &remedy);
    }
    if (remedy.found == 0 && __builtin_popcountll(slot) == 1) {
        store(&table->index[at], 0); /* it was empty */
    } else if (remedy.found != 1) {
        return false;
    } else if (remedy.cell == 0) {
        store(&table->index[at], remedy.slot);
    } else {
        uint64_t *word = &table->cells[remedy.cell].words[remedy.bit / 64];
        store(word, *word ^ 1ull << remedy.bit % 64);
    }
    table->damage.mended++;
    return true;
}

/* The buckets of an entry whose marks are not to be believed become empty. */
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

static void check(struct table *table, uint32_t at)
{
    struct view as_it_is = {.table = table};
    if (!checks(&as_it_is, table->index[at]) && !mend(table, at))
        return;
    if (table->index[at] != 0)
        empty_unbelievable(table, at);
    slot_set_checked(table, at, true);
}

/* ---- settling ---- */

/* A key that is asked for: what is past mending but has its tag is taken to be its entry. */
struct claim {
    uint32_t tag;
    const char *key;
    size_t key_len;
    uint16_t line;
};

/* Whether the key has an entry that checked. */
static bool is_there(const struct table *table, const struct claim *claim)
{
    uint16_t owner = table->owners[claim->line];
    uint32_t home = home_of(table, claim->tag), at = home;
    do {
        uint64_t slot = table->index[at];
        if (slot == 0)
            return false;
        const struct table_cell *head = &table->cells[slot_cell(slot)];
        if (slot_is_checked(table, at) && slot_tag(slot) == claim->tag &&
            table->owners[head->head.line] == owner &&
            cells_hold_key(table, head, claim->key, claim->key_len))
            return true;
        at = slot_after(table, at);
    } while (at != home);
    return false;
}

/* Makes the key's entry, all buckets empty, of a slot past mending. */
static bool take_for(struct table *table, uint32_t at, const struct claim *claim)
{
    const struct table_user *user = table->user;
    uint64_t slot = table->index[at], empty[BUCKETS_MAX], salt;
    unsigned marks;
    struct cells_plan plan;
    if (slot_tag(slot) != claim->tag || is_there(table, claim) ||
        !user->line(user->context, claim->line, &marks, &salt) ||
        !cells_plan(table, cells_needed(claim->key_len, marks), &plan))
        return false;
    for (unsigned i = 0; i < marks; i++)
        empty[i] = user->empty_mark(user->context, claim->line, i);
    journal_entry(table, OP_CLAIM, at, &plan, slot_cell(slot));
    cells_fill(table, &plan, claim->key, claim->key_len, claim->line, empty, marks);
    index_replace(table, OP_CLAIM, at, slot_of(claim->tag, plan.cell[0]), &plan);
    slot_set_checked(table, at, true);
    table->damage.emptied++;
    table->damage.leaks++;
    return true;
}

static void drop(struct table *table, uint32_t at)
{
    table->damage.dropped++;
    table->damage.leaks++;
    index_remove(table, at, 0);
}

/* Ends what is no cluster; what comes after may then be met by the sweep alone. */
static void cut(struct table *table, uint32_t at)
{
    table->damage.dropped++;
    table->damage.leaks++;
    store(&table->index[at], 0);
    journal_state(table, table->keys - (table->keys > 0), OP_NONE);
}

/* Checks from a slot up to the next empty one; how many slots those are. */
static uint32_t check_cluster(struct table *table, uint32_t slot)
{
    uint32_t count = 0;
    for (uint32_t at = slot; count < table->slots && table->index[at] != 0;
         at = slot_after(table, at)) {
        if (count == CLUSTER_MAX) {
            cut(table, at);
            break;
        }
        if (!slot_is_checked(table, at))
            check(table, at);
        if (table->index[at] == 0)
            break;
        count++;
    }
    return count;
}

/* From the end on, so that what moves back when one goes has been checked. */
static void settle(struct table *table, uint32_t slot, const struct claim *claim)
{
    for (uint32_t count = check_cluster(table, slot); count > 0; count--) {
        uint32_t at = (uint32_t)(((uint64_t)slot + count - 1) % table->slots);
        if (table->index[at] == 0 || slot_is_checked(table, at))
            continue;
        if (claim == NULL || !take_for(table, at, claim))
            drop(table, at);
    }
}

void doubt_settle(struct table *table, uint32_t slot)
{
    settle(table, slot, NULL);
}

void table_settle(struct table *table, uint64_t hash, const char *key, size_t key_len,
                  uint16_t line)
{
    if (table->checked == NULL)
        return;
    struct claim claim = {tag_of(hash), key, key_len, line};
    settle(table, table_home(table, hash), &claim);
}
