#include "ctl/call.h"
#include "ctl/commands/table.h"

static const struct param params[] = {
    {"limit", OPTION_LIMIT}, {"tokens", OPTION_TOKENS}, {NULL, OPTION_COUNT_OF}};

static void show_sentences(struct sheet *sheet, const json_t *sentences)
{
    size_t i;
    json_t *sentence;
    json_array_foreach(sentences, i, sentence)
    {
        sheet_shown(sheet, json_string_value(sentence));
        sheet_own(sheet, "\n");
    }
}

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_query(job, "GET", "/explain", "key", params);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL)
        show_sentences(&sheet, json_object_get(answer.json, "sentences"));
    return call_show(&sheet, &answer);
}

const struct command command_explain = {
    .name = "explain",
    .arguments = "KEY",
    .text = "which limit decides about the key, why, and what it would be told now",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT) | OPTION_BIT(TOKENS),
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
