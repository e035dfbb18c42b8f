#include "ctl/call.h"
#include "ctl/commands/table.h"
#include "ctl/numbers.h"
#include "ctl/pages.h"

enum { KEYS_SHOWN = 100 };

/* Only keys that hold leases are wanted. */
static bool add(void *context, const json_t *key)
{
    struct columns *columns = context;
    if (answer_number(key, "leases") == 0)
        return false;
    columns_text(columns, answer_text(key, "limit"));
    columns_number(columns, answer_number(key, "leases"));
    columns_number(columns, answer_number(key, "slots"));
    columns_text(columns, answer_text(key, "key"));
    return true;
}

static enum ctl_exit run(const struct job *job)
{
    static const struct column heads[] = {
        {"LIMIT", false},
        {"LEASES", true},
        {"SLOTS", true},
        {"KEY", false},
    };
    struct columns columns = columns_begin(heads, sizeof heads / sizeof heads[0], job->charset);
    struct sheet sheet = sheet_begin(job->charset);
    uint64_t most = KEYS_SHOWN;
    if (!number_of_option(job, OPTION_COUNT, 1, UINT32_MAX, &most))
        return CTL_USAGE;
    struct pages_sink sink = {add, &columns};
    enum ctl_exit exit = pages_of_keys(job, NULL, most, &sink);
    if (!job_wants_json(job) && exit == CTL_DONE)
        sheet_columns(&sheet, &columns);
    columns_release(&columns);
    enum ctl_exit written = sheet_write(&sheet);
    return exit == CTL_DONE ? written : exit;
}

const struct command command_leases = {
    .name = "leases",
    .arguments = "",
    .text = "which keys hold leases, and how many slots they have out",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT) | OPTION_BIT(PREFIX) | OPTION_BIT(COUNT),
    .run = run,
};
