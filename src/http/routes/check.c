/* /check/NAME: may the request go on that a reverse proxy, or another service, holds? Its body counts
 * only if the check's key has parts of it. */
#include "ask/answer_json.h"
#include "base/form.h"
#include "http/body_parts.h"
#include "http/headers.h"
#include "http/question.h"
#include "http/reply_bucket.h"
#include "http/routes/table.h"

#include <string.h>

#define PATH "/check"

/* Until the header has been read, the key is missing. */
static void begin(struct request *request)
{
    request->own.check.deny_status = CHECK_DENY_STATUS_DEFAULT;
    request->own.check.is_missing = true;
    request->own.check.missing_allows = false;
    request->own.check.contract = NULL;
}

static void release(struct request *request)
{
    contract_release(request->own.check.contract);
    request->own.check.contract = NULL;
}

/* The check that a path names, or NULL. *suffix: the rest of the path behind its name. */
static const struct check *find_check(const struct contract *contract, const char *path,
                                      const char **suffix)
{
    char name[CHECK_NAME_MAX + 1];
    size_t name_len = 0;
    const char *raw = path + strlen(PATH "/");
    size_t raw_len = strcspn(raw, "/");
    *suffix = raw + raw_len;
    if (form_decode(raw, raw_len, false, name, CHECK_NAME_MAX, &name_len) != FORM_OK)
        return NULL;
    return contract_find_check(contract, name, name_len);
}

static void make_key(struct request *request, const struct check *check,
                     const struct check_request *asked)
{
    request->own.check.is_missing =
        !check_key(check, asked, request->key, &request->message.ask.bucket.key_len);
}

/* The key can be made only when the body is whole. */
static void await_body(struct request *request, struct contract *contract,
                       const struct check *check, const struct check_request *asked)
{
    request->keeps_body = true;
    request->own.check.contract = contract_retain(contract);
    request->own.check.check = check;
    request->own.check.asked = *asked;
}

static void make_key_of_body(struct request *request)
{
    struct check_request *asked = &request->own.check.asked;
    struct body_parts parts;
    body_parts_begin(&parts, request, asked);
    make_key(request, request->own.check.check, asked);
    body_parts_end(&parts);
}

/* Finds the check that the path names, and makes the key, unless that needs the body. */
static void heed_header(struct request *request, struct contract *contract, const char *path,
                        struct check_request asked)
{
    const struct check *check = find_check(contract, path, &asked.suffix);
    if (check == NULL) {
        request_refuse(request, 404,
                       "there is no check of this name; see checks in the configuration");
        return;
    }
    const struct check_terms *terms = check_terms(check);
    struct bucket_question *question = &request->message.ask.bucket;
    request->own.check.deny_status = terms->deny_status;
    request->own.check.missing_allows = terms->missing_allows;
    question->key = request->key;
    request->key_is_private = check_key_is_private(check);
    if (check_reads_body(check))
        await_body(request, contract, check, &asked);
    else
        make_key(request, check, &asked);
    if (terms->limit != NULL) {
        strcpy(request->limit_name, terms->limit);
        question->limit_name = request->limit_name;
        question->limit_name_len = strlen(terms->limit);
    }
}

static void ask(struct request *request)
{
    struct message *message = &request->message;
    if (request->own.check.contract != NULL)
        make_key_of_body(request);
    message->kind = request->own.check.is_missing ? MESSAGE_MISSING : MESSAGE_ALLOW;
    if (request->own.check.is_missing)
        message->ask.missing_allows = request->own.check.missing_allows;
}

/* A denial does not name the key, because the proxy may pass it on to its client. */
static void reply_bucket(struct reply *reply, const struct message *message, unsigned deny_status,
                         const struct serving *serving)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    bool allowed = bucket_answer_allows(answer);
    reply_begin(reply, allowed ? 200 : deny_status, allowed ? NULL : reply_type_problem);
    reply->terse = allowed ? TERSE_ALLOWED : TERSE_DENIED;
    reply->recurs = true;
    reply_add_rate_limit(reply, message, serving);
    if (allowed)
        return;
    reply_add_retry(reply, answer->retry_after_ms, serving);
    struct text body = reply_begin_body(reply);
    reply_write_denial(&body, deny_status, answer);
    text_literal(&body, ",\"retry_after_ms\":");
    reply_write_retry_after_ms(&body, answer->retry_after_ms);
    text_literal(&body, "}\n");
    reply_end_body(reply, &body);
}

/* Replies to a request that lacks a part of the check's key, which waiting does not cure. */
static void reply_missing(struct reply *reply, bool allows, unsigned deny_status,
                          const struct serving *serving)
{
    if (allows) {
        reply_begin(reply, 200, NULL);
    } else {
        reply_problem(reply, deny_status,
                      "the request lacks a part of this check's key; have the proxy pass it on, or "
                      "change the key in the configuration");
        reply_add_retry(reply, RETRY_NEVER, serving);
    }
    reply->terse = allows ? TERSE_ALLOWED : TERSE_DENIED;
}

static void reply(struct request *request, const struct serving *serving)
{
    const struct message *message = &request->message;
    unsigned deny_status = request->own.check.deny_status;
    if (message->kind == MESSAGE_MISSING) {
        reply_missing(&request->reply, request->own.check.missing_allows, deny_status, serving);
    } else if (message->answer.bucket.result == BUCKET_NO_SUCH_LIMIT) {
        request_refuse(request, 503,
                       "a reload is just removing the limit of this check; try again");
        request_reply_fault(request);
    } else {
        reply_bucket(&request->reply, message, deny_status, serving);
    }
}

const struct route route_check = {
    .path = PATH,
    .below = "/NAME",
    .methods = METHOD_ANY,
    .allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY",
    .header_only = true,
    .begin = begin,
    .heed_header = heed_header,
    .ask = ask,
    .reply = reply,
    .release = release,
};
