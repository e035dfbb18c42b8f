/*
 * Orders of a share: what one tells the store, and what its answer brings.
 *
 * Copies of orders may come late, when the record has forgotten the session, and those from before it knew it
 * begin it anew. So that nothing is done twice then, no order tells of net or a reset until the record knows
 * the session: it has granted it tokens, or the session has joined it; and the order that ends a session is
 * its last one, whether it is answered or not. An order with a reset keeps its seq until it is answered, and
 * so is done once.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/share_session.h"

/* Writes the next order of a share, which goes now. want: tokens beyond the hand, of each bucket; flags:
 * ORDER_EXACT, ORDER_RELEASE, ORDER_ON_LOSS_FULL. keep_ms: see order.h. It may be another session's, if this
 * one has lasted too long. */
void share_write_order(struct share *share, struct order *order, uint8_t flags,
                       const uint64_t want[BUCKETS_MAX], uint32_t keep_ms, uint64_t now_ns,
                       uint64_t ttl_ms, struct share_sessions *sessions,
                       struct fleet_counters *counters);

/* Takes the store's answer to it, which came in this letter. */
void share_take_order(struct share *share, const struct order *order, const struct orders *orders,
                      uint64_t now_ns, struct share_sessions *sessions,
                      struct fleet_counters *counters);
