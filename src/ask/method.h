/*
 * Methods of the requests that a check is asked about, each by one name.
 *
 * A client can write any word as its method, and would get a fresh key with each one. So all that
 * are not in RFC 9110, 9.3, and are not PATCH (RFC 5789) are one method, OTHER. Their case counts,
 * as it does in HTTP.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include "ask/forwarded.h"

enum { METHOD_NUMBERS = 10, METHOD_NUMBER_OTHER = METHOD_NUMBERS - 1 };

/* By number; the last one is "OTHER". */
extern const char *const method_names[METHOD_NUMBERS];
#define METHOD_NAMES "GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH or OTHER"

/* The number of a method. */
unsigned method_number(struct piece method);
