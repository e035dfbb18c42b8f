/*
 * The shape of a configuration: names, kinds and structure, checked against the schema.
 *
 * libcyaml stops at the first fault, does not always say where it is, and does not notice some (a
 * second document, a NUL in a text). So this goes through the file first, reports every fault of
 * shape at its place, and writes a copy of everything that is well-shaped, for libcyaml to load. So
 * faults of meaning are found in the same run. In the copy each scalar begins with its place, and
 * each mapping has one name more, for its own place: see schema.h.
 *
 * The caller owns the copy. Any thread. Never blocks. Errors: faults.
 */
#pragma once

#include "config/faults.h"

#include <stddef.h>

/* A well-shaped part of a configuration, as YAML that the schema accepts. */
struct config_copy {
    char *yaml; /* the caller frees it; NULL: there is nothing to load */
    size_t len;
};

/* What is to be checked: a configuration, or an override alone. */
enum shape_root { SHAPE_CONFIGURATION, SHAPE_OVERRIDE };

/* Checks the shape of the bytes of a file, and may mend them in place. */
struct config_copy config_shape_check(enum shape_root root, char *bytes, size_t len,
                                      struct faults *faults);
