/*
 * Orders of shares: when one is due, what it wants, and the letters in which they go to the store together.
 *
 * An order of a share goes
 *
 *     at once           if it has something to tell: a refund, a charge, a reset, all that a share which ends gives back
 *     when it may help  if somebody waits, was refused, or the hand is less than half of what the next horizon will
 *                       want; but not before the record will have refilled enough
 *     renew_ms          after the one before, while something is in hand, or leases hold slots
 *     return_after_ms   after the last question, to give all back
 *     horizon_ms        after the one before, if tokens are spent that the store takes to be out, and that keeps the
 *                       record from refilling; after return_after_ms even if it does not
 *
 * but none while another one is away, and in the long run no more than one in min_interval_ms: ORDERS_AHEAD
 * may go ahead of that, so that what comes suddenly can be asked for as it grows. One that the store wants to
 * have again goes again at once, ORDERS_REPEATS times. A record that has too little is looked at each
 * ORDERS_RETRY_MS as long as somebody asks: others may give tokens back, or reset it. While the store cannot
 * be reached, each try comes later than the one before, ORDERS_RETRY_MS at most.
 *
 * One thread, the brain's. Never blocks. Never fails: a share without a letter waits for one.
 */
#pragma once

#include "brain/core.h"

#define ORDERS_AHEAD 4u
#define ORDERS_REPEATS 3u
#define ORDERS_RETRY_MS 1000u

/* Sees when an order of a share is due, or anything else of it. If it is due now it goes with orders_letters. */
void orders_see(struct brain *brain, struct share *share);

/* When the next order of a share may go, if there is a reason; while one is away: now. */
uint64_t orders_may_go_ns(const struct brain *brain, const struct share *share);

/* Whether the store is taken to be out of reach for a share. */
static inline bool orders_are_cut(const struct brain *brain, const struct share *share)
{
    return share->is_cut && (brain->shares.is_cut || brain->shares.is_of_parts);
}

/* Whether nothing is lost if a share is forgotten; and when it may be for want of questions. */
bool orders_need_no_share(struct brain *brain, struct share *share);
uint64_t orders_forget_ns(const struct brain *brain, const struct share *share);

/* The letters of all orders that are due, in the order in which they were made; NULL: there is none. */
struct letter *orders_letters(struct brain *brain);

/* Whether all letters are at home that have gone by this turn, which is over. The one that comes is turns + 1. */
bool orders_are_home(const struct brain *brain, uint64_t turn);

/* Takes one back. */
void orders_free_letter(struct brain *brain, struct orders *orders);

/* The tokens, or slots, that a message wants which waits in a share's queue. */
static inline uint64_t orders_tokens(const struct message *message)
{
    if (message->kind == MESSAGE_ACQUIRE)
        return message->ask.acquire.slots;
    return message->kind == MESSAGE_ALLOW ? message->ask.bucket.tokens : 0;
}
