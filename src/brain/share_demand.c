#include "brain/share_demand.h"

#include "base/least.h"

typedef __int128 i128;

/* What a horizon wants by what has come in the first part of one. A few questions that come together may be
 * all that come for a while; the more there are, the shorter a time is believed. */
static uint64_t extrapolated(const struct share_demand *demand, uint64_t elapsed_ns,
                             uint64_t horizon_ns, uint64_t interval_ns)
{
    enum { BELIEVED = 8 };
    uint64_t questions = least(demand->questions, BELIEVED);
    uint64_t least_ns = least(interval_ns, horizon_ns) / (questions == 0 ? 1 : questions);
    if (elapsed_ns < least_ns)
        elapsed_ns = least_ns;
    return elapsed_ns == 0 ? demand->recent
                           : (uint64_t)((i128)demand->recent * horizon_ns / elapsed_ns);
}

uint64_t share_wanted(struct share *share, uint64_t now_ns, const struct fleet_terms *terms)
{
    struct share_demand *demand = &share->demand;
    uint64_t horizon_ns = terms->horizon_ms * NS_PER_MS;
    uint64_t elapsed_ns = now_ns - demand->window_ns;
    if (demand->is_new)
        return 0;
    if (elapsed_ns >= horizon_ns) {
        demand->previous = (uint64_t)((i128)demand->recent * horizon_ns / elapsed_ns);
        demand->is_new = demand->recent == 0;
        demand->recent = demand->questions = 0;
        demand->window_ns = now_ns;
        return demand->previous;
    }
    if (demand->previous == 0)
        return extrapolated(demand, elapsed_ns, horizon_ns, terms->min_interval_ms * NS_PER_MS);
    return demand->recent +
           (uint64_t)((i128)demand->previous * (horizon_ns - elapsed_ns) / horizon_ns);
}
