/*
 * Globs, compared: which keys two of them have in common, as far as that is certain.
 *
 * Each function answers yes only if it is so for every key that there can be. For globs that are
 * hard to compare the answer is no.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include <stdbool.h>

/* Whether a glob certainly matches every key that another one matches. */
bool globs_cover(const char *glob, const char *other);

/* Whether two globs certainly have no key in common. */
bool globs_are_apart(const char *glob, const char *other);

/* Whether a text has marks of a regular expression that hardly any glob has, such as ^ in front,
 * \d, or (a|b). A dot before * is none: it may end a word. */
bool glob_is_like_regex(const char *glob);
