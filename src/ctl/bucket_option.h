/*
 * Buckets of the command line, as JSON: "name=hour,burst=5000,rate=5000/h" is an object of these members.
 *
 * Which members there are and what they may be, the server says.
 *
 * Owns nothing. Main thread. Never blocks. Errors: false.
 */
#pragma once

#include "base/text.h"

#include <stdbool.h>

/* Appends the bucket. false: a part between its commas is no NAME=VALUE. */
bool bucket_option_append(struct text *json, const char *bucket);
