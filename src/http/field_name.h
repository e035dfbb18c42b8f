/*
 * Field names: compares the names of header fields, whose case does not count (RFC 9110, 5.1).
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* other: ends in a NUL. Inline, so that the compiler knows the length of a constant. */
static inline bool field_name_is(const char *name, size_t len, const char *other)
{
    return strlen(other) == len && strncasecmp(name, other, len) == 0;
}
