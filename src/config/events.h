/*
 * The YAML events of a configuration, one after the other, as libyaml finds them.
 *
 * It reports what is forbidden everywhere in a configuration: a syntax error, an anchor, an alias,
 * a tag that is not of YAML's core schema, or nesting that is too deep.
 *
 * Owns the parser and the current event; bytes and escapes must outlive it. Any thread. Never blocks.
 * Errors: faults; after one that cannot be passed over, there are no more events.
 */
#pragma once

#include "config/escapes.h"
#include "config/faults.h"

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

struct events {
    yaml_parser_t parser;
    yaml_event_t event; /* the current event */
    struct faults *faults;
    const struct escapes *escapes; /* by which the marks are set right */
    bool is_stopped;               /* the rest of the file cannot be read */
};

/* The line and the column of a mark, counted from 1 as in faults. */
#define EVENTS_AT(mark) (mark).line + 1, (mark).column + 1

/* Makes the parser. The first events_next moves to the start of the stream. false: a fault is
 * reported. */
bool events_init(struct events *events, const char *bytes, size_t len,
                 const struct escapes *escapes, struct faults *faults);
void events_release(struct events *events);

/* Moves to the next event. false: there is none. */
bool events_next(struct events *events);

/* Moves to the last event of the node that begins with the current one. false: the node is nested
 * too deep or broken, which is reported, and there are no more events. */
bool events_skip(struct events *events);

/* Whether a value is empty, or is one of YAML's words for null without a tag. */
bool event_is_empty(const yaml_event_t *event);

bool event_has_nul(const yaml_event_t *scalar);
