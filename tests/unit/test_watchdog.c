/* The watchdog: fed by an answer, once each, and by nothing else. */
#include "actor/watchdog.h"

#include "support/unit.h"

#define SILENCE_NS 4000u
#define LOOK_NS (SILENCE_NS / WATCHDOG_LOOKS + 1)

struct fixture {
    struct inbox inbox;
    struct watchdog watchdog;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    *state = &fixture;
    return inbox_init(&fixture.inbox, false) ||
           watchdog_init(&fixture.watchdog, &fixture.inbox, SILENCE_NS, 0);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    watchdog_release(&fixture->watchdog);
    inbox_release(&fixture->inbox);
    return 0;
}

/* The state thread's part: false if there was no question. */
static bool answer(struct fixture *fixture)
{
    struct letter *letter = inbox_take(&fixture->inbox, 0);
    if (letter == NULL)
        return false;
    assert_null(letter->next);
    inbox_post_one(letter->home, letter);
    return true;
}

static void each_answer_feeds_once(void **state)
{
    struct fixture *fixture = *state;
    assert_false(watchdog_look(&fixture->watchdog, 0));
    for (uint64_t look = 1; look <= 100; look++) {
        assert_true(answer(fixture));
        assert_false(watchdog_look(&fixture->watchdog, look * LOOK_NS - 1));
        assert_true(watchdog_look(&fixture->watchdog, look * LOOK_NS));
        assert_false(watchdog_look(&fixture->watchdog, look * LOOK_NS));
    }
}

static void no_answer_feeds_nothing_and_asks_no_more(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t look = 0; look < 100; look++)
        assert_false(watchdog_look(&fixture->watchdog, look * LOOK_NS));
    assert_true(answer(fixture));
    assert_false(answer(fixture));
}

static void a_late_answer_feeds_again(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t look = 0; look < 10; look++)
        assert_false(watchdog_look(&fixture->watchdog, look * LOOK_NS));
    assert_true(answer(fixture));
    assert_true(watchdog_look(&fixture->watchdog, 10 * LOOK_NS));
    assert_false(watchdog_look(&fixture->watchdog, 11 * LOOK_NS));
}

static void a_late_look_feeds_in_time_again(void **state)
{
    struct fixture *fixture = *state;
    watchdog_look(&fixture->watchdog, 0);
    answer(fixture);
    assert_true(watchdog_look(&fixture->watchdog, 1000 * LOOK_NS));
    answer(fixture);
    assert_false(watchdog_look(&fixture->watchdog, 1001 * LOOK_NS - 1));
    assert_true(watchdog_look(&fixture->watchdog, 1001 * LOOK_NS));
}

static void nobody_watches(void **state)
{
    struct fixture *fixture = *state;
    fixture->watchdog.every_ns = 0;
    assert_false(watchdog_look(&fixture->watchdog, UINT64_MAX));
    assert_int_equal(watchdog_timeout_ms(&fixture->watchdog, 0), -1);
    assert_false(answer(fixture));
}

static void two_looks_fit_the_shortest_silence(void **state)
{
    struct fixture *fixture = *state;
    static const uint64_t silences_ns[] = {1000, 1000000, 30 * (uint64_t)NS_PER_S, UINT64_MAX};
    for (size_t i = 0; i < sizeof silences_ns / sizeof silences_ns[0]; i++) {
        watchdog_release(&fixture->watchdog);
        watchdog_init(&fixture->watchdog, &fixture->inbox, silences_ns[i], 0);
        assert_true(fixture->watchdog.every_ns < silences_ns[i] / 2);
    }
}

static void the_timeout_ends_when_the_look_is_due(void **state)
{
    struct fixture *fixture = *state;
    fixture->watchdog.due_ns = 5 * (uint64_t)NS_PER_MS;
    assert_int_equal(watchdog_timeout_ms(&fixture->watchdog, 0), 5);
    assert_int_equal(watchdog_timeout_ms(&fixture->watchdog, 1), 5);
    assert_int_equal(watchdog_timeout_ms(&fixture->watchdog, NS_PER_MS), 4);
    assert_int_equal(watchdog_timeout_ms(&fixture->watchdog, 5 * (uint64_t)NS_PER_MS - 1), 1);
    assert_int_equal(watchdog_timeout_ms(&fixture->watchdog, 5 * (uint64_t)NS_PER_MS), 0);
    assert_int_equal(watchdog_timeout_ms(&fixture->watchdog, UINT64_MAX), 0);
    fixture->watchdog.due_ns = UINT64_MAX - 1;
    assert_int_equal(watchdog_timeout_ms(&fixture->watchdog, 0), INT32_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_answer_feeds_once),
        TEST(no_answer_feeds_nothing_and_asks_no_more),
        TEST(a_late_answer_feeds_again),
        TEST(a_late_look_feeds_in_time_again),
        TEST(nobody_watches),
        TEST(two_looks_fit_the_shortest_silence),
        TEST(the_timeout_ends_when_the_look_is_due),
    };
    return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
