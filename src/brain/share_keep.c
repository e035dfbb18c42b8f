#include "brain/share_keep.h"

#include <stdlib.h>
#include <string.h>

static void free_record(struct share_keeping *keeping, uint32_t number)
{
    share_record_free(&keeping->records, number);
    keeping->free_number[keeping->free++] = number;
}

static struct share_record_totals totals_of(const struct share *share, uint32_t index)
{
    const struct share_bucket *bucket = &share->bucket[index];
    return (struct share_record_totals){bucket->granted, bucket->disposed, bucket->net};
}

/* Gives a share a record, if there is one left. */
static void begin(struct share_keeping *keeping, struct share *share)
{
    struct share_record_terms terms = {
        .session = share->session,
        .buckets = (uint8_t)share->buckets,
        .has_slots = share->has_slots,
        .is_joined = share->is_joined,
        .name_len = share->name_len,
        .key_len = share->key_len,
    };
    struct share_record_totals totals[BUCKETS_MAX];
    uint32_t number = keeping->free_number[--keeping->free];
    memcpy(terms.name, share->name, share->name_len);
    memcpy(terms.key, share->key, share->key_len);
    for (uint32_t i = 0; i < share->buckets; i++)
        totals[i] = totals_of(share, i);
    share_record_begin(&keeping->records, number, &terms, share->epoch_ms, share->lease_ns,
                       share->seq, totals);
    share->kept = (struct share_kept){
        .record = &keeping->records.record[number],
        .number = number,
        .session = share->session,
        .buckets = share->buckets,
        .has_slots = share->has_slots,
        .is_joined = share->is_joined,
    };
}

static void update(const struct share_keeping *keeping, const struct share *share)
{
    for (uint32_t i = 0; i < share->buckets; i++) {
        const struct share_record_totals totals = totals_of(share, i);
        share_record_put_totals(&keeping->records, share->kept.number, i, &totals);
    }
    share_record_put_lease(&keeping->records, share->kept.number, share->lease_ns);
    share_record_put_seq(&keeping->records, share->kept.number, share->seq);
}

static bool is_same(const struct share *share)
{
    const struct share_kept *kept = &share->kept;
    return !share->is_released && kept->session == share->session &&
           kept->buckets == share->buckets && kept->has_slots == share->has_slots &&
           kept->is_joined == share->is_joined;
}

/* Whether there is anything with which another process could go on. A session that is ending may have ended:
 * to a record that was full without it and is gone, one that comes back would look as if the record had been
 * evicted, and it would begin empty. */
static bool is_worth_it(const struct share *share)
{
    bool is_worth_it = false;
    if (share->is_released)
        return false;
    for (uint32_t i = 0; i < share->buckets; i++)
        is_worth_it |=
            (share->is_joined && share->bucket[i].granted > 0) || share->bucket[i].net != 0;
    return is_worth_it;
}

/* The next record is there before the one before is free: of two of a key one counts. */
void share_keep(struct share_keeping *keeping, struct share *share)
{
    const struct share_kept before = share->kept;
    if (before.record != NULL && is_same(share)) {
        update(keeping, share);
        return;
    }
    share->kept = (struct share_kept){0};
    if (keeping->free > 0 && is_worth_it(share))
        begin(keeping, share);
    if (before.record != NULL)
        free_record(keeping, before.number);
}

void share_keep_forget(struct share_keeping *keeping, struct share *share)
{
    if (share->kept.record != NULL)
        free_record(keeping, share->kept.number);
    share->kept = (struct share_kept){0};
}

bool share_keep_begin(struct share_keeping *keeping, const struct share_records *records,
                      uint64_t home, const uint8_t clock_id[16])
{
    uint32_t *numbers = malloc(SHARE_RECORDS_MAX * sizeof *numbers);
    if (numbers == NULL)
        return false;
    share_records_blank(records, home, clock_id);
    for (uint32_t i = 0; i < SHARE_RECORDS_MAX; i++)
        numbers[i] = SHARE_RECORDS_MAX - 1 - i;
    *keeping = (struct share_keeping){
        .records = *records,
        .free_number = numbers,
        .free = SHARE_RECORDS_MAX,
    };
    return true;
}

void share_keep_release(struct share_keeping *keeping)
{
    free(keeping->free_number);
}
