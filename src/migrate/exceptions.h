/*
 * Exceptions: a variable whose map or geo only takes some addresses out of a limit, as overrides.
 *
 * Owns nothing. One thread. Never blocks. Never fails.
 */
#pragma once

#include "migrate/key.h"
#include "migrate/variables.h"

/* Whether a variable is the client's address but for some networks, and then the exceptions, and `map`, of the key. If not,
 * they are untouched. */
bool exceptions_find(const struct tree *tree, const struct piece *variable, struct key *key);
