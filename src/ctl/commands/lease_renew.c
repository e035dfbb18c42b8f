#include "ctl/call.h"
#include "ctl/commands/table.h"
#include "ctl/lease.h"

static const struct param params[] = {{"ttl", OPTION_TTL}, {NULL, OPTION_COUNT_OF}};

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_post(job, "/renew", "lease", params, 0);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL)
        lease_show(&sheet, answer.json);
    return call_show(&sheet, &answer);
}

const struct command command_lease_renew = {
    .name = "leases renew",
    .arguments = "ID",
    .text = "let the lease end later: it still goes on",
    .options = OPTION_BIT(JSON) | OPTION_BIT(TTL),
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
