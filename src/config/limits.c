#include "config/limits.h"

#include "config/buckets.h"
#include "config/config.h"
#include "config/fleet.h"
#include "config/overrides.h"
#include "config/scalar.h"
#include "config/text.h"
#include "limits/key.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The state of the reading. */
struct reading {
    const struct raw_config *raw;
    struct faults *faults;
    uint64_t tick_ms;
    uint32_t overrides_seen; /* of all limits so far */
    struct limits *limits;
};

/* Whether the value of `name` or `was` can be the name of a limit. */
static bool check_is_name(struct faults *faults, const char *what, struct placed name)
{
    char shortened[CONFIG_SHORT_MAX];
    if (limit_name_is_valid(name.text, strlen(name.text)))
        return true;
    faults_add(faults, name.line, name.column,
               "%s \"%s\" is not a name; write 1 to %d printable ASCII characters, with no space "
               "at either end",
               what, config_shorten(name.text, shortened), LIMIT_NAME_MAX);
    return false;
}

/* Whether the name of a limit is valid, and no earlier limit has it. */
static bool check_name(const struct reading *reading, uint32_t index)
{
    const struct raw_limit *limits = reading->raw->limits;
    if (!scalar_is_usable(limits[index].name))
        return false;
    struct placed name = scalar_placed(limits[index].name);
    char shortened[CONFIG_SHORT_MAX];
    if (!check_is_name(reading->faults, "name", name))
        return false;
    for (uint32_t i = 0; i < index; i++) {
        if (!scalar_has_text(limits[i].name, name.text))
            continue;
        faults_add(reading->faults, name.line, name.column,
                   "name \"%s\" is taken by the limit on line %zu; give each limit its own",
                   config_shorten(name.text, shortened), scalar_placed(limits[i].name).line);
        return false;
    }
    return true;
}

/* Whether no limit has the name that a limit had before, and no earlier limit had it too. */
static bool check_was_differs(const struct reading *reading, uint32_t index, struct placed was)
{
    const struct raw_limit *limits = reading->raw->limits;
    char shortened[CONFIG_SHORT_MAX];
    config_shorten(was.text, shortened);
    for (uint32_t i = 0; i < reading->raw->limits_count; i++) {
        if (scalar_has_text(limits[i].name, was.text)) {
            faults_add(reading->faults, was.line, was.column,
                       "was \"%s\" is the name of the limit on line %zu; a limit that was renamed "
                       "is no longer there under its old name",
                       shortened, scalar_placed(limits[i].name).line);
            return false;
        }
        if (i < index && scalar_has_text(limits[i].was, was.text)) {
            faults_add(reading->faults, was.line, was.column,
                       "was \"%s\" is given on line %zu too; only one limit can go on with the "
                       "buckets of another",
                       shortened, scalar_placed(limits[i].was).line);
            return false;
        }
    }
    return true;
}

/* Whether a limit has no former name, or one that it can have had. */
static bool check_was(const struct reading *reading, uint32_t index)
{
    const struct raw_limit *limit = &reading->raw->limits[index];
    if (!scalar_is_usable(limit->was))
        return limit->was == NULL;
    struct placed was = scalar_placed(limit->was);
    if (!check_is_name(reading->faults, "was", was))
        return false;
    if (scalar_has_text(limit->name, LIMIT_DEFAULT_NAME)) {
        faults_add(reading->faults, was.line, was.column,
                   "the limit named " LIMIT_DEFAULT_NAME
                   " is always there, so it never had another "
                   "name; leave its was out");
        return false;
    }
    if (scalar_has_text(limit->name, was.text)) {
        faults_add(
            reading->faults, was.line, was.column,
            "was is the limit's own name; write the one that it had before, or leave it out");
        return false;
    }
    return check_was_differs(reading, index, was);
}

/* Whether a limit has no glob, or one that a key can match. */
static bool check_match(const struct reading *reading, const struct raw_limit *limit)
{
    if (!scalar_is_usable(limit->match))
        return limit->match == NULL;
    struct placed match = scalar_placed(limit->match);
    if (scalar_has_text(limit->name, LIMIT_DEFAULT_NAME)) {
        faults_add(reading->faults, match.line, match.column,
                   "the limit named " LIMIT_DEFAULT_NAME " takes every key that no other limit "
                   "matches; leave its match out");
        return false;
    }
    static_assert(LIMIT_MATCH_MAX == KEY_MAX, "key_check checks a glob's length too");
    if (key_check(match.text, strlen(match.text)) != KEY_OK) {
        char shortened[CONFIG_SHORT_MAX];
        faults_add(reading->faults, match.line, match.column,
                   "match \"%s\" is not a glob; write 1 to %d bytes without control characters, "
                   "such as api:*",
                   config_shorten(match.text, shortened), LIMIT_MATCH_MAX);
        return false;
    }
    return scalar_check_glob(reading->faults, "match", match);
}

/* How many overrides of a limit there is room for. The first one beyond is reported. */
static uint32_t admit_overrides(struct reading *reading, const struct raw_limit *limit)
{
    uint32_t count = limit->overrides_count, before = reading->overrides_seen;
    uint32_t room = before < OVERRIDES_MAX ? OVERRIDES_MAX - before : 0;
    reading->overrides_seen += count;
    if (count <= room)
        return count;
    struct placed place = scalar_placed(limit->overrides[room].terms.place);
    if (before <= OVERRIDES_MAX)
        faults_add(reading->faults, place.line, place.column,
                   "the limits have more overrides than the %d they may have together",
                   OVERRIDES_MAX);
    return room;
}

/* Warns if leases take no tokens of the limit that was added last, which says whether these come back. */
static void warn_of_expiry(const struct reading *reading, const struct raw_limit *limit)
{
    const struct limit *added = &reading->limits->limit[reading->limits->count - 1];
    if (limit->on_expiry == NULL || reading->faults->count > 0 ||
        (limit_has_tokens(added) && !added->is_fleet))
        return;
    struct placed place = scalar_placed(limit->on_expiry);
    faults_warn(reading->faults, place.line, place.column,
                added->is_fleet && limit_has_tokens(added)
                    ? "on_expiry means nothing for a limit of scope fleet, because leases take "
                      "nothing of it; leave it out"
                    : "on_expiry means nothing for a limit that has slots only, because slots "
                      "always come back when a lease ends; leave it out");
}

/* Warns if a limit was renamed whose buckets are in a store, which the limit that was added last says. */
static void warn_of_new_name(const struct reading *reading, const struct raw_limit *limit)
{
    const struct limit *added = &reading->limits->limit[reading->limits->count - 1];
    if (limit->was == NULL || reading->faults->count > 0 || !added->is_fleet)
        return;
    struct placed place = scalar_placed(limit->was);
    faults_warn(
        reading->faults, place.line, place.column,
        "was carries no buckets over to a limit of scope fleet, because the store knows them "
        "by the limit's name: all keys have new ones, which are full; leave the name as it "
        "was if they are to go on");
}

/* Whether a limit is of scope fleet; if there is no fleet, that is reported. */
static bool read_scope(const struct reading *reading, const struct raw_limit *limit)
{
    static const char *const scopes[] = {"local", "fleet"};
    bool is_fleet = scalar_word(reading->faults, "scope", limit->scope, scopes, 2, 0) == 1;
    if (!is_fleet || config_fleet_may_be_there(reading->raw))
        return is_fleet;
    struct placed place = scalar_placed(limit->scope);
    faults_add(
        reading->faults, place.line, place.column,
        "scope fleet shares a limit by a store, and this file has none; write fleet, such as "
        "fleet: {name: main, store: [redis://10.0.0.1:6379]}, or scope: local");
    return true;
}

static void check_limit(struct reading *reading, uint32_t index)
{
    const struct raw_limit *limit = &reading->raw->limits[index];
    static const char *const on_expiry[] = {"keep", "return"};
    struct limit_terms terms = {
        .shadow = scalar_flag(reading->faults, "shadow", limit->shadow),
        .returns_on_expiry =
            scalar_word(reading->faults, "on_expiry", limit->on_expiry, on_expiry, 2, 0) == 1,
        .warn_percent = scalar_percent(reading->faults, "warn", limit->warn,
                                       "how much of it is used when an event tells so", 80, 0),
    };
    struct bucket_setting setting = {
        .tick_ms = reading->tick_ms,
        .is_fleet = read_scope(reading, limit),
    };
    struct override_terms *overrides;
    terms.is_fleet = setting.is_fleet;
    bool is_good = check_name(reading, index);
    is_good &= check_was(reading, index);
    is_good &= check_match(reading, limit);
    terms.buckets_count = config_buckets_check(
        &limit->terms, "a limit takes burst and rate, or concurrent, or buckets for both", &setting,
        reading->faults, terms.buckets);
    if (terms.buckets_count > 0)
        setting.beside = fleet_beside(&terms.buckets[0]);
    terms.overrides_count = admit_overrides(reading, limit);
    is_good &=
        config_overrides_check(limit, terms.overrides_count, &setting, reading->faults, &overrides);
    terms.overrides = overrides;
    if (is_good && terms.buckets_count > 0) {
        terms.name = scalar_placed(limit->name).text;
        terms.was = limit->was == NULL ? NULL : scalar_placed(limit->was).text;
        terms.match = limit->match == NULL ? NULL : scalar_placed(limit->match).text;
        if (!limits_add(reading->limits, &terms))
            faults_add(reading->faults, 0, 0, "out of memory");
        else {
            warn_of_expiry(reading, limit);
            warn_of_new_name(reading, limit);
        }
    }
    free(overrides);
}

bool config_limits_may_name(const struct raw_config *raw, const char *name)
{
    if (mapping_lacks(raw->place, "limits"))
        return true;
    for (uint32_t i = 0; i < raw->limits_count; i++)
        if (!scalar_is_usable(raw->limits[i].name) || scalar_has_text(raw->limits[i].name, name))
            return true;
    return raw->limits_count == 0 && strcmp(name, LIMIT_DEFAULT_NAME) == 0;
}

/* Reports that the file has no default limit. */
static void check_default(const struct reading *reading)
{
    if (config_limits_may_name(reading->raw, LIMIT_DEFAULT_NAME))
        return;
    struct placed first = scalar_placed(reading->raw->limits[0].name);
    faults_add(reading->faults, first.line, first.column,
               "no limit here is named " LIMIT_DEFAULT_NAME "; one is required, for the keys that "
               "no other limit matches");
}

/* Warns if there is a fleet that shares nothing. */
static void warn_of_idle_fleet(const struct reading *reading)
{
    if (reading->raw->fleet.place == NULL || reading->faults->count > 0)
        return;
    for (uint32_t i = 0; i < reading->limits->count; i++)
        if (reading->limits->limit[i].is_fleet)
            return;
    struct placed place = scalar_placed(reading->raw->fleet.place);
    faults_warn(
        reading->faults, place.line, place.column,
        "fleet is given, but no limit is of scope fleet, so nothing is shared; write scope: "
        "fleet in the limits that are to be, or leave fleet out");
}

void config_limits_check(const struct raw_config *raw, struct faults *faults, struct config *config)
{
    /* In the longest tick it refills its burst and no more, so it fits any tick. */
    static const struct limit_terms fallback = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{.burst = CONFIG_DEFAULT_BURST,
                     .rate = CONFIG_DEFAULT_RATE,
                     .debt_max = CONFIG_DEFAULT_BURST}},
    };
    struct reading reading = {
        .raw = raw,
        .faults = faults,
        .tick_ms = config->tick_ms,
        .limits = limits_new(raw->limits_count == 0 ? 1 : raw->limits_count, config->tick_ms),
    };
    if (reading.limits == NULL) {
        faults_add(faults, 0, 0, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < raw->limits_count; i++)
        check_limit(&reading, i);
    check_default(&reading);
    if (raw->limits_count == 0 && !limits_add(reading.limits, &fallback))
        faults_add(faults, 0, 0, "out of memory");
    warn_of_idle_fleet(&reading);
    reading.limits->fleet = config->fleet.terms;
    reading.limits->shown_denials = config->denials;
    reading.limits->waiting = (struct waiting_terms){
        .max_waiting = config->max_waiting,
        .per_key = config->waiting_per_key,
    };
    config->limits = reading.limits;
}
