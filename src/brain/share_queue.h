/*
 * Queues of shares: who waits for what an order brings, and how one is served, or told that it waits in vain.
 *
 * A message that waits is in the queue of its share, and in the heap of all who wait, by deadline. What is
 * answered after a wait goes to brain_released.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Errors: share_queue_park, no room or no memory.
 */
#pragma once

#include "brain/core.h"
#include "brain/share_fate.h"

/* Whether a message may ask to wait. */
bool share_may_wait(const struct message *message);

/* Says since when a question waits, and until when at most. */
void share_queue_begin_wait(const struct brain *brain, struct message *message);

/* Has a question wait for an order. false: it cannot. */
bool share_queue_park(struct brain *brain, struct share *share, struct message *message);

/* Puts a message into a queue, whose waiter has a deadline; takes one out. */
void share_queue_join(struct brain *brain, struct share *share, struct message *message);
void share_queue_part(struct brain *brain, struct waiter *waiter);

/* Answers one that has waited and is in no queue any more. */
void share_queue_release(struct brain *brain, struct share *share, struct message *message,
                         uint64_t behind, struct share_fate fate);

/* Has a message that is answered go home. */
void share_send_home(struct brain *brain, struct message *message);

/* Goes through the queue of a share, whose hand or record has changed: in order, each is let go, waits on, or is
 * told that it would wait in vain. */
void share_queue_serve(struct brain *brain, struct share *share);

/* ---- slots ---- */

/* Lends slots for an ACQUIRE, if they are in hand and the store keeps them for long enough. */
bool share_lend(struct brain *brain, const struct place *place, struct share *share,
                const struct acquire_question *acquire, struct share_fate *fate);

/* The number of a lease that is held, or LEASE_NONE_NUMBER. */
uint32_t share_find_held(const struct brain *brain, const struct lease_question *ask);

/* Whether a RENEW waits on until the store keeps the session for that long. */
bool share_renewal_waits_on(const struct brain *brain, const struct share *share,
                            const struct message *message);

/* Renews a lease that is held, if the store knows of it. */
enum lease_state share_renew_if_covered(struct brain *brain, struct share *share, uint32_t number,
                                        const struct lease_question *ask);
