/* Shares over reloads, ends and lists; several buckets, overrides, trials, bounds. With the model of the store, in
 * virtual time. */
#include "brain/explain.h"
#include "brain/keys.h"
#include "support/fleet_world.h"
#include "support/plain_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rate one_per_second = {1, 1000}, hundred_per_second = {100, 1000},
                         one_per_hour = {1, 3600000};

static void reload(struct fleet_world *world, const struct limit_terms *terms, uint32_t count)
{
    const struct fleet_terms fleet = fleet_world_terms();
    fixture_reload_limits(&world->fixture, fleet_world_limits(terms, count, &fleet));
    fleet_world_pass_ns(world, 1);
}

/* ---- changes ---- */

static void a_reload_keeps_the_session_and_the_hand(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    struct limit_terms terms[2] = {fleet_world_limit(LIMIT_DEFAULT_NAME, 1000, hundred_per_second),
                                   fleet_world_limit("other", 10, one_per_second)};
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    fleet_world_warm_up(&world);
    uint64_t hand = fleet_world_hand(&world), session = world.last.session;
    reload(&world, terms, 2);
    assert_int_equal(fleet_world_hand(&world), hand);
    assert_true(fleet_world_ask_foo(&world, &caller, 1, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_ALLOWED);
    fleet_world_pass(&world, 600);
    assert_int_equal(world.last.session, session);
    /* other terms: what is in hand beyond what may be outstanding goes back */
    terms[0] = fleet_world_limit(LIMIT_DEFAULT_NAME, 20, hundred_per_second);
    reload(&world, terms, 1);
    assert_true(fleet_world_hand(&world) <= 10);
    fleet_world_pass(&world, 10);
    assert_int_equal(world.last.session, session);
    assert_true(world.last.is_converted);
    assert_true(fleet_world_ask_foo(&world, &caller, 1, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_ALLOWED);
    assert_int_equal(caller.message.answer.bucket.allowance->burst, 20);
    assert_int_equal(fleet_world_counters(&world).lost_tokens, 0);
    fleet_world_end(&world);
}

static void a_limit_that_goes_or_becomes_local_gives_all_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct fleet_world world;
        struct fleet_caller caller;
        struct limit_terms terms =
            fleet_world_limit(i == 0 ? LIMIT_DEFAULT_NAME : "new", 5, one_per_second);
        struct limit_terms both[2] = {terms,
                                      fleet_world_limit(LIMIT_DEFAULT_NAME, 7, one_per_second)};
        fleet_world_begin_one(&world, 1000, hundred_per_second);
        fleet_world_warm_up(&world);
        uint64_t out = fleet_world_out(&world, "foo");
        assert_true(out > 0);
        both[0].is_fleet = false;
        both[1].is_fleet = false;
        reload(&world, both, i == 0 ? 1 : 2);
        assert_true(fleet_world_ask_foo(&world, &caller, 1, 0));
        assert_int_equal(fleet_caller_result(&caller), BUCKET_ALLOWED);
        assert_false(caller.message.answer.bucket.is_estimate);
        fleet_world_pass(&world, 10);
        assert_int_equal(fleet_world_out(&world, "foo"), 0);
        assert_int_equal(world.fixture.brain->shares.count, 0);
        fleet_world_end(&world);
    }
}

static void who_waits_is_asked_anew_by_a_reload(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller more, local, never;
    struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, one_per_hour);
    fleet_world_begin_one(&world, 10, (struct rate){1, 60000});
    fleet_world_allow(&world, "foo", 10);
    assert_false(fleet_world_ask_foo(&world, &never, 2, 3600000));
    reload(&world, &terms, 1);   /* now it would wait in vain */
    assert_false(never.is_home); /* but nobody knows before the next order */
    fleet_world_pass(&world, 50);
    assert_true(never.is_home);
    assert_int_equal(fleet_caller_result(&never), BUCKET_DENIED);
    fleet_caller_release(&never);

    terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, (struct rate){1, 60000});
    reload(&world, &terms, 1);
    fleet_world_pass(&world, 50);
    assert_false(fleet_world_ask_foo(&world, &more, 1, 3600000));
    terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, hundred_per_second);
    reload(&world, &terms, 1);
    fleet_world_pass(&world, 50);
    assert_true(more.is_home);
    assert_int_equal(fleet_caller_result(&more), BUCKET_ALLOWED);
    fleet_caller_release(&more);

    terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, one_per_hour);
    reload(&world, &terms, 1);
    fleet_world_pass(&world, 1000);
    fleet_world_allow(&world, "foo", 10);
    assert_false(fleet_world_ask_foo(&world, &local, 1, 3600001));
    terms.is_fleet = false;
    reload(&world, &terms, 1);
    assert_true(local.is_home);
    assert_int_equal(fleet_caller_result(&local), BUCKET_ALLOWED);
    fleet_caller_release(&local);
    fleet_world_pass(&world, 3000);
    fleet_world_end(&world);
}

static void who_waits_for_a_limit_that_becomes_of_scope_fleet_waits_there(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 2, one_per_hour);
    const struct fleet_terms fleet = fleet_world_terms();
    terms.is_fleet = false;
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    assert_true(fleet_world_ask_foo(&world, &caller, 2, 0));
    assert_false(fleet_world_ask_foo(&world, &caller, 1, 3600000));
    terms.is_fleet = true;
    reload(&world, &terms, 1);
    assert_false(caller.is_home);
    fleet_world_pass(&world, 5);
    assert_true(caller.is_home);
    assert_int_equal(fleet_caller_result(&caller), BUCKET_ALLOWED);
    assert_true(caller.message.answer.bucket.is_estimate);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

static void an_override_that_ends_changes_the_terms(void **state)
{
    (void)state;
    struct fleet_world world;
    const struct override_terms vip = {
        .key = "foo",
        .action = OVERRIDE_TERMS,
        .until_s = FIXTURE_START_DATE_S + 10,
        .buckets_count = 1,
        .buckets = {{.burst = 50, .rate = hundred_per_second}},
    };
    struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, one_per_second);
    const struct fleet_terms fleet = fleet_world_terms();
    terms.overrides_count = 1;
    terms.overrides = &vip;
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    assert_int_equal(fleet_world_allow(&world, "foo", 30).result, BUCKET_ALLOWED);
    assert_int_equal(fleet_world_allow(&world, "bar", 30).result, BUCKET_EXCEEDS_BURST);
    fleet_world_pass(&world, 500); /* the store is told that they are spent */
    fixture_date(&world.fixture, FIXTURE_START_DATE_S + 10);
    assert_int_equal(fleet_world_allow(&world, "foo", 30).result, BUCKET_EXCEEDS_BURST);
    assert_int_equal(fleet_world_allow(&world, "foo", 5).result, BUCKET_ALLOWED);
    fleet_world_end(&world);
}

static void overrides_that_allow_or_deny_need_no_store(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    const struct override_terms overrides[] = {
        {.key = "vip", .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER},
        {.key = "bad", .action = OVERRIDE_DENY, .until_s = FIXTURE_START_DATE_S + 60},
    };
    struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, one_per_second);
    const struct fleet_terms fleet = fleet_world_terms();
    terms.overrides_count = 2;
    terms.overrides = overrides;
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    assert_true(fleet_world_ask(&world, &caller, MESSAGE_ALLOW, "vip", NULL, 100, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_ALWAYS);
    assert_int_equal(caller.message.answer.bucket.remaining_tokens, 10);
    assert_true(fleet_world_ask(&world, &caller, MESSAGE_ALLOW, "bad", NULL, 1, 1000));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_NEVER);
    assert_int_equal(caller.message.answer.bucket.retry_after_ms, 60000);
    assert_true(fleet_world_ask(&world, &caller, MESSAGE_ALLOW, "bad", NULL, 0, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_ALLOWED);
    assert_true(fleet_world_ask(&world, &caller, MESSAGE_CHARGE, "vip", NULL, 3, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_ALWAYS);
    assert_int_equal(world.orders, 0);
    fleet_world_end(&world);
}

/* ---- ends ---- */

static void the_end_gives_all_back_and_is_answered_then(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller end = {.message.kind = MESSAGE_FLEET_END};
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    fleet_world_warm_up(&world);
    fleet_world_await(&world, MESSAGE_ALLOW, "bar", NULL, 1, 0);
    assert_true(fleet_world_out(&world, "foo") > 0);
    assert_false(fleet_world_tell(&world, &end.message));
    fleet_world_pass(&world, 1);
    assert_true(end.is_home);
    assert_int_equal(fleet_world_out(&world, "foo"), 0);
    assert_int_equal(fleet_world_hand(&world), 0);
    assert_int_equal(world.away_count, 0);
    unsigned orders = world.orders;
    struct fleet_caller caller;
    assert_true(fleet_world_ask_foo(&world, &caller, 1, 1000));
    fleet_world_pass(&world, 5000);
    assert_int_equal(world.orders, orders);
    fleet_world_end(&world);
}

static void the_end_waits_for_no_store_that_is_out_of_reach(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller end = {.message.kind = MESSAGE_FLEET_END};
    struct fleet_caller waits;
    fleet_world_begin_one(&world, 1000, hundred_per_second);
    fleet_world_warm_up(&world);
    world.forced = ORDER_UNREACHABLE;
    assert_false(fleet_world_ask_foo(&world, &waits, 1000, 60000));
    assert_false(fleet_world_tell(&world, &end.message));
    fleet_world_pass(&world, 5);
    assert_true(end.is_home);
    assert_int_equal(world.away_count, 0);
    fleet_world_pass(&world, 60000);
    assert_true(waits.is_home);
    fleet_caller_release(&waits);
    assert_int_equal(world.fixture.brain->shares.count, 0);
    fleet_world_end(&world);
}

static void the_end_of_what_has_nothing_out_is_answered_at_once(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller end = {.message.kind = MESSAGE_FLEET_END};
    fleet_world_begin_one(&world, 10, one_per_second);
    assert_true(fleet_world_tell(&world, &end.message));
    fleet_world_end(&world);
}

static void who_leaves_makes_way(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller first, second, leave;
    fleet_world_begin_one(&world, 10, one_per_second);
    fleet_world_allow(&world, "foo", 10);
    fleet_world_allow(&world, "foo", 1);
    assert_false(fleet_world_ask_foo(&world, &first, 10, 60000));
    assert_false(fleet_world_ask_foo(&world, &second, 1, 60000));
    fleet_world_pass(&world, 5000);
    memset(&leave, 0, sizeof leave);
    leave.message.kind = MESSAGE_LEAVE;
    leave.message.ask.leaves = &first.message;
    assert_true(fleet_world_tell(&world, &leave.message));
    assert_true(first.is_home);
    assert_int_equal(fleet_caller_result(&first), BUCKET_LEFT);
    fleet_world_pass(&world, 50);
    assert_true(second.is_home);
    assert_int_equal(fleet_caller_result(&second), BUCKET_ALLOWED);
    assert_true(fleet_world_tell(&world, &leave.message)); /* of one that is home already */
    fleet_caller_release(&first);
    fleet_caller_release(&second);
    fleet_world_end(&world);
}

/* ---- several buckets, trials, bounds ---- */

static struct limit_terms two_buckets(void)
{
    struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, one_per_second);
    terms.buckets_count = 2;
    terms.buckets[1] = (struct bucket_terms){.burst = 15, .rate = one_per_hour};
    strcpy(terms.buckets[0].name, "short");
    strcpy(terms.buckets[1].name, "long");
    return terms;
}

static void every_bucket_must_hold_what_is_taken(void **state)
{
    (void)state;
    struct fleet_world world;
    const struct limit_terms terms = two_buckets();
    const struct fleet_terms fleet = fleet_world_terms();
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    assert_int_equal(fleet_world_allow(&world, "foo", 9).result, BUCKET_ALLOWED);
    fleet_world_pass(&world, 10000);
    struct bucket_answer answer = fleet_world_allow(&world, "foo", 7);
    assert_int_equal(answer.result, BUCKET_DENIED);
    assert_false(answer.buckets[0].violated);
    assert_true(answer.buckets[1].violated);
    answer = fleet_world_allow(&world, "foo", 6);
    assert_int_equal(answer.result, BUCKET_ALLOWED);
    assert_int_equal(answer.remaining_tokens, 0);
    assert_int_equal(answer.buckets[0].remaining_tokens, 4);
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_DENIED);
    fleet_world_end(&world);
}

static void a_bucket_that_goes_and_comes_back_has_nothing_in_hand(void **state)
{
    (void)state;
    struct fleet_world world;
    struct limit_terms terms = two_buckets();
    const struct fleet_terms fleet = fleet_world_terms();
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    assert_int_equal(fleet_world_allow(&world, "foo", 9).result, BUCKET_ALLOWED);
    fleet_world_pass(&world, 100);
    terms.buckets_count = 1;
    reload(&world, &terms, 1);
    terms = two_buckets();
    reload(&world, &terms, 1); /* before the store has heard of the first */
    for (unsigned i = 0; i < 20; i++) {
        fleet_world_pass(&world, 1000);
        fleet_world_allow(&world, "foo", 3);
    }
    struct bucket_answer answer = fleet_world_allow(&world, "foo", 1);
    assert_int_equal(answer.result, BUCKET_DENIED);
    assert_true(answer.buckets[1].violated);
    assert_true(fleet_world_counters(&world).spent_tokens <= 15);
    fleet_world_end(&world);
}

static void what_was_spent_apart_stays_spent_whatever_the_terms(void **state)
{
    (void)state;
    struct fleet_world world;
    struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 40, hundred_per_second);
    struct fleet_terms fleet = fleet_world_terms();
    fleet.on_partition = FLEET_PARTITION_SHARE;
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    world.forced = ORDER_NOT_SENT;
    for (unsigned i = 0; i < 10; i++) /* 40 by 4 sidecars */
        assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_ALLOWED);
    terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 40, one_per_hour);
    fixture_reload_limits(&world.fixture, fleet_world_limits(&terms, 1, &fleet));
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_DENIED);
    terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 20, hundred_per_second);
    fixture_reload_limits(&world.fixture, fleet_world_limits(&terms, 1, &fleet));
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_DENIED);
    fleet_world_pass(&world, 40); /* its part is refilled by 25 a second */
    assert_int_equal(fleet_world_allow(&world, "foo", 1).result, BUCKET_ALLOWED);
    world.forced = ORDER_RESULT_COUNT;
    fleet_world_end(&world);
}

static void a_limit_on_trial_allows_and_makes_nobody_wait(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 2, one_per_hour);
    const struct fleet_terms fleet = fleet_world_terms();
    terms.shadow = true;
    fleet_world_begin(&world, fleet_world_limits(&terms, 1, &fleet));
    assert_true(fleet_world_ask_foo(&world, &caller, 1, 1000));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_UNCOUNTED);
    fleet_world_pass(&world, 25);
    unsigned denied = 0;
    for (unsigned i = 0; i < 5; i++) {
        assert_true(fleet_world_ask_foo(&world, &caller, 1, 1000));
        assert_true(bucket_answer_allows(&caller.message.answer.bucket));
        denied += fleet_caller_result(&caller) == BUCKET_DENIED;
        fleet_world_pass(&world, 25);
    }
    assert_true(denied >= 2);
    assert_int_equal(fixture_daemon(&world.fixture).counters.shadow_denied, denied);
    fleet_world_end(&world);
}

static void leases_are_refused(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    fleet_world_begin_one(&world, 10, one_per_second);
    assert_true(fleet_world_ask(&world, &caller, MESSAGE_ACQUIRE, "foo", NULL, 1, 0));
    assert_int_equal(fleet_caller_result(&caller), BUCKET_NO_LEASES);
    assert_string_equal(caller.message.answer.bucket.limit->name, LIMIT_DEFAULT_NAME);
    fleet_world_end(&world);
}

static void so_many_wait_for_a_key_and_no_more(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller[4];
    struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, one_per_second);
    const struct fleet_terms fleet = fleet_world_terms();
    struct limits *limits = fleet_world_limits(&terms, 1, &fleet);
    limits->waiting = (struct waiting_terms){.max_waiting = 3, .per_key = 2};
    fleet_world_begin(&world, limits);
    assert_false(fleet_world_ask_foo(&world, &caller[0], 1, 0));
    assert_false(fleet_world_ask_foo(&world, &caller[1], 1, 0));
    assert_true(fleet_world_ask_foo(&world, &caller[2], 1, 0));
    assert_int_equal(fleet_caller_result(&caller[2]), BUCKET_TOO_MANY_WAITING);
    assert_false(fleet_world_ask(&world, &caller[2], MESSAGE_ALLOW, "bar", NULL, 1, 0));
    assert_true(fleet_world_ask(&world, &caller[3], MESSAGE_ALLOW, "baz", NULL, 1, 0));
    assert_int_equal(fleet_caller_result(&caller[3]), BUCKET_TOO_MANY_WAITING);
    fleet_world_pass(&world, 5);
    for (unsigned i = 0; i < 3; i++)
        fleet_caller_release(&caller[i]);
    fleet_world_end(&world);
}

static void there_are_as_many_shares_as_keys_may_be(void **state)
{
    static const enum when_full whens[] = {WHEN_FULL_EVICT, WHEN_FULL_DENY, WHEN_FULL_ALLOW};
    (void)state;
    for (unsigned i = 0; i < LENGTH(whens); i++) {
        struct fleet_world world;
        char key[16];
        unsigned full = 0;
        fleet_world_begin_one(&world, 10, one_per_second);
        world.fixture.brain->when_full = whens[i];
        for (unsigned k = 0; k < FIXTURE_MAX_KEYS + 200; k++) {
            snprintf(key, sizeof key, "key%u", k);
            struct bucket_answer answer = fleet_world_allow(&world, key, 1);
            full += answer.result != BUCKET_ALLOWED;
            if (answer.result != BUCKET_ALLOWED)
                assert_int_equal(answer.result, whens[i] == WHEN_FULL_ALLOW ? BUCKET_UNCOUNTED
                                                                            : BUCKET_TABLE_FULL);
        }
        assert_true(world.fixture.brain->shares.count <= FIXTURE_MAX_KEYS);
        struct daemon_answer daemon = fixture_daemon(&world.fixture);
        assert_int_equal(daemon.counters.table_full_allowed + daemon.counters.table_full_denied,
                         full);
        fleet_world_pass(&world, 3000);
        assert_int_equal(world.fixture.brain->shares.count, 0);
        fleet_world_end(&world);
    }
}

/* More keys than letters hold; each is granted all the same. */
static void orders_wait_for_letters(void **state)
{
    enum { KEYS = SHARE_LETTERS * ORDERS_MAX + 300 };
    (void)state;
    struct fleet_world *world = malloc(sizeof *world);
    struct fleet_caller *caller = calloc(KEYS, sizeof *caller);
    const struct limit_terms terms = fleet_world_limit(LIMIT_DEFAULT_NAME, 10, one_per_second);
    const struct fleet_terms fleet = fleet_world_terms();
    struct limits *limits = fleet_world_limits(&terms, 1, &fleet);
    assert_non_null(world);
    assert_non_null(caller);
    fleet_world_begin(world, fleet_world_limits(&terms, 1, &fleet));
    limits_release(limits);
    world->fixture.brain->buckets.table.max_keys = KEYS; /* of shares only */
    world->is_stopped = true;
    struct chain asked = {0}, answered = {0};
    for (unsigned i = 0; i < KEYS; i++) {
        struct message *message = &caller[i].message;
        snprintf(caller[i].key, sizeof caller[i].key, "key%u", i);
        message->kind = MESSAGE_ALLOW;
        message->ask.bucket = (struct bucket_question){
            .key = caller[i].key, .key_len = strlen(caller[i].key), .tokens = 1};
        chain_add(&asked, &message->letter);
    }
    brain_answer(world->fixture.brain, letters_oldest_first(asked.newest), &answered);
    assert_null(answered.newest);
    fleet_world_pass_ns(world, 1);
    assert_int_equal(world->away_count, SHARE_LETTERS);
    assert_int_equal(world->orders, SHARE_LETTERS * ORDERS_MAX);
    world->is_stopped = false;
    fleet_world_pass(world, 3);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_true(caller[i].is_home);
        assert_int_equal(fleet_caller_result(&caller[i]), BUCKET_ALLOWED);
        fleet_caller_release(&caller[i]);
    }
    world->fixture.brain->buckets.table.max_keys = FIXTURE_MAX_KEYS;
    fleet_world_end(world);
    free(caller);
    free(world);
}

static void a_question_asked_once_waits_and_is_answered_once(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller, again;
    struct once_question once[2] = {{.token = "t", .token_len = 1}, {.token = "t", .token_len = 1}};
    fleet_world_begin_one(&world, 10, one_per_hour);
    memset(&caller, 0, sizeof caller);
    caller.message.kind = MESSAGE_ALLOW;
    caller.message.once = &once[0];
    strcpy(caller.key, "foo");
    caller.message.ask.bucket =
        (struct bucket_question){.key = caller.key, .key_len = 3, .tokens = 4};
    again = caller;
    again.message.once = &once[1];
    again.message.ask.bucket.key = again.key;
    assert_false(fleet_world_tell(&world, &caller.message));
    assert_true(fleet_world_tell(&world, &again.message));
    assert_int_equal(fleet_caller_result(&again), BUCKET_ONCE_WAITS);
    fleet_world_pass(&world, 1);
    assert_true(caller.is_home);
    assert_true(fleet_world_tell(&world, &again.message));
    assert_int_equal(fleet_caller_result(&again), BUCKET_ALLOWED);
    assert_int_equal(fleet_world_counters(&world).spent_tokens, 4);
    message_hold(&again.message, NULL);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

/* ---- lists ---- */

static struct bucket_call call_of(const char *key, uint64_t tokens)
{
    return (struct bucket_call){.ask = {.key = key, .key_len = strlen(key), .tokens = tokens}};
}

static bool ask_list(struct fleet_world *world, struct fleet_caller *caller, enum message_kind kind,
                     struct bucket_call *calls, uint32_t count)
{
    memset(caller, 0, sizeof *caller);
    caller->message.kind = kind;
    caller->message.ask.list = (struct list_question){calls, count};
    return fleet_world_tell(world, &caller->message);
}

static void a_list_waits_as_a_whole_for_its_orders(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    struct bucket_call calls[4] = {call_of("a", 1), call_of("b", 2), call_of("a", 1),
                                   call_of("c", 11)};
    fleet_world_begin_one(&world, 10, one_per_hour);
    fleet_world_take(&world, "b", NULL, 9);
    assert_false(ask_list(&world, &caller, MESSAGE_EACH, calls, 4));
    fleet_world_pass(&world, 1);
    assert_true(caller.is_home);
    assert_int_equal(world.letters, 1);
    assert_int_equal(calls[0].answer.result, BUCKET_ALLOWED);
    assert_int_equal(calls[1].answer.result, BUCKET_DENIED);
    assert_int_equal(calls[2].answer.result, BUCKET_ALLOWED);
    assert_int_equal(calls[3].answer.result, BUCKET_EXCEEDS_BURST);
    assert_int_equal(calls[2].answer.remaining_tokens, 8);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

static void a_list_waits_for_cold_wait_at_most(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    struct bucket_call calls[2] = {call_of("a", 1), call_of("b", 2)};
    fleet_world_begin_one(&world, 10, one_per_hour);
    world.is_stopped = true;
    assert_false(ask_list(&world, &caller, MESSAGE_EACH, calls, 2));
    fleet_world_pass(&world, FLEET_WORLD_COLD_MS);
    assert_true(caller.is_home);
    assert_int_equal(calls[0].answer.result, BUCKET_DENIED);
    assert_true(calls[0].answer.is_apart);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

static void all_or_none_holds_for_tokens_in_hand(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    struct bucket_call calls[3] = {call_of("a", 6), call_of("b", 2), call_of("a", 3)};
    fleet_world_begin_one(&world, 10, one_per_hour);
    assert_false(ask_list(&world, &caller, MESSAGE_ALL, calls, 3));
    fleet_world_pass(&world, 1);
    assert_true(caller.is_home);
    assert_true(caller.message.answer.list.allowed);
    assert_int_equal(calls[0].answer.remaining_tokens, 1);
    assert_int_equal(calls[1].answer.remaining_tokens, 8);
    assert_int_equal(fleet_world_counters(&world).spent_tokens, 11);
    fleet_caller_release(&caller);
    fleet_world_pass(&world, 50);
    ask_list(&world, &caller, MESSAGE_ALL, calls, 3);
    fleet_world_pass(&world, 10);
    assert_true(caller.is_home);
    assert_false(caller.message.answer.list.allowed);
    assert_int_equal(calls[0].answer.result, BUCKET_DENIED);
    assert_int_equal(calls[1].answer.result, BUCKET_HELD_BACK);
    assert_true(caller.message.answer.list.retry_after_ms > 3600000);
    assert_int_equal(fleet_world_counters(&world).spent_tokens, 11);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

static void a_list_waits_again_for_what_the_record_still_has(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller, single;
    struct bucket_call calls[2] = {call_of("a", 60), call_of("b", 60)};
    fleet_world_begin_one(&world, 100, one_per_hour);
    assert_false(ask_list(&world, &caller, MESSAGE_ALL, calls, 2));
    assert_false(
        fleet_world_ask(&world, &single, MESSAGE_ALLOW, "a", NULL, 40, 0)); /* is served first */
    fleet_world_pass(&world, FLEET_WORLD_COLD_MS);
    assert_true(single.is_home && caller.is_home);
    assert_int_equal(fleet_caller_result(&single), BUCKET_ALLOWED);
    assert_true(caller.message.answer.list.allowed);
    assert_int_equal(calls[0].answer.remaining_tokens, 0);
    assert_int_equal(fleet_world_counters(&world).spent_tokens, 160);
    fleet_caller_release(&caller);
    fleet_caller_release(&single);
    fleet_world_end(&world);
}

static void calls_of_a_list_get_what_the_record_has_in_their_order(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    struct bucket_call calls[4] = {call_of("a", 30), call_of("a", 40), call_of("a", 15),
                                   call_of("a", 10)};
    fleet_world_begin_one(&world, 100, one_per_hour);
    fleet_world_take(&world, "a", NULL, 50); /* which is not known here */
    assert_false(ask_list(&world, &caller, MESSAGE_EACH, calls, 4));
    fleet_world_pass(&world, FLEET_WORLD_COLD_MS);
    assert_true(caller.is_home);
    assert_int_equal(calls[0].answer.result, BUCKET_ALLOWED);
    assert_int_equal(calls[1].answer.result, BUCKET_DENIED);
    assert_int_equal(calls[2].answer.result, BUCKET_ALLOWED);
    assert_int_equal(calls[3].answer.result, BUCKET_DENIED);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

static void lists_that_wait_together_are_served_in_their_order(void **state)
{
    (void)state;
    enum { LISTS = 3 };
    struct fleet_world world;
    struct fleet_caller caller[LISTS];
    struct bucket_call calls[LISTS] = {call_of("a", 60), call_of("a", 60), call_of("a", 40)};
    fleet_world_begin_one(&world, 100, one_per_hour);
    for (unsigned i = 0; i < LISTS; i++)
        assert_false(ask_list(&world, &caller[i], MESSAGE_EACH, &calls[i], 1));
    fleet_world_pass(&world, FLEET_WORLD_COLD_MS);
    for (unsigned i = 0; i < LISTS; i++) {
        assert_true(caller[i].is_home);
        assert_int_equal(calls[i].answer.result, i == 1 ? BUCKET_DENIED : BUCKET_ALLOWED);
        fleet_caller_release(&caller[i]);
    }
    fleet_world_end(&world);
}

static void a_list_of_status_asks_the_store(void **state)
{
    (void)state;
    struct fleet_world world;
    struct fleet_caller caller;
    struct bucket_call calls[2] = {call_of("a", 0), call_of("b", 0)};
    fleet_world_begin_one(&world, 10, one_per_hour);
    fleet_world_take(&world, "b", NULL, 9);
    assert_false(ask_list(&world, &caller, MESSAGE_LIST, calls, 2));
    fleet_world_pass(&world, 1);
    assert_true(caller.is_home);
    assert_int_equal(calls[0].answer.remaining_tokens, 10);
    assert_int_equal(calls[1].answer.remaining_tokens, 1);
    fleet_caller_release(&caller);
    fleet_world_end(&world);
}

/* ---- explaining ---- */

static void an_explanation_tells_what_hand_and_record_would_say(void **state)
{
    (void)state;
    struct fleet_world world;
    struct explain_answer *explained = malloc(sizeof *explained);
    struct message message = {
        .kind = MESSAGE_EXPLAIN,
        .ask.bucket = {.key = "foo", .key_len = 3, .tokens = 4},
        .answer.explain = explained,
    };
    assert_non_null(explained);
    fleet_world_begin_one(&world, 10, one_per_hour);
    fleet_world_allow(&world, "foo", 3);
    assert_true(fleet_world_tell(&world, &message));
    assert_int_equal(explained->kind, MESSAGE_ALLOW);
    assert_int_equal(explained->now.remaining_tokens, 7);
    assert_int_equal(explained->next.result, BUCKET_ALLOWED);
    assert_int_equal(explained->next.remaining_tokens, 3);
    assert_true(explained->next.is_estimate);
    message.ask.bucket.tokens = 8;
    assert_true(fleet_world_tell(&world, &message));
    assert_int_equal(explained->next.result, BUCKET_DENIED);
    assert_int_equal(fleet_world_counters(&world).spent_tokens, 3);
    fleet_world_end(&world);
    free(explained);
}

static void all_keys_are_listed_page_by_page_whatever_their_scope(void **state)
{
    enum { KEYS = 300, PAGE = 7 };
    (void)state;
    struct fleet_world world;
    struct limit_terms terms[2] = {fleet_world_limit("local", 10, one_per_hour),
                                   fleet_world_limit(LIMIT_DEFAULT_NAME, 10, one_per_hour)};
    const struct fleet_terms fleet = fleet_world_terms();
    struct keys_answer *answer = malloc(keys_answer_bytes(PAGE));
    const struct keys_question ask = {.prefix = "k", .prefix_len = 1, .count = PAGE};
    struct message message = {.kind = MESSAGE_KEYS, .ask.keys = &ask, .answer.keys = answer};
    unsigned seen[2][KEYS] = {0};
    char key[16];
    assert_non_null(answer);
    terms[0].is_fleet = false;
    fleet_world_begin(&world, fleet_world_limits(terms, 2, &fleet));
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(
            fleet_world_await(&world, MESSAGE_ALLOW, key, i % 3 == 0 ? "local" : NULL, 4, 0).result,
            BUCKET_ALLOWED);
    }
    fleet_world_allow(&world, "other", 1);
    keys_answer_begin(answer, KEYS_CURSOR_BEGIN);
    for (unsigned pages = 0; pages < KEYS; pages++) {
        do
            assert_true(fleet_world_tell(&world, &message));
        while (keys_wants_more(&ask, answer));
        assert_int_equal(answer->tracked, KEYS + 1);
        for (unsigned i = 0; i < answer->found; i++) {
            const struct keys_entry *entry = &answer->entry[i];
            memcpy(key, entry->key, entry->key_len);
            key[entry->key_len] = '\0';
            assert_int_equal(entry->remaining_tokens, 6);
            seen[strcmp(entry->limit_name, "local") == 0][atoi(key + 1)]++;
        }
        if (answer->result == KEYS_ENDED)
            break;
        keys_answer_begin(answer, answer->cursor);
    }
    assert_int_equal(answer->result, KEYS_ENDED);
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(seen[0][i], i % 3 != 0);
        assert_int_equal(seen[1][i], i % 3 == 0);
    }
    fleet_world_end(&world);
    free(answer);
}

static void keys_denied_most_are_shown_as_they_stand(void **state)
{
    (void)state;
    struct fleet_world world;
    struct keys_answer *answer = malloc(keys_answer_bytes(10));
    const struct keys_question ask = {.prefix = "", .sort = KEYS_BY_DENIED, .count = 10};
    struct message message = {.kind = MESSAGE_KEYS, .ask.keys = &ask, .answer.keys = answer};
    assert_non_null(answer);
    keys_answer_begin(answer, KEYS_CURSOR_BEGIN);
    fleet_world_begin_one(&world, 10, one_per_hour);
    fleet_world_allow(&world, "foo", 7);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(fleet_world_allow(&world, "foo", 4).result, BUCKET_DENIED);
    assert_true(fleet_world_tell(&world, &message));
    assert_int_equal(answer->found, 1);
    assert_int_equal(answer->entry[0].denied, 3);
    assert_int_equal(answer->entry[0].remaining_tokens, 3);
    assert_true(answer->entry[0].active);
    fleet_world_end(&world);
    free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reload_keeps_the_session_and_the_hand),
        cmocka_unit_test(a_limit_that_goes_or_becomes_local_gives_all_back),
        cmocka_unit_test(who_waits_is_asked_anew_by_a_reload),
        cmocka_unit_test(who_waits_for_a_limit_that_becomes_of_scope_fleet_waits_there),
        cmocka_unit_test(an_override_that_ends_changes_the_terms),
        cmocka_unit_test(overrides_that_allow_or_deny_need_no_store),
        cmocka_unit_test(the_end_gives_all_back_and_is_answered_then),
        cmocka_unit_test(the_end_waits_for_no_store_that_is_out_of_reach),
        cmocka_unit_test(the_end_of_what_has_nothing_out_is_answered_at_once),
        cmocka_unit_test(who_leaves_makes_way),
        cmocka_unit_test(every_bucket_must_hold_what_is_taken),
        cmocka_unit_test(a_bucket_that_goes_and_comes_back_has_nothing_in_hand),
        cmocka_unit_test(what_was_spent_apart_stays_spent_whatever_the_terms),
        cmocka_unit_test(a_limit_on_trial_allows_and_makes_nobody_wait),
        cmocka_unit_test(leases_are_refused),
        cmocka_unit_test(so_many_wait_for_a_key_and_no_more),
        cmocka_unit_test(there_are_as_many_shares_as_keys_may_be),
        cmocka_unit_test(orders_wait_for_letters),
        cmocka_unit_test(a_question_asked_once_waits_and_is_answered_once),
        cmocka_unit_test(a_list_waits_as_a_whole_for_its_orders),
        cmocka_unit_test(a_list_waits_for_cold_wait_at_most),
        cmocka_unit_test(all_or_none_holds_for_tokens_in_hand),
        cmocka_unit_test(a_list_waits_again_for_what_the_record_still_has),
        cmocka_unit_test(calls_of_a_list_get_what_the_record_has_in_their_order),
        cmocka_unit_test(lists_that_wait_together_are_served_in_their_order),
        cmocka_unit_test(a_list_of_status_asks_the_store),
        cmocka_unit_test(an_explanation_tells_what_hand_and_record_would_say),
        cmocka_unit_test(all_keys_are_listed_page_by_page_whatever_their_scope),
        cmocka_unit_test(keys_denied_most_are_shown_as_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
