/*
 * Questions about leases: RENEW, RELEASE and LEASE; and the bookkeeping of those that have ended.
 * (ACQUIRE is decided as ALLOW is: see decide.h. What comes back at an end: lease_ends.h.)
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/lease_ends.h"

/* Answers a RENEW, RELEASE or LEASE. false: the RENEW waits for the store of a fleet, and is the brain's until
 * brain_released gives it back. */
bool lease_answer(struct brain *brain, struct message *message);

/* Does a slice of the bookkeeping of leases that have ended, and forgets some that are not to be
 * remembered. Call it soon again if lease_ends_are_due. It does more at once if there would be too few
 * leases for all who wait. */
void lease_keep_books(struct brain *brain);

/* Applies the ends of a key, and asks anew who waits for it. If ends are due, call it before anything
 * is decided about the key. */
void lease_settle(struct brain *brain, const struct place *place,
                  const struct bucket_question *ask);

/* When the tick is due at which the next lease ends, by the brain's clock; BRAIN_NEVER: none is held. */
uint64_t lease_next_tick_ns(const struct brain *brain);

/* Has slots be claimed that leases hold of a limit of scope fleet, and of which the store may not know: those of a
 * process before, or of a limit that was of scope local. */
void lease_claim_slots(struct brain *brain);

/* After a restart: each key with slots that are taken gets the entry in the table that it may lack, so
 * that it is listed. */
void lease_restore_entries(struct brain *brain);
