#include "brain/lease.h"

#include "brain/decide.h"
#include "brain/lease_tell.h"
#include "brain/shares.h"
#include "brain/waits.h"

enum { BOOKS_SLICE = 256 }; /* ends, which take less than a millisecond together */

/* ---- ends ---- */

/* Has all come back that ended of a key. Returns the holding of those who wait for that; NULL: nobody
 * does. */
static struct holding *apply_ends(struct brain *brain, const struct lease_key *key)
{
    if (!lease_ends_apply(brain, key->hash, key->key, key->key_len))
        return NULL;
    const struct lease_target target = lease_target_of(brain, key);
    return target.limit == NULL
               ? NULL
               : buckets_holding(&brain->buckets, &target.place, key->key, key->key_len);
}

static void settle_queue(struct brain *brain, const struct holding *holding)
{
    const struct place place = holding->place;
    const struct bucket_question ask = {.key = holding->key, .key_len = holding->key_len};
    waits_settle(brain, &place, &ask);
}

static void tell_end(struct brain *brain, uint32_t number)
{
    const struct lease_key *key = brain->leases.lease[number].key;
    const struct limit *limit =
        events_are_too_many(brain, EVENT_lease_expired) ? NULL : lease_limit_of(brain, key->salt);
    events_lease_expired(brain, limit, key->key, key->key_len, brain->leases.node[number].tokens,
                         brain->leases.node[number].slots);
}

/* Leases that have ended are not held any more before anybody is asked anew, who may get theirs. */
static struct holding *expire(struct brain *brain, uint32_t number)
{
    tell_end(brain, number);
    struct holding *unsettled = apply_ends(brain, brain->leases.lease[number].key);
    leases_expire(&brain->leases, number);
    brain->counters.leases_expired++;
    return unsettled;
}

/* Whether there may be too few leases for all who wait, and one who does not. */
static bool is_crowded(const struct brain *brain)
{
    uint64_t wanted = (uint64_t)brain->leases.held.count + brain->waiters.count;
    return wanted >= brain->max_leases || wanted >= brain->leases.max_leases;
}

void lease_keep_books(struct brain *brain)
{
    struct holding *unsettled = NULL, *one;
    uint32_t number;
    for (int left = BOOKS_SLICE; (left > 0 || is_crowded(brain)) &&
                                 (number = leases_ended(&brain->leases)) != LEASE_NONE_NUMBER;
         left--)
        if ((one = expire(brain, number)) != NULL) {
            one->next_unsettled = unsettled;
            unsettled = one;
        }
    for (; unsettled != NULL; unsettled = one) {
        one = unsettled->next_unsettled;
        settle_queue(brain, unsettled);
    }
    for (int left = BOOKS_SLICE; left > 0 && leases_forget(&brain->leases); left--)
        ;
}

/* What has ended takes nobody's place, though the bookkeeping has not come to it. */
static void make_room(struct brain *brain)
{
    if (is_crowded(brain) && lease_ends_are_due(brain))
        lease_keep_books(brain);
}

void lease_settle(struct brain *brain, const struct place *place, const struct bucket_question *ask)
{
    make_room(brain);
    if (lease_ends_apply(brain, place->hash, ask->key, ask->key_len))
        waits_settle(brain, place, ask);
}

/* ---- time ---- */

static uint64_t lived_ns(const struct brain *brain)
{
    return brain_lived_ns(brain, brain->now_ns);
}

uint64_t lease_next_tick_ns(const struct brain *brain)
{
    uint64_t end_ns = leases_next_end_ns(&brain->leases), last_ns = brain->leases.now_ns;
    if (end_ns == UINT64_MAX)
        return BRAIN_NEVER;
    uint64_t ticks =
        end_ns <= last_ns ? 1 : (end_ns - last_ns + brain->tick_ns - 1) / brain->tick_ns;
    return brain->last_tick_ns + ticks * brain->tick_ns;
}

/* ---- releasing ---- */

/* Charges what was used beyond what the lease took. It is done before the release is kept: if the process
 * is killed in between, a release that is repeated charges twice, and never nothing. */
static void charge(struct brain *brain, const struct lease_target *target, uint64_t tokens,
                   struct lease_outcome *outcome)
{
    struct bucket_question ask = target->ask;
    struct bucket_answer answer;
    ask.tokens = tokens;
    decide(brain, MESSAGE_CHARGE, &target->place, &ask, &answer);
    if (answer.result == BUCKET_ALWAYS)
        return;
    outcome->charged_tokens = answer.result == BUCKET_ALLOWED ? answer.charged_tokens : 0;
    outcome->forgiven_tokens = tokens - outcome->charged_tokens;
}

/* What the key owes once so many tokens have come back. */
static uint64_t owed_after(struct brain *brain, const struct lease_target *target,
                           uint64_t returned)
{
    const struct bucket_question *ask = &target->ask;
    const struct holding *holding =
        buckets_holding(&brain->buckets, &target->place, ask->key, ask->key_len);
    struct bucket_answer answer;
    uint64_t marks[BUCKETS_MAX];
    uint32_t slot = buckets_find(&brain->buckets, &target->place, ask);
    buckets_marks(&brain->buckets, &target->place, ask, slot, marks);
    decide_give(brain, &target->place, holding, returned, marks);
    decide_describe(brain, &target->place, holding, (struct demand){0, 0}, BUCKET_ALLOWED, marks,
                    &answer);
    return answer.owed_tokens;
}

/* Of a lease that holds nothing nothing comes back, and nothing was used that anybody counts. */
static struct lease_outcome settle_account(struct brain *brain, const struct lease_target *target,
                                           uint64_t tokens, uint64_t used)
{
    struct lease_outcome outcome = {0};
    if (place_allowance(brain, &target->place)->burst == 0)
        return outcome;
    if (used > tokens)
        charge(brain, target, used - tokens, &outcome);
    else
        outcome.returned_tokens = tokens - used;
    outcome.owed_tokens = owed_after(brain, target, outcome.returned_tokens);
    return outcome;
}

static enum lease_state release(struct brain *brain, uint32_t number,
                                const struct lease_target *target, const struct lease_question *ask)
{
    const struct lease_node *node = &brain->leases.node[number];
    struct lease_outcome outcome = {0};
    uint64_t since_tick_ns = lived_ns(brain) - brain->leases.now_ns;
    brain->counters.leases_released++;
    if (target->limit == NULL) {
        outcome.until_ns = since_tick_ns;
        leases_let_go(&brain->leases, number, LEASE_LOST_LIMIT, &outcome);
        return LEASE_LOST_LIMIT;
    }
    if (node->tokens > 0 || node->slots > 0)
        outcome = settle_account(brain, target, node->tokens,
                                 ask->has_used ? ask->used_tokens : node->tokens);
    outcome.until_ns = since_tick_ns;
    leases_let_go(&brain->leases, number, LEASE_RELEASED, &outcome);
    counters_add(&brain->counters.returned_tokens, outcome.returned_tokens);
    lease_give_back(brain, target, outcome.returned_tokens);
    waits_settle(brain, &target->place, &target->ask);
    if (target->limit->is_fleet)
        shares_slots_back(brain, &target->place, &target->ask);
    return LEASE_RELEASED;
}

/* ---- the kinds ---- */

/* false: it waits. */
static bool renew(struct brain *brain, uint32_t number, const struct lease_target *target,
                  struct message *message, enum lease_state *state)
{
    *state = LEASE_HELD;
    if (target->limit->is_fleet && brain->leases.node[number].slots > 0)
        return shares_renew(brain, &target->place, &target->ask, message, state);
    lease_renew(brain, number, &message->ask.lease);
    return true;
}

/* false: it waits. */
static bool answer_held(struct brain *brain, uint32_t number, const struct lease_target *target,
                        struct message *message, enum lease_state *state)
{
    bool has_ended = leases_has_ended(&brain->leases, number);
    const struct holding *unsettled =
        has_ended ? expire(brain, number) : apply_ends(brain, brain->leases.lease[number].key);
    if (unsettled != NULL)
        settle_queue(brain, unsettled);
    *state = has_ended ? LEASE_EXPIRED : target->limit == NULL ? LEASE_LOST_LIMIT : LEASE_HELD;
    if (!has_ended && message->kind == MESSAGE_RELEASE)
        *state = release(brain, number, target, &message->ask.lease);
    else if (*state == LEASE_HELD && message->kind == MESSAGE_RENEW)
        return renew(brain, number, target, message, state);
    return true;
}

bool lease_answer(struct brain *brain, struct message *message)
{
    const struct lease_question ask = message->ask.lease;
    struct lease_answer *answer = &message->answer.lease;
    *answer = (struct lease_answer){.state = LEASE_NONE, .key = answer->key};
    make_room(brain);
    uint32_t number = leases_find(&brain->leases, &ask.id);
    if (number == LEASE_NONE_NUMBER)
        return true;
    const struct lease *lease = &brain->leases.lease[number];
    const struct lease_target target = lease_target_of(brain, lease->key);
    enum lease_state state = lease->state;
    if (state == LEASE_HELD && !answer_held(brain, number, &target, message, &state))
        return false;
    lease_describe(brain, number, state, target.limit, answer);
    return true;
}

/* ---- after a restart ---- */

static void restore_entry(struct brain *brain, const struct lease_key *key)
{
    const struct lease_target target = lease_target_of(brain, key);
    if (target.limit == NULL || target.limit->is_fleet ||
        place_allowance(brain, &target.place)->slots == 0 ||
        leases_key_slots(&brain->leases, key) == 0 ||
        buckets_find(&brain->buckets, &target.place, &target.ask) != TABLE_NONE ||
        !buckets_make_room(&brain->buckets, target.place.hash, 0, true))
        return;
    uint64_t marks[BUCKETS_MAX];
    buckets_marks(&brain->buckets, &target.place, &target.ask, TABLE_NONE, marks);
    buckets_store(&brain->buckets, &target.place, &target.ask, TABLE_NONE, marks);
}

void lease_restore_entries(struct brain *brain)
{
    for (size_t i = 0; i <= brain->leases.mask; i++)
        for (struct lease_key *key = brain->leases.by_key[i]; key != NULL; key = key->next)
            restore_entry(brain, key);
}

/* ---- of a fleet ---- */

static void claim(struct brain *brain, const struct lease_key *key)
{
    const struct lease_target target = lease_target_of(brain, key);
    if (target.limit != NULL && target.limit->is_fleet &&
        place_allowance(brain, &target.place)->slots > 0 &&
        leases_key_slots(&brain->leases, key) > 0)
        shares_claim(brain, &target.place, &target.ask);
}

void lease_claim_slots(struct brain *brain)
{
    if (brain->leases.held.count == 0 || !brain->limits->has_fleet ||
        brain->shares.sessions.nonce == 0)
        return;
    for (size_t i = 0; i <= brain->leases.mask; i++)
        for (const struct lease_key *key = brain->leases.by_key[i]; key != NULL; key = key->next)
            claim(brain, key);
}
