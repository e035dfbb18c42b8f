/* /check/NAME: may the request go on that a reverse proxy, or another service, holds? Its body counts
 * only if the check's key has parts of it. */
#include "ask/fault_text.h"
#include "ask/trust_warning.h"
#include "base/form.h"
#include "http/body_parts.h"
#include "http/question.h"
#include "http/reply_check.h"
#include "http/routes/table.h"

#include <string.h>

#define PATH "/check"

/* Until the header has been read, the key is missing. */
static void begin(struct request *request)
{
    request->own.check.contract = NULL;
    request->own.check.skips = false;
    request->own.check.reads_body = false;
    request->own.check.is_missing = true;
    request->own.check.missing_allows = false;
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

static void make_key(struct request *request, const struct check_request *asked)
{
    request->own.check.is_missing = !check_key(request->own.check.check, asked, request->key,
                                               &request->message.ask.bucket.key_len);
}

static void make_key_of_body(struct request *request)
{
    struct body_parts parts;
    body_parts_begin(&parts, request, &request->own.check.asked);
    make_key(request, &request->own.check.asked);
    if (!body_parts_end(&parts)) /* the key may be another one than this request's */
        request_refuse(request, 503, "out of memory; try again");
}

/* Makes the key, unless it needs the body. */
static void begin_key(struct request *request, const struct check *check,
                      const struct check_request *asked)
{
    request->message.ask.bucket.key = request->key;
    request->key_is_private = check_key_is_private(check);
    request->own.check.reads_body = request->keeps_body = check_reads_body(check);
    if (request->keeps_body)
        request->own.check.asked = *asked;
    else
        make_key(request, asked);
}

/* Finds the check that the path names, and what it says of the header. */
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
    request->own.check.contract = contract_retain(contract);
    request->own.check.check = check;
    request->own.check.missing_allows = terms->missing_allows;
    asked.is_trusted = check_trusts(check, asked.peer);
    request->ignores_proxy = trust_warn(check, &asked);
    request->own.check.skips = check_skips(check, &asked);
    if (request->own.check.skips)
        return;
    question->tokens = check_cost(check, &asked);
    question->wait_ms = terms->wait_ms;
    begin_key(request, check, &asked);
    if (terms->limit != NULL) {
        strcpy(request->limit_name, terms->limit);
        question->limit_name = request->limit_name;
        question->limit_name_len = strlen(terms->limit);
    }
}

static void ask(struct request *request)
{
    struct message *message = &request->message;
    if (request->own.check.skips) {
        message->kind = MESSAGE_SKIPPED;
        return;
    }
    if (request->own.check.reads_body)
        make_key_of_body(request);
    message->kind = request->own.check.is_missing ? MESSAGE_MISSING : MESSAGE_ALLOW;
    if (request->own.check.is_missing)
        message->ask.missing_allows = request->own.check.missing_allows;
}

static void reply(struct request *request, const struct serving *serving)
{
    const struct message *message = &request->message;
    const struct check *check = request->own.check.check;
    if (message->kind == MESSAGE_SKIPPED) {
        reply_check_skipped(&request->reply, check);
    } else if (message->kind == MESSAGE_MISSING) {
        reply_check_missing(&request->reply, check, serving);
    } else if (message->answer.bucket.result == BUCKET_NO_SUCH_LIMIT) {
        request_refuse(request, 503,
                       "a reload is just removing the limit of this check; try again");
        request_reply_fault(request);
    } else if (message->answer.bucket.result == BUCKET_NEEDS_LEASE) {
        const char *name = message->answer.bucket.limit->name;
        request_refuse(
            request, 500,
            "the key of this check falls under limit \"%s\", which has slots, and a check "
            "takes none; in the configuration, have the check name another limit",
            show(name, strlen(name)).text);
        request_reply_fault(request);
    } else if (!request_reply_undone(request)) {
        reply_check_bucket(&request->reply, check, message, serving);
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
