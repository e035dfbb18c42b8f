/*
 * Authorities: HOST[:PORT], as in a Host field and in a target that names a server (RFC 3986, 3.2).
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether it may be one: a name, an IPv4 address, or an IPv6 address in brackets; then, perhaps, a
 * colon and digits. It may be empty. A user's name is no part of it. */
bool authority_is_valid(const char *text, size_t len);
