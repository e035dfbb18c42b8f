#include "base/quantity.h"
#include "ctl/call.h"
#include "ctl/commands/table.h"
#include "ctl/crowd.h"
#include "ctl/numbers.h"
#include "ctl/query.h"
#include "ctl/say.h"
#include "ctl/spans.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { QUESTIONS = 10000 };

static const struct param params[] = {
    {"limit", OPTION_LIMIT}, {"tokens", OPTION_TOKENS}, {NULL, OPTION_COUNT_OF}};
static const struct {
    const char *name;
    double share;
} shares[] = {{"half", 0.5}, {"99%", 0.99}, {"99.9%", 0.999}, {"all", 1}};

static uint64_t rate_of(const struct crowd *crowd)
{
    return crowd->took_ns == 0
               ? 0
               : (uint64_t)((double)crowd->asked * 1e9 / (double)crowd->took_ns + 0.5);
}

static void show_number(struct sheet *sheet, const char *name, uint64_t number)
{
    sheet_name(sheet, name);
    span_append_number(&sheet->text, number);
    sheet_own(sheet, "\n");
}

static void show(struct sheet *sheet, const struct crowd *crowd)
{
    show_number(sheet, "answered", crowd->asked);
    sheet_name(sheet, "took");
    span_append_ns(&sheet->text, crowd->took_ns);
    sheet_own(sheet, "\n");
    sheet_name(sheet, "rate");
    span_append_number(&sheet->text, rate_of(crowd));
    sheet_own(sheet, "/s\n");
    show_number(sheet, "allowed", crowd->allowed);
    show_number(sheet, "denied", crowd->denied);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        sheet_name(sheet, shares[i].name);
        sheet_own(sheet, "within ");
        span_append_ns(&sheet->text, crowd_latency_ns(crowd, shares[i].share));
        sheet_own(sheet, "\n");
    }
}

static void show_json(const struct crowd *crowd)
{
    printf("{\"answered\":%" PRIu64 ",\"took_ns\":%" PRIu64 ",\"rate\":%" PRIu64
           ",\"allowed\":%" PRIu64 ",\"denied\":%" PRIu64 ",\"latency_ns\":{",
           crowd->asked, crowd->took_ns, rate_of(crowd), crowd->allowed, crowd->denied);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
        printf("%s\"%s\":%" PRIu64, i > 0 ? "," : "", shares[i].name,
               crowd_latency_ns(crowd, shares[i].share));
    printf("}}\n");
}

/* Why it has ended early, if it has. */
static enum ctl_exit judge(const struct crowd *crowd)
{
    if (crowd->result == CLIENT_UNREACHABLE) {
        say("the server has not answered: %s", crowd->fault);
        return CTL_UNREACHABLE;
    }
    if (crowd->result != CLIENT_ANSWERED) {
        say("%s", crowd->fault);
        return CTL_FAILED;
    }
    if (crowd->status != 0) {
        say("the server refused: %ld", crowd->status);
        return CTL_REFUSED;
    }
    return CTL_DONE;
}

static char *form_of(const struct job *job)
{
    struct text form = text_begin_growing();
    size_t len;
    query_add(&form, "key", job->words[0]);
    params_add(&form, job, params);
    return text_take(&form, &len);
}

/* Asks how the key is, for what is wrong with it or with the server is then told in full. */
static enum ctl_exit ask_first(const struct job *job)
{
    static const struct param looks[] = {{"limit", OPTION_LIMIT}, {NULL, OPTION_COUNT_OF}};
    struct client_reply reply;
    struct text query = text_begin_growing();
    size_t len;
    query_add(&query, "key", job->words[0]);
    query_add(&query, "tokens", "0");
    params_add(&query, job, looks);
    char *parameters = text_take(&query, &len);
    if (parameters == NULL)
        return CTL_FAILED;
    enum client_result result = client_ask(
        job->client,
        &(struct client_request){.method = "GET", .path = "/allow", .query = parameters}, &reply);
    free(parameters);
    struct options options = *job->options;
    struct job quiet = *job;
    options.value[OPTION_JSON] = NULL;
    quiet.options = &options;
    struct answer answer = answer_judge(&quiet, result, &reply);
    answer_need_verdict(&quiet, &answer);
    enum ctl_exit exit = answer.exit;
    answer_release(&answer);
    return exit;
}

static enum ctl_exit run(const struct job *job)
{
    uint64_t questions = QUESTIONS, connections = 1;
    if (!number_of_option(job, OPTION_COUNT, 1, CROWD_QUESTIONS_MAX, &questions) ||
        !number_of_option(job, OPTION_CONNECTIONS, 1, CROWD_CONNECTIONS_MAX, &connections))
        return CTL_USAGE;
    enum ctl_exit exit = ask_first(job);
    if (exit != CTL_DONE)
        return exit;
    char *form = form_of(job);
    if (form == NULL) {
        say("there is not enough memory");
        return CTL_FAILED;
    }
    struct crowd crowd = crowd_ask(
        job->client, &(struct client_request){.method = "POST", .path = "/allow", .form = form},
        questions, (unsigned)connections);
    struct sheet sheet = sheet_begin(job->charset);
    if (job_wants_json(job))
        show_json(&crowd);
    else
        show(&sheet, &crowd);
    enum ctl_exit written = sheet_write(&sheet);
    exit = judge(&crowd);
    crowd_release(&crowd);
    free(form);
    return written == CTL_DONE ? exit : written;
}

const struct command command_bench_key = {
    .name = "bench-key",
    .arguments = "KEY",
    .text = "ask for the key as fast as it goes, and tell the rate and the latency",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT) | OPTION_BIT(TOKENS) | OPTION_BIT(COUNT) |
               OPTION_BIT(CONNECTIONS),
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
