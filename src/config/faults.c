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
    PLACE_MAX_BYTES = PATH_MAX + 64,
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

static void keep(struct faults *faults, struct fault fault, const char *format, va_list arguments)
{
    char formatted[FORMATTED_MAX], shown[SHOWN_MAX];
    int len = vsnprintf(formatted, sizeof formatted, format, arguments);
    show_controls(len < 0 ? format : formatted, shown);
    struct fault *kept = &faults->fault[faults->kept];
    *kept = fault;
    kept->text = strdup(shown);
    if (kept->text != NULL)
        faults->kept++;
}

void faults_add(struct faults *faults, size_t line, size_t column, const char *format, ...)
{
    va_list arguments;
    if (faults->count++ >= FAULTS_MAX)
        return;
    va_start(arguments, format);
    keep(faults, (struct fault){FAULT_ERROR, line, column, NULL}, format, arguments);
    va_end(arguments);
}

void faults_warn(struct faults *faults, size_t line, size_t column, const char *format, ...)
{
    va_list arguments;
    if (faults->warnings++ >= FAULTS_MAX)
        return;
    va_start(arguments, format);
    keep(faults, (struct fault){FAULT_WARNING, line, column, NULL}, format, arguments);
    va_end(arguments);
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

void faults_tell(const struct faults *faults, const char *name, faults_teller *tell, void *context)
{
    static const char *const nouns[] = {[FAULT_ERROR] = "fault", [FAULT_WARNING] = "warning"};
    const size_t found[] = {[FAULT_ERROR] = faults->count, [FAULT_WARNING] = faults->warnings};
    size_t kept[] = {[FAULT_ERROR] = 0, [FAULT_WARNING] = 0};
    char place[PLACE_MAX_BYTES], text[64];
    for (size_t i = 0; i < faults->kept; i++) {
        const struct fault *fault = &faults->fault[i];
        if (fault->line == 0)
            snprintf(place, sizeof place, "%s", name);
        else
            snprintf(place, sizeof place, "%s:%zu:%zu", name, fault->line, fault->column);
        tell(context, fault->kind, place, fault->text);
        kept[fault->kind]++;
    }
    for (enum fault_kind kind = FAULT_ERROR; kind <= FAULT_WARNING; kind++) {
        size_t untold = found[kind] - kept[kind];
        snprintf(text, sizeof text, "%zu %s%s%s not shown", untold, kept[kind] == 0 ? "" : "more ",
                 nouns[kind], untold == 1 ? "" : "s");
        if (untold > 0)
            tell(context, kind, name, text);
    }
}

void faults_release(struct faults *faults)
{
    for (size_t i = 0; i < faults->kept; i++)
        free(faults->fault[i].text);
    faults->count = faults->warnings = faults->kept = 0;
}
