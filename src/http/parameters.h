/*
 * Parameters: reads names and values of a query or a form, and defines those of several routes.
 *
 * Owns nothing. One thread. Never blocks. Errors: request_refuse.
 */
#pragma once

#include "http/request.h"

/* They fill in the key, the tokens, the limit's name and the wait of message.ask.bucket; the status of
 * a denial; and the token of a question that is to be answered once only. How long a wait may be is
 * known only later: see request_judge_wait. */
extern const struct parameter parameter_key, parameter_tokens, parameter_limit, parameter_wait;
extern const struct parameter parameter_deny_status, parameter_once, parameter_mode;

/* What keys are to begin with: request->key, of request->prefix_len bytes. Left out, it is empty. */
extern const struct parameter parameter_prefix;

/* Reads a value, still escaped, by quantity_parse_number or quantity_parse_duration. false: it is no
 * such quantity, or out of bounds, and *quantity is untouched. */
typedef enum quantity quantity_parser(const char *text, size_t len, uint64_t min, uint64_t max,
                                      uint64_t *quantity);
bool parameter_read(const char *value, size_t len, quantity_parser *parse, uint64_t min,
                    uint64_t max, uint64_t *quantity);

#define BAD_ESCAPE "a '%%' must be followed by two hexadecimal digits (write %%25 for '%%' itself)"

/* Reads the parameters of a query or a form, and stops at the first fault. */
void parameters_parse(struct request *request, const char *form, size_t len);

/* Whether all parameters that the request has may be in the query of a list. */
bool parameters_suit_list(const struct request *request);
