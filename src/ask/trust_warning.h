/*
 * Trust warnings: says in the log, once a check, that a field is ignored which a proxy has sent.
 *
 * If a proxy is not in trusted_proxies, all its clients are one, and nothing else shows it. The same
 * is so if it tells the client's address in a field that the check does not look at.
 *
 * Owns nothing: the check keeps what was said. Any thread. Never blocks. Never fails.
 */
#pragma once

#include "ask/check.h"

/* Whether a request has a field of a proxy that this check would look at, but ignores because the
 * peer is not trusted. It is told the first time. */
bool trust_warn(const struct check *check, const struct check_request *request);
