/* Waits: who is let go when, who is told no, and that nobody passes those who wait. In virtual time. */
#include "brain/core.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"
#include "support/dice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_S = FIXTURE_START_DATE_S, TICK_MS = 100, PER_KEY = 2000, MAX_WAITING = 5000 };

static const struct rate one_per_second = {1, 1000}, ten_per_second = {10, 1000};

/* ---- limits ---- */

static struct bucket_terms terms_of(const char *name, uint64_t burst, struct rate rate,
                                    uint64_t debt_max)
{
    struct bucket_terms terms = {.burst = burst, .rate = rate, .debt_max = debt_max};
    strcpy(terms.name, name);
    return terms;
}

static struct limits *limits_of(const struct limit_terms *terms, uint32_t count, uint64_t tick_ms)
{
    struct limits *limits = limits_new(count, tick_ms);
    assert_non_null(limits);
    for (uint32_t i = 0; i < count; i++)
        assert_true(limits_add(limits, &terms[i]));
    limits->waiting = (struct waiting_terms){.max_waiting = MAX_WAITING, .per_key = PER_KEY};
    return limits;
}

/* The default limit, of one bucket. */
static struct limits *one_bucket(uint64_t burst, struct rate rate, uint64_t tick_ms)
{
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {terms_of("", burst, rate, burst)},
    };
    return limits_of(&terms, 1, tick_ms);
}

/* ---- asking, and coming home ---- */

/* Somebody who asks; `home`: their place in the order of coming home, from 1; 0: not yet. */
struct caller {
    struct message message;
    char key[64];
    unsigned home;
    uint64_t home_ns; /* since the beginning */
};

struct world {
    struct fixture fixture;
    unsigned homes;
};

static struct world world_of(struct limits *limits)
{
    struct world world = {0};
    fixture_init_limits(&world.fixture, limits, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    return world;
}

/* Burst 10, a token a second, a tick of 100 ms. */
static struct world usual_world(void)
{
    return world_of(one_bucket(10, one_per_second, TICK_MS));
}

static void world_release(struct world *world)
{
    assert_int_equal(fixture_daemon(&world->fixture).counters.waiting, 0);
    assert_int_equal(world->fixture.brain->buckets.holdings.count, 0);
    assert_null(brain_released(world->fixture.brain));
    fixture_release(&world->fixture);
}

static struct caller *caller_of(struct message *message)
{
    return (struct caller *)message;
}

static uint64_t since_start_ns(const struct world *world)
{
    return world->fixture.now_ns - FIXTURE_START_NS;
}

static void come_home(struct world *world, struct caller *caller)
{
    assert_int_equal(caller->home, 0);
    caller->home = ++world->homes;
    caller->home_ns = since_start_ns(world);
}

/* Takes home who has waited until now. Each holds the limits that its answer points into. */
static unsigned collect(struct world *world)
{
    unsigned count = 0;
    for (struct letter *letter = brain_released(world->fixture.brain), *next; letter != NULL;
         letter = next, count++) {
        struct message *message = message_of(letter);
        next = letter->next;
        assert_null(message->waiter.holding);
        assert_ptr_equal(message->limits, brain_limits(world->fixture.brain));
        assert_true(message->answer.bucket.has_waited);
        come_home(world, caller_of(message));
    }
    return count;
}

static unsigned at(struct world *world, uint64_t ms)
{
    fixture_at(&world->fixture, ms);
    return collect(world);
}

static void caller_release(struct caller *caller)
{
    message_hold(&caller->message, NULL);
}

static void ask_as(struct world *world, struct caller *caller, const char *key, const char *limit,
                   uint64_t tokens, uint64_t wait_ms)
{
    *caller = (struct caller){.home = 0};
    strcpy(caller->key, key);
    caller->message = (struct message){
        .kind = MESSAGE_ALLOW,
        .ask.bucket = {.key = caller->key,
                       .key_len = strlen(key),
                       .limit_name = limit,
                       .limit_name_len = limit == NULL ? 0 : strlen(limit),
                       .tokens = tokens,
                       .wait_ms = wait_ms},
    };
    memset(&caller->message.answer, 0xa5, sizeof caller->message.answer);
    struct message *messages[] = {&caller->message};
    if (ask_brain(world->fixture.brain, messages, 1) == 1) {
        assert_false(caller->message.answer.bucket.has_waited);
        come_home(world, caller);
    }
}

static void ask(struct world *world, struct caller *caller, const char *key, uint64_t tokens,
                uint64_t wait_ms)
{
    ask_as(world, caller, key, NULL, tokens, wait_ms);
}

static void leave(struct world *world, struct caller *caller)
{
    struct message message = {.kind = MESSAGE_LEAVE, .ask.leaves = &caller->message};
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(world->fixture.brain, messages, 1), 1);
    collect(world);
}

static void charge(struct world *world, const char *key, uint64_t tokens, uint64_t charged)
{
    struct bucket_answer answer = fixture_ask(&world->fixture, MESSAGE_CHARGE, key, NULL, tokens);
    assert_int_equal(answer.result, BUCKET_ALLOWED);
    assert_int_equal(answer.charged_tokens, charged);
}

static const struct bucket_answer *answer_of(const struct caller *caller)
{
    assert_int_not_equal(caller->home, 0);
    return &caller->message.answer.bucket;
}

static void expect_waits(const struct caller *caller)
{
    assert_int_equal(caller->home, 0);
}

static void expect_let_go(const struct caller *caller, uint64_t at_ms, uint64_t waited_ms)
{
    const struct bucket_answer *answer = answer_of(caller);
    assert_int_equal(answer->result, BUCKET_ALLOWED);
    assert_true(answer->has_waited);
    assert_int_equal(answer->waited_ms, waited_ms);
    assert_int_equal(answer->retry_after_ms, 0);
    assert_int_equal(caller->home_ns, at_ms * NS_PER_MS);
}

static void expect_told(const struct caller *caller, enum bucket_result result,
                        uint64_t retry_after_ms)
{
    const struct bucket_answer *answer = answer_of(caller);
    assert_int_equal(answer->result, result);
    assert_int_equal(answer->retry_after_ms, retry_after_ms);
}

static const struct brain_counters *counters_of(const struct world *world)
{
    return &world->fixture.brain->counters;
}

/* ---- one bucket ---- */

static void who_finds_the_tokens_does_not_wait(void **state)
{
    (void)state;
    struct world world = usual_world();
    struct caller caller;
    ask(&world, &caller, "foo", 10, 5000);
    expect_told(&caller, BUCKET_ALLOWED, 0);
    assert_false(answer_of(&caller)->has_waited);
    assert_int_equal(world.fixture.brain->buckets.holdings.count, 0);
    world_release(&world);
}

static void who_waits_is_let_go_at_the_tick_that_pays(void **state)
{
    (void)state;
    struct world world = usual_world();
    struct caller caller;
    fixture_drain(&world.fixture, "foo", NULL);
    at(&world, 250);
    ask(&world, &caller, "foo", 2, 1800);
    expect_waits(&caller);
    assert_int_equal(counters_of(&world)->waiting, 1);
    assert_int_equal(counters_of(&world)->allowed, 1);
    assert_int_equal(at(&world, 1999), 0);
    assert_int_equal(at(&world, 2000), 1);
    expect_let_go(&caller, 2000, 1750);
    assert_int_equal(answer_of(&caller)->remaining_tokens, 0);
    assert_int_equal(answer_of(&caller)->full_after_ms, 10000);
    assert_int_equal(counters_of(&world)->waiting, 0);
    assert_int_equal(counters_of(&world)->allowed, 2);
    assert_int_equal(world.fixture.brain->meters.waited_ns.sum, 1750 * NS_PER_MS);
    caller_release(&caller);
    world_release(&world);
}

static void nobody_waits_in_vain(void **state)
{
    (void)state;
    struct world world = usual_world();
    struct caller caller;
    fixture_drain(&world.fixture, "foo", NULL);
    ask(&world, &caller, "foo", 2, 1999);
    expect_told(&caller, BUCKET_DENIED, 2000);
    ask(&world, &caller, "foo", 11, 60000);
    expect_told(&caller, BUCKET_EXCEEDS_BURST, RETRY_NEVER);
    assert_int_equal(counters_of(&world)->waits_denied, 0);
    world_release(&world);
}

static void a_promise_is_shown_as_taken_and_is_no_debt(void **state)
{
    (void)state;
    struct world world = usual_world();
    struct caller caller;
    fixture_drain(&world.fixture, "foo", NULL);
    at(&world, 3000);
    ask(&world, &caller, "foo", 5, 2000);
    expect_waits(&caller);
    struct bucket_answer answer = fixture_status(&world.fixture, "foo");
    assert_int_equal(answer.remaining_tokens, 0);
    assert_int_equal(answer.owed_tokens, 0);
    assert_int_equal(answer.full_after_ms, 12000);
    assert_int_equal(answer.buckets[0].next_token_ms, 3000);
    at(&world, 5000);
    expect_let_go(&caller, 5000, 2000);
    caller_release(&caller);
    world_release(&world);
}

static void nobody_passes_those_who_wait(void **state)
{
    (void)state;
    struct world world = usual_world();
    struct caller first, second, third;
    fixture_drain(&world.fixture, "foo", NULL);
    at(&world, 3000);
    ask(&world, &first, "foo", 5, 2000);
    expect_answer(fixture_allow(&world.fixture, "foo", 1), BUCKET_DENIED, 0, 12000, 3000);
    expect_answer(fixture_allow(&world.fixture, "foo", 0), BUCKET_ALLOWED, 0, 12000, 0);
    ask(&world, &second, "foo", 1, 2999);
    expect_told(&second, BUCKET_DENIED, 3000);
    ask(&world, &third, "foo", 1, 3000);
    expect_waits(&third);
    assert_true(fixture_allows(&world.fixture, "bar", 10));
    at(&world, 5000);
    expect_let_go(&first, 5000, 2000);
    expect_waits(&third);
    at(&world, 6000);
    expect_let_go(&third, 6000, 3000);
    caller_release(&first), caller_release(&third);
    world_release(&world);
}

enum { CROWD = 1000 };

/* Ten tokens a second, a tick of 10 ms: one is due each 100 ms. */
static void a_thousand_go_in_the_order_of_arrival_each_at_its_tick(void **state)
{
    (void)state;
    struct world world = world_of(one_bucket(10, ten_per_second, 10));
    struct caller *crowd = calloc(CROWD, sizeof *crowd);
    fixture_drain(&world.fixture, "foo", NULL);
    for (unsigned i = 0; i < CROWD; i++) {
        ask(&world, &crowd[i], "foo", 1, 200000);
        expect_waits(&crowd[i]);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        uint64_t due_ms = 100 * (i + 1);
        fixture_at_ns(&world.fixture, due_ms * NS_PER_MS - 1);
        assert_int_equal(collect(&world), 0);
        assert_true(brain_next_tick_ns(world.fixture.brain) ==
                    FIXTURE_START_NS + due_ms * NS_PER_MS);
        assert_int_equal(at(&world, due_ms), 1);
        expect_let_go(&crowd[i], due_ms, due_ms);
        assert_int_equal(crowd[i].home, i + 1);
        caller_release(&crowd[i]);
    }
    free(crowd);
    world_release(&world);
}

/* ---- several buckets ---- */

/* The early one holds what is wanted at once, and is full at that; the late one pays after 4 s. If the
 * early one refilled behind the promise, it would hold 10 - 6 + 4 afterwards. */
static void the_early_bucket_does_not_refill_behind_a_promise(void **state)
{
    (void)state;
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 2,
        .buckets = {terms_of("early", 10, one_per_second, 10),
                    terms_of("late", 6, (struct rate){1, 2000}, 6)},
    };
    struct world world = world_of(limits_of(&terms, 1, TICK_MS));
    struct caller first, second;
    assert_true(fixture_allows(&world.fixture, "foo", 6));
    at(&world, 8000); /* early: full; late: 4 of 6 */
    ask(&world, &first, "foo", 6, 4000);
    ask(&world, &second, "foo", 5, 14000);
    expect_waits(&first), expect_waits(&second);
    struct bucket_answer answer = fixture_status(&world.fixture, "foo");
    assert_int_equal(answer.buckets[0].remaining_tokens, 0);
    at(&world, 12000);
    expect_let_go(&first, 12000, 4000);
    answer = first.message.answer.bucket;
    assert_int_equal(answer.buckets[0].remaining_tokens, 0); /* 10 - 6, of which 5 are promised */
    assert_int_equal(at(&world, 21999), 0);
    at(&world, 22000);
    expect_let_go(&second, 22000, 14000);
    answer = second.message.answer.bucket;
    assert_int_equal(answer.buckets[0].remaining_tokens, 5);
    assert_int_equal(answer.buckets[1].remaining_tokens, 0);
    caller_release(&first), caller_release(&second);
    world_release(&world);
}

/* ---- leaving ---- */

static void who_leaves_gives_the_promise_back_and_those_behind_move_up(void **state)
{
    (void)state;
    struct world world = usual_world();
    struct caller callers[4];
    fixture_drain(&world.fixture, "foo", NULL);
    for (unsigned i = 0; i < 4; i++)
        ask(&world, &callers[i], "foo", 2, 20000);
    at(&world, 1000);
    leave(&world, &callers[1]);
    assert_int_equal(answer_of(&callers[1])->result, BUCKET_LEFT);
    assert_int_equal(counters_of(&world)->waits_left, 1);
    assert_int_equal(counters_of(&world)->denied, 0);
    assert_int_equal(counters_of(&world)->waiting, 3);
    at(&world, 2000);
    expect_let_go(&callers[0], 2000, 2000);
    at(&world, 4000);
    expect_let_go(&callers[2], 4000, 4000);
    leave(&world, &callers[0]); /* it is home already */
    assert_int_equal(callers[0].home, 2);
    leave(&world, &callers[3]);
    assert_int_equal(fixture_status(&world.fixture, "foo").full_after_ms, 10000);
    for (unsigned i = 0; i < 4; i++)
        caller_release(&callers[i]);
    world_release(&world);
}

static void a_leaver_can_make_room_at_once(void **state)
{
    (void)state;
    struct world world = usual_world();
    struct caller large, small;
    fixture_drain(&world.fixture, "foo", NULL);
    at(&world, 3000);
    ask(&world, &large, "foo", 10, 20000);
    ask(&world, &small, "foo", 2, 20000);
    at(&world, 3500);
    leave(&world, &large);
    expect_let_go(&small, 3500, 500);
    assert_int_equal(answer_of(&small)->remaining_tokens, 1);
    caller_release(&large), caller_release(&small);
    world_release(&world);
}

/* ---- what changes a bucket while others wait ---- */

/* Of the content of 3, 5 are promised; so a charge takes nothing of it, and goes behind. */
static void a_charge_goes_behind_those_who_wait(void **state)
{
    (void)state;
    struct world world = usual_world();
    struct caller first, second;
    fixture_drain(&world.fixture, "foo", NULL);
    at(&world, 3000);
    ask(&world, &first, "foo", 5, 2000);
    charge(&world, "foo", 4, 4);
    ask(&world, &second, "foo", 1, 20000);
    struct bucket_answer answer = fixture_status(&world.fixture, "foo");
    assert_int_equal(answer.owed_tokens, 1);
    assert_int_equal(answer.full_after_ms, 17000);
    at(&world, 5000);
    expect_let_go(&first, 5000, 2000);
    assert_int_equal(answer_of(&first)->owed_tokens, 4);
    assert_int_equal(at(&world, 9999), 0);
    at(&world, 10000);
    expect_let_go(&second, 10000, 7000);
    assert_int_equal(fixture_status(&world.fixture, "foo").full_after_ms, 10000);
    caller_release(&first), caller_release(&second);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_finds_the_tokens_does_not_wait),
        cmocka_unit_test(who_waits_is_let_go_at_the_tick_that_pays),
        cmocka_unit_test(nobody_waits_in_vain),
        cmocka_unit_test(a_promise_is_shown_as_taken_and_is_no_debt),
        cmocka_unit_test(nobody_passes_those_who_wait),
        cmocka_unit_test(a_thousand_go_in_the_order_of_arrival_each_at_its_tick),
        cmocka_unit_test(the_early_bucket_does_not_refill_behind_a_promise),
        cmocka_unit_test(who_leaves_gives_the_promise_back_and_those_behind_move_up),
        cmocka_unit_test(a_leaver_can_make_room_at_once),
        cmocka_unit_test(a_charge_goes_behind_those_who_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
