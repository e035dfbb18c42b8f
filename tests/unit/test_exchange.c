/* The exchange: every batch goes over and comes back once, in order, and no wake-up is lost. */
#include "actor/exchange.h"
#include "support/dice.h"
#include "support/unit.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ASKERS = 6 };

/* On the heap, for when a test fails its threads go on. */
static struct mailbox *mailbox_new(void)
{
    struct mailbox *mailbox = malloc(sizeof *mailbox);
    assert_non_null(mailbox);
    assert_int_equal(mailbox_init(mailbox), 0);
    return mailbox;
}

static void mailbox_free(struct mailbox *mailbox)
{
    mailbox_release(mailbox);
    free(mailbox);
}

/* One who asks. Its thread records; the main thread judges after joining it. */
struct asker {
    struct mailbox *mailbox;
    struct batch batch;
    struct message message[BATCH_MAX];
    pthread_t thread;
    atomic_bool returned;
    unsigned rounds, wrong;
    struct dice dice;
};

static void asker_init(struct asker *asker, struct mailbox *mailbox)
{
    memset(asker, 0, sizeof *asker);
    asker->mailbox = mailbox;
    assert_int_equal(batch_init(&asker->batch), 0);
    for (size_t i = 0; i < BATCH_MAX; i++)
        asker->batch.messages[i] = &asker->message[i];
    asker->batch.count = 1;
}

static void *ask_once(void *argument)
{
    struct asker *asker = argument;
    exchange_ask(asker->mailbox, &asker->batch);
    atomic_store(&asker->returned, true);
    return NULL;
}

static void start(struct asker *asker, void *(*run)(void *))
{
    assert_int_equal(pthread_create(&asker->thread, NULL, run, asker), 0);
}

static size_t waiting_batches(struct mailbox *mailbox)
{
    size_t count = 0;
    for (const struct batch *batch = atomic_load(&mailbox->newest); batch != NULL;
         batch = batch->next)
        count++;
    return count;
}

static void until_waiting(struct mailbox *mailbox, size_t count)
{
    while (waiting_batches(mailbox) < count)
        sched_yield();
}

static void an_empty_mailbox_with_no_time_to_wait_gives_nothing(void **state)
{
    (void)state;
    struct mailbox *mailbox = mailbox_new();
    assert_null(mailbox_take(mailbox, 0));
    assert_null(mailbox_take(mailbox, 1));
    assert_null(mailbox_take(mailbox, NS_PER_S));
    mailbox_free(mailbox);
}

static void batches_are_taken_all_at_once_and_oldest_first(void **state)
{
    (void)state;
    static struct asker askers[ASKERS];
    struct mailbox *mailbox = mailbox_new();
    for (size_t i = 0; i < ASKERS; i++) {
        asker_init(&askers[i], mailbox);
        start(&askers[i], ask_once);
        until_waiting(mailbox, i + 1);
    }
    struct batch *batch = mailbox_take(mailbox, UINT64_MAX);
    assert_null(mailbox_take(mailbox, 0));
    for (size_t i = 0; i < ASKERS; i++) {
        assert_ptr_equal(batch, &askers[i].batch);
        struct batch *next = batch->next; /* no longer ours once it is given back */
        batch_give_back(batch);
        batch = next;
    }
    assert_null(batch);
    for (size_t i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        batch_release(&askers[i].batch);
    }
    mailbox_free(mailbox);
}

static void what_is_there_is_given_whatever_the_deadline(void **state)
{
    (void)state;
    static const uint64_t deadlines_ns[] = {0, 1, UINT64_MAX};
    static struct asker asker;
    struct mailbox *mailbox = mailbox_new();
    for (size_t i = 0; i < LENGTH(deadlines_ns); i++) {
        asker_init(&asker, mailbox);
        start(&asker, ask_once);
        until_waiting(mailbox, 1);
        struct batch *batch = mailbox_take(mailbox, deadlines_ns[i]);
        assert_ptr_equal(batch, &asker.batch);
        batch_give_back(batch);
        pthread_join(asker.thread, NULL);
        batch_release(&asker.batch);
    }
    mailbox_free(mailbox);
}

static void the_asker_waits_until_its_batch_is_given_back(void **state)
{
    (void)state;
    static struct asker one, other;
    struct mailbox *mailbox = mailbox_new();
    asker_init(&one, mailbox);
    asker_init(&other, mailbox);
    start(&one, ask_once);
    until_waiting(mailbox, 1);
    start(&other, ask_once);
    until_waiting(mailbox, 2);
    struct batch *batch = mailbox_take(mailbox, 0);
    batch_give_back(batch->next);
    pthread_join(other.thread, NULL);
    assert_true(atomic_load(&other.returned));
    assert_false(atomic_load(&one.returned));
    batch_give_back(batch);
    pthread_join(one.thread, NULL);
    batch_release(&one.batch);
    batch_release(&other.batch);
    mailbox_free(mailbox);
}

static atomic_uint signals;

static void count_signal(int number)
{
    (void)number;
    atomic_fetch_add(&signals, 1);
}

static void a_signal_does_not_end_the_wait(void **state)
{
    (void)state;
    static struct asker asker;
    struct sigaction count = {.sa_handler = count_signal}, before; /* no SA_RESTART */
    struct mailbox *mailbox = mailbox_new();
    assert_int_equal(sigaction(SIGUSR1, &count, &before), 0);
    asker_init(&asker, mailbox);
    start(&asker, ask_once);
    until_waiting(mailbox, 1);
    /* Sent until handled: the thread sanitizer may keep one back until the next comes. */
    while (atomic_load(&signals) < 100) {
        assert_int_equal(pthread_kill(asker.thread, SIGUSR1), 0);
        sched_yield();
    }
    assert_false(atomic_load(&asker.returned));
    batch_give_back(mailbox_take(mailbox, 0));
    pthread_join(asker.thread, NULL);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    batch_release(&asker.batch);
    mailbox_free(mailbox);
}

static void a_released_batch_gives_up_its_limits(void **state)
{
    (void)state;
    struct batch batch;
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    assert_int_equal(batch_init(&batch), 0);
    assert_null(batch.limits);
    batch.limits = limits_retain(limits);
    batch_release(&batch);
    assert_int_equal(atomic_load(&limits->references), 1);
    limits_release(limits);
}

/* ---- many rounds ---- */

enum { ROUNDS = 3000 };

/* Sends batches of random length; counts messages not answered exactly once. */
static void *ask_again_and_again(void *argument)
{
    struct asker *asker = argument;
    for (asker->rounds = 0; asker->rounds < ROUNDS; asker->rounds++) {
        uint64_t longest = dice_once_in(&asker->dice, 50) ? BATCH_MAX : 4;
        asker->batch.count = dice_between(&asker->dice, 1, longest);
        for (size_t i = 0; i < asker->batch.count; i++)
            asker->message[i].answer.bucket.remaining_tokens = 0;
        exchange_ask(asker->mailbox, &asker->batch);
        for (size_t i = 0; i < asker->batch.count; i++)
            asker->wrong += asker->message[i].answer.bucket.remaining_tokens != 1;
    }
    return NULL;
}

static void answer(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        batch->messages[i]->answer.bucket.remaining_tokens++;
    batch_give_back(batch);
}

/* Were a wake-up lost, this would hang. watching: before going to sleep, if there are
 * processors. */
static void ask_and_answer(bool watching)
{
    static struct asker askers[ASKERS];
    struct mailbox *mailbox = mailbox_new();
    mailbox->patience.has_processors &= watching;
    for (size_t i = 0; i < ASKERS; i++) {
        asker_init(&askers[i], mailbox);
        askers[i].batch.home.patience.has_processors &= watching;
        askers[i].dice = dice_new(i);
        start(&askers[i], ask_again_and_again);
    }
    size_t most = 0;
    for (unsigned answered = 0; answered < ASKERS * ROUNDS;) {
        size_t together = 0;
        for (struct batch *batch = mailbox_take(mailbox, UINT64_MAX), *next; batch != NULL;
             batch = next) {
            next = batch->next;
            answer(batch);
            answered++;
            together++;
        }
        assert_true(together >= 1);
        most = together > most ? together : most;
    }
    for (size_t i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        batch_release(&askers[i].batch);
    }
    for (size_t i = 0; i < ASKERS; i++) {
        assert_int_equal(askers[i].wrong, 0);
        assert_int_equal(askers[i].rounds, ROUNDS);
    }
    assert_true(most <= ASKERS);
    assert_null(mailbox_take(mailbox, 0));
    mailbox_free(mailbox);
}

static void every_message_of_many_askers_comes_back_once(void **state)
{
    (void)state;
    ask_and_answer(true);
}

static void and_so_it_does_when_nobody_watches(void **state)
{
    (void)state;
    ask_and_answer(false);
}

/* The taker's deadline passes at any moment: before, while and after a batch comes. */
static void no_deadline_loses_a_batch_or_a_wake_up(void **state)
{
    (void)state;
    static struct asker asker;
    struct mailbox *mailbox = mailbox_new();
    mailbox->patience.has_processors = false;
    asker_init(&asker, mailbox);
    asker.dice = dice_new(1);
    start(&asker, ask_again_and_again);
    struct dice dice = dice_new(2);
    for (unsigned answered = 0; answered < ROUNDS;) {
        uint64_t deadline_ns = clock_now_ns(&clock_system) + dice_between(&dice, 0, 20000);
        struct batch *batch = mailbox_take(mailbox, deadline_ns);
        if (batch == NULL)
            continue;
        assert_null(batch->next);
        answer(batch);
        answered++;
    }
    pthread_join(asker.thread, NULL);
    assert_int_equal(asker.wrong, 0);
    int wake_ups;
    assert_int_equal(sem_getvalue(&mailbox->wake, &wake_ups), 0);
    assert_int_equal(wake_ups, 0);
    batch_release(&asker.batch);
    mailbox_free(mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_mailbox_with_no_time_to_wait_gives_nothing),
        cmocka_unit_test(batches_are_taken_all_at_once_and_oldest_first),
        cmocka_unit_test(what_is_there_is_given_whatever_the_deadline),
        cmocka_unit_test(the_asker_waits_until_its_batch_is_given_back),
        cmocka_unit_test(a_signal_does_not_end_the_wait),
        cmocka_unit_test(a_released_batch_gives_up_its_limits),
        cmocka_unit_test(every_message_of_many_askers_comes_back_once),
        cmocka_unit_test(and_so_it_does_when_nobody_watches),
        cmocka_unit_test(no_deadline_loses_a_batch_or_a_wake_up),
    };
    return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
