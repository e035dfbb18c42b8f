/*
 * Reply notes: faults and warnings of a configuration, or of an override, as a list in JSON.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "actor/reload.h"
#include "base/text.h"

/* Writes the notes of a report as an array of {"line":...,"column":...,"text":...}. */
void reply_write_notes(struct text *body, const struct reload_report *report);
