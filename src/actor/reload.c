#include "actor/reload.h"

#include <stdlib.h>
#include <string.h>

void reload_report_add(struct reload_report *report, size_t line, size_t column, const char *text)
{
    report->faults_found++;
    struct reload_fault *faults =
        realloc(report->faults, (report->faults_count + 1) * sizeof *faults);
    if (faults == NULL)
        return;
    report->faults = faults;
    char *copy = strdup(text);
    if (copy != NULL)
        faults[report->faults_count++] = (struct reload_fault){line, column, copy};
}

void reload_report_release(struct reload_report *report)
{
    for (size_t i = 0; i < report->faults_count; i++)
        free(report->faults[i].text);
    free(report->faults);
    *report = (struct reload_report){0};
}
