/*
 * Shares: what this sidecar has in hand of limits that a fleet shares, and who waits for more of it.
 *
 * A share is a key under a limit of scope fleet. It has one session with the store, whose totals (order.h)
 * say what is in hand: granted less disposed. A request is allowed if every bucket's hand holds its tokens;
 * no request waits for the store if the hand does. What is in hand is void once the lease is over, by our
 * clock, counted from before the order went; then the session ends, and another one begins.
 *
 *     hand is enough               decided at once, however the store is
 *     hand is not, store unknown   cold: it waits in the share's queue for what an order brings
 *     the store has too little     denied, with the time by which the record will have refilled; no order
 *                                  goes before that time
 *     the store is unreachable     as on_partition says, once the hand is used up
 *     slots                        the same, but a lease begins only if the store keeps the session until
 *                                  its end: see share_slots.h
 *
 * A share orders when its demand of the next horizon is more than its hand, when its lease is to be renewed,
 * or when it has something to give back; but not twice within min_interval, nor while an order of it is on
 * its way. Orders of all shares that are due go together (orders.h). A share without demand gives its hand
 * back, and is forgotten.
 *
 * Keys of these limits are not in the table and have no marks. What is in hand of them is kept in the state
 * file: see share_keep.h.
 *
 * Owns shares and letters of orders. One thread, the brain's. Never blocks. Errors: without memory a request
 * is denied as where the table is full.
 */
#pragma once

#include "brain/core.h"
#include "brain/order.h"

/* Whether a place is under a limit of scope fleet. If no limit is, this reads nothing of the limit's. */
static inline bool shares_concern(const struct brain *brain, const struct place *place)
{
    return brain->limits->has_fleet && brain->limits->limit[place->limit].is_fleet;
}

/* Answers a question about one key under such a limit, or has it wait. false: it waits, and is the brain's
 * until brain_released gives it back. */
bool shares_answer(struct brain *brain, const struct place *place, struct message *message);

/* Renews a lease, whose key is under such a limit and which holds slots, or has it wait until the store has
 * said that it knows of the later end. false: it waits likewise. Else *state is HELD or UNRENEWED. */
bool shares_renew(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                  struct message *message, enum lease_state *state);

/* Leases of a key under such a limit hold fewer slots: one was released; or some have ended, and then those
 * who wait are served by shares_advance. */
void shares_slots_back(struct brain *brain, const struct place *place,
                       const struct bucket_question *ask);
void shares_slots_ended(struct brain *brain, const struct place *place,
                        const struct bucket_question *ask);

/* Leases hold slots of such a key: they are claimed, unless they are known. */
void shares_claim(struct brain *brain, const struct place *place,
                  const struct bucket_question *ask);

/* If the message waits here, it does no more: it is answered LEFT. Whether it did. */
bool shares_leave(struct brain *brain, struct message *message);

/* Call it after some have left, before anything else. */
void shares_have_left(struct brain *brain);

/* Takes the store's answers. The letter is the brain's again. */
void shares_take(struct brain *brain, struct orders *orders);

/* When shares_advance is due: an order, the end of a lease or of somebody's wait; BRAIN_NEVER: nothing is. */
static inline uint64_t shares_due_ns(const struct brain *brain)
{
    return brain->shares.count == 0 && brain->shares.lists.count == 0
               ? BRAIN_NEVER
               : share_book_due_ns(&brain->shares);
}
void shares_advance(struct brain *brain);

/* Orders that are to go out now, linked in the order in which they were made, or NULL; they are with the fleet
 * thread until shares_take. */
struct letter *shares_orders(struct brain *brain);

/* Gives all hands back. true: nothing is out any more, or cannot be given back. Else the message waits. */
bool shares_end(struct brain *brain, struct message *message);

void shares_release(struct brain *brain);

/* Puts all sessions into their records anew, after some of these may have been lost. */
void shares_keep_anew(struct brain *brain);

/* Call the one before limits change, the other after. */
void shares_before_change(struct brain *brain);
void shares_after_change(struct brain *brain);
