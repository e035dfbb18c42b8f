/*
 * The ring of events: the last ones, numbered without a gap, as many as there is room for.
 *
 * Its memory is mapped at once and never grows; what has never been used takes no memory. There is room
 * for a number of events, and for so many bytes of records; what comes first makes the oldest go.
 *
 * Owns its memory. One thread, the brain's. Never blocks. Errors: event_ring_init only.
 */
#pragma once

#include "brain/event.h"

struct event_ring {
    char *records;
    uint32_t *offsets; /* of the record of a number, at number % slots */
    uint32_t slots, bytes;
    uint32_t next_at;        /* where the next record goes, if there is room */
    uint64_t oldest, newest; /* numbers; none is kept: oldest is newest + 1 */
};

#define EVENT_RING_BYTES_EACH 128u /* bytes for an event, on average */
#define EVENT_RING_SLOTS_MAX 1000000u

/* An empty ring for 16 to EVENT_RING_SLOTS_MAX events. false: no memory, and there is nothing to
 * release. */
bool event_ring_init(struct event_ring *ring, uint32_t slots);
void event_ring_release(struct event_ring *ring);

/* Adds an event, and sets its number. */
void event_ring_add(struct event_ring *ring, struct event *event);

/* The record of a number, which must be one of those that are kept. */
const void *event_ring_record(const struct event_ring *ring, uint64_t number);
