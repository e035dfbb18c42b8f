#include "brain/explain.h"

#include "base/text.h"
#include "brain/decide.h"
#include "brain/lease.h"
#include "brain/share_lists.h"
#include "brain/shares.h"

#include <string.h>

/* What the next question about a place would be. */
static struct acquire_question next_of(const struct bucket_question *ask)
{
    return (struct acquire_question){.bucket = *ask, .slots = 1, .ttl_ms = LEASE_TTL_MS};
}

static void decide_next(struct brain *brain, const struct place *place,
                        const struct bucket_question *ask, struct explain_answer *answer)
{
    const struct acquire_question next = next_of(ask);
    bool has_slots = place_allowance(brain, place)->slots > 0;
    answer->kind = has_slots ? MESSAGE_ACQUIRE : MESSAGE_ALLOW;
    if (shares_concern(brain, place)) {
        share_foresee(brain, MESSAGE_STATUS, place, &next.bucket, &answer->now);
        share_foresee(brain, answer->kind, place, &next.bucket, &answer->next);
        return;
    }
    decide_foresee(brain, MESSAGE_STATUS, place, &next.bucket, &answer->now);
    decide_foresee(brain, answer->kind, place, &next.bucket, &answer->next);
}

static void tell_queue(const struct brain *brain, const struct place *place,
                       const struct bucket_question *ask, struct explain_queue *queue)
{
    const struct holding *holding = buckets_holding(&brain->buckets, place, ask->key, ask->key_len);
    *queue = (struct explain_queue){.waiting = 0};
    if (decide_is_next(holding))
        return;
    uint64_t tick = brain->buckets.lines.tick, last = holding->tail.tick;
    queue->waiting = holding->waiters;
    queue->promised_tokens = holding->promised.tokens;
    queue->promised_slots = holding->promised.slots;
    queue->last_after_ms = last == TICK_NEVER ? RETRY_NEVER
                           : last <= tick     ? 0
                                              : (last - tick) * brain->limits->tick_ms;
}

static void tell_leases(const struct brain *brain, const struct place *place,
                        const struct bucket_question *ask, struct explain_leases *told)
{
    const struct leases *leases = &brain->leases;
    const struct lease_key *key = leases_of_key(leases, place->hash, ask->key, ask->key_len);
    *told = (struct explain_leases){.end_after_ms = RETRY_NEVER};
    if (key == NULL || leases_key_held(leases, key) == 0)
        return;
    told->held = leases_key_held(leases, key);
    told->slots = leases_key_slots(leases, key);
    told->end_after_ms = decide_ms_until_end(brain, key->next_end_ns);
}

static bool is_about(const struct event *event, const struct limit *limit,
                     const struct bucket_question *ask)
{
    return event->key != NULL && event->key_len == ask->key_len && event->limit != NULL &&
           memcmp(event->key, ask->key, ask->key_len) == 0 &&
           text_is(event->limit, event->limit_len, limit->name);
}

static void tell_events(const struct brain *brain, const struct limit *limit,
                        const struct bucket_question *ask, struct explain_answer *answer)
{
    const struct events *events = &brain->events;
    uint64_t number = events->ring.newest, first = events_first_kept(events);
    answer->events_are_kept = events->keep > 0;
    answer->boot = events->boot;
    answer->events_looked = answer->events_count = 0;
    answer->events_bytes = 0;
    for (; answer->events_are_kept && number >= first && number > 0; number--) {
        const void *record = event_ring_record(&events->ring, number);
        struct event event;
        size_t len = event_unpack(record, &event);
        if (answer->events_looked == EXPLAIN_EVENTS_LOOKS)
            return;
        answer->events_looked++;
        if (!is_about(&event, limit, ask))
            continue;
        memcpy(answer->events + answer->events_bytes, record, len);
        answer->events_bytes += len;
        if (++answer->events_count == EXPLAIN_EVENTS_MAX)
            return;
    }
}

void explain_answer(struct brain *brain, struct message *message)
{
    const struct bucket_question *ask = &message->ask.bucket;
    struct explain_answer *answer = message->answer.explain;
    const struct place place = buckets_place(&brain->buckets, brain->limits, ask);
    if (place.limit < 0) {
        answer->next.result = BUCKET_NO_SUCH_LIMIT;
        return;
    }
    if (lease_ends_are_due(brain))
        lease_settle(brain, &place, ask);
    answer->limits = brain->limits;
    answer->date_s = brain->buckets.lines.date_s;
    decide_next(brain, &place, ask, answer);
    tell_queue(brain, &place, ask, &answer->queue);
    tell_leases(brain, &place, ask, &answer->leases);
    tell_events(brain, answer->next.limit, ask, answer);
}
