#include "http/access.h"

#include "http/field_name.h"

#include <string.h>
#include <strings.h>

static void take(struct access_value *value, const char *text, size_t len)
{
    value->text = text;
    value->len = len;
    value->count++;
}

static bool is_asterisk(const char *value, size_t len)
{
    return len > 0 && value[0] == '*';
}

void access_field(struct access *access, const char *name, size_t name_len, const char *value,
                  size_t value_len)
{
    if (field_name_is(name, name_len, "Host"))
        take(&access->host, value, value_len);
    else if (field_name_is(name, name_len, "Origin"))
        take(&access->origin, value, value_len);
    else if (field_name_is(name, name_len, "Sec-Fetch-Site"))
        take(&access->fetch_site, value, value_len);
    else if (field_name_is(name, name_len, "Authorization"))
        take(&access->authorization, value, value_len);
    else if (field_name_is(name, name_len, "If-Match"))
        access->wants_tag |= !is_asterisk(value, value_len);
    else if (field_name_is(name, name_len, "If-None-Match"))
        access->wants_absence |= is_asterisk(value, value_len);
}

/* Whether the page came from the host and port that it now calls. The Origin "null" names none. */
static bool is_own_origin(const struct access *access)
{
    static const char separator[] = "://";
    const struct access_value *origin = &access->origin, *host = &access->host;
    const char *at = memmem(origin->text, origin->len, separator, strlen(separator));
    if (at == NULL || origin->count != 1 || host->count != 1)
        return false;
    at += strlen(separator);
    size_t len = origin->len - (size_t)(at - origin->text);
    return len == host->len && strncasecmp(at, host->text, len) == 0;
}

/* Whether the browser says that its user ("none") or a page of this origin makes the request. */
static bool is_own_site(const struct access_value *site)
{
    return site->count == 1 &&
           ((site->len == strlen("same-origin") &&
             memcmp(site->text, "same-origin", site->len) == 0) ||
            (site->len == strlen("none") && memcmp(site->text, "none", site->len) == 0));
}

/* Programs send neither field; a browser sends one of them or both. */
static bool is_from_elsewhere(const struct access *access)
{
    return (access->origin.count > 0 && !is_own_origin(access)) ||
           (access->fetch_site.count > 0 && !is_own_site(&access->fetch_site));
}

/* The token of "Bearer TOKEN"; NULL if the header holds anything else. */
static const char *bearer_token(const struct access_value *authorization, size_t *len)
{
    static const char scheme[] = "Bearer ";
    const char *at = authorization->text, *end = at + authorization->len;
    if (authorization->count != 1 || authorization->len <= strlen(scheme) ||
        strncasecmp(at, scheme, strlen(scheme)) != 0)
        return NULL;
    at += strlen(scheme);
    while (at < end && *at == ' ')
        at++;
    while (at < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *len = (size_t)(end - at);
    return at;
}

static enum access_verdict judge_token(const struct access *access, const struct secret *secret)
{
    size_t len = 0;
    if (!secret->is_set)
        return ACCESS_GRANTED;
    const char *token = bearer_token(&access->authorization, &len);
    if (token == NULL)
        return ACCESS_NO_TOKEN;
    return secret_matches(secret, token, len) ? ACCESS_GRANTED : ACCESS_WRONG_TOKEN;
}

/* A page of another origin whose name has come to mean this address would be of the same origin here.
 * It cannot leave out Host, as HTTP/1.0 may. */
static bool names_other_host(const struct access *access, const struct contract *contract)
{
    const struct access_value *host = &access->host;
    return access->is_tcp && host->count > 0 &&
           !contract_is_own_host(contract, host->text, host->len);
}

enum access_verdict access_judge(const struct access *access, const struct route *route,
                                 unsigned method, bool is_admin, bool admin_apart,
                                 const struct contract *contract)
{
    bool only_reads = (method & route->reads) != 0;
    if (route->is_guarded && !only_reads && !admin_apart && !contract->admin_token.is_set)
        return ACCESS_UNGUARDED;
    if (route->is_admin && admin_apart && !is_admin)
        return ACCESS_ADMIN_APART;
    if (route->is_admin && names_other_host(access, contract))
        return ACCESS_OTHER_HOST;
    if (route->changes_state && !only_reads && is_from_elsewhere(access))
        return ACCESS_OTHER_ORIGIN;
    if (route->is_admin && !route->is_tokenless)
        return judge_token(access, &contract->admin_token);
    return ACCESS_GRANTED;
}

static const struct {
    unsigned status;
    const char *detail, *challenge;
} verdicts[] = {
    [ACCESS_UNGUARDED] = {403,
                          "this call is refused because neither admin_listen nor admin_token_file "
                          "is configured; set admin_token_file and send SIGHUP, which reloads, or "
                          "set admin_listen and start allowd again",
                          NULL},
    [ACCESS_ADMIN_APART] = {403,
                            "this call is not served at this address; send it to an address of "
                            "admin_listen",
                            NULL},
    [ACCESS_OTHER_HOST] = {421,
                           "this call is not for the name in Host; use an address or localhost in "
                           "the URL, or list the name in hosts in the configuration",
                           NULL},
    [ACCESS_OTHER_ORIGIN] = {403,
                             "refused because the request comes from a web page of another "
                             "origin; a program should send neither Origin nor Sec-Fetch-Site",
                             NULL},
    [ACCESS_NO_TOKEN] = {401,
                         "this call needs the token of admin_token_file; send it in one header, "
                         "Authorization: Bearer TOKEN",
                         "Bearer realm=\"allowd\""},
    [ACCESS_WRONG_TOKEN] = {401, "the token is not that of admin_token_file",
                            "Bearer realm=\"allowd\", error=\"invalid_token\""},
};

unsigned access_status(enum access_verdict verdict)
{
    return verdicts[verdict].status;
}

const char *access_detail(enum access_verdict verdict)
{
    return verdicts[verdict].detail;
}

const char *access_challenge(enum access_verdict verdict)
{
    return verdicts[verdict].challenge;
}
