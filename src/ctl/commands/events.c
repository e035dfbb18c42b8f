#include "ctl/answer.h"
#include "ctl/commands/table.h"
#include "ctl/event_line.h"
#include "ctl/lines.h"
#include "ctl/params.h"
#include "ctl/query.h"
#include "ctl/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ID_MAX = 64 };

struct reading {
    const struct job *job;
    char last[ID_MAX + 1]; /* the id of the last event that was shown; "": none yet */
    enum ctl_exit exit;    /* if the reading was stopped here */
    struct lines lines;
};

static const struct param params[] = {
    {"limit", OPTION_LIMIT},
    {"prefix", OPTION_PREFIX},
    {"kind", OPTION_KIND},
    {NULL, OPTION_COUNT_OF},
};

/* ---- an event ---- */

static void remember(struct reading *reading, const json_t *event)
{
    const char *id = answer_text(event, "id");
    if (id != NULL && strlen(id) <= ID_MAX)
        strcpy(reading->last, id);
}

static enum ctl_exit write_line(const struct reading *reading, const json_t *event)
{
    struct text text = text_begin_growing();
    size_t len;
    event_line_append(&text, reading->job->charset, event);
    char *line = text_take(&text, &len);
    if (line == NULL) {
        say("there is not enough memory");
        return CTL_FAILED;
    }
    fwrite(line, 1, len, stdout);
    free(line);
    return CTL_DONE;
}

/* Nobody looks at what cannot be written. */
static enum ctl_exit flush(enum ctl_exit exit)
{
    return exit == CTL_DONE && fflush(stdout) != 0 ? CTL_FAILED : exit;
}

static bool take_event(void *context, const char *line, size_t len)
{
    struct reading *reading = context;
    json_error_t error;
    if (len == 0) /* a heartbeat */
        return true;
    json_t *event = json_loadb(line, len, 0, &error);
    if (json_is_object(event)) {
        reading->exit = flush(job_wants_json(reading->job) ? answer_write_json(line, len)
                                                           : write_line(reading, event));
        remember(reading, event);
    } else {
        say("the answer of %s is none of allowd's: %s", client_server(reading->job->client)->shown,
            event == NULL ? error.text : "no object");
        reading->exit = CTL_UNREADABLE;
    }
    json_decref(event);
    return reading->exit == CTL_DONE;
}

/* ---- the stream ---- */

static bool take(void *context, const char *bytes, size_t len)
{
    struct reading *reading = context;
    if (lines_take(&reading->lines, bytes, len))
        return true;
    if (reading->exit == CTL_DONE) {
        say("a line of the answer is longer than any event");
        reading->exit = CTL_UNREADABLE;
    }
    return false;
}

static char *query_of(const struct reading *reading)
{
    const struct job *job = reading->job;
    struct text query = text_begin_growing();
    size_t len;
    params_add(&query, job, params);
    query_add(&query, "since",
              reading->last[0] != '\0' ? reading->last : job_option(job, OPTION_SINCE));
    query_add(&query, "follow", job_option(job, OPTION_NO_FOLLOW) != NULL ? "no" : NULL);
    return text_take(&query, &len);
}

static enum client_result read_once(struct reading *reading, struct client_reply *reply)
{
    char *query = query_of(reading);
    struct client_sink sink = {take, reading};
    *reply = (struct client_reply){0};
    if (query == NULL)
        return CLIENT_FAILED;
    reading->lines = lines_begin(take_event, reading);
    enum client_result result = client_follow(
        reading->job->client,
        &(struct client_request){.method = "GET", .path = "/events", .query = query}, &sink, reply);
    lines_release(&reading->lines);
    free(query);
    return result;
}

static enum ctl_exit judge(const struct job *job, enum client_result result,
                           struct client_reply *reply)
{
    struct answer answer = answer_judge(job, result, reply);
    enum ctl_exit exit = answer.exit;
    answer_release(&answer);
    return exit;
}

/* Whether the stream has only broken off, or is refused for a while only. */
static bool comes_back(enum client_result result, long status)
{
    return result == CLIENT_UNREACHABLE ||
           (result == CLIENT_ANSWERED && (status == 200 || status == 503));
}

static void say_again(const struct job *job, bool *has_said)
{
    if (!*has_said)
        say("the stream from %s has ended; trying again each second",
            client_server(job->client)->shown);
    *has_said = true;
}

static enum ctl_exit follow(struct reading *reading)
{
    struct client_reply reply;
    bool follows = job_option(reading->job, OPTION_NO_FOLLOW) == NULL, has_begun = false,
         has_said = false;
    for (;;) {
        enum client_result result = read_once(reading, &reply);
        if (result == CLIENT_STOPPED)
            return reading->exit;
        bool is_stream = reply.status == 200;
        if (is_stream && !follows && result == CLIENT_ANSWERED) {
            free(reply.body);
            return CTL_DONE;
        }
        has_begun |= is_stream;
        if (!follows || !has_begun || !comes_back(result, reply.status))
            return judge(reading->job, result, &reply);
        free(reply.body);
        has_said &= !is_stream;
        say_again(reading->job, &has_said);
        sleep(1);
    }
}

static enum ctl_exit run(const struct job *job)
{
    struct reading reading = {.job = job, .exit = CTL_DONE};
    return follow(&reading);
}

const struct command command_events = {
    .name = "events",
    .arguments = "",
    .text = "what happens, as it happens",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT) | OPTION_BIT(PREFIX) | OPTION_BIT(KIND) |
               OPTION_BIT(SINCE) | OPTION_BIT(NO_FOLLOW),
    .run = run,
};
