#include "brain/shares.h"

#include "brain/decide.h"
#include "brain/events.h"
#include "brain/lease_tell.h"
#include "brain/orders.h"
#include "brain/share_answer.h"
#include "brain/share_demand.h"
#include "brain/share_estimate.h"
#include "brain/share_fate.h"
#include "brain/share_hand.h"
#include "brain/share_keep.h"
#include "brain/share_order.h"
#include "brain/share_places.h"
#include "brain/share_slots.h"

static const struct fleet_terms *terms_of(const struct brain *brain)
{
    return &brain->limits->fleet;
}

static struct fleet_counters *counters_of(struct brain *brain)
{
    return &brain->shares.counters;
}

/* ---- the queue ---- */

static void join(struct brain *brain, struct share *share, struct message *message)
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

static void part(struct brain *brain, struct waiter *waiter)
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

/* ---- answering ---- */

static void describe(const struct brain *brain, const struct place *place,
                     const struct share *share, const struct message *message, uint64_t behind,
                     struct share_fate fate, struct bucket_answer *answer)
{
    bool has_slots = message->kind == MESSAGE_ACQUIRE;
    uint64_t tokens = has_slots ? message->ask.acquire.slots : message->ask.bucket.tokens;
    share_describe(brain, place, share, (struct share_told){tokens, behind, fate}, answer);
}

/* The same of what was done, or could not be, whatever the hand holds. */
static void describe_done(const struct brain *brain, const struct place *place,
                          const struct share *share, const struct message *message,
                          enum bucket_result result)
{
    struct bucket_answer *answer = (struct bucket_answer *)&message->answer.bucket;
    describe(brain, place, share, message, 0, (struct share_fate){result, false}, answer);
}

static void tally(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                  struct demand demand, struct bucket_answer *answer)
{
    decide_count(brain, place, ask, answer, bucket_answer_allows(answer));
    events_allowed(brain, place, ask, demand, answer);
}

/* Describes and counts an ALLOW or ACQUIRE of which it is known what becomes of it. */
static void finish(struct brain *brain, const struct place *place, const struct share *share,
                   struct message *message, uint64_t behind, struct share_fate fate)
{
    const struct bucket_question *ask = &message->ask.bucket;
    const struct acquire_question *acquire = acquire_of(message->kind, ask);
    struct bucket_answer *answer = &message->answer.bucket;
    if (acquire != NULL)
        fate.result = decide_lease(brain, place, acquire, fate.result);
    describe(brain, place, share, message, behind, fate, answer);
    if (fate.result == BUCKET_LEFT)
        return;
    if (acquire != NULL)
        decide_describe_lease(brain, acquire, answer);
    tally(brain, place, ask, demand_by(message->kind, ask), answer);
    brain->counters.too_many_waiting += fate.result == BUCKET_TOO_MANY_WAITING;
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

static bool may_wait(const struct message *message)
{
    return message->kind == MESSAGE_ALLOW || message->kind == MESSAGE_ACQUIRE;
}

static void send_home(struct brain *brain, struct message *message)
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

/* The number of a lease that is held, or LEASE_NONE_NUMBER. */
static uint32_t find_held(const struct brain *brain, const struct lease_question *ask)
{
    uint32_t number = leases_find(&brain->leases, &ask->id);
    bool is_held = number != LEASE_NONE_NUMBER && brain->leases.lease[number].state == LEASE_HELD &&
                   !leases_has_ended(&brain->leases, number);
    return is_held ? number : LEASE_NONE_NUMBER;
}

static bool renewal_waits_on(const struct brain *brain, const struct share *share,
                             const struct message *message)
{
    uint32_t number = find_held(brain, &message->ask.lease);
    return number != LEASE_NONE_NUMBER && !is_covered(brain, share, number, &message->ask.lease) &&
           !orders_are_cut(brain, share) && brain->shares.ending == NULL;
}

/* Renews a lease that is held, if the store knows of it. */
static enum lease_state renew_if_covered(struct brain *brain, struct share *share, uint32_t number,
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
    uint32_t number = find_held(brain, &message->ask.lease);
    struct place place;
    *answer = (struct lease_answer){.state = LEASE_NONE, .key = answer->key};
    if (number != LEASE_NONE_NUMBER && share_place(brain, share, &place))
        lease_describe(brain, number, renew_if_covered(brain, share, number, &message->ask.lease),
                       place_limit(brain, &place), answer);
    send_home(brain, message);
}

/* Answers one that has waited and is in no queue any more. */
static void release(struct brain *brain, struct share *share, struct message *message,
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
        describe_done(brain, &place, share, message, BUCKET_ALLOWED);
    else
        finish(brain, &place, share, message, behind, fate);
    if (place.limit >= 0 && message->ask.bucket.wait_ms > 0 && may_wait(message))
        count_wait(brain, message, fate.result);
    send_home(brain, message);
}

/* Lends slots for an ACQUIRE, if they are in hand and the store keeps them for long enough. */
static bool lend(struct brain *brain, const struct place *place, struct share *share,
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
        return lend(brain, place, share, &message->ask.acquire, fate);
    if (orders_tokens(message) > share_hand(share))
        return false;
    share_spend(share, orders_tokens(message), counters_of(brain));
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
        return renewal_waits_on(brain, share, message);
    const struct place place = buckets_place(&brain->buckets, brain->limits, &message->ask.bucket);
    if (behind == 0 && take(brain, &place, share, message, fate))
        return false;
    return share_waits(brain, &place, share, message, behind, fate);
}

/* Goes through the queue of a share, whose hand or record has changed: in order, each is let go, waits on, or is
 * told that it would wait in vain. */
static void serve(struct brain *brain, struct share *share)
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
        part(brain, waiter);
        release(brain, share, message, behind, fate);
    }
}

/* ---- asking ---- */

static bool are_too_many(const struct brain *brain, const struct share *share)
{
    const struct waiting_terms *terms = &brain->limits->waiting;
    return brain->waiters.count + brain->shares.waiters.count >= terms->max_waiting ||
           share->waiting >= terms->per_key;
}

/* Has a question wait for an order. false: it cannot. */
static bool park(struct brain *brain, struct share *share, struct message *message)
{
    if (are_too_many(brain, share) || !wait_heap_reserve(&brain->shares.waiters))
        return false;
    message->waiter.number = brain->shares.waiters_begun++;
    join(brain, share, message);
    counters_of(brain)->cold_waits++;
    orders_see(brain, share);
    return true;
}

static void begin_wait(const struct brain *brain, struct message *message)
{
    uint64_t wait_ms = may_wait(message) ? message->ask.bucket.wait_ms : 0;
    uint64_t cold_ms = terms_of(brain)->cold_wait_ms;
    message->waiter.asked_ns = brain->now_ns;
    message->waiter.deadline_ns =
        brain->now_ns + (wait_ms > cold_ms ? wait_ms : cold_ms) * NS_PER_MS;
}

/* Somebody was refused so many tokens. Whether that is more than was refused since the last order: else it is
 * seen to already. */
static bool miss(struct share *share, uint64_t tokens)
{
    bool is_more = share->missed_tokens < tokens;
    if (is_more)
        share->missed_tokens = tokens;
    return is_more;
}

/* ALLOW or ACQUIRE that the hand is not enough for, or that is behind others. */
static bool allow_cold(struct brain *brain, const struct place *place, struct share *share,
                       struct message *message)
{
    struct share_fate fate;
    begin_wait(brain, message);
    if (share_waits(brain, place, share, message, share->waiting_tokens, &fate)) {
        if (park(brain, share, message))
            return false;
        fate.result = BUCKET_TOO_MANY_WAITING;
    }
    if (miss(share, orders_tokens(message)))
        orders_see(brain, share);
    finish(brain, place, share, message, share->waiting_tokens, fate);
    return true;
}

static void refuse_for_room(struct brain *brain, const struct place *place, struct message *message)
{
    bool allows = brain->when_full == WHEN_FULL_ALLOW;
    finish(brain, place, NULL, message, 0,
           (struct share_fate){allows ? BUCKET_UNCOUNTED : BUCKET_TABLE_FULL, false});
}

/* ALLOW. Mostly the tokens are in hand. */
static bool allow(struct brain *brain, const struct place *place, const struct place_terms *terms,
                  struct message *message)
{
    const struct bucket_question *ask = &message->ask.bucket;
    struct share *share = share_at(brain, place, ask);
    enum bucket_result result = share_result_without_hand(terms, ask->tokens);
    if (result != BUCKET_DENIED) {
        finish(brain, place, share, message, 0, (struct share_fate){result, false});
        return true;
    }
    if (share == NULL && (share = share_find_or_make(brain, place, ask)) == NULL) {
        refuse_for_room(brain, place, message);
        return true;
    }
    share_ask(share, ask->tokens, brain->now_ns);
    uint64_t hand = share_hand(share);
    if (share->first != NULL || ask->tokens > hand)
        return allow_cold(brain, place, share, message);
    share_spend(share, ask->tokens, counters_of(brain));
    if (hand - ask->tokens < share->low_tokens)
        orders_see(brain, share);
    share_describe_spent(brain, place, terms, share, &message->answer.bucket);
    tally(brain, place, ask, (struct demand){ask->tokens, 0}, &message->answer.bucket);
    return true;
}

/* ---- slots ---- */

static bool acquire_slots(struct brain *brain, const struct place *place,
                          const struct place_terms *terms, struct message *message)
{
    const struct acquire_question *ask = &message->ask.acquire;
    struct share_fate fate = {share_result_without_hand(terms, ask->slots), false};
    if (fate.result != BUCKET_DENIED) {
        finish(brain, place, share_at(brain, place, &ask->bucket), message, 0, fate);
        return true;
    }
    struct share *share = share_find_or_make(brain, place, &ask->bucket);
    if (share == NULL) {
        refuse_for_room(brain, place, message);
        return true;
    }
    share_ask(share, ask->slots, brain->now_ns);
    share_slots_ask(share, ask->ttl_ms);
    if (share->first != NULL || !lend(brain, place, share, ask, &fate))
        return allow_cold(brain, place, share, message);
    finish(brain, place, share, message, 0, fate);
    return true;
}

bool shares_renew(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                  struct message *message, enum lease_state *state)
{
    const struct lease_question *renewal = &message->ask.lease;
    uint32_t number = find_held(brain, renewal);
    struct share *share = share_make_at(brain, place, ask, true);
    *state = LEASE_UNRENEWED;
    if (share == NULL)
        return true;
    share_slots_ask(share, lease_asked_ttl_ms(brain, number, renewal));
    message->waiter.asked_ns = brain->now_ns;
    message->waiter.deadline_ns = brain->now_ns + ORDERS_RETRY_MS * NS_PER_MS;
    if (renewal_waits_on(brain, share, message) && park(brain, share, message))
        return false;
    *state = renew_if_covered(brain, share, number, renewal);
    orders_see(brain, share);
    return true;
}

/* Counts what leases of a key hold now, and yields what others are to have. Returns its share; NULL: it has
 * none. */
static struct share *count_slots(struct brain *brain, const struct place *place,
                                 const struct bucket_question *ask)
{
    struct share *share = share_at(brain, place, ask);
    if (share == NULL)
        return NULL;
    share_slots_count(brain, share);
    share_slots_yield(brain, share);
    share_slots_part(brain, share);
    return share;
}

void shares_slots_back(struct brain *brain, const struct place *place,
                       const struct bucket_question *ask)
{
    struct share *share = count_slots(brain, place, ask);
    if (share == NULL)
        return;
    serve(brain, share);
    orders_see(brain, share);
}

void shares_slots_ended(struct brain *brain, const struct place *place,
                        const struct bucket_question *ask)
{
    struct share *share = count_slots(brain, place, ask);
    if (share != NULL)
        share_book_set_due(&brain->shares, share, 0);
}

void shares_claim(struct brain *brain, const struct place *place, const struct bucket_question *ask)
{
    struct share *share = share_make_at(brain, place, ask, true);
    if (share != NULL)
        orders_see(brain, share);
}

/* ---- the other kinds ---- */

/* Waits for an order, if nothing is known of the record. */
static bool status(struct brain *brain, const struct place *place, struct message *message)
{
    struct share *share = share_find_or_make(brain, place, &message->ask.bucket);
    counters_told_status(&brain->counters);
    begin_wait(brain, message);
    if (share != NULL && !share->is_known && !orders_are_cut(brain, share) &&
        !brain->shares.has_ended && park(brain, share, message))
        return false;
    describe_done(brain, place, share, message, BUCKET_ALLOWED);
    return true;
}

/* Does to a share what gives tokens back, and serves who waits for them. */
static void give(struct brain *brain, const struct place *place, struct share *share,
                 struct message *message)
{
    if (message->kind == MESSAGE_RESET) {
        share_reset(share, brain->now_ns);
        counters_reset(&brain->counters);
    } else {
        share_refund(share, message->ask.bucket.tokens, counters_of(brain));
        counters_refunded(&brain->counters);
    }
    orders_see(brain, share);
    serve(brain, share);
    describe_done(brain, place, share, message, BUCKET_ALLOWED);
}

/* Each bucket takes what its debt allows. */
static void charge(struct brain *brain, const struct place *place,
                   const struct allowance *allowance, struct share *share, struct message *message)
{
    const struct bucket_question *ask = &message->ask.bucket;
    struct bucket_answer *answer = &message->answer.bucket;
    uint64_t charged[BUCKETS_MAX], fewest = ask->tokens;
    for (uint32_t i = 0; i < allowance->count; i++) {
        charged[i] = share_charge(share, i, ask->tokens, allowance->bucket[i].debt_max,
                                  brain->now_ns, counters_of(brain));
        if (charged[i] < fewest)
            fewest = charged[i];
    }
    orders_see(brain, share);
    describe_done(brain, place, share, message, BUCKET_ALLOWED);
    for (uint32_t i = 0; i < allowance->count; i++)
        answer->buckets[i].charged_tokens = charged[i];
    answer->charged_tokens = fewest;
    counters_charged(&brain->counters, ask->tokens - fewest);
    if (answer->owed_tokens > 0)
        events_owed(brain, place, ask, answer->owed_tokens);
}

/* RESET, REFUND and CHARGE. */
static void change(struct brain *brain, const struct place *place, const struct place_terms *terms,
                   struct message *message)
{
    struct bucket_answer *answer = &message->answer.bucket;
    bool is_charge = message->kind == MESSAGE_CHARGE;
    if (is_charge && share_result_without_hand(terms, 1) == BUCKET_ALWAYS) {
        describe_done(brain, place, NULL, message, BUCKET_ALWAYS);
        answer->charged_tokens = 0;
        for (uint32_t i = 0; i < answer->allowance->count; i++)
            answer->buckets[i].charged_tokens = 0;
        counters_charged(&brain->counters, 0);
        return;
    }
    struct share *share = share_make_at(brain, place, &message->ask.bucket, true);
    if (share == NULL) {
        describe_done(brain, place, NULL, message, BUCKET_TABLE_FULL);
        answer->charged_tokens = 0;
        brain->counters.charges_failed += is_charge;
    } else if (is_charge) {
        charge(brain, place, terms->allowance, share, message);
    } else {
        give(brain, place, share, message);
    }
}

/* Whether a question of this kind can be asked at a place. false: the answer says why not. */
static inline bool suits(const struct place_terms *terms, struct message *message)
{
    struct bucket_answer *answer = &message->answer.bucket;
    if (message->kind != MESSAGE_ACQUIRE)
        return decide_suits(message->kind, terms, message->ask.bucket.tokens, answer);
    bool has_slots = terms->allowance->slots > 0;
    if (!has_slots)
        *answer = (struct bucket_answer){.result = BUCKET_NO_LEASES, .limit = terms->limit};
    return has_slots;
}

/* Anything but ALLOW. */
static bool answer_other(struct brain *brain, const struct place *place,
                         const struct place_terms *terms, struct message *message)
{
    if (!suits(terms, message))
        return true;
    if (message->kind == MESSAGE_STATUS)
        return status(brain, place, message);
    if (message->kind == MESSAGE_ACQUIRE)
        return acquire_slots(brain, place, terms, message);
    change(brain, place, terms, message);
    return true;
}

bool shares_answer(struct brain *brain, const struct place *place, struct message *message)
{
    const struct place_terms terms = place_terms(brain, place);
    if (message->kind != MESSAGE_ALLOW)
        return answer_other(brain, place, &terms, message);
    return !suits(&terms, message) || allow(brain, place, &terms, message);
}

/* ---- leaving ---- */

bool shares_leave(struct brain *brain, struct message *message)
{
    struct share *share = message->waiter.share;
    if (share == NULL)
        return false;
    part(brain, &message->waiter);
    release(brain, share, message, 0, (struct share_fate){BUCKET_LEFT, false});
    if (!share->is_left) {
        share->is_left = true;
        share->next_left = brain->shares.left;
        brain->shares.left = share;
    }
    return true;
}

void shares_have_left(struct brain *brain)
{
    while (brain->shares.left != NULL) {
        struct share *share = brain->shares.left;
        brain->shares.left = share->next_left;
        share->is_left = false;
        serve(brain, share);
        orders_see(brain, share);
    }
}

/* ---- orders ---- */

struct letter *shares_orders(struct brain *brain)
{
    return orders_letters(brain);
}

/* Before then the record has nothing more for us, and before the other the store is not asked again. */
static void set_next(const struct brain *brain, struct share *share, enum order_result result)
{
    const struct fleet_terms *terms = terms_of(brain);
    uint64_t interval_ns = terms->min_interval_ms * NS_PER_MS, now_ns = brain->now_ns;
    share->next_ns = 0;
    if (result == ORDER_FULL)
        share->next_ns = now_ns + terms->renew_ms * NS_PER_MS;
    else if (share->is_known)
        share->next_ns = share_ready_ns(share, share_hand(share) + 1, now_ns);
    if (share->is_known && share->next_ns > now_ns + ORDERS_RETRY_MS * NS_PER_MS)
        share->next_ns = now_ns + ORDERS_RETRY_MS * NS_PER_MS; /* others may give some back */
    if (share->is_short && share->next_ns <= now_ns)
        share->next_ns = now_ns + interval_ns;
    if (!share->is_cut)
        return;
    share->retry_after_ns = 2 * share->retry_after_ns;
    if (share->retry_after_ns < interval_ns)
        share->retry_after_ns = interval_ns;
    if (share->retry_after_ns > ORDERS_RETRY_MS * NS_PER_MS)
        share->retry_after_ns = ORDERS_RETRY_MS * NS_PER_MS;
    share->retry_ns = now_ns + share->retry_after_ns;
}

/* Has an event tell that orders find the store out of reach, or in reach again. */
static void tell_of_store(struct brain *brain, enum order_result result)
{
    struct shares *shares = &brain->shares;
    bool is_cut = share_book_is_cut_somewhere(shares);
    const char *why = result == ORDER_REFUSED       ? "the fleet's store refuses orders"
                      : result == ORDER_UNREACHABLE ? "the fleet's store does not answer"
                                                    : "the fleet's store is not connected";
    if (is_cut == shares->is_lost_told)
        return;
    shares->is_lost_told = is_cut;
    if (is_cut)
        events_tell(brain, EVENT_fleet_lost, why, 0, 0);
    else
        events_tell(brain, EVENT_fleet_back, "the fleet's store answers", 0, 0);
}

static void take_one(struct brain *brain, const struct orders *orders, const struct order *order)
{
    struct shares *shares = &brain->shares;
    struct share *share = order->share;
    const struct share_slots_seen before = share_slots_seen(share, brain->now_ns);
    shares->cut_count -= share->is_cut;
    share_take_order(share, order, orders, brain->now_ns, &shares->sessions, &shares->counters);
    share_expire(share, brain->now_ns, &shares->sessions, &shares->counters);
    share_keep(&shares->keeping, share);
    shares->cut_count += share->is_cut;
    shares->is_cut = share->is_cut;
    shares->is_of_parts = orders->is_of_parts;
    tell_of_store(brain, order->result);
    if (!share->is_cut)
        shares->counters.behind_ms = order->behind_ms;
    set_next(brain, share, order->result);
    share_slots_see(share, before, brain->now_ns);
    share_slots_yield(brain, share);
    serve(brain, share);
    orders_see(brain, share);
}

/* Answers FLEET_END once nothing is on its way any more. */
static void look_for_end(struct brain *brain)
{
    struct shares *shares = &brain->shares;
    if (shares->ending == NULL || shares->letters_away > 0 || shares->ready != NULL)
        return;
    chain_add(&brain->released, &shares->ending->letter);
    shares->ending = NULL;
    shares->has_ended = true;
}

void shares_take(struct brain *brain, struct orders *orders)
{
    for (uint32_t i = 0; i < orders->count; i++)
        take_one(brain, orders, &orders->order[i]);
    orders_free_letter(brain, orders);
    look_for_end(brain);
}

/* ---- time ---- */

static void end_wait(struct brain *brain, struct waiter *waiter)
{
    struct share *share = waiter->share;
    struct message *message = message_of_waiter(waiter);
    const struct bucket_question *ask = &message->ask.bucket;
    struct share_fate fate = {BUCKET_WAIT_OVER, false};
    part(brain, waiter);
    if (may_wait(message) && ask->wait_ms <= terms_of(brain)->cold_wait_ms)
        fate = share->is_away ? share_fate_apart(brain, share, orders_tokens(message))
                              : (struct share_fate){BUCKET_DENIED, false};
    miss(share, orders_tokens(message));
    release(brain, share, message, 0, fate);
    serve(brain, share);
    orders_see(brain, share);
}

/* A share is due: its hand is void, or it is to be forgotten, or to order. */
static void turn(struct brain *brain, struct share *share)
{
    struct shares *shares = &brain->shares;
    if (share_has_out(share))
        share_expire(share, brain->now_ns, &shares->sessions, &shares->counters);
    serve(brain, share);
    if (brain->now_ns >= orders_forget_ns(brain, share) && orders_need_no_share(brain, share))
        share_forget(brain, share);
    else
        orders_see(brain, share);
}

void shares_advance(struct brain *brain)
{
    struct shares *shares = &brain->shares;
    struct waiter *waiter;
    while (shares->count > 0 && shares->heap[0]->due_ns <= brain->now_ns)
        turn(brain, shares->heap[0]);
    while ((waiter = wait_heap_top(&shares->waiters)) != NULL && waiter->due_ns <= brain->now_ns)
        end_wait(brain, waiter);
}

/* ---- the end ---- */

/* Has all shares looked at, at once. */
static void turn_all(struct brain *brain)
{
    struct shares *shares = &brain->shares;
    for (uint32_t i = 0; i < shares->count; i++)
        shares->heap[i]->due_ns = 0;
    shares_advance(brain);
}

bool shares_end(struct brain *brain, struct message *message)
{
    struct shares *shares = &brain->shares;
    if (shares->has_ended)
        return true;
    shares->ending = message;
    turn_all(brain);
    if (shares->letters_away > 0 || shares->ready != NULL)
        return false;
    shares->ending = NULL;
    shares->has_ended = true;
    return true;
}

/* ---- changes ---- */

void shares_release(struct brain *brain)
{
    share_book_release(&brain->shares);
    share_keep_release(&brain->shares.keeping);
}

void shares_keep_anew(struct brain *brain)
{
    struct shares *shares = &brain->shares;
    for (uint32_t i = 0; i < shares->count; i++) {
        share_keep_forget(&shares->keeping, shares->heap[i]);
        share_keep(&shares->keeping, shares->heap[i]);
    }
}

/* Takes all out of their queues. Returns them, the first that came first. */
static struct waiter *disband(struct brain *brain)
{
    struct wait_heap *waiters = &brain->shares.waiters;
    struct waiter *first = NULL;
    wait_heap_sort(waiters);
    for (uint32_t i = waiters->count; i-- > 0;) {
        struct waiter *waiter = waiters->waiter[i];
        struct share *share = waiter->share;
        share->first = share->last = NULL;
        share->waiting = 0;
        share->waiting_tokens = 0;
        waiter->share = NULL;
        waiter->after = first;
        first = waiter;
    }
    brain->counters.waiting -= waiters->count;
    waiters->count = 0;
    return first;
}

/* A share goes on under the limit of its name, or gives back what it has. */
static void change_limit(struct brain *brain, struct share *share)
{
    struct place place;
    uint32_t tag = share->terms_tag;
    share->is_leaving = share->is_leaving || !share_place(brain, share, &place);
    if (!share->is_leaving) {
        share->hash = place.hash;
        share_set_terms_at(brain, &place, share);
        share_book_index(&brain->shares, share);
    }
    if (share->is_leaving || share->terms_tag != tag)
        share->due_ns = 0;
}

/* Asks anew for one that has waited. */
static void ask_again(struct brain *brain, struct message *message)
{
    const struct bucket_question *ask = &message->ask.bucket;
    if (message->kind == MESSAGE_RENEW) {
        chain_add(&brain->moved, &message->letter);
        return;
    }
    const struct place place = buckets_place(&brain->buckets, brain->limits, ask);
    if (place.limit < 0) {
        release(brain, NULL, message, 0, (struct share_fate){BUCKET_NO_SUCH_LIMIT, false});
        return;
    }
    if (!place_limit(brain, &place)->is_fleet) {
        chain_add(&brain->moved, &message->letter);
        return;
    }
    const struct place_terms terms = place_terms(brain, &place);
    if (!suits(&terms, message)) {
        send_home(brain, message);
        return;
    }
    enum bucket_result result = share_result_without_hand(&terms, orders_tokens(message));
    struct share *share = share_find_or_make(brain, &place, ask);
    if (may_wait(message) && result != BUCKET_DENIED) {
        release(brain, share, message, 0, (struct share_fate){result, false});
        return;
    }
    if (share == NULL) {
        release(brain, NULL, message, 0, (struct share_fate){BUCKET_TABLE_FULL, false});
        return;
    }
    join(brain, share, message);
    share_book_set_due(&brain->shares, share, 0);
}

void shares_before_change(struct brain *brain)
{
    brain->shares.disbanded = brain->shares.waiters.count == 0 ? NULL : disband(brain);
}

void shares_after_change(struct brain *brain)
{
    struct shares *shares = &brain->shares;
    share_book_clear_index(shares);
    for (uint32_t i = 0; i < shares->count; i++)
        change_limit(brain, shares->heap[i]);
    share_book_reorder(shares);
    for (struct waiter *waiter = shares->disbanded, *after; waiter != NULL; waiter = after) {
        after = waiter->after;
        ask_again(brain, message_of_waiter(waiter));
    }
    shares->disbanded = NULL;
    shares_advance(brain);
}
