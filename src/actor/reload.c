#include "actor/reload.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static_assert(sizeof(struct reload *) <= PIPE_BUF, "a pointer goes into a pipe whole");

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
}

int reload_desk_open(struct reload_desk *desk)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return errno;
    *desk = (struct reload_desk){.out = ends[0], .in = ends[1]};
    return 0;
}

void reload_desk_close(struct reload_desk *desk)
{
    for (struct reload *left; (left = reload_next(desk)) != NULL;)
        reload_leave(left);
    close(desk->out);
    close(desk->in);
}

struct reload *reload_ask(const struct reload_desk *desk)
{
    struct reload *reload = calloc(1, sizeof *reload);
    if (reload == NULL)
        return NULL;
    atomic_init(&reload->is_done, false);
    atomic_init(&reload->is_left_by_one, false);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): it is the pointer that goes over */
    if (write(desk->in, &reload, sizeof reload) == sizeof reload)
        return reload;
    free(reload);
    return NULL;
}

bool reload_is_done(struct reload *reload)
{
    return atomic_load(&reload->is_done);
}

void reload_leave(struct reload *reload)
{
    if (!atomic_exchange(&reload->is_left_by_one, true))
        return;
    reload_report_release(&reload->report);
    free(reload);
}

struct reload *reload_next(const struct reload_desk *desk)
{
    struct reload *reload;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): as above */
    return read(desk->out, &reload, sizeof reload) == sizeof reload ? reload : NULL;
}

void reload_done(struct reload *reload)
{
    atomic_store(&reload->is_done, true);
    reload_leave(reload);
}
