#include "edge/config_check.h"

#include "edge/config_text.h"
#include "pure/credit.h"
#include "pure/table.h"

#include <assert.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

const char *const config_when_full_names[] = {
    [WHEN_FULL_EVICT] = "evict",
    [WHEN_FULL_DENY] = "deny",
    [WHEN_FULL_ALLOW] = "allow",
};

/* A raw scalar taken apart. */
struct placed {
    size_t line, column;
    const char *text;
};

/* What all checks work on. A number that is 0 is faulty and reported: none may be 0. */
struct check {
    const struct raw_config *raw;
    struct faults *faults;
    struct config *config;
    uint64_t tick_ms;
};

static struct placed placed(const char *raw)
{
    struct placed value = {0};
    int text_at = 0;
    int read = sscanf(raw, "%zu:%zu%n", &value.line, &value.column, &text_at);
    assert(read == 2 && raw[text_at] == ' ');
    (void)read;
    value.text = raw + text_at + 1;
    return value;
}

static bool is_usable(const char *raw)
{
    return raw != NULL && raw[0] != '\0';
}

/* Says what a value is not, or which range it is out of, and what to write. */
static void refuse(struct faults *faults, const char *name, struct placed value,
                   enum quantity result, const char *what, const char *allowed)
{
    char shortened[CONFIG_SHORT_MAX];
    faults_add(faults, value.line, value.column, "%s \"%s\" is %s%s; %s", name,
               config_shorten(value.text, shortened),
               result == QUANTITY_OUT_OF_RANGE ? "out of range" : "not ",
               result == QUANTITY_OUT_OF_RANGE ? "" : what, allowed);
}

/* A number; `absent` if it is not in the file, 0 if it is faulty. */
static uint64_t read_number(struct faults *faults, const char *name, const char *raw, uint64_t max,
                            uint64_t absent)
{
    if (!is_usable(raw))
        return raw == NULL ? absent : 0;
    struct placed value = placed(raw);
    uint64_t number = 0;
    enum quantity result = quantity_parse_number(value.text, strlen(value.text), 1, max, &number);
    if (result != QUANTITY_OK) {
        char allowed[64];
        snprintf(allowed, sizeof allowed, "write 1 to %" PRIu64 ", in digits only", max);
        refuse(faults, name, value, result, "a number", allowed);
    }
    return number;
}

static uint64_t read_tick(struct faults *faults, const char *raw)
{
    if (!is_usable(raw))
        return raw == NULL ? CONFIG_DEFAULT_TICK_MS : 0;
    struct placed value = placed(raw);
    uint64_t tick_ms = 0;
    enum quantity result = quantity_parse_duration(
        value.text, strlen(value.text), CONFIG_TICK_MIN_MS, CONFIG_TICK_MAX_MS, &tick_ms);
    if (result != QUANTITY_OK) {
        char min[QUANTITY_TEXT_MAX], max[QUANTITY_TEXT_MAX], allowed[160];
        quantity_print_duration(CONFIG_TICK_MIN_MS, min);
        quantity_print_duration(CONFIG_TICK_MAX_MS, max);
        snprintf(allowed, sizeof allowed,
                 "write a number and ms or s, such as 100ms, from %s to %s", min, max);
        refuse(faults, "tick", value, result, "a duration", allowed);
    }
    return tick_ms;
}

/* A rate; one of 0 tokens if it is faulty. */
static struct rate read_rate(struct faults *faults, const char *raw)
{
    struct rate rate = {0};
    if (!is_usable(raw))
        return rate;
    struct placed value = placed(raw);
    enum quantity result = quantity_parse_rate(value.text, strlen(value.text), &rate);
    if (result != QUANTITY_OK) {
        char longest[QUANTITY_TEXT_MAX], range[128];
        quantity_print_duration(PERIOD_MAX_MS, longest);
        snprintf(range, sizeof range, "write 1 to %" PRIu64 " tokens per period of 1ms to %s",
                 (uint64_t)TOKENS_MAX, longest);
        refuse(faults, "rate", value, result, "a rate",
               result == QUANTITY_OUT_OF_RANGE
                   ? range
                   : "write tokens per period, such as 50/s, 5/100ms or 1000/h");
    }
    return rate;
}

static enum when_full read_when_full(struct faults *faults, const char *raw)
{
    if (!is_usable(raw))
        return WHEN_FULL_EVICT;
    struct placed value = placed(raw);
    for (size_t i = 0; i < sizeof config_when_full_names / sizeof config_when_full_names[0]; i++)
        if (strcmp(value.text, config_when_full_names[i]) == 0)
            return (enum when_full)i;
    refuse(faults, "when_full", value, QUANTITY_MALFORMED, "one of its words",
           "write evict, deny or allow");
    return WHEN_FULL_EVICT;
}

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
    struct placed value = placed(raw);
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

/* Whether the name of a limit is one, and not that of an earlier limit. */
static bool check_name(const struct check *check, uint32_t index)
{
    const struct raw_limit *limits = check->raw->limits;
    if (!is_usable(limits[index].name))
        return false;
    struct placed name = placed(limits[index].name);
    char shortened[CONFIG_SHORT_MAX];
    if (!limit_name_is_valid(name.text, strlen(name.text))) {
        faults_add(check->faults, name.line, name.column,
                   "name \"%s\" is not a name; write 1 to %d printable ASCII characters, with no "
                   "space at either end",
                   config_shorten(name.text, shortened), LIMIT_NAME_MAX);
        return false;
    }
    for (uint32_t i = 0; i < index; i++) {
        if (!is_usable(limits[i].name) || strcmp(placed(limits[i].name).text, name.text) != 0)
            continue;
        faults_add(check->faults, name.line, name.column,
                   "name \"%s\" is taken by the limit on line %zu; give each limit its own",
                   config_shorten(name.text, shortened), placed(limits[i].name).line);
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
    if (!is_usable(limit->match))
        return limit->match == NULL;
    struct placed match = placed(limit->match);
    if (is_usable(limit->name) && strcmp(placed(limit->name).text, LIMIT_DEFAULT_NAME) == 0) {
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
    struct placed value = placed(limit->burst);
    credit_explain(fault, burst, rate, check->tick_ms, text);
    faults_add(check->faults, value.line, value.column, "%s", text);
    return false;
}

static void check_limit(struct check *check, uint32_t index)
{
    const struct raw_limit *limit = &check->raw->limits[index];
    bool is_good = check_name(check, index);
    is_good &= check_match(check, limit);
    uint64_t burst = read_number(check->faults, "burst", limit->burst, TOKENS_MAX, 0);
    struct rate rate = read_rate(check->faults, limit->rate);
    is_good &= check_credit(check, limit, burst, rate);
    if (is_good)
        limits_add(check->config->limits, placed(limit->name).text,
                   limit->match == NULL ? NULL : placed(limit->match).text, burst, rate);
}

/* Reports a file without a default limit, unless that may be among what is missing or faulty. */
static void check_default(const struct check *check)
{
    const struct raw_config *raw = check->raw;
    for (uint32_t i = 0; i < raw->limits_count; i++)
        if (!is_usable(raw->limits[i].name) ||
            strcmp(placed(raw->limits[i].name).text, LIMIT_DEFAULT_NAME) == 0)
            return;
    struct placed first = placed(raw->limits[0].name);
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
    if (raw->limits_count == 0)
        limits_add(check->config->limits, LIMIT_DEFAULT_NAME, NULL, CONFIG_DEFAULT_BURST,
                   CONFIG_DEFAULT_RATE);
}

bool config_check(const struct raw_config *raw, bool is_cut, struct config *config,
                  struct faults *faults)
{
    struct config checked = {
        .threads = (uint32_t)read_number(faults, "threads", raw->threads, CONFIG_THREADS_MAX,
                                         CONFIG_DEFAULT_THREADS),
        .max_keys = (uint32_t)read_number(faults, "max_keys", raw->max_keys, TABLE_KEYS_MAX,
                                          CONFIG_DEFAULT_MAX_KEYS),
        .when_full = read_when_full(faults, raw->when_full),
    };
    struct check check = {
        .raw = raw,
        .faults = faults,
        .config = &checked,
        .tick_ms = read_tick(faults, raw->tick),
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
