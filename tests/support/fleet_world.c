#include "support/fleet_world.h"

#include "brain/share_order.h"
#include "brain/share_resume.h"
#include "brain/share_terms.h"
#include "support/ask_brain.h"

#include <stdlib.h>
#include <string.h>

#define FLEET "f"

struct fleet_terms fleet_world_terms(void)
{
    return (struct fleet_terms){
        .ttl_ms = FLEET_WORLD_TTL_MS,
        .renew_ms = FLEET_WORLD_TTL_MS / 4,
        .grace_ms = FLEET_WORLD_GRACE_MS,
        .return_after_ms = FLEET_WORLD_RETURN_MS,
        .horizon_ms = 200,
        .min_interval_ms = FLEET_WORLD_INTERVAL_MS,
        .cold_wait_ms = FLEET_WORLD_COLD_MS,
        .sidecars = 4,
        .clock_guard_ms = 20,
        .outstanding_percent = 50,
    };
}

struct limit_terms fleet_world_limit(const char *name, uint64_t burst, struct rate rate)
{
    return (struct limit_terms){
        .name = name,
        .is_fleet = true,
        .buckets_count = 1,
        .buckets = {{.burst = burst, .rate = rate, .debt_max = burst}},
    };
}

struct limits *fleet_world_limits(const struct limit_terms *terms, uint32_t count,
                                  const struct fleet_terms *fleet)
{
    struct limits *limits = limits_new(count, 100);
    assert_non_null(limits);
    for (uint32_t i = 0; i < count; i++)
        assert_true(limits_add(limits, &terms[i]));
    limits->waiting = (struct waiting_terms){.max_waiting = 5000, .per_key = 2000};
    limits->fleet = *fleet;
    return limits;
}

/* An epoch of long ago in every shard. */
static void never_forgot(struct fleet_world *world)
{
    char name[FLEET_RECORD_NAME_MAX];
    const struct store_value epoch = {(const unsigned char *)"1", 1, STORE_NO_END};
    for (unsigned shard = 0; shard < 256; shard++)
        store_model_put(world->store, name, fleet_epoch_name(FLEET, (uint8_t)shard, name), &epoch);
}

static void name_process(struct fleet_world *world)
{
    static uint64_t nonce;
    brain_begin_fleet(world->fixture.brain, ++nonce << 40);
}

void fleet_world_begin(struct fleet_world *world, struct limits *limits)
{
    memset(world, 0, sizeof *world);
    fixture_init_limits(&world->fixture, limits, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    name_process(world);
    world->store = store_model_new();
    world->store_began_ms = UINT64_C(1700000000000);
    world->half_trip_ns = 200000;
    world->forced = ORDER_RESULT_COUNT;
    never_forgot(world);
}

void fleet_world_begin_one(struct fleet_world *world, uint64_t burst, struct rate rate)
{
    const struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, burst, rate);
    const struct fleet_terms fleet = fleet_world_terms();
    fleet_world_begin(world, fleet_world_limits(&terms, 1, &fleet));
}

struct limit_terms fleet_world_slots(const char *name, uint64_t slots)
{
    return (struct limit_terms){
        .name = name,
        .is_fleet = true,
        .buckets_count = 1,
        .buckets = {{.burst = slots, .holds_slots = true}},
    };
}

void fleet_world_begin_slots(struct fleet_world *world, uint64_t slots)
{
    const struct limit_terms terms = fleet_world_slots(LIMIT_DEFAULT_NAME, slots);
    const struct fleet_terms fleet = fleet_world_terms();
    fleet_world_begin(world, fleet_world_limits(&terms, 1, &fleet));
}

void fleet_world_end(struct fleet_world *world)
{
    assert_int_equal(fixture_daemon(&world->fixture).counters.waiting, 0);
    assert_null(brain_released(world->fixture.brain));
    fixture_release(&world->fixture);
    store_model_free(world->store);
}

/* ---- the way to the store and back ---- */

static uint64_t store_ms(const struct fleet_world *world)
{
    return world->store_began_ms + fleet_world_ns(world) / NS_PER_MS;
}

static void collect(struct fleet_world *world)
{
    for (struct letter *letter = brain_released(world->fixture.brain), *next; letter != NULL;
         letter = next) {
        struct fleet_caller *caller = (struct fleet_caller *)message_of(letter);
        next = letter->next;
        assert_null(caller->message.waiter.share);
        assert_false(caller->is_home);
        caller->is_home = true;
        caller->place = ++world->homes;
        caller->home_ns = fleet_world_ns(world);
    }
    for (struct letter *letter = brain_orders(world->fixture.brain), *next; letter != NULL;
         letter = next) {
        struct orders *orders = orders_of(message_of(letter));
        next = letter->next;
        assert_true(world->away_count < FLEET_WORLD_LETTERS);
        assert_true(orders->count >= 1 && orders->count <= ORDERS_MAX);
        world->away[world->away_count].orders = orders;
        world->away[world->away_count].is_done = false;
        world->away[world->away_count++].at_ns = world->fixture.now_ns + world->half_trip_ns;
        world->letters++;
        world->orders += orders->count;
        world->last = orders->order[orders->count - 1];
    }
}

static bool is_forced(const struct fleet_world *world, const struct order *order)
{
    return world->forced != ORDER_RESULT_COUNT &&
           (world->forced_key == NULL || strcmp(world->forced_key, order->key) == 0);
}

static void do_orders(struct fleet_world *world, struct orders *orders)
{
    orders->is_of_parts = world->forced_key != NULL;
    const struct call_terms terms = {orders->ttl_ms, orders->grace_ms, orders->clock_guard_ms};
    for (uint32_t i = 0; i < orders->count; i++) {
        struct order *order = &orders->order[i];
        if (is_forced(world, order))
            order->result = world->forced;
        else
            store_model_order(world->store, FLEET, order, &terms, orders->sent_ns, store_ms(world));
        world->last = *order;
    }
}

static void arrive(struct fleet_world *world, unsigned at)
{
    struct orders *orders = world->away[at].orders;
    if (!world->away[at].is_done) {
        do_orders(world, orders);
        world->away[at].is_done = true;
        world->away[at].at_ns += world->half_trip_ns;
        return;
    }
    for (world->away_count--; at < world->away_count; at++)
        world->away[at] = world->away[at + 1];
    struct message *message = &orders->message;
    assert_int_equal(ask_brain(world->fixture.brain, &message, 1), 0);
}

/* What arrives first; `away_count`: nothing does. */
static unsigned first_of(const struct fleet_world *world)
{
    unsigned first = world->away_count;
    for (unsigned i = 0; i < world->away_count; i++)
        if ((world->away[i].is_done || !world->is_stopped) &&
            (first == world->away_count || world->away[i].at_ns < world->away[first].at_ns))
            first = i;
    return first;
}

static void go_to(struct fleet_world *world, uint64_t ns)
{
    if (ns > world->fixture.now_ns)
        world->fixture.now_ns = ns;
    brain_tick(world->fixture.brain, world->fixture.now_ns);
    collect(world);
}

void fleet_world_pass_ns(struct fleet_world *world, uint64_t ns)
{
    uint64_t end_ns = world->fixture.now_ns + ns;
    for (;;) {
        unsigned first = first_of(world);
        uint64_t tick_ns = brain_next_tick_ns(world->fixture.brain);
        uint64_t way_ns = first == world->away_count ? UINT64_MAX : world->away[first].at_ns;
        uint64_t next_ns = tick_ns < way_ns ? tick_ns : way_ns;
        if (next_ns <= world->fixture.now_ns && way_ns > world->fixture.now_ns)
            next_ns = world->fixture.now_ns + 1; /* time goes on, as it does for real */
        if (next_ns > end_ns)
            break;
        go_to(world, next_ns);
        if (way_ns <= world->fixture.now_ns)
            arrive(world, first);
        collect(world);
    }
    go_to(world, end_ns);
}

void fleet_world_pass(struct fleet_world *world, uint64_t ms)
{
    fleet_world_pass_ns(world, ms * NS_PER_MS);
}

/* ---- another process ---- */

void fleet_world_keep(struct fleet_world *world, const struct share_records *records)
{
    static const uint8_t clock_id[16] = {1};
    assert_true(share_resume(world->fixture.brain, records, 1, clock_id));
}

/* Another brain begins, now. */
static void begin_again(struct fleet_world *world, struct limits *limits,
                        const struct share_records *records)
{
    struct fixture *fixture = &world->fixture;
    uint64_t now_ns = fixture->now_ns;
    fixture_init_limits(fixture, limits, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    fixture_at_ns(fixture, now_ns - FIXTURE_START_NS);
    name_process(world);
    if (records != NULL)
        fleet_world_keep(world, records);
    collect(world);
}

/* What is on its way reaches another store, and the answers nobody. */
static void reach(const struct fleet_world *world, struct fleet_world *fork)
{
    for (unsigned i = 0; i < world->away_count; i++) {
        const struct orders *orders = world->away[i].orders;
        const struct call_terms terms = {orders->ttl_ms, orders->grace_ms, orders->clock_guard_ms};
        for (uint32_t j = 0; j < orders->count && !world->away[i].is_done; j++) {
            struct order order = orders->order[j];
            store_model_order(fork->store, FLEET, &order, &terms, orders->sent_ns, store_ms(fork));
        }
    }
}

void fleet_world_fork(const struct fleet_world *world, struct fleet_world *fork,
                      enum fleet_arrival arrival, const struct share_records *records)
{
    struct limits *limits = brain_limits(world->fixture.brain);
    uint64_t now_ns = world->fixture.now_ns;
    *fork = (struct fleet_world){
        .store = store_model_copy(world->store),
        .store_began_ms = world->store_began_ms,
        .half_trip_ns = world->half_trip_ns,
        .forced = ORDER_RESULT_COUNT,
    };
    fork->fixture.now_ns = now_ns;
    if (arrival == FLEET_ARRIVES_BEFORE)
        reach(world, fork);
    atomic_fetch_add(&limits->references, 1);
    begin_again(fork, limits, records);
    if (arrival != FLEET_ARRIVES_LATE)
        return;
    fleet_world_pass_ns(fork, fork->half_trip_ns + 1);
    reach(world, fork);
}

void fleet_world_restart(struct fleet_world *world, const struct share_records *records)
{
    struct limits *limits = brain_limits(world->fixture.brain);
    atomic_fetch_add(&limits->references, 1);
    fleet_world_restart_with(world, limits, records);
}

void fleet_world_restart_with(struct fleet_world *world, struct limits *limits,
                              const struct share_records *records)
{
    brain_free(world->fixture.brain);
    world->away_count = 0;
    begin_again(world, limits, records);
}

/* ---- asking ---- */

static bool post(struct fleet_world *world, struct fleet_caller *caller)
{
    caller->asked_ns = fleet_world_ns(world);
    struct message *message = &caller->message;
    if (ask_brain(world->fixture.brain, &message, 1) == 1) {
        caller->is_home = true;
        caller->place = ++world->homes;
        caller->home_ns = caller->asked_ns;
    }
    bool is_at_once = caller->is_home;
    collect(world);
    return is_at_once;
}

/* A caller who has asked nothing yet, and whose answer is nonsense. */
static void begin_caller(struct fleet_caller *caller, enum message_kind kind)
{
    memset(caller, 0, sizeof *caller);
    caller->message.kind = kind;
    memset(&caller->message.answer, 0xa5, sizeof caller->message.answer);
}

bool fleet_world_ask(struct fleet_world *world, struct fleet_caller *caller, enum message_kind kind,
                     const char *key, const char *limit, uint64_t tokens, uint64_t wait_ms)
{
    begin_caller(caller, kind);
    strcpy(caller->key, key);
    caller->message.ask.bucket = (struct bucket_question){
        .key = caller->key,
        .key_len = strlen(key),
        .limit_name = limit,
        .limit_name_len = limit == NULL ? 0 : strlen(limit),
        .tokens = tokens,
        .wait_ms = wait_ms,
    };
    return post(world, caller);
}

bool fleet_world_acquire(struct fleet_world *world, struct fleet_caller *caller, const char *key,
                         uint32_t slots, uint32_t ttl_ms, uint64_t wait_ms)
{
    static uint64_t ids;
    begin_caller(caller, MESSAGE_ACQUIRE);
    strcpy(caller->key, key);
    struct acquire_question *ask = &caller->message.ask.acquire;
    *ask = (struct acquire_question){
        .bucket = {.key = caller->key, .key_len = strlen(key), .tokens = 1, .wait_ms = wait_ms},
        .slots = slots,
        .ttl_ms = ttl_ms,
    };
    ids++;
    memcpy(ask->id.bytes, &ids, sizeof ids);
    return post(world, caller);
}

bool fleet_world_ask_lease(struct fleet_world *world, struct fleet_caller *caller,
                           enum message_kind kind, const struct lease_id *id, uint32_t ttl_ms)
{
    begin_caller(caller, kind);
    caller->message.ask.lease = (struct lease_question){.id = *id, .ttl_ms = ttl_ms};
    caller->message.answer.lease.key = NULL;
    return post(world, caller);
}

void fleet_caller_release(struct fleet_caller *caller)
{
    assert_true(caller->is_home);
    message_hold(&caller->message, NULL);
}

struct bucket_answer fleet_world_await(struct fleet_world *world, enum message_kind kind,
                                       const char *key, const char *limit, uint64_t tokens,
                                       uint64_t wait_ms)
{
    struct fleet_caller caller;
    fleet_world_ask(world, &caller, kind, key, limit, tokens, wait_ms);
    for (unsigned i = 0; i < 100000 && !caller.is_home; i++)
        fleet_world_pass_ns(world, NS_PER_MS / 10);
    fleet_caller_release(&caller);
    return caller.message.answer.bucket;
}

struct bucket_answer fleet_world_allow(struct fleet_world *world, const char *key, uint64_t tokens)
{
    return fleet_world_await(world, MESSAGE_ALLOW, key, NULL, tokens, 0);
}

bool fleet_world_tell(struct fleet_world *world, struct message *message)
{
    bool is_at_once = ask_brain(world->fixture.brain, &message, 1) == 1;
    collect(world);
    return is_at_once;
}

/* ---- others, and what the store has ---- */

static struct limit *limit_of(const struct fleet_world *world, const char *name)
{
    struct limits *limits = brain_limits(world->fixture.brain);
    int found = limits_find(limits, name, strlen(name));
    assert_true(found >= 0);
    return &limits->limit[found];
}

static struct order order_of(const struct fleet_world *world, const char *key, const char *name)
{
    const struct limit *limit = limit_of(world, name == NULL ? LIMIT_DEFAULT_NAME : name);
    struct order order = {
        .limit_name = limit->name,
        .limit_len = (uint16_t)strlen(limit->name),
        .key = key,
        .key_len = (uint16_t)strlen(key),
        .buckets = (uint8_t)limit->allowance.count,
        .seq = 1,
        .flags = ORDER_EXACT,
    };
    struct share *share = calloc(1, sizeof *share + 1);
    struct fleet_counters counters = {0};
    struct share_sessions sessions = {0};
    assert_non_null(share);
    share_set_terms(share, &limit->allowance, 50, &sessions, &counters);
    order.terms_tag = share->terms_tag;
    for (uint32_t i = 0; i < share->buckets; i++)
        order.terms[i] = share->bucket[i].terms;
    free(share);
    return order;
}

void fleet_world_take(struct fleet_world *world, const char *key, const char *limit,
                      uint64_t tokens)
{
    static uint64_t session = 77;
    const struct call_terms terms = {FLEET_WORLD_TTL_MS, FLEET_WORLD_GRACE_MS, 20};
    struct order order = order_of(world, key, limit);
    order.session = ++session;
    for (uint32_t i = 0; i < order.buckets; i++)
        order.totals[i].want = tokens;
    store_model_order(world->store, FLEET, &order, &terms, world->fixture.now_ns, store_ms(world));
    assert_int_equal(order.result, ORDER_DONE);
    assert_int_equal(order.granted[0], tokens);
    order.seq = order.answered_ms + 1;
    order.flags = ORDER_RELEASE;
    for (uint32_t i = 0; i < order.buckets; i++)
        order.totals[i] = (struct order_totals){.granted = tokens, .disposed = tokens};
    store_model_order(world->store, FLEET, &order, &terms, world->fixture.now_ns, store_ms(world));
    assert_int_equal(order.result, ORDER_DONE);
}

void fleet_world_fill(struct fleet_world *world, const char *key)
{
    const struct call_terms terms = {FLEET_WORLD_TTL_MS, FLEET_WORLD_GRACE_MS, 20};
    struct order order = order_of(world, key, NULL);
    order.session = 7;
    order.flags = ORDER_JOIN;
    store_model_order(world->store, FLEET, &order, &terms, world->fixture.now_ns, store_ms(world));
    order.seq = order.answered_ms + 1;
    order.flags = ORDER_RESET | ORDER_RELEASE;
    store_model_order(world->store, FLEET, &order, &terms, world->fixture.now_ns, store_ms(world));
    assert_int_equal(order.result, ORDER_DONE);
}

bool fleet_world_record(struct fleet_world *world, const char *key, const char *limit,
                        struct store_record *record)
{
    char name[FLEET_RECORD_NAME_MAX];
    struct store_value value;
    const struct order order = order_of(world, key, limit);
    size_t len = fleet_record_name(FLEET, &order, name);
    if (!store_model_get(world->store, name, len, store_ms(world), &value))
        return false;
    assert_true(store_record_read(record, value.bytes, value.len));
    return true;
}

uint64_t fleet_world_out(struct fleet_world *world, const char *key)
{
    struct store_record record;
    return fleet_world_record(world, key, NULL, &record) ? store_record_out(&record, 0) : 0;
}

void fleet_world_warm_up(struct fleet_world *world)
{
    for (unsigned i = 0; i < 30; i++) {
        fleet_world_allow(world, "foo", 1);
        fleet_world_pass(world, 1);
    }
    fleet_world_pass(world, 30);
    assert_true(fleet_world_hand(world) > 20);
}
