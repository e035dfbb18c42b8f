#include "config/faults.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    FORMATTED_MAX = 512,           /* bytes of a text before its control characters are shown */
    SHOWN_MAX = FORMATTED_MAX * 4, /* each byte can become \xNN */
    LINE_MAX_BYTES = PATH_MAX + SHOWN_MAX + 64,
};

/* Bytes of the control character that begins here (U+0000-001F, U+007F-009F), or 0. */
static size_t control_size(const char *text)
{
    unsigned char lead = (unsigned char)text[0], next = (unsigned char)text[1];
    if (lead < 0x20 || lead == 0x7f)
        return 1;
    return lead == 0xc2 && next >= 0x80 && next <= 0x9f ? 2 : 0;
}

/* Copies a text and writes each control character as \xNN, by its code point. */
static void show_controls(const char *text, char shown[SHOWN_MAX])
{
    while (*text != '\0') {
        size_t size = control_size(text);
        if (size == 0) {
            *shown++ = *text++;
            continue;
        }
        shown += sprintf(shown, "\\x%02x", (unsigned)(unsigned char)text[size - 1]);
        text += size;
    }
    *shown = '\0';
}

void faults_add(struct faults *faults, size_t line, size_t column, const char *format, ...)
{
    faults->count++;
    if (faults->kept == FAULTS_MAX)
        return;

    char formatted[FORMATTED_MAX], shown[SHOWN_MAX];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(formatted, sizeof formatted, format, arguments);
    va_end(arguments);
    show_controls(len < 0 ? format : formatted, shown);

    char *text = strdup(shown);
    if (text != NULL)
        faults->fault[faults->kept++] = (struct fault){line, column, text};
}

static bool comes_before(const struct fault *a, const struct fault *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* Insertion sort: it keeps the order of faults that have the same place, and there are few. */
void faults_sort(struct faults *faults)
{
    for (size_t i = 1; i < faults->kept; i++) {
        struct fault fault = faults->fault[i];
        size_t to = i;
        for (; to > 0 && comes_before(&fault, &faults->fault[to - 1]); to--)
            faults->fault[to] = faults->fault[to - 1];
        faults->fault[to] = fault;
    }
}

void faults_tell(const struct faults *faults, const char *name,
                 void (*tell)(void *context, const char *line), void *context)
{
    char line[LINE_MAX_BYTES];
    for (size_t i = 0; i < faults->kept; i++) {
        const struct fault *fault = &faults->fault[i];
        if (fault->line == 0)
            snprintf(line, sizeof line, "%s: %s", name, fault->text);
        else
            snprintf(line, sizeof line, "%s:%zu:%zu: %s", name, fault->line, fault->column,
                     fault->text);
        tell(context, line);
    }

    size_t untold = faults->count - faults->kept;
    if (untold > 0) {
        snprintf(line, sizeof line, "%s: %zu %sfault%s not shown", name, untold,
                 faults->kept == 0 ? "" : "more ", untold == 1 ? "" : "s");
        tell(context, line);
    }
}

void faults_release(struct faults *faults)
{
    for (size_t i = 0; i < faults->kept; i++)
        free(faults->fault[i].text);
    faults->count = faults->kept = 0;
}
