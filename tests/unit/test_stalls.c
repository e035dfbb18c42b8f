/*
 * Stalls: the front-end's report, which is answered at once, is late by more than FRONT_STALL_MS.
 * Health is red at once, all that needs an answer waits and is charged once, and nothing spins. The
 * test is the decider that is held up.
 */
#include "http/wire/parts.h"
#include "support/front_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 8, HOUR_MS = 3600 * 1000 };

/* ---- helpers ---- */

static void ask(struct stage *stage, struct caller *caller, const char *target)
{
    caller_get(caller, target);
    stage_settle(stage);
}

static void connect_and_ask(struct stage *stage, struct caller *caller, const char *target)
{
    caller_connect(caller, stage, false);
    ask(stage, caller, target);
}

static void expect_left(struct caller *caller, unsigned left)
{
    char text[32];
    assert_int_equal(caller_reply(caller), 200);
    snprintf(text, sizeof text, "\"remaining\":%u,", left);
    assert_true(caller_is_told(caller, text));
}

static void expect_red(struct caller *caller, uint64_t asked_ms_ago)
{
    char text[64];
    assert_int_equal(caller_reply(caller), 503);
    snprintf(text, sizeof text, "stalled: the state thread was asked %llu ms ago",
             (unsigned long long)asked_ms_ago);
    assert_true(caller_is_told(caller, text));
    assert_true(caller_is_told(caller, "Connection: close"));
    assert_int_equal(caller_reply(caller), REPLY_END);
}

/* The report is kept, and what was asked with it parked: all of the chain is late. */
static void hold_up(struct stage *stage)
{
    stage->keeps_report = true;
    stage_park(stage, MESSAGE_ALLOW);
}

/* The same, of a chain that has the question of a new caller about the key a. */
static void hold_up_with(struct stage *stage, struct caller *caller)
{
    caller_connect(caller, stage, false);
    hold_up(stage);
    ask(stage, caller, "/allow?key=a");
    assert_int_equal(stage->parked_count, 1);
    assert_true(stage->front.is_stalled);
}

/* All that was parked is answered and sent home. */
static void go_on(struct stage *stage)
{
    stage->parks = false;
    while (stage->parked_count > 0) {
        const char *key = message_of(stage->parked[0])->ask.bucket.key;
        stage_answer(stage, key);
        stage_send_home(stage, key);
    }
    stage_release_report(stage);
}

/* ---- health ---- */

static void health_is_red_from_a_second_on(void **state)
{
    (void)state;
    struct stage stage;
    struct caller waits, health, ready, head;
    stage_open(&stage, STAGE_TEST, ROOM);
    caller_connect(&waits, &stage, false);
    caller_connect(&health, &stage, false);
    caller_connect(&ready, &stage, false);
    caller_connect(&head, &stage, false);
    stage_pass_ms(&stage, 5000);
    hold_up(&stage);
    ask(&stage, &waits, "/allow?key=a");
    assert_int_equal(stage_now_ms(&stage), 5000 + FRONT_STALL_MS); /* it has waited for so long */
    assert_true(stage.front.is_stalled);
    ask(&stage, &health, "/healthz");
    expect_red(&health, FRONT_STALL_MS);
    stage_pass_ms(&stage, 234);
    ask(&stage, &ready, "/readyz");
    expect_red(&ready, FRONT_STALL_MS + 234);
    caller_send(&head, "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    stage_settle(&stage);
    assert_int_equal(stage_now_ms(&stage), 5000 + FRONT_STALL_MS + 234); /* at once */
    assert_int_equal(caller_reply(&waits), REPLY_NONE);

    go_on(&stage);
    assert_false(stage.front.is_stalled);
    expect_left(&waits, 9);
    ask(&stage, &waits, "/healthz");
    assert_int_equal(caller_reply(&waits), 200);
    assert_true(caller_is_told(&waits, "\"status\":\"alive\""));
    stage_close(&stage);
    caller_close(&waits), caller_close(&health), caller_close(&ready), caller_close(&head);
}

/* Asked with the chain that is late, they are away; told red, their connection is closed, and their
 * letters come home to nobody. */
static void health_that_was_asked_before_is_red_too(void **state)
{
    (void)state;
    struct stage stage;
    struct caller waits, health, ready;
    stage_open(&stage, STAGE_TEST, ROOM);
    caller_connect(&waits, &stage, false);
    caller_connect(&health, &stage, false);
    caller_connect(&ready, &stage, false);
    stage.keeps_report = true;
    stage_park(&stage, MESSAGE_DAEMON);
    caller_get(&waits, "/allow?key=a");
    caller_get(&health, "/healthz");
    caller_get(&ready, "/readyz");
    stage_settle(&stage);
    assert_int_equal(stage.parked_count, 2);
    expect_red(&health, FRONT_STALL_MS);
    expect_red(&ready, FRONT_STALL_MS);
    /* Its own answer was there in time, and it is only the report that was late. */
    caller_close(&health);
    stage_settle(&stage);
    for (unsigned i = 0; i < stage.parked_count; i++)
        assert_int_equal(client_of(stage.parked[i])->state, CLIENT_GONE);
    while (stage.parked_count > 0) {
        struct letter *letter = stage.parked[--stage.parked_count];
        struct chain answered = {0};
        letter->next = NULL;
        brain_answer(stage.brain.brain, letter, &answered);
        inbox_post(letter->home, &answered);
    }
    stage_release_report(&stage);
    expect_left(&waits, 9);
    assert_int_equal(http_letters_away(stage.front.http), 0);
    stage_close(&stage);
    caller_close(&waits), caller_close(&ready);
}

static void faults_are_told_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        int status;
    } cases[] = {{"/readyz?a=b", 400}, {"/nosuch", 404}, {"/allow", 400}, {"/reset?key=a", 403}};
    struct stage stage;
    struct caller waits, caller;
    stage_open(&stage, STAGE_TEST, ROOM);
    hold_up_with(&stage, &waits);
    caller_connect(&caller, &stage, false);
    caller_send(&caller, "PUT /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    stage_settle(&stage);
    assert_int_equal(caller_reply(&caller), 405);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        ask(&stage, &caller, cases[i].target);
        assert_int_equal(caller_reply(&caller), cases[i].status);
    }
    assert_true(stage.front.is_stalled);
    go_on(&stage);
    expect_left(&waits, 9);
    stage_close(&stage);
    caller_close(&waits), caller_close(&caller);
}

/* What is pipelined behind it would need the message that is away. */
static void a_red_answer_is_the_last_on_its_connection(void **state)
{
    (void)state;
    struct stage stage;
    struct caller waits, health;
    stage_open(&stage, STAGE_TEST, ROOM);
    hold_up_with(&stage, &waits);
    caller_connect(&health, &stage, false);
    caller_get(&health, "/healthz");
    caller_get(&health, "/allow?key=b");
    stage_settle(&stage);
    expect_red(&health, FRONT_STALL_MS);
    go_on(&stage);
    expect_left(&waits, 9);
    assert_int_equal(stage_left(&stage, "b"), 10);
    stage_close(&stage);
    caller_close(&waits), caller_close(&health);
}

static void health_behind_a_request_that_waits_is_answered_after_it(void **state)
{
    (void)state;
    struct stage stage;
    struct caller caller;
    stage_open(&stage, STAGE_TEST, ROOM);
    hold_up_with(&stage, &caller);
    ask(&stage, &caller, "/healthz");
    assert_int_equal(caller_reply(&caller), REPLY_NONE);
    go_on(&stage);
    expect_left(&caller, 9);
    assert_int_equal(caller_reply(&caller), 200);
    assert_true(caller_is_told(&caller, "\"status\":\"alive\""));
    stage_close(&stage);
    caller_close(&caller);
}

/* ---- those who wait ---- */

static void what_is_asked_meanwhile_goes_later_and_is_charged_once(void **state)
{
    (void)state;
    struct stage stage;
    struct caller before[2], after[3];
    stage_open(&stage, STAGE_TEST, ROOM);
    caller_connect(&before[0], &stage, false);
    caller_connect(&before[1], &stage, false);
    hold_up(&stage);
    caller_get(&before[0], "/allow?key=a");
    caller_get(&before[1], "/allow?key=b");
    stage_settle(&stage);
    assert_int_equal(stage.parked_count, 2);
    for (size_t i = 0; i < LENGTH(after); i++)
        connect_and_ask(&stage, &after[i], "/allow?key=a");
    ask(&stage, &before[0], "/allow?key=a"); /* pipelined behind */
    stage_pass_ms(&stage, HOUR_MS);
    assert_int_equal(stage.parked_count, 2); /* one chain is away at a time */
    assert_false(inbox_is_filled(&stage.decider.inbox));
    assert_int_equal(stage_left(&stage, "a"), STAGE_BURST);

    go_on(&stage);
    expect_left(&before[0], 9);
    expect_left(&before[1], 9);
    unsigned left = 0;
    for (size_t i = 0; i < LENGTH(after); i++) {
        assert_int_equal(caller_reply(&after[i]), 200);
        left |= 1u << (unsigned)strtoul(strstr(after[i].body, "\"remaining\":") + 12, NULL, 10);
    }
    assert_int_equal(caller_reply(&before[0]), 200);
    left |= 1u << (unsigned)strtoul(strstr(before[0].body, "\"remaining\":") + 12, NULL, 10);
    assert_int_equal(left, 1u << 8 | 1u << 7 | 1u << 6 | 1u << 5);
    assert_int_equal(stage_left(&stage, "a"), 5);
    stage_close(&stage);
    for (size_t i = 0; i < LENGTH(after); i++)
        caller_close(&after[i]);
    caller_close(&before[0]), caller_close(&before[1]);
}

static void answers_that_are_home_are_sent_though_the_report_is_late(void **state)
{
    (void)state;
    struct stage stage;
    struct caller caller;
    stage_open(&stage, STAGE_TEST, ROOM);
    caller_connect(&caller, &stage, false);
    stage.keeps_report = true;
    ask(&stage, &caller, "/allow?key=a");
    assert_true(stage.front.is_stalled);
    stage_release_report(&stage);
    assert_false(stage.front.is_stalled);
    expect_left(&caller, 9);
    stage_close(&stage);
    caller_close(&caller);
}

static void nothing_is_done_in_a_stall(void **state)
{
    (void)state;
    struct stage stage;
    struct caller away, written, half, idle;
    stage_open(&stage, STAGE_TEST, ROOM);
    caller_connect(&idle, &stage, false);
    hold_up_with(&stage, &away);
    connect_and_ask(&stage, &written, "/allow?key=b");
    connect_and_ask(&stage, &half, "/allow?key=c");
    caller_half_close(&half);
    stage_settle(&stage);
    stage_pass_ms(&stage, 100 * 1000); /* whoever is idle has been ended by then */
    assert_int_equal(caller_reply(&idle), REPLY_END);
    assert_true(front_timeout_ms(&stage.front) != 0);
    stage.turns = 0;
    stage_pass_ms(&stage, HOUR_MS);
    /* libmicrohttpd's timeouts, by its own clock, are all that wakes it. */
    assert_in_range(stage.turns, 0, 2 * HOUR_MS / 1000 / STAGE_IDLE_TIMEOUT_S + 4);
    go_on(&stage);
    expect_left(&away, 9);
    expect_left(&written, 9);
    expect_left(&half, 9);
    stage_close(&stage);
    caller_close(&away), caller_close(&written), caller_close(&half), caller_close(&idle);
}

/* Requests that take long wait for a turn, and none is given before the answers are there. */
static void lists_wait_for_their_turns(void **state)
{
    (void)state;
    struct stage stage;
    struct caller waits, lists[3];
    char list[1024]; /* blanks make it long */
    snprintf(list, sizeof list,
             "POST /allow HTTP/1.1\r\nHost: a\r\nContent-Length: 629\r\n"
             "Content-Type: application/json\r\n\r\n%600s{\"requests\":[{\"key\":\"list\"}]}",
             "");
    stage_open(&stage, STAGE_TEST, ROOM);
    hold_up_with(&stage, &waits);
    for (size_t i = 0; i < LENGTH(lists); i++) {
        caller_connect(&lists[i], &stage, false);
        caller_send(&lists[i], list);
        stage_settle(&stage);
    }
    caller_close(&lists[1]);
    stage_pass_ms(&stage, HOUR_MS);
    assert_non_null(stage.front.http->turns.first);
    assert_int_equal(http_questions(stage.front.http), 0);
    go_on(&stage);
    expect_left(&waits, 9);
    expect_left(&lists[0], 9);
    expect_left(&lists[2], 8);
    assert_null(stage.front.http->turns.first);
    assert_int_equal(stage_left(&stage, "list"), 8);
    stage_close(&stage);
    caller_close(&waits), caller_close(&lists[0]), caller_close(&lists[2]);
}

static void answers_just_in_time_are_no_stall(void **state)
{
    (void)state;
    struct stage stage;
    struct caller caller;
    stage_open(&stage, STAGE_TEST, ROOM);
    caller_connect(&caller, &stage, false);
    stage.answers_after_ms = FRONT_STALL_MS - 1;
    ask(&stage, &caller, "/allow?key=a");
    expect_left(&caller, 9);
    assert_false(stage.front.is_stalled);
    ask(&stage, &caller, "/healthz");
    assert_int_equal(caller_reply(&caller), 200);
    assert_true(caller_is_told(&caller, "\"state_answered_ms\":999}"));
    stage_close(&stage);
    caller_close(&caller);
}

/* ---- clients that leave meanwhile ---- */

static void who_leaves_before_its_letter_went_is_not_charged(void **state)
{
    (void)state;
    struct stage stage;
    struct caller away, first, middle, last;
    stage_open(&stage, STAGE_TEST, ROOM);
    hold_up_with(&stage, &away);
    connect_and_ask(&stage, &first, "/allow?key=b");
    connect_and_ask(&stage, &middle, "/allow?key=c");
    connect_and_ask(&stage, &last, "/allow?key=d");
    assert_int_equal(http_questions(stage.front.http), 3);
    caller_close(&middle);
    stage_settle(&stage);
    assert_int_equal(http_questions(stage.front.http), 2);
    caller_close(&away); /* its letter has gone */
    caller_close(&last);
    stage_settle(&stage);
    assert_int_equal(http_questions(stage.front.http), 1);
    go_on(&stage);
    expect_left(&first, 9);
    assert_int_equal(stage_left(&stage, "a"), 9);
    assert_int_equal(stage_left(&stage, "b"), 9);
    assert_int_equal(stage_left(&stage, "c"), 10);
    assert_int_equal(stage_left(&stage, "d"), 10);
    caller_close(&first);
    stage_settle(&stage);
    assert_int_equal(http_connections(stage.front.http), 0);
    stage_close(&stage);
}

/* ---- a drain meanwhile ---- */

static void told_to_end_in_a_stall_it_answers_once_it_can(void **state)
{
    (void)state;
    struct stage stage;
    struct caller away, written, health;
    stage_open(&stage, STAGE_TEST, ROOM);
    hold_up_with(&stage, &away);
    connect_and_ask(&stage, &written, "/allow?key=b");
    caller_connect(&health, &stage, false);
    stage_drain(&stage);
    stage_pass_ms(&stage, FRONT_DRAIN_GRACE_MS - 1);
    ask(&stage, &health, "/healthz");
    expect_red(&health, FRONT_STALL_MS + FRONT_DRAIN_GRACE_MS - 1);
    stage_pass_ms(&stage, FRONT_DRAIN_MS - FRONT_DRAIN_GRACE_MS);
    go_on(&stage);
    expect_left(&away, 9);
    assert_true(caller_is_told(&away, "Connection: close"));
    expect_left(&written, 9);
    assert_true(caller_is_told(&written, "Connection: close"));
    caller_close(&away), caller_close(&written), caller_close(&health);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
}

static void a_stall_longer_than_a_drain_ends_with_the_letters_home(void **state)
{
    (void)state;
    struct stage stage;
    struct caller away, written;
    stage_open(&stage, STAGE_TEST, ROOM);
    hold_up_with(&stage, &away);
    connect_and_ask(&stage, &written, "/allow?key=b");
    stage_drain(&stage);
    stage_pass_ms(&stage, FRONT_DRAIN_MS);
    assert_int_equal(stage.front.phase, FRONT_CLOSED);
    assert_int_equal(caller_reply(&away), REPLY_END);
    assert_int_equal(caller_reply(&written), REPLY_END);
    assert_int_equal(http_letters_away(stage.front.http), 2); /* one, and the report */
    stage.turns = 0;
    stage_pass_ms(&stage, HOUR_MS);
    assert_in_range(stage.turns, 0, 2);
    go_on(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    assert_int_equal(stage_left(&stage, "a"), 9);
    assert_int_equal(stage_left(&stage, "b"), 10);
    stage_close(&stage);
    caller_close(&away), caller_close(&written);
}

/* ---- over and over ---- */

static void counters_are_told_once_through_stalls(void **state)
{
    (void)state;
    struct stage stage;
    struct caller caller, admin;
    stage_open(&stage, STAGE_TEST, ROOM);
    caller_connect(&caller, &stage, false);
    for (unsigned i = 0; i < STAGE_BURST; i++) {
        hold_up(&stage);
        ask(&stage, &caller, "/allow?key=a");
        stage_pass_ms(&stage, 777);
        go_on(&stage);
        expect_left(&caller, STAGE_BURST - 1 - i);
    }
    caller_connect(&admin, &stage, true);
    ask(&stage, &admin, "/metrics");
    assert_int_equal(caller_reply(&admin), 200);
    assert_true(
        caller_is_told(&admin, "\nallowd_requests_total{route=\"/allow\",status=\"200\"} 10\n"));
    assert_true(caller_is_told(&admin, "\nallowd_connections 2\n"));
    stage_close(&stage);
    caller_close(&caller), caller_close(&admin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_is_red_from_a_second_on),
        cmocka_unit_test(health_that_was_asked_before_is_red_too),
        cmocka_unit_test(faults_are_told_at_once),
        cmocka_unit_test(a_red_answer_is_the_last_on_its_connection),
        cmocka_unit_test(health_behind_a_request_that_waits_is_answered_after_it),
        cmocka_unit_test(what_is_asked_meanwhile_goes_later_and_is_charged_once),
        cmocka_unit_test(answers_that_are_home_are_sent_though_the_report_is_late),
        cmocka_unit_test(nothing_is_done_in_a_stall),
        cmocka_unit_test(lists_wait_for_their_turns),
        cmocka_unit_test(answers_just_in_time_are_no_stall),
        cmocka_unit_test(who_leaves_before_its_letter_went_is_not_charged),
        cmocka_unit_test(told_to_end_in_a_stall_it_answers_once_it_can),
        cmocka_unit_test(a_stall_longer_than_a_drain_ends_with_the_letters_home),
        cmocka_unit_test(counters_are_told_once_through_stalls),
    };
    return cmocka_run_group_tests_name("stalls", tests, NULL, NULL);
}
