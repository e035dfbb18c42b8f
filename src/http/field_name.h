/*
 * The names of header fields: the same in whatever case (RFC 9110, 5.1).
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* other: ends in a NUL. Here, so that the length of a constant is one. */
static inline bool field_name_is(const char *name, size_t len, const char *other)
{
    return strlen(other) == len && strncasecmp(name, other, len) == 0;
}
