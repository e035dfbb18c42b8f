#include "table/layout.h"

/* ---- the free list ---- */

static uint64_t free_check(uint32_t number, uint32_t next)
{
    return ~(((uint64_t)number << 32 | next) * TABLE_GOLDEN);
}

bool cell_is_free(const struct table_cell *cell, uint32_t number)
{
    return cell->free.check == free_check(number, cell->free.next);
}

static void make_free(struct table *table, uint32_t number, uint32_t next)
{
    store_32(&table->cells[number].free.next, next);
    store(&table->cells[number].free.check, free_check(number, next));
}

/* Mends one flipped bit of a free cell. false: it is no free cell with one flipped bit. */
static bool mend_free(struct table *table, uint32_t number)
{
    struct table_cell *cell = &table->cells[number];
    uint32_t next = cell->free.next;
    if (__builtin_popcountll(cell->free.check ^ free_check(number, next)) == 1) {
        store(&cell->free.check, free_check(number, next));
        return true;
    }
    for (unsigned bit = 0; bit < 32; bit++) {
        if (cell->free.check == free_check(number, next ^ 1u << bit)) {
            store_32(&cell->free.next, next ^ 1u << bit);
            return true;
        }
    }
    return false;
}

/* Whether the cell that the free list leads to is a free one. If not, the list ends before it:
 * nobody knows the cells after it, and they are lost. */
static bool is_listed(struct table *table, uint32_t number)
{
    if (number == 0)
        return false;
    if (number < table->cells_used && !(table->owned != NULL && bit_is_set(table->owned, number))) {
        const struct table_cell *cell = &table->cells[number];
        if (cell_is_free(cell, number) && cell->free.next < table->cells_used)
            return true;
        if (mend_free(table, number) && cell->free.next < table->cells_used) {
            table->damage.mended++;
            return true;
        }
    }
    table->damage.leaks++;
    return false;
}

/* Whether a plan has a cell already: damage may make the list a circle. Cells that were handed
 * out earlier end it by themselves, for they are no longer free. */
static bool is_planned(const struct cells_plan *plan, uint32_t number)
{
    for (unsigned i = 0; i < plan->listed; i++)
        if (plan->cell[i] == number)
            return true;
    return false;
}

bool cells_plan(struct table *table, unsigned count, struct cells_plan *plan)
{
    uint32_t next = table->free_cell, used = table->cells_used;
    plan->count = count;
    plan->listed = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!is_planned(plan, next) && is_listed(table, next)) {
            plan->cell[i] = next;
            plan->listed++;
            next = table->cells[next].free.next;
        } else {
            next = 0;
            plan->cell[i] = used++;
        }
    }
    plan->free_after = next;
    plan->used_after = used;
    return used <= table->cells_max;
}

static void set_free(struct table *table, uint32_t number)
{
    table->free_cell = number;
    store(&table->header->free_cell, seal(SEAL_FREE, number));
}

static void set_used(struct table *table, uint32_t used)
{
    table->cells_used = used;
    store(&table->header->cells_used, seal(SEAL_USED, used));
}

void cells_take(struct table *table, const struct cells_plan *plan)
{
    if (plan->free_after != table->free_cell)
        set_free(table, plan->free_after);
    if (plan->used_after != table->cells_used)
        set_used(table, plan->used_after);
}

void cells_unfill(struct table *table, unsigned listed, uint32_t after)
{
    uint32_t number = table->free_cell;
    for (unsigned i = 0; i < listed && number > 0 && number < table->cells_used; i++) {
        uint32_t next = i + 1 == listed ? after : table->cells[number].free.next;
        make_free(table, number, next);
        number = next;
    }
}

void cells_free(struct table *table, uint32_t first)
{
    /* If the list begins with it, this was done before a kill, but not noted. */
    if (first == 0 || first == table->free_cell)
        return;
    const struct table_cell *head = &table->cells[first];
    uint32_t number = first;
    for (unsigned left = cells_needed(head->head.key_len, marks_of(head)); left > 0; left--) {
        if (number == 0 || number >= table->cells_used) {
            table->damage.leaks++;
            return;
        }
        uint32_t next = left == 1 ? table->free_cell : table->cells[number].link.next;
        make_free(table, number, next);
        if (table->owned != NULL)
            bit_set(table->owned, number, false);
        number = next;
    }
    set_free(table, first);
}

void cells_forget(struct table *table)
{
    set_free(table, 0);
    set_used(table, 1);
}

/* ---- entries ---- */

static void cell_write(struct table *table, uint32_t number, const struct table_cell *cell)
{
    for (size_t i = 0; i < sizeof cell->words / sizeof cell->words[0]; i++)
        store(&table->cells[number].words[i], cell->words[i]);
}

void cells_fill(struct table *table, const struct cells_plan *plan, const char *key, size_t key_len,
                uint16_t line, const uint64_t *spent_marks, unsigned marks)
{
    struct table_cell cell = {.words = {0}};
    cell.head.spent_mark = spent_marks[0];
    cell.head.line = line;
    cell.head.key_len = (uint8_t)key_len;
    cell.head.shape = shape_of(line, (uint8_t)key_len, marks);
    size_t done = head_part(key_len, marks);
    memcpy(cell.head.key, key, done);
    for (unsigned i = 0; i + 1 < plan->count; i++) {
        cell.link.next = plan->cell[i + 1];
        cell_write(table, plan->cell[i], &cell);
        cell = (struct table_cell){.words = {0}};
        if (i == 0 && marks > 1) {
            memcpy(cell.more.spent_marks, spent_marks + 1, (marks - 1) * sizeof spent_marks[0]);
            cell.more.head = back_to(plan->cell[0]);
            continue;
        }
        size_t part = link_part(key_len - done);
        memcpy(cell.link.key, key + done, part);
        done += part;
    }
    if (plan->count > 1)
        cell.link.next = back_to(plan->cell[0]);
    cell_write(table, plan->cell[plan->count - 1], &cell);
}
