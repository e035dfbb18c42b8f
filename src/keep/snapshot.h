/*
 * Snapshots: all lines as bytes, and back, so that marks still mean something to the next process.
 *
 * A snapshot holds each edition, in force or replaced, with the terms that it came
 * from and the credit of each of its lines at one tick. What is read is believed
 * of nobody: whatever the bytes are, lines that come out of them hold together,
 * every walk along them ends, and no bucket on them is more than full.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Errors: as told.
 */
#pragma once

#include "limits/lines.h"

#include <stddef.h>

/* The length of the snapshot that was written, or 0: there is no room for it. */
size_t snapshot_write(const struct lines *lines, unsigned char *bytes, size_t room);

enum snapshot_result { SNAPSHOT_OK, SNAPSHOT_DAMAGED, SNAPSHOT_NO_MEMORY };

/* Fills in lines that were just initialised, and the limits in force, which are
 * good for their names and terms alone: by them no key is matched. Unless it is OK,
 * nothing is kept: the lines own nothing then, and their memory is of no further use. */
enum snapshot_result snapshot_read(const unsigned char *bytes, size_t len, struct lines *lines,
                                   struct limits **in_force);
