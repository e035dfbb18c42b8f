#include "actor/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reload_report_add(struct reload_report *report, size_t line, size_t column, const char *text)
{
    report->notes_found++;
    struct reload_note *notes = realloc(report->notes, (report->notes_count + 1) * sizeof *notes);
    if (notes == NULL)
        return;
    report->notes = notes;
    char *copy = strdup(text);
    if (copy != NULL)
        notes[report->notes_count++] = (struct reload_note){line, column, copy};
}

void reload_report_lines(const struct reload_report *report, const char *path, char *lines,
                         size_t bytes)
{
    size_t at = 0;
    if (report->outcome == RELOAD_NO_MEMORY)
        at = (size_t)snprintf(lines, bytes, "%s: out of memory", path);
    else
        lines[0] = '\0';
    for (size_t i = 0; report->outcome == RELOAD_FAULTY && i < report->notes_count; i++) {
        const struct reload_note *note = &report->notes[i];
        size_t room = bytes - at;
        int len = note->line == 0
                      ? snprintf(lines + at, room, "%s%s: %s", at > 0 ? "\n" : "", path, note->text)
                      : snprintf(lines + at, room, "%s%s:%zu:%zu: %s", at > 0 ? "\n" : "", path,
                                 note->line, note->column, note->text);
        if ((size_t)len >= room)
            return; /* it is cut */
        at += (size_t)len;
    }
}

void reload_report_release(struct reload_report *report)
{
    for (size_t i = 0; i < report->notes_count; i++)
        free(report->notes[i].text);
    free(report->notes);
    *report = (struct reload_report){0};
}
