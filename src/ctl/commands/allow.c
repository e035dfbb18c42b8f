#include "base/quantity.h"
#include "ctl/bucket.h"
#include "ctl/call.h"
#include "ctl/commands/table.h"

static const struct param params[] = {
    {"limit", OPTION_LIMIT}, {"tokens", OPTION_TOKENS}, {"wait", OPTION_WAIT},
    {"once", OPTION_ONCE},   {NULL, OPTION_COUNT_OF},
};

/* How much longer than any other answer this one may take. What is no duration the server refuses. */
static uint64_t wait_ms(const struct job *job)
{
    const char *wait = job_option(job, OPTION_WAIT);
    uint64_t ms = 0;
    if (wait != NULL)
        quantity_parse_duration(wait, strlen(wait), 0, MS_PER_DAY, &ms);
    return ms;
}

static void show_verdict(struct sheet *sheet, const json_t *json)
{
    bool is_allowed = answer_is_true(json, "allowed");
    const char *reason = answer_text(json, "reason");
    sheet_own(sheet, is_allowed ? "allowed" : "denied");
    if (answer_is_true(json, "shadow") && json_is_false(json_object_get(json, "would_allow")))
        sheet_own(sheet, ", though the limit, which is on trial, would deny");
    if (reason != NULL) {
        sheet_own(sheet, ": ");
        sheet_shown(sheet, reason);
    }
    sheet_own(sheet, "\n");
}

static void show_times(struct sheet *sheet, const json_t *json)
{
    if (!answer_is_true(json, "allowed")) {
        sheet_name(sheet, "again in");
        bucket_show_ms(sheet, json_object_get(json, "retry_after_ms"));
        sheet_own(sheet, "\n");
    }
    if (json_object_get(json, "waited_ms") != NULL) {
        sheet_name(sheet, "waited");
        bucket_show_ms(sheet, json_object_get(json, "waited_ms"));
        sheet_own(sheet, "\n");
    }
}

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_post(job, "/allow", "key", params, wait_ms(job));
    struct sheet sheet = sheet_begin(job->charset);
    answer_need_verdict(job, &answer);
    if (answer.json != NULL) {
        show_verdict(&sheet, answer.json);
        show_times(&sheet, answer.json);
        bucket_show(&sheet, answer.json);
    }
    return call_show(&sheet, &answer);
}

const struct command command_allow = {
    .name = "allow",
    .arguments = "KEY",
    .text = "take tokens of the key, if it may go on: 0 says yes, 1 no",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT) | OPTION_BIT(TOKENS) | OPTION_BIT(WAIT) |
               OPTION_BIT(ONCE),
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
