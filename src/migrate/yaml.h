/*
 * YAML: the configuration of allowd that plans come to, with what nginx is to say instead, as comments.
 *
 * Owns nothing. One thread. Blocks while it writes. Errors: those of the FILE.
 */
#pragma once

#include "migrate/plan.h"

#include <stdio.h>

/* name: of the file that was read. */
void yaml_write(FILE *out, const char *name, const struct tree *tree,
                const struct limit_reqs *found, const struct plans *plans);
