#include "actor/reload.h"

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

void reload_report_release(struct reload_report *report)
{
    for (size_t i = 0; i < report->notes_count; i++)
        free(report->notes[i].text);
    free(report->notes);
    *report = (struct reload_report){0};
}
