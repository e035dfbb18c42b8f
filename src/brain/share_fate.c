#include "brain/share_fate.h"

#include "brain/orders.h"
#include "brain/share_apart.h"
#include "brain/share_estimate.h"

struct share_fate share_fate_apart(struct brain *brain, struct share *share, uint64_t tokens)
{
    const struct fleet_terms *terms = brain_fleet_terms(brain);
    struct share_fate fate = {BUCKET_DENIED, true};
    brain_fleet_counters(brain)->partitioned++;
    if (share->has_slots)
        return fate;
    switch (terms->on_partition) {
    case FLEET_PARTITION_DENY:
        break;
    case FLEET_PARTITION_SHARE:
        if (share_spend_apart(share, tokens, brain->now_ns, terms->sidecars))
            fate.result = BUCKET_ALLOWED;
        break;
    case FLEET_PARTITION_ALLOW:
        fate.result = BUCKET_UNCOUNTED;
        break;
    }
    return fate;
}

bool share_is_overdue(const struct brain *brain, const struct share *share)
{
    return share->is_away &&
           brain->now_ns >= share->sent_ns + brain_fleet_terms(brain)->cold_wait_ms * NS_PER_MS;
}

uint64_t share_come_ns(const struct brain *brain, const struct share *share, uint64_t tokens)
{
    if (!share->is_known)
        return share->next_ns;
    uint64_t ready_ns = share_ready_ns(share, tokens, brain->now_ns);
    uint64_t looked_at_ns = share->seen_ns + ORDERS_RETRY_MS * NS_PER_MS;
    if (share->has_slots && ready_ns > looked_at_ns)
        ready_ns = looked_at_ns;
    return ready_ns > share->hold_ns ? ready_ns : share->hold_ns;
}

bool share_waits(struct brain *brain, const struct place *place, struct share *share,
                 const struct message *message, uint64_t behind, struct share_fate *fate)
{
    const struct fleet_terms *terms = brain_fleet_terms(brain);
    const struct bucket_question *ask = &message->ask.bucket;
    uint64_t deadline_ns = message->waiter.deadline_ns, now_ns = brain->now_ns;
    uint64_t tokens = orders_tokens(message);
    uint64_t come_ns = share_come_ns(brain, share, behind + tokens);
    uint64_t may_ns = orders_may_go_ns(brain, share);
    bool is_on_trial = place_limit(brain, place)->shadow;
    bool is_cut =
        orders_are_cut(brain, share) || brain->shares.ending != NULL || brain->shares.has_ended;
    *fate = (struct share_fate){BUCKET_DENIED, false};
    uint64_t done_ns = share->has_slots ? now_ns + 1 : come_ns > may_ns ? come_ns : may_ns;
    if (ask->wait_ms > 0 && !is_on_trial && !brain->shares.has_ended && done_ns <= deadline_ns)
        return true;
    if (is_cut || share_is_overdue(brain, share)) {
        *fate = share_fate_apart(brain, share, tokens);
        return false;
    }
    if (come_ns > now_ns)
        return false;
    if (is_on_trial || (terms->cold == FLEET_COLD_ALLOW && !share->has_slots)) {
        *fate = (struct share_fate){BUCKET_UNCOUNTED, true};
        return false;
    }
    return terms->cold != FLEET_COLD_DENY && may_ns <= deadline_ns;
}
