#include "ask/check.h"

#include "ask/check_parts.h"
#include "ask/forwarded.h"
#include "ask/wording.h"
#include "base/token.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *const check_case_names[CHECK_CASES] = {
    [CHECK_ALLOW] = "allow",
    [CHECK_DENY] = "deny",
    [CHECK_NEVER] = "never",
    [CHECK_MISSING] = "missing",
};

enum check_case check_case_otherwise(const struct check_terms *terms, enum check_case which)
{
    if (which == CHECK_NEVER || (which == CHECK_MISSING && !terms->missing_allows))
        return CHECK_DENY;
    return which == CHECK_MISSING ? CHECK_ALLOW : which;
}

unsigned check_status(const struct check_terms *terms, enum check_case which)
{
    if (terms->answers[which].is_given && terms->answers[which].status != 0)
        return terms->answers[which].status;
    if (which == CHECK_NEVER && terms->never_status != 0)
        return terms->never_status;
    enum check_case otherwise = check_case_otherwise(terms, which);
    if (otherwise != which)
        return check_status(terms, otherwise);
    return which == CHECK_ALLOW ? CHECK_ALLOW_STATUS : terms->deny_status;
}

bool check_name_is_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";
    size_t len = strspn(name, allowed);
    return name[len] == '\0' && len >= 1 && len <= CHECK_NAME_MAX && name[0] != '.';
}

bool check_template_is_valid(const char *template, char fault[CHECK_FAULT_MAX])
{
    struct template parsed;
    return template_parse(template, &parsed, fault);
}

bool check_template_has_dead_part(const char *template)
{
    struct template parsed;
    char fault[CHECK_FAULT_MAX];
    return template_parse(template, &parsed, fault) && template_has_dead_part(&parsed);
}

bool split_header(const char *header, struct split *split)
{
    const char *colon = strchr(header, ':');
    if (colon == NULL)
        return false;
    struct piece value = piece_trimmed(colon + 1, header + strlen(header));
    *split = (struct split){(size_t)(colon - header), value.bytes, value.len};
    return true;
}

static bool refuse(char fault[CHECK_FAULT_MAX], const char *text)
{
    snprintf(fault, CHECK_FAULT_MAX, "%s", text);
    return false;
}

static bool begins_with(const char *name, size_t len, const char *prefix)
{
    return len >= strlen(prefix) && strncasecmp(name, prefix, strlen(prefix)) == 0;
}

/* Fields that this server writes itself: twice they would be wrong or mean something else. Those of
 * all dialects begin in one of two ways. */
static bool is_reserved(const char *name, size_t len)
{
    static const char *const reserved[] = {
        "Connection", "Content-Length", "Content-Type", "Cache-Control",     "Date",
        "Keep-Alive", "Trailer",        "Retry-After",  "Transfer-Encoding", "Retry-After-Ms",
        "Upgrade",    "X-Should-Retry",
    };
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (strlen(reserved[i]) == len && strncasecmp(name, reserved[i], len) == 0)
            return true;
    return begins_with(name, len, "RateLimit") || begins_with(name, len, "X-RateLimit-");
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

bool check_header_is_valid(const char *header, char fault[CHECK_FAULT_MAX], size_t *longest)
{
    struct split split;
    if (!split_header(header, &split) || !token_is_valid(header, split.name_len))
        return refuse(fault, "it is no header field; write a name, a colon and a value, such as "
                             "\"Auth-Status: OK\"");
    if (is_reserved(header, split.name_len))
        return refuse(fault, "this field is written by the server itself; leave it out, and use "
                             "type for Content-Type");
    if (has_control(header))
        return refuse(fault, "it holds a control character, which no field may have");
    if (split.value_len == 0)
        return refuse(fault, "it has no value; write one behind the colon, or leave the field out");
    if (!wording_is_valid(split.value, fault))
        return false;
    *longest = split.name_len + strlen(": \r\n") + wording_longest(split.value);
    return true;
}

const struct check_terms *check_terms(const struct check *check)
{
    return &check->terms;
}

bool check_key_is_private(const struct check *check)
{
    return (check->kinds &
            (1u << PART_HEADER | 1u << PART_QUERY | 1u << PART_FORM | 1u << PART_JSON)) != 0;
}

bool check_reads_body(const struct check *check)
{
    return (check->kinds & (1u << PART_FORM | 1u << PART_JSON)) != 0;
}

bool check_trusts(const struct check *check, const struct sockaddr *peer)
{
    return trusted_has_peer(&check->trusted, peer);
}

bool check_skips(const struct check *check, const struct check_request *request)
{
    return check->terms.skip_count > 0 &&
           rule_find(check->skip, check->terms.skip_count, &check->trusted, request) != NULL;
}

uint64_t check_cost(const struct check *check, const struct check_request *request)
{
    if (check->terms.cost_count == 0)
        return 1;
    const struct rule *rule =
        rule_find(check->cost, check->terms.cost_count, &check->trusted, request);
    return rule == NULL ? 1 : rule->tokens;
}

const struct check_answer *check_answer(const struct check *check, enum check_case which)
{
    return &check->answers[which];
}
