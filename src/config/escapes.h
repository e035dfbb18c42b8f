/*
 * Escapes: a character above U+FFFF as JSON escapes it, in two halves, \ud83d\ude00.
 *
 * Most writers of JSON do so by default, but libyaml refuses it. So before it reads a file, each
 * such pair becomes YAML's one escape, \U0001F600. Only between double quotes is it an escape;
 * elsewhere it is text, which stays. As the new escape is shorter, columns behind it in the same
 * line are set right afterwards.
 *
 * Owns its list until escapes_release. Any thread. Never blocks. Errors: faults.
 */
#pragma once

#include "config/faults.h"

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

struct escapes {
    size_t count;
    size_t *indices; /* of the new escapes, in characters of the mended text, ascending */
};

/* Mends the pairs of a text of UTF-8 in place; *len becomes less. false: there is no memory, which
 * is reported. */
bool escapes_mend(char *bytes, size_t *len, struct escapes *escapes, struct faults *faults);

/* Gives a mark of the mended text the column that its place had before. */
void escapes_correct(const struct escapes *escapes, yaml_mark_t *mark);

void escapes_release(struct escapes *escapes);
