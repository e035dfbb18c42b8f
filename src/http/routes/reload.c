/* POST /reload: read the configuration again. The main thread does, and says how it went. */
#include "http/request.h"
#include "http/routes/table.h"
#include "http/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAULT_TEXT_MAX = 4096 };

static void print_json(FILE *out, const char *string)
{
    char quoted[2 * FAULT_TEXT_MAX + 3];
    size_t len = strnlen(string, FAULT_TEXT_MAX);
    struct text text = text_begin(quoted, sizeof quoted);
    text_json(&text, string, len); /* control characters are visible already: two bytes for one */
    text_end(&text);
    fputs(quoted, out);
}

static void print_fault(FILE *out, const struct reload_fault *fault)
{
    if (fault->line == 0)
        fputs("{\"line\":null,\"column\":null,\"text\":", out);
    else
        fprintf(out, "{\"line\":%zu,\"column\":%zu,\"text\":", fault->line, fault->column);
    print_json(out, fault->text);
    fputc('}', out);
}

static void print_faulty(FILE *out, const struct reload_report *report)
{
    fprintf(out,
            "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":422,\"detail\":\"the "
            "configuration has %zu fault%s; mend it and reload again, all is as it was\","
            "\"faults\":[",
            status_phrase(422), report->faults_found, report->faults_found == 1 ? "" : "s");
    for (size_t i = 0; i < report->faults_count; i++) {
        if (i > 0)
            fputc(',', out);
        print_fault(out, &report->faults[i]);
    }
    fputs("]}\n", out);
}

static void reply_faulty(struct reply *reply, const struct reload_report *report)
{
    char *body = NULL;
    size_t body_len = 0;
    FILE *out = open_memstream(&body, &body_len);
    if (out != NULL)
        print_faulty(out, report);
    if (out == NULL || fclose(out) != 0 || body == NULL) {
        free(body);
        reply_problem(reply, 422,
                      "the configuration is faulty, and there is no memory to say "
                      "where; allowd -t says it, all is as it was");
        return;
    }
    reply_begin(reply, 422, reply_type_problem);
    reply->large_body = body;
    reply->body_len = body_len;
}

static void reply_report(struct reply *reply, const struct reload_report *report)
{
    struct text body;
    switch (report->outcome) {
    case RELOAD_IN_FORCE:
        reply_begin(reply, 200, reply_type_json);
        body = reply_begin_body(reply);
        text_literal(&body, "{\"status\":\"reloaded\",\"limits\":");
        text_number(&body, report->limits);
        text_literal(&body, "}\n");
        reply_end_body(reply, &body);
        return;
    case RELOAD_FAULTY:
        reply_faulty(reply, report);
        return;
    case RELOAD_NO_FILE:
        reply_problem(reply, 409,
                      "allowd runs without a configuration file, so there is none to "
                      "read again; start it with -c FILE");
        return;
    case RELOAD_NO_MEMORY:
        reply_problem(reply, 503, "out of memory; all is as it was, try again");
        return;
    }
}

/* The main thread is asked, and has nothing to be told. */
static void ask(struct request *request)
{
    (void)request;
}

static void reply(struct request *request, const struct serving *serving)
{
    (void)serving;
    if (request->reload == NULL)
        reply_problem(&request->reply, 503, "a reload cannot begin now; try again");
    else if (!reload_is_done(request->reload))
        reply_problem(&request->reply, 503, "draining: allowd is about to end");
    else
        reply_report(&request->reply, &request->reload->report);
}

const struct route route_reload = {
    .path = "/reload",
    .methods = METHOD_POST,
    .allow = "POST",
    .is_admin = true,
    .is_guarded = true,
    .changes_state = true,
    .asks = ROUTE_ASKS_MAIN_THREAD,
    .ask = ask,
    .reply = reply,
};
