/*
 * Responses: libmicrohttpd's form of a reply, kept from a client's one request to its next.
 *
 * To make one costs a dozen allocations, and the next reply to the same client mostly differs only
 * in its body and in the values of some fields. So the response to a question about a bucket is
 * kept, and used again if it fits. Responses to errors are made anew.
 *
 * Owns the response. One thread. Never blocks. Errors: as each function says.
 */
#pragma once

#include "http/reply.h"

#include <microhttpd.h>
#include <stdbool.h>

struct http_response {
    struct MHD_Response *kept; /* NULL: none */
    /* What it was made from. */
    size_t body_len;
    const char *content_type;
    uint32_t fields_count;
    struct reply_field fields[REPLY_FIELDS_MAX];
    char values[REPLY_POLICY_MAX + REPLY_VALUES_MAX]; /* copies: the limits may be gone */
};

/* Responses made beforehand. If there is no memory for another, they still tell what was
 * decided. */
struct http_terse_set {
    struct MHD_Response *responses[TERSE_COUNT];
};

/* false: no memory; call http_terse_release all the same. */
bool http_terse_init(struct http_terse_set *set);
void http_terse_release(struct http_terse_set *set);

/* The status of the one that stands for a reply. A decision keeps its own. */
unsigned http_terse_status(const struct reply *reply);

/* Queues the one that stands for a reply, as the last one of a connection. */
enum MHD_Result http_terse_queue(const struct http_terse_set *set, const struct reply *reply,
                                 struct MHD_Connection *connection);

/* Queues a reply on a connection; `close`: it is the last one there. `body` is borrowed until it
 * has been sent, and must be at the same address for all replies of the connection; a large body is
 * taken over. MHD_NO: no memory, and nothing was queued. */
enum MHD_Result http_response_queue(struct http_response *response,
                                    struct MHD_Connection *connection, struct reply *reply,
                                    bool close);

/* Adds to a response what each has besides its body. false: no memory. */
bool http_response_add_fields(struct MHD_Response *made, const struct reply *reply, bool close);

void http_response_release(struct http_response *response);
