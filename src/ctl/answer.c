#include "ctl/answer.h"

#include "ctl/say.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- members ---- */

const char *answer_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

uint64_t answer_number(const json_t *object, const char *name)
{
    json_int_t number = json_integer_value(json_object_get(object, name));
    return number > 0 ? (uint64_t)number : 0;
}

bool answer_is_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

/* ---- what went wrong ---- */

static enum ctl_exit say_no_answer(const struct job *job, enum client_result result)
{
    const char *server = client_server(job->client)->shown, *fault = client_fault(job->client);
    switch (result) {
    case CLIENT_UNREACHABLE:
        say("no answer from %s: %s", server, fault);
        return CTL_UNREACHABLE;
    case CLIENT_UNREADABLE:
        say("the answer of %s is none of allowd's: %s", server, fault);
        return CTL_UNREADABLE;
    default:
        say("%s", fault);
        return CTL_FAILED;
    }
}

static void say_faults(const struct job *job, const json_t *problem)
{
    size_t i;
    json_t *fault;
    json_array_foreach(json_object_get(problem, "faults"), i, fault)
    {
        const char *text = answer_text(fault, "text");
        char place[32] = "";
        if (answer_number(fault, "line") > 0)
            snprintf(place, sizeof place, "%s %" PRIu64 ": ", job->line_is,
                     answer_number(fault, "line"));
        say("%s%s", place, text != NULL ? text : "");
    }
}

static enum ctl_exit say_refused(const struct job *job, long status, const json_t *problem)
{
    const char *detail = answer_text(problem, "detail"), *title = answer_text(problem, "title");
    say("the server refused: %ld %s%s%s%s", status, title != NULL ? title : "",
        detail != NULL ? ": " : "", detail != NULL ? detail : "",
        status == 401 ? " (--token-file names the file of the token)" : "");
    say_faults(job, problem);
    return status == 422 ? CTL_FAULTY : CTL_REFUSED;
}

static enum ctl_exit say_unreadable(const struct job *job, long status, const char *why)
{
    say("the answer of %s, %ld, is none of allowd's: %s", client_server(job->client)->shown, status,
        why);
    return CTL_UNREADABLE;
}

/* ---- judging ---- */

enum ctl_exit answer_write_json(const char *body, size_t len)
{
    struct text text = text_begin_growing();
    shown_append_json(&text, body, len);
    if (len == 0 || body[len - 1] != '\n')
        text_literal(&text, "\n");
    size_t shown_len;
    char *shown = text_take(&text, &shown_len);
    if (shown == NULL) {
        say("there is not enough memory");
        return CTL_FAILED;
    }
    fwrite(shown, 1, shown_len, stdout);
    free(shown);
    return CTL_DONE;
}

/* Whether it is what the call is for: done, or a denial. */
static bool is_answer(long status, const json_t *json)
{
    return (status >= 200 && status <= 299) || json_is_boolean(json_object_get(json, "allowed"));
}

static struct answer judge(const struct job *job, const struct client_reply *reply)
{
    json_error_t error;
    struct answer answer = {.exit = CTL_DONE};
    json_t *json = json_loadb(reply->body, reply->len, 0, &error);
    if (!json_is_object(json)) {
        answer.exit = say_unreadable(job, reply->status, json == NULL ? error.text : "no object");
        json_decref(json);
        return answer;
    }
    if (job_wants_json(job))
        answer.exit = answer_write_json(reply->body, reply->len);
    if (is_answer(reply->status, json)) {
        if (json_is_false(json_object_get(json, "allowed")))
            answer.exit = CTL_DENIED;
        answer.told = json;
    } else {
        answer.exit = say_refused(job, reply->status, json);
        json_decref(json);
    }
    if (!job_wants_json(job))
        answer.json = answer.told;
    return answer;
}

struct answer answer_judge(const struct job *job, enum client_result result,
                           struct client_reply *reply)
{
    if (result != CLIENT_ANSWERED)
        return (struct answer){.exit = say_no_answer(job, result)};
    struct answer answer = judge(job, reply);
    free(reply->body);
    return answer;
}

struct answer answer_of(const struct job *job, const struct client_request *request)
{
    struct client_reply reply;
    enum client_result result = client_ask(job->client, request, &reply);
    return answer_judge(job, result, &reply);
}

void answer_need_verdict(const struct job *job, struct answer *answer)
{
    if (answer->told == NULL || json_is_boolean(json_object_get(answer->told, "allowed")))
        return;
    say("the answer of %s is none of allowd's: it does not say whether the key is allowed",
        client_server(job->client)->shown);
    answer->exit = CTL_UNREADABLE;
    answer->json = NULL;
}

void answer_release(struct answer *answer)
{
    json_decref(answer->told);
    *answer = (struct answer){0};
}
