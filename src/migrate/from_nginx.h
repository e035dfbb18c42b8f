/*
 * From nginx: prints what the limit_req lines of a configuration of nginx come to in allowd.
 *
 * Owns nothing. One thread. Blocks while it reads and writes. Errors: false, and a complaint; nothing is written then.
 */
#pragma once

#include "migrate/complaint.h"
#include "migrate/tree.h"

#include <stdio.h>

/* Reads a file, with all that it includes, and writes YAML that allowd takes. */
bool from_nginx(const char *path, FILE *out, struct complaint *complaint);

/* The same of a tree that has been read. name: of its file. */
bool from_nginx_tree(struct tree *tree, const char *name, FILE *out, struct complaint *complaint);
