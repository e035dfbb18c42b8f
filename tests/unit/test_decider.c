/* The decider: many askers at once, on a clock that the test owns; on a thread of its own, and hosted. */
#include "actor/decider.h"
#include "brain/event.h"
#include "brain/order.h"
#include "support/asking.h"
#include "support/brain_fixture.h"
#include "support/dice.h"
#include "support/plain_limit.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ASKERS = 6, CHAIN = 40, ROUNDS = 200, BURST = 20000, HOST_TURNS = 500 };

/* Later than any deadline the real clock will meet, so that no tick is ever due
 * in real time; and so early that every tick is overdue. */
#define FAR_FUTURE_NS (1ull << 62)
#define LONG_AGO_NS 1000u

static const struct rate one_per_second = {1, 1000};

/* ---- a thread that cannot be started ---- */

static atomic_bool refuse_threads;

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
create pthread_create;

/* Stands before the C library's, for the program and all it links. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    if (atomic_load(&refuse_threads))
        return EAGAIN;
    create *real;
    void *symbol = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&real, &symbol, sizeof real);
    return real(thread, attributes, run, argument);
}

/* ---- clock, thread and askers ---- */

struct fake_clock {
    atomic_ullong now_ns;
    atomic_ulong calls;
};

static uint64_t fake_now_ns(void *context)
{
    struct fake_clock *clock = context;
    atomic_fetch_add(&clock->calls, 1);
    return atomic_load(&clock->now_ns);
}

static uint64_t fake_wall_ns(void *context)
{
    const struct fake_clock *clock = context;
    return atomic_load(&clock->now_ns);
}

static struct brain *brain_of(uint64_t burst, uint64_t now_ns)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = {9};
    struct rule rule = {LIMIT_DEFAULT_NAME, NULL, burst, one_per_second};
    struct limits *limits = fixture_limits(100, &rule, 1);
    limits->waiting = (struct waiting_terms){.max_waiting = 100, .per_key = 100};
    const struct limits_question question = {.limits = limits, .when_full = WHEN_FULL_EVICT};
    struct brain *brain = brain_new(&question, 5000, 10, seed, now_ns);
    assert_non_null(brain);
    limits_release(limits);
    return brain;
}

/* On the heap, for when a test fails its threads go on. */
struct rig {
    struct decider decider;
    struct fake_clock clock;
};

static struct rig *rig_start(uint64_t burst, uint64_t now_ns)
{
    struct rig *rig = malloc(sizeof *rig);
    assert_non_null(rig);
    atomic_init(&rig->clock.now_ns, now_ns);
    atomic_init(&rig->clock.calls, 0);
    struct clock fake = {.now_ns = fake_now_ns, .wall_ns = fake_wall_ns, .context = &rig->clock};
    assert_int_equal(decider_init(&rig->decider, brain_of(burst, now_ns), fake, false), 0);
    assert_int_equal(decider_start(&rig->decider), 0);
    return rig;
}

/* Stops it, frees the brain. */
static void stop(struct decider *decider)
{
    struct inbox home;
    assert_int_equal(inbox_init(&home, false), 0);
    decider_stop(decider, &home);
    inbox_release(&home);
    decider_release(decider);
}

static void rig_stop(struct rig *rig)
{
    stop(&rig->decider);
    free(rig);
}

/* One message, from the main thread. */
static void ask_one(struct decider *decider, struct message *message)
{
    struct inbox home;
    assert_int_equal(inbox_init(&home, false), 0);
    decider_ask(decider, &home, message);
    inbox_release(&home);
}

static enum bucket_result allow(struct decider *decider, const char *key, uint64_t tokens)
{
    struct message message = {
        .kind = MESSAGE_ALLOW,
        .ask.bucket = {.key = key, .key_len = strlen(key), .tokens = tokens},
    };
    ask_one(decider, &message);
    return message.answer.bucket.result;
}

static struct daemon_answer ask_daemon(struct decider *decider)
{
    struct daemon_answer answer = {0};
    struct message message = {.kind = MESSAGE_DAEMON, .answer.daemon = &answer};
    ask_one(decider, &message);
    return answer;
}

/* Takes over the caller's reference. */
static void reload(struct decider *decider, struct limits *limits)
{
    struct message message = {.kind = MESSAGE_LIMITS, .ask.limits = {.limits = limits}};
    ask_one(decider, &message);
    limits_release(limits);
}

struct asker {
    struct decider *decider;
    pthread_t thread;
    struct dice dice;
    struct asking asking;
    size_t count;
    struct message message[CHAIN];
    struct message *messages[CHAIN];
    unsigned resets_asked, asked;
    uint64_t allowed, denied, other, wrong;
    unsigned char seen[BURST]; /* how often this many were left after a yes */
};

static void fill_chain(struct asker *asker, bool with_resets)
{
    asker->count = dice_between(&asker->dice, 1, CHAIN);
    for (size_t i = 0; i < asker->count; i++) {
        asker->message[i] = (struct message){
            .kind = with_resets && dice_once_in(&asker->dice, 500) ? MESSAGE_RESET : MESSAGE_ALLOW,
            .ask.bucket = {.key = "foo", .key_len = 3, .tokens = 1},
        };
        memset(&asker->message[i].answer, 0xa5, sizeof asker->message[i].answer);
        asker->messages[i] = &asker->message[i];
        asker->resets_asked += asker->message[i].kind == MESSAGE_RESET;
        asker->asked++;
    }
}

/* Reads through the pointer to the limit too, as a front-end does to render it. */
static void tally(struct asker *asker, const struct message *message)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    bool yes = answer->result == BUCKET_ALLOWED;
    asker->wrong += strncmp(answer->limit->allowance.policy, "\"default\";q=20000;w=", 20) != 0;
    asker->wrong += answer->remaining_tokens > BURST;
    if (message->kind == MESSAGE_RESET)
        asker->wrong += !yes || answer->remaining_tokens != BURST;
    else if (yes && answer->remaining_tokens < BURST)
        asker->seen[answer->remaining_tokens]++;
    asker->allowed += message->kind == MESSAGE_ALLOW && yes;
    asker->denied += answer->result == BUCKET_DENIED;
    asker->other += !yes && answer->result != BUCKET_DENIED;
}

static void ask_rounds(struct asker *asker, unsigned rounds, bool with_resets)
{
    for (unsigned round = 0; round < rounds; round++) {
        fill_chain(asker, with_resets);
        asking_ask(&asker->asking, asker->decider, asker->messages, asker->count);
        for (size_t i = 0; i < asker->count; i++)
            tally(asker, &asker->message[i]);
    }
}

static void *ask_for_tokens(void *argument)
{
    ask_rounds(argument, 2 * ROUNDS, false);
    return NULL;
}

static void *ask_and_reset(void *argument)
{
    ask_rounds(argument, ROUNDS, true);
    return NULL;
}

static void askers_start(struct asker askers[ASKERS], struct decider *decider, void *(*run)(void *))
{
    for (size_t i = 0; i < ASKERS; i++) {
        memset(&askers[i], 0, sizeof askers[i]);
        askers[i].decider = decider;
        askers[i].dice = dice_new(i);
        assert_int_equal(asking_init(&askers[i].asking), 0);
    }
    for (size_t i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_create(&askers[i].thread, NULL, run, &askers[i]), 0);
}

/* The sum of what all askers saw, of which nothing may be odd. */
struct totals {
    uint64_t allowed, denied, resets;
};

static struct totals askers_join(struct asker askers[ASKERS])
{
    struct totals totals = {0};
    for (size_t i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        asking_release(&askers[i].asking);
    }
    for (size_t i = 0; i < ASKERS; i++) {
        assert_int_equal(askers[i].wrong, 0);
        assert_int_equal(askers[i].other, 0);
        assert_int_equal(askers[i].allowed + askers[i].denied + askers[i].resets_asked,
                         askers[i].asked);
        totals.allowed += askers[i].allowed;
        totals.denied += askers[i].denied;
        totals.resets += askers[i].resets_asked;
    }
    return totals;
}

static void expect_each_token_taken_once(const struct asker askers[ASKERS])
{
    for (size_t left = 0; left < BURST; left++) {
        unsigned seen = 0;
        for (size_t i = 0; i < ASKERS; i++)
            seen += askers[i].seen[left];
        assert_int_equal(seen, 1);
    }
}

static struct asker askers[ASKERS];

/* ---- many askers ---- */

static void with_time_standing_still_exactly_the_burst_is_admitted(void **unused)
{
    (void)unused;
    struct rig *rig = rig_start(BURST, FAR_FUTURE_NS);
    askers_start(askers, &rig->decider, ask_for_tokens);
    struct totals totals = askers_join(askers);
    assert_int_equal(totals.allowed, BURST);
    assert_true(totals.denied > 0);
    expect_each_token_taken_once(askers);
    struct brain_counters counters = ask_daemon(&rig->decider).counters;
    assert_int_equal(counters.allowed, totals.allowed);
    assert_int_equal(counters.denied, totals.denied);
    rig_stop(rig);
}

/* As x/time/rate has it: fifteen threads, one token each, five of them to be had. */
struct single {
    struct decider *decider;
    pthread_t thread;
    bool allowed;
};

static void *ask_single(void *argument)
{
    struct single *single = argument;
    struct asking asking;
    struct message message = {
        .kind = MESSAGE_ALLOW,
        .ask.bucket = {.key = "foo", .key_len = 3, .tokens = 1},
    };
    if (asking_init(&asking) != 0)
        return NULL;
    asking_ask_one(&asking, single->decider, &message);
    single->allowed = message.answer.bucket.result == BUCKET_ALLOWED;
    asking_release(&asking);
    return NULL;
}

static void fifteen_threads_at_once_get_exactly_five(void **unused)
{
    (void)unused;
    for (int again = 0; again < 20; again++) {
        struct single singles[15];
        unsigned allowed = 0;
        struct rig *rig = rig_start(5, FAR_FUTURE_NS);
        for (size_t i = 0; i < LENGTH(singles); i++) {
            singles[i] = (struct single){.decider = &rig->decider};
            assert_int_equal(pthread_create(&singles[i].thread, NULL, ask_single, &singles[i]), 0);
        }
        for (size_t i = 0; i < LENGTH(singles); i++) {
            pthread_join(singles[i].thread, NULL);
            allowed += singles[i].allowed;
        }
        assert_int_equal(allowed, 5);
        rig_stop(rig);
    }
}

static struct limits *same_terms_again(void)
{
    struct rule rule = {LIMIT_DEFAULT_NAME, NULL, BURST, one_per_second};
    return fixture_limits(100, &rule, 1);
}

static void reloads_of_the_same_terms_admit_not_one_more(void **unused)
{
    (void)unused;
    struct rig *rig = rig_start(BURST, FAR_FUTURE_NS);
    askers_start(askers, &rig->decider, ask_for_tokens);
    for (int i = 0; i < 300; i++)
        reload(&rig->decider, same_terms_again());
    struct totals totals = askers_join(askers);
    assert_int_equal(totals.allowed, BURST);
    expect_each_token_taken_once(askers);
    assert_int_equal(ask_daemon(&rig->decider).counters.reloads, 300);
    rig_stop(rig);
}

/* Each change replaces the credit line and carries the bucket over. */
static void reloads_of_other_rates_and_ticks_admit_not_one_more(void **unused)
{
    (void)unused;
    struct rig *rig = rig_start(BURST, FAR_FUTURE_NS);
    askers_start(askers, &rig->decider, ask_for_tokens);
    for (uint64_t i = 0; i < 300; i++) {
        struct rule rule = {LIMIT_DEFAULT_NAME, NULL, BURST, {1 + i % 7, 900 + i % 11}};
        reload(&rig->decider, fixture_limits(100 + i % 3 * 100, &rule, 1));
    }
    struct totals totals = askers_join(askers);
    assert_int_equal(totals.allowed, BURST);
    expect_each_token_taken_once(askers);
    rig_stop(rig);
}

static void resets_racing_with_askers_are_all_accounted_for(void **unused)
{
    (void)unused;
    struct rig *rig = rig_start(BURST, FAR_FUTURE_NS);
    askers_start(askers, &rig->decider, ask_and_reset);
    for (int i = 0; i < 50; i++)
        reload(&rig->decider, same_terms_again());
    struct totals totals = askers_join(askers);
    assert_true(totals.allowed <= BURST * (1 + totals.resets));
    struct daemon_answer daemon = ask_daemon(&rig->decider);
    assert_int_equal(daemon.counters.allowed, totals.allowed);
    assert_int_equal(daemon.counters.denied, totals.denied);
    assert_int_equal(daemon.counters.resets, totals.resets);
    assert_int_equal(daemon.counters.reloads, 50);
    rig_stop(rig);
}

static void a_refill_between_two_crowds_is_admitted_exactly(void **unused)
{
    (void)unused;
    struct rig *rig = rig_start(BURST, FAR_FUTURE_NS);
    askers_start(askers, &rig->decider, ask_for_tokens);
    assert_int_equal(askers_join(askers).allowed, BURST);
    atomic_fetch_add(&rig->clock.now_ns, 777ull * NS_PER_S);
    askers_start(askers, &rig->decider, ask_for_tokens);
    assert_int_equal(askers_join(askers).allowed, 777);
    rig_stop(rig);
}

/* ---- limits that answers point to ---- */

static void an_answers_limit_outlives_the_reload_after_it(void **unused)
{
    (void)unused;
    struct asking asking;
    struct message message = {
        .kind = MESSAGE_ALLOW,
        .ask.bucket = {.key = "foo", .key_len = 3, .tokens = 1},
    };
    struct rig *rig = rig_start(7, FAR_FUTURE_NS);
    assert_int_equal(asking_init(&asking), 0);
    asking_ask_one(&asking, &rig->decider, &message);
    for (int i = 0; i < 3; i++)
        reload(&rig->decider, same_terms_again());
    const struct limit *limit = message.answer.bucket.limit;
    assert_ptr_equal(limit, &asking.report.limits->limit[0]);
    assert_int_equal(limit->allowance.burst, 7);
    /* The report's, and that of the edition which the key's entry is still on. */
    assert_int_equal(atomic_load(&asking.report.limits->references), 2);

    asking_ask_one(&asking, &rig->decider, &message);
    assert_ptr_equal(message.answer.bucket.limit, &asking.report.limits->limit[0]);
    assert_int_equal(message.answer.bucket.limit->allowance.burst, BURST);
    rig_stop(rig);
    assert_int_equal(atomic_load(&asking.report.limits->references), 1); /* the report's own */
    asking_release(&asking);
}

/* ---- a reload that has to wait ---- */

static struct limits *many_limits(uint64_t burst)
{
    struct limits *limits = limits_new(LIMITS_MAX, 100);
    assert_non_null(limits);
    for (unsigned i = 0; i < LIMITS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, i == 0 ? "default" : "n%u", i);
        add_plain_limit(limits, name, NULL, burst, one_per_second);
    }
    return limits;
}

static void charge_every_limit(struct decider *decider)
{
    for (unsigned i = 0; i < LIMITS_MAX; i++) {
        char name[16];
        struct message message = {
            .kind = MESSAGE_ALLOW,
            .ask.bucket = {.key = "bar", .key_len = 3, .limit_name = name, .tokens = 5},
        };
        message.ask.bucket.limit_name_len =
            (size_t)snprintf(name, sizeof name, i == 0 ? "default" : "n%u", i);
        ask_one(decider, &message);
        assert_int_equal(message.answer.bucket.result, BUCKET_ALLOWED);
    }
}

/* More changed limits than there are lines: the reloads wait for the sweep,
 * which must run without a tick, and the askers are served meanwhile. */
static void a_reload_waiting_for_room_is_answered_and_holds_nobody_up(void **unused)
{
    (void)unused;
    struct rig *rig = rig_start(BURST, FAR_FUTURE_NS);
    reload(&rig->decider, many_limits(BURST));
    charge_every_limit(&rig->decider);
    askers_start(askers, &rig->decider, ask_for_tokens);
    for (uint64_t i = 1; i <= 12; i++) {
        struct limits *limits = many_limits(BURST);
        for (uint32_t n = 1; n < limits->count; n++)
            limits->limit[n].allowance.bucket[0].burst += i; /* all but the askers' */
        reload(&rig->decider, limits);
    }
    assert_int_equal(askers_join(askers).allowed, BURST);
    assert_int_equal(ask_daemon(&rig->decider).counters.reloads, 13);
    rig_stop(rig);
}

/* What was answered before the wait is not answered again after it. */
static void messages_around_a_waiting_reload_are_charged_once(void **unused)
{
    (void)unused;
    struct rig *rig = rig_start(BURST, FAR_FUTURE_NS);
    reload(&rig->decider, many_limits(BURST));
    charge_every_limit(&rig->decider);
    for (uint64_t i = 1; i <= 8; i++) {
        struct limits *limits = many_limits(BURST + i);
        struct message around = {
            .kind = MESSAGE_ALLOW,
            .ask.bucket = {.key = "foo", .key_len = 3, .tokens = 1},
        };
        struct message before = around, after = around;
        struct message change = {.kind = MESSAGE_LIMITS, .ask.limits = {.limits = limits}};
        struct message *messages[] = {&before, &change, &after};
        struct asking asking;
        assert_int_equal(asking_init(&asking), 0);
        asking_ask(&asking, &rig->decider, messages, 3);
        assert_int_equal(before.answer.bucket.remaining_tokens, BURST - 2 * i + 1);
        assert_int_equal(after.answer.bucket.remaining_tokens, BURST - 2 * i);
        asking_release(&asking);
        limits_release(limits);
    }
    rig_stop(rig);
}

/* ---- ticks ---- */

static void without_keys_the_clock_is_read_for_messages_only(void **unused)
{
    (void)unused;
    enum { ASKED = 2000 };
    struct rig *rig = rig_start(10, LONG_AGO_NS); /* were there ticks, they would be overdue */
    for (int i = 0; i < ASKED; i++)
        allow(&rig->decider, "foo", 0);
    assert_int_equal(atomic_load(&rig->clock.calls), ASKED);
    rig_stop(rig);
}

static void with_keys_ticks_come_without_messages_until_all_are_full(void **unused)
{
    (void)unused;
    struct rig *rig = rig_start(10, LONG_AGO_NS);
    assert_int_equal(allow(&rig->decider, "foo", 3), BUCKET_ALLOWED);
    while (atomic_load(&rig->clock.calls) < 100)
        sched_yield();
    assert_int_equal(ask_daemon(&rig->decider).keys, 1);
    uint64_t asked = 0;
    while (ask_daemon(&rig->decider).keys > 0) {
        atomic_fetch_add(&rig->clock.now_ns, 100ull * NS_PER_MS);
        assert_true(++asked < 1000000);
    }
    unsigned long calls = atomic_load(&rig->clock.calls);
    for (int i = 0; i < 1000; i++)
        allow(&rig->decider, "foo", 0);
    assert_int_equal(atomic_load(&rig->clock.calls), calls + 1000);
    rig_stop(rig);
}

static void a_message_is_decided_at_the_time_of_its_arrival(void **unused)
{
    (void)unused;
    struct rig *rig = rig_start(10, FAR_FUTURE_NS); /* no timer will ever go off */
    assert_int_equal(allow(&rig->decider, "foo", 10), BUCKET_ALLOWED);
    for (int second = 0; second < 100; second++) {
        assert_int_equal(allow(&rig->decider, "foo", 1), BUCKET_DENIED);
        atomic_fetch_add(&rig->clock.now_ns, NS_PER_S);
        assert_int_equal(allow(&rig->decider, "foo", 1), BUCKET_ALLOWED);
    }
    rig_stop(rig);
}

static void a_clock_that_steps_back_mints_nothing(void **unused)
{
    (void)unused;
    struct rig *rig = rig_start(10, FAR_FUTURE_NS);
    assert_int_equal(allow(&rig->decider, "foo", 10), BUCKET_ALLOWED);
    for (int i = 0; i < 100; i++) {
        atomic_fetch_sub(&rig->clock.now_ns, 3600ull * NS_PER_S);
        assert_int_equal(allow(&rig->decider, "foo", 1), BUCKET_DENIED);
        atomic_fetch_add(&rig->clock.now_ns, 3600ull * NS_PER_S);
        assert_int_equal(allow(&rig->decider, "foo", 1), BUCKET_DENIED);
    }
    rig_stop(rig);
}

static void the_real_clock_never_goes_back(void **unused)
{
    (void)unused;
    uint64_t last_ns = clock_system.now_ns(clock_system.context);
    for (int i = 0; i < 10000; i++) {
        uint64_t now_ns = clock_system.now_ns(clock_system.context);
        assert_true(now_ns >= last_ns);
        last_ns = now_ns;
    }
}

/* ---- start and stop ---- */

static void a_thread_that_cannot_start_leaves_all_as_it_was(void **unused)
{
    (void)unused;
    struct decider decider;
    sigset_t before, after;
    assert_int_equal(decider_init(&decider, brain_of(10, 0), clock_system, false), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    atomic_store(&refuse_threads, true);
    int error = decider_start(&decider);
    atomic_store(&refuse_threads, false);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(error, EAGAIN);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
    assert_int_equal(decider_start(&decider), 0); /* still whole */
    assert_int_equal(allow(&decider, "foo", 1), BUCKET_ALLOWED);
    stop(&decider);
}

static void starting_leaves_the_callers_signals_as_they_were(void **unused)
{
    (void)unused;
    struct rig *rig = rig_start(10, FAR_FUTURE_NS);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0);
    assert_int_equal(sigismember(&mask, SIGUSR2), 0);
    rig_stop(rig);
}

static void it_stops_before_it_was_asked_anything(void **unused)
{
    (void)unused;
    for (int i = 0; i < 200; i++) {
        struct rig *rig = rig_start(10, FAR_FUTURE_NS);
        rig_stop(rig);
    }
}

static atomic_uint finished;

static void *ask_a_little(void *argument)
{
    ask_rounds(argument, 3, false);
    atomic_fetch_add(&finished, 1);
    return NULL;
}

/* The askers' threads are still about, but they ask no more. */
static void it_stops_the_moment_the_last_asker_has_its_answer(void **unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++) {
        struct rig *rig = rig_start(BURST, i % 2 == 0 ? FAR_FUTURE_NS : LONG_AGO_NS);
        atomic_store(&finished, 0);
        askers_start(askers, &rig->decider, ask_a_little);
        while (atomic_load(&finished) < ASKERS)
            sched_yield();
        rig_stop(rig);
        struct totals totals = askers_join(askers);
        assert_true(totals.allowed >= 3 * ASKERS);
    }
}

/* ---- hosted ---- */

static uint64_t hosted_now_ns(void *context)
{
    return *(uint64_t *)context;
}

/* Nobody else runs: each chain is home when it has been posted and the decider has had its turn. */
static void a_hosted_decider_answers_in_place(void **unused)
{
    (void)unused;
    uint64_t now_ns = LONG_AGO_NS;
    struct decider decider;
    struct asking asking;
    const struct clock clock = {
        .now_ns = hosted_now_ns, .wall_ns = hosted_now_ns, .context = &now_ns};
    assert_int_equal(decider_init(&decider, brain_of(3, now_ns), clock, true), 0);
    assert_int_equal(decider_start(&decider), 0);
    assert_int_equal(asking_init(&asking), 0);
    assert_int_equal(decider_due_ns(&decider), BRAIN_NEVER);
    for (unsigned i = 0; i < 5; i++) {
        struct message message = {
            .kind = MESSAGE_ALLOW,
            .ask.bucket = {.key = "foo", .key_len = 3, .tokens = 1},
        };
        asking_ask_one(&asking, &decider, &message);
        assert_int_equal(message.answer.bucket.result, i < 3 ? BUCKET_ALLOWED : BUCKET_DENIED);
    }
    assert_int_equal(decider_due_ns(&decider), now_ns + 100 * (uint64_t)NS_PER_MS);
    now_ns = decider_due_ns(&decider);
    decider_turn(&decider);
    assert_true(decider_due_ns(&decider) > now_ns);
    assert_int_equal(ask_daemon(&decider).keys, 1); /* by nobody's help but that of decider_ask */
    asking_release(&asking);
    stop(&decider);
}

/* A thread hosts it, as a front-end does, and sleeps in epoll: what others post wakes it. */
static void *host(void *argument)
{
    struct decider *decider = argument;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, decider->inbox.event, &event) != 0)
        return argument;
    for (unsigned turns = 0; turns < HOST_TURNS; turns++) {
        if (inbox_watch(&decider->inbox)) {
            epoll_wait(epoll, &event, 1, -1);
            inbox_unwatch(&decider->inbox);
        }
        decider_turn(decider);
    }
    close(epoll);
    decider_run(decider); /* from here on it sleeps as a state thread does */
    return NULL;
}

static void others_ask_a_hosted_decider_by_its_inbox(void **unused)
{
    (void)unused;
    struct rig *rig = malloc(sizeof *rig);
    assert_non_null(rig);
    atomic_init(&rig->clock.now_ns, FAR_FUTURE_NS);
    atomic_init(&rig->clock.calls, 0);
    struct clock fake = {.now_ns = fake_now_ns, .wall_ns = fake_wall_ns, .context = &rig->clock};
    assert_int_equal(decider_init(&rig->decider, brain_of(BURST, FAR_FUTURE_NS), fake, true), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, host, &rig->decider), 0);
    decider_is_taken_care_of(&rig->decider);
    for (unsigned i = 0; i < 2 * HOST_TURNS; i++)
        assert_int_equal(allow(&rig->decider, "foo", 1), BUCKET_ALLOWED);
    struct inbox home;
    assert_int_equal(inbox_init(&home, false), 0);
    decider_stop(&rig->decider, &home);
    void *failed;
    pthread_join(thread, &failed);
    assert_null(failed);
    inbox_release(&home);
    decider_release(&rig->decider);
    free(rig);
}

/* ---- who waits for tokens ---- */

static void post(struct decider *decider, struct message *message, struct inbox *home)
{
    message->letter.home = home;
    struct chain chain = {0};
    chain_add(&chain, &message->letter);
    decider_post(decider, &chain);
}

static struct message wait_for_one(void)
{
    return (struct message){
        .kind = MESSAGE_ALLOW,
        .ask.bucket = {.key = "foo", .key_len = 3, .tokens = 1, .wait_ms = 60000},
    };
}

/* Four wait, two of each home. All are due in one turn, and each goes to its own home, in order. */
static void who_waited_comes_home_in_order_each_to_their_own(void **unused)
{
    (void)unused;
    enum { WAIT = 4 };
    uint64_t now_ns = 1000;
    const struct clock clock = {
        .now_ns = hosted_now_ns, .wall_ns = hosted_now_ns, .context = &now_ns};
    struct decider decider;
    struct inbox homes[2];
    struct message messages[WAIT];
    assert_int_equal(decider_init(&decider, brain_of(10, now_ns), clock, true), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(inbox_init(&homes[i], false), 0);
    assert_int_equal(allow(&decider, "foo", 10), BUCKET_ALLOWED);
    for (int i = 0; i < WAIT; i++) {
        messages[i] = wait_for_one();
        post(&decider, &messages[i], &homes[i % 2]);
        decider_turn(&decider);
    }
    assert_int_equal(decider_due_ns(&decider), 1000 + 100 * NS_PER_MS);
    assert_false(inbox_is_filled(&homes[0]) || inbox_is_filled(&homes[1]));
    now_ns += 5000 * NS_PER_MS;
    decider_turn(&decider);
    for (int i = 0; i < 2; i++) {
        struct letter *newest = inbox_take(&homes[i], 0);
        assert_ptr_equal(newest, &messages[2 + i].letter);
        assert_ptr_equal(newest->next, &messages[i].letter);
        assert_null(newest->next->next);
    }
    for (int i = 0; i < WAIT; i++) {
        assert_int_equal(messages[i].answer.bucket.result, BUCKET_ALLOWED);
        assert_int_equal(messages[i].answer.bucket.waited_ms, 5000);
        assert_ptr_equal(messages[i].limits, brain_limits(decider.brain));
        message_hold(&messages[i], NULL);
    }
    stop(&decider);
    for (int i = 0; i < 2; i++)
        inbox_release(&homes[i]);
}

/* In the turn in which it happens, and then at most once in a tenth of a second, for which nobody has to ask
 * anything. */
static void readers_hear_of_events_where_they_are(void **unused)
{
    (void)unused;
    enum { READERS = 2 };
    static char rooms[READERS][EVENT_RECORD_MAX];
    uint64_t now_ns = NS_PER_S;
    const struct clock clock = {
        .now_ns = hosted_now_ns, .wall_ns = hosted_now_ns, .context = &now_ns};
    struct decider decider;
    struct inbox homes[READERS];
    struct message messages[READERS];
    struct events_question asks[READERS];
    struct events_answer answers[READERS];
    struct brain *brain = brain_of(1, now_ns);
    assert_true(brain_keep_events(brain, 10, 1));
    assert_int_equal(decider_init(&decider, brain, clock, true), 0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(inbox_init(&homes[i], false), 0);
    for (unsigned round = 0; round < 3; round++) {
        for (int i = 0; i < READERS; i++) {
            asks[i] = (struct events_question){
                .from = EVENTS_TO_COME,
                .waits = true,
                .kinds = 1u << EVENT_denied,
                .room = rooms[i],
                .room_bytes = EVENT_RECORD_MAX,
            };
            messages[i] = (struct message){
                .kind = MESSAGE_EVENTS, .ask.events = &asks[i], .answer.events = &answers[i]};
            post(&decider, &messages[i], &homes[i]);
        }
        decider_turn(&decider);
        char key[] = {(char)('a' + round), '\0'};
        assert_int_equal(allow(&decider, key, 2), BUCKET_EXCEEDS_BURST);
        if (round > 0) {
            for (int i = 0; i < READERS; i++)
                assert_false(inbox_is_filled(&homes[i]));
            assert_int_equal(decider_due_ns(&decider), now_ns + 100 * (uint64_t)NS_PER_MS);
            now_ns = decider_due_ns(&decider);
            decider_turn(&decider);
        }
        for (int i = 0; i < READERS; i++) {
            assert_ptr_equal(inbox_take(&homes[i], 0), &messages[i].letter);
            assert_int_equal(answers[i].count, 1);
            assert_int_equal(answers[i].next, round + 1);
        }
        assert_int_equal(decider_due_ns(&decider), BRAIN_NEVER);
    }
    stop(&decider);
    for (int i = 0; i < READERS; i++)
        inbox_release(&homes[i]);
}

/* Of two in one chain with the question itself, too. */
static void who_leaves_is_home_before_their_goodbye(void **unused)
{
    (void)unused;
    uint64_t now_ns = 1000;
    const struct clock clock = {
        .now_ns = hosted_now_ns, .wall_ns = hosted_now_ns, .context = &now_ns};
    struct decider decider;
    struct inbox home;
    assert_int_equal(decider_init(&decider, brain_of(10, now_ns), clock, true), 0);
    assert_int_equal(inbox_init(&home, false), 0);
    assert_int_equal(allow(&decider, "foo", 10), BUCKET_ALLOWED);
    for (int in_one_turn = 0; in_one_turn < 2; in_one_turn++) {
        struct message waits = wait_for_one();
        struct message leaves = {.kind = MESSAGE_LEAVE, .ask.leaves = &waits};
        post(&decider, &waits, &home);
        if (!in_one_turn)
            decider_turn(&decider);
        post(&decider, &leaves, &home);
        decider_turn(&decider);
        struct letter *newest = inbox_take(&home, 0);
        assert_ptr_equal(newest, &leaves.letter);
        assert_ptr_equal(newest->next, &waits.letter);
        assert_int_equal(waits.answer.bucket.result, BUCKET_LEFT);
        message_hold(&waits, NULL);
    }
    assert_int_equal(ask_daemon(&decider).counters.waits_left, 2);
    stop(&decider);
    inbox_release(&home);
}

/* Nobody asks anything meanwhile: the thread wakes for the tick. */
static void a_tick_lets_go_without_any_letter(void **unused)
{
    (void)unused;
    struct rig *rig = rig_start(10, LONG_AGO_NS);
    struct inbox home;
    assert_int_equal(inbox_init(&home, false), 0);
    assert_int_equal(allow(&rig->decider, "foo", 10), BUCKET_ALLOWED);
    struct message waits = wait_for_one();
    post(&rig->decider, &waits, &home);
    assert_int_equal(ask_daemon(&rig->decider).counters.waiting, 1);
    atomic_store(&rig->clock.now_ns, LONG_AGO_NS + 1000 * NS_PER_MS);
    assert_ptr_equal(inbox_take(&home, UINT64_MAX), &waits.letter);
    assert_int_equal(waits.answer.bucket.result, BUCKET_ALLOWED);
    assert_int_equal(waits.answer.bucket.waited_ms, 1000);
    message_hold(&waits, NULL);
    rig_stop(rig);
    inbox_release(&home);
}

/* ---- orders to the store of a fleet ---- */

static struct brain *fleet_brain(uint64_t now_ns)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = {9};
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .is_fleet = true,
        .buckets_count = 1,
        .buckets = {{.burst = 10, .rate = one_per_second}},
    };
    struct limits *limits = limits_new(1, 100);
    assert_true(limits_add(limits, &terms));
    limits->waiting = (struct waiting_terms){.max_waiting = 100, .per_key = 100};
    limits->fleet = (struct fleet_terms){
        .ttl_ms = 2000,
        .renew_ms = 500,
        .return_after_ms = 1000,
        .horizon_ms = 200,
        .min_interval_ms = 20,
        .cold_wait_ms = 5,
        .outstanding_percent = 50,
    };
    const struct limits_question question = {.limits = limits, .when_full = WHEN_FULL_EVICT};
    struct brain *brain = brain_new(&question, 5000, 10, seed, now_ns);
    assert_non_null(brain);
    limits_release(limits);
    return brain;
}

static void orders_go_to_the_fleet_and_come_back(void **unused)
{
    (void)unused;
    uint64_t now_ns = 1000;
    const struct clock clock = {
        .now_ns = hosted_now_ns, .wall_ns = hosted_now_ns, .context = &now_ns};
    struct decider decider;
    struct inbox home, fleet;
    struct message message = wait_for_one();
    message.ask.bucket.wait_ms = 0;
    assert_int_equal(inbox_init(&home, false), 0);
    assert_int_equal(inbox_init(&fleet, false), 0);
    assert_int_equal(decider_init(&decider, fleet_brain(now_ns), clock, true), 0);
    decider_set_fleet(&decider, &fleet);
    post(&decider, &message, &home);
    decider_turn(&decider);
    assert_false(inbox_is_filled(&home));
    struct letter *letter = inbox_take(&fleet, 0);
    assert_non_null(letter);
    assert_null(letter->next);
    assert_ptr_equal(letter->home, &decider.inbox);
    struct orders *orders = orders_of(message_of(letter));
    assert_int_equal(orders->message.kind, MESSAGE_ORDERS);
    assert_int_equal(orders->count, 1);
    orders->order[0].result = ORDER_DONE;
    orders->order[0].granted[0] = orders->order[0].totals[0].want;
    inbox_post_one(letter->home, letter);
    decider_turn(&decider);
    assert_ptr_equal(inbox_take(&home, 0), &message.letter);
    assert_int_equal(message.answer.bucket.result, BUCKET_ALLOWED);
    message_hold(&message, NULL);
    stop(&decider);
    inbox_release(&fleet);
    inbox_release(&home);
}

static void without_a_fleet_orders_are_answered_as_where_none_can_be_reached(void **unused)
{
    (void)unused;
    uint64_t now_ns = 1000;
    const struct clock clock = {
        .now_ns = hosted_now_ns, .wall_ns = hosted_now_ns, .context = &now_ns};
    struct decider decider;
    struct inbox home;
    struct message message = wait_for_one();
    message.ask.bucket.wait_ms = 0;
    assert_int_equal(inbox_init(&home, false), 0);
    assert_int_equal(decider_init(&decider, fleet_brain(now_ns), clock, true), 0);
    post(&decider, &message, &home);
    decider_turn(&decider);
    decider_turn(&decider);
    assert_ptr_equal(inbox_take(&home, 0), &message.letter);
    assert_int_equal(message.answer.bucket.result, BUCKET_DENIED);
    assert_true(message.answer.bucket.is_apart);
    assert_false(inbox_is_filled(&decider.inbox));
    message_hold(&message, NULL);
    stop(&decider);
    inbox_release(&home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_time_standing_still_exactly_the_burst_is_admitted),
        cmocka_unit_test(fifteen_threads_at_once_get_exactly_five),
        cmocka_unit_test(reloads_of_the_same_terms_admit_not_one_more),
        cmocka_unit_test(reloads_of_other_rates_and_ticks_admit_not_one_more),
        cmocka_unit_test(resets_racing_with_askers_are_all_accounted_for),
        cmocka_unit_test(a_refill_between_two_crowds_is_admitted_exactly),
        cmocka_unit_test(an_answers_limit_outlives_the_reload_after_it),
        cmocka_unit_test(a_reload_waiting_for_room_is_answered_and_holds_nobody_up),
        cmocka_unit_test(messages_around_a_waiting_reload_are_charged_once),
        cmocka_unit_test(without_keys_the_clock_is_read_for_messages_only),
        cmocka_unit_test(with_keys_ticks_come_without_messages_until_all_are_full),
        cmocka_unit_test(a_message_is_decided_at_the_time_of_its_arrival),
        cmocka_unit_test(a_clock_that_steps_back_mints_nothing),
        cmocka_unit_test(the_real_clock_never_goes_back),
        cmocka_unit_test(a_thread_that_cannot_start_leaves_all_as_it_was),
        cmocka_unit_test(starting_leaves_the_callers_signals_as_they_were),
        cmocka_unit_test(it_stops_before_it_was_asked_anything),
        cmocka_unit_test(it_stops_the_moment_the_last_asker_has_its_answer),
        cmocka_unit_test(a_hosted_decider_answers_in_place),
        cmocka_unit_test(others_ask_a_hosted_decider_by_its_inbox),
        cmocka_unit_test(who_waited_comes_home_in_order_each_to_their_own),
        cmocka_unit_test(readers_hear_of_events_where_they_are),
        cmocka_unit_test(who_leaves_is_home_before_their_goodbye),
        cmocka_unit_test(a_tick_lets_go_without_any_letter),
        cmocka_unit_test(orders_go_to_the_fleet_and_come_back),
        cmocka_unit_test(without_a_fleet_orders_are_answered_as_where_none_can_be_reached),
    };
    return cmocka_run_group_tests_name("decider", tests, NULL, NULL);
}
