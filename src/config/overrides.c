#include "config/overrides.h"

#include "base/glob.h"
#include "config/scalar.h"
#include "config/shape.h"
#include "config/text.h"
#include "limits/key.h"
#include "limits/networks.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char takes[] =
    "an override takes burst and rate, or concurrent, or buckets for both, or action";

static void warn_of_key(struct faults *faults, struct placed key, const char *why)
{
    char shortened[CONFIG_SHORT_MAX];
    faults_warn(faults, key.line, key.column, "key \"%s\" %s", config_shorten(key.text, shortened),
                why);
}

/* Whether a glob can match a key. */
static bool check_glob(struct placed key, struct faults *faults)
{
    struct network_key read;
    if (!scalar_check_glob(faults, "key", key))
        return false;
    if (network_read(key.text, &read) == NETWORK_IS)
        warn_of_key(faults, key,
                    "is a glob, and matches no address of the network that it ends in; give each "
                    "prefix an override of its own");
    return true;
}

/* Whether a key that is no glob is no network either, or is written as one must be. */
static bool check_network(struct placed key, struct faults *faults)
{
    struct network_key read;
    char shortened[CONFIG_SHORT_MAX], canonical[NETWORK_TEXT_MAX];
    config_shorten(key.text, shortened);
    switch (network_read(key.text, &read)) {
    case NETWORK_IS:
        return true;
    case NETWORK_NOT:
        if (network_is_misspelt(key.text))
            warn_of_key(faults, key,
                        "is no network, because what stands before the '/' is no address; an IPv4 "
                        "address is four numbers up to 255");
        return true;
    case NETWORK_NO_LENGTH:
        faults_add(
            faults, key.line, key.column,
            "key \"%s\" is not a network; behind the '/' goes a number of bits, up to 32 for "
            "IPv4 and 128 for IPv6",
            shortened);
        return false;
    case NETWORK_NOT_CANONICAL:
        network_print(&read.network, canonical);
        faults_add(
            faults, key.line, key.column,
            "key \"%s\" is a network spelt as none is; write %s at its end, which has no bit set "
            "behind the prefix and is as {client_ip} spells addresses",
            shortened, canonical);
        return false;
    }
    return false;
}

/* Whether the key of an override is a valid key, a network, or a glob that a key can match. */
static bool check_key(const char *raw, struct faults *faults)
{
    if (!scalar_is_usable(raw))
        return false;
    struct placed key = scalar_placed(raw);
    if (key_check(key.text, strlen(key.text)) != KEY_OK) {
        char shortened[CONFIG_SHORT_MAX];
        faults_add(
            faults, key.line, key.column,
            "key \"%s\" is neither a key nor a glob nor a network; write 1 to %d bytes without control "
            "characters, such as api:partner or api:*",
            config_shorten(key.text, shortened), KEY_MAX);
        return false;
    }
    return text_is_glob(key.text) ? check_glob(key, faults) : check_network(key, faults);
}

/* Reads what an override has in place of the buckets of its limit. */
static bool check_terms(const struct raw_override *raw, const struct bucket_setting *setting,
                        struct faults *faults, struct override_terms *terms)
{
    static const char *const actions[] = {"allow", "deny"};
    if (raw->action == NULL) {
        terms->buckets_count =
            config_buckets_check(&raw->terms, takes, setting, faults, terms->buckets);
        return terms->buckets_count > 0;
    }
    bool is_deny = scalar_word(faults, "action", raw->action, actions, 2, 0) == 1;
    terms->action = is_deny ? OVERRIDE_DENY : OVERRIDE_ALLOW;
    if (raw->terms.burst == NULL && raw->terms.rate == NULL && raw->terms.debt_max == NULL &&
        raw->terms.concurrent == NULL && raw->terms.buckets_count == 0)
        return scalar_is_usable(raw->action);
    struct placed place =
        scalar_placed(scalar_is_usable(raw->action) ? raw->action : raw->terms.place);
    faults_add(faults, place.line, place.column, "action is given beside %s; %s",
               raw->terms.burst != NULL        ? "burst"
               : raw->terms.rate != NULL       ? "rate"
               : raw->terms.debt_max != NULL   ? "debt_max"
               : raw->terms.concurrent != NULL ? "concurrent"
                                               : "buckets",
               takes);
    return false;
}

/* Whether no reason is given, or one that can be shown anywhere. */
static bool check_reason(const char *raw, struct faults *faults)
{
    if (!scalar_is_usable(raw))
        return raw == NULL;
    struct placed reason = scalar_placed(raw);
    char shortened[CONFIG_SHORT_MAX];
    static_assert(OVERRIDE_REASON_MAX == KEY_MAX, "key_check checks its length too");
    if (key_check(reason.text, strlen(reason.text)) == KEY_OK)
        return true;
    faults_add(faults, reason.line, reason.column,
               "reason \"%s\" is not one; write 1 to %d bytes without control characters",
               config_shorten(reason.text, shortened), OVERRIDE_REASON_MAX);
    return false;
}

static bool check_override(const struct raw_override *raw, const struct bucket_setting *setting,
                           struct faults *faults, struct override_terms *terms)
{
    bool has_key = check_key(raw->key, faults), has_reason = check_reason(raw->reason, faults);
    if (has_key)
        terms->key = scalar_placed(raw->key).text;
    if (has_reason && raw->reason != NULL)
        terms->reason = scalar_placed(raw->reason).text;
    terms->until_s = scalar_until(faults, raw->until);
    return check_terms(raw, setting, faults, terms) && has_key && has_reason;
}

/* Compares by text, then by the order in the file. */
static int by_text(const void *a, const void *b)
{
    const struct placed *one = a, *other = b;
    int order = strcmp(one->text, other->text);
    if (order == 0)
        order = one->line < other->line ? -1 : one->line > other->line;
    if (order == 0)
        order = one->column < other->column ? -1 : one->column > other->column;
    return order;
}

/* Reports keys that are there twice. It sorts them, because there can be OVERRIDES_MAX. */
static bool check_keys_differ(const struct raw_limit *raw, uint32_t count, struct faults *faults)
{
    struct placed *keys = calloc(count, sizeof *keys);
    if (keys == NULL) {
        faults_add(faults, 0, 0, "out of memory");
        return false;
    }
    uint32_t usable = 0;
    for (uint32_t i = 0; i < count; i++)
        if (scalar_is_usable(raw->overrides[i].key))
            keys[usable++] = scalar_placed(raw->overrides[i].key);
    qsort(keys, usable, sizeof *keys, by_text);

    bool do_differ = true;
    for (uint32_t first = 0, i = 1; i < usable; i++) {
        if (strcmp(keys[first].text, keys[i].text) != 0) {
            first = i;
            continue;
        }
        char shortened[CONFIG_SHORT_MAX];
        faults_add(faults, keys[i].line, keys[i].column,
                   "key \"%s\" has an override already, on line %zu; give each key of a limit one",
                   config_shorten(keys[i].text, shortened), keys[first].line);
        do_differ = false;
    }
    free(keys);
    return do_differ;
}

bool config_overrides_check(const struct raw_limit *raw, uint32_t count,
                            const struct bucket_setting *setting, struct faults *faults,
                            struct override_terms **overrides)
{
    *overrides = NULL;
    if (count == 0)
        return true;
    struct override_terms *terms = calloc(count, sizeof *terms);
    if (terms == NULL) {
        faults_add(faults, 0, 0, "out of memory");
        return false;
    }
    bool is_good = check_keys_differ(raw, count, faults);
    for (uint32_t i = 0; i < count; i++)
        is_good &= check_override(&raw->overrides[i], setting, faults, &terms[i]);
    *overrides = terms;
    return is_good;
}

/* ---- an override alone ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Puts a colon right behind the name that it belongs to, and a blank where it was if that is on another
 * line. Returns the length. */
static size_t put_colon(char *yaml, size_t len)
{
    bool is_on_another_line = false;
    size_t at = len;
    for (; at > 0 && is_space(yaml[at - 1]); at--) {
        is_on_another_line |= yaml[at - 1] == '\n' || yaml[at - 1] == '\r';
        yaml[at] = yaml[at - 1];
    }
    yaml[at] = ':';
    if (is_on_another_line)
        yaml[++len] = ' ';
    return len + 1;
}

static bool is_line_separator(const char *at, size_t left)
{
    return left >= 3 && (memcmp(at, "\u2028", 3) == 0 || memcmp(at, "\u2029", 3) == 0);
}

/* Writes JSON so that YAML reads the same: it takes no tab in front and no line end between a name and its
 * colon, and to it U+2028 and U+2029 end lines. Each value stays where it is, but behind such a character,
 * so that faults are told at their places. `yaml` has room for twice as much. Returns the length. */
static size_t write_as_yaml(const char *json, size_t len, char *yaml)
{
    bool is_string = false;
    size_t out = 0;
    for (size_t i = 0; i < len; i++) {
        if (is_string && json[i] == '\\' && i + 1 < len) {
            yaml[out++] = json[i++];
            yaml[out++] = json[i];
        } else if (is_string && is_line_separator(json + i, len - i)) {
            out += (size_t)sprintf(yaml + out, "\\u%s", json[i + 2] == '\xa8' ? "2028" : "2029");
            i += 2;
        } else if (!is_string && json[i] == ':') {
            out = put_colon(yaml, out);
        } else {
            is_string ^= json[i] == '"';
            yaml[out++] = json[i] == '\t' ? ' ' : json[i];
        }
    }
    yaml[out] = '\0';
    return out;
}

static struct raw_override *load_yaml(char *bytes, size_t len, struct faults *faults)
{
    struct config_copy copy = config_shape_check(SHAPE_OVERRIDE, bytes, len, faults);
    if (copy.yaml == NULL)
        return NULL;
    struct raw_override *raw = config_raw_override_load(copy.yaml, copy.len, faults);
    free(copy.yaml);
    return raw;
}

static struct raw_override *load_alone(const char *json, size_t len, struct faults *faults)
{
    char *yaml = malloc(2 * len + 1);
    struct raw_override *raw = NULL;
    if (yaml != NULL)
        raw = load_yaml(yaml, write_as_yaml(json, len, yaml), faults);
    else
        faults_add(faults, 0, 0, "out of memory");
    free(yaml);
    return raw;
}

struct raw_override *config_override_read(const char *json, size_t len, const char *key,
                                          const struct bucket_setting *setting,
                                          struct faults *faults, struct override_terms *terms)
{
    char placed_key[sizeof "0:0 " + KEY_MAX];
    struct raw_override *raw = load_alone(json, len, faults);
    snprintf(placed_key, sizeof placed_key, "0:0 %s", key);
    *terms = (struct override_terms){0};
    if (raw != NULL) {
        raw->key = placed_key;
        check_override(raw, setting, faults, terms);
        raw->key = NULL;
        terms->key = key;
    }
    faults_sort(faults);
    if (faults->count == 0)
        return raw;
    config_override_free(raw);
    return NULL;
}

void config_override_free(struct raw_override *raw)
{
    config_raw_override_free(raw);
}
