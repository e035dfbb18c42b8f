/*
 * Slots of shares: what leases hold of a key under a limit of scope fleet, and until when the store has to know it.
 *
 * How many slots leases hold is counted from them (leases.h), whenever some begin or end. A slot that comes back stays in
 * hand for who asks next, up to the most that were used at once lately; what is more goes back to the store.
 *
 * A lease begins, or is renewed, only if the store has said that it keeps the session until the lease ends: so if this
 * process dies, nobody else gets its slots before. An order asks for somewhat more than that, so that most leases
 * need no order of their own.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/core.h"

/* Whether a share can lend so many slots until end_ns, by the brain's clock. */
bool share_slots_do(const struct share *share, uint64_t slots, uint64_t end_ns);

/* Counts anew what leases hold of a share's key. */
void share_slots_count(struct brain *brain, struct share *share);

/* If more slots are out than there are, because the store had forgotten some, or there are fewer now: gives back what no
 * lease holds. */
void share_slots_yield(struct brain *brain, struct share *share);

/* Slots that stay in hand beside those that leases hold. */
uint64_t share_slots_to_keep(const struct share *share);

/* Somebody asks for a lease of this length. */
void share_slots_ask(struct share *share, uint64_t ttl_ms);

/* How long the store has to keep the session, for an order that goes now; spare_ms: beyond what is needed. 0: as any
 * other. */
uint32_t share_slots_keep_ms(const struct share *share, uint64_t now_ns, uint64_t spare_ms);
