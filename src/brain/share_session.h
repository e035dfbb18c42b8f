/*
 * Sessions: what the store knows a share by, from when it begins until what is in hand is void.
 *
 * A new session whose leases hold slots claims them.
 *
 * A session may go on where one of a process that was killed has ended: it takes that one over. Until the store
 * has answered, what the former one had is not in hand; if the record does not know it any more, or has had an
 * order of it that is not known here, that is lost. Its slots that leases hold stay with them, and those that it
 * had free go back, as do tokens beyond what may be outstanding.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Errors: share_take_over, no memory.
 */
#pragma once

#include "brain/fleet_counters.h"
#include "brain/share.h"

/* Where sessions get their ids. */
struct share_sessions {
    uint64_t nonce;
    uint64_t begun;
};

/* Begins the session of a new share. */
void share_begin(struct share *share, struct share_sessions *sessions);

/* Has the session of a new share, whose terms are in force, take over one of a process that was killed: of as many
 * buckets, which ends at lease_ns, in the future, and knew of this epoch. false: no memory, and nothing is done. */
bool share_take_over(struct share *share, const struct share_former *former, uint64_t epoch_ms,
                     uint64_t lease_ns);

/* Gives up what the share owns. */
void share_end(struct share *share);

/* Until when the store keeps a session for sure by an order that went at sent_ns: for ttl, or keep_ms if that
 * is more. Its clock may run faster than ours by a thousandth. */
uint64_t share_kept_until_ns(uint64_t sent_ns, uint64_t ttl_ms, uint32_t keep_ms);

/* The hand is void, and counts as out until the store says otherwise. Another session begins, in which
 * nothing is in hand. */
void share_lose_hand(struct share *share, struct share_sessions *sessions,
                     struct fleet_counters *counters);

/* Does so if its lease is over. */
void share_expire(struct share *share, uint64_t now_ns, struct share_sessions *sessions,
                  struct fleet_counters *counters);
