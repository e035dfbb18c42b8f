/*
 * Clients that wait for their tokens: how they are answered, how they leave, and what becomes of
 * them in a stall, in a drain and in a front-end that goes. The test is the decider: who has tokens,
 * and when, is no matter here.
 */
#include "brain/core.h"
#include "http/wire/parts.h"
#include "support/front_fixture.h"

#include <stdio.h>
#include <string.h>

enum { ROOM = 8, HOUR_MS = 3600 * 1000 };

/* ---- helpers ---- */

static void open_waiting(struct stage *stage, enum stage_decider who, unsigned connections_max)
{
    stage_open(stage, who, connections_max);
    stage_park(stage, MESSAGE_ALLOW);
}

static void send_wait(struct caller *caller, const char *key)
{
    char target[64];
    snprintf(target, sizeof target, "/allow?key=%s&wait=1h", key);
    caller_get(caller, target);
}

/* Whether it waits then, or is told otherwise, is left to the test. */
static void connect_and_send_wait(struct caller *caller, struct stage *stage, const char *key)
{
    caller_connect(caller, stage, false);
    send_wait(caller, key);
    stage_settle(stage);
}

static void connect_and_wait(struct caller *caller, struct stage *stage, const char *key)
{
    connect_and_send_wait(caller, stage, key);
    stage_find_parked(stage, key);
    assert_int_equal(caller_reply(caller), REPLY_NONE);
}

/* A stage on which one waits for "a". */
static void open_with_one(struct stage *stage, enum stage_decider who, unsigned connections_max,
                          struct caller *caller)
{
    open_waiting(stage, who, connections_max);
    connect_and_wait(caller, stage, "a");
}

/* A stage on which so many do. */
static void open_with_crowd(struct stage *stage, enum stage_decider who, struct caller *callers,
                            size_t count)
{
    open_waiting(stage, who, ROOM);
    for (size_t i = 0; i < count; i++)
        connect_and_wait(&callers[i], stage, "a");
}

static void expect_allowed(struct caller *caller, const char *key)
{
    char text[64];
    assert_int_equal(caller_reply(caller), 200);
    snprintf(text, sizeof text, "\"key\":\"%s\"", key);
    assert_true(caller_is_told(caller, text));
}

static void expect_sent_away(struct caller *caller)
{
    assert_int_equal(caller_reply(caller), 503);
    assert_true(caller_is_told(caller, "draining: allowd is about to end, so nobody waits"));
    assert_true(caller_is_told(caller, "Connection: close"));
    assert_false(caller_is_told(caller, "Retry-After"));
}

/* Nobody is connected, and no letter is away; these keys have all their tokens. */
static void expect_nothing_left(struct stage *stage, const char *const *keys, size_t count)
{
    assert_int_equal(stage->parked_count, 0);
    assert_int_equal(http_letters_away(stage->front.http), 0);
    assert_int_equal(http_connections(stage->front.http), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(stage_left(stage, keys[i]), STAGE_BURST);
}

static void expect_nobody_charged(struct stage *stage, const char *key)
{
    expect_nothing_left(stage, &key, 1);
}

/* Closes a stage on which "a" has all its tokens. */
static void close_uncharged(struct stage *stage)
{
    expect_nobody_charged(stage, "a");
    stage_close(stage);
}

/* ---- who stays ---- */

/* Neither the reply's time nor the idle one runs meanwhile, and both do again behind it. */
static void who_waits_for_long_is_answered_and_asks_again(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with_one(&stage, who, ROOM, &caller);
    for (unsigned i = 0; i < 3; i++) {
        stage_pass_ms(&stage, HOUR_MS);
        assert_int_equal(stage.leaves, 0);
        assert_int_equal(caller_reply(&caller), REPLY_NONE);
        stage_release(&stage, "a");
        expect_allowed(&caller, "a");
        stage_pass_ms(&stage, STAGE_IDLE_TIMEOUT_S * 1000 - 1);
        send_wait(&caller, "a");
        stage_settle(&stage);
    }
    stage_release(&stage, "a");
    expect_allowed(&caller, "a");
    stage_pass_ms(&stage, HOUR_MS);
    assert_int_equal(caller_reply(&caller), REPLY_END);
    stage_close(&stage);
    caller_close(&caller);
}

static void nothing_is_done_while_they_wait(enum stage_decider who)
{
    struct stage stage;
    struct caller callers[ROOM];
    open_with_crowd(&stage, who, callers, LENGTH(callers));
    stage_pass_ms(&stage, 20000); /* what was counted has been told by then */
    stage.turns = 0;
    stage_pass_ms(&stage, HOUR_MS);
    assert_in_range(stage.turns, 0, 2);
    while (stage.parked_count > 0)
        stage_release(&stage, "a");
    for (size_t i = 0; i < LENGTH(callers); i++) {
        expect_allowed(&callers[i], "a");
        caller_close(&callers[i]);
    }
    stage_close(&stage);
}

static void those_who_are_let_go_together_are_answered_in_one_turn(enum stage_decider who)
{
    struct stage stage;
    struct caller callers[ROOM];
    open_with_crowd(&stage, who, callers, LENGTH(callers));
    stage_pass_ms(&stage, 20000);
    for (unsigned i = 0; i < LENGTH(callers) - 1; i++) {
        stage_answer(&stage, "a");
        stage_send_home(&stage, "a");
    }
    stage.turns = 0;
    front_turn(&stage.front, 0);
    unsigned answered = 0;
    for (size_t i = 0; i < LENGTH(callers); i++)
        answered += caller_reply(&callers[i]) == 200;
    assert_int_equal(answered, LENGTH(callers) - 1);
    stage_release(&stage, "a");
    stage_close(&stage);
    for (size_t i = 0; i < LENGTH(callers); i++)
        caller_close(&callers[i]);
}

/* ---- who leaves ---- */

static void close_it(struct caller *caller)
{
    caller_close(caller);
}

static void half_close_it(struct caller *caller)
{
    caller_half_close(caller);
}

/* What is behind the request does not hide the end, and does not run. */
static void pipeline_and_close_it(struct caller *caller)
{
    caller_get(caller, "/allow?key=behind");
    caller_get(caller, "/allow?key=behind");
    caller_close(caller);
}

static void pipeline_and_half_close_it(struct caller *caller)
{
    caller_get(caller, "/allow?key=behind");
    caller_half_close(caller);
}

static void (*const ends[])(struct caller *caller) = {
    close_it, half_close_it, pipeline_and_close_it, pipeline_and_half_close_it};

static bool is_half_open(size_t i)
{
    return ends[i] == half_close_it || ends[i] == pipeline_and_half_close_it;
}

/* If its half is still open, it is told of the end. */
static void expect_ended(size_t i, struct caller *caller)
{
    if (!is_half_open(i))
        return;
    assert_int_equal(caller_reply(caller), REPLY_END);
    caller_close(caller);
}

static const char *const keys[] = {"a", "behind"};

static void who_leaves_while_it_waits_is_taken_out(enum stage_decider who)
{
    for (size_t i = 0; i < LENGTH(ends); i++) {
        struct stage stage;
        struct caller leaves, stays;
        open_with_one(&stage, who, ROOM, &leaves);
        connect_and_wait(&stays, &stage, "b");
        stage_pass_ms(&stage, HOUR_MS);
        ends[i](&leaves);
        stage_settle(&stage);
        assert_int_equal(stage.leaves, 1);
        assert_int_equal(stage.parked_count, 1);
        stage_release(&stage, "b");
        expect_allowed(&stays, "b");
        caller_close(&stays);
        expect_ended(i, &leaves);
        stage_pass_ms(&stage, LEAVING_MS);
        expect_nothing_left(&stage, keys, LENGTH(keys));
        stage_close(&stage);
    }
}

/* It has gone before allowd has even read what it asks. */
static void who_left_before_it_waits_is_taken_out(enum stage_decider who)
{
    for (size_t i = 0; i < LENGTH(ends); i++) {
        struct stage stage;
        struct caller caller;
        open_waiting(&stage, who, ROOM);
        caller_connect(&caller, &stage, false);
        send_wait(&caller, "a");
        ends[i](&caller);
        stage_settle(&stage);
        stage_pass_ms(&stage, LEAVING_MS);
        expect_ended(i, &caller);
        expect_nothing_left(&stage, keys, LENGTH(keys));
        stage_close(&stage);
    }
}

#define BEHIND "GET /allow?key=behind&tokens=0 HTTP/1.1\r\nHost: a\r\n\r\n"

/* So many requests in one piece; of small ones a socket does not hold many bytes. */
static void pipeline(struct caller *caller, size_t count)
{
    static char bytes[BEHIND_MAX + sizeof BEHIND];
    bytes[0] = '\0';
    for (size_t i = 0; i < count; i++)
        memcpy(bytes + i * strlen(BEHIND), BEHIND, sizeof BEHIND);
    caller_send(caller, bytes);
}

/* What would hide the end is taken for it, and what would not is not. */
static void who_sends_too_much_behind_is_taken_out(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with_one(&stage, who, ROOM, &caller);
    pipeline(&caller, BEHIND_MAX / strlen(BEHIND));
    stage_settle(&stage);
    assert_int_equal(stage.leaves, 0);
    assert_int_equal(caller_reply(&caller), REPLY_NONE);
    pipeline(&caller, 1);
    stage_settle(&stage);
    assert_int_equal(stage.leaves, 1);
    assert_int_equal(caller_reply(&caller), REPLY_END);
    caller_close(&caller);
    stage_pass_ms(&stage, LEAVING_MS);
    expect_nothing_left(&stage, keys, LENGTH(keys));
    stage_close(&stage);
}

/* Once it is answered, all that is behind is served, and more may come. */
static void what_is_behind_is_served_once_it_is_answered(enum stage_decider who)
{
    enum { COUNT = 20, TIMES = 3 * BEHIND_MAX / sizeof BEHIND / COUNT };
    struct stage stage;
    struct caller caller;
    open_with_one(&stage, who, ROOM, &caller);
    pipeline(&caller, COUNT);
    stage_settle(&stage);
    stage.parks = false;
    stage_release(&stage, "a");
    expect_allowed(&caller, "a");
    for (unsigned i = 0; i < TIMES * COUNT; i++) {
        expect_allowed(&caller, "behind");
        if (i % COUNT == COUNT - 1) {
            pipeline(&caller, COUNT);
            stage_settle(&stage);
        }
    }
    assert_int_equal(stage.leaves, 0);
    caller_close(&caller);
    stage_pass_ms(&stage, LEAVING_MS);
    stage_close(&stage);
}

/* Then it does not have to wait, and a caller that has sent its last byte can be answered. */
static void who_has_half_closed_is_answered_if_there_are_tokens(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    stage_open(&stage, who, ROOM);
    caller_connect(&caller, &stage, false);
    send_wait(&caller, "a");
    caller_half_close(&caller);
    stage_settle(&stage);
    expect_allowed(&caller, "a");
    assert_int_equal(caller_reply(&caller), REPLY_END);
    assert_int_equal(stage.leaves, 0);
    caller_close(&caller);
    stage_pass_ms(&stage, LEAVING_MS);
    stage_close(&stage);
}

/* Its place is given away only once both of its letters are home, whichever comes first. */
static void the_place_of_one_that_left_is_kept_for_both_letters(enum stage_decider who)
{
    struct stage stage;
    struct caller leaves, stays, other;
    open_with_one(&stage, who, 2, &leaves);
    const struct client *client = client_of(stage.parked[0]);
    stage.keeps_leaves = true;
    caller_close(&leaves);
    stage_settle(&stage);
    assert_int_equal(stage.leaves, 1);
    assert_int_equal(client->state, CLIENT_GONE);
    assert_int_equal(client->letters_away, 1);
    assert_string_equal(client->exchange->request.key, "a");

    connect_and_wait(&stays, &stage, "b");
    assert_false(http_has_room(stage.front.http));
    caller_connect_to(&other, &stage.listeners[0]);
    stage_settle(&stage);
    assert_int_equal(caller_reply(&other), 503);
    assert_string_equal(client->exchange->request.key, "a");

    stage_release_leaves(&stage);
    assert_int_equal(client->state, CLIENT_NONE);
    assert_true(http_has_room(stage.front.http));
    stage_release(&stage, "b");
    expect_allowed(&stays, "b");
    caller_close(&stays), caller_close(&other);
    stage_pass_ms(&stage, LEAVING_MS);
    close_uncharged(&stage);
}

/* It was let go just as it left: it is charged, and nothing is told twice or lost. */
static void who_is_let_go_as_it_leaves_is_charged(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with_one(&stage, who, 1, &caller);
    stage_answer(&stage, "a");
    stage_send_home(&stage, "a");
    caller_close(&caller);
    stage_settle(&stage);
    assert_int_equal(stage.leaves, 1);
    assert_int_equal(http_letters_away(stage.front.http), 0);
    assert_true(http_has_room(stage.front.http));
    assert_int_equal(stage_left(&stage, "a"), STAGE_BURST - 1);
    connect_and_wait(&caller, &stage, "b");
    stage_release(&stage, "b");
    expect_allowed(&caller, "b");
    stage_close(&stage);
    caller_close(&caller);
}

static void all_can_leave_in_one_turn(enum stage_decider who)
{
    struct stage stage;
    struct caller callers[ROOM];
    open_with_crowd(&stage, who, callers, LENGTH(callers));
    for (size_t i = 0; i < LENGTH(callers); i++)
        caller_close(&callers[i]);
    stage_settle(&stage);
    assert_int_equal(stage.leaves, ROOM);
    close_uncharged(&stage);
}

/* ---- stalls ---- */

/* From the next turn on: a question of `asks` takes the report along, which does not come home. */
static void begin_stall(struct stage *stage, struct caller *asks)
{
    stage->keeps_report = true;
    caller_connect(asks, stage, true);
    caller_get(asks, "/status?key=a");
}

static void who_leaves_in_a_stall_is_taken_out(enum stage_decider who)
{
    struct stage stage;
    struct caller waits, asks, late, other;
    open_with_one(&stage, who, ROOM, &waits);
    begin_stall(&stage, &asks);
    connect_and_send_wait(&late, &stage, "late"); /* it is with the decider, or goes there later */
    assert_true(stage.front.is_stalled);
    connect_and_send_wait(&other, &stage, "other");
    assert_int_equal(caller_reply(&other), REPLY_NONE);
    caller_close(&waits), caller_close(&late), caller_close(&other);
    stage_settle(&stage);
    stage_release_report(&stage);
    assert_false(stage.front.is_stalled);
    assert_int_equal(stage.parked_count, 0);
    assert_int_equal(http_letters_away(stage.front.http), 0);
    assert_int_equal(caller_reply(&asks), 200);
    caller_close(&asks);
    stage_settle(&stage);
    expect_nobody_charged(&stage, "a");
    assert_int_equal(stage_left(&stage, "late"), STAGE_BURST);
    assert_int_equal(stage_left(&stage, "other"), STAGE_BURST);
    stage_close(&stage);
}

/* Its question is late, and then waits by itself. */
static void who_asked_in_a_stall_waits_behind_it(enum stage_decider who)
{
    struct stage stage;
    struct caller waits, asks;
    open_waiting(&stage, who, ROOM);
    begin_stall(&stage, &asks);
    stage_settle(&stage);
    connect_and_send_wait(&waits, &stage, "a");
    stage_release_report(&stage);
    assert_int_equal(caller_reply(&asks), 200);
    stage_find_parked(&stage, "a");
    stage_pass_ms(&stage, HOUR_MS);
    assert_int_equal(caller_reply(&waits), REPLY_NONE);
    caller_half_close(&waits);
    stage_settle(&stage);
    assert_int_equal(caller_reply(&waits), REPLY_END);
    assert_int_equal(stage.leaves, 1);
    caller_close(&waits), caller_close(&asks);
    stage_pass_ms(&stage, LEAVING_MS);
    close_uncharged(&stage);
}

/* A question that a stall keeps from the decider, of one that has sent its last byte meanwhile. */
static void who_half_closes_before_its_late_question_goes_is_taken_out(enum stage_decider who)
{
    struct stage stage;
    struct caller waits, asks;
    open_waiting(&stage, who, ROOM);
    begin_stall(&stage, &asks);
    stage_settle(&stage);
    connect_and_send_wait(&waits, &stage, "a");
    caller_half_close(&waits);
    stage_settle(&stage);
    stage_release_report(&stage);
    assert_int_equal(stage.parked_count, 0);
    assert_int_equal(caller_reply(&waits), REPLY_END);
    caller_close(&waits), caller_close(&asks);
    stage_pass_ms(&stage, LEAVING_MS);
    close_uncharged(&stage);
}

static void a_drain_in_a_stall_sends_late_questions_away(enum stage_decider who)
{
    struct stage stage;
    struct caller waits, asks;
    open_waiting(&stage, who, ROOM);
    begin_stall(&stage, &asks);
    stage_settle(&stage);
    connect_and_send_wait(&waits, &stage, "a");
    stage_drain(&stage);
    stage_release_report(&stage);
    assert_int_equal(stage.parked_count, 0);
    expect_sent_away(&waits);
    caller_close(&waits), caller_close(&asks);
    stage_pass_ms(&stage, LEAVING_MS);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    close_uncharged(&stage);
}

/* ---- ends ---- */

static void in_a_drain_all_are_sent_away(enum stage_decider who)
{
    struct stage stage;
    struct caller callers[3], kept;
    open_with_crowd(&stage, who, callers, LENGTH(callers));
    caller_connect(&kept, &stage, false);
    stage_drain(&stage);
    assert_int_equal(stage_now_ms(&stage), 0);
    for (size_t i = 0; i < LENGTH(callers); i++) {
        expect_sent_away(&callers[i]);
        caller_close(&callers[i]);
    }
    send_wait(&kept, "a"); /* who comes now does not wait either */
    stage_settle(&stage);
    expect_sent_away(&kept);
    caller_close(&kept);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    assert_int_equal(stage.leaves, LENGTH(callers) + 1);
    close_uncharged(&stage);
}

static void who_leaves_in_a_drain_is_taken_out_once(enum stage_decider who)
{
    struct stage stage;
    struct caller closes, half_closes;
    open_with_one(&stage, who, ROOM, &closes);
    connect_and_wait(&half_closes, &stage, "a");
    stage.keeps_leaves = true;
    stage_drain(&stage);
    caller_close(&closes);
    caller_half_close(&half_closes);
    stage_settle(&stage);
    assert_int_equal(stage.leaves, 2);
    assert_int_equal(caller_reply(&half_closes), REPLY_NONE);
    stage_release_leaves(&stage);
    expect_sent_away(&half_closes);
    caller_close(&half_closes);
    stage_pass_ms(&stage, LEAVING_MS);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    close_uncharged(&stage);
}

static void who_is_let_go_as_a_drain_begins_is_answered(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with_one(&stage, who, ROOM, &caller);
    stage_answer(&stage, "a");
    stage_send_home(&stage, "a");
    http_end_waits(stage.front.http); /* before the letter is taken out */
    stage_drain(&stage);
    expect_allowed(&caller, "a");
    caller_close(&caller);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    assert_int_equal(stage_left(&stage, "a"), STAGE_BURST - 1);
    stage_close(&stage);
}

/* The decider does not answer until its deadline has passed. */
static void a_drain_that_ends_with_letters_away_waits_for_them(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with_one(&stage, who, ROOM, &caller);
    stage.keeps_leaves = true;
    stage_drain(&stage);
    stage_pass_ms(&stage, FRONT_DRAIN_MS);
    assert_int_equal(stage.front.phase, FRONT_CLOSED);
    assert_int_equal(caller_reply(&caller), REPLY_END);
    stage_release_leaves(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    close_uncharged(&stage);
    caller_close(&caller);
}

/* Those who wait are told of it even if the engine is closed under them. */
static void the_engine_may_be_closed_under_them(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with_one(&stage, who, ROOM, &caller);
    http_close(stage.front.http);
    stage.front.phase = FRONT_CLOSED;
    stage_settle(&stage);
    assert_int_equal(stage.leaves, 1);
    assert_int_equal(caller_reply(&caller), REPLY_END);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    close_uncharged(&stage);
    caller_close(&caller);
}

static void one_that_goes_keeps_those_who_wait(enum stage_decider who)
{
    struct stage stage;
    struct caller stays, leaves;
    open_with_one(&stage, who, ROOM, &stays);
    connect_and_wait(&leaves, &stage, "b");
    front_go(&stage.front);
    stage_settle(&stage);
    stage_pass_ms(&stage, HOUR_MS);
    assert_int_equal(stage.leaves, 0);
    assert_int_equal(stage.front.phase, FRONT_GOING);
    caller_close(&leaves);
    stage_settle(&stage);
    assert_int_equal(stage.leaves, 1);
    stage_release(&stage, "a");
    expect_allowed(&stays, "a");
    assert_true(caller_is_told(&stays, "Connection: close"));
    caller_close(&stays);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    expect_nobody_charged(&stage, "b");
    stage_close(&stage);
}

static void one_that_goes_sends_them_away_in_a_drain(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with_one(&stage, who, ROOM, &caller);
    front_go(&stage.front);
    stage_settle(&stage);
    stage_drain(&stage);
    expect_sent_away(&caller);
    caller_close(&caller);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    close_uncharged(&stage);
}

/* ---- leases ---- */

/* A stage for one connection, whose question is parked, even if it would not wait; then nothing tells that
 * its client leaves. */
static void open_with_question(struct stage *stage, enum stage_decider who, struct caller *caller,
                               const char *target)
{
    open_waiting(stage, who, 1);
    caller_connect(caller, stage, false);
    caller_get(caller, target);
    stage_settle(stage);
}

/* Makes the parked question of "a" one for a lease, which is granted. */
static void grant(struct stage *stage)
{
    struct message *message = message_of(stage->parked[stage_find_parked(stage, "a")]);
    stage_answer(stage, "a");
    message->kind = MESSAGE_ACQUIRE;
    message->ask.acquire.id.bytes[0] = 42;
    message->ask.acquire.id.bytes[LEASE_ID_BYTES - 1] = 24;
}

static void grant_home(struct stage *stage)
{
    grant(stage);
    stage_send_home(stage, "a");
}

static void expect_released(const struct stage *stage)
{
    const struct lease_question *ask = &stage->released->ask.lease;
    assert_int_equal(stage->releases, 1);
    assert_int_equal(ask->id.bytes[0], 42);
    assert_int_equal(ask->id.bytes[LEASE_ID_BYTES - 1], 24);
    assert_true(ask->has_used);
    assert_int_equal(ask->used_tokens, 0);
    assert_int_equal(http_letters_away(stage->front.http), 0);
    assert_int_equal(http_connections(stage->front.http), 0);
}

static void a_lease_of_one_that_has_gone_is_given_back(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with_question(&stage, who, &caller, "/allow?key=a");
    caller_close(&caller);
    stage_settle(&stage);
    grant_home(&stage);
    stage_settle(&stage);
    assert_int_equal(stage.leaves, 0);
    expect_released(&stage);
    assert_true(http_has_room(stage.front.http));
    stage_close(&stage);
}

static void a_lease_granted_as_its_client_leaves_is_given_back(enum stage_decider who)
{
    static const char *const targets[] = {"/allow?key=a", "/allow?key=a&wait=1h"};
    for (size_t i = 0; i < LENGTH(targets); i++) {
        struct stage stage;
        struct caller caller;
        open_with_question(&stage, who, &caller, targets[i]);
        grant_home(&stage);
        caller_close(&caller);
        stage_settle(&stage);
        assert_int_equal(stage.leaves, i);
        expect_released(&stage);
        assert_true(http_has_room(stage.front.http));
        stage_close(&stage);
    }
}

/* Its letter is home, and then it goes, in a turn that has looked at all that had happened before. */
static void a_lease_is_not_told_to_one_that_has_gone_since_it_came_home(enum stage_decider who)
{
    for (size_t i = 0; i < LENGTH(ends); i++) {
        struct stage stage;
        struct caller caller;
        open_with_one(&stage, who, 1, &caller);
        grant(&stage);
        message_of(stage.parked[0])->answer.bucket.has_waited = true;
        stage_send_home(&stage, "a");
        assert_true(http_take_home(stage.front.http, inbox_take(&stage.front.home, 0), 0));
        ends[i](&caller);
        http_run(stage.front.http);
        stage_settle(&stage);
        assert_int_equal(stage.leaves, 0);
        expect_released(&stage);
        expect_ended(i, &caller);
        stage_close(&stage);
    }
}

static void what_was_denied_is_not_given_back(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with_question(&stage, who, &caller, "/allow?key=a&tokens=11");
    caller_close(&caller);
    stage_settle(&stage);
    grant_home(&stage); /* above the burst, so it is not */
    stage_settle(&stage);
    assert_int_equal(stage.releases, 0);
    assert_true(http_has_room(stage.front.http));
    stage_close(&stage);
}

static void who_left_before_its_lease_has_none_to_give_back(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with_one(&stage, who, 1, &caller);
    message_of(stage.parked[0])->kind = MESSAGE_ACQUIRE;
    message_of(stage.parked[0])->answer.bucket.limit = NULL; /* what left has none */
    caller_close(&caller);
    stage_settle(&stage);
    assert_int_equal(stage.leaves, 1);
    assert_int_equal(stage.releases, 0);
    close_uncharged(&stage);
}

/* The connections are closed at the drain's deadline, before the letter is home. */
static void a_lease_that_comes_home_behind_the_end_is_given_back(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with_question(&stage, who, &caller, "/allow?key=a");
    stage_drain(&stage);
    stage_pass_ms(&stage, FRONT_DRAIN_MS);
    assert_int_equal(stage.front.phase, FRONT_CLOSED);
    grant_home(&stage);
    stage_settle(&stage);
    expect_released(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
    caller_close(&caller);
}

/* ---- each with both ---- */

#define TESTS(TEST)                                                                                \
    TEST(who_waits_for_long_is_answered_and_asks_again)                                            \
    TEST(nothing_is_done_while_they_wait)                                                          \
    TEST(those_who_are_let_go_together_are_answered_in_one_turn)                                   \
    TEST(who_leaves_while_it_waits_is_taken_out)                                                   \
    TEST(who_left_before_it_waits_is_taken_out)                                                    \
    TEST(who_sends_too_much_behind_is_taken_out)                                                   \
    TEST(what_is_behind_is_served_once_it_is_answered)                                             \
    TEST(who_has_half_closed_is_answered_if_there_are_tokens)                                      \
    TEST(the_place_of_one_that_left_is_kept_for_both_letters)                                      \
    TEST(who_is_let_go_as_it_leaves_is_charged)                                                    \
    TEST(all_can_leave_in_one_turn)                                                                \
    TEST(in_a_drain_all_are_sent_away)                                                             \
    TEST(who_leaves_in_a_drain_is_taken_out_once)                                                  \
    TEST(who_is_let_go_as_a_drain_begins_is_answered)                                              \
    TEST(a_drain_that_ends_with_letters_away_waits_for_them)                                       \
    TEST(the_engine_may_be_closed_under_them)                                                      \
    TEST(one_that_goes_keeps_those_who_wait)                                                       \
    TEST(one_that_goes_sends_them_away_in_a_drain)                                                 \
    TEST(a_lease_of_one_that_has_gone_is_given_back)                                               \
    TEST(a_lease_granted_as_its_client_leaves_is_given_back)                                       \
    TEST(who_left_before_its_lease_has_none_to_give_back)                                          \
    TEST(a_lease_is_not_told_to_one_that_has_gone_since_it_came_home)                              \
    TEST(what_was_denied_is_not_given_back)                                                        \
    TEST(a_lease_that_comes_home_behind_the_end_is_given_back)

/* In place no report is waited for. */
#define STALLS(TEST)                                                                               \
    TEST(who_leaves_in_a_stall_is_taken_out)                                                       \
    TEST(who_asked_in_a_stall_waits_behind_it)                                                     \
    TEST(who_half_closes_before_its_late_question_goes_is_taken_out)                               \
    TEST(a_drain_in_a_stall_sends_late_questions_away)

TESTS(BESIDE)
TESTS(IN_PLACE)
STALLS(BESIDE)

int main(void)
{
    const struct CMUnitTest tests[] = {TESTS(TWO) STALLS(ONE)};
    return cmocka_run_group_tests_name("waiting clients", tests, NULL, NULL);
}
