#include "ctl/call.h"
#include "ctl/commands/table.h"
#include "ctl/spans.h"

static const struct param params[] = {{NULL, OPTION_COUNT_OF}};

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_post(job, "/reload", "", params, 0);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL) {
        sheet_line(&sheet, "status", answer_text(answer.json, "status"));
        sheet_name(&sheet, "limits");
        span_append_number(&sheet.text, answer_number(answer.json, "limits"));
        sheet_own(&sheet, "\n");
        call_show_warnings(&sheet, answer.json);
    }
    return call_show(&sheet, &answer);
}

const struct command command_reload = {
    .name = "reload",
    .arguments = "",
    .text = "have the server read its configuration again",
    .options = OPTION_BIT(JSON),
    .run = run,
};
