/*
 * Bodies: the room they have, and what is in them: a form, or a list of requests.
 *
 * Owns nothing: the request owns its body. One thread. Never blocks. Errors: request_refuse.
 * What is for whoever receives the bytes is in request.h.
 */
#pragma once

#include "http/request.h"

#define BODY_FORM_TYPE "application/x-www-form-urlencoded"

/* Whether a body is, or would be, a list of requests. */
bool body_may_be_list(const struct request *request, const char *content_type);

/* Takes the parameters of a body that is a form; of nothing, if there is none. */
void body_parse_form(struct request *request, const char *content_type);

/* Gives up the room of a long body. */
void body_drop(struct request *request);
