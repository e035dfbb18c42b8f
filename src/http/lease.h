/*
 * Lease: what the routes about leases have in common: parameters, ids, and the words for what became of
 * a lease.
 *
 * A lease's id is written as 32 hexadecimal digits. Whoever knows it has the right to the lease.
 *
 * Owns nothing: the request does. One thread. Never blocks. Errors: the request is refused.
 */
#pragma once

#include "base/text.h"
#include "http/request.h"

/* They fill in request->lease, and `begin` clears it before. */
extern const struct parameter parameter_lease;
void lease_begin(struct request *request);

/* Fills in a message about a lease, with room for the lease's key. Without an id the request is
 * refused. */
void lease_ask(struct request *request, enum message_kind kind);

/* Draws the id of a new lease. */
void lease_draw_id(struct lease_id *id);

/* Reads how long a lease lasts, in milliseconds. If the value is wrong, refuses the request. */
void lease_read_ttl(struct request *request, const char *value, size_t len, uint32_t *ttl_ms);

/* Writes an id in quotes. */
void lease_write_id(struct text *body, const struct lease_id *id);

/* Writes "key":... to "slots":... of an answer whose state is not LEASE_NONE. */
void lease_write_terms(struct text *body, const struct lease_answer *answer);

/* Writes the reply that tells how a lease is: a route's reply to RENEW and LEASE. */
void lease_reply_state(struct reply *reply, const struct lease_answer *answer);

/* Writes the reply to a request about a lease that is not there any more: 404, with what became of
 * it. */
void lease_reply_gone(struct request *request);

/* The same to a RENEW of one that is held, but was not renewed: 503. */
void lease_reply_unrenewed(struct request *request);
