/* /overrides: which overrides are in force? PUT sets one at run time, DELETE drops it: the main thread,
 * which has the configuration, puts that into force. */
#include "actor/override.h"
#include "ask/fault_text.h"
#include "base/form.h"
#include "http/object.h"
#include "http/parameters.h"
#include "http/phrase.h"
#include "http/question.h"
#include "http/reply_notes.h"
#include "http/reply_terms.h"
#include "http/routes/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- the question ---- */

static void begin(struct request *request)
{
    request->own.overrides.call = (struct override_call){0};
    request->own.overrides.has_terms = false;
    request->own.overrides.terms = text_begin_growing();
    request->own.overrides.object = NULL;
}

/* What the parameters say is made an object, as it might have come in the body: the main thread has
 * the same words for the faults of both. */
static void take_term(struct request *request, const char *name, const char *value, size_t len)
{
    char decoded[KEY_MAX + 1];
    size_t decoded_len = 0;
    struct text *terms = &request->own.overrides.terms;
    switch (form_decode(value, len, true, decoded, KEY_MAX, &decoded_len)) {
    case FORM_BAD_ESCAPE:
        request_refuse(request, 400, "%s: " BAD_ESCAPE, name);
        return;
    case FORM_TOO_LONG:
        request_refuse(request, 400, "%s is longer than %d bytes; give a shorter one", name,
                       KEY_MAX);
        return;
    case FORM_OK:
        break;
    }
    if (key_check(decoded, decoded_len) != KEY_OK) {
        request_refuse(
            request, 400,
            "%s is \"%s\"; give 1 to %d bytes of UTF-8 without control characters, or leave it out",
            name, show(decoded, decoded_len).text, KEY_MAX);
        return;
    }
    text_string(terms, request->own.overrides.has_terms ? ",\"" : "{\"");
    text_string(terms, name);
    text_literal(terms, "\":");
    text_json(terms, decoded, decoded_len);
    request->own.overrides.has_terms = true;
}

#define TERMS(X) X(burst) X(rate) X(debt_max) X(concurrent) X(action) X(until) X(reason)

#define X(term)                                                                                    \
    static void parse_##term(struct request *request, const char *value, size_t len)               \
    {                                                                                              \
        take_term(request, #term, value, len);                                                     \
    }                                                                                              \
    static const struct parameter parameter_##term = {.name = #term, .parse = parse_##term};
TERMS(X)
#undef X

static void take_body(struct request *request)
{
    struct override_call *call = &request->own.overrides.call;
    if (request->own.overrides.has_terms) {
        request_refuse(request, 400,
                       "the body says what the override is, so only limit and key go into the "
                       "query; leave the others out");
    } else if (object_check(request)) {
        call->object = request->body;
        call->object_len = request->body_len;
        call->has_places = true;
    }
}

static void take_terms(struct request *request)
{
    struct override_call *call = &request->own.overrides.call;
    struct text *terms = &request->own.overrides.terms;
    text_string(terms, request->own.overrides.has_terms ? "}" : "{}");
    request->own.overrides.object = text_take(terms, &call->object_len);
    *terms = text_begin_growing();
    call->object = request->own.overrides.object;
    if (call->object == NULL)
        request_refuse(request, 503, "out of memory; try again");
}

static void ask_to_change(struct request *request)
{
    struct override_call *call = &request->own.overrides.call;
    const struct bucket_question *asked = &request->message.ask.bucket;
    const char *method = request->method == METHOD_PUT ? "PUT" : "DELETE";
    if (asked->limit_name == NULL || asked->key == NULL) {
        request_refuse(request, 400, "%s is missing; call %s %s?limit=NAME&key=KEY",
                       asked->limit_name == NULL ? "limit" : "key", method, request->route->path);
        return;
    }
    call->limit_name = request->limit_name;
    call->key = request->key;
    call->drops = request->method == METHOD_DELETE;
    if (call->drops && request->own.overrides.has_terms)
        request_refuse(request, 400, "DELETE takes limit and key alone; leave the others out");
    else if (request->is_object)
        take_body(request);
    else if (!call->drops)
        take_terms(request);
    request->message.kind = MESSAGE_OVERRIDE;
    request->message.answer.override = call;
}

static bool only_reads(const struct request *request)
{
    return (request->method & request->route->reads) != 0;
}

static void ask(struct request *request)
{
    if (!only_reads(request)) {
        ask_to_change(request);
        return;
    }
    if (request->own.overrides.has_terms) {
        request_refuse(request, 400,
                       "GET lists overrides; it takes limit and key alone, and PUT sets one");
        return;
    }
    request->own.overrides.asked = request->message.ask.bucket;
    request->own.overrides.daemon.fronts = NULL;
    request->message.kind = MESSAGE_DAEMON;
    request->message.answer.daemon = &request->own.overrides.daemon;
}

/* All overrides are written in one turn. A request that has a fault asks nothing. */
static size_t cost(const struct request *request)
{
    return request->fault_status == 0 && only_reads(request) ? ROUTE_COST_TURN / 2 : 0;
}

/* ---- the reply ---- */

static void write_overrides(struct text *body, const struct limit *limit, const char *key,
                            int64_t date_s, const char **before)
{
    for (uint32_t i = 0; i < limit->overrides_count; i++) {
        const struct override *override = &limit->overrides[i];
        if (override->until_s <= date_s || (key != NULL && strcmp(key, override->key) != 0))
            continue;
        text_string(body, *before);
        reply_write_override(body, limit, override);
        text_literal(body, "}");
        *before = ",{";
    }
}

static void reply_list_of(struct request *request)
{
    const struct daemon_answer *answer = &request->own.overrides.daemon;
    const struct bucket_question *asked = &request->own.overrides.asked;
    const struct limits *limits = answer->limits;
    int only = asked->limit_name == NULL
                   ? -1
                   : limits_find(limits, asked->limit_name, asked->limit_name_len);
    if (asked->limit_name != NULL && only < 0) {
        request_refuse(request, 400, FAULT_NO_SUCH_LIMIT,
                       show(asked->limit_name, asked->limit_name_len).text);
        request_reply_fault(request);
        return;
    }
    const char *before = "{";
    struct text body = text_begin_growing();
    text_literal(&body, "{\"overrides\":[");
    for (uint32_t i = 0; i < limits->count; i++)
        if (only < 0 || (uint32_t)only == i)
            write_overrides(&body, &limits->limit[i], asked->key, answer->date_s, &before);
    text_literal(&body, "]}\n");
    reply_take_body(&request->reply, 200, reply_type_json, &body, 503, "out of memory; try again");
}

/* It may be set and told so even if there is no memory to list the warnings: then they are not said. */
static void reply_set(struct request *request)
{
    const struct override_call *call = &request->own.overrides.call;
    struct text body = text_begin_growing();
    text_literal(&body, "{");
    reply_write_override(&body, call->limit, call->override);
    text_literal(&body, ",\"persistent\":");
    text_string(&body, call->is_persistent ? "true" : "false");
    text_literal(&body, ",\"warnings\":");
    reply_write_notes(&body, &call->report);
    text_literal(&body, "}\n");
    reply_begin(&request->reply, call->outcome == OVERRIDE_SET ? 201 : 200, reply_type_json);
    request->reply.terse = TERSE_DONE;
    request->reply.large_body = text_take(&body, &request->reply.body_len);
    if (request->reply.large_body != NULL)
        return;
    body = reply_begin_body(&request->reply);
    text_literal(&body, "{\"persistent\":");
    text_string(&body, call->is_persistent ? "true}\n" : "false}\n");
    reply_end_body(&request->reply, &body);
}

static void reply_dropped(struct request *request)
{
    const struct override_call *call = &request->own.overrides.call;
    reply_begin(&request->reply, 200, reply_type_json);
    request->reply.terse = TERSE_DONE;
    struct text body = reply_begin_body(&request->reply);
    text_literal(&body, "{\"limit\":");
    text_json(&body, call->limit_name, strlen(call->limit_name));
    text_literal(&body, ",\"key\":");
    text_json(&body, call->key, strlen(call->key));
    text_literal(&body, ",\"dropped\":true,\"persistent\":");
    text_string(&body, call->is_persistent ? "true}\n" : "false}\n");
    reply_end_body(&request->reply, &body);
}

static void reply_faulty(struct request *request)
{
    const struct reload_report *report = &request->own.overrides.call.report;
    struct text body = text_begin_growing();
    text_literal(&body, "{\"type\":\"about:blank\",\"title\":\"");
    text_string(&body, status_phrase(422));
    text_literal(&body, "\",\"status\":422,\"detail\":\"the override has ");
    text_number(&body, report->notes_found);
    text_string(&body, report->notes_found == 1 ? " fault" : " faults");
    text_literal(&body, ", so nothing was changed; correct ");
    text_string(&body, report->notes_found == 1 ? "it" : "them");
    text_literal(&body, " and PUT the override again\",\"faults\":");
    reply_write_notes(&body, report);
    text_literal(&body, "}\n");
    reply_take_body(&request->reply, 422, reply_type_problem, &body, 422,
                    "the override is faulty, so nothing was changed; there is no memory to list "
                    "the faults");
}

static void refuse(struct request *request, unsigned status, const char *detail)
{
    request_refuse(request, status, "%s", detail);
    request_reply_fault(request);
}

static void reply_outcome(struct request *request)
{
    const struct override_call *call = &request->own.overrides.call;
    switch (call->outcome) {
    case OVERRIDE_SET:
    case OVERRIDE_REPLACED:
        reply_set(request);
        return;
    case OVERRIDE_DROPPED:
        reply_dropped(request);
        return;
    case OVERRIDE_FAULTY:
        reply_faulty(request);
        return;
    case OVERRIDE_NO_SUCH_LIMIT:
        request_refuse(request, 400, FAULT_NO_SUCH_LIMIT,
                       show(call->limit_name, strlen(call->limit_name)).text);
        request_reply_fault(request);
        return;
    case OVERRIDE_NONE:
        refuse(
            request, 404,
            "no override for this key was set at run time, or it has ended; GET /overrides lists "
            "those in force; to change one of the configuration, edit that and reload");
        return;
    case OVERRIDE_NO_ROOM:
        refuse(
            request, 409,
            "there are as many overrides as may be, 10000 with those of the configuration; DELETE "
            "one that was set at run time, or take some out of the configuration and reload");
        return;
    case OVERRIDE_NO_MEMORY:
        refuse(request, 503, "out of memory, so nothing was changed; try again");
        return;
    case OVERRIDE_DRAINING:
        refuse(request, 503, "draining: allowd is about to end");
        return;
    }
}
static_assert(OVERRIDES_MAX == 10000, "the text says so");

static void reply(struct request *request, const struct serving *serving)
{
    (void)serving;
    if (only_reads(request))
        reply_list_of(request);
    else
        reply_outcome(request);
}

static void release(struct request *request)
{
    size_t len;
    if (request->own.overrides.has_terms)
        free(text_take(&request->own.overrides.terms, &len));
    request->own.overrides.has_terms = false;
    free(request->own.overrides.object);
    request->own.overrides.object = NULL;
    reload_report_release(&request->own.overrides.call.report);
}

static const struct parameter *const parameters[] = {
    &parameter_limit,
    &parameter_key,
#define X(term) &parameter_##term,
    TERMS(X)
#undef X
        NULL,
};

const struct route route_overrides = {
    .path = "/overrides",
    .methods = METHOD_GET | METHOD_HEAD | METHOD_PUT | METHOD_DELETE,
    .allow = "GET, HEAD, PUT, DELETE",
    .parameters = parameters,
    .takes_object = true,
    .is_admin = true,
    .is_guarded = true,
    .changes_state = true,
    .asks = ROUTE_ASKS_MAIN_THREAD,
    .reads = METHOD_GET | METHOD_HEAD,
    .cost = cost,
    .begin = begin,
    .ask = ask,
    .reply = reply,
    .release = release,
};
