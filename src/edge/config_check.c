#include "edge/config_check.h"

#include "edge/config_scalar.h"
#include "edge/config_text.h"
#include "pure/credit.h"
#include "pure/table.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

/* What all checks work on. */
struct check {
    const struct raw_config *raw;
    struct faults *faults;
    struct config *config;
    uint64_t tick_ms; /* 0: it is faulty, and limits cannot be checked against it */
};

/* Port 0 stands for another free port each time. */
static bool is_any_port(const struct address *address)
{
    if (address->socket.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&address->socket)->sin_port == 0;
    if (address->socket.ss_family == AF_INET6)
        return ((const struct sockaddr_in6 *)&address->socket)->sin6_port == 0;
    return false;
}

static void check_address(struct check *check, const char *raw)
{
    struct config *config = check->config;
    struct placed value = scalar_placed(raw);
    char shortened[CONFIG_SHORT_MAX];
    struct address address;
    if (key_check(value.text, strlen(value.text)) != KEY_OK ||
        !address_parse(value.text, &address)) {
        faults_add(check->faults, value.line, value.column,
                   "\"%s\" is not an address to listen on; write %s",
                   config_shorten(value.text, shortened), ADDRESS_FORMS);
        return;
    }
    for (uint32_t i = 0; i < config->listen_count; i++) {
        if (address_equal(&config->listen[i], &address) && !is_any_port(&address)) {
            faults_add(check->faults, value.line, value.column,
                       "\"%s\" is listed already; list each address once",
                       config_shorten(value.text, shortened));
            return;
        }
    }
    config->listen[config->listen_count++] = address;
}

static void check_listen(struct check *check)
{
    static const char *const absent = "0:0 " CONFIG_DEFAULT_LISTEN;
    const struct raw_config *raw = check->raw;
    for (uint32_t i = 0; i < raw->listen_count; i++)
        check_address(check, raw->listen[i]);
    if (raw->listen_count == 0)
        check_address(check, absent);
}

/* Whether a limit has this name, as far as it is known. */
static bool is_named(const struct raw_limit *limit, const char *name)
{
    return scalar_is_usable(limit->name) && strcmp(scalar_placed(limit->name).text, name) == 0;
}

/* Whether the name of a limit is one, and not that of an earlier limit. */
static bool check_name(const struct check *check, uint32_t index)
{
    const struct raw_limit *limits = check->raw->limits;
    if (!scalar_is_usable(limits[index].name))
        return false;
    struct placed name = scalar_placed(limits[index].name);
    char shortened[CONFIG_SHORT_MAX];
    if (!limit_name_is_valid(name.text, strlen(name.text))) {
        faults_add(check->faults, name.line, name.column,
                   "name \"%s\" is not a name; write 1 to %d printable ASCII characters, with no "
                   "space at either end",
                   config_shorten(name.text, shortened), LIMIT_NAME_MAX);
        return false;
    }
    for (uint32_t i = 0; i < index; i++) {
        if (!is_named(&limits[i], name.text))
            continue;
        faults_add(check->faults, name.line, name.column,
                   "name \"%s\" is taken by the limit on line %zu; give each limit its own",
                   config_shorten(name.text, shortened), scalar_placed(limits[i].name).line);
        return false;
    }
    return true;
}

/* Whether the last backslash of a glob has nothing to quote: fnmatch(3) then matches nothing. */
static bool ends_in_stray_backslash(const char *glob)
{
    size_t len = strlen(glob), backslashes = 0;
    while (backslashes < len && glob[len - 1 - backslashes] == '\\')
        backslashes++;
    return backslashes % 2 == 1;
}

/* Whether a limit is without a glob, or has one that a key can match. */
static bool check_match(const struct check *check, const struct raw_limit *limit)
{
    if (!scalar_is_usable(limit->match))
        return limit->match == NULL;
    struct placed match = scalar_placed(limit->match);
    if (is_named(limit, LIMIT_DEFAULT_NAME)) {
        faults_add(check->faults, match.line, match.column,
                   "the limit named " LIMIT_DEFAULT_NAME " takes every key that no other limit "
                   "matches; leave its match out");
        return false;
    }
    static_assert(LIMIT_MATCH_MAX == KEY_MAX, "key_check checks a glob's length too");
    if (key_check(match.text, strlen(match.text)) != KEY_OK) {
        char shortened[CONFIG_SHORT_MAX];
        faults_add(check->faults, match.line, match.column,
                   "match \"%s\" is not a glob; write 1 to %d bytes without control characters, "
                   "such as api:*",
                   config_shorten(match.text, shortened), LIMIT_MATCH_MAX);
        return false;
    }
    if (ends_in_stray_backslash(match.text)) {
        faults_add(check->faults, match.line, match.column,
                   "match ends in a backslash that quotes nothing, so no key would match; write "
                   "\\\\ for a backslash");
        return false;
    }
    return true;
}

/* Whether burst, rate and tick work together, as far as they are known. */
static bool check_credit(const struct check *check, const struct raw_limit *limit, uint64_t burst,
                         struct rate rate)
{
    if (burst == 0 || rate.tokens == 0 || check->tick_ms == 0)
        return false;
    struct credit_line line;
    enum credit_fault fault = credit_line_init(&line, burst, rate, check->tick_ms);
    if (fault == CREDIT_OK)
        return true;
    char text[CREDIT_EXPLAIN_MAX];
    struct placed value = scalar_placed(limit->burst);
    credit_explain(fault, burst, rate, check->tick_ms, text);
    faults_add(check->faults, value.line, value.column, "%s", text);
    return false;
}

static void check_limit(struct check *check, uint32_t index)
{
    const struct raw_limit *limit = &check->raw->limits[index];
    bool is_good = check_name(check, index);
    is_good &= check_match(check, limit);
    uint64_t burst = scalar_number(check->faults, "burst", limit->burst, TOKENS_MAX, 0);
    struct rate rate = scalar_rate(check->faults, limit->rate);
    is_good &= check_credit(check, limit, burst, rate);
    struct limit_terms terms = {.buckets_count = 1, .buckets = {{.burst = burst, .rate = rate}}};
    if (!is_good)
        return;
    terms.name = scalar_placed(limit->name).text;
    terms.match = limit->match == NULL ? NULL : scalar_placed(limit->match).text;
    if (!limits_add(check->config->limits, &terms))
        faults_add(check->faults, 0, 0, "out of memory");
}

/* Reports a file without a default limit, unless that may be among what is missing or faulty. */
static void check_default(const struct check *check)
{
    const struct raw_config *raw = check->raw;
    for (uint32_t i = 0; i < raw->limits_count; i++)
        if (!scalar_is_usable(raw->limits[i].name) ||
            is_named(&raw->limits[i], LIMIT_DEFAULT_NAME))
            return;
    struct placed first = scalar_placed(raw->limits[0].name);
    faults_add(check->faults, first.line, first.column,
               "no limit here is named " LIMIT_DEFAULT_NAME "; one is required, for the keys that "
               "no other limit matches");
}

static void check_limits(struct check *check, bool is_cut)
{
    const struct raw_config *raw = check->raw;
    uint32_t count = raw->limits_count == 0 ? 1 : raw->limits_count;
    check->config->limits = limits_new(count, check->tick_ms);
    if (check->config->limits == NULL) {
        faults_add(check->faults, 0, 0, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < raw->limits_count; i++)
        check_limit(check, i);
    if (raw->limits_count > 0 && !is_cut)
        check_default(check);
    /* At the longest tick this refills its burst and no more, so that it goes with any tick. */
    static const struct limit_terms fallback = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{.burst = CONFIG_DEFAULT_BURST, .rate = CONFIG_DEFAULT_RATE}},
    };
    if (raw->limits_count == 0 && !limits_add(check->config->limits, &fallback))
        faults_add(check->faults, 0, 0, "out of memory");
}

bool config_check(const struct raw_config *raw, bool is_cut, struct config *config,
                  struct faults *faults)
{
    struct config checked = {
        .threads = (uint32_t)scalar_number(faults, "threads", raw->threads, CONFIG_THREADS_MAX,
                                           CONFIG_DEFAULT_THREADS),
        .max_keys = (uint32_t)scalar_number(faults, "max_keys", raw->max_keys, TABLE_KEYS_MAX,
                                            CONFIG_DEFAULT_MAX_KEYS),
        .when_full = scalar_when_full(faults, raw->when_full),
    };
    struct check check = {
        .raw = raw,
        .faults = faults,
        .config = &checked,
        .tick_ms = scalar_tick(faults, raw->tick),
    };
    check_listen(&check);
    check_limits(&check, is_cut);
    if (faults->count > 0) {
        limits_release(checked.limits);
        return false;
    }
    *config = checked;
    return true;
}
