/*
 * Slots of shares: what leases hold of a key under a limit of scope fleet, and until when the store has to
 * know it.
 *
 * How many slots leases hold is counted from them (leases.h), whenever some begin or end. A slot that comes
 * back stays in hand for who asks next, up to the most that were used at once lately; what is more goes back
 * to the store.
 *
 * A lease begins, or is renewed, only if the store has said that it keeps the session until the lease ends:
 * so if this process dies, nobody else gets its slots before. An order asks for somewhat more than that, so
 * that most leases need no order of their own.
 *
 * Who wants some and has none stays known to the store, so that the others count it. A sidecar's part is all
 * slots divided by the number of those, rounded down. Who has more than that gives one that is released back
 * to the store, instead of lending it on: at once for each sidecar that has come, else each
 * SHARE_SLOTS_TURN_MS. Who has some orders more only if they have been free for longer than it takes until
 * those who have none look again. If there are fewer slots than sidecars, nobody's part is one, so they take
 * turns; who has had its turn does as if it had some.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/core.h"
#include "brain/share_hand.h"

#define SHARE_SLOTS_TURN_MS 4000u

/* Whether a share can lend so many slots until end_ns, by the brain's clock. */
bool share_slots_do(const struct share *share, uint64_t slots, uint64_t end_ns);

/* Counts anew what leases hold of a share's key. */
void share_slots_count(struct brain *brain, struct share *share);

/* If more slots are out than there are, because the store had forgotten some, or there are fewer now: gives
 * back what no lease holds. */
void share_slots_yield(struct brain *brain, struct share *share);

/* One was released, or a lease has ended: if more are out than this sidecar's part of all, gives one back for
 * others. */
void share_slots_part(struct brain *brain, struct share *share);

/* What is known of a share before an answer of the store. */
struct share_slots_seen {
    uint64_t out;
    uint32_t holders;
    bool is_free; /* the record had one more */
};
struct share_slots_seen share_slots_seen(const struct share *share, uint64_t now_ns);

/* And after it: others have come, or slots are free that are for them first, or some were granted. */
void share_slots_see(struct share *share, struct share_slots_seen before, uint64_t now_ns);

/* Whether no slot is to be ordered now: those that are free, or may be, are for others first. */
bool share_slots_hold_off(const struct share *share, uint64_t now_ns);

/* Whether the store counts this sidecar among those who have some, or want some, though it has none. */
static inline bool share_slots_stand_by(const struct share *share)
{
    return share->has_slots && share->is_joined && !share_has_out(share);
}

/* Slots that stay in hand beside those that leases hold. */
uint64_t share_slots_to_keep(const struct share *share);

/* Somebody asks for a lease of this length. */
void share_slots_ask(struct share *share, uint64_t ttl_ms);

/* How long the store has to keep the session, for an order that goes now; spare_ms: beyond what is needed. 0:
 * as any other. */
uint32_t share_slots_keep_ms(const struct share *share, uint64_t now_ns, uint64_t spare_ms);
