#include "brain/share_lists.h"

#include "brain/decide.h"
#include "brain/orders.h"
#include "brain/share_answer.h"
#include "brain/share_places.h"
#include "brain/shares.h"

#include <string.h>

static const struct fleet_terms *terms_of(const struct brain *brain)
{
    return &brain->limits->fleet;
}

/* ---- waiting ---- */

/* The share that a call takes from, if it depends on the hand; or NULL. */
static struct share *share_of(struct brain *brain, const struct place *place,
                              const struct bucket_question *ask)
{
    if (!shares_concern(brain, place) ||
        share_result_without_hand(brain, place, ask->tokens) != BUCKET_DENIED)
        return NULL;
    return share_find_or_make(brain, place, ask);
}

/* Adds up what the calls want of each share. */
static void add_up(struct brain *brain, const struct list_question *list,
                   const struct place *places)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct bucket_question *ask = &list->calls[i].ask;
        struct share *share = share_of(brain, &places[i], ask);
        if (share == NULL)
            continue;
        if (share->list_tokens == 0 || ask->tokens < share->list_least)
            share->list_least = ask->tokens;
        share->list_tokens += ask->tokens;
        share_ask(share, ask->tokens, brain->now_ns);
    }
}

/* Whether an order may bring in time what a list lacks of a share. */
static bool is_worth_waiting(const struct brain *brain, const struct place *place,
                             const struct share *share, uint64_t tokens, uint64_t deadline_ns)
{
    return terms_of(brain)->cold == FLEET_COLD_WAIT && !brain->limits->limit[place->limit].shadow &&
           !orders_are_cut(brain, share) && !brain->shares.has_ended &&
           !share_is_overdue(brain, share) &&
           share_come_ns(brain, share, tokens) <= brain->now_ns &&
           orders_may_go_ns(brain, share) <= deadline_ns;
}

/* Orders what the calls lack. Whether it is worth waiting for some of that. */
static bool order_all(struct brain *brain, const struct message *message,
                      const struct place *places)
{
    const struct list_question *list = &message->ask.list;
    uint64_t deadline_ns = message->waiter.deadline_ns;
    bool waits = false;
    for (uint32_t i = 0; i < list->count; i++) {
        struct share *share = share_of(brain, &places[i], &list->calls[i].ask);
        if (share == NULL || share->list_tokens == 0)
            continue; /* or an earlier call has seen to it */
        uint64_t tokens = message->kind == MESSAGE_ALL ? share->list_tokens : share->list_least;
        if (share->list_tokens > share_hand(share)) {
            if (tokens <= share_hand(share))
                tokens = share->list_tokens;
            if (share->missed_tokens < tokens)
                share->missed_tokens = tokens;
            waits |= is_worth_waiting(brain, &places[i], share, tokens, deadline_ns);
            orders_see(brain, share);
        }
        share->list_tokens = 0;
    }
    return waits;
}

/* Has the store asked for what is not known. Whether that is worth waiting for. */
static bool look_all(struct brain *brain, const struct message *message, const struct place *places)
{
    const struct list_question *list = &message->ask.list;
    bool waits = false;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct bucket_question *ask = &list->calls[i].ask;
        struct share *share =
            !shares_concern(brain, &places[i]) ? NULL : share_find_or_make(brain, &places[i], ask);
        if (share == NULL || share->is_known)
            continue;
        share->is_looked_for = true;
        waits |= is_worth_waiting(brain, &places[i], share, 0, message->waiter.deadline_ns);
        orders_see(brain, share);
    }
    return waits;
}

bool share_lists_park(struct brain *brain, struct message *message, const struct place *places)
{
    bool waits;
    if (!brain->limits->has_fleet)
        return false;
    message->waiter.asked_ns = brain->now_ns;
    message->waiter.deadline_ns = brain->now_ns + terms_of(brain)->cold_wait_ms * NS_PER_MS;
    message->waiter.number = brain->shares.turns + 1;
    if (message->kind == MESSAGE_LIST) {
        waits = look_all(brain, message, places);
    } else {
        add_up(brain, &message->ask.list, places);
        waits = order_all(brain, message, places);
    }
    if (!waits || brain->shares.lists_count >= brain->limits->waiting.max_waiting)
        return false;
    chain_add(&brain->shares.lists, &message->letter);
    brain->shares.lists_count++;
    brain->shares.counters.cold_waits++;
    return true;
}

/* The one that has waited longest. */
static struct message *first_list(const struct brain *brain)
{
    return brain->shares.lists.newest == NULL ? NULL : message_of(brain->shares.lists.oldest);
}

struct message *share_lists_next(struct brain *brain)
{
    struct message *message = first_list(brain);
    if (message == NULL || (brain->now_ns < message->waiter.deadline_ns &&
                            !orders_are_home(brain, message->waiter.number)))
        return NULL;
    chain_remove(&brain->shares.lists, &message->letter);
    brain->shares.lists_count--;
    return message;
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
    if (may_come &&
        (brain->limits->limit[place->limit].shadow || terms_of(brain)->cold == FLEET_COLD_ALLOW))
        return (struct share_fate){BUCKET_UNCOUNTED, true};
    return (struct share_fate){BUCKET_DENIED, false};
}

static bool holds(const struct share *share, uint64_t tokens)
{
    return share->first == NULL && tokens <= share_hand(share);
}

static struct share_fate no_room(const struct brain *brain)
{
    bool allows = brain->when_full == WHEN_FULL_ALLOW;
    return (struct share_fate){allows ? BUCKET_UNCOUNTED : BUCKET_TABLE_FULL, false};
}

static struct share_fate try(struct brain *brain, const struct place *place,
                             const struct bucket_question *ask)
{
    enum bucket_result result = share_result_without_hand(brain, place, ask->tokens);
    if (result != BUCKET_DENIED)
        return (struct share_fate){result, false};
    struct share *share = share_find_or_make(brain, place, ask);
    if (share == NULL)
        return no_room(brain);
    if (!holds(share, ask->tokens))
        return fate_of_lack(brain, place, share, ask->tokens);
    share_spend(share, ask->tokens, &brain->shares.counters);
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
    enum bucket_result result = share_result_without_hand(brain, place, tokens);
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
    share_spend(share, tokens, &brain->shares.counters);
    if (share_hand(share) < share->low_tokens)
        orders_see(brain, share);
}

/* What was taken apart stays taken: that bucket is only for as long as the store is out of reach. */
void share_put_back(struct brain *brain, const struct place *place,
                    const struct bucket_question *ask, uint64_t tokens)
{
    struct share *share = share_at(brain, place, ask);
    if (share != NULL && !share->is_list_apart)
        share_unspend(share, tokens, &brain->shares.counters);
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
        if (terms_of(brain)->on_partition == FLEET_PARTITION_ALLOW)
            fate.result = BUCKET_UNCOUNTED;
        if (terms_of(brain)->on_partition == FLEET_PARTITION_SHARE &&
            share_spend_apart(copy, tokens, brain->now_ns, terms_of(brain)->sidecars))
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
    if (kind != MESSAGE_STATUS)
        told.fate.result = share_result_without_hand(brain, place, told.tokens);
    if (share == NULL) { /* nothing is known, so it would be asked of the store, and may be there */
        if (told.fate.result == BUCKET_DENIED)
            told.fate.result = BUCKET_ALLOWED;
        share_describe(brain, place, NULL, told, answer);
        tell_lease(acquire, answer);
        return;
    }
    struct share copy;
    memcpy(&copy, share, sizeof copy); /* but for the key */
    if (told.fate.result == BUCKET_DENIED) {
        told.behind = share->waiting_tokens;
        told.fate = foresee(brain, &copy, told.tokens);
    }
    share_describe(brain, place, &copy, told, answer);
    tell_lease(acquire, answer);
}
