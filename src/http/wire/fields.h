/*
 * Fields: the header of a request, as libmicrohttpd keeps it, for those who look into it.
 *
 * Owns nothing. One thread. Never blocks.
 */
#pragma once

#include "ask/check.h"
#include "http/access.h"
#include "http/wire/gate.h"

#include <microhttpd.h>

/* Leads every field past a gate that has begun, as far as it lets them, and shows
 * those to `access`, which is empty. */
void http_fields_pass(struct MHD_Connection *connection, struct gate *gate, struct access *access);

/* The first Content-Type, or NULL. */
const char *http_fields_content_type(struct MHD_Connection *connection);

/* What a check asks of a request: its fields and its peer, but for the suffix. */
struct check_request http_fields_of_check(struct MHD_Connection *connection, const char *method);
