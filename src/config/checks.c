#include "config/checks.h"

#include "base/arena.h"
#include "base/token.h"
#include "config/answers.h"
#include "config/limits.h"
#include "config/rules.h"
#include "config/scalar.h"
#include "config/text.h"
#include "config/waiting.h"

#include <inttypes.h>
#include <string.h>

#define ARENA_FIRST_BYTES 4096

/* Whether the name of a check is valid, and no earlier check has it. */
static bool name_is_good(const struct raw_check *checks, uint32_t index, struct faults *faults)
{
    if (!scalar_is_usable(checks[index].name))
        return false;
    struct placed name = scalar_placed(checks[index].name);
    char shortened[CONFIG_SHORT_MAX];
    if (!check_name_is_valid(name.text)) {
        faults_add(faults, name.line, name.column,
                   "name \"%s\" is not a name for a check; write 1 to %d letters, digits, '-', "
                   "'_' and '.', with no '.' in front",
                   config_shorten(name.text, shortened), CHECK_NAME_MAX);
        return false;
    }
    for (uint32_t i = 0; i < index; i++) {
        if (!scalar_has_text(checks[i].name, name.text))
            continue;
        faults_add(faults, name.line, name.column,
                   "name \"%s\" is taken by the check on line %zu; give each check its own",
                   name.text, scalar_placed(checks[i].name).line);
        return false;
    }
    return true;
}

/* Whether a check names no limit, or one that exists. */
static bool limit_is_good(const struct raw_config *raw, const char *limit, struct faults *faults)
{
    if (!scalar_is_usable(limit))
        return limit == NULL;
    struct placed value = scalar_placed(limit);
    if (config_limits_may_name(raw, value.text))
        return true;
    char shortened[CONFIG_SHORT_MAX];
    faults_add(faults, value.line, value.column,
               "there is no limit named \"%s\"; name one of the limits, or leave limit out to use "
               "the first that matches the key",
               config_shorten(value.text, shortened));
    return false;
}

/* Whether the limit that a check names, which may be missing because it is faulty, has no slots. */
static bool limit_is_no_lease(const struct limits *limits, const char *raw, struct faults *faults)
{
    if (limits == NULL || !scalar_is_usable(raw))
        return true;
    struct placed value = scalar_placed(raw);
    int index = limits_find(limits, value.text, strlen(value.text));
    if (index < 0 || !limit_has_slots(&limits->limit[index]))
        return true;
    char shortened[CONFIG_SHORT_MAX];
    faults_add(
        faults, value.line, value.column,
        "limit \"%s\" has slots, which only leases take, and a check takes none; name a limit "
        "without concurrent, or have your callers use /acquire and /release",
        config_shorten(value.text, shortened));
    return false;
}

static bool key_is_good(const char *raw, struct faults *faults)
{
    if (!scalar_is_usable(raw))
        return false;
    struct placed key = scalar_placed(raw);
    char fault[CHECK_FAULT_MAX], shortened[CONFIG_SHORT_MAX];
    if (check_template_is_valid(key.text, fault)) {
        if (check_template_has_dead_part(key.text))
            faults_warn(faults, key.line, key.column,
                        "a part behind a | in this key never counts, because {method} and {path} "
                        "are never missing; leave it out, or put it in front");
        return true;
    }
    faults_add(faults, key.line, key.column, "key \"%s\" is not a template: %s",
               config_shorten(key.text, shortened), fault);
    return false;
}

static bool proxy_is_good(const char *raw, struct faults *faults)
{
    struct placed proxy = scalar_placed(raw);
    char shortened[CONFIG_SHORT_MAX];
    if (check_trusted_is_valid(proxy.text)) {
        if (check_trusted_is_everybody(proxy.text))
            faults_warn(faults, proxy.line, proxy.column,
                        "%s trusts everybody, so that each client can choose its own address; name "
                        "your proxies",
                        proxy.text);
        return true;
    }
    faults_add(faults, proxy.line, proxy.column,
               "\"%s\" is not a proxy to trust; write unix, an address (127.0.0.1, ::1) or a "
               "network with no bit set behind its prefix (10.0.0.0/8, fd00::/8)",
               config_shorten(proxy.text, shortened));
    return false;
}

/* Whether there is no client_ip_header, or the name of a field. Without proxies to believe nobody
 * looks at it. */
static bool client_ip_header_is_good(const struct raw_check *check, struct faults *faults)
{
    if (!scalar_is_usable(check->client_ip_header))
        return check->client_ip_header == NULL;
    struct placed name = scalar_placed(check->client_ip_header);
    char shortened[CONFIG_SHORT_MAX];
    if (!token_is_valid(name.text, strlen(name.text)) || strlen(name.text) > CHECK_FIELD_NAME_MAX) {
        faults_add(faults, name.line, name.column,
                   "client_ip_header \"%s\" is no name of a header field; write one, such as "
                   "X-Forwarded-For, X-Real-IP or Forwarded",
                   config_shorten(name.text, shortened));
        return false;
    }
    if (check->trusted_proxies_count == 0 && !mapping_lacks(check->place, "trusted_proxies"))
        faults_warn(faults, name.line, name.column,
                    "client_ip_header is never looked at without trusted_proxies; name those who "
                    "send it");
    return true;
}

/* Warns of requests that cost more than the limit of their check ever holds. */
static void warn_of_costs(const struct raw_check *check, const struct check_terms *terms,
                          const struct limits *limits, struct faults *faults)
{
    int index = limits == NULL || terms->limit == NULL
                    ? -1
                    : limits_find(limits, terms->limit, strlen(terms->limit));
    if (index < 0)
        return;
    uint64_t burst = limits->limit[index].allowance.burst;
    for (uint32_t i = 0; i < terms->cost_count; i++) {
        struct placed tokens = scalar_placed(check->cost[i].tokens);
        if (terms->cost[i].tokens > burst)
            faults_warn(faults, tokens.line, tokens.column,
                        "tokens %s is more than the burst of limit %s, %" PRIu64
                        ", so such requests are always denied",
                        tokens.text, terms->limit, burst);
    }
}

static void add_check(const struct raw_config *raw, uint32_t index, const struct config *config,
                      struct arena *arena, struct faults *faults, struct contract *contract)
{
    static const char *const missing[] = {"deny", "allow"};
    const struct raw_check *check = &raw->checks[index];
    const char *trusted[CHECK_TRUSTED_MAX];
    struct check_terms terms = {
        .wait_ms = config_wait_read(raw, check->wait, config, faults),
        .missing_allows = scalar_word(faults, "missing", check->missing, missing, 2, 0) == 1,
        .trusted = trusted,
        .trusted_count = check->trusted_proxies_count,
    };
    bool is_good = name_is_good(raw->checks, index, faults);
    is_good &= limit_is_good(raw, check->limit, faults);
    is_good &= limit_is_no_lease(config->limits, check->limit, faults);
    is_good &= key_is_good(check->key, faults);
    is_good &= client_ip_header_is_good(check, faults);
    is_good &= config_rules_check(check, arena, faults, &terms);
    is_good &= config_answers_check(check, arena, faults, &terms);
    for (uint32_t i = 0; i < terms.trusted_count; i++) {
        is_good &= proxy_is_good(check->trusted_proxies[i], faults);
        trusted[i] = scalar_placed(check->trusted_proxies[i]).text;
    }
    if (!is_good)
        return;
    terms.name = scalar_placed(check->name).text;
    terms.limit = check->limit == NULL ? NULL : scalar_placed(check->limit).text;
    terms.key = scalar_placed(check->key).text;
    if (check->client_ip_header != NULL)
        terms.client_ip_header = scalar_placed(check->client_ip_header).text;
    warn_of_costs(check, &terms, config->limits, faults);
    if (!contract_add_check(contract, &terms))
        faults_add(faults, 0, 0, "out of memory");
}

void config_checks_check(const struct raw_config *raw, struct faults *faults, struct config *config)
{
    struct contract *contract = contract_new(config->headers);
    if (contract == NULL) {
        faults_add(faults, 0, 0, "out of memory");
        return;
    }
    struct arena arena;
    arena_init(&arena, ARENA_FIRST_BYTES, SIZE_MAX);
    for (uint32_t i = 0; i < raw->checks_count; i++)
        add_check(raw, i, config, &arena, faults, contract);
    arena_release(&arena);
    contract->retry_after_ms = config->retry_after_ms;
    contract->wait_max_ms = config->wait_max_ms;
    contract->admin_token = config->admin_token;
    contract->hosts_count = config->hosts_count;
    memcpy(contract->hosts, config->hosts, sizeof contract->hosts);
    config->contract = contract;
}

static void print_wait(uint32_t wait_ms, FILE *out)
{
    char wait[QUANTITY_TEXT_MAX];
    quantity_print_duration(wait_ms, wait);
    fprintf(out, "    wait: %s\n", wait);
}

static void print_check(const struct check_terms *terms, FILE *out)
{
    config_write_named(out, "  - name: ", terms->name);
    if (terms->limit != NULL)
        config_write_named(out, "    limit: ", terms->limit);
    config_write_named(out, "    key: ", terms->key);
    print_wait(terms->wait_ms, out);
    config_statuses_print(terms, out);
    fprintf(out, "    missing: %s\n", terms->missing_allows ? "allow" : "deny");
    config_rules_print(terms, out);
    config_answers_print(terms, out);
    if (terms->client_ip_header != NULL)
        config_write_named(out, "    client_ip_header: ", terms->client_ip_header);
    if (terms->trusted_count > 0)
        fputs("    trusted_proxies:\n", out);
    for (uint32_t i = 0; i < terms->trusted_count; i++)
        config_write_named(out, "      - ", terms->trusted[i]);
}

void config_checks_print(const struct config *config, FILE *out)
{
    const struct contract *contract = config->contract;
    if (contract->checks_count > 0)
        fputs("checks:\n", out);
    for (uint32_t i = 0; i < contract->checks_count; i++)
        print_check(check_terms(contract->checks[i]), out);
}
