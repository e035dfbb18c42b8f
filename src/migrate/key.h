/*
 * Keys: what a key of nginx is as the template of a check, and what nginx must send for it.
 *
 * An address, a host, a method, a path and one header field are parts that a check has. Any other key nginx puts together
 * itself, as today, and sends in X-Allowd-Key: so what a map or a cookie makes of a request stays exactly as it is. A map or
 * geo that only takes some addresses out becomes overrides.
 *
 * Owns nothing: all is in the arena. One thread. Never blocks. Errors: false for want of memory.
 */
#pragma once

#include "base/ip.h"
#include "migrate/tree.h"

#define KEY_FIELD "X-Allowd-Key"
#define KEY_EXCEPTIONS_MAX 64

/* Addresses of which something else holds. */
struct key_exception {
    struct ip_network network;
    char text[IP_TEXT_MAX + 4]; /* as the key of an override */
    bool is_limited;            /* as the rest of the limit, though it lies in one that is not */
};

struct key {
    const char *text;     /* as nginx has it */
    const char *template; /* as the check has it */
    const char *field;    /* that nginx sends for it; NULL: none but those of the recipe */
    const char *value;    /* of the field, as nginx is to have it, without quotes */
    const char *map;      /* the variable whose map or geo became the exceptions; NULL: none */
    const struct directive *map_line;
    bool is_of_address, is_of_path;
    bool path_is_as_written; /* $uri became $request_uri */
    size_t exceptions;
    struct key_exception exception[KEY_EXCEPTIONS_MAX + 2];
};

bool key_translate(struct tree *tree, const char *text, struct key *key);

/* Whether two keys are one and the same for each request. */
bool key_is_same(const struct key *a, const struct key *b);
