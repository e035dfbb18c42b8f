/*
 * The parts of a check's key that are in the body of a request: a form, or an object in JSON.
 *
 * Which of the two a body is its Content-Type says. A body has no parts that is neither, has two
 * Content-Types, is longer than REQUEST_BODY_MAX, or is malformed JSON. In JSON only the members of
 * the outermost object are parts, and only strings, whole numbers and booleans.
 *
 * Owns what it has parsed, until body_parts_end; one at a time on a thread. Never blocks. Errors: a
 * part that is missing; body_parts_end tells if that was for want of memory.
 */
#pragma once

#include "http/request.h"

struct body_parts {
    void *root;      /* the object, of jansson's; or NULL */
    char number[24]; /* of the member that was asked for last */
};

/* Lets `asked` see the parts in the body of its request. body_parts_end takes them away. false: there
 * was no memory to read the body, so that parts which it has seemed to be missing. */
void body_parts_begin(struct body_parts *parts, const struct request *request,
                      struct check_request *asked);
bool body_parts_end(struct body_parts *parts);
