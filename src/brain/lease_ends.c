#include "brain/lease_ends.h"

#include "brain/decide.h"
#include "brain/shares.h"

#include <string.h>

/* The limit whose leases have this salt: its index, or -1: it is gone. */
static int limit_of(const struct brain *brain, uint64_t salt)
{
    const struct lines *lines = &brain->buckets.lines;
    for (uint32_t i = 0; i < lines->count; i++)
        if (lines->edition[lines->of_limit[i]].salt == salt)
            return (int)i;
    return -1;
}

const struct limit *lease_limit_of(const struct brain *brain, uint64_t salt)
{
    int limit = limit_of(brain, salt);
    return limit < 0 ? NULL : &brain->limits->limit[limit];
}

struct lease_target lease_target_of(const struct brain *brain, const struct lease_key *key)
{
    struct lease_target target = {.limit = NULL};
    int limit = limit_of(brain, key->salt);
    if (limit < 0)
        return target;
    target.limit = &brain->limits->limit[limit];
    target.ask = (struct bucket_question){
        .key = key->key,
        .key_len = key->key_len,
        .limit_name = target.limit->name,
        .limit_name_len = strlen(target.limit->name),
    };
    target.place = buckets_place(&brain->buckets, brain->limits, &target.ask);
    target.place.hash = key->hash; /* where limits are not installed yet it has no salt */
    return target;
}

void lease_give_back(struct brain *brain, const struct lease_target *target, uint64_t tokens)
{
    const struct bucket_question *ask = &target->ask;
    uint64_t marks[BUCKETS_MAX];
    uint32_t slot = buckets_find(&brain->buckets, &target->place, ask);
    if (slot == TABLE_NONE)
        return;
    buckets_marks(&brain->buckets, &target->place, ask, slot, marks);
    decide_give(brain, &target->place,
                buckets_holding(&brain->buckets, &target->place, ask->key, ask->key_len), tokens,
                marks);
    buckets_store(&brain->buckets, &target->place, ask, slot, marks);
}

static void apply(struct brain *brain, struct lease_key *key)
{
    uint64_t tokens = leases_key_settle(&brain->leases, key);
    const struct lease_target target = lease_target_of(brain, key);
    if (target.limit == NULL)
        return;
    uint64_t returned = target.limit->returns_on_expiry ? tokens : 0;
    counters_add(&brain->counters.returned_tokens, returned);
    lease_give_back(brain, &target, returned);
    if (target.limit->is_fleet)
        shares_slots_ended(brain, &target.place, &target.ask);
}

bool lease_ends_apply(struct brain *brain, uint64_t hash, const char *key, size_t key_len)
{
    struct lease_key *found = leases_of_key(&brain->leases, hash, key, key_len);
    if (found == NULL || found->next_end_ns > brain->leases.now_ns)
        return false;
    apply(brain, found);
    return true;
}
