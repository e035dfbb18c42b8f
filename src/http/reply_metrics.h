/*
 * Reply metrics: what is measured, in the text format of Prometheus, version 0.0.4.
 *
 * No key is in it, nor anything else that a caller chooses: labels are names of the
 * configuration, statuses, and words of our own.
 *
 * Owns nothing. Any thread. Blocks as process.h says. Errors: a 503 when memory is short.
 */
#pragma once

#include "brain/meters.h"
#include "http/reply.h"
#include "http/route.h"

extern const char reply_type_metrics[];

void reply_metrics(struct reply *reply, const struct metrics_answer *answer,
                   const struct route_table *routes);
