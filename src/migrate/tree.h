/*
 * The tree: all directives of a configuration of nginx, with those of the files that it includes.
 *
 * Includes are followed as nginx does: a relative path begins in the folder of the first file, and a pattern may match
 * nothing. Bounded in files, in directives and in depth.
 *
 * Owns its directives until tree_release. One thread. Blocks while it reads files. Errors: false, and a complaint.
 */
#pragma once

#include "base/arena.h"
#include "migrate/complaint.h"

#include <stdbool.h>
#include <stddef.h>

#define TREE_WORDS_MAX 4096             /* of one directive, such as the names of a server */
#define TREE_DEPTH_MAX 64               /* blocks and files within each other */
#define TREE_FILES_MAX 2000             /* files that are read */
#define TREE_FILE_BYTES_MAX (32u << 20) /* of one file, such as the networks of a geo */

struct directive {
    const char *file;
    size_t line;
    size_t words;
    const char **word; /* its name first */
    bool has_block;
    struct directive *block; /* the first in its block, or NULL */
    struct directive *next;
};

struct tree {
    struct arena arena;
    struct directive *first;
};

/* Reads a file and all that it includes. path: borrowed as long as the tree is there. */
bool tree_read(struct tree *tree, const char *path, struct complaint *complaint);

/* Takes the bytes of one file apart, and leaves "include" as the directive that it is. */
bool tree_parse(struct tree *tree, const char *name, const char *bytes, size_t len,
                struct complaint *complaint);

void tree_release(struct tree *tree);

/* Whether a directive has this name and, unless `words` is 0, so many words with it. */
bool directive_is(const struct directive *directive, const char *name, size_t words);
