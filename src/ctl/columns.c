#include "ctl/columns.h"

#include <stdlib.h>

enum { BETWEEN = 2 }; /* blanks */

struct columns columns_begin(const struct column *heads, size_t count, enum shown_charset charset)
{
    return (struct columns){.heads = heads, .count = count, .charset = charset};
}

/* The next cell; NULL: there is no memory. */
static struct cell *add(struct columns *columns)
{
    if (columns->cells_count == columns->room) {
        size_t room = columns->room == 0 ? 64 : columns->room * 2;
        struct cell *cells = reallocarray(columns->cells, room, sizeof *cells);
        if (cells == NULL)
            return NULL;
        columns->cells = cells;
        columns->room = room;
    }
    return &columns->cells[columns->cells_count++];
}

void columns_text(struct columns *columns, const char *text)
{
    struct cell *cell = add(columns);
    struct text shown = text_begin_growing();
    if (cell == NULL) {
        columns->is_short = true;
        return;
    }
    cell->columns = text != NULL ? shown_append(&shown, columns->charset, text, strlen(text)) : 0;
    cell->text = text_take(&shown, &cell->len);
    columns->is_short |= cell->text == NULL;
}

void columns_number(struct columns *columns, uint64_t number)
{
    char digits[24];
    struct text text = text_begin(digits, sizeof digits);
    text_number(&text, number);
    text_end(&text);
    columns_text(columns, digits);
}

size_t columns_rows(const struct columns *columns)
{
    return columns->cells_count / columns->count;
}

static void append_blanks(struct text *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        text_literal(text, " ");
}

static void append_cell(const struct columns *columns, struct text *text, size_t column,
                        size_t width, const struct cell *cell)
{
    bool is_number = columns->heads[column].is_number;
    size_t blanks = width - cell->columns;
    append_blanks(text, is_number ? blanks : 0);
    text_bytes(text, cell->text, cell->len);
    if (column + 1 < columns->count)
        append_blanks(text, (is_number ? 0 : blanks) + BETWEEN);
}

static struct cell title_of(const struct columns *columns, size_t column)
{
    const char *title = columns->heads[column].title;
    return (struct cell){(char *)title, strlen(title), strlen(title)};
}

static size_t width_of(const struct columns *columns, size_t column)
{
    size_t width = title_of(columns, column).columns;
    for (size_t i = column; i < columns->cells_count; i += columns->count)
        if (columns->cells[i].columns > width)
            width = columns->cells[i].columns;
    return width;
}

/* Nothing is to be seen of blanks at the end of a line. */
static void end_line(struct text *text)
{
    while (text->at > text->start && text->at[-1] == ' ')
        text->at--;
    text_literal(text, "\n");
}

bool columns_append(const struct columns *columns, struct text *text)
{
    size_t *widths = calloc(columns->count, sizeof *widths);
    if (widths == NULL || columns->is_short) {
        free(widths);
        return false;
    }
    for (size_t i = 0; i < columns->count; i++) {
        struct cell title = title_of(columns, i);
        widths[i] = width_of(columns, i);
        append_cell(columns, text, i, widths[i], &title);
    }
    end_line(text);
    for (size_t i = 0; i < columns_rows(columns) * columns->count; i++) {
        append_cell(columns, text, i % columns->count, widths[i % columns->count],
                    &columns->cells[i]);
        if ((i + 1) % columns->count == 0)
            end_line(text);
    }
    free(widths);
    return !text->is_short;
}

void columns_release(struct columns *columns)
{
    for (size_t i = 0; i < columns->cells_count; i++)
        free(columns->cells[i].text);
    free(columns->cells);
    *columns = (struct columns){0};
}
