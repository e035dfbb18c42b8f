#include "brain/share_places.h"

#include "brain/orders.h"
#include "brain/place_terms.h"
#include "brain/share_hand.h"
#include "brain/share_keep.h"
#include "brain/share_slots.h"
#include "brain/share_terms.h"

#include <assert.h>

enum { EVICTION_PROBES = 16 }; /* slots of the index that are looked through to find room */

void share_set_terms_at(struct brain *brain, const struct place *place, struct share *share)
{
    share_set_terms(share, place_allowance(brain, place),
                    brain_fleet_terms(brain)->outstanding_percent, &brain->shares.sessions,
                    brain_fleet_counters(brain));
    share_slots_count(brain, share);
}

void share_forget(struct brain *brain, struct share *share)
{
    brain_fleet_counters(brain)->lost_tokens += share_bucket_hand(&share->bucket[0]);
    share_keep_forget(&brain->shares.keeping, share);
    share_book_drop(&brain->shares, share);
}

/* Whether a share may be forgotten to make room for another: it loses what is in hand, but no message. */
static bool can_go(struct brain *brain, struct share *share, bool may_evict)
{
    return orders_need_no_share(brain, share) ||
           (may_evict && !share->is_away && !share->is_ready && !share->is_left &&
            share->waiting == 0 && share->bucket[0].used == 0 && share->former == NULL &&
            !share_has_news(share));
}

/* Looks at a few shares, from the newcomer's own place on, which the keyed hash makes a random one. */
static bool make_room(struct brain *brain, uint64_t hash, bool may_evict)
{
    struct shares *shares = &brain->shares;
    if (shares->count < brain->buckets.table.max_keys)
        return true;
    uint64_t from = share_book_slot(shares, hash), slots = share_book_slots(shares);
    assert(slots > 0);
    for (uint64_t i = 0; i < EVICTION_PROBES; i++)
        for (struct share *share = shares->index[(from + i) % slots]; share != NULL;
             share = share->next)
            if (can_go(brain, share, may_evict)) {
                share_forget(brain, share);
                brain->counters.evicted++;
                return true;
            }
    return false;
}

struct share *share_make_at(struct brain *brain, const struct place *place,
                            const struct bucket_question *ask, bool may_evict)
{
    struct share *share = share_at(brain, place, ask);
    if (share != NULL || !make_room(brain, place->hash, may_evict))
        return share;
    share = share_book_make(&brain->shares, place->hash, place_limit(brain, place)->name, ask->key,
                            ask->key_len);
    if (share == NULL)
        return NULL;
    share_set_terms_at(brain, place, share);
    share->is_cut = share_book_is_cut(&brain->shares);
    brain->shares.cut_count += share->is_cut;
    share->used_ns = share->apart_ns = brain->now_ns;
    return share;
}

bool share_place(const struct brain *brain, const struct share *share, struct place *place)
{
    const struct bucket_question ask = {
        .key = share->key,
        .key_len = share->key_len,
        .limit_name = share->name,
        .limit_name_len = share->name_len,
    };
    *place = buckets_place(&brain->buckets, brain->limits, &ask);
    return place->limit >= 0 && place_limit(brain, place)->is_fleet;
}
