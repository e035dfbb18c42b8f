#include "ctl/metrics.h"

#include <stdlib.h>
#include <string.h>

static bool is_of_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
}

/* Behind a text in quotes, whose first quote is at `at`; NULL: it does not end. */
static const char *skip_quoted(const char *at)
{
    for (at++; *at != '"'; at++) {
        if (*at == '\\')
            at++;
        if (*at == '\0')
            return NULL;
    }
    return at + 1;
}

/* The closing brace of the labels that begin there; NULL: there is none. */
static const char *end_of_labels(const char *at)
{
    while (at != NULL && *at != '}' && *at != '\n' && *at != '\0')
        at = *at == '"' ? skip_quoted(at) : at + 1;
    return at != NULL && *at == '}' ? at : NULL;
}

static bool read_line(const char *at, struct metric *metric)
{
    char *end;
    *metric = (struct metric){.name = at, .labels = at};
    while (is_of_name(*at))
        at++;
    metric->name_len = (size_t)(at - metric->name);
    if (*at == '{') {
        metric->labels = at + 1;
        at = end_of_labels(at + 1);
        if (at == NULL)
            return false;
        metric->labels_len = (size_t)(at - metric->labels);
        at++;
    }
    metric->value = strtod(at, &end);
    return metric->name_len > 0 && end != at;
}

bool metrics_next(const char **text, struct metric *metric)
{
    while (**text != '\0') {
        const char *line = *text, *end = strchr(line, '\n');
        *text = end != NULL ? end + 1 : line + strlen(line);
        if (read_line(line, metric))
            return true;
    }
    return false;
}

bool metric_is(const struct metric *metric, const char *name)
{
    return metric->name_len == strlen(name) && memcmp(metric->name, name, metric->name_len) == 0;
}

/* Copies a text in quotes, whose escapes are \\, \" and \n. */
static bool unquote(const char *at, char *value, size_t size)
{
    size_t len = 0;
    for (at++; *at != '"'; at++) {
        if (*at == '\\')
            at++;
        if (len + 1 >= size)
            return false;
        value[len++] = at[-1] == '\\' && *at == 'n' ? '\n' : *at;
    }
    value[len] = '\0';
    return true;
}

bool metric_label(const struct metric *metric, const char *label, char *value, size_t size)
{
    const char *at = metric->labels, *end = at + metric->labels_len;
    size_t len = strlen(label);
    while (at < end) {
        const char *name = at;
        at = memchr(at, '=', (size_t)(end - at));
        if (at == NULL || at[1] != '"')
            return false;
        if ((size_t)(at - name) == len && memcmp(name, label, len) == 0)
            return unquote(at + 1, value, size);
        at = skip_quoted(at + 1);
        if (at == NULL)
            return false;
        at += at < end && *at == ',';
    }
    return false;
}
