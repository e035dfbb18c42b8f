#include "base/form.h"
#include "http/request_parts.h"

#include <string.h>

/* The check that a path names; *suffix: what follows its name. NULL: there is none. */
static const struct check *find_check(const struct contract *contract, const char *path,
                                      const char **suffix)
{
    char name[CHECK_NAME_MAX + 1];
    size_t name_len = 0;
    const char *raw = path + strlen(ROUTE_CHECK_PREFIX);
    size_t raw_len = strcspn(raw, "/");
    *suffix = raw + raw_len;
    if (form_decode(raw, raw_len, false, name, CHECK_NAME_MAX, &name_len) != FORM_OK)
        return NULL;
    return contract_find_check(contract, name, name_len);
}

void request_check(struct request *request, const struct contract *contract, const char *path,
                   struct check_request asked)
{
    const struct check *check = find_check(contract, path, &asked.suffix);
    if (check == NULL) {
        request_refuse(
            request, 404,
            "there is no such check; the configuration lists under checks those there are");
        return;
    }
    const struct check_terms *terms = check_terms(check);
    struct bucket_question *ask = &request->message.ask.bucket;
    request->check.deny_status = terms->deny_status;
    request->check.missing_allows = terms->missing_allows;
    request->check.is_missing = !check_key(check, &asked, request->key, &ask->key_len);
    ask->key = request->key;
    request->check.key_is_private = check_key_is_private(check);
    if (terms->limit != NULL) {
        strcpy(request->limit_name, terms->limit);
        ask->limit_name = request->limit_name;
        ask->limit_name_len = strlen(terms->limit);
    }
}

void request_ask_check(struct request *request)
{
    struct message *message = &request->message;
    message->kind = request->check.is_missing ? MESSAGE_MISSING : MESSAGE_ALLOW;
    if (request->check.is_missing)
        message->ask.missing_allows = request->check.missing_allows;
}
