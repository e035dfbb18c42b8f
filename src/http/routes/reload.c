/* POST /reload: the main thread reads the configuration again and says how that went. */
#include "http/phrase.h"
#include "http/reply_notes.h"
#include "http/request.h"
#include "http/routes/table.h"

static void reply_faulty(struct reply *reply, const struct reload_report *report)
{
    struct text body = text_begin_growing();
    text_literal(&body, "{\"type\":\"about:blank\",\"title\":\"");
    text_string(&body, status_phrase(422));
    text_literal(&body, "\",\"status\":422,\"detail\":\"the configuration has ");
    text_number(&body, report->notes_found);
    text_string(&body, report->notes_found == 1 ? " fault" : " faults");
    text_literal(&body, ", so nothing was changed; correct ");
    text_string(&body, report->notes_found == 1 ? "it" : "them");
    text_literal(&body, " and reload again\",\"faults\":");
    reply_write_notes(&body, report);
    text_literal(&body, "}\n");
    reply_take_body(reply, 422, reply_type_problem, &body, 422,
                    "the configuration is faulty, so nothing was changed; there is no memory to "
                    "list the faults, run allowd -t to see them");
}

static void write_in_force(struct text *body, const struct reload_report *report)
{
    text_literal(body, "{\"status\":\"reloaded\",\"limits\":");
    text_number(body, report->limits);
}

/* If there is no memory to list the warnings, it is still true that the configuration is in force:
 * then they are not said. */
static void reply_in_force(struct reply *reply, const struct reload_report *report)
{
    struct text body = text_begin_growing();
    write_in_force(&body, report);
    text_literal(&body, ",\"warnings\":");
    reply_write_notes(&body, report);
    text_literal(&body, "}\n");
    reply_begin(reply, 200, reply_type_json);
    reply->large_body = text_take(&body, &reply->body_len);
    if (reply->large_body != NULL)
        return;
    body = reply_begin_body(reply);
    write_in_force(&body, report);
    text_literal(&body, "}\n");
    reply_end_body(reply, &body);
}

static void reply_report(struct reply *reply, const struct reload_report *report)
{
    switch (report->outcome) {
    case RELOAD_IN_FORCE:
        reply_in_force(reply, report);
        return;
    case RELOAD_FAULTY:
        reply_faulty(reply, report);
        return;
    case RELOAD_NO_FILE:
        reply_problem(reply, 409,
                      "there is nothing to reload: allowd was started without a "
                      "configuration file; start it with -c FILE");
        return;
    case RELOAD_DRAINING:
        reply_problem(reply, 503, "draining: allowd is about to end");
        return;
    case RELOAD_NO_MEMORY:
        reply_problem(reply, 503, "out of memory, so nothing was changed; try again");
        return;
    }
}

static void begin(struct request *request)
{
    request->own.reload = (struct reload_report){0};
}

static void ask(struct request *request)
{
    request->message.kind = MESSAGE_RELOAD;
    request->message.answer.reload = &request->own.reload;
}

static void reply(struct request *request, const struct serving *serving)
{
    (void)serving;
    reply_report(&request->reply, &request->own.reload);
}

static void release(struct request *request)
{
    reload_report_release(&request->own.reload);
}

const struct route route_reload = {
    .path = "/reload",
    .methods = METHOD_POST,
    .allow = "POST",
    .is_admin = true,
    .is_guarded = true,
    .changes_state = true,
    .asks = ROUTE_ASKS_MAIN_THREAD,
    .begin = begin,
    .ask = ask,
    .reply = reply,
    .release = release,
};
