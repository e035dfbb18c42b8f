#include "ctl/call.h"
#include "ctl/commands/table.h"
#include "ctl/lease.h"

static const struct param params[] = {{NULL, OPTION_COUNT_OF}};

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_query(job, "GET", "/status", "lease", params);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL)
        lease_show(&sheet, answer.json);
    return call_show(&sheet, &answer);
}

const struct command command_lease_status = {
    .name = "leases status",
    .arguments = "ID",
    .text = "how the lease is",
    .options = OPTION_BIT(JSON),
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
