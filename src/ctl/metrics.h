/*
 * Metrics in the text format of Prometheus, as /metrics answers them: read one after the other.
 *
 * Owns nothing: a metric points into the text. Main thread. Never blocks. What is no metric is passed
 * over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct metric {
    const char *name, *labels; /* labels: what is between the braces */
    size_t name_len, labels_len;
    double value;
};

/* Takes the next metric off a text that ends with a NUL; false: there is none. */
bool metrics_next(const char **text, struct metric *metric);

bool metric_is(const struct metric *metric, const char *name);

/* Writes the value of a label; false: it is not there, or longer than that. */
bool metric_label(const struct metric *metric, const char *label, char *value, size_t size);
