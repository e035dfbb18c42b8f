#include "prop/fleet_sim.h"

#include "brain/core.h"
#include "brain/share_hand.h"
#include "limits/runtime.h"
#include "support/ask_brain.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MILLION = 1000000,
    MAX_KEYS = FLEET_STATE_KEYS,
    MAX_LEASES = FLEET_LEASES,
    FLEET_SHARDS = 256
};
#define FLEET "fleet"
#define WALL_AHEAD_NS (UINT64_C(1) << 60) /* of all clocks, which tell how long they have run */

const char *const fleet_keys[FLEET_KEYS] = {"a", "key-of-somebody", "c"};
const char *const fleet_limit_names[FLEET_LIMITS] = {LIMIT_DEFAULT_NAME, "api"};
bool fleet_traces;

void fleet_note(const struct fleet_sim *world, const char *format, ...)
{
    if (!fleet_traces)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%" PRIu64 " +%" PRIu64 ": ", world->number, world->now_ns / 1000);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

static void *allocated(void *memory)
{
    assert_non_null(memory);
    return memory;
}

/* ---- clocks ---- */

uint64_t fleet_clock_tells(const struct fleet_clock *clock, uint64_t true_ns)
{
    __int128 passed = (__int128)true_ns - clock->from_ns;
    return (uint64_t)(clock->told_ns + passed + passed * clock->fast_ppm / MILLION);
}

uint64_t fleet_clock_when(const struct fleet_clock *clock, uint64_t told_ns)
{
    if (told_ns <= clock->told_ns)
        return clock->from_ns;
    __int128 passed = (__int128)(told_ns - clock->told_ns) * MILLION / (MILLION + clock->fast_ppm);
    uint64_t then_ns = clock->from_ns + (uint64_t)passed;
    while (fleet_clock_tells(clock, then_ns) < told_ns)
        then_ns++;
    return then_ns;
}

uint64_t fleet_sim_store_ms(const struct fleet_sim *world)
{
    return fleet_clock_tells(&world->store.clock, world->now_ns) / NS_PER_MS;
}

static uint64_t here_ns(const struct fleet_sim *world, const struct fleet_sidecar *sidecar)
{
    return fleet_clock_tells(&sidecar->clock, world->now_ns);
}

/* The clock of a sidecar, and the date by it. */
static struct moment moment_of(const struct fleet_sim *world, const struct fleet_sidecar *sidecar)
{
    uint64_t now_ns = here_ns(world, sidecar);
    return (struct moment){.now_ns = now_ns, .wall_ns = WALL_AHEAD_NS + now_ns, .clock_id = "any"};
}

static uint64_t lease_ns(const struct fleet_sim *world)
{
    return (world->terms.ttl_ms + world->terms.grace_ms) * NS_PER_MS;
}

uint64_t fleet_sim_memory_ns(const struct fleet_sim *world)
{
    return lease_ns(world) + lease_ns(world) / 100 + 2 * NS_PER_MS +
           2 * world->network.op_timeout_ns;
}

/* ---- rules ---- */

const struct bucket_terms *fleet_rules_buckets(const struct fleet_rules *rules, unsigned record,
                                               unsigned *buckets)
{
    unsigned limit = record / FLEET_KEYS;
    const struct override_terms *override = &rules->override[record];
    if (rules->is_overridden[record] && override->action == OVERRIDE_TERMS) {
        *buckets = override->buckets_count;
        return override->buckets;
    }
    *buckets = rules->buckets[limit];
    return rules->bucket[limit];
}

/* By the rules in force at a sidecar. */
static uint64_t burst_at(const struct fleet_sim *world, const struct fleet_sidecar *sidecar,
                         unsigned record)
{
    unsigned buckets;
    return fleet_rules_buckets(&world->rules[sidecar->terms], record, &buckets)->burst;
}

/* ---- what is due when ---- */

static bool is_before(const struct fleet_event *a, const struct fleet_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->number < b->number;
}

static void swap(struct fleet_event *a, struct fleet_event *b)
{
    struct fleet_event other = *a;
    *a = *b;
    *b = other;
}

static void add_event(struct fleet_sim *world, uint64_t in_ns, enum fleet_event_kind kind,
                      struct fleet_flight *flight, struct fleet_call *call)
{
    if (world->events == world->heap_size) {
        world->heap_size = 2 * world->heap_size + 64;
        world->heap = allocated(realloc(world->heap, world->heap_size * sizeof *world->heap));
    }
    unsigned at = world->events++;
    world->heap[at] = (struct fleet_event){.at_ns = world->now_ns + in_ns,
                                           .number = world->next_number++,
                                           .kind = kind,
                                           .flight = flight,
                                           .call = call};
    flight->references++;
    for (; at > 0 && is_before(&world->heap[at], &world->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&world->heap[at], &world->heap[(at - 1) / 2]);
}

static struct fleet_event next_event(struct fleet_sim *world)
{
    struct fleet_event first = world->heap[0], *heap = world->heap;
    unsigned count = --world->events, at = 0;
    heap[0] = heap[count];
    for (;;) {
        unsigned least = at;
        for (unsigned child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < count && is_before(&heap[child], &heap[least]))
                least = child;
        if (least == at)
            return first;
        swap(&heap[at], &heap[least]);
        at = least;
    }
}

/* ---- the network ---- */

static bool happens(struct fleet_sim *world, unsigned permille)
{
    return dice_roll(&world->dice, 1000) < permille;
}

static uint64_t delay_ns(struct fleet_sim *world)
{
    const struct fleet_network *network = &world->network;
    return happens(world, network->late) ? dice_roll(&world->dice, network->late_ns)
                                         : dice_roll(&world->dice, network->latency_ns) + 1;
}

static unsigned record_of(const struct order *order)
{
    for (unsigned limit = 0; limit < FLEET_LIMITS; limit++)
        for (unsigned key = 0; key < FLEET_KEYS; key++)
            if (strlen(fleet_limit_names[limit]) == order->limit_len &&
                strlen(fleet_keys[key]) == order->key_len &&
                memcmp(fleet_limit_names[limit], order->limit_name, order->limit_len) == 0 &&
                memcmp(fleet_keys[key], order->key, order->key_len) == 0)
                return fleet_record_of(limit, key);
    fail_msg("an order for no record that there is: %.*s under %.*s", order->key_len, order->key,
             order->limit_len, order->limit_name);
    abort();
}

static size_t bytes_of(const struct orders *orders)
{
    return offsetof(struct orders, order) + orders->count * sizeof orders->order[0];
}

/* A call that takes the letter's orders to the store: again maybe, by the same words. */
static void call_store(struct fleet_sim *world, struct fleet_flight *flight, uint64_t in_ns)
{
    struct fleet_call *call =
        allocated(malloc(offsetof(struct fleet_call, orders) + bytes_of(flight->letter)));
    call->flight = flight;
    call->sent_ns = here_ns(world, &world->sidecar[flight->sidecar]);
    memcpy(&call->orders, flight->letter, bytes_of(flight->letter));
    for (unsigned i = 0; i < call->orders.count; i++) {
        struct order *order = &call->orders.order[i];
        unsigned record = record_of(order);
        order->limit_name = fleet_limit_names[record / FLEET_KEYS];
        order->key = fleet_keys[record % FLEET_KEYS];
    }
    add_event(world, in_ns, FLEET_CALL_ARRIVES, flight, call);
}

static void let_go(struct fleet_flight *flight)
{
    if (--flight->references == 0)
        free(flight);
}

/* An order goes by the buckets that are in force. */
static void check_terms(const struct fleet_sim *world, const struct fleet_sidecar *sidecar,
                        unsigned record, const struct order *order)
{
    unsigned buckets;
    const struct bucket_terms *bucket =
        fleet_rules_buckets(&world->rules[sidecar->terms], record, &buckets);
    bool are_same = order->buckets == buckets;
    for (unsigned i = 0; are_same && i < buckets; i++)
        are_same = order->terms[i].burst_tokens == bucket[i].burst;
    if (!are_same)
        fleet_violated(FLEET_OVERRIDES, &world->ledger[record],
                       "an order has %u buckets, the first of %" PRIu64
                       " tokens; in force are %u, the first of %" PRIu64,
                       order->buckets, order->terms[0].burst_tokens, buckets, bucket[0].burst);
}

/* A session had spent so much of a bucket by then. */
static void note_spent(struct fleet_sidecar *sidecar, unsigned record, uint64_t session,
                       unsigned bucket, uint64_t tokens)
{
    struct fleet_spent *spent = &sidecar->copied[record];
    if (session == spent->session && tokens > spent->now[bucket])
        spent->now[bucket] = tokens;
}

static void send_letter(struct fleet_sim *world, unsigned at, struct orders *letter)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    struct fleet_flight *flight = allocated(malloc(sizeof *flight));
    *flight = (struct fleet_flight){.letter = letter, .sidecar = at, .life = sidecar->life};
    world->letters++;
    for (unsigned i = 0; i < letter->count; i++) {
        const struct order *order = &letter->order[i];
        unsigned record = record_of(order);
        fleet_note(world,
                   "%u orders %s: session %" PRIx64 " seq %" PRIu64 ", granted %" PRIu64
                   " disposed %" PRIu64 " net %" PRId64 " want %" PRIu64 " flags %u",
                   at, fleet_keys[record % FLEET_KEYS], order->session, order->seq,
                   order->totals[0].granted, order->totals[0].disposed, order->totals[0].net,
                   order->totals[0].want, order->flags);
        check_terms(world, sidecar, record, order);
        for (unsigned j = 0; j < order->buckets; j++)
            note_spent(sidecar, record, order->session, j, order->totals[j].disposed);
        fleet_pace_order(&sidecar->pace[record], &world->ledger[record], order, letter->sent_ns,
                         world->terms.min_interval_ms * NS_PER_MS, sidecar->is_ending);
        world->orders++;
    }
    if (sidecar->is_apart && dice_once_in(&world->dice, 2)) {
        add_event(world, dice_roll(&world->dice, world->network.latency_ns) + 1, FLEET_NOT_SENT,
                  flight, NULL);
        return;
    }
    add_event(world, world->network.op_timeout_ns, FLEET_TIMES_OUT, flight, NULL);
    if (sidecar->is_apart && dice_once_in(&world->dice, 2))
        return;
    if (!happens(world, world->network.lost))
        call_store(world, flight, delay_ns(world));
    if (happens(world, world->network.doubled))
        call_store(world, flight, delay_ns(world) + delay_ns(world));
}

/* ---- the store ---- */

static size_t record_name(unsigned at, char name[FLEET_RECORD_NAME_MAX])
{
    const char *limit = fleet_limit_names[at / FLEET_KEYS], *key = fleet_keys[at % FLEET_KEYS];
    struct order order = {.limit_name = limit,
                          .key = key,
                          .limit_len = (uint16_t)strlen(limit),
                          .key_len = (uint16_t)strlen(key)};
    return fleet_record_name(FLEET, &order, name);
}

const struct store_record *fleet_sim_record(struct fleet_sim *world, unsigned at,
                                            struct store_record *record)
{
    char name[FLEET_RECORD_NAME_MAX];
    struct store_value value;
    if (!store_model_get(world->store.model, name, record_name(at, name), fleet_sim_store_ms(world),
                         &value))
        return NULL;
    assert_true(store_record_read(record, value.bytes, value.len));
    return record;
}

static void note_call(const struct fleet_sim *world, const struct fleet_call *call,
                      const struct order *order)
{
    fleet_note(world,
               "store: %s under %s of %u, session %" PRIx64 " seq %" PRIu64
               ": result %d, time %" PRIu64,
               order->key, order->limit_name, call->flight->sidecar, order->session, order->seq,
               order->result, order->answered_ms);
    for (unsigned i = 0; fleet_traces && i < order->buckets; i++)
        printf("  of %" PRIu64 " granted %" PRIu64 ", level %.3f, out %" PRIu64 "\n",
               order->terms[i].burst_tokens, order->granted[i],
               (double)order->level_units[i] / (double)order->terms[i].token_units,
               order->out_tokens[i]);
}

/* Slots of a record that callers hold now. */
static uint64_t slots_in_force(const struct fleet_sim *world, unsigned record)
{
    uint64_t slots = 0;
    for (unsigned i = 0; i < FLEET_LEASES; i++)
        if (world->lease[i].end_ns > world->now_ns && world->lease[i].record == record)
            slots += world->lease[i].slots;
    return slots;
}

/* Slots that sessions of a record have out which are not over. */
static uint64_t slots_out(const struct fleet_sim *world, const struct store_record *record)
{
    uint64_t slots = 0;
    for (unsigned i = 0; record != NULL && i < record->holders; i++)
        if (record->holder[i].dead_at_ms >= fleet_sim_store_ms(world))
            slots += record->holder[i].bucket[0].granted - record->holder[i].bucket[0].disposed;
    return slots;
}

/* Whether the store may lend slots by now: since it forgot everything, those who hold some have had the time to say so. */
static bool may_lend(const struct fleet_sim *world, const struct fleet_call *call,
                     const struct order *order)
{
    uint64_t empty_ms = order->answered_epoch_ms + call->orders.ttl_ms + call->orders.grace_ms;
    return order->result == ORDER_DONE && fleet_sim_store_ms(world) > empty_ms;
}

static void serve(struct fleet_sim *world, struct fleet_call *call, struct order *order)
{
    static struct store_record before, after;
    unsigned at = record_of(order);
    struct call_terms terms = {call->orders.ttl_ms, call->orders.grace_ms,
                               call->orders.clock_guard_ms};
    const struct store_record *was = fleet_sim_record(world, at, &before);
    store_model_order(world->store.model, FLEET, order, &terms, call->sent_ns,
                      fleet_sim_store_ms(world));
    world->calls++;
    bool has_taken = (order->flags & ORDER_TAKES_OVER) != 0 && order->result == ORDER_DONE;
    world->taken_over += has_taken;
    world->slots_taken_over += has_taken && world->has_slots && at / FLEET_KEYS == FLEET_LIMITS - 1;
    note_call(world, call, order);
    const struct store_record *is = fleet_sim_record(world, at, &after);
    fleet_ledger_call(&world->ledger[at], was, is, order, &call->orders, world->now_ns);
    if (may_lend(world, call, order))
        fleet_ledger_out(&world->ledger[at], slots_out(world, is), slots_in_force(world, at));
}

static void call_arrives(struct fleet_sim *world, struct fleet_call *call)
{
    struct fleet_flight *flight = call->flight;
    if (!flight->is_done && happens(world, world->network.refused))
        flight->is_refused = true;
    flight->is_done = !flight->is_refused;
    for (unsigned i = 0; i < call->orders.count; i++)
        if (flight->is_refused)
            call->orders.order[i].result = ORDER_REFUSED;
        else
            serve(world, call, &call->orders.order[i]);
    const struct fleet_sidecar *sidecar = &world->sidecar[flight->sidecar];
    if (!sidecar->is_apart && !happens(world, world->network.lost))
        add_event(world, delay_ns(world), FLEET_ANSWER_ARRIVES, flight, call);
    else
        free(call);
}

/* ---- sidecars ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What others wait for, behind whom one would be. */
static uint64_t waited_for(const struct fleet_sidecar *sidecar, unsigned record)
{
    uint64_t tokens = 0;
    for (unsigned i = 0; i < FLEET_CALLERS; i++) {
        const struct fleet_asker *caller = &sidecar->caller[i];
        if (caller->is_away && caller->record == record && caller->message.kind == MESSAGE_ALLOW)
            tokens += caller->message.ask.bucket.tokens;
    }
    return tokens;
}

/* Nobody is let in uncounted, or apart from the store, unless the configuration says so. */
static bool may_be_apart(const struct fleet_terms *terms, const struct bucket_answer *answer)
{
    if (answer->result == BUCKET_UNCOUNTED)
        return answer->is_apart &&
               (terms->cold == FLEET_COLD_ALLOW || terms->on_partition == FLEET_PARTITION_ALLOW);
    return answer->result != BUCKET_ALLOWED || !answer->is_apart ||
           terms->on_partition == FLEET_PARTITION_SHARE;
}

/* What an override has a key told, whatever is in hand: if there is none, neither of these. */
static bool is_by_override(enum override_action action, uint64_t tokens, enum bucket_result result)
{
    bool is_open = result == BUCKET_HELD_BACK || result == BUCKET_LEFT;
    switch (action) {
    case OVERRIDE_TERMS:
        return result != BUCKET_ALWAYS && result != BUCKET_NEVER;
    case OVERRIDE_ALLOW: /* but a lease without slots is one too, and a sidecar has so many */
        return is_open || result == BUCKET_ALWAYS || result == BUCKET_TOO_MANY_LEASES;
    case OVERRIDE_DENY:
        return is_open || result == BUCKET_NEVER || (tokens == 0 && result == BUCKET_ALLOWED);
    }
    return false;
}

static void check_told(struct fleet_sim *world, const struct fleet_sidecar *sidecar,
                       unsigned record, uint64_t tokens, const struct bucket_answer *answer)
{
    enum override_action action = fleet_rules_action(&world->rules[sidecar->terms], record);
    assert_true(may_be_apart(&world->terms, answer));
    if (!is_by_override(action, tokens, answer->result))
        fleet_violated(FLEET_OVERRIDES, &world->ledger[record],
                       "result %d of %" PRIu64 " tokens, and the override has action %d",
                       answer->result, tokens, action);
    world->overridden += action != OVERRIDE_TERMS;
}

/* ---- questions with tokens ---- */

static struct fleet_once once_of(const struct fleet_sim *world, unsigned at,
                                 const struct fleet_asker *caller)
{
    struct fleet_once once =
        fleet_once_of(&caller->message, caller->token, at, world->sidecar[at].life, caller->record);
    once.answered_ns = world->now_ns;
    return once;
}

/* Who was the first to ask with a caller's token of those who wait for an answer, if that was before the caller; or NULL. */
static const struct fleet_asker *who_waits(const struct fleet_sidecar *sidecar,
                                           const struct fleet_asker *caller)
{
    const struct fleet_asker *first = NULL;
    for (unsigned i = 0; i < FLEET_CALLERS; i++) {
        const struct fleet_asker *other = &sidecar->caller[i];
        if (other->is_away && other->token == caller->token &&
            other->number < (first == NULL ? caller->number : first->number))
            first = other;
    }
    return first;
}

/* Whether a question has done nothing because its token had come before. It is not away any more. */
static bool is_answered_before(struct fleet_sim *world, unsigned at,
                               const struct fleet_asker *caller)
{
    if (caller->token == 0)
        return false;
    const struct fleet_asker *first = who_waits(&world->sidecar[at], caller);
    struct fleet_once asked = once_of(world, at, caller), waits;
    fleet_note(world, "%u answers token %" PRIu64 "%s", at, caller->token,
               caller->once.is_repeated ? " as before" : "");
    if (first != NULL)
        waits = once_of(world, at, first);
    bool is_repeated = caller->once.is_repeated;
    world->repeated += is_repeated;
    return fleet_once_tell(&world->onces, &asked, first == NULL ? NULL : &waits, is_repeated,
                           &world->ledger[caller->record]);
}

/* Gives a question a token of its own, now and then. */
static void may_ask_once(struct fleet_sim *world, struct fleet_asker *caller)
{
    enum message_kind kind = caller->message.kind;
    if (!world->asks_once || kind == MESSAGE_STATUS || kind == MESSAGE_RESET ||
        !dice_once_in(&world->dice, 2))
        return;
    caller->token = ++world->onces.begun;
    fleet_once_name(caller->token, &caller->once);
    caller->message.once = &caller->once;
    fleet_note(world, "a question with token %" PRIu64, caller->token);
}

/* ---- answers ---- */

static void told_of_tokens(struct fleet_sim *world, unsigned at, struct fleet_asker *caller)
{
    const struct bucket_answer *answer = &caller->message.answer.bucket;
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    struct fleet_ledger *ledger = &world->ledger[caller->record];
    const struct bucket_question *ask = &caller->message.ask.bucket;
    uint64_t tokens = ask->tokens;
    assert_true(caller->is_away);
    caller->is_away = false;
    fleet_note(world,
               "%u tells kind %d of %s under %s for %" PRIu64 ": result %d, remaining %" PRIu64
               ", retry after %" PRIu64 ", charged %" PRIu64,
               at, caller->message.kind, ask->key, ask->limit_name, tokens, answer->result,
               answer->remaining_tokens, answer->retry_after_ms, answer->charged_tokens);
    if (is_answered_before(world, at, caller)) {
        message_hold(&caller->message, NULL);
        return;
    }
    switch (caller->message.kind) {
    case MESSAGE_ALLOW:
        if (answer->result == BUCKET_ALLOWED && tokens > 0) {
            if (sidecar->is_in_stale_turn)
                fleet_sim_count_stale(world, at, caller->record, tokens);
            world->allowed++;
            if (answer->is_apart)
                fleet_ledger_admit_apart(ledger, tokens, world->now_ns);
            else
                fleet_ledger_admit(ledger, tokens, world->now_ns);
        }
        check_told(world, sidecar, caller->record, tokens, answer);
        world->uncounted += answer->result == BUCKET_UNCOUNTED;
        world->waited += answer->has_waited && answer->result == BUCKET_ALLOWED;
        if (answer->result == BUCKET_DENIED && tokens > 0) {
            world->denied++;
            if (!sidecar->is_ending)
                fleet_ledger_deny(ledger, tokens + waited_for(sidecar, caller->record),
                                  world->now_ns);
        }
        break;
    case MESSAGE_REFUND:
        if (answer->result == BUCKET_ALLOWED)
            ledger->refunded += least(tokens, burst_at(world, sidecar, caller->record));
        break;
    case MESSAGE_RESET:
        ledger->resets += answer->result == BUCKET_ALLOWED;
        break;
    case MESSAGE_CHARGE:
        ledger->charged += answer->result == BUCKET_ALLOWED ? answer->buckets[0].charged_tokens : 0;
        break;
    default:
        break;
    }
    if (caller->message.kind != MESSAGE_ALLOW)
        sidecar->pace[caller->record].is_changed = true;
    message_hold(&caller->message, NULL);
}

static unsigned record_of_call(const struct bucket_question *ask)
{
    struct order order = {.limit_name = ask->limit_name,
                          .key = ask->key,
                          .limit_len = (uint16_t)ask->limit_name_len,
                          .key_len = (uint16_t)ask->key_len};
    return record_of(&order);
}

/* What is denied of a record with a call: what that wants, or all that a list wants of it which is all or none. */
static uint64_t denied_of_list(const struct list_question *list, unsigned record, uint32_t call,
                               bool is_all)
{
    uint64_t tokens = 0;
    for (uint32_t i = 0; i < list->count; i++)
        if (record_of_call(&list->calls[i].ask) == record && (is_all || i == call))
            tokens += list->calls[i].ask.tokens;
    return tokens;
}

static void told_of_list(struct fleet_sim *world, unsigned at, struct fleet_asker *caller)
{
    const struct list_question *list = &caller->message.ask.list;
    const struct fleet_sidecar *sidecar = &world->sidecar[at];
    bool is_all = caller->message.kind == MESSAGE_ALL, allows = caller->message.answer.list.allowed;
    caller->is_away = false;
    world->lists++;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct bucket_question *ask = &list->calls[i].ask;
        const struct bucket_answer *answer = &list->calls[i].answer;
        unsigned record = record_of_call(ask);
        fleet_note(world, "%u tells of a list %s under %s for %" PRIu64 ": result %d", at, ask->key,
                   ask->limit_name, ask->tokens, answer->result);
        check_told(world, sidecar, record, ask->tokens, answer);
        if (is_all) /* all or none */
            assert_int_equal(bucket_result_allows(answer->result), allows);
        if (answer->result == BUCKET_ALLOWED && ask->tokens > 0) {
            if (sidecar->is_in_stale_turn)
                fleet_sim_count_stale(world, at, record, ask->tokens);
            fleet_ledger_admit(&world->ledger[record], ask->tokens, world->now_ns);
        }
        if (answer->result == BUCKET_DENIED && ask->tokens > 0 && !sidecar->is_ending)
            fleet_ledger_deny(&world->ledger[record],
                              denied_of_list(list, record, i, is_all) + waited_for(sidecar, record),
                              world->now_ns);
    }
    message_hold(&caller->message, NULL);
}

static uint64_t true_end_ns(const struct fleet_sim *world, unsigned at, uint64_t after_ms)
{
    const struct fleet_sidecar *sidecar = &world->sidecar[at];
    return fleet_clock_when(&sidecar->clock, here_ns(world, sidecar) + after_ms * NS_PER_MS);
}

/* What a sidecar has of a record; NULL: nothing. */
static const struct share *share_of(const struct fleet_sidecar *sidecar, unsigned record)
{
    const struct shares *shares = &sidecar->brain->shares;
    for (uint32_t i = 0; i < shares->count; i++)
        if (strcmp(shares->heap[i]->name, fleet_limit_names[record / FLEET_KEYS]) == 0 &&
            strcmp(shares->heap[i]->key, fleet_keys[record % FLEET_KEYS]) == 0)
            return shares->heap[i];
    return NULL;
}

/* Whether the store has the session of a sidecar, and until when it keeps it. */
static bool is_kept(struct fleet_sim *world, const struct share *share, unsigned record,
                    uint64_t *until_ns)
{
    static struct store_record room;
    const struct store_record *is = fleet_sim_record(world, record, &room);
    for (unsigned i = 0; is != NULL && i < is->holders; i++)
        if (is->holder[i].session == share->session) {
            uint64_t dead_ms = is->holder[i].dead_at_ms + 1;
            *until_ns = fleet_clock_when(&world->store.clock, dead_ms * NS_PER_MS);
            return true;
        }
    *until_ns = 0;
    return false;
}

/* A lease has begun, or has a new end. A sidecar that has drained may have dropped its share since. */
static void lends(struct fleet_sim *world, const struct fleet_lease *lease)
{
    const struct fleet_ledger *ledger = &world->ledger[lease->record];
    const struct share *share = share_of(&world->sidecar[lease->sidecar], lease->record);
    uint64_t kept_ns;
    fleet_ledger_lend(ledger, slots_in_force(world, lease->record));
    if (share != NULL && (is_kept(world, share, lease->record, &kept_ns) || !ledger->is_forgetful))
        fleet_ledger_keep(ledger, kept_ns, lease->end_ns);
}

static void told_of_acquire(struct fleet_sim *world, unsigned at, const struct fleet_asker *caller)
{
    const struct acquire_question *ask = &caller->message.ask.acquire;
    const struct bucket_answer *answer = &caller->message.answer.bucket;
    fleet_note(world, "%u tells ACQUIRE of %s for %u slots: result %d, remaining %" PRIu64, at,
               ask->bucket.key, ask->slots, answer->result, answer->remaining_tokens);
    if (is_answered_before(world, at, caller))
        return;
    world->denied += answer->result == BUCKET_DENIED || answer->result == BUCKET_WAIT_OVER;
    check_told(world, &world->sidecar[at], caller->record, ask->slots, answer);
    if (answer->result != BUCKET_ALLOWED)
        return;
    for (unsigned i = 0; i < FLEET_LEASES; i++)
        if (world->lease[i].end_ns <= world->now_ns) {
            world->lease[i] =
                (struct fleet_lease){.id = ask->id,
                                     .sidecar = at,
                                     .life = world->sidecar[at].life,
                                     .record = caller->record,
                                     .slots = ask->slots,
                                     .end_ns = true_end_ns(world, at, answer->expires_after_ms)};
            world->lent++;
            lends(world, &world->lease[i]);
            return;
        }
}

static void told_of_lease(struct fleet_sim *world, unsigned at, const struct fleet_asker *caller)
{
    const struct lease_answer *answer = &caller->message.answer.lease;
    struct fleet_lease *lease = &world->lease[caller->lease];
    fleet_note(world, "%u tells kind %d of a lease: state %d, expires after %" PRIu64, at,
               caller->message.kind, answer->state, answer->expires_after_ms);
    if (caller->message.kind != MESSAGE_RENEW || answer->state != LEASE_HELD ||
        memcmp(&lease->id, &caller->message.ask.lease.id, sizeof lease->id) != 0 ||
        lease->end_ns == 0) /* its caller has released it meanwhile */
        return;
    lease->end_ns = true_end_ns(world, at, answer->expires_after_ms);
    world->renewed++;
    lends(world, lease);
}

static void told(struct fleet_sim *world, unsigned at, struct fleet_asker *caller)
{
    enum message_kind kind = caller->message.kind;
    if (kind != MESSAGE_ACQUIRE && kind != MESSAGE_RENEW && kind != MESSAGE_RELEASE) {
        told_of_tokens(world, at, caller);
        return;
    }
    assert_true(caller->is_away);
    caller->is_away = false;
    if (kind == MESSAGE_ACQUIRE)
        told_of_acquire(world, at, caller);
    else
        told_of_lease(world, at, caller);
    world->sidecar[at].pace[caller->record].is_changed = true;
    message_hold(&caller->message, NULL);
}

static void take_home(struct fleet_sim *world, unsigned at, struct letter *letters)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    while (letters != NULL) {
        struct message *message = message_of(letters);
        letters = letters->next;
        if (message == &sidecar->end) {
            fleet_note(world, "%u has given all back", at);
            sidecar->end_is_away = false;
        } else if (message->kind == MESSAGE_EACH || message->kind == MESSAGE_ALL) {
            told_of_list(world, at, (struct fleet_asker *)message);
        } else if (message->kind != MESSAGE_LIMITS && message->kind != MESSAGE_LEAVE) {
            told(world, at, (struct fleet_asker *)message);
        }
    }
}

/* What the decider does after its brain has answered. */
static void after_turn(struct fleet_sim *world, unsigned at, struct letter *answered)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    take_home(world, at, brain_released(sidecar->brain));
    take_home(world, at, answered);
    struct letter *letters = brain_orders(sidecar->brain);
    while (letters != NULL) {
        struct orders *letter = orders_of(message_of(letters));
        letters = letters->next;
        send_letter(world, at, letter);
    }
    uint64_t due_ns = brain_next_tick_ns(sidecar->brain), now_ns = here_ns(world, sidecar);
    if (due_ns <= now_ns) /* no time has passed since its last tick */
        due_ns = now_ns + 1;
    sidecar->tick_ns =
        due_ns == BRAIN_NEVER ? UINT64_MAX : fleet_clock_when(&sidecar->clock, due_ns);
}

static void answer(struct fleet_sim *world, unsigned at, struct letter *letters)
{
    struct chain answered = {0};
    if (letters != NULL)
        brain_answer(world->sidecar[at].brain, letters, &answered);
    after_turn(world, at, letters_oldest_first(answered.newest));
}

static void turn(struct fleet_sim *world, unsigned at, struct letter *letters)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    struct moment now = moment_of(world, sidecar);
    brain_tell_wall(sidecar->brain, now.now_ns, now.wall_ns);
    brain_tick(sidecar->brain, now.now_ns);
    answer(world, at, letters);
}

static void post(struct fleet_sim *world, unsigned at, struct letter *letter)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    letter->next = NULL;
    if (sidecar->stands_until_ns == 0) {
        turn(world, at, letter);
        return;
    }
    assert_true(sidecar->inbox_count < FLEET_INBOX);
    sidecar->inbox[sidecar->inbox_count++] = letter;
}

/* Of each bucket of a record: what a brain has in hand by a lease that is over by now. */
static void add_hand(const struct fleet_sim *world, const struct fleet_sidecar *sidecar,
                     unsigned record, uint64_t tokens[BUCKETS_MAX])
{
    const struct share *share = share_of(sidecar, record);
    if (share != NULL && share->lease_ns <= here_ns(world, sidecar))
        for (uint32_t i = 0; i < share->buckets; i++)
            tokens[i] += share_bucket_hand(&share->bucket[i]);
}

/* And what was granted by orders whose answers it finds when it goes on, and which are over too. */
static void add_late_grants(const struct fleet_sim *world, const struct fleet_sidecar *sidecar,
                            unsigned record, uint64_t tokens[BUCKETS_MAX])
{
    for (unsigned i = 0; i < sidecar->inbox_count; i++) {
        struct message *message = message_of(sidecar->inbox[i]);
        if (message->kind != MESSAGE_ORDERS)
            continue;
        const struct orders *letter = orders_of(message);
        for (unsigned j = 0; j < letter->count; j++) {
            const struct order *order = &letter->order[j];
            if (record_of(order) == record &&
                letter->sent_ns + letter->ttl_ms * NS_PER_MS <= here_ns(world, sidecar))
                for (unsigned k = 0; k < order->buckets; k++)
                    tokens[k] +=
                        order->granted[k] - least(order->granted[k], order->totals[k].granted);
        }
    }
}

/* What it may spend of a record though the lease is over: what every bucket has. */
static uint64_t stale_tokens(const struct fleet_sim *world, const struct fleet_sidecar *sidecar,
                             unsigned record)
{
    uint64_t tokens[BUCKETS_MAX] = {0}, fewest = UINT64_MAX;
    unsigned buckets;
    fleet_rules_buckets(&world->rules[sidecar->terms], record, &buckets);
    add_hand(world, sidecar, record, tokens);
    add_late_grants(world, sidecar, record, tokens);
    for (unsigned i = 0; i < buckets; i++)
        fewest = least(fewest, tokens[i]);
    return fewest;
}

static void go_on(struct fleet_sim *world, unsigned at)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    struct letter *letters = NULL;
    for (unsigned i = 0; i < FLEET_RECORDS; i++)
        sidecar->stale_tokens[i] = stale_tokens(world, sidecar, i);
    for (unsigned i = sidecar->inbox_count; i-- > 0;) {
        sidecar->inbox[i]->next = letters;
        letters = sidecar->inbox[i];
    }
    fleet_note(world, "%u goes on", at);
    sidecar->inbox_count = 0;
    sidecar->stands_until_ns = 0;
    sidecar->is_in_stale_turn = sidecar->is_stale;
    if (sidecar->is_stale)
        answer(world, at, letters);
    sidecar->is_in_stale_turn = false;
    turn(world, at, sidecar->is_stale ? NULL : letters);
    sidecar->is_stale = false;
}

/* ---- letters come home ---- */

static void copy_answer(struct order *to, const struct order *from)
{
    to->result = from->result;
    to->is_converted = from->is_converted;
    to->answered_epoch_ms = from->answered_epoch_ms;
    to->answered_ms = from->answered_ms;
    to->behind_ms = from->behind_ms;
    to->holders = from->holders;
    memcpy(to->granted, from->granted, sizeof to->granted);
    memcpy(to->level_units, from->level_units, sizeof to->level_units);
    memcpy(to->out_tokens, from->out_tokens, sizeof to->out_tokens);
}

/* call: NULL if there is no answer. */
static void come_home(struct fleet_sim *world, struct fleet_flight *flight,
                      const struct fleet_call *call, enum order_result otherwise)
{
    struct fleet_sidecar *sidecar = &world->sidecar[flight->sidecar];
    if (flight->is_home)
        return;
    flight->is_home = true;
    if (sidecar->brain == NULL || sidecar->life != flight->life)
        return;
    for (unsigned i = 0; i < flight->letter->count; i++) {
        struct order *order = &flight->letter->order[i];
        if (call != NULL)
            copy_answer(order, &call->orders.order[i]);
        else
            order->result = otherwise;
        fleet_pace_answer(&sidecar->pace[record_of(order)], order);
    }
    fleet_note(world, "a letter of %u is home, result %d", flight->sidecar,
               flight->letter->order[0].result);
    post(world, flight->sidecar, &flight->letter->message.letter);
}

static void handle(struct fleet_sim *world, const struct fleet_event *event)
{
    switch (event->kind) {
    case FLEET_CALL_ARRIVES:
        call_arrives(world, event->call);
        break;
    case FLEET_ANSWER_ARRIVES:
        come_home(world, event->flight, event->call, ORDER_DONE);
        free(event->call);
        break;
    case FLEET_TIMES_OUT:
        come_home(world, event->flight, NULL, ORDER_UNREACHABLE);
        break;
    case FLEET_NOT_SENT:
        come_home(world, event->flight, NULL, ORDER_NOT_SENT);
        break;
    }
    let_go(event->flight);
}

/* Who is due next of the sidecars: its tick, or the end of its standing still. */
static uint64_t sidecar_due_ns(const struct fleet_sidecar *sidecar)
{
    if (sidecar->brain == NULL)
        return UINT64_MAX;
    return sidecar->stands_until_ns != 0 ? sidecar->stands_until_ns : sidecar->tick_ns;
}

static bool step_until(struct fleet_sim *world, uint64_t until_ns)
{
    uint64_t first_ns = until_ns;
    int who = -1;
    for (unsigned i = 0; i < world->sidecars; i++)
        if (sidecar_due_ns(&world->sidecar[i]) < first_ns) {
            first_ns = sidecar_due_ns(&world->sidecar[i]);
            who = (int)i;
        }
    if (world->events > 0 && world->heap[0].at_ns < first_ns) {
        struct fleet_event event = next_event(world);
        if (event.at_ns > world->now_ns)
            world->now_ns = event.at_ns;
        handle(world, &event);
        return true;
    }
    if (who < 0)
        return false;
    if (first_ns > world->now_ns)
        world->now_ns = first_ns;
    if (world->sidecar[who].stands_until_ns != 0)
        go_on(world, (unsigned)who);
    else
        turn(world, (unsigned)who, NULL);
    return true;
}

static void never_rests(const struct fleet_sim *world)
{
    for (unsigned i = 0; i < world->sidecars; i++)
        print_message("%u is due at +%" PRIu64 " ns\n", i, sidecar_due_ns(&world->sidecar[i]));
    fail_msg("somebody never rests at +%" PRIu64 " ns: %s", world->now_ns, fleet_where);
}

void fleet_sim_pass(struct fleet_sim *world, uint64_t ns)
{
    uint64_t until_ns = world->now_ns + ns;
    uint64_t before = world->steps;
    while (step_until(world, until_ns))
        if (++world->steps - before > 1000000)
            never_rests(world);
    world->now_ns = until_ns;
}

/* ---- what happens to sidecars ---- */

/* A caller of a sidecar who asks nothing at present; NULL: it is not there, or there is none. */
static struct fleet_asker *free_caller(struct fleet_sim *world, unsigned at, enum message_kind kind,
                                       unsigned record)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    struct fleet_asker *caller = sidecar->caller;
    while (caller < sidecar->caller + FLEET_CALLERS && caller->is_away)
        caller++;
    if (sidecar->brain == NULL || caller == sidecar->caller + FLEET_CALLERS || sidecar->is_ending)
        return NULL;
    *caller = (struct fleet_asker){.is_away = true, .record = record, .message = {.kind = kind}};
    caller->number = world->questions++;
    return caller;
}

static struct bucket_question question_of(unsigned record, uint64_t tokens, uint64_t wait_ms)
{
    const char *key = fleet_keys[record % FLEET_KEYS];
    const char *limit = fleet_limit_names[record / FLEET_KEYS];
    return (struct bucket_question){.key = key,
                                    .key_len = strlen(key),
                                    .limit_name = limit,
                                    .limit_name_len = strlen(limit),
                                    .tokens = tokens,
                                    .wait_ms = wait_ms};
}

bool fleet_sim_ask(struct fleet_sim *world, unsigned at, enum message_kind kind, unsigned record,
                   uint64_t tokens, uint64_t wait_ms)
{
    struct fleet_asker *caller = free_caller(world, at, kind, record);
    if (caller == NULL)
        return false;
    caller->message.ask.bucket = question_of(record, tokens, wait_ms);
    may_ask_once(world, caller);
    post(world, at, &caller->message.letter);
    return true;
}

bool fleet_sim_ask_list(struct fleet_sim *world, unsigned at, enum message_kind kind,
                        const unsigned record[FLEET_LIST], const uint64_t tokens[FLEET_LIST],
                        uint32_t count)
{
    struct fleet_asker *caller = free_caller(world, at, kind, 0);
    if (caller == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        caller->call[i].ask = question_of(record[i], tokens[i], 0);
    caller->message.ask.list = (struct list_question){.calls = caller->call, .count = count};
    post(world, at, &caller->message.letter);
    return true;
}

bool fleet_sim_acquire(struct fleet_sim *world, unsigned at, unsigned record, uint32_t slots,
                       uint32_t ttl_ms, uint64_t wait_ms)
{
    struct fleet_asker *caller = free_caller(world, at, MESSAGE_ACQUIRE, record);
    if (caller == NULL)
        return false;
    struct acquire_question *ask = &caller->message.ask.acquire;
    *ask = (struct acquire_question){
        .bucket = question_of(record, 1, wait_ms), .slots = slots, .ttl_ms = ttl_ms};
    world->leases_begun++;
    memcpy(ask->id.bytes, &world->leases_begun, sizeof world->leases_begun);
    may_ask_once(world, caller);
    post(world, at, &caller->message.letter);
    return true;
}

/* A question with a token that a sidecar has answered, or will. false: none is found at the place where the dice fall. */
static bool some_once(struct fleet_sim *world, unsigned at, struct fleet_once *once)
{
    struct dice *dice = &world->dice;
    const struct fleet_sidecar *sidecar = &world->sidecar[at];
    const struct fleet_asker *caller = &sidecar->caller[dice_roll(dice, FLEET_CALLERS)];
    unsigned newest = world->onces.count < 8 ? world->onces.count : 8;
    if (caller->is_away && caller->token != 0) {
        *once = once_of(world, at, caller);
        return true;
    }
    if (newest == 0)
        return false;
    unsigned count =
        dice_once_in(dice, 2) || world->onces.count < FLEET_ONCES ? newest : FLEET_ONCES;
    *once = world->onces.told[(world->onces.count - 1 - dice_roll(dice, count)) % FLEET_ONCES];
    return once->sidecar == at && once->life == sidecar->life;
}

bool fleet_sim_ask_again(struct fleet_sim *world, unsigned at)
{
    struct fleet_once once;
    if (!some_once(world, at, &once))
        return false;
    struct fleet_asker *caller = free_caller(world, at, once.kind, once.record);
    if (caller == NULL)
        return false;
    bool differs = once.terms.tokens < burst_at(world, &world->sidecar[at], once.record) &&
                   dice_once_in(&world->dice, 8);
    struct bucket_question ask =
        question_of(once.record, once.terms.tokens + differs, once.terms.wait_ms);
    if (once.kind == MESSAGE_ACQUIRE) {
        struct acquire_question *acquire = &caller->message.ask.acquire;
        *acquire = (struct acquire_question){
            .bucket = ask, .slots = once.terms.slots, .ttl_ms = once.terms.ttl_ms};
        world->leases_begun++;
        memcpy(acquire->id.bytes, &world->leases_begun, sizeof world->leases_begun);
    } else {
        caller->message.ask.bucket = ask;
    }
    caller->token = once.token;
    fleet_once_name(once.token, &caller->once);
    caller->message.once = &caller->once;
    fleet_note(world, "%u is asked again with token %" PRIu64, at, once.token);
    post(world, at, &caller->message.letter);
    return true;
}

bool fleet_sim_ask_lease(struct fleet_sim *world, enum message_kind kind, unsigned which,
                         uint32_t ttl_ms)
{
    struct fleet_lease *lease = &world->lease[which];
    if (lease->end_ns <= world->now_ns ||
        (!world->keeps_states && world->sidecar[lease->sidecar].life != lease->life))
        return false;
    struct fleet_asker *caller = free_caller(world, lease->sidecar, kind, lease->record);
    if (caller == NULL)
        return false;
    caller->lease = which;
    caller->message.ask.lease = (struct lease_question){.id = lease->id, .ttl_ms = ttl_ms};
    if (kind == MESSAGE_RELEASE) /* its caller uses it no more */
        lease->end_ns = 0;
    post(world, lease->sidecar, &caller->message.letter);
    return true;
}

void fleet_sim_leave(struct fleet_sim *world, unsigned at, unsigned who)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    struct fleet_asker *caller = &sidecar->caller[who];
    if (sidecar->brain == NULL || sidecar->stands_until_ns != 0 || !caller->is_away ||
        caller->message.kind == MESSAGE_EACH || caller->message.kind == MESSAGE_ALL)
        return;
    struct message leave = {.kind = MESSAGE_LEAVE, .ask.leaves = &caller->message};
    post(world, at, &leave.letter);
    assert_false(caller->is_away);
}

/* The overrides of a limit's keys. Those of run time end when a sidecar's do, and stand before those of the configuration. Returns
 * how many. */
static unsigned overrides_of(const struct fleet_sim *world, const struct fleet_sidecar *sidecar,
                             unsigned terms, unsigned limit,
                             struct override_terms overrides[2 * FLEET_KEYS])
{
    unsigned count = 0;
    for (unsigned set = world->has_runtime ? terms + 1 : 1; set-- > 0;) {
        const struct fleet_rules *rules = &world->rules[world->has_runtime ? set : terms];
        for (unsigned i = fleet_record_of(limit, 0); i < fleet_record_of(limit + 1, 0); i++) {
            bool is_runtime = world->has_runtime && set == 1;
            if (!rules->is_overridden[i] || rules->override[i].is_runtime != is_runtime)
                continue;
            overrides[count] = rules->override[i];
            if (is_runtime)
                overrides[count].until_s = sidecar->until_s;
            count++;
        }
    }
    return count;
}

static struct limits *limits_of(const struct fleet_sim *world, const struct fleet_sidecar *sidecar,
                                unsigned terms)
{
    const struct fleet_rules *rules = &world->rules[terms];
    struct limits *limits = allocated(limits_new(FLEET_LIMITS, FLEET_TICK_MS));
    for (unsigned i = 0; i < rules->limits; i++) {
        struct override_terms overrides[2 * FLEET_KEYS];
        struct limit_terms limit = {
            .name = fleet_limit_names[i], .is_fleet = true, .buckets_count = rules->buckets[i]};
        limit.overrides_count = overrides_of(world, sidecar, terms, i, overrides);
        limit.overrides = overrides;
        memcpy(limit.buckets, rules->bucket[i], sizeof limit.buckets);
        assert_true(limits_add(limits, &limit));
    }
    limits->waiting = (struct waiting_terms){.max_waiting = 100, .per_key = 100};
    limits->fleet = world->terms;
    return limits;
}

static struct brain *brain_of(struct fleet_sim *world, struct fleet_sidecar *sidecar,
                              const struct limits_question *question)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = "any";
    struct moment now = moment_of(world, sidecar);
    if (world->keeps_states)
        return fleet_state_start(&sidecar->state, question, &now);
    return allocated(brain_new(question, MAX_KEYS, MAX_LEASES, seed, now.now_ns));
}

void fleet_sim_start(struct fleet_sim *world, unsigned at)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    struct limits *limits = limits_of(world, sidecar, sidecar->terms);
    struct limits_question question = {.limits = limits, .date_s = sidecar->date_s};
    assert_null(sidecar->brain);
    sidecar->brain = brain_of(world, sidecar, &question);
    limits_release(limits);
    assert_true(brain_begin_fleet(sidecar->brain, dice_bits(&world->dice)));
    sidecar->life++;
    sidecar->is_ending = sidecar->end_is_away = false;
    memset(sidecar->pace, 0, sizeof sidecar->pace);
    fleet_note(world, "%u starts", at);
    turn(world, at, NULL);
}

/* What a sidecar has in hand may be lost. */
static void may_lose(struct fleet_sim *world)
{
    for (unsigned i = 0; i < FLEET_RECORDS; i++)
        world->ledger[i].is_faulty = world->ledger[i].is_lossy = true;
}

/* What it has spent by now of what it had then. */
static void note_kill(struct fleet_sidecar *sidecar, unsigned record)
{
    const struct share *share = share_of(sidecar, record);
    for (uint32_t i = 0; share != NULL && i < share->buckets; i++)
        note_spent(sidecar, record, share->session, i, share->bucket[i].disposed);
}

static void end_process(struct fleet_sim *world, unsigned at)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    for (unsigned i = 0; i < FLEET_RECORDS; i++)
        note_kill(sidecar, i);
    brain_free(sidecar->brain);
    sidecar->brain = NULL;
    sidecar->stands_until_ns = 0;
    sidecar->is_stale = false;
    sidecar->inbox_count = 0;
    for (unsigned i = 0; i < FLEET_CALLERS; i++)
        if (sidecar->caller[i].is_away) {
            message_hold(&sidecar->caller[i].message, NULL);
            sidecar->caller[i].is_away = false;
        }
}

void fleet_sim_crash(struct fleet_sim *world, unsigned at)
{
    fleet_note(world, "%u ends", at);
    if (!world->keeps_states && (!world->sidecar[at].is_ending || world->sidecar[at].end_is_away))
        for (unsigned i = 0; i < FLEET_RECORDS; i++)
            world->ledger[i].is_lossy = true;
    end_process(world, at);
}

void fleet_sim_copy_state(struct fleet_sim *world, unsigned at)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    fleet_note(world, "the state of %u is copied", at);
    fleet_state_copy(&sidecar->state);
    for (unsigned i = 0; i < FLEET_RECORDS; i++) {
        const struct share *share = share_of(sidecar, i);
        struct fleet_spent *spent = &sidecar->copied[i];
        *spent = (struct fleet_spent){0};
        if (share == NULL)
            continue;
        spent->session = share->session;
        for (uint32_t j = 0; j < share->buckets; j++)
            spent->then[j] = spent->now[j] = share->bucket[j].disposed;
    }
}

/* What a copy's session has spent since of a bucket, and the store does not know. */
static uint64_t spent_since(struct fleet_sim *world, const struct fleet_sidecar *sidecar,
                            unsigned record, unsigned bucket)
{
    static struct store_record room;
    const struct fleet_spent *spent = &sidecar->copied[record];
    const struct store_record *is = fleet_sim_record(world, record, &room);
    uint64_t known = spent->then[bucket];
    for (unsigned i = 0; is != NULL && i < is->holders; i++)
        if (is->holder[i].session == spent->session &&
            is->holder[i].bucket[bucket].disposed > known)
            known = is->holder[i].bucket[bucket].disposed;
    return spent->now[bucket] - least(spent->now[bucket], known);
}

void fleet_sim_write_back(struct fleet_sim *world, unsigned at)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    assert_null(sidecar->brain);
    if (!fleet_state_write_back(&sidecar->state))
        return;
    fleet_note(world, "the state of %u is as it was in its copy", at);
    world->written_back++;
    may_lose(world);
    for (unsigned i = 0; i < FLEET_RECORDS; i++) {
        uint64_t tokens = 0;
        for (unsigned j = 0; j < BUCKETS_MAX; j++)
            tokens = most(tokens, spent_since(world, sidecar, i, j));
        fleet_ledger_fault(&world->ledger[i], FLEET_COPIED, (double)tokens, 0, world->now_ns,
                           world->now_ns + fleet_sim_memory_ns(world));
    }
}

void fleet_sim_drain(struct fleet_sim *world, unsigned at)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    fleet_note(world, "%u drains", at);
    sidecar->is_ending = sidecar->end_is_away = true;
    sidecar->end = (struct message){.kind = MESSAGE_FLEET_END};
    post(world, at, &sidecar->end.letter);
}

void fleet_sim_stop(struct fleet_sim *world, unsigned at, uint64_t ns, bool is_stale)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    fleet_note(world, "%u stands still for %" PRIu64 " us", at, ns / 1000);
    may_lose(world);
    for (unsigned i = 0; i < FLEET_RECORDS; i++) /* which costs nothing by itself */
        fleet_ledger_fault(&world->ledger[i], FLEET_STOOD_STILL, 0, 0, world->now_ns,
                           world->now_ns + ns + fleet_sim_memory_ns(world));
    sidecar->stands_until_ns = world->now_ns + ns;
    sidecar->is_stale = is_stale;
}

static bool has_mixed_terms(const struct fleet_sim *world)
{
    for (unsigned i = 1; i < world->sidecars; i++)
        if (world->sidecar[i].terms != world->sidecar[0].terms)
            return true;
    return false;
}

/* The ledgers hear of it before anybody is decided by it. */
static void change_terms(struct fleet_sim *world, unsigned terms)
{
    for (unsigned i = 0; i < FLEET_RECORDS; i++) {
        unsigned buckets;
        const struct bucket_terms *bucket = fleet_rules_buckets(&world->rules[terms], i, &buckets);
        fleet_ledger_change(&world->ledger[i], bucket, buckets, world->now_ns);
        if (!has_mixed_terms(world))
            fleet_ledger_settle(&world->ledger[i], world->now_ns + fleet_sim_memory_ns(world));
    }
}

/* Puts limits into force, which are given away. */
static void install(struct fleet_sim *world, unsigned at, struct limits *limits, bool is_no_reload)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    struct message message = {
        .kind = MESSAGE_LIMITS,
        .ask.limits = {.limits = limits, .date_s = sidecar->date_s, .is_no_reload = is_no_reload}};
    turn(world, at, &message.letter);
    while (brain_is_waited_for(sidecar->brain)) {
        struct chain answered = {0};
        brain_look_again(sidecar->brain, &answered);
        after_turn(world, at, letters_oldest_first(answered.newest));
    }
    assert_int_equal(message.answer.limits, LIMITS_IN_FORCE);
    limits_release(limits);
    message_hold(&message, NULL);
}

/* Sets or drops the run-time overrides, one after the other. */
static void override(struct fleet_sim *world, unsigned at, bool is_set)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    for (unsigned i = 0; i < FLEET_RECORDS; i++) {
        if (!world->rules[1].is_overridden[i] || !world->rules[1].override[i].is_runtime)
            continue;
        struct override_terms set = world->rules[1].override[i];
        struct limits *configured = limits_of(world, sidecar, 0);
        struct runtime_change change = {.limit = i / FLEET_KEYS, .key = set.key};
        struct runtime_lost lost;
        set.until_s = sidecar->until_s;
        change.set = is_set ? &set : NULL;
        struct limits *merged = allocated(runtime_merge(configured, brain_limits(sidecar->brain),
                                                        &change, sidecar->date_s, &lost));
        assert_int_equal(lost.without_limit + lost.unfit + lost.without_room, 0);
        limits_release(configured);
        install(world, at, merged, true);
    }
}

/* Run-time overrides come, and either have an end or are dropped. */
static void change_overrides(struct fleet_sim *world, unsigned at, bool are_set)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    if (are_set)
        sidecar->until_s = dice_once_in(&world->dice, 2) ? sidecar->date_s + 10 : OVERRIDE_FOR_EVER;
    if (are_set || sidecar->until_s == OVERRIDE_FOR_EVER) {
        override(world, at, are_set);
        return;
    }
    sidecar->date_s = sidecar->until_s;
    brain_date(sidecar->brain, sidecar->date_s);
    after_turn(world, at, NULL);
}

void fleet_sim_reload(struct fleet_sim *world, unsigned at, unsigned terms)
{
    struct fleet_sidecar *sidecar = &world->sidecar[at];
    turn(world, at, NULL); /* what is due by now is decided by those before */
    fleet_note(world, "%u reloads: terms %u", at, terms);
    sidecar->terms = terms;
    change_terms(world, terms);
    for (unsigned i = 0; i < FLEET_RECORDS; i++)
        sidecar->pace[i].is_changed = true;
    if (world->has_runtime)
        change_overrides(world, at, terms == 1);
    else
        install(world, at, limits_of(world, sidecar, terms), false);
}

void fleet_sim_part(struct fleet_sim *world, unsigned at, bool is_apart)
{
    fleet_note(world, "%u is %s", at, is_apart ? "cut off" : "connected");
    world->sidecar[at].is_apart = is_apart;
    may_lose(world);
}

void fleet_sim_heal(struct fleet_sim *world)
{
    world->network = (struct fleet_network){.latency_ns = NS_PER_MS,
                                            .op_timeout_ns = world->network.op_timeout_ns};
    for (unsigned i = 0; i < world->sidecars; i++) {
        struct fleet_sidecar *sidecar = &world->sidecar[i];
        sidecar->is_apart = false;
        if (sidecar->brain != NULL && sidecar->is_ending)
            fleet_sim_crash(world, i);
        if (sidecar->brain == NULL)
            fleet_sim_start(world, i);
    }
}

/* ---- what happens to the store ---- */

/* The store does not know any more what it was told. */
static void loses(struct fleet_sim *world, unsigned record)
{
    struct fleet_ledger *ledger = &world->ledger[record];
    ledger->is_faulty = ledger->is_lossy = ledger->is_forgetful = true;
}

/* And may have a record that is full instead. */
static void refill(struct fleet_sim *world, unsigned record)
{
    fleet_ledger_fault(&world->ledger[record], FLEET_FULL_ON_LOSS, 0, 1, world->now_ns,
                       world->now_ns + fleet_sim_memory_ns(world));
}

void fleet_sim_forget(struct fleet_sim *world)
{
    fleet_note(world, "the store forgets everything");
    store_model_forget(world->store.model);
    bool are_there = world->network.lost == 0 && world->network.refused == 0;
    for (unsigned i = 0; i < world->sidecars; i++) {
        const struct fleet_sidecar *sidecar = &world->sidecar[i];
        are_there &= sidecar->brain != NULL && sidecar->life == 1 && !sidecar->is_ending &&
                     !sidecar->is_apart && sidecar->stands_until_ns == 0;
    }
    for (unsigned i = 0; i < FLEET_RECORDS; i++) {
        loses(world, i);
        world->ledger[i].may_lend_more |= !are_there || world->terms.on_loss == FLEET_LOSS_FULL;
        if (world->terms.on_loss == FLEET_LOSS_FULL)
            refill(world, i);
    }
}

void fleet_sim_evict(struct fleet_sim *world, unsigned record)
{
    char name[FLEET_RECORD_NAME_MAX];
    fleet_note(world, "the store evicts %s", world->ledger[record].key);
    if (!store_model_evict(world->store.model, name, record_name(record, name)))
        return;
    loses(world, record);
    world->ledger[record].may_lend_more = true;
    refill(world, record);
}

void fleet_sim_copy_store(struct fleet_sim *world)
{
    fleet_note(world, "a copy of the store is made");
    if (world->store.copy != NULL)
        store_model_free(world->store.copy);
    world->store.copy = store_model_copy(world->store.model);
    for (unsigned i = 0; i < FLEET_RECORDS; i++) {
        memcpy(world->copied_granted[i], world->ledger[i].granted, sizeof world->copied_granted[i]);
        world->copied_resets[i] = world->ledger[i].resets_done;
    }
}

void fleet_sim_roll_back(struct fleet_sim *world)
{
    fleet_note(world, "the store is as it was in its copy");
    store_model_restore(world->store.model, world->store.copy);
    for (unsigned i = 0; i < FLEET_RECORDS; i++) {
        fleet_ledger_roll_back(&world->ledger[i], world->copied_granted[i], world->now_ns,
                               world->now_ns + fleet_sim_memory_ns(world));
        world->ledger[i].resets_done = world->copied_resets[i];
        loses(world, i);
        world->ledger[i].may_lend_more = true;
    }
}

void fleet_sim_step_clock(struct fleet_sim *world, int64_t ms)
{
    struct fleet_clock *clock = &world->store.clock;
    fleet_note(world, "the store's clock steps by %" PRId64 " ms", ms);
    *clock = (struct fleet_clock){.from_ns = world->now_ns,
                                  .told_ns = fleet_clock_tells(clock, world->now_ns) +
                                             (uint64_t)(ms * (int64_t)NS_PER_MS),
                                  .fast_ppm = clock->fast_ppm};
    for (unsigned i = 0; i < FLEET_RECORDS; i++) {
        world->ledger[i].is_faulty = world->ledger[i].may_lend_more = true;
        if (ms > 0)
            fleet_ledger_step(&world->ledger[i], (uint64_t)ms, world->terms.clock_guard_ms,
                              world->now_ns);
    }
}

void fleet_sim_count_stale(struct fleet_sim *world, unsigned sidecar, unsigned record,
                           uint64_t tokens)
{
    struct fleet_ledger *ledger = &world->ledger[record];
    uint64_t *left = &world->sidecar[sidecar].stale_tokens[record];
    tokens = least(tokens, *left);
    *left -= tokens;
    ledger->is_faulty = ledger->is_lossy = true;
    fleet_ledger_fault(ledger, FLEET_STOOD_STILL, (double)tokens, 0, world->now_ns,
                       world->now_ns + fleet_sim_memory_ns(world));
}

/* The store has been there for long. */
static void begin_epochs(struct fleet_sim *world)
{
    static const struct store_value value = {(const unsigned char *)"1", 1, STORE_NO_END};
    for (unsigned shard = 0; shard < FLEET_SHARDS; shard++) {
        char name[FLEET_RECORD_NAME_MAX];
        size_t len = fleet_epoch_name(FLEET, (uint8_t)shard, name);
        store_model_put(world->store.model, name, len, &value);
    }
}

void fleet_sim_begin(struct fleet_sim *world)
{
    world->store.model = store_model_new();
    begin_epochs(world);
    for (unsigned i = 0; i < world->sidecars; i++) {
        world->sidecar[i].date_s = 1000000;
        fleet_sim_start(world, i);
    }
}

void fleet_sim_end(struct fleet_sim *world)
{
    for (unsigned i = 0; i < world->sidecars; i++)
        if (world->sidecar[i].brain != NULL)
            end_process(world, i);
    for (unsigned i = 0; i < world->sidecars; i++)
        fleet_state_end(&world->sidecar[i].state);
    while (world->events > 0) {
        struct fleet_event event = next_event(world);
        free(event.call);
        let_go(event.flight);
    }
    free(world->heap);
    store_model_free(world->store.model);
    if (world->store.copy != NULL)
        store_model_free(world->store.copy);
}
