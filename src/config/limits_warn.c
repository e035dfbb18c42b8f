#include "config/limits_warn.h"

#include "base/date.h"
#include "base/glob.h"
#include "config/address_warn.h"
#include "config/globs.h"
#include "config/scalar.h"
#include "config/text.h"
#include "limits/limits.h"

#include <stdlib.h>
#include <string.h>

enum { WIDE_MAX = 64 }; /* how many wide globs among the overrides of a limit are remembered */

struct reading {
    const struct raw_config *raw;
    int64_t now_s;
    struct faults *faults;
    const struct placed *globs; /* of each limit; its text is NULL if there is none */
};

/* ---- regular expressions ---- */

/* Whether a glob looks like a regular expression, which is told. */
static bool warn_of_regex(const char *name, struct placed glob, struct faults *faults)
{
    char shortened[CONFIG_SHORT_MAX];
    if (!glob_is_like_regex(glob.text))
        return false;
    faults_warn(
        faults, glob.line, glob.column,
        "%s \"%s\" looks like a regular expression, but is a glob: * stands for any text, ? "
        "for one character, and all else but [ and \\ for itself; write api:* for keys that "
        "begin with api:",
        name, config_shorten(glob.text, shortened));
    return true;
}

/* ---- which limit takes a key first ---- */

/* The first of the globs that takes all keys of this one, or NULL. */
static const struct placed *cover_of(const struct placed *globs, uint32_t count, const char *glob)
{
    for (uint32_t i = 0; i < count; i++)
        if (globs[i].text != NULL && globs_cover(globs[i].text, glob))
            return &globs[i];
    return NULL;
}

/* Warns of a glob that no key comes to as it is meant: it looks like a regular expression, or an
 * earlier limit takes all that match it. Whether it has warned. */
static bool warn_of_match(const struct reading *reading, uint32_t index)
{
    struct placed match = reading->globs[index];
    if (match.text == NULL)
        return false;
    if (warn_of_regex("match", match, reading->faults))
        return true;
    const struct placed *earlier = cover_of(reading->globs, index, match.text);
    if (earlier == NULL)
        return false;
    char shortened[CONFIG_SHORT_MAX], earlier_shortened[CONFIG_SHORT_MAX];
    faults_warn(reading->faults, match.line, match.column,
                "match \"%s\" takes no key, because \"%s\" on line %zu takes them first; put this "
                "limit before that one, or leave match out of a limit that is only asked for by "
                "name",
                config_shorten(match.text, shortened),
                config_shorten(earlier->text, earlier_shortened), earlier->line);
    return true;
}

/* Whether a check asks for this limit by its name, whatever the limit matches. */
static bool is_named_by_check(const struct raw_config *raw, const char *name)
{
    for (uint32_t i = 0; i < raw->checks_count; i++)
        if (scalar_has_text(raw->checks[i].limit, name))
            return true;
    return false;
}

/* Warns of the key of an override that never comes to its limit by itself. */
static bool warn_of_stray_key(const struct reading *reading, uint32_t index, struct placed key)
{
    struct placed match = reading->globs[index];
    bool is_default = scalar_has_text(reading->raw->limits[index].name, LIMIT_DEFAULT_NAME);
    char shortened[CONFIG_SHORT_MAX], other[CONFIG_SHORT_MAX];
    if (match.text == NULL && !is_default)
        return false; /* it is asked for by its name only */
    if (match.text != NULL && globs_are_apart(match.text, key.text)) {
        faults_warn(
            reading->faults, key.line, key.column,
            "key \"%s\" does not match \"%s\" on line %zu, so this override holds only where "
            "the limit is asked for by name; write a key that matches",
            config_shorten(key.text, shortened), config_shorten(match.text, other), match.line);
        return true;
    }
    uint32_t before = is_default ? reading->raw->limits_count : index;
    const struct placed *first = cover_of(reading->globs, before, key.text);
    if (first == NULL)
        return false;
    faults_warn(reading->faults, key.line, key.column,
                "key \"%s\" falls under the limit with match \"%s\" on line %zu, so this override "
                "holds only where its own limit is asked for by name; move it there",
                config_shorten(key.text, shortened), config_shorten(first->text, other),
                first->line);
    return true;
}

/* ---- overrides ---- */

/* The end of an override. */
static int64_t until_of(const struct raw_override *override)
{
    int64_t until_s = OVERRIDE_FOR_EVER;
    if (override->until != NULL)
        date_parse(scalar_placed(override->until).text, &until_s);
    return until_s;
}

static void warn_of_past(const struct reading *reading, const struct raw_override *override)
{
    if (until_of(override) > reading->now_s)
        return;
    struct placed until = scalar_placed(override->until);
    faults_warn(reading->faults, until.line, until.column,
                "until \"%s\" is past, so this override does not hold; leave the override out, or "
                "write a later time",
                until.text);
}

/* A glob that other globs behind it may be hidden by. */
struct wide {
    struct placed glob;
    int64_t until_s;
};

/* Warns of a glob behind another one that takes all its keys, and for as long. */
static void warn_of_hidden_glob(const struct reading *reading, struct wide *wide, uint32_t *count,
                                const struct raw_override *override)
{
    struct placed key = scalar_placed(override->key);
    int64_t until_s = until_of(override);
    for (uint32_t i = 0; i < *count; i++) {
        char shortened[CONFIG_SHORT_MAX], other[CONFIG_SHORT_MAX];
        if (wide[i].until_s < until_s || !globs_cover(wide[i].glob.text, key.text))
            continue;
        faults_warn(
            reading->faults, key.line, key.column,
            "key \"%s\" is taken by \"%s\" on line %zu, which comes first; put this override "
            "before that one",
            config_shorten(key.text, shortened), config_shorten(wide[i].glob.text, other),
            wide[i].glob.line);
        return;
    }
    if (*count < WIDE_MAX)
        wide[(*count)++] = (struct wide){key, until_s};
}

/* comes_by_match: keys come to this limit by its match alone, and nothing is wrong with that. */
static void warn_of_overrides(const struct reading *reading, uint32_t index, bool comes_by_match)
{
    const struct raw_limit *limit = &reading->raw->limits[index];
    struct wide wide[WIDE_MAX];
    uint32_t wide_count = 0;
    for (uint32_t i = 0; i < limit->overrides_count; i++) {
        const struct raw_override *override = &limit->overrides[i];
        struct placed key = scalar_placed(override->key);
        warn_of_past(reading, override);
        if (warn_of_regex("key", key, reading->faults))
            continue;
        if (config_address_warn(reading->raw, limit, key, reading->faults) ||
            config_network_warn(reading->raw, limit, key, reading->faults))
            continue;
        if (comes_by_match && warn_of_stray_key(reading, index, key))
            continue;
        if (text_is_glob(key.text))
            warn_of_hidden_glob(reading, wide, &wide_count, override);
    }
}

void config_limits_warn(const struct raw_config *raw, int64_t now_s, struct faults *faults)
{
    if (raw->limits_count == 0)
        return;
    struct placed *globs = calloc(raw->limits_count, sizeof *globs);
    if (globs == NULL) {
        faults_add(faults, 0, 0, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < raw->limits_count; i++)
        if (raw->limits[i].match != NULL)
            globs[i] = scalar_placed(raw->limits[i].match);
    const struct reading reading = {raw, now_s, faults, globs};
    for (uint32_t i = 0; i < raw->limits_count; i++) {
        const char *name = scalar_placed(raw->limits[i].name).text;
        bool is_odd = warn_of_match(&reading, i);
        warn_of_overrides(&reading, i, !is_odd && !is_named_by_check(raw, name));
    }
    free(globs);
}
