/*
 * The parts of a request's parsing, for each other and nobody else.
 *
 * Owns nothing. One thread. Never blocks.
 */
#pragma once

#include "http/request.h"

#define BAD_ESCAPE "a '%%' must be followed by two hexadecimal digits (write %%25 for '%%' itself)"

/* Remembers what is wrong with a request: the first fault only, for others may follow from it. */
void request_refuse(struct request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes the parameters of a query or a form. */
void request_parse_form(struct request *request, const char *form, size_t len);

/* The same of a list of keys: begins with none given, takes each, then asks. */
void request_begin_keys(struct request *request);
void request_parse_prefix(struct request *request, const char *value, size_t len);
void request_parse_sort(struct request *request, const char *value, size_t len);
void request_parse_count(struct request *request, const char *value, size_t len);
void request_parse_cursor(struct request *request, const char *value, size_t len);
void request_ask_keys(struct request *request);
void request_reply_keys(struct request *request);

/* Whether a body is, or would be, a list of requests. */
bool request_may_be_list(const struct request *request, const char *content_type);

/* Takes the parameters of a body that is a form; of nothing, if there is none. */
void request_parse_body(struct request *request, const char *content_type);

/* Gives up the room of a long body. */
void request_drop_long_body(struct request *request);

/* Makes the message of a list out of the body. */
void request_ask_list(struct request *request);

/* Makes the message of a check whose key is made, or missing. */
void request_ask_check(struct request *request);
