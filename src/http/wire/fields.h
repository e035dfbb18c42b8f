/*
 * Fields: reads the header of a request where libmicrohttpd keeps it.
 *
 * Owns nothing. One thread. Never blocks.
 */
#pragma once

#include "ask/check.h"
#include "http/access.h"
#include "http/wire/gate.h"

#include <microhttpd.h>

/* Shows every field to the gate, which has begun, up to the first that it refuses; and those that
 * pass to `access`, which is all zeros. */
void http_fields_pass(struct MHD_Connection *connection, struct gate *gate, struct access *access);

/* The value of the first Content-Type, or NULL. */
const char *http_fields_content_type(struct MHD_Connection *connection);

/* Bytes of a connection's memory that the fields behind the last chunk of a body take: their text,
 * and so many for each. */
size_t http_fields_trailer_memory(struct MHD_Connection *connection, size_t entry_bytes);

/* What a check may look at: the fields and the peer of a request. The suffix is left empty. */
struct check_request http_fields_of_check(struct MHD_Connection *connection, const char *method);
