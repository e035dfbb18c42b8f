#include "ask/rule.h"

#include "ask/forwarded.h"
#include "ask/method.h"
#include "base/form.h"
#include "base/glob.h"

#include <assert.h>
#include <string.h>

static_assert(METHOD_NUMBERS <= 32, "a rule has a bit for each method");

bool rule_method_is_valid(const char *method)
{
    for (unsigned i = 0; i < METHOD_NUMBERS; i++)
        if (strcmp(method, method_names[i]) == 0)
            return true;
    return false;
}

/* A path begins with '/', so a glob that begins with anything else but a wildcard matches none. */
bool rule_path_is_valid(const char *path)
{
    return path[0] != '\0' && strchr("/*?[\\", path[0]) != NULL;
}

bool rule_network_is_valid(const char *network)
{
    struct ip_network parsed;
    return ip_network_parse(network, &parsed);
}

bool rule_init(struct rule *rule, const struct check_rule_terms *terms, struct arena *arena)
{
    *rule = (struct rule){
        .paths_count = terms->paths_count,
        .paths = terms->paths,
        .networks_count = terms->networks_count,
        .tokens = terms->tokens,
    };
    for (uint32_t i = 0; i < terms->methods_count; i++)
        rule->methods |=
            1u << method_number((struct piece){terms->methods[i], strlen(terms->methods[i])});
    if (terms->networks_count == 0)
        return true;
    struct ip_network *networks = arena_take(arena, terms->networks_count * sizeof *networks);
    if (networks == NULL)
        return false;
    for (uint32_t i = 0; i < terms->networks_count; i++) {
        bool is_network = ip_network_parse(terms->networks[i], &networks[i]);
        assert(is_network);
        (void)is_network;
    }
    rule->networks = networks;
    return true;
}

/* What rules want to know of a request; each is found out when the first rule asks. */
struct facts {
    const struct trusted *trusted;
    const struct check_request *request;
    bool has_method, has_path, has_ip;
    unsigned method; /* a bit */
    bool ip_is_known;
    struct ip ip;
    char path[CHECK_RULE_PATH_MAX + 1];
};

static unsigned find_method(struct facts *facts)
{
    if (!facts->has_method)
        facts->method = 1u << method_number(forwarded_method(facts->request));
    facts->has_method = true;
    return facts->method;
}

/* Decodes the path as {path} does, but for a NUL, which would hide the rest of it from globs and so
 * stays escaped. */
static const char *find_path(struct facts *facts)
{
    if (facts->has_path)
        return facts->path;
    struct piece path = forwarded_path(facts->request);
    size_t len = 0;
    for (size_t i = 0, taken; i < path.len && len < CHECK_RULE_PATH_MAX; len++, i += taken) {
        char *byte = &facts->path[len];
        taken = form_decode_byte(path.bytes + i, path.len - i, false, byte);
        if (*byte == '\0') {
            *byte = path.bytes[i];
            taken = 1;
        }
    }
    facts->path[len] = '\0';
    facts->has_path = true;
    return facts->path;
}

/* NULL: it cannot be known. */
static const struct ip *find_ip(struct facts *facts)
{
    if (!facts->has_ip)
        facts->ip_is_known = client_ip_find(facts->trusted, facts->request, &facts->ip);
    facts->has_ip = true;
    return facts->ip_is_known ? &facts->ip : NULL;
}

static bool has_path(const struct rule *rule, struct facts *facts)
{
    for (uint32_t i = 0; i < rule->paths_count; i++)
        if (glob_matches(rule->paths[i], find_path(facts)))
            return true;
    return rule->paths_count == 0;
}

static bool has_network(const struct rule *rule, struct facts *facts)
{
    if (rule->networks_count == 0)
        return true;
    const struct ip *ip = find_ip(facts);
    for (uint32_t i = 0; ip != NULL && i < rule->networks_count; i++)
        if (ip_network_has(&rule->networks[i], ip))
            return true;
    return false;
}

static bool holds(const struct rule *rule, struct facts *facts)
{
    return (rule->methods == 0 || (rule->methods & find_method(facts)) != 0) &&
           has_path(rule, facts) && has_network(rule, facts);
}

const struct rule *rule_find(const struct rule *rules, uint32_t count,
                             const struct trusted *trusted, const struct check_request *request)
{
    struct facts facts;
    facts.trusted = trusted;
    facts.request = request;
    facts.has_method = facts.has_path = facts.has_ip = false;
    for (uint32_t i = 0; i < count; i++)
        if (holds(&rules[i], &facts))
            return &rules[i];
    return NULL;
}
