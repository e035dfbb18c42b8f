/* The fleet's thread: letters in and out of inboxes, over TCP, while others look. */
#include "fleet/fleet.h"

#include "base/clock.h"
#include "base/quantity.h"
#include "base/thread.h"
#include "fleet/board.h"

#include "support/played_store.h"
#include "support/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LETTERS 64 /* as many as the brain has */
#define ROUNDS 50
#define PATIENCE_NS (60 * NS_PER_S)

struct fixture {
    struct fleet *fleet;
    struct fleet_settings settings;
    struct played store;
    struct inbox home;
    struct orders letters[LETTERS];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->settings = (struct fleet_settings){.name = "test",
                                                .stores_count = 1,
                                                .op_timeout_ms = 30000,
                                                .reconnect_min_ms = 1,
                                                .reconnect_max_ms = 20};
    played_listen_tcp(&fixture->store);
    snprintf(fixture->settings.stores[0], sizeof fixture->settings.stores[0],
             "redis://localhost:%u", fixture->store.port);
    *state = fixture;
    return inbox_init(&fixture->home, false);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->fleet != NULL)
        fleet_stop(fixture->fleet);
    played_release(&fixture->store);
    inbox_release(&fixture->home);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture)
{
    assert_int_equal(fleet_start(&fixture->fleet, &fixture->settings), 0);
}

static enum fleet_link link_of(struct fixture *fixture)
{
    struct fleet_seen seen;
    fleet_look(fixture->fleet, &seen);
    return seen.link;
}

/* The store goes on until the fleet is so. */
static void wait_for(struct fixture *fixture, enum fleet_link link)
{
    uint64_t until_ns = clock_now_ns(&clock_system) + PATIENCE_NS;
    while (link_of(fixture) != link) {
        assert_true(clock_now_ns(&clock_system) < until_ns);
        if (!played_turn(&fixture->store))
            usleep(100);
    }
}

static void post(struct fixture *fixture, unsigned number)
{
    static char keys[LETTERS][8];
    struct orders *letter = &fixture->letters[number];
    *letter = (struct orders){.message = {.letter.home = &fixture->home, .kind = MESSAGE_ORDERS},
                              .ttl_ms = 2000,
                              .count = 1};
    letter->order[0] = (struct order){
        .limit_name = "api",
        .key = keys[number],
        .limit_len = 3,
        .key_len = (uint16_t)snprintf(keys[number], sizeof keys[0], "%u", number),
        .buckets = 1,
        .session = 7,
        .seq = 1,
        .terms = {{10, 1, 1, 5}},
        .result = ORDER_RESULT_COUNT,
    };
    inbox_post_one(fleet_inbox(fixture->fleet), &letter->message.letter);
}

/* The store goes on until so many letters have come home. */
static void await(struct fixture *fixture, unsigned count)
{
    uint64_t until_ns = clock_now_ns(&clock_system) + PATIENCE_NS;
    while (count > 0) {
        assert_true(clock_now_ns(&clock_system) < until_ns);
        for (struct letter *letter = inbox_take(&fixture->home, 0); letter != NULL;
             letter = letter->next)
            count--;
        if (!played_turn(&fixture->store) && count > 0)
            usleep(100);
    }
}

static void letters_come_home_over_tcp(void **state)
{
    struct fixture *fixture = *state;
    struct fleet_seen seen;
    start(fixture);
    wait_for(fixture, FLEET_UP);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < LETTERS; i++)
            post(fixture, i);
        await(fixture, LETTERS);
        for (unsigned i = 0; i < LETTERS; i++) {
            assert_int_equal(fixture->letters[i].order[0].result, ORDER_DONE);
            assert_int_equal(fixture->letters[i].order[0].granted[0], i);
        }
    }
    fleet_look(fixture->fleet, &seen);
    assert_string_equal(seen.server, "redis 7.0.15");
    assert_in_range(seen.calls, ROUNDS * LETTERS, ROUNDS * LETTERS);
    assert_int_equal(seen.calls_failed, 0);
}

static void a_store_that_comes_back_is_found(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    for (unsigned round = 0; round < 5; round++) {
        wait_for(fixture, FLEET_UP);
        played_close_all(&fixture->store);
        post(fixture, 1);
        await(fixture, 1);
        assert_true(fixture->letters[1].order[0].result == ORDER_DONE ||
                    fixture->letters[1].order[0].result == ORDER_UNREACHABLE ||
                    fixture->letters[1].order[0].result == ORDER_NOT_SENT);
    }
    wait_for(fixture, FLEET_UP);
}

static void letters_come_home_though_nobody_is_there(void **state)
{
    struct fixture *fixture = *state;
    struct fleet_seen before, after;
    played_release(&fixture->store);
    start(fixture);
    for (unsigned i = 0; i < LETTERS; i++)
        post(fixture, i);
    await(fixture, LETTERS);
    for (unsigned i = 0; i < LETTERS; i++)
        assert_int_equal(fixture->letters[i].order[0].result, ORDER_NOT_SENT);
    fleet_look(fixture->fleet, &before);
    usleep(1000);
    fleet_look(fixture->fleet, &after);
    assert_true(after.down_ns > before.down_ns);
}

/* A silent store, whose letters are due soon: the stop waits for them, and then they are at home. */
static void a_stop_brings_letters_home(void **state)
{
    struct fixture *fixture = *state;
    unsigned home = 0;
    fixture->settings.op_timeout_ms = 100;
    start(fixture);
    wait_for(fixture, FLEET_UP);
    for (unsigned i = 0; i < LETTERS; i++)
        post(fixture, i);
    fleet_stop(fixture->fleet);
    fixture->fleet = NULL;
    for (struct letter *letter = inbox_take(&fixture->home, 0); letter != NULL;
         letter = letter->next)
        home++;
    assert_int_equal(home, LETTERS);
}

/* A name is looked up by another thread, which may outlive the fleet. */
static void a_stop_waits_for_no_name(void **state)
{
    struct fixture *fixture = *state;
    strcpy(fixture->settings.stores[0], "redis://no-such-host.invalid");
    start(fixture);
    post(fixture, 1);
    await(fixture, 1);
    assert_int_equal(fixture->letters[1].order[0].result, ORDER_NOT_SENT);
}

/* ---- who looks ---- */

/* All of what is written at a time is of one number. */
static void write_number(struct board *board, uint64_t number)
{
    struct board_text text;
    memset(&text, 0, sizeof text);
    memset(text.seen.trouble, 'a' + (int)(number % 26), sizeof text.seen.trouble - 1);
    text.seen.calls = text.seen.calls_failed = text.seen.latency.sum = text.down_ns = number;
    board_write(board, &text);
}

static void *write_on(void *argument)
{
    for (uint64_t number = 1; number <= 20000; number++)
        write_number(argument, number);
    return NULL;
}

static void nobody_reads_half_a_board(void **state)
{
    static struct board board;
    struct board_text text = {.down_ns = 0};
    pthread_t writer;
    (void)state;
    write_number(&board, 1);
    assert_int_equal(thread_start(&writer, write_on, &board), 0);
    while (text.down_ns < 20000) {
        uint64_t before = text.down_ns;
        board_read(&board, &text);
        assert_true(text.down_ns >= before);
        assert_int_equal(text.seen.calls, text.down_ns);
        assert_int_equal(text.seen.calls_failed, text.down_ns);
        assert_int_equal(text.seen.latency.sum, text.down_ns);
        assert_int_equal(text.seen.trouble[0], 'a' + (int)(text.down_ns % 26));
        assert_int_equal(strspn(text.seen.trouble, text.seen.trouble), strlen(text.seen.trouble));
        assert_int_equal(text.seen.trouble[254], text.seen.trouble[0]);
    }
    pthread_join(writer, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(letters_come_home_over_tcp),
        TEST(a_store_that_comes_back_is_found),
        TEST(letters_come_home_though_nobody_is_there),
        TEST(a_stop_brings_letters_home),
        TEST(a_stop_waits_for_no_name),
        cmocka_unit_test(nobody_reads_half_a_board),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
