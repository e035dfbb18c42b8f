#include "brain/share_queue.h"

#include "brain/events.h"
#include "brain/lease_tell.h"
#include "brain/orders.h"
#include "brain/share_finish.h"
#include "brain/share_hand.h"
#include "brain/share_places.h"
#include "brain/share_slots.h"

void share_queue_join(struct brain *brain, struct share *share, struct message *message)
{
    struct waiter *waiter = &message->waiter;
    waiter->share = share;
    waiter->after = NULL;
    waiter->before = share->last;
    if (share->last == NULL)
        share->first = waiter;
    else
        share->last->after = waiter;
    share->last = waiter;
    share->waiting++;
    share->waiting_tokens += orders_tokens(message);
    waiter->due_ns = waiter->deadline_ns;
    wait_heap_add(&brain->shares.waiters, waiter);
    brain->counters.waiting++;
}

void share_queue_part(struct brain *brain, struct waiter *waiter)
{
    struct share *share = waiter->share;
    *(waiter->before == NULL ? &share->first : &waiter->before->after) = waiter->after;
    *(waiter->after == NULL ? &share->last : &waiter->after->before) = waiter->before;
    share->waiting--;
    share->waiting_tokens -= orders_tokens(message_of_waiter(waiter));
    waiter->share = NULL;
    wait_heap_remove(&brain->shares.waiters, waiter);
    brain->counters.waiting--;
}

/* Counts one that had asked to wait. */
static void count_wait(struct brain *brain, struct message *message, enum bucket_result result)
{
    struct bucket_answer *answer = &message->answer.bucket;
    uint64_t waited_ns = brain->now_ns - message->waiter.asked_ns;
    answer->has_waited = true;
    answer->waited_ms = waited_ns / NS_PER_MS;
    if (bucket_result_allows(result))
        meters_waited(&brain->meters, waited_ns);
    if (bucket_result_allows(result) || result == BUCKET_WAIT_OVER)
        events_waited(brain, &message->ask.bucket, answer->limit, answer->waited_ms,
                      result == BUCKET_WAIT_OVER);
    brain->counters.waits_left += result == BUCKET_LEFT;
    brain->counters.waits_denied += bucket_answer_denies(answer);
}

bool share_may_wait(const struct message *message)
{
    return message->kind == MESSAGE_ALLOW || message->kind == MESSAGE_ACQUIRE;
}

void share_send_home(struct brain *brain, struct message *message)
{
    if (message->once != NULL)
        once_end(&brain->once, message, brain->limits, brain->now_ns);
    message_hold(message, brain->limits);
    chain_add(&brain->released, &message->letter);
}

/* ---- renewals ---- */

/* Whether the store keeps the session for as long as a RENEW asks. */
static bool is_covered(const struct brain *brain, const struct share *share, uint32_t number,
                       const struct lease_question *ask)
{
    uint64_t ttl_ms = lease_asked_ttl_ms(brain, number, ask);
    return share_slots_do(share, 0, brain->now_ns + ttl_ms * NS_PER_MS);
}

uint32_t share_find_held(const struct brain *brain, const struct lease_question *ask)
{
    uint32_t number = leases_find(&brain->leases, &ask->id);
    bool is_held = number != LEASE_NONE_NUMBER && brain->leases.lease[number].state == LEASE_HELD &&
                   !leases_has_ended(&brain->leases, number);
    return is_held ? number : LEASE_NONE_NUMBER;
}

bool share_renewal_waits_on(const struct brain *brain, const struct share *share,
                            const struct message *message)
{
    uint32_t number = share_find_held(brain, &message->ask.lease);
    return number != LEASE_NONE_NUMBER && !is_covered(brain, share, number, &message->ask.lease) &&
           !orders_are_cut(brain, share) && brain->shares.ending == NULL;
}

enum lease_state share_renew_if_covered(struct brain *brain, struct share *share, uint32_t number,
                                        const struct lease_question *ask)
{
    if (!is_covered(brain, share, number, ask))
        return LEASE_UNRENEWED;
    lease_renew(brain, number, ask);
    share_slots_count(brain, share);
    return LEASE_HELD;
}

/* Answers a RENEW that has waited. What became meanwhile of a lease that is not held any more is told by the
 * next one. */
static void end_renewal(struct brain *brain, struct share *share, struct message *message)
{
    struct lease_answer *answer = &message->answer.lease;
    uint32_t number = share_find_held(brain, &message->ask.lease);
    struct place place;
    *answer = (struct lease_answer){.state = LEASE_NONE, .key = answer->key};
    if (number != LEASE_NONE_NUMBER && share_place(brain, share, &place))
        lease_describe(brain, number,
                       share_renew_if_covered(brain, share, number, &message->ask.lease),
                       place_limit(brain, &place), answer);
    share_send_home(brain, message);
}

/* ---- serving ---- */

void share_queue_release(struct brain *brain, struct share *share, struct message *message,
                         uint64_t behind, struct share_fate fate)
{
    if (message->kind == MESSAGE_RENEW) {
        end_renewal(brain, share, message);
        return;
    }
    const struct place place = buckets_place(&brain->buckets, brain->limits, &message->ask.bucket);
    if (place.limit < 0)
        message->answer.bucket.result = BUCKET_NO_SUCH_LIMIT;
    else if (message->kind == MESSAGE_STATUS)
        share_finish_done(brain, &place, share, message, BUCKET_ALLOWED);
    else
        share_finish(brain, &place, share, message, behind, fate);
    if (place.limit >= 0 && message->ask.bucket.wait_ms > 0 && share_may_wait(message))
        count_wait(brain, message, fate.result);
    share_send_home(brain, message);
}

bool share_lend(struct brain *brain, const struct place *place, struct share *share,
                const struct acquire_question *acquire, struct share_fate *fate)
{
    if (!share_slots_do(share, acquire->slots, brain->now_ns + acquire->ttl_ms * NS_PER_MS))
        return false;
    bool is_held = decide_hold_lease(brain, place, acquire);
    *fate = (struct share_fate){is_held ? BUCKET_ALLOWED : BUCKET_TOO_MANY_LEASES, false};
    share_slots_count(brain, share);
    return true;
}

/* Takes what a message wants out of the hand. */
static bool take(struct brain *brain, const struct place *place, struct share *share,
                 const struct message *message, struct share_fate *fate)
{
    if (message->kind == MESSAGE_ACQUIRE)
        return share_lend(brain, place, share, &message->ask.acquire, fate);
    if (orders_tokens(message) > share_hand(share))
        return false;
    share_spend(share, orders_tokens(message), brain_fleet_counters(brain));
    return true;
}

/* What one who waits is told now. true: it waits on. */
static bool waits_on(struct brain *brain, struct share *share, const struct message *message,
                     uint64_t behind, struct share_fate *fate)
{
    *fate = (struct share_fate){BUCKET_ALLOWED, false};
    if (message->kind == MESSAGE_STATUS)
        return !share->is_known && !orders_are_cut(brain, share) && !brain->shares.has_ended;
    if (message->kind == MESSAGE_RENEW)
        return share_renewal_waits_on(brain, share, message);
    const struct place place = buckets_place(&brain->buckets, brain->limits, &message->ask.bucket);
    if (behind == 0 && take(brain, &place, share, message, fate))
        return false;
    return share_waits(brain, &place, share, message, behind, fate);
}

void share_queue_serve(struct brain *brain, struct share *share)
{
    uint64_t behind = 0;
    for (struct waiter *waiter = share->first, *after; waiter != NULL; waiter = after) {
        struct message *message = message_of_waiter(waiter);
        struct share_fate fate;
        after = waiter->after;
        if (waits_on(brain, share, message, behind, &fate)) {
            behind += orders_tokens(message);
            continue;
        }
        share_queue_part(brain, waiter);
        share_queue_release(brain, share, message, behind, fate);
    }
}

static bool are_too_many(const struct brain *brain, const struct share *share)
{
    const struct waiting_terms *terms = &brain->limits->waiting;
    return brain->waiters.count + brain->shares.waiters.count >= terms->max_waiting ||
           share->waiting >= terms->per_key;
}

bool share_queue_park(struct brain *brain, struct share *share, struct message *message)
{
    if (are_too_many(brain, share) || !wait_heap_reserve(&brain->shares.waiters))
        return false;
    message->waiter.number = brain->shares.waiters_begun++;
    share_queue_join(brain, share, message);
    brain_fleet_counters(brain)->cold_waits++;
    orders_see(brain, share);
    return true;
}

void share_queue_begin_wait(const struct brain *brain, struct message *message)
{
    uint64_t wait_ms = share_may_wait(message) ? message->ask.bucket.wait_ms : 0;
    uint64_t cold_ms = brain_fleet_terms(brain)->cold_wait_ms;
    message->waiter.asked_ns = brain->now_ns;
    message->waiter.deadline_ns =
        brain->now_ns + (wait_ms > cold_ms ? wait_ms : cold_ms) * NS_PER_MS;
}
