/*
 * Parameters: reads names and values of a query or a form, and defines those of several routes.
 *
 * Owns nothing. One thread. Never blocks. Errors: request_refuse.
 */
#pragma once

#include "http/request.h"

/* They fill in the key, the tokens and the limit's name of message.ask.bucket. */
extern const struct parameter parameter_key, parameter_tokens, parameter_limit;

#define BAD_ESCAPE "a '%%' must be followed by two hexadecimal digits (write %%25 for '%%' itself)"

/* Reads the parameters of a query or a form, and stops at the first fault. */
void parameters_parse(struct request *request, const char *form, size_t len);

/* Whether all parameters that the request has may be in the query of a list. */
bool parameters_suit_list(const struct request *request);
