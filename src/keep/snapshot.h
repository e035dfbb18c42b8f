/*
 * Snapshots: all lines as bytes, and back, so that the next process knows what marks mean.
 *
 * A snapshot holds each edition, in force or replaced: the terms it was made from, and the
 * credit of each of its lines at one tick. One that allowd 0.1.0 wrote is read as well, and so are
 * those from before buckets could owe, on whose lines nothing is owed; from before there were slots; and
 * from before overrides could be set at run time. Reading trusts no byte. Whatever
 * the bytes are, the lines that come out of them are consistent, every walk along them ends, and no
 * bucket on them is more than full.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Errors: enum snapshot_result; 0 bytes
 * written.
 */
#pragma once

#include "limits/lines.h"

#include <stddef.h>

/* Writes a snapshot and returns its length; 0: there is no room for it. */
size_t snapshot_write(const struct lines *lines, unsigned char *bytes, size_t room);

enum snapshot_result { SNAPSHOT_OK, SNAPSHOT_DAMAGED, SNAPSHOT_NO_MEMORY };

/* Fills in lines that were just initialised, and makes the limits that were in force. Those have
 * names and terms only: they match no key, and serve to install the next ones. Their run-time overrides
 * are complete. Unless the result
 * is SNAPSHOT_OK the lines own nothing, and must not be used. */
enum snapshot_result snapshot_read(const unsigned char *bytes, size_t len, struct lines *lines,
                                   struct limits **in_force);
