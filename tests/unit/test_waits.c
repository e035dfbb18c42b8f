/* Waits: who is let go when, who is told no, and that nobody passes those who wait. In virtual time. */
#include "brain/core.h"
#include "brain/keys.h"
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

/* A limit of one bucket, which may owe as much as it holds. */
static struct limit_terms limit_of(const char *name, uint64_t burst, struct rate rate)
{
    return (struct limit_terms){
        .name = name,
        .buckets_count = 1,
        .buckets = {terms_of("", burst, rate, burst)},
    };
}

/* The default limit alone, of one bucket. */
static struct limits *one_bucket(uint64_t burst, struct rate rate, uint64_t tick_ms)
{
    const struct limit_terms terms = limit_of(LIMIT_DEFAULT_NAME, burst, rate);
    return limits_of(&terms, 1, tick_ms);
}

/* ---- asking, and coming home ---- */

/* Somebody who asks; `home`: their place in the order of coming home, from 1; 0: not yet. */
struct caller {
    struct message message;
    char key[64];
    unsigned home;
    uint64_t home_ns;    /* since the beginning */
    struct caller *next; /* who came home before it, and has not asked again */
};

struct world {
    struct fixture fixture;
    unsigned homes;
    struct caller *last_home;
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

/* The same, and foo has no tokens. */
static struct world drained_world(void)
{
    struct world world = usual_world();
    fixture_drain(&world.fixture, "foo", NULL);
    return world;
}

/* Lets go of the limits that an answer points into. */
static void caller_release(struct caller *caller)
{
    message_hold(&caller->message, NULL);
}

/* Everybody must be home. They must still be there: the world lets go of what they hold. */
static void world_release(struct world *world)
{
    for (struct caller *caller = world->last_home; caller != NULL; caller = caller->next)
        caller_release(caller);
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
    caller->next = world->last_home;
    world->last_home = caller;
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

/* If it came home before, forgets that. */
static void forget_home(struct world *world, const struct caller *caller)
{
    for (struct caller **place = &world->last_home; *place != NULL; place = &(*place)->next)
        if (*place == caller) {
            caller_release(*place);
            *place = caller->next;
            return;
        }
}

static void ask_with(struct world *world, struct caller *caller, const char *key, const char *limit,
                     uint64_t tokens, uint64_t wait_ms, struct once_question *once)
{
    forget_home(world, caller);
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
        .once = once,
    };
    memset(&caller->message.answer, 0xa5, sizeof caller->message.answer);
    struct message *messages[] = {&caller->message};
    if (ask_brain(world->fixture.brain, messages, 1) == 1)
        come_home(world, caller);
}

static void ask_as(struct world *world, struct caller *caller, const char *key, const char *limit,
                   uint64_t tokens, uint64_t wait_ms)
{
    ask_with(world, caller, key, limit, tokens, wait_ms, NULL);
    assert_true(caller->home == 0 || !caller->message.answer.bucket.has_waited);
}

static void ask_once(struct world *world, struct caller *caller, const char *key, uint64_t tokens,
                     uint64_t wait_ms, struct once_question *once)
{
    ask_with(world, caller, key, NULL, tokens, wait_ms, once);
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
    struct world world = drained_world();
    struct caller caller;
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
    world_release(&world);
}

static void nobody_waits_in_vain(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller caller;
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
    struct world world = drained_world();
    struct caller caller;
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
    world_release(&world);
}

static void nobody_passes_those_who_wait(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller first, second, third;
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
    }
    world_release(&world);
    free(crowd);
}

/* ---- several buckets ---- */

/* At 10 s the early one is full and the late one has just paid its debt back. The first caller waits for
 * the late one, 1.5 s. If the early one refilled meanwhile, behind the promise, it would hold 5.5 then,
 * and not 4; and the second caller, who waits for it, would go at 14 s. */
static void the_early_bucket_does_not_refill_behind_a_promise(void **state)
{
    (void)state;
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 2,
        .buckets = {terms_of("early", 10, one_per_second, 0),
                    terms_of("late", 10, (struct rate){4, 1000}, 40)},
    };
    struct world world = world_of(limits_of(&terms, 1, TICK_MS));
    struct caller first, second;
    charge(&world, "foo", 50, 10);
    at(&world, 10000);
    ask(&world, &first, "foo", 6, 1500);
    ask(&world, &second, "foo", 8, 5499);
    expect_told(&second, BUCKET_DENIED, 5500);
    ask(&world, &second, "foo", 8, 5500);
    expect_waits(&first), expect_waits(&second);
    at(&world, 11500);
    expect_let_go(&first, 11500, 1500);
    at(&world, 15499);
    expect_waits(&second);
    at(&world, 15500);
    expect_let_go(&second, 15500, 5500);
    assert_int_equal(answer_of(&second)->buckets[0].remaining_tokens, 0);
    assert_int_equal(answer_of(&second)->buckets[1].remaining_tokens, 2);
    world_release(&world);
}

/* ---- what is told who cannot wait ---- */

/* Ten tokens a tick, burst 12. The first takes 12 after a tick, the second 4 after another, when 10 have
 * come; so 6 are left then, and not a tick before. */
static void who_is_denied_is_told_when_the_last_one_goes(void **state)
{
    (void)state;
    struct world world = world_of(one_bucket(12, (struct rate){100, 1000}, TICK_MS));
    struct caller first, second;
    assert_true(fixture_allows(&world.fixture, "foo", 2));
    ask(&world, &first, "foo", 12, 1000);
    ask(&world, &second, "foo", 4, 1000);
    expect_waits(&first), expect_waits(&second);
    assert_int_equal(fixture_allow(&world.fixture, "foo", 3).retry_after_ms, 200);
    at(&world, 100);
    assert_int_equal(fixture_allow(&world.fixture, "foo", 3).retry_after_ms, 100);
    at(&world, 200);
    assert_true(fixture_allows(&world.fixture, "foo", 3));
    world_release(&world);
}

/* ---- leaving ---- */

static void who_leaves_gives_the_promise_back_and_those_behind_move_up(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller callers[4];
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
    world_release(&world);
}

static void a_leaver_can_make_room_at_once(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller large, small;
    at(&world, 3000);
    ask(&world, &large, "foo", 10, 20000);
    ask(&world, &small, "foo", 2, 20000);
    at(&world, 3500);
    leave(&world, &large);
    expect_let_go(&small, 3500, 500);
    assert_int_equal(answer_of(&small)->remaining_tokens, 1);
    world_release(&world);
}

/* There are 2 tokens. Whoever of the three leaves first makes room for others; but these leave too. */
static void of_those_who_leave_together_none_is_let_go(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller callers[4];
    struct message leaves[3], *messages[3];
    at(&world, 2000);
    ask(&world, &callers[0], "foo", 3, 20000);
    for (unsigned i = 1; i < 4; i++)
        ask(&world, &callers[i], "foo", 1, 20000);
    for (unsigned i = 0; i < 3; i++) {
        leaves[i] = (struct message){.kind = MESSAGE_LEAVE, .ask.leaves = &callers[i].message};
        messages[i] = &leaves[i];
    }
    assert_int_equal(ask_brain(world.fixture.brain, messages, 3), 3);
    assert_int_equal(collect(&world), 4);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(answer_of(&callers[i])->result, BUCKET_LEFT);
    expect_let_go(&callers[3], 2000, 0);
    assert_int_equal(answer_of(&callers[3])->remaining_tokens, 1);
    world_release(&world);
}

/* ---- what changes a bucket while others wait ---- */

/* Of the content of 3, 5 are promised; so a charge takes nothing of it, and goes behind. */
static void a_charge_goes_behind_those_who_wait(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller first, second;
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
    world_release(&world);
}

static void a_reset_fills_then_lets_go_and_shows_what_is_left(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller callers[3];
    ask(&world, &callers[0], "foo", 4, 20000);
    charge(&world, "foo", 3, 3); /* is forgiven */
    ask(&world, &callers[1], "foo", 5, 20000);
    ask(&world, &callers[2], "foo", 3, 20000);
    at(&world, 500);
    struct bucket_answer answer = fixture_reset(&world.fixture, "foo");
    collect(&world);
    expect_let_go(&callers[0], 500, 500);
    expect_let_go(&callers[1], 500, 500);
    expect_waits(&callers[2]);
    assert_int_equal(answer.remaining_tokens, 0); /* 1, and 3 are promised */
    assert_int_equal(answer.full_after_ms, 12000);
    at(&world, 2500);
    expect_let_go(&callers[2], 2500, 2500);
    world_release(&world);
}

static void a_refund_goes_to_those_who_wait(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller first, second;
    ask(&world, &first, "foo", 4, 20000);
    ask(&world, &second, "foo", 4, 20000);
    at(&world, 1000);
    struct bucket_answer answer = fixture_ask(&world.fixture, MESSAGE_REFUND, "foo", NULL, 5);
    collect(&world);
    expect_let_go(&first, 1000, 1000);
    assert_int_equal(answer.full_after_ms, 12000); /* 2, and 4 are promised */
    at(&world, 3000);
    expect_let_go(&second, 3000, 3000);
    world_release(&world);
}

/* ---- several keys ---- */

static void of_those_due_at_once_who_came_first_goes_first(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g"};
    struct world world = usual_world();
    struct caller callers[LENGTH(keys)];
    for (unsigned i = 0; i < LENGTH(keys); i++)
        fixture_drain(&world.fixture, keys[i], NULL);
    for (unsigned i = 0; i < LENGTH(keys); i++)
        ask(&world, &callers[i], keys[(3 * i) % LENGTH(keys)], 2, 5000);
    assert_int_equal(at(&world, 2000), LENGTH(keys));
    for (unsigned i = 0; i < LENGTH(keys); i++)
        assert_int_equal(callers[i].home, i + 1);
    world_release(&world);
}

static void a_key_under_two_limits_has_two_queues(void **state)
{
    (void)state;
    const struct limit_terms terms[] = {
        limit_of(LIMIT_DEFAULT_NAME, 10, one_per_second),
        limit_of("other", 10, ten_per_second),
    };
    struct world world = world_of(limits_of(terms, 2, TICK_MS));
    struct caller slow, fast;
    fixture_drain(&world.fixture, "foo", NULL);
    fixture_drain(&world.fixture, "foo", "other");
    ask(&world, &slow, "foo", 1, 5000);
    ask_as(&world, &fast, "foo", "other", 1, 5000);
    at(&world, 100);
    expect_let_go(&fast, 100, 100);
    expect_waits(&slow);
    at(&world, 1000);
    expect_let_go(&slow, 1000, 1000);
    world_release(&world);
}

/* ---- bounds ---- */

static struct world bounded_world(uint32_t max_waiting, uint32_t per_key)
{
    struct limits *limits = one_bucket(10, one_per_second, TICK_MS);
    limits->waiting = (struct waiting_terms){.max_waiting = max_waiting, .per_key = per_key};
    return world_of(limits);
}

static void so_many_wait_for_a_key_and_no_more(void **state)
{
    (void)state;
    struct world world = bounded_world(100, 2);
    struct caller callers[3], other;
    fixture_drain(&world.fixture, "foo", NULL);
    fixture_drain(&world.fixture, "bar", NULL);
    for (unsigned i = 0; i < 3; i++)
        ask(&world, &callers[i], "foo", 1, 20000);
    expect_told(&callers[2], BUCKET_TOO_MANY_WAITING, 3000);
    assert_int_equal(counters_of(&world)->too_many_waiting, 1);
    assert_int_equal(counters_of(&world)->denied, 1);
    ask(&world, &callers[2], "foo", 1, 2999); /* could not wait so long anyway */
    expect_told(&callers[2], BUCKET_DENIED, 3000);
    ask(&world, &other, "bar", 1, 20000);
    expect_waits(&other);
    at(&world, 1000);
    ask(&world, &callers[2], "foo", 1, 20000);
    expect_waits(&callers[2]);
    at(&world, 3000);
    world_release(&world);
}

static void so_many_wait_for_all_keys_and_no_more(void **state)
{
    (void)state;
    struct world world = bounded_world(2, 100);
    struct caller callers[3];
    static const char *const keys[] = {"a", "b", "c"};
    for (unsigned i = 0; i < 3; i++) {
        fixture_drain(&world.fixture, keys[i], NULL);
        ask(&world, &callers[i], keys[i], 1, 20000);
    }
    expect_told(&callers[2], BUCKET_TOO_MANY_WAITING, 1000);
    leave(&world, &callers[0]);
    ask(&world, &callers[2], "c", 1, 20000);
    expect_waits(&callers[2]);
    at(&world, 1000);
    world_release(&world);
}

static void where_nobody_may_wait_all_are_told_at_once(void **state)
{
    (void)state;
    struct world world = bounded_world(0, 0);
    struct caller caller;
    fixture_drain(&world.fixture, "foo", NULL);
    ask(&world, &caller, "foo", 1, 20000);
    expect_told(&caller, BUCKET_TOO_MANY_WAITING, 1000);
    world_release(&world);
}

/* ---- late ticks ---- */

/* From 0 to 5 s nothing happens. Who was due meanwhile and may still wait goes at once, the others hear
 * that their wait is over. */
static void after_a_stall_no_deadline_has_passed_unanswered(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller callers[4];
    static const uint64_t waits_ms[] = {1000, 5000, 3000, 6000};
    for (unsigned i = 0; i < 4; i++)
        ask(&world, &callers[i], "foo", 1, waits_ms[i]);
    at(&world, 5050);
    expect_told(&callers[0], BUCKET_WAIT_OVER, 0);
    expect_let_go(&callers[1], 5050, 5050);
    expect_told(&callers[2], BUCKET_WAIT_OVER, 0);
    expect_let_go(&callers[3], 5050, 5050);
    assert_int_equal(answer_of(&callers[3])->remaining_tokens, 3);
    assert_int_equal(counters_of(&world)->waits_denied, 2);
    assert_int_equal(counters_of(&world)->denied, 2);
    world_release(&world);
}

/* A wake-up that is late by less than a tick is no stall, even if the deadline is the tick's time. */
static void a_tick_that_is_a_little_late_still_pays(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller caller;
    ask(&world, &caller, "foo", 1, 1000);
    at(&world, 1099);
    expect_let_go(&caller, 1099, 1099);
    world_release(&world);
}

/* ---- lists ---- */

static struct bucket_answer list_one(struct world *world, enum message_kind kind, const char *key,
                                     uint64_t tokens, bool *allowed)
{
    struct bucket_call calls[2] = {
        {.ask = {.key = "free", .key_len = 4, .tokens = 1}},
        {.ask = {.key = key, .key_len = strlen(key), .tokens = tokens}},
    };
    struct message message = {.kind = kind, .ask.list = {.calls = calls, .count = 2}};
    struct message *messages[] = {&message};
    assert_int_equal(ask_brain(world->fixture.brain, messages, 1), 1);
    *allowed =
        kind == MESSAGE_ALL ? message.answer.list.allowed : bucket_answer_allows(&calls[1].answer);
    if (kind == MESSAGE_ALL)
        assert_int_equal(message.answer.list.retry_after_ms, calls[1].answer.retry_after_ms);
    return calls[1].answer;
}

static void a_list_passes_nobody_who_waits(void **state)
{
    (void)state;
    static const enum message_kind kinds[] = {MESSAGE_EACH, MESSAGE_ALL};
    struct world world = drained_world();
    struct caller caller;
    bool allowed;
    at(&world, 3000);
    ask(&world, &caller, "foo", 5, 5000);
    for (unsigned i = 0; i < LENGTH(kinds); i++) {
        struct bucket_answer answer = list_one(&world, kinds[i], "foo", 1, &allowed);
        assert_false(allowed);
        assert_int_equal(answer.result, BUCKET_DENIED);
        assert_int_equal(answer.retry_after_ms, 3000);
        assert_true(answer.buckets[0].violated);
        list_one(&world, kinds[i], "foo", 0, &allowed);
        assert_true(allowed);
    }
    struct bucket_answer answer = list_one(&world, MESSAGE_LIST, "foo", 0, &allowed);
    assert_int_equal(answer.full_after_ms, 12000);
    at(&world, 5000);
    expect_let_go(&caller, 5000, 2000);
    world_release(&world);
}

/* ---- trials and overrides ---- */

static void a_limit_on_trial_makes_nobody_wait(void **state)
{
    (void)state;
    struct limit_terms terms = limit_of(LIMIT_DEFAULT_NAME, 10, one_per_second);
    terms.shadow = true;
    struct world world = world_of(limits_of(&terms, 1, TICK_MS));
    struct caller caller;
    fixture_drain(&world.fixture, "foo", NULL);
    at(&world, 250);
    ask(&world, &caller, "foo", 2, 1750);
    expect_told(&caller, BUCKET_DENIED, 1800);
    assert_true(bucket_answer_allows(answer_of(&caller)));
    assert_int_equal(answer_of(&caller)->would_wait_ms, 1750);
    ask(&world, &caller, "foo", 2, 1749);
    assert_int_equal(answer_of(&caller)->would_wait_ms, 0);
    ask(&world, &caller, "foo", 2, 0);
    assert_int_equal(answer_of(&caller)->would_wait_ms, 0);
    assert_int_equal(counters_of(&world)->shadow_denied, 3);
    world_release(&world);
}

static struct limits *with_override(enum override_action action, int64_t until_s, bool shadow)
{
    struct override_terms override = {.key = "foo", .action = action, .until_s = until_s};
    if (action == OVERRIDE_TERMS) {
        override.buckets_count = 1;
        override.buckets[0] = terms_of("", 2, (struct rate){1, 10000}, 0);
    }
    struct limit_terms terms = limit_of(LIMIT_DEFAULT_NAME, 10, one_per_second);
    terms.shadow = shadow;
    terms.overrides_count = 1;
    terms.overrides = &override;
    return limits_of(&terms, 1, TICK_MS);
}

static void overrides_that_allow_or_deny_answer_at_once(void **state)
{
    (void)state;
    static const enum override_action actions[] = {OVERRIDE_ALLOW, OVERRIDE_DENY};
    static const enum bucket_result results[] = {BUCKET_ALWAYS, BUCKET_NEVER};
    for (unsigned i = 0; i < LENGTH(actions); i++) {
        struct world world = world_of(with_override(actions[i], OVERRIDE_FOR_EVER, false));
        struct caller caller;
        ask(&world, &caller, "foo", 1, 20000);
        assert_int_equal(answer_of(&caller)->result, results[i]);
        world_release(&world);
    }
}

static void the_end_of_an_override_asks_all_anew(void **state)
{
    (void)state;
    struct world world = world_of(with_override(OVERRIDE_TERMS, START_S + 60, false));
    struct caller callers[3], other;
    fixture_drain(&world.fixture, "foo", NULL);
    fixture_drain(&world.fixture, "bar", NULL);
    for (unsigned i = 0; i < 3; i++)
        ask(&world, &callers[i], "foo", 1, 40000);
    ask(&world, &other, "bar", 3, 40000);
    at(&world, 1050);
    fixture_date(&world.fixture, START_S + 59);
    assert_int_equal(collect(&world), 0);
    fixture_date(&world.fixture, START_S + 60); /* the limit's own terms: from 0 tokens on */
    assert_int_equal(collect(&world), 0);
    at(&world, 2000);
    expect_let_go(&callers[0], 2000, 2000);
    at(&world, 3000);
    expect_let_go(&callers[1], 3000, 3000);
    expect_let_go(&other, 3000, 3000);
    at(&world, 4000);
    expect_let_go(&callers[2], 4000, 4000);
    world_release(&world);
}

/* ---- reloads ---- */

static void reload(struct world *world, struct limits *limits)
{
    fixture_reload_limits(&world->fixture, limits);
    collect(world);
}

static void a_reload_that_allows_more_lets_go(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller first, second;
    ask(&world, &first, "foo", 4, 20000);
    ask(&world, &second, "foo", 4, 20000);
    at(&world, 1000);
    reload(&world, one_bucket(10, ten_per_second, TICK_MS));
    at(&world, 1300);
    expect_let_go(&first, 1300, 1300);
    at(&world, 1700);
    expect_let_go(&second, 1700, 1700);
    world_release(&world);
}

static void a_lower_burst_ends_a_wait_for_more(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller large, small;
    ask(&world, &large, "foo", 6, 20000);
    ask(&world, &small, "foo", 3, 20000);
    at(&world, 2000);
    reload(&world, one_bucket(5, one_per_second, TICK_MS));
    expect_told(&large, BUCKET_EXCEEDS_BURST, RETRY_NEVER);
    expect_waits(&small);
    at(&world, 3000);
    expect_let_go(&small, 3000, 3000);
    world_release(&world);
}

static void a_slower_rate_denies_who_would_wait_for_too_long(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller first, second;
    ask(&world, &first, "foo", 2, 3000);
    ask(&world, &second, "foo", 1, 60000);
    at(&world, 1000);
    reload(&world, one_bucket(10, (struct rate){1, 10000}, TICK_MS));
    expect_told(&first, BUCKET_DENIED, 20000); /* there is 1, which the second gets */
    expect_let_go(&second, 1000, 1000);
    world_release(&world);
}

/* Every 100 ms before, every second then. The next tick comes a second after the last one. */
static void another_tick_asks_all_anew(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller first, second;
    ask(&world, &first, "foo", 1, 1000);
    ask(&world, &second, "foo", 1, 3000);
    at(&world, 550);
    reload(&world, one_bucket(10, one_per_second, 1000));
    expect_told(&first, BUCKET_DENIED, 2000);
    assert_int_equal(at(&world, 1499), 0);
    at(&world, 1500);
    expect_let_go(&second, 1500, 1500);
    world_release(&world);
}

static struct limits *default_and(const char *name, const char *was, const char *match)
{
    struct limit_terms terms[] = {
        limit_of(LIMIT_DEFAULT_NAME, 10, one_per_second),
        limit_of(name, 10, one_per_second),
    };
    terms[1].was = was;
    terms[1].match = match;
    return limits_of(terms, 2, TICK_MS);
}

static void who_named_no_limit_is_matched_anew(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller first, second;
    ask(&world, &first, "foo", 3, 20000);
    ask_as(&world, &second, "foo", LIMIT_DEFAULT_NAME, 3, 20000);
    at(&world, 1000);
    reload(&world, default_and("special", NULL, "f*"));
    expect_let_go(&first, 1000, 1000); /* of a bucket that is full */
    assert_string_equal(answer_of(&first)->limit->name, "special");
    expect_waits(&second);
    at(&world, 3000);
    expect_let_go(&second, 3000, 3000);
    world_release(&world);
}

static void a_limit_that_is_renamed_keeps_its_queue_unless_asked_by_name(void **state)
{
    (void)state;
    struct world world = world_of(default_and("old", NULL, "f*"));
    struct caller first, second;
    fixture_drain(&world.fixture, "foo", NULL);
    ask_as(&world, &first, "foo", "old", 3, 20000);
    ask(&world, &second, "foo", 3, 20000);
    at(&world, 1000);
    reload(&world, default_and("new", "old", "f*"));
    assert_int_equal(answer_of(&first)->result, BUCKET_NO_SUCH_LIMIT);
    expect_waits(&second);
    at(&world, 3000);
    expect_let_go(&second, 3000, 3000);
    assert_string_equal(answer_of(&second)->limit->name, "new");
    assert_int_equal(counters_of(&world)->denied, 0);
    world_release(&world);
}

static void a_limit_that_goes_leaves_its_callers_to_the_others(void **state)
{
    (void)state;
    struct world world = world_of(default_and("special", NULL, "f*"));
    struct caller caller;
    fixture_drain(&world.fixture, "foo", NULL);
    ask(&world, &caller, "foo", 3, 20000);
    at(&world, 1000);
    reload(&world, one_bucket(10, one_per_second, TICK_MS));
    expect_let_go(&caller, 1000, 1000);
    assert_string_equal(answer_of(&caller)->limit->name, LIMIT_DEFAULT_NAME);
    fixture_sweep_all(&world.fixture);
    world_release(&world);
}

static void a_limit_that_goes_on_trial_lets_go(void **state)
{
    (void)state;
    struct world world = world_of(with_override(OVERRIDE_ALLOW, START_S, false));
    struct caller caller;
    fixture_drain(&world.fixture, "foo", NULL);
    ask(&world, &caller, "foo", 3, 20000);
    at(&world, 1000);
    reload(&world, with_override(OVERRIDE_ALLOW, START_S, true));
    expect_told(&caller, BUCKET_DENIED, 2000);
    assert_true(bucket_answer_allows(answer_of(&caller)));
    assert_int_equal(answer_of(&caller)->would_wait_ms, 2000);
    assert_int_equal(counters_of(&world)->shadow_denied, 1);
    assert_int_equal(counters_of(&world)->waits_denied, 0);
    world_release(&world);
}

static void fewer_who_may_wait_leave_those_who_came_first(void **state)
{
    (void)state;
    struct world world = usual_world();
    struct caller callers[3];
    static const char *const keys[] = {"b", "a", "b"};
    fixture_drain(&world.fixture, "a", NULL);
    fixture_drain(&world.fixture, "b", NULL);
    for (unsigned i = 0; i < 3; i++)
        ask(&world, &callers[i], keys[i], 1, 20000);
    struct limits *limits = one_bucket(10, one_per_second, TICK_MS);
    limits->waiting.max_waiting = 2;
    reload(&world, limits);
    expect_waits(&callers[0]), expect_waits(&callers[1]);
    expect_told(&callers[2], BUCKET_TOO_MANY_WAITING, 2000);
    at(&world, 1000);
    world_release(&world);
}

static void a_reload_applies_what_was_charged_behind_others(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller caller;
    ask(&world, &caller, "foo", 2, 20000);
    charge(&world, "foo", 4, 4);
    reload(&world, one_bucket(10, ten_per_second, TICK_MS));
    assert_int_equal(at(&world, 599), 0);
    at(&world, 600);
    expect_let_go(&caller, 600, 600);
    world_release(&world);
}

/* ---- with once ---- */

/* It waits; the same again is told so, and once it is answered, what it was told. */
static void what_is_asked_once_waits_once(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller first, second;
    struct once_question tokens[2] = {{.token = "t", .token_len = 1},
                                      {.token = "t", .token_len = 1}};
    ask_once(&world, &first, "foo", 1, 5000, &tokens[0]);
    expect_waits(&first);
    ask_once(&world, &second, "foo", 1, 5000, &tokens[1]);
    assert_int_equal(answer_of(&second)->result, BUCKET_ONCE_WAITS);
    at(&world, 1000);
    expect_let_go(&first, 1000, 1000);
    ask_once(&world, &second, "foo", 1, 5000, &tokens[1]);
    assert_int_equal(answer_of(&second)->result, BUCKET_ALLOWED);
    assert_int_equal(answer_of(&second)->waited_ms, 1000);
    assert_int_equal(counters_of(&world)->allowed, 2);
    world_release(&world);
}

static void who_leaves_may_ask_once_again(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller caller;
    struct once_question token = {.token = "t", .token_len = 1};
    ask_once(&world, &caller, "foo", 1, 5000, &token);
    leave(&world, &caller);
    ask_once(&world, &caller, "foo", 1, 5000, &token);
    expect_waits(&caller);
    at(&world, 1000);
    expect_let_go(&caller, 1000, 1000);
    world_release(&world);
}

/* ---- what is told ---- */

static void keys_show_what_is_promised_as_taken(void **state)
{
    (void)state;
    static const enum keys_sort sorts[] = {KEYS_IN_TABLE, KEYS_BY_REMAINING, KEYS_BY_DENIED};
    struct world world = drained_world();
    struct caller caller;
    fixture_allow(&world.fixture, "foo", 1);
    at(&world, 3000);
    ask(&world, &caller, "foo", 5, 2000);
    for (unsigned i = 0; i < LENGTH(sorts); i++) {
        struct keys_question question = {.prefix = "", .sort = sorts[i], .count = 10};
        struct keys_answer *answer = malloc(keys_answer_bytes(10));
        struct message message = {
            .kind = MESSAGE_KEYS, .ask.keys = &question, .answer.keys = answer};
        struct message *messages[] = {&message};
        keys_answer_begin(answer, KEYS_CURSOR_BEGIN);
        ask_brain(world.fixture.brain, messages, 1);
        assert_int_equal(answer->found, 1);
        assert_int_equal(answer->entry[0].remaining_tokens, 0);
        assert_int_equal(answer->entry[0].owed_tokens, 0);
        assert_int_equal(answer->entry[0].full_after_ms, 12000);
        free(answer);
    }
    at(&world, 5000);
    world_release(&world);
}

/* 50 wait for a key each, in one chain with others that are answered at once. */
static void those_who_wait_do_not_come_home_with_their_chain(void **state)
{
    (void)state;
    enum { ASK = 100 };
    struct world world = usual_world();
    struct caller *callers = calloc(ASK, sizeof *callers);
    struct message *messages[ASK];
    for (unsigned i = 0; i < ASK; i++) {
        snprintf(callers[i].key, sizeof callers[i].key, "key%u", i / 2);
        callers[i].message = (struct message){
            .kind = MESSAGE_ALLOW,
            .ask.bucket = {.key = callers[i].key,
                           .key_len = strlen(callers[i].key),
                           .tokens = i % 2 == 0 ? 10 : 1,
                           .wait_ms = 1000},
        };
        messages[i] = &callers[i].message;
    }
    assert_int_equal(ask_brain(world.fixture.brain, messages, ASK), ASK / 2);
    assert_int_equal(at(&world, 1000), ASK / 2);
    for (unsigned i = 0; i < ASK; i++) {
        assert_int_equal(callers[i].message.answer.bucket.result, BUCKET_ALLOWED);
        assert_int_equal(callers[i].home, i % 2 == 0 ? 0 : (i + 1) / 2);
    }
    world_release(&world);
    free(callers);
}

/* ---- the table ---- */

static void who_is_waited_for_is_not_forgotten(void **state)
{
    (void)state;
    static const enum when_full whens[] = {WHEN_FULL_EVICT, WHEN_FULL_DENY};
    for (unsigned i = 0; i < LENGTH(whens); i++) {
        struct world world = {0};
        fixture_init_limits(&world.fixture, one_bucket(10, one_per_second, TICK_MS), 1, whens[i]);
        struct caller caller;
        fixture_drain(&world.fixture, "foo", NULL);
        at(&world, 9900);
        ask(&world, &caller, "foo", 10, 20000);
        fixture_sweep_all(&world.fixture);
        assert_int_equal(fixture_allow(&world.fixture, "bar", 1).result, BUCKET_TABLE_FULL);
        assert_int_equal(fixture_ask(&world.fixture, MESSAGE_CHARGE, "bar", NULL, 1).result,
                         BUCKET_TABLE_FULL);
        at(&world, 10000);
        expect_let_go(&caller, 10000, 100);
        world_release(&world);
    }
}

static void a_reload_that_fills_the_bucket_of_one_who_waits_loses_nobody(void **state)
{
    (void)state;
    struct world world = drained_world();
    struct caller caller;
    at(&world, 8000);
    ask(&world, &caller, "foo", 9, 20000);
    reload(&world, one_bucket(9, one_per_second, TICK_MS));
    fixture_sweep_all(&world.fixture);
    expect_waits(&caller);
    at(&world, 9000);
    expect_let_go(&caller, 9000, 1000);
    world_release(&world);
}

/* The first is under another limit then, and needs room for a key; that of the second has most tokens. */
static void who_is_asked_anew_first_does_not_evict_the_key_of_another(void **state)
{
    (void)state;
    static const char *const keys[] = {"foo", "bar", "baz"};
    struct world world = {0};
    struct caller first, second;
    fixture_init_limits(&world.fixture, one_bucket(10, one_per_second, TICK_MS), LENGTH(keys),
                        WHEN_FULL_EVICT);
    for (size_t i = 0; i < LENGTH(keys); i++)
        fixture_drain(&world.fixture, keys[i], NULL);
    at(&world, 3000);
    assert_true(fixture_allows(&world.fixture, "foo", 3));
    assert_true(fixture_allows(&world.fixture, "baz", 2));
    ask(&world, &first, "foo", 5, 20000);
    ask(&world, &second, "bar", 5, 20000);
    struct limit_terms terms[] = {
        limit_of("foos", 10, one_per_second),
        limit_of(LIMIT_DEFAULT_NAME, 10, one_per_second),
    };
    terms[0].match = "foo";
    reload(&world, limits_of(terms, LENGTH(terms), TICK_MS));
    expect_let_go(&first, 3000, 0);
    expect_waits(&second);
    assert_int_equal(counters_of(&world)->evicted, 1);
    assert_int_equal(fixture_status(&world.fixture, "baz").remaining_tokens, 10);
    at(&world, 5000);
    expect_let_go(&second, 5000, 2000);
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
        cmocka_unit_test(who_is_denied_is_told_when_the_last_one_goes),
        cmocka_unit_test(who_leaves_gives_the_promise_back_and_those_behind_move_up),
        cmocka_unit_test(a_leaver_can_make_room_at_once),
        cmocka_unit_test(of_those_who_leave_together_none_is_let_go),
        cmocka_unit_test(a_charge_goes_behind_those_who_wait),
        cmocka_unit_test(a_reset_fills_then_lets_go_and_shows_what_is_left),
        cmocka_unit_test(a_refund_goes_to_those_who_wait),
        cmocka_unit_test(of_those_due_at_once_who_came_first_goes_first),
        cmocka_unit_test(a_key_under_two_limits_has_two_queues),
        cmocka_unit_test(so_many_wait_for_a_key_and_no_more),
        cmocka_unit_test(so_many_wait_for_all_keys_and_no_more),
        cmocka_unit_test(where_nobody_may_wait_all_are_told_at_once),
        cmocka_unit_test(after_a_stall_no_deadline_has_passed_unanswered),
        cmocka_unit_test(a_tick_that_is_a_little_late_still_pays),
        cmocka_unit_test(a_list_passes_nobody_who_waits),
        cmocka_unit_test(a_limit_on_trial_makes_nobody_wait),
        cmocka_unit_test(overrides_that_allow_or_deny_answer_at_once),
        cmocka_unit_test(the_end_of_an_override_asks_all_anew),
        cmocka_unit_test(a_reload_that_allows_more_lets_go),
        cmocka_unit_test(a_lower_burst_ends_a_wait_for_more),
        cmocka_unit_test(a_slower_rate_denies_who_would_wait_for_too_long),
        cmocka_unit_test(another_tick_asks_all_anew),
        cmocka_unit_test(who_named_no_limit_is_matched_anew),
        cmocka_unit_test(a_limit_that_is_renamed_keeps_its_queue_unless_asked_by_name),
        cmocka_unit_test(a_limit_that_goes_leaves_its_callers_to_the_others),
        cmocka_unit_test(a_limit_that_goes_on_trial_lets_go),
        cmocka_unit_test(fewer_who_may_wait_leave_those_who_came_first),
        cmocka_unit_test(a_reload_applies_what_was_charged_behind_others),
        cmocka_unit_test(what_is_asked_once_waits_once),
        cmocka_unit_test(who_leaves_may_ask_once_again),
        cmocka_unit_test(keys_show_what_is_promised_as_taken),
        cmocka_unit_test(those_who_wait_do_not_come_home_with_their_chain),
        cmocka_unit_test(who_is_waited_for_is_not_forgotten),
        cmocka_unit_test(a_reload_that_fills_the_bucket_of_one_who_waits_loses_nobody),
        cmocka_unit_test(who_is_asked_anew_first_does_not_evict_the_key_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
