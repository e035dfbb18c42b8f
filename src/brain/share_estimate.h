/*
 * Estimates of a share's record, as it will be now: what it was when it was last told, what it has refilled
 * since, and what net has changed since. Other sidecars may have taken some of it.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/share.h"

/* Units of a bucket's record by now, as far as is known: what it is full with, if nothing is. */
int64_t share_level(const struct share *share, uint32_t bucket, uint64_t now_ns);

/* When the record has so many tokens of each bucket beyond the hand, at the earliest; SHARE_NEVER - 1 or
 * later: it never can, or nobody knows when, as of slots that others have out. Of a record of which nothing
 * is known: now. */
uint64_t share_ready_ns(const struct share *share, uint64_t tokens, uint64_t now_ns);

/* When the record is full but for what the store takes to be out, though some of that is spent: from then on
 * it refills less than it should. */
uint64_t share_full_ns(const struct share *share, uint64_t now_ns);
