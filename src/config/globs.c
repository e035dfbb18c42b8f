#include "config/globs.h"

#include "base/glob.h"

#include <stddef.h>
#include <string.h>

/* Bytes of what a glob begins with that stand for themselves. */
static size_t literal_len(const char *glob)
{
    return strcspn(glob, "*?[\\");
}

bool globs_cover(const char *glob, const char *other)
{
    size_t len = literal_len(glob);
    bool is_prefix = glob[len] == '*' && glob[len + strspn(glob + len, "*")] == '\0';
    if (is_prefix && literal_len(other) >= len && strncmp(glob, other, len) == 0)
        return true;
    return strcmp(glob, other) == 0 || (!text_is_glob(other) && glob_matches(glob, other));
}

/* What a glob ends with that stands for itself: behind the last character that may not. */
static const char *literal_end(const char *glob)
{
    const char *end = glob;
    for (const char *at = glob; *at != '\0'; at++) {
        if (strchr("*?[]", *at) != NULL)
            end = at + 1;
        if (*at == '\\' && at[1] != '\0')
            end = ++at + 1; /* what it quotes is left out too */
    }
    return end;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

bool globs_are_apart(const char *glob, const char *other)
{
    if (!text_is_glob(other))
        return !glob_matches(glob, other);
    if (!text_is_glob(glob))
        return !glob_matches(other, glob);
    size_t begin = smaller(literal_len(glob), literal_len(other));
    const char *end = literal_end(glob), *other_end = literal_end(other);
    size_t end_len = strlen(end), other_len = strlen(other_end), both = smaller(end_len, other_len);
    return strncmp(glob, other, begin) != 0 ||
           strcmp(end + (end_len - both), other_end + (other_len - both)) != 0;
}

/* Whether one of the characters stands behind one of others. */
static bool has_behind(const char *text, const char *first, const char *second)
{
    for (; *text != '\0'; text++)
        if (strchr(first, text[0]) != NULL && text[1] != '\0' && strchr(second, text[1]) != NULL)
            return true;
    return false;
}

/* Whether there is (a|b). */
static bool has_choice(const char *text)
{
    const char *open = strchr(text, '('), *bar = open == NULL ? NULL : strchr(open, '|');
    return bar != NULL && strchr(bar, ')') != NULL;
}

bool glob_is_like_regex(const char *glob)
{
    return glob[0] == '^' || strcmp(glob, ".*") == 0 || strcmp(glob, ".+") == 0 ||
           strstr(glob, "(?") != NULL || has_choice(glob) || has_behind(glob, "\\", "dDwWsSbB") ||
           has_behind(glob, "])", "+{");
}
