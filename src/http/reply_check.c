#include "http/reply_check.h"

#include "ask/answer_json.h"
#include "ask/wording.h"
#include "http/headers.h"
#include "http/reply_bucket.h"

#include <assert.h>

static_assert(CHECK_BODY_ROOM < REPLY_BODY_MAX, "the longest body of a check has room");

/* A limit on trial tells a wait though it allows the request. */
static struct wording_numbers numbers_of(const struct bucket_answer *answer)
{
    uint64_t wait_ms = bucket_answer_allows(answer) ? 0 : answer->retry_after_ms;
    return (struct wording_numbers){
        .retry_after_s = headers_retry_after_s(wait_ms),
        .retry_after_ms = headers_retry_after_ms(wait_ms),
        .reset_after_s = headers_ceil_seconds(answer->full_after_ms),
        .remaining = answer->remaining_tokens,
        .burst = allowance_shown_burst(answer->allowance),
    };
}

/* Begins the reply of one case. */
static void begin(struct reply *reply, const struct check_answer *answer, bool allows)
{
    reply_begin(reply, answer->status, NULL);
    reply->terse = allows ? TERSE_ALLOWED : TERSE_DENIED;
}

/* Whether the body is the usual one, which a denial has: if nothing is written in its place, and
 * the status is an error. Nobody takes the "status" in a problem for anything else then. */
static bool has_usual_body(const struct check_answer *answer, bool allows)
{
    bool is_written = answer->is_written_out && answer->body != NULL;
    return !allows && !is_written && answer->status >= 400;
}

/* Adds what is written out in the configuration. */
static void write_out(struct reply *reply, const struct check_answer *answer,
                      const struct wording_numbers *numbers)
{
    if (!answer->is_written_out)
        return;
    reply->recurs = false; /* its names end with the check */
    for (uint32_t i = 0; i < answer->fields_count; i++) {
        struct text value = reply_begin_value(reply);
        wording_write(&value, answer->fields[i].value, numbers);
        reply_end_value(reply, answer->fields[i].name, &value);
    }
    if (answer->body == NULL)
        return;
    reply->content_type = answer->type;
    struct text body = reply_begin_body(reply);
    wording_write(&body, answer->body, numbers);
    reply_end_body(reply, &body);
}

/* A denial does not name the key, because the proxy may pass it on to its client. */
static void write_usual_denial(struct reply *reply, unsigned status,
                               const struct bucket_answer *answer)
{
    reply->content_type = reply_type_problem;
    struct text body = reply_begin_body(reply);
    reply_write_denial(&body, status, answer);
    text_literal(&body, ",\"retry_after_ms\":");
    reply_write_retry_after_ms(&body, answer->retry_after_ms);
    text_literal(&body, "}\n");
    reply_end_body(reply, &body);
}

static enum check_case case_of(const struct bucket_answer *answer)
{
    if (bucket_answer_allows(answer))
        return CHECK_ALLOW;
    return answer->retry_after_ms == RETRY_NEVER ? CHECK_NEVER : CHECK_DENY;
}

void reply_check_bucket(struct reply *reply, const struct check *check,
                        const struct message *message, const struct serving *serving)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    enum check_case which = case_of(answer);
    const struct check_answer *said = check_answer(check, which);
    begin(reply, said, which == CHECK_ALLOW);
    reply->recurs = true;
    reply_add_rate_limit(reply, message, serving);
    if (which != CHECK_ALLOW)
        reply_add_retry(reply, answer->retry_after_ms, serving);
    if (has_usual_body(said, which == CHECK_ALLOW))
        write_usual_denial(reply, said->status, answer);
    if (said->is_written_out) {
        struct wording_numbers numbers = numbers_of(answer);
        write_out(reply, said, &numbers);
    }
}

void reply_check_skipped(struct reply *reply, const struct check *check)
{
    const struct check_answer *said = check_answer(check, CHECK_ALLOW);
    begin(reply, said, true);
    write_out(reply, said, &(struct wording_numbers){0});
}

/* Waiting does not cure it. */
void reply_check_missing(struct reply *reply, const struct check *check,
                         const struct serving *serving)
{
    const struct check_answer *said = check_answer(check, CHECK_MISSING);
    bool allows = check_terms(check)->missing_allows;
    if (has_usual_body(said, allows))
        reply_problem(reply, said->status,
                      "the request lacks a part of this check's key; have the proxy pass it on, or "
                      "change the key in the configuration");
    else
        begin(reply, said, allows);
    reply->terse = allows ? TERSE_ALLOWED : TERSE_DENIED;
    if (!allows)
        reply_add_retry(reply, RETRY_NEVER, serving);
    write_out(reply, said, &(struct wording_numbers){0});
}
