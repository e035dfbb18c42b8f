/*
 * The field Forwarded of RFC 7239, which tells what X-Forwarded-For tells, in another form:
 *
 *   for=192.0.2.60;proto=http;by=203.0.113.43, for="[2001:db8::17]:4711"
 *
 * Pieces point into the field. Owns nothing. Any thread. Never blocks. Errors: false.
 */
#pragma once

#include "ask/forwarded.h"

#include <stdbool.h>
#include <stddef.h>

#define RFC7239_NODE_MAX 64 /* bytes; an address and a port take fewer */

/* Takes the first element off a list, which becomes shorter. false: the list is empty. */
bool rfc7239_next(struct piece *list, struct piece *element);

/* The value of an element's "for": an address, with or without a port, or a word. false: the element
 * is malformed, has no "for", has two, or one that is longer than any address. */
bool rfc7239_for(struct piece element, char node[RFC7239_NODE_MAX], size_t *len);
