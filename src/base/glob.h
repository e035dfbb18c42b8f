/*
 * Globs: patterns in which '*' stands for any bytes, '?' for one, "[...]" for one of several, and
 * '\' takes the special meaning from what follows (POSIX.1-2017, fnmatch(3) without flags).
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include <stdbool.h>

/* Whether a text that is meant as a glob or as itself is a glob: it holds one of * ? [ \. */
bool text_is_glob(const char *text);

/* Whether the glob matches the whole text. It takes at worst the product of their lengths, never
 * exponential time. */
bool glob_matches(const char *glob, const char *text);
