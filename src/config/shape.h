/*
 * The shape of a configuration: names, kinds and structure, checked against the schema.
 *
 * libcyaml stops at the first fault, does not always say where it is, and
 * passes over some (a second document, a NUL in a text). So this goes over
 * the file first, reports every fault of shape at its place, and writes a copy
 * of all that is well-shaped for libcyaml to load: there is always something to
 * load, and the faults of meaning are found in the same run. In the copy each
 * scalar has its place in front, for which the raw form has no other room, and
 * each mapping has a name more, for its own; see config_schema.
 *
 * The caller owns the copy. Any thread. Never blocks. Errors: faults.
 */
#pragma once

#include "config/faults.h"

#include <stddef.h>

/* A well-shaped part of a configuration, as YAML that the schema accepts. */
struct config_copy {
    char *yaml; /* to be freed; NULL: there is nothing to load */
    size_t len;
};

/* Checks the shape of a file's bytes, which it may mend in place. */
struct config_copy config_shape_check(char *bytes, size_t len, struct faults *faults);
