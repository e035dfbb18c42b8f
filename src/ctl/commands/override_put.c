#include "ctl/bucket_option.h"
#include "ctl/call.h"
#include "ctl/commands/table.h"
#include "ctl/override.h"
#include "ctl/query.h"
#include "ctl/say.h"

#include <stdlib.h>

static const struct param params[] = {
    {"limit", OPTION_LIMIT},       {"burst", OPTION_BURST},   {"rate", OPTION_RATE},
    {"debt_max", OPTION_DEBT_MAX}, {"action", OPTION_ACTION}, {"concurrent", OPTION_CONCURRENT},
    {"until", OPTION_UNTIL},       {"reason", OPTION_REASON}, {NULL, OPTION_COUNT_OF},
};

/* ---- several buckets, for which a query has no words ---- */

/* A bucket a line, so that the line of a fault is its number. false: one is written wrong, which is said. */
static bool append_buckets(struct text *object, const struct options *options)
{
    for (size_t i = 0; i < options->repeated_count; i++) {
        text_string(object, i == 0 ? "{\"buckets\":[" : ",\n");
        if (bucket_option_append(object, options->repeated[i]))
            continue;
        say("--bucket \"%s\" is none; write name=NAME,burst=N,rate=RATE, or "
            "name=NAME,concurrent=N",
            options->repeated[i]);
        return false;
    }
    text_literal(object, "]");
    return true;
}

/* Appends the object of the override: what the options say, but for the limit. */
static bool append_object(struct text *object, const struct job *job)
{
    if (!append_buckets(object, job->options))
        return false;
    for (const struct param *param = params; param->name != NULL; param++) {
        const char *value = job_option(job, param->option);
        if (value == NULL || param->option == OPTION_LIMIT)
            continue;
        text_literal(object, ",");
        text_json(object, param->name, strlen(param->name));
        text_literal(object, ":");
        text_json(object, value, strlen(value));
    }
    text_literal(object, "}");
    return true;
}

static struct answer ask_for_buckets(const struct job *job)
{
    struct job asks = *job;
    struct text query = text_begin_growing(), object = text_begin_growing();
    struct answer answer = {.exit = CTL_USAGE};
    size_t len;
    asks.line_is = "bucket";
    query_add(&query, "limit", job_option(job, OPTION_LIMIT));
    query_add(&query, "key", job->words[0]);
    bool is_right = append_object(&object, job);
    struct client_request request = {.method = "PUT", .path = "/overrides"};
    char *parameters = text_take(&query, &len), *body = text_take(&object, &len);
    request.query = parameters;
    request.json = body;
    if (is_right && parameters != NULL && body != NULL) {
        answer = answer_of(&asks, &request);
    } else if (is_right) {
        say("there is not enough memory");
        answer.exit = CTL_FAILED;
    }
    free(parameters);
    free(body);
    return answer;
}

/* ---- the command ---- */

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = job->options->repeated_count > 0
                               ? ask_for_buckets(job)
                               : call_query(job, "PUT", "/overrides", "key", params);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL) {
        struct columns columns = override_columns(job->charset);
        override_add(&columns, answer.json);
        sheet_columns(&sheet, &columns);
        if (json_is_false(json_object_get(answer.json, "persistent")))
            sheet_own(&sheet, "A restart forgets it: the server keeps no state.\n");
        call_show_warnings(&sheet, answer.json);
    }
    return call_show(&sheet, &answer);
}

const struct command command_override_put = {
    .name = "override put",
    .arguments = "KEY",
    .text = "set an override of the key under --limit, or replace it",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT) | OPTION_BIT(BURST) | OPTION_BIT(RATE) |
               OPTION_BIT(BUCKET) | OPTION_BIT(DEBT_MAX) | OPTION_BIT(ACTION) |
               OPTION_BIT(CONCURRENT) | OPTION_BIT(UNTIL) | OPTION_BIT(REASON),
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
