#include "ctl/lease.h"
#include "ctl/call.h"
#include "ctl/commands/table.h"

static const struct param params[] = {{"used", OPTION_USED}, {NULL, OPTION_COUNT_OF}};

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_post(job, "/release", "lease", params, 0);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL)
        lease_show(&sheet, answer.json);
    return call_show(&sheet, &answer);
}

const struct command command_lease_release = {
    .name = "leases release",
    .arguments = "ID",
    .text = "end the lease: it is over",
    .options = OPTION_BIT(JSON) | OPTION_BIT(USED),
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
