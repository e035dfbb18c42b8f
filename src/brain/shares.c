#include "brain/shares.h"

#include "brain/decide.h"
#include "brain/events.h"
#include "brain/lease_tell.h"
#include "brain/orders.h"
#include "brain/share_answer.h"
#include "brain/share_demand.h"
#include "brain/share_estimate.h"
#include "brain/share_fate.h"
#include "brain/share_finish.h"
#include "brain/share_hand.h"
#include "brain/share_keep.h"
#include "brain/share_order.h"
#include "brain/share_places.h"
#include "brain/share_queue.h"
#include "brain/share_slots.h"

/* ---- asking ---- */

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
    share_queue_begin_wait(brain, message);
    if (share_waits(brain, place, share, message, share->waiting_tokens, &fate)) {
        if (share_queue_park(brain, share, message))
            return false;
        fate.result = BUCKET_TOO_MANY_WAITING;
    }
    if (miss(share, orders_tokens(message)))
        orders_see(brain, share);
    share_finish(brain, place, share, message, share->waiting_tokens, fate);
    return true;
}

/* ALLOW. Mostly the tokens are in hand. */
static bool allow(struct brain *brain, const struct place *place, const struct place_terms *terms,
                  struct message *message)
{
    const struct bucket_question *ask = &message->ask.bucket;
    struct share *share = share_at(brain, place, ask);
    enum bucket_result result = share_result_without_hand(terms, ask->tokens);
    if (result != BUCKET_DENIED) {
        share_finish(brain, place, share, message, 0, (struct share_fate){result, false});
        return true;
    }
    if (share == NULL && (share = share_find_or_make(brain, place, ask)) == NULL) {
        share_refuse_for_room(brain, place, message);
        return true;
    }
    share_ask(share, ask->tokens, brain->now_ns);
    uint64_t hand = share_hand(share);
    if (share->first != NULL || ask->tokens > hand)
        return allow_cold(brain, place, share, message);
    share_spend(share, ask->tokens, brain_fleet_counters(brain));
    if (hand - ask->tokens < share->low_tokens)
        orders_see(brain, share);
    share_describe_spent(brain, place, terms, share, &message->answer.bucket);
    share_tally(brain, place, ask, (struct demand){ask->tokens, 0}, &message->answer.bucket);
    return true;
}

/* ---- slots ---- */

static bool acquire_slots(struct brain *brain, const struct place *place,
                          const struct place_terms *terms, struct message *message)
{
    const struct acquire_question *ask = &message->ask.acquire;
    struct share_fate fate = {share_result_without_hand(terms, ask->slots), false};
    if (fate.result != BUCKET_DENIED) {
        share_finish(brain, place, share_at(brain, place, &ask->bucket), message, 0, fate);
        return true;
    }
    struct share *share = share_find_or_make(brain, place, &ask->bucket);
    if (share == NULL) {
        share_refuse_for_room(brain, place, message);
        return true;
    }
    share_ask(share, ask->slots, brain->now_ns);
    share_slots_ask(share, ask->ttl_ms);
    if (share->first != NULL || !share_lend(brain, place, share, ask, &fate))
        return allow_cold(brain, place, share, message);
    share_finish(brain, place, share, message, 0, fate);
    return true;
}

bool shares_renew(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                  struct message *message, enum lease_state *state)
{
    const struct lease_question *renewal = &message->ask.lease;
    uint32_t number = share_find_held(brain, renewal);
    struct share *share = share_make_at(brain, place, ask, true);
    *state = LEASE_UNRENEWED;
    if (share == NULL)
        return true;
    share_slots_ask(share, lease_asked_ttl_ms(brain, number, renewal));
    message->waiter.asked_ns = brain->now_ns;
    message->waiter.deadline_ns = brain->now_ns + ORDERS_RETRY_MS * NS_PER_MS;
    if (share_renewal_waits_on(brain, share, message) && share_queue_park(brain, share, message))
        return false;
    *state = share_renew_if_covered(brain, share, number, renewal);
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
    share_queue_serve(brain, share);
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
    share_queue_begin_wait(brain, message);
    if (share != NULL && !share->is_known && !orders_are_cut(brain, share) &&
        !brain->shares.has_ended && share_queue_park(brain, share, message))
        return false;
    share_finish_done(brain, place, share, message, BUCKET_ALLOWED);
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
        share_refund(share, message->ask.bucket.tokens, brain_fleet_counters(brain));
        counters_refunded(&brain->counters);
    }
    orders_see(brain, share);
    share_queue_serve(brain, share);
    share_finish_done(brain, place, share, message, BUCKET_ALLOWED);
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
                                  brain->now_ns, brain_fleet_counters(brain));
        if (charged[i] < fewest)
            fewest = charged[i];
    }
    orders_see(brain, share);
    share_finish_done(brain, place, share, message, BUCKET_ALLOWED);
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
        share_finish_done(brain, place, NULL, message, BUCKET_ALWAYS);
        answer->charged_tokens = 0;
        for (uint32_t i = 0; i < answer->allowance->count; i++)
            answer->buckets[i].charged_tokens = 0;
        counters_charged(&brain->counters, 0);
        return;
    }
    struct share *share = share_make_at(brain, place, &message->ask.bucket, true);
    if (share == NULL) {
        share_finish_done(brain, place, NULL, message, BUCKET_TABLE_FULL);
        answer->charged_tokens = 0;
        brain->counters.charges_failed += is_charge;
    } else if (is_charge) {
        charge(brain, place, terms->allowance, share, message);
    } else {
        give(brain, place, share, message);
    }
}

/* Anything but ALLOW. */
static bool answer_other(struct brain *brain, const struct place *place,
                         const struct place_terms *terms, struct message *message)
{
    if (!share_suits(terms, message))
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
    return !share_suits(&terms, message) || allow(brain, place, &terms, message);
}

/* ---- leaving ---- */

bool shares_leave(struct brain *brain, struct message *message)
{
    struct share *share = message->waiter.share;
    if (share == NULL)
        return false;
    share_queue_part(brain, &message->waiter);
    share_queue_release(brain, share, message, 0, (struct share_fate){BUCKET_LEFT, false});
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
        share_queue_serve(brain, share);
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
    const struct fleet_terms *terms = brain_fleet_terms(brain);
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
    share_queue_serve(brain, share);
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
    share_queue_part(brain, waiter);
    if (share_may_wait(message) && ask->wait_ms <= brain_fleet_terms(brain)->cold_wait_ms)
        fate = share->is_away ? share_fate_apart(brain, share, orders_tokens(message))
                              : (struct share_fate){BUCKET_DENIED, false};
    miss(share, orders_tokens(message));
    share_queue_release(brain, share, message, 0, fate);
    share_queue_serve(brain, share);
    orders_see(brain, share);
}

/* A share is due: its hand is void, or it is to be forgotten, or to order. */
static void turn(struct brain *brain, struct share *share)
{
    struct shares *shares = &brain->shares;
    if (share_has_out(share))
        share_expire(share, brain->now_ns, &shares->sessions, &shares->counters);
    share_queue_serve(brain, share);
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
