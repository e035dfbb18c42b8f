#include "brain/share_session.h"

#include "base/least.h"
#include "brain/share_hand.h"

#include <assert.h>
#include <stdlib.h>

/* Any odd number with many ones makes ids of one process differ, and those of two unlikely to meet. */
#define SESSION_STEP UINT64_C(0x9e3779b97f4a7c15)

static uint64_t next_session(struct share_sessions *sessions)
{
    uint64_t session = sessions->nonce + ++sessions->begun * SESSION_STEP;
    return session == 0 ? next_session(sessions) : session;
}

void share_begin(struct share *share, struct share_sessions *sessions)
{
    share->session = next_session(sessions);
    share->lease_ns = SHARE_NEVER;
    share->demand.is_new = true;
}

bool share_take_over(struct share *share, const struct share_former *former, uint64_t epoch_ms,
                     uint64_t lease_ns)
{
    assert(share->buckets == former->buckets && share->former == NULL);
    share->former = malloc(sizeof *former);
    if (share->former == NULL)
        return false;
    *share->former = *former;
    share->is_claim = false;
    share->seq = former->seq + 1;
    share->epoch_ms = epoch_ms;
    share->lease_ns = lease_ns;
    return true;
}

void share_end(struct share *share)
{
    free(share->former);
    share->former = NULL;
}

uint64_t share_kept_until_ns(uint64_t sent_ns, uint64_t ttl_ms, uint32_t keep_ms)
{
    uint64_t sure_ms = keep_ms - keep_ms / 1000;
    return sent_ns + most(ttl_ms, sure_ms) * NS_PER_MS;
}

/* What it had in hand of the first bucket; slots that leases hold are not lost with it. */
static uint64_t former_hand(const struct share *share)
{
    const struct share_former_bucket *bucket = &share->former->bucket[0];
    return bucket->granted - bucket->disposed -
           least(bucket->granted - bucket->disposed, share->bucket[0].used);
}

/* Another session begins, in which nothing is in hand. What no order has told yet goes along; what one has
 * told may be done already. */
static void begin_anew(struct share *share, struct share_sessions *sessions)
{
    for (uint32_t i = 0; i < BUCKETS_MAX; i++) {
        struct share_bucket *bucket = &share->bucket[i];
        int64_t untold = bucket->net - bucket->sent_net;
        bucket->seen_net += untold - bucket->net;
        bucket->net = untold;
        bucket->granted = bucket->used; /* which it claims */
        bucket->disposed = 0;
        bucket->sent_disposed = bucket->told_disposed = 0;
        bucket->sent_net = bucket->told_net = 0;
    }
    share_end(share);
    share->has_reset &= !share->is_reset_told;
    share->is_reset_told = false;
    share->session = next_session(sessions);
    share->is_claim = share->bucket[0].used > 0;
    share->session_buckets = 0;
    share->is_joined = false;
    share->seq = 0;
    share->lease_ns = SHARE_NEVER;
    share->kept_ns = 0;
}

void share_lose_hand(struct share *share, struct share_sessions *sessions,
                     struct fleet_counters *counters)
{
    counters->lost_tokens += share_bucket_hand(&share->bucket[0]);
    if (share->former != NULL) {
        counters->granted_tokens += former_hand(share);
        counters->lost_tokens += former_hand(share);
    }
    for (uint32_t i = 0; i < share->buckets; i++)
        share->bucket[i].others_tokens += share_bucket_out(&share->bucket[i]);
    begin_anew(share, sessions);
}

void share_expire(struct share *share, uint64_t now_ns, struct share_sessions *sessions,
                  struct fleet_counters *counters)
{
    if (now_ns >= share->lease_ns)
        share_lose_hand(share, sessions, counters);
}
