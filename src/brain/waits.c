#include "brain/waits.h"

#include "brain/decide.h"
#include "brain/lease_ends.h"

#include <assert.h>
#include <string.h>

/* ---- buckets of a holding ---- */

/* The question of which only the key counts. */
static struct bucket_question ask_of(const struct holding *holding)
{
    return (struct bucket_question){.key = holding->key, .key_len = holding->key_len};
}

static struct holding *holding_at(const struct brain *brain, const struct place *place,
                                  const struct bucket_question *ask)
{
    return buckets_holding(&brain->buckets, place, ask->key, ask->key_len);
}

static uint32_t read_marks(struct brain *brain, const struct place *place,
                           const struct bucket_question *ask, uint64_t marks[BUCKETS_MAX])
{
    uint32_t slot = buckets_find(&brain->buckets, place, ask);
    buckets_marks(&brain->buckets, place, ask, slot, marks);
    return slot;
}

static bool is_nothing(const uint64_t charged[BUCKETS_MAX])
{
    uint64_t any = 0;
    for (unsigned i = 0; i < BUCKETS_MAX; i++)
        any |= charged[i];
    return any == 0;
}

/* Applies charges that nobody waits in front of any more. Only damage can have taken the entry that
 * they were stored in; then nothing is left to be changed. */
static void apply(struct brain *brain, struct holding *holding, const uint64_t charged[BUCKETS_MAX])
{
    if (is_nothing(charged))
        return;
    const struct bucket_question ask = ask_of(holding);
    const struct line *line = buckets_line(&brain->buckets, &holding->place);
    uint64_t marks[BUCKETS_MAX];
    uint32_t slot = read_marks(brain, &holding->place, &ask, marks);
    for (unsigned i = 0; i < line->count; i++)
        holding_apply(holding, &line->credit[i], i, charged[i], &marks[i]);
    if (slot != TABLE_NONE)
        buckets_store(&brain->buckets, &holding->place, &ask, slot, marks);
}

/* Takes over the charges of a place in the queue that is given up. */
static void defer_again(struct brain *brain, struct holding *holding,
                        const uint64_t charged[BUCKETS_MAX])
{
    if (holding_is_waited_for(holding))
        holding_defer(holding, buckets_line(&brain->buckets, &holding->place)->count, charged);
    else
        apply(brain, holding, charged);
}

static struct demand demand_for(const struct message *message)
{
    return demand_by(message->kind, &message->ask.bucket);
}

/* ---- coming and going ---- */

/* When a tick is, or was; BRAIN_NEVER: nobody can say. */
static uint64_t time_of(const struct brain *brain, uint64_t tick)
{
    uint64_t after_ns;
    if (tick == TICK_NEVER ||
        __builtin_mul_overflow(tick - brain->buckets.lines.tick, brain->tick_ns, &after_ns) ||
        __builtin_add_overflow(after_ns, brain->last_tick_ns, &after_ns))
        return BRAIN_NEVER;
    return after_ns;
}

/* How the buckets will be once all are gone who wait for them now. */
static struct projection tail_of(const struct brain *brain, const struct place *place,
                                 const struct holding *holding, const uint64_t marks[BUCKETS_MAX])
{
    if (holding != NULL && holding_is_waited_for(holding))
        return holding->tail;
    return projection_of(holding, buckets_line(&brain->buckets, place), brain->buckets.lines.tick,
                         marks);
}

/* Puts an ask behind all who wait for its key, with a tail that reckons it in. false: no memory. */
static bool join(struct brain *brain, const struct place *place, struct message *message,
                 const struct projection *tail)
{
    const struct bucket_question *ask = &message->ask.bucket;
    struct waiter *waiter = &message->waiter;
    struct holding *holding = holding_at(brain, place, ask);
    if (!wait_heap_reserve(&brain->waiters))
        return false;
    if (holding == NULL)
        holding = holdings_make(&brain->buckets.holdings, place->hash,
                                brain->buckets.salt[place->limit], ask->key, ask->key_len);
    if (holding == NULL)
        return false;
    holding->place = *place;
    holding->tail = *tail;
    waiter->due_tick = tail->tick;
    waiter->due_ns = tail->tick == TICK_NEVER ? waiter->deadline_ns : time_of(brain, tail->tick);
    if (tail->tick != TICK_NEVER) {
        holding->promised.tokens += demand_for(message).tokens;
        holding->promised.slots += demand_for(message).slots;
    } else {
        holding->hoped_tokens += demand_for(message).tokens;
    }
    holding_join(holding, waiter);
    wait_heap_add(&brain->waiters, waiter);
    brain->counters.waiting++;
    return true;
}

static void part(struct brain *brain, struct waiter *waiter)
{
    struct holding *holding = waiter->holding;
    struct demand demand = demand_for(message_of_waiter(waiter));
    if (waiter->due_tick != TICK_NEVER) {
        holding->promised.tokens -= demand.tokens;
        holding->promised.slots -= demand.slots;
    } else {
        holding->hoped_tokens -= demand.tokens;
    }
    holding_part(holding, waiter);
    wait_heap_remove(&brain->waiters, waiter);
    brain->counters.waiting--;
}

/* Charges that have come to the head of the queue are applied. */
static void advance(struct brain *brain, struct holding *holding)
{
    uint64_t *charged =
        holding->first == NULL ? holding->charged_behind : holding->first->charged_before;
    apply(brain, holding, charged);
    memset(charged, 0, BUCKETS_MAX * sizeof charged[0]);
}

/* ---- promising ---- */

static bool is_too_much(const struct brain *brain, const struct holding *holding)
{
    const struct waiting_terms *terms = &brain->limits->waiting;
    return brain->waiters.count >= terms->max_waiting ||
           (holding != NULL && holding->waiters >= terms->per_key) || terms->per_key == 0;
}

/* Whether it would wait in vain: its tokens do not come in time, be it alone and whatever comes back of
 * what no tick brings. */
static bool is_in_vain(const struct brain *brain, const struct place *place,
                       const struct message *message, const uint64_t marks[BUCKETS_MAX])
{
    const struct line *line = buckets_line(&brain->buckets, place);
    const struct holding *holding = holding_at(brain, place, &message->ask.bucket);
    const struct projection now = projection_of(holding, line, brain->buckets.lines.tick, marks);
    struct demand demand = {.tokens = demand_for(message).tokens};
    return time_of(brain, projection_due(&now, line, demand)) > message->waiter.deadline_ns;
}

/* What becomes of an ask that was denied for what its buckets hold. `result`: what it is told unless
 * it waits. */
static bool promise(struct brain *brain, const struct place *place, struct message *message,
                    const uint64_t marks[BUCKETS_MAX], enum bucket_result *result)
{
    const struct bucket_question *ask = &message->ask.bucket;
    const struct holding *holding = holding_at(brain, place, ask);
    const struct line *line = buckets_line(&brain->buckets, place);
    struct projection tail = tail_of(brain, place, holding, marks);
    uint64_t due_tick = projection_due(&tail, line, demand_for(message));
    if (due_tick == TICK_NEVER ? is_in_vain(brain, place, message, marks)
                               : time_of(brain, due_tick) > message->waiter.deadline_ns)
        return false;
    *result = BUCKET_TOO_MANY_WAITING;
    if (is_too_much(brain, holding))
        return false;
    projection_take(&tail, line, demand_for(message), due_tick);
    return join(brain, place, message, &tail);
}

/* A limit on trial makes nobody wait. Milliseconds that it would have; 0: it would have denied at
 * once. */
static uint64_t would_wait_ms(const struct brain *brain, const struct place *place,
                              const struct message *message, const uint64_t marks[BUCKETS_MAX])
{
    const struct projection tail = tail_of(brain, place, NULL, marks);
    uint64_t due_tick =
        projection_due(&tail, buckets_line(&brain->buckets, place), demand_for(message));
    uint64_t due_ns = time_of(brain, due_tick);
    if (due_tick == TICK_NEVER || due_ns > message->waiter.deadline_ns)
        return 0;
    return (due_ns - brain->now_ns + NS_PER_MS - 1) / NS_PER_MS;
}

/* ---- answering ---- */

static bool is_on_trial(const struct brain *brain, const struct place *place)
{
    return brain->limits->limit[place->limit].shadow;
}

/* Describes and counts an ALLOW of which it is known what becomes of it. */
static void finish(struct brain *brain, const struct place *place, struct message *message,
                   enum bucket_result result)
{
    const struct bucket_question *ask = &message->ask.bucket;
    struct bucket_answer *answer = &message->answer.bucket;
    const struct acquire_question *acquire = acquire_of(message->kind, ask);
    uint64_t marks[BUCKETS_MAX];
    if (acquire != NULL)
        result = decide_lease(brain, place, acquire, result);
    read_marks(brain, place, ask, marks);
    decide_describe(brain, place, holding_at(brain, place, ask), demand_for(message), result, marks,
                    answer);
    if (result == BUCKET_LEFT)
        return;
    if (acquire != NULL)
        decide_describe_lease(brain, acquire, answer);
    if (result == BUCKET_DENIED && is_on_trial(brain, place))
        answer->would_wait_ms = would_wait_ms(brain, place, message, marks);
    decide_count(brain, place, ask, answer, bucket_answer_allows(answer));
    events_allowed(brain, place, ask, demand_for(message), answer);
    brain->counters.too_many_waiting += result == BUCKET_TOO_MANY_WAITING;
}

static void finish_waited(struct brain *brain, struct message *message)
{
    struct bucket_answer *answer = &message->answer.bucket;
    enum bucket_result result = answer->result;
    uint64_t waited_ns = brain->now_ns - message->waiter.asked_ns;
    const struct place place = buckets_place(&brain->buckets, brain->limits, &message->ask.bucket);
    if (place.limit >= 0 && result != BUCKET_NEEDS_LEASE)
        finish(brain, &place, message, result);
    answer->has_waited = true;
    answer->waited_ms = waited_ns / NS_PER_MS;
    if (bucket_result_allows(result))
        meters_waited(&brain->meters, waited_ns);
    if (bucket_result_allows(answer->result) || answer->result == BUCKET_WAIT_OVER)
        events_waited(brain, &message->ask.bucket, answer->limit, answer->waited_ms,
                      answer->result == BUCKET_WAIT_OVER);
    brain->counters.waits_left += result == BUCKET_LEFT;
    brain->counters.waits_denied += bucket_answer_denies(answer);
    if (message->once != NULL)
        once_end(&brain->once, message, brain->limits, brain->now_ns);
    message_hold(message, brain->limits);
    chain_add(&brain->released, &message->letter);
}

static void finish_settled(struct brain *brain)
{
    struct letter *letter = letters_oldest_first(brain->settled.newest);
    brain->settled.newest = NULL;
    for (struct letter *next; letter != NULL; letter = next) {
        next = letter->next;
        finish_waited(brain, message_of(letter));
    }
}

static void settle_as(struct brain *brain, struct message *message, enum bucket_result result)
{
    message->answer.bucket.result = result;
    chain_add(&brain->settled, &message->letter);
}

/* ---- settling ---- */

/* Asks for one that has waited, and is in no queue now, with what is left of its wait. */
static void ask_again(struct brain *brain, const struct place *place, struct message *message)
{
    const struct bucket_question *ask = &message->ask.bucket;
    const struct waiter *waiter = &message->waiter;
    const struct place_terms terms = place_terms(brain, place);
    uint64_t marks[BUCKETS_MAX];
    if (brain->last_tick_ns > waiter->deadline_ns) {
        settle_as(brain, message, BUCKET_WAIT_OVER);
        return;
    }
    if (!decide_suits(message->kind, &terms, ask->tokens, &message->answer.bucket)) {
        settle_as(brain, message, message->answer.bucket.result);
        return;
    }
    const struct holding *holding = holding_at(brain, place, ask);
    uint32_t slot = read_marks(brain, place, ask, marks);
    enum bucket_result result =
        decide_try(brain, place, holding, decide_is_next(holding), message->kind, ask, slot, marks);
    if (result == BUCKET_DENIED && !is_on_trial(brain, place) &&
        promise(brain, place, message, marks, &result))
        return;
    bool is_over = result == BUCKET_DENIED && brain->now_ns >= waiter->deadline_ns;
    settle_as(brain, message, is_over ? BUCKET_WAIT_OVER : result);
}

/* Whether leases of a key have ended of which nothing has come back yet. If so, it does now. */
static bool has_ended(struct brain *brain, const struct holding *holding)
{
    return lease_ends_are_due(brain) &&
           lease_ends_apply(brain, holding->hash, holding->key, holding->key_len);
}

/* Asks all anew who wait for a key. */
static void settle(struct brain *brain, struct holding *holding)
{
    const struct place place = holding->place;
    has_ended(brain, holding);
    uint64_t behind[BUCKETS_MAX];
    struct waiter *waiter = holding_disband(holding, behind);
    for (struct waiter *after; waiter != NULL; waiter = after) {
        after = waiter->after;
        wait_heap_remove(&brain->waiters, waiter);
        brain->counters.waiting--;
        defer_again(brain, holding, waiter->charged_before);
        ask_again(brain, &place, message_of_waiter(waiter));
    }
    defer_again(brain, holding, behind);
    holdings_drop_unused(&brain->buckets.holdings, holding);
}

static void settle_at(struct brain *brain, const struct place *place,
                      const struct bucket_question *ask)
{
    struct holding *holding = holding_at(brain, place, ask);
    if (holding != NULL && holding_is_waited_for(holding))
        settle(brain, holding);
}

void waits_settle(struct brain *brain, const struct place *place, const struct bucket_question *ask)
{
    settle_at(brain, place, ask);
    finish_settled(brain);
}

/* ---- asking ---- */

static bool allow(struct brain *brain, const struct place *place, struct message *message)
{
    const struct bucket_question *ask = &message->ask.bucket;
    const struct holding *holding = holding_at(brain, place, ask);
    const struct place_terms terms = place_terms(brain, place);
    uint64_t marks[BUCKETS_MAX];
    if (!decide_suits(message->kind, &terms, ask->tokens, &message->answer.bucket))
        return true;
    uint32_t slot = read_marks(brain, place, ask, marks);
    enum bucket_result result =
        decide_try(brain, place, holding, decide_is_next(holding), message->kind, ask, slot, marks);
    message->waiter.asked_ns = brain->now_ns;
    message->waiter.deadline_ns = brain->now_ns + ask->wait_ms * NS_PER_MS;
    if (result == BUCKET_DENIED && ask->wait_ms > 0 && !is_on_trial(brain, place)) {
        message->waiter.number = brain->waiters_begun;
        if (promise(brain, place, message, marks, &result)) {
            brain->waiters_begun++;
            return false;
        }
    }
    finish(brain, place, message, result);
    return true;
}

/* Asks a question that makes room in the bucket, and tells how that is once all are settled. */
static void make_room(struct brain *brain, const struct place *place, struct message *message)
{
    const struct bucket_question *ask = &message->ask.bucket;
    uint64_t marks[BUCKETS_MAX];
    decide(brain, message->kind, place, ask, &message->answer.bucket);
    if (message->answer.bucket.result != BUCKET_ALLOWED)
        return;
    settle_at(brain, place, ask);
    read_marks(brain, place, ask, marks);
    decide_describe(brain, place, holding_at(brain, place, ask), demand_for(message),
                    BUCKET_ALLOWED, marks, &message->answer.bucket);
    finish_settled(brain);
}

bool waits_answer(struct brain *brain, const struct place *place, struct message *message)
{
    if (message->kind == MESSAGE_ALLOW || message->kind == MESSAGE_ACQUIRE)
        return allow(brain, place, message);
    if (message->kind == MESSAGE_RESET || message->kind == MESSAGE_REFUND)
        make_room(brain, place, message);
    else
        decide(brain, message->kind, place, &message->ask.bucket, &message->answer.bucket);
    return true;
}

void waits_leave(struct brain *brain, struct message *message)
{
    struct holding *holding = message->waiter.holding;
    if (holding == NULL)
        return;
    part(brain, &message->waiter);
    settle_as(brain, message, BUCKET_LEFT);
    if (holding->is_left)
        return;
    holding->is_left = true;
    holding->next_left = brain->left;
    brain->left = holding;
}

void waits_have_left(struct brain *brain)
{
    while (brain->left != NULL) {
        struct holding *holding = brain->left;
        brain->left = holding->next_left;
        holding->is_left = false;
        settle(brain, holding);
    }
    finish_settled(brain);
}

/* ---- time ---- */

/* The tick is there that pays the head of a queue. If its buckets do not hold what it was promised,
 * because damage has emptied them, the queue is settled. */
static void let_go(struct brain *brain, struct waiter *waiter)
{
    struct holding *holding = waiter->holding;
    struct message *message = message_of_waiter(waiter);
    const struct place place = holding->place;
    const struct bucket_question *ask = &message->ask.bucket;
    uint64_t marks[BUCKETS_MAX];
    assert(holding->first == waiter);
    if (has_ended(brain, holding)) {
        settle(brain, holding);
        return;
    }
    uint32_t slot = read_marks(brain, &place, ask, marks);
    enum bucket_result result =
        decide_try(brain, &place, holding, true, message->kind, ask, slot, marks);
    if (result == BUCKET_DENIED) {
        settle(brain, holding);
        return;
    }
    part(brain, waiter);
    advance(brain, holding);
    settle_as(brain, message, result);
    holdings_drop_unused(&brain->buckets.holdings, holding);
}

static void end_wait(struct brain *brain, struct waiter *waiter)
{
    struct holding *holding = waiter->holding;
    part(brain, waiter);
    settle_as(brain, message_of_waiter(waiter), BUCKET_WAIT_OVER);
    settle(brain, holding);
}

void waits_let_go(struct brain *brain)
{
    struct waiter *waiter;
    while ((waiter = wait_heap_top(&brain->waiters)) != NULL && waiter->due_ns <= brain->now_ns) {
        if (waiter->due_tick == TICK_NEVER)
            end_wait(brain, waiter);
        else if (waiter->due_tick == brain->buckets.lines.tick)
            let_go(brain, waiter);
        else
            settle(brain, waiter->holding);
    }
    finish_settled(brain);
}

/* ---- changes ---- */

void waits_before_change(struct brain *brain)
{
    for (uint32_t i = 0; i < brain->waiters.count; i++) {
        struct holding *holding = brain->waiters.waiter[i]->holding;
        uint64_t deferred[BUCKETS_MAX];
        memcpy(deferred, holding->deferred, sizeof deferred);
        apply(brain, holding, deferred);
        holding_forgive(holding);
    }
}

/* The holdings stay until all are asked: those who are asked first must not evict the keys of the others. */
void waits_after_change(struct brain *brain)
{
    struct wait_heap *waiters = &brain->waiters;
    uint32_t count = waiters->count;
    uint64_t behind[BUCKETS_MAX]; /* nothing any more */
    for (uint32_t i = 0; i < count; i++) {
        struct holding *holding = waiters->waiter[i]->holding;
        if (holding == NULL) /* its queue was disbanded with another one */
            continue;
        holding_disband(holding, behind);
    }
    wait_heap_sort(waiters);
    waiters->count = 0;
    brain->counters.waiting = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct message *message = message_of_waiter(waiters->waiter[i]);
        const struct place place =
            buckets_place(&brain->buckets, brain->limits, &message->ask.bucket);
        if (place.limit < 0)
            settle_as(brain, message, BUCKET_NO_SUCH_LIMIT);
        else if (brain->limits->limit[place.limit].is_fleet)
            chain_add(&brain->moved, &message->letter);
        else
            ask_again(brain, &place, message);
    }
    if (count > 0)
        holdings_drop_all_unused(&brain->buckets.holdings);
    finish_settled(brain);
}
