#include "brain/share_lists.h"

#include "base/least.h"
#include "brain/decide.h"
#include "brain/orders.h"
#include "brain/share_answer.h"
#include "brain/share_apart.h"
#include "brain/share_demand.h"
#include "brain/share_hand.h"
#include "brain/share_places.h"
#include "brain/shares.h"

#include <string.h>

/* ---- waiting ---- */

#define NO_TURN UINT64_MAX /* nothing is worth waiting for */
#define NEW 0              /* the turn of a list that has not waited yet */

/* The share that a call takes from, if it depends on the hand; or NULL. */
static struct share *share_of(struct brain *brain, const struct place *place,
                              const struct bucket_question *ask)
{
    if (!shares_concern(brain, place))
        return NULL;
    const struct place_terms terms = place_terms(brain, place);
    return share_result_without_hand(&terms, ask->tokens) == BUCKET_DENIED
               ? share_find_or_make(brain, place, ask)
               : NULL;
}

/* When the record may have so many tokens beyond the hand, behind those who wait in the share's queue. */
static uint64_t behind_ns(const struct brain *brain, const struct share *share, uint64_t tokens)
{
    return share_come_ns(brain, share, share->waiting_tokens + tokens);
}

static bool holds(const struct share *share, uint64_t tokens)
{
    return share->first == NULL && tokens <= share_hand(share);
}

/* Adds what a call wants of its share to what those before it want. One that is decided by itself is left out
 * if hand and record have too little for it. */
static void add_call(const struct brain *brain, struct share *share, uint64_t tokens, bool is_all)
{
    uint64_t sum = share->list_tokens + tokens;
    if (is_all || holds(share, sum) || behind_ns(brain, share, sum) <= brain->now_ns)
        share->list_tokens = sum;
    else if (share->list_left_out == 0 || tokens < share->list_left_out)
        share->list_left_out = tokens;
}

/* Adds up what the calls want of each share. */
static void add_up(struct brain *brain, const struct message *message, const struct place *places)
{
    const struct list_question *list = &message->ask.list;
    bool is_new = message->waiter.number == NEW;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct bucket_question *ask = &list->calls[i].ask;
        struct share *share = share_of(brain, &places[i], ask);
        if (share == NULL)
            continue;
        add_call(brain, share, ask->tokens, message->kind == MESSAGE_ALL);
        if (is_new)
            share_ask(share, ask->tokens, brain->now_ns);
    }
}

/* Whether an order may bring in time what a list lacks of a share. */
static bool is_worth_waiting(const struct brain *brain, const struct place *place,
                             const struct share *share, uint64_t tokens, uint64_t deadline_ns)
{
    return brain_fleet_terms(brain)->cold == FLEET_COLD_WAIT &&
           !brain->limits->limit[place->limit].shadow && !orders_are_cut(brain, share) &&
           !brain->shares.has_ended && !share_is_overdue(brain, share) &&
           behind_ns(brain, share, tokens) <= brain->now_ns &&
           orders_may_go_ns(brain, share) <= deadline_ns;
}

/* Has the next order bring what a list lacks; beside what it is to bring for other lists, if the record has
 * that much. */
static void add_to_order(const struct brain *brain, struct share *share,
                         const struct message *message, uint64_t tokens)
{
    bool may_be_added = share->wrote_turn < message->waiter.number; /* no order has gone since */
    uint64_t sum = share->listed_tokens + tokens;
    if (!may_be_added && behind_ns(brain, share, sum) <= brain->now_ns)
        share->listed_tokens = sum;
    else if (share->listed_tokens < tokens)
        share->listed_tokens = tokens;
}

/* The turn of orders that may bring what lacks of a share. */
static uint64_t turn_of(const struct brain *brain, const struct share *share)
{
    return share->is_away ? brain->shares.turns : brain->shares.turns + 1;
}

/* Orders what a list lacks of a share. Returns the turn that is worth waiting for, or NO_TURN. */
static uint64_t order_one(struct brain *brain, const struct place *place, struct share *share,
                          const struct message *message)
{
    uint64_t tokens = share->list_tokens;
    bool has_all = holds(share, tokens);
    bool waits =
        !has_all && is_worth_waiting(brain, place, share, tokens, message->waiter.deadline_ns);
    uint64_t refused = has_all ? share->list_left_out : tokens;
    if (waits && !share->is_away) /* else that may bring it */
        add_to_order(brain, share, message, tokens);
    else if (!waits && share->missed_tokens < refused)
        share->missed_tokens = refused;
    if (waits || refused > 0)
        orders_see(brain, share);
    share->list_tokens = share->list_left_out = 0;
    return waits ? turn_of(brain, share) : NO_TURN;
}

/* Orders what the calls lack. Returns the first turn that is worth waiting for, or NO_TURN. */
static uint64_t order_all(struct brain *brain, const struct message *message,
                          const struct place *places)
{
    const struct list_question *list = &message->ask.list;
    uint64_t turn = NO_TURN;
    for (uint32_t i = 0; i < list->count; i++) {
        struct share *share = share_of(brain, &places[i], &list->calls[i].ask);
        if (share != NULL && (share->list_tokens > 0 || share->list_left_out > 0))
            turn = least(turn, order_one(brain, &places[i], share, message));
    }
    return turn;
}

/* Has the store asked for what is not known. Returns the same. */
static uint64_t look_all(struct brain *brain, const struct message *message,
                         const struct place *places)
{
    const struct list_question *list = &message->ask.list;
    uint64_t turn = NO_TURN;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct bucket_question *ask = &list->calls[i].ask;
        struct share *share =
            !shares_concern(brain, &places[i]) ? NULL : share_find_or_make(brain, &places[i], ask);
        if (share == NULL || share->is_known)
            continue;
        share->is_looked_for = true;
        if (is_worth_waiting(brain, &places[i], share, 0, message->waiter.deadline_ns))
            turn = least(turn, turn_of(brain, share));
        orders_see(brain, share);
    }
    return turn;
}

/* Which turn of orders a list waits for, whose places these are, or NO_TURN: it is to be decided. */
static uint64_t turn_for(struct brain *brain, const struct message *message,
                         const struct place *places)
{
    if (message->kind == MESSAGE_LIST)
        return look_all(brain, message, places);
    add_up(brain, message, places);
    return order_all(brain, message, places);
}

/* Puts a list behind those that wait for the same turn. false: no memory. */
static bool join(struct shares *shares, struct waiter *waiter, uint64_t turn)
{
    struct waiter *before = shares->last_list;
    if (!wait_heap_reserve(&shares->lists))
        return false;
    while (before != NULL && before->number > turn)
        before = before->before;
    waiter->number = turn;
    waiter->before = before;
    waiter->after = before == NULL ? shares->first_list : before->after;
    *(before == NULL ? &shares->first_list : &before->after) = waiter;
    *(waiter->after == NULL ? &shares->last_list : &waiter->after->before) = waiter;
    wait_heap_add(&shares->lists, waiter);
    return true;
}

static void part(struct shares *shares, struct waiter *waiter)
{
    *(waiter->before == NULL ? &shares->first_list : &waiter->before->after) = waiter->after;
    *(waiter->after == NULL ? &shares->last_list : &waiter->after->before) = waiter->before;
    wait_heap_remove(&shares->lists, waiter);
}

bool share_lists_park(struct brain *brain, struct message *message, const struct place *places)
{
    struct shares *shares = &brain->shares;
    struct waiter *waiter = &message->waiter;
    if (!brain->limits->has_fleet)
        return false;
    waiter->due_ns = waiter->deadline_ns =
        brain->now_ns + brain_fleet_terms(brain)->cold_wait_ms * NS_PER_MS;
    waiter->number = NEW;
    uint64_t turn = turn_for(brain, message, places);
    if (turn == NO_TURN || shares->lists.count >= brain->limits->waiting.max_waiting ||
        !join(shares, waiter, turn))
        return false;
    shares->counters.cold_waits++;
    return true;
}

bool share_lists_park_again(struct brain *brain, struct message *message,
                            const struct place *places)
{
    if (!brain->limits->has_fleet || brain->now_ns >= message->waiter.deadline_ns)
        return false;
    uint64_t turn = turn_for(brain, message, places);
    return turn != NO_TURN && join(&brain->shares, &message->waiter, turn);
}

struct message *share_lists_next(struct brain *brain)
{
    struct shares *shares = &brain->shares;
    struct waiter *first = shares->first_list, *top = wait_heap_top(&shares->lists), *waiter = NULL;
    if (first != NULL && orders_are_home(brain, first->number))
        waiter = first;
    else if (top != NULL && top->due_ns <= brain->now_ns)
        waiter = top;
    if (waiter == NULL)
        return NULL;
    part(shares, waiter);
    return message_of_waiter(waiter);
}

/* ---- deciding ---- */

/* What becomes of tokens that the hand does not hold, or that others wait for. */
static struct share_fate fate_of_lack(struct brain *brain, const struct place *place,
                                      struct share *share, uint64_t tokens)
{
    bool is_cut =
        orders_are_cut(brain, share) || share_is_overdue(brain, share) || brain->shares.has_ended;
    bool may_come = share_come_ns(brain, share, share->waiting_tokens + tokens) <= brain->now_ns;
    if (is_cut)
        return share_fate_apart(brain, share, tokens);
    if (may_come && (brain->limits->limit[place->limit].shadow ||
                     brain_fleet_terms(brain)->cold == FLEET_COLD_ALLOW))
        return (struct share_fate){BUCKET_UNCOUNTED, true};
    return (struct share_fate){BUCKET_DENIED, false};
}

static struct share_fate no_room(const struct brain *brain)
{
    bool allows = brain->when_full == WHEN_FULL_ALLOW;
    return (struct share_fate){allows ? BUCKET_UNCOUNTED : BUCKET_TABLE_FULL, false};
}

static struct share_fate try(struct brain *brain, const struct place *place,
                             const struct bucket_question *ask)
{
    const struct place_terms terms = place_terms(brain, place);
    enum bucket_result result = share_result_without_hand(&terms, ask->tokens);
    if (result != BUCKET_DENIED)
        return (struct share_fate){result, false};
    struct share *share = share_find_or_make(brain, place, ask);
    if (share == NULL)
        return no_room(brain);
    if (!holds(share, ask->tokens))
        return fate_of_lack(brain, place, share, ask->tokens);
    share_spend(share, ask->tokens, brain_fleet_counters(brain));
    if (share_hand(share) < share->low_tokens)
        orders_see(brain, share);
    return (struct share_fate){BUCKET_ALLOWED, false};
}

static void describe(const struct brain *brain, const struct place *place,
                     const struct bucket_question *ask, uint64_t tokens, struct share_fate fate,
                     struct bucket_answer *answer)
{
    const struct share *share = share_at(brain, place, ask);
    uint64_t behind = share == NULL ? 0 : share->waiting_tokens;
    share_describe(brain, place, share, (struct share_told){tokens, behind, fate}, answer);
}

void share_decide(struct brain *brain, enum message_kind kind, const struct place *place,
                  const struct bucket_question *ask, struct bucket_answer *answer)
{
    struct share_fate fate = {BUCKET_ALLOWED, false};
    if (kind == MESSAGE_STATUS) {
        counters_told_status(&brain->counters);
        describe(brain, place, ask, 0, fate, answer);
        return;
    }
    fate = try(brain, place, ask);
    describe(brain, place, ask, ask->tokens, fate, answer);
    decide_count(brain, place, ask, answer, bucket_answer_allows(answer));
    events_allowed(brain, place, ask, (struct demand){ask->tokens, 0}, answer);
}

/* ---- all or none ---- */

enum bucket_result share_look(struct brain *brain, const struct place *place,
                              const struct bucket_question *ask, uint64_t tokens)
{
    const struct place_terms terms = place_terms(brain, place);
    enum bucket_result result = share_result_without_hand(&terms, tokens);
    if (result != BUCKET_DENIED)
        return result;
    struct share *share = share_find_or_make(brain, place, ask);
    if (share == NULL)
        return no_room(brain).result;
    share->is_list_apart = false;
    if (holds(share, tokens))
        return BUCKET_ALLOWED;
    result = fate_of_lack(brain, place, share, tokens).result;
    share->is_list_apart = result == BUCKET_ALLOWED; /* then they are taken already */
    return result;
}

void share_take(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                uint64_t tokens)
{
    struct share *share = share_at(brain, place, ask);
    if (share == NULL || share->is_list_apart)
        return;
    share_spend(share, tokens, brain_fleet_counters(brain));
    if (share_hand(share) < share->low_tokens)
        orders_see(brain, share);
}

/* What was taken apart stays taken: that bucket is only for as long as the store is out of reach. */
void share_put_back(struct brain *brain, const struct place *place,
                    const struct bucket_question *ask, uint64_t tokens)
{
    struct share *share = share_at(brain, place, ask);
    if (share != NULL && !share->is_list_apart)
        share_unspend(share, tokens, brain_fleet_counters(brain));
}

void share_tell(const struct brain *brain, const struct place *place,
                const struct bucket_question *ask, uint64_t tokens, enum bucket_result result,
                struct bucket_answer *answer)
{
    const struct share *share = share_at(brain, place, ask);
    bool is_apart = share != NULL && (share->is_list_apart || result == BUCKET_UNCOUNTED);
    describe(brain, place, ask, tokens, (struct share_fate){result, is_apart}, answer);
}

/* ---- foreseeing ---- */

static void spend_or_lend(struct share *copy, uint64_t tokens, struct fleet_counters *counted)
{
    if (copy->has_slots)
        share_set_used(copy, copy->bucket[0].used + tokens, counted);
    else
        share_spend(copy, tokens, counted);
}

/* What would become of tokens, if an order brought what the record has. The copy becomes as it would be then. */
static struct share_fate foresee(const struct brain *brain, struct share *copy, uint64_t tokens)
{
    struct share_fate fate = {BUCKET_ALLOWED, false};
    struct fleet_counters counted = {0};
    if (holds(copy, tokens)) {
        spend_or_lend(copy, tokens, &counted);
        return fate;
    }
    if (orders_are_cut(brain, copy)) {
        fate = (struct share_fate){BUCKET_DENIED, true};
        if (copy->has_slots)
            return fate;
        if (brain_fleet_terms(brain)->on_partition == FLEET_PARTITION_ALLOW)
            fate.result = BUCKET_UNCOUNTED;
        if (brain_fleet_terms(brain)->on_partition == FLEET_PARTITION_SHARE &&
            share_spend_apart(copy, tokens, brain->now_ns, brain_fleet_terms(brain)->sidecars))
            fate.result = BUCKET_ALLOWED;
        return fate;
    }
    if (share_come_ns(brain, copy, copy->waiting_tokens + tokens) > brain->now_ns)
        fate.result = BUCKET_DENIED;
    else if (copy->has_slots)
        share_set_used(copy, copy->bucket[0].used + tokens, &counted);
    else
        for (uint32_t i = 0; i < copy->buckets; i++)
            copy->bucket[i].net -= (int64_t)tokens;
    return fate;
}

static void tell_lease(const struct acquire_question *acquire, struct bucket_answer *answer)
{
    if (acquire != NULL)
        answer->expires_after_ms = bucket_answer_allows(answer) ? acquire->ttl_ms : 0;
}

void share_foresee(const struct brain *brain, enum message_kind kind, const struct place *place,
                   const struct bucket_question *ask, struct bucket_answer *answer)
{
    const struct share *share = share_at(brain, place, ask);
    const struct acquire_question *acquire = acquire_of(kind, ask);
    const struct demand demand = demand_by(kind, ask);
    struct share_told told = {
        acquire != NULL ? demand.slots : demand.tokens, 0, {BUCKET_ALLOWED, false}};
    const struct place_terms terms = place_terms(brain, place);
    if (kind != MESSAGE_STATUS)
        told.fate.result = share_result_without_hand(&terms, told.tokens);
    if (share == NULL) { /* nothing is known, so it would be asked of the store, and may be there */
        if (told.fate.result == BUCKET_DENIED)
            told.fate.result = BUCKET_ALLOWED;
        share_describe(brain, place, NULL, told, answer);
        tell_lease(acquire, answer);
        return;
    }
    struct share copy;
    memcpy(&copy, share, sizeof copy); /* but for the key */
    copy.kept = (struct share_kept){0};
    if (told.fate.result == BUCKET_DENIED) {
        told.behind = share->waiting_tokens;
        told.fate = foresee(brain, &copy, told.tokens);
    }
    share_describe(brain, place, &copy, told, answer);
    tell_lease(acquire, answer);
}
