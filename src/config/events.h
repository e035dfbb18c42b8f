/*
 * The YAML events of a configuration, one after the other, as libyaml finds them.
 *
 * What no configuration may have wherever it stands is reported here: a syntax
 * error, an anchor, an alias, a tag, nesting too deep.
 *
 * Owns the parser and the current event; the bytes must outlive it. Any
 * thread. Never blocks. Errors: faults, and no more events.
 */
#pragma once

#include "config/faults.h"

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

struct events {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    struct faults *faults;
    bool is_stopped; /* the rest of the file cannot be read */
};

/* The line and column of a mark, as faults count them: from 1. */
#define EVENTS_AT(mark) (mark).line + 1, (mark).column + 1

/* Begins before the first event, which is that of the stream. false: reported. */
bool events_init(struct events *events, const char *bytes, size_t len, struct faults *faults);
void events_release(struct events *events);

/* Moves on to the next event; false: there is none. */
bool events_next(struct events *events);

/* Moves on to the last event of the node that begins with the current one.
 * false: the node is too deep, which is reported, and the end. */
bool events_skip(struct events *events);

/* Whether a value is left empty, or is one of YAML's words for that. */
bool event_is_empty(const yaml_event_t *event);

bool event_has_nul(const yaml_event_t *scalar);
