#include "brain/share_resume.h"

#include "brain/orders.h"
#include "brain/share_hand.h"
#include "brain/share_places.h"

/* What a session had to tell that the store never knew. */
static void tell(struct share *share, const struct share_record_totals totals[])
{
    for (uint32_t i = 0; i < share->buckets; i++)
        share->bucket[i].net = totals[i].net;
}

/* Slots that leases hold are the former session's, so it is taken over only if all leases are known that it had. */
static bool are_leases_known(const struct brain *brain)
{
    return !brain->leases.owns_records && brain->damaged_leases == 0;
}

/* Whether a share has just begun. */
static bool is_new(const struct share *share)
{
    return share->former == NULL && !share_has_news(share);
}

/* Makes a share that takes over the session of a record, if it is one of this brain's limits. */
static void take_over(struct brain *brain, const struct share_record_terms *terms,
                      uint64_t epoch_ms, uint64_t lease_ns, uint64_t seq,
                      const struct share_record_totals totals[])
{
    const struct bucket_question ask = {
        .key = terms->key,
        .key_len = terms->key_len,
        .limit_name = terms->name,
        .limit_name_len = terms->name_len,
    };
    const struct place place = buckets_place(&brain->buckets, brain->limits, &ask);
    if (place.limit < 0 || !brain->limits->limit[place.limit].is_fleet ||
        (terms->has_slots && !are_leases_known(brain)))
        return;
    struct share *share = share_make_at(brain, &place, &ask, false);
    if (share == NULL || !is_new(share) || share->buckets != terms->buckets ||
        share->has_slots != terms->has_slots)
        return;
    if (!terms->is_joined) {
        tell(share, totals);
        orders_see(brain, share);
        return;
    }
    struct share_former former = {.session = terms->session, .seq = seq, .buckets = terms->buckets};
    for (uint32_t i = 0; i < terms->buckets; i++)
        former.bucket[i] = (struct share_former_bucket){
            .granted = totals[i].granted,
            .disposed = totals[i].disposed,
            .net = totals[i].net,
        };
    brain->shares.resumed += share_take_over(share, &former, epoch_ms, lease_ns);
    orders_see(brain, share);
}

static void take_over_all(struct brain *brain, const struct share_records *records)
{
    struct share_record_terms terms;
    struct share_record_totals totals[BUCKETS_MAX];
    uint64_t epoch_ms, lease_ns, seq;
    for (uint32_t i = 0; i < share_records_used(records); i++)
        if (share_record_read(records, i, &terms, &epoch_ms, &lease_ns, &seq, totals) &&
            lease_ns > brain->now_ns)
            take_over(brain, &terms, epoch_ms, lease_ns, seq, totals);
}

bool share_resume(struct brain *brain, const struct share_records *records, uint64_t home,
                  const uint8_t clock_id[16])
{
    if (share_records_are_of(records, home, clock_id))
        take_over_all(brain, records);
    return share_keep_begin(&brain->shares.keeping, records, home, clock_id);
}
