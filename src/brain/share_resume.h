/*
 * Going on with sessions of a process that was killed.
 *
 * What the records of the state file say that it had in hand becomes shares that take its sessions over
 * (share_take_over), and the records are forgotten at once: a kill before the store has answered loses what
 * they had, so nobody can go on from one twice. What a session had to tell that the store did not know yet is
 * told by another one. Records that nobody may believe, that have ended, or whose limit is gone or has other
 * buckets, are forgotten as well.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Errors: no memory.
 */
#pragma once

#include "brain/core.h"

/* Takes up records, whose bytes outlive the brain: has their sessions taken over if they are of this file and
 * this clock (see share_records_are_of), and has the brain's own kept there from now on. false: no memory,
 * and none are kept. Call it once, after the fleet has begun and before any question. */
bool share_resume(struct brain *brain, const struct share_records *records, uint64_t home,
                  const uint8_t clock_id[16]);
