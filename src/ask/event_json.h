/*
 * Event JSON: an event as one object, the same for whoever shows it; and its id, by which a reader says
 * what it has already.
 *
 * Owns what each thread keeps of the last events that it has written. Any thread. Never blocks.
 */
#pragma once

#include "base/text.h"
#include "brain/event.h"

#include <stdbool.h>

/* Bytes of an event in JSON at most. A character of its texts may become six, a line of faults has
 * quotes of its own, and the longest word for a number is that of a cause. */
#define EVENT_JSON_MAX (6 * EVENT_TEXT_MAX + 2 * 64 + 2 * 255 + EVENT_ROW_MAX * 48 + 256)

/* Bytes of an id at most: "0123abcd-18446744073709551615". */
#define EVENT_ID_MAX (8 + 1 + 20)

/* Writes the object. boot: of the process that the event's number is from, which has no other event of
 * that number but one of EVENT_lost. */
void event_json_write(struct text *text, const struct event *event, uint32_t boot);

/* Writes the id of the event of this number, and reads one. false: it is none. */
void event_id_write(struct text *text, uint32_t boot, uint64_t number);
bool event_id_read(const char *text, size_t len, uint32_t *boot, uint64_t *number);

/* Writes what tells a reader that the events before this number of this process cannot be counted,
 * because the last one that it has is of another process. */
void event_json_write_other_boot(struct text *text, uint32_t boot, uint64_t time_ms);
