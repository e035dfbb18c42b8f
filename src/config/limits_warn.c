#include "config/limits_warn.h"

#include "config/scalar.h"
#include "config/text.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of what a glob begins with that stand for themselves. */
static size_t literal_len(const char *glob)
{
    return strcspn(glob, "*?[\\");
}

/* Whether a glob certainly matches every key that another one matches. */
static bool covers(const char *glob, const char *other)
{
    size_t len = literal_len(glob);
    bool is_prefix = glob[len] == '*' && glob[len + strspn(glob + len, "*")] == '\0';
    if (is_prefix && literal_len(other) >= len && strncmp(glob, other, len) == 0)
        return true;
    return strcmp(glob, other) == 0 ||
           (other[literal_len(other)] == '\0' && fnmatch(glob, other, 0) == 0);
}

/* The glob of a limit; its text is NULL if there is none to read. */
static struct placed glob_of(const struct raw_limit *limit)
{
    return scalar_is_usable(limit->match) ? scalar_placed(limit->match) : (struct placed){0};
}

/* The first glob before this one that takes all keys that it matches, or NULL. */
static const struct placed *hides(const struct placed *globs, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (globs[i].text != NULL && covers(globs[i].text, globs[index].text))
            return &globs[i];
    return NULL;
}

/* Warns of globs that no key comes to, because an earlier limit takes all that match them. */
static void warn_of_hidden_globs(const struct placed *globs, uint32_t count, struct faults *faults)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct placed *earlier = globs[i].text == NULL ? NULL : hides(globs, i);
        if (earlier == NULL)
            continue;
        char shortened[CONFIG_SHORT_MAX], earlier_shortened[CONFIG_SHORT_MAX];
        faults_warn(faults, globs[i].line, globs[i].column,
                    "match \"%s\" takes no key, because \"%s\" on line %zu takes them first; put "
                    "this limit before that one, or leave match out of a limit that is only asked "
                    "for by name",
                    config_shorten(globs[i].text, shortened),
                    config_shorten(earlier->text, earlier_shortened), earlier->line);
    }
}

void config_limits_warn(const struct raw_config *raw, struct faults *faults)
{
    if (raw->limits_count == 0)
        return;
    struct placed *globs = calloc(raw->limits_count, sizeof *globs);
    if (globs == NULL) {
        faults_add(faults, 0, 0, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < raw->limits_count; i++)
        globs[i] = glob_of(&raw->limits[i]);
    warn_of_hidden_globs(globs, raw->limits_count, faults);
    free(globs);
}
