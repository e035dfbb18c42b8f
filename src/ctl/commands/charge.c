#include "ctl/bucket.h"
#include "ctl/call.h"
#include "ctl/commands/table.h"
#include "ctl/spans.h"

static const struct param params[] = {
    {"limit", OPTION_LIMIT},
    {"tokens", OPTION_TOKENS},
    {"once", OPTION_ONCE},
    {NULL, OPTION_COUNT_OF},
};

static void show_charge(struct sheet *sheet, const json_t *json)
{
    sheet_name(sheet, "charged");
    span_append_number(&sheet->text, answer_number(json, "charged"));
    sheet_own(sheet, "\n");
    sheet_name(sheet, "forgiven");
    span_append_number(&sheet->text, answer_number(json, "forgiven"));
    sheet_own(sheet, "\n");
}

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_post(job, "/charge", "key", params, 0);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL) {
        show_charge(&sheet, answer.json);
        bucket_show(&sheet, answer.json);
    }
    return call_show(&sheet, &answer);
}

const struct command command_charge = {
    .name = "charge",
    .arguments = "KEY",
    .text = "take tokens of the key for what has been used, whether it has them or not",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT) | OPTION_BIT(TOKENS) | OPTION_BIT(ONCE),
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
