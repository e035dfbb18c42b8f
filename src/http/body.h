/*
 * Bodies: how much room they get, and what they hold: a form, or a list of requests.
 *
 * The functions for whoever receives the bytes (request_expect_body and others) are in request.h.
 *
 * Owns nothing: the request owns its body. One thread. Never blocks. Errors: request_refuse.
 */
#pragma once

#include "http/request.h"

#define BODY_FORM_TYPE "application/x-www-form-urlencoded"

/* Whether a body of this Content-Type (NULL: there is none) is a form, or JSON: application/json, or
 * a type that ends in "+json" (RFC 6839, 3.1). */
bool body_is_form(const char *content_type);
bool body_is_json(const char *content_type);

#define BODY_JSON_TYPE "application/json"

/* Whether a body of this Content-Type is a batch in lines. */
bool body_is_lines(const char *content_type);

/* Whether the body of this request, if there is one, is a list of requests: its route takes lists,
 * its method is POST or a QUERY that the route takes, and its Content-Type is JSON or that of
 * lines. */
bool body_may_be_list(const struct request *request, const char *content_type);

/* Refuses a QUERY that brings no list. */
void body_refuse_query(struct request *request, const char *content_type);

/* Takes the parameters from a body, which must be a form. Without a body it does nothing. */
void body_parse_form(struct request *request, const char *content_type);

/* Frees the room of a long body. */
void body_drop(struct request *request);
