/*
 * Reply metrics: all counters and measurements, in the text format of Prometheus, version 0.0.4.
 *
 * It holds no key, and nothing else that a caller chooses: labels are names of the configuration,
 * statuses, and words of our own.
 *
 * Owns nothing. Any thread. Blocks as process.h says. Errors: it replies 503 if memory
 * is short.
 */
#pragma once

#include "brain/meters.h"
#include "http/reply.h"
#include "http/route.h"

extern const char reply_type_metrics[];

void reply_metrics(struct reply *reply, const struct metrics_answer *answer,
                   const struct route_table *routes);
