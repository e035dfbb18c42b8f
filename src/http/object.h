/*
 * Objects: whether a body is JSON, and an object. What is in it whoever asked for it reads.
 *
 * Owns nothing. One thread. Never blocks. Errors: the request is refused.
 */
#pragma once

#include "http/request.h"

/* Looks at the body of a request that is_object. false: the request is refused. */
bool object_check(struct request *request);
