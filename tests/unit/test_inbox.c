/* Inboxes: every letter goes over and comes home once, whenever that is, and no wake-up is lost. */
#include "actor/inbox.h"
#include "base/quantity.h"
#include "support/dice.h"
#include "support/unit.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ASKERS = 6, LETTERS_MAX = 500 };

/* On the heap, for when a test fails its threads go on. */
static struct inbox *inbox_new(bool has_event)
{
    struct inbox *inbox = malloc(sizeof *inbox);
    assert_non_null(inbox);
    assert_int_equal(inbox_init(inbox, has_event), 0);
    return inbox;
}

static void inbox_free(struct inbox *inbox)
{
    inbox_release(inbox);
    free(inbox);
}

/* Whatever is asked: a letter first. */
struct question {
    struct letter letter;
    unsigned answers;
};

static struct question *question_of(struct letter *letter)
{
    return (struct question *)letter;
}

/* One who asks. Its thread records; the main thread judges after joining it. */
struct asker {
    struct inbox *inbox; /* where it posts to */
    struct inbox home;
    struct question question[LETTERS_MAX];
    size_t count; /* of those, that it asks now */
    pthread_t thread;
    atomic_bool returned;
    unsigned rounds, wrong;
    struct dice dice;
};

static void asker_init(struct asker *asker, struct inbox *inbox)
{
    memset(asker, 0, sizeof *asker);
    asker->inbox = inbox;
    assert_int_equal(inbox_init(&asker->home, true), 0);
    for (size_t i = 0; i < LETTERS_MAX; i++)
        asker->question[i].letter.home = &asker->home;
    asker->count = 1;
}

static void asker_post(struct asker *asker)
{
    struct chain chain = {0};
    for (size_t i = 0; i < asker->count; i++) {
        asker->question[i].answers = 0;
        chain_add(&chain, &asker->question[i].letter);
    }
    inbox_post(asker->inbox, &chain);
}

/* Counts what is home, and what of it was not answered exactly once. */
static size_t asker_take(struct asker *asker, uint64_t deadline_ns)
{
    size_t count = 0;
    for (struct letter *letter = inbox_take(&asker->home, deadline_ns); letter != NULL;
         letter = letter->next, count++)
        asker->wrong += question_of(letter)->answers != 1;
    return count;
}

static void asker_ask(struct asker *asker)
{
    asker_post(asker);
    for (size_t home = 0; home < asker->count;)
        home += asker_take(asker, UINT64_MAX);
}

static void *ask_once(void *argument)
{
    struct asker *asker = argument;
    asker_ask(asker);
    atomic_store(&asker->returned, true);
    return NULL;
}

static void start(struct asker *asker, void *(*run)(void *))
{
    assert_int_equal(pthread_create(&asker->thread, NULL, run, asker), 0);
}

static void answer(struct letter *letter)
{
    question_of(letter)->answers++;
    inbox_post_one(letter->home, letter);
}

static size_t waiting_letters(struct inbox *inbox)
{
    size_t count = 0;
    for (const struct letter *letter = atomic_load(&inbox->newest); letter != NULL;
         letter = letter->next)
        count++;
    return count;
}

static void until_waiting(struct inbox *inbox, size_t count)
{
    while (waiting_letters(inbox) < count)
        sched_yield();
}

/* ---- chains ---- */

static void expect_chain(struct chain *chain, const struct letter *const *oldest_first,
                         size_t count)
{
    const struct letter *letter = chain->newest;
    for (size_t i = count; i-- > 0; letter = letter->next)
        assert_ptr_equal(letter, oldest_first[i]);
    assert_null(letter);
    if (count > 0) {
        assert_ptr_equal(chain->oldest, oldest_first[0]);
        assert_ptr_equal(letters_oldest_first(chain->newest), oldest_first[0]);
        chain->newest = letters_oldest_first((struct letter *)oldest_first[0]); /* and back */
    }
}

static void letters_join_and_leave_a_chain_at_any_place(void **state)
{
    (void)state;
    struct letter a = {0}, b = {0}, c = {0};
    struct chain chain = {0};
    expect_chain(&chain, NULL, 0);
    chain_add(&chain, &b);
    chain_add(&chain, &c);
    chain_add_first(&chain, &a);
    expect_chain(&chain, (const struct letter *[]){&a, &b, &c}, 3);
    chain_remove(&chain, &b);
    expect_chain(&chain, (const struct letter *[]){&a, &c}, 2);
    chain_remove(&chain, &c);
    chain_add(&chain, &b);
    expect_chain(&chain, (const struct letter *[]){&a, &b}, 2);
    chain_remove(&chain, &a);
    expect_chain(&chain, (const struct letter *[]){&b}, 1);
    chain_remove(&chain, &b);
    expect_chain(&chain, NULL, 0);
    chain_add_first(&chain, &c);
    expect_chain(&chain, (const struct letter *[]){&c}, 1);
}

/* ---- one inbox ---- */

static void an_empty_inbox_with_no_time_to_wait_gives_nothing(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new(false);
    assert_null(inbox_take(inbox, 0));
    assert_null(inbox_take(inbox, 1));
    assert_null(inbox_take(inbox, NS_PER_S));
    assert_false(inbox_is_filled(inbox));
    inbox_free(inbox);
}

static void letters_are_taken_all_at_once_and_newest_first(void **state)
{
    (void)state;
    static struct asker askers[ASKERS];
    struct inbox *inbox = inbox_new(false);
    for (size_t i = 0; i < ASKERS; i++) {
        asker_init(&askers[i], inbox);
        askers[i].count = 2;
        start(&askers[i], ask_once);
        until_waiting(inbox, 2 * (i + 1));
    }
    assert_true(inbox_is_filled(inbox));
    struct letter *letter = letters_oldest_first(inbox_take(inbox, UINT64_MAX));
    assert_null(inbox_take(inbox, 0));
    for (size_t i = 0; i < 2 * ASKERS; i++) {
        assert_ptr_equal(letter, &askers[i / 2].question[i % 2].letter);
        struct letter *next = letter->next; /* no longer ours once it is sent home */
        answer(letter);
        letter = next;
    }
    assert_null(letter);
    for (size_t i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].wrong, 0);
        inbox_release(&askers[i].home);
    }
    inbox_free(inbox);
}

static void what_is_there_is_given_whatever_the_deadline(void **state)
{
    (void)state;
    static const uint64_t deadlines_ns[] = {0, 1, UINT64_MAX};
    static struct asker asker;
    struct inbox *inbox = inbox_new(false);
    for (size_t i = 0; i < LENGTH(deadlines_ns); i++) {
        asker_init(&asker, inbox);
        start(&asker, ask_once);
        until_waiting(inbox, 1);
        struct letter *letter = inbox_take(inbox, deadlines_ns[i]);
        assert_ptr_equal(letter, &asker.question[0].letter);
        answer(letter);
        pthread_join(asker.thread, NULL);
        inbox_release(&asker.home);
    }
    inbox_free(inbox);
}

static void the_asker_waits_until_its_letter_is_home(void **state)
{
    (void)state;
    static struct asker one, other;
    struct inbox *inbox = inbox_new(false);
    asker_init(&one, inbox);
    asker_init(&other, inbox);
    start(&one, ask_once);
    until_waiting(inbox, 1);
    start(&other, ask_once);
    until_waiting(inbox, 2);
    struct letter *newest = inbox_take(inbox, 0), *before = newest->next;
    answer(newest);
    pthread_join(other.thread, NULL);
    assert_true(atomic_load(&other.returned));
    assert_false(atomic_load(&one.returned));
    answer(before);
    pthread_join(one.thread, NULL);
    inbox_release(&one.home);
    inbox_release(&other.home);
    inbox_free(inbox);
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
    struct inbox *inbox = inbox_new(false);
    assert_int_equal(sigaction(SIGUSR1, &count, &before), 0);
    asker_init(&asker, inbox);
    start(&asker, ask_once);
    until_waiting(inbox, 1);
    /* Sent until handled: the thread sanitizer may keep one back until the next comes. */
    while (atomic_load(&signals) < 100) {
        assert_int_equal(pthread_kill(asker.thread, SIGUSR1), 0);
        sched_yield();
    }
    assert_false(atomic_load(&asker.returned));
    answer(inbox_take(inbox, 0));
    pthread_join(asker.thread, NULL);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    inbox_release(&asker.home);
    inbox_free(inbox);
}

static bool is_readable(int event)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event readable = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &readable), 0);
    int found = epoll_wait(epoll, &readable, 1, 0);
    close(epoll);
    return found == 1;
}

static void the_event_tells_of_a_letter_only_to_who_watches(void **state)
{
    (void)state;
    struct inbox *inbox = inbox_new(true);
    struct letter letters[3] = {{.home = inbox}, {.home = inbox}, {.home = inbox}};
    assert_true(inbox_watch(inbox));
    assert_false(is_readable(inbox->event));
    inbox_unwatch(inbox);
    assert_null(inbox_take(inbox, 0));

    assert_true(inbox_watch(inbox));
    inbox_post_one(inbox, &letters[0]);
    inbox_post_one(inbox, &letters[1]);
    assert_true(is_readable(inbox->event));
    inbox_unwatch(inbox);
    assert_false(is_readable(inbox->event));
    assert_ptr_equal(inbox_take(inbox, 0), &letters[1]);
    assert_null(letters[0].next);

    inbox_post_one(inbox, &letters[2]);
    assert_false(is_readable(inbox->event));
    assert_false(inbox_watch(inbox)); /* there is one */
    assert_ptr_equal(inbox_take(inbox, UINT64_MAX), &letters[2]);
    inbox_free(inbox);
}

/* ---- many rounds ---- */

enum { ROUNDS = 3000 };

static void choose_count(struct asker *asker)
{
    uint64_t longest = dice_once_in(&asker->dice, 50) ? LETTERS_MAX : 4;
    asker->count = dice_between(&asker->dice, 1, longest);
}

/* Sends chains of random length. */
static void *ask_again_and_again(void *argument)
{
    struct asker *asker = argument;
    for (asker->rounds = 0; asker->rounds < ROUNDS; asker->rounds++) {
        choose_count(asker);
        asker_ask(asker);
    }
    return NULL;
}

/* The same, and waits in epoll for what is not home yet. */
static void *ask_and_wait_in_epoll(void *argument)
{
    struct asker *asker = argument;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    asker->wrong += epoll_ctl(epoll, EPOLL_CTL_ADD, asker->home.event, &event) != 0;
    for (asker->rounds = 0; asker->rounds < ROUNDS; asker->rounds++) {
        choose_count(asker);
        asker_post(asker);
        for (size_t home = 0; home < asker->count; home += asker_take(asker, 0))
            if (inbox_watch(&asker->home)) {
                epoll_wait(epoll, &event, 1, -1);
                inbox_unwatch(&asker->home);
            }
    }
    close(epoll);
    return NULL;
}

/* Letters that the one who answers keeps back for a while. */
struct parked {
    struct letter *letters[ASKERS * LETTERS_MAX];
    size_t count;
};

static unsigned send_one_home(struct parked *parked, struct dice *dice)
{
    size_t which = dice_between(dice, 0, parked->count - 1);
    answer(parked->letters[which]);
    parked->letters[which] = parked->letters[--parked->count];
    return 1;
}

/* Answers what it takes, but parks some of it, and sends parked letters home one by one, in any
 * order. parks_one_in: 0 for none. */
static unsigned take_and_answer(struct inbox *inbox, struct parked *parked, struct dice *dice,
                                unsigned parks_one_in)
{
    unsigned answered = 0;
    uint64_t deadline_ns = parked->count > 0 ? 0 : UINT64_MAX;
    struct letter *letter = inbox_take(inbox, deadline_ns);
    assert_true(letter != NULL || parked->count > 0);
    for (struct letter *next; letter != NULL; letter = next) {
        next = letter->next;
        if (parks_one_in > 0 && dice_once_in(dice, parks_one_in)) {
            parked->letters[parked->count++] = letter;
            continue;
        }
        answer(letter);
        answered++;
    }
    if (parked->count > 0)
        answered += send_one_home(parked, dice);
    return answered;
}

static bool all_returned(const struct asker *askers)
{
    for (size_t i = 0; i < ASKERS; i++)
        if (!atomic_load(&askers[i].returned))
            return false;
    return true;
}

static void *(*asks)(void *);

static void *ask_and_say_so(void *argument)
{
    struct asker *asker = argument;
    asks(argument);
    atomic_store(&asker->returned, true);
    /* The taker may be asleep: a letter of no question wakes it. */
    inbox_post_one(asker->inbox, &asker->question[0].letter);
    return NULL;
}

/* Were a wake-up lost, this would hang. watching: before going to sleep, if there are processors. */
static void ask_and_answer(void *(*run)(void *), bool watching, unsigned parks_one_in)
{
    static struct asker askers[ASKERS];
    static struct parked parked;
    struct inbox *inbox = inbox_new(false);
    struct dice dice = dice_new(99);
    inbox->patience.has_processors &= watching;
    asks = run;
    for (size_t i = 0; i < ASKERS; i++) {
        asker_init(&askers[i], inbox);
        askers[i].home.patience.has_processors &= watching;
        askers[i].dice = dice_new(i);
        start(&askers[i], ask_and_say_so);
    }
    while (!all_returned(askers))
        take_and_answer(inbox, &parked, &dice, parks_one_in);
    for (size_t i = 0; i < ASKERS; i++)
        pthread_join(askers[i].thread, NULL);
    for (size_t i = 0; i < ASKERS; i++) {
        assert_int_equal(askers[i].wrong, 0);
        assert_int_equal(askers[i].rounds, ROUNDS);
    }
    inbox_take(inbox, 0); /* who said so last */
    for (size_t i = 0; i < ASKERS; i++)
        inbox_release(&askers[i].home);
    parked.count = 0;
    inbox_free(inbox);
}

static void every_letter_of_many_askers_comes_home_once(void **state)
{
    (void)state;
    ask_and_answer(ask_again_and_again, true, 0);
}

static void and_so_it_does_when_nobody_watches(void **state)
{
    (void)state;
    ask_and_answer(ask_again_and_again, false, 0);
}

static void and_when_letters_are_parked_and_come_home_one_by_one(void **state)
{
    (void)state;
    ask_and_answer(ask_again_and_again, true, 3);
}

static void and_when_their_askers_wait_in_epoll(void **state)
{
    (void)state;
    ask_and_answer(ask_and_wait_in_epoll, true, 0);
    ask_and_answer(ask_and_wait_in_epoll, false, 3);
}

/* The taker's deadline passes at any moment: before, while and after letters come. */
static void no_deadline_loses_a_letter_or_a_wake_up(void **state)
{
    (void)state;
    static struct asker asker;
    struct inbox *inbox = inbox_new(false);
    inbox->patience.has_processors = false;
    asker_init(&asker, inbox);
    asker.dice = dice_new(1);
    start(&asker, ask_once);
    answer(inbox_take(inbox, UINT64_MAX));
    pthread_join(asker.thread, NULL);
    start(&asker, ask_again_and_again);
    struct dice dice = dice_new(2);
    for (unsigned rounds = 0; rounds < ROUNDS;) {
        uint64_t deadline_ns = clock_now_ns(&clock_system) + dice_between(&dice, 0, 20000);
        struct letter *letter = inbox_take(inbox, deadline_ns);
        if (letter == NULL)
            continue;
        for (struct letter *next; letter != NULL; letter = next) {
            next = letter->next;
            answer(letter);
        }
        rounds++;
    }
    pthread_join(asker.thread, NULL);
    assert_int_equal(asker.wrong, 0);
    int wake_ups;
    assert_int_equal(sem_getvalue(&inbox->wake, &wake_ups), 0);
    assert_int_equal(wake_ups, 0);
    inbox_release(&asker.home);
    inbox_free(inbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_join_and_leave_a_chain_at_any_place),
        cmocka_unit_test(an_empty_inbox_with_no_time_to_wait_gives_nothing),
        cmocka_unit_test(letters_are_taken_all_at_once_and_newest_first),
        cmocka_unit_test(what_is_there_is_given_whatever_the_deadline),
        cmocka_unit_test(the_asker_waits_until_its_letter_is_home),
        cmocka_unit_test(a_signal_does_not_end_the_wait),
        cmocka_unit_test(the_event_tells_of_a_letter_only_to_who_watches),
        cmocka_unit_test(every_letter_of_many_askers_comes_home_once),
        cmocka_unit_test(and_so_it_does_when_nobody_watches),
        cmocka_unit_test(and_when_letters_are_parked_and_come_home_one_by_one),
        cmocka_unit_test(and_when_their_askers_wait_in_epoll),
        cmocka_unit_test(no_deadline_loses_a_letter_or_a_wake_up),
    };
    return cmocka_run_group_tests_name("inbox", tests, NULL, NULL);
}
