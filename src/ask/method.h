/*
 * Methods of the requests that a check is asked about, each by one name.
 *
 * A client can write any word as its method, and would get a fresh key with each one. So all that
 * are not in RFC 9110, 9.3, and are not PATCH (RFC 5789) are one method, METHOD_OTHER_NAME. Their
 * case counts, as it does in HTTP.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include "ask/forwarded.h"

#define METHOD_OTHER_NAME "OTHER"
#define METHOD_NAMES "GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH"

/* The name of a method, which is always the same pointer. */
const char *method_name(struct piece method);
