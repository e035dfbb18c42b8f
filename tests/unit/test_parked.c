/*
 * Parked letters: answers that come home late, one by one and in any order, while clients leave,
 * limits change and the daemon drains. The test is the decider; and the main thread, for reloads.
 */
#include "actor/reload.h"
#include "brain/core.h"
#include "http/wire/parts.h"
#include "support/front_fixture.h"

#include <stdio.h>
#include <string.h>

enum { ROOM = 8, HOUR_MS = 3600 * 1000 };

/* ---- helpers ---- */

static void ask_for(struct caller *caller, struct stage *stage, const char *key)
{
    char target[64];
    snprintf(target, sizeof target, "/allow?key=%s", key);
    caller_get(caller, target);
    stage_settle(stage);
}

/* A caller whose question is parked. */
static void connect_and_park(struct caller *caller, struct stage *stage, const char *key)
{
    caller_connect(caller, stage, false);
    ask_for(caller, stage, key);
    stage_find_parked(stage, key);
    assert_int_equal(caller_reply(caller), REPLY_NONE);
}

static void expect_allowed(struct caller *caller, const char *key, unsigned left)
{
    char text[64];
    assert_int_equal(caller_reply(caller), 200);
    snprintf(text, sizeof text, "\"key\":\"%s\"", key);
    assert_true(caller_is_told(caller, text));
    snprintf(text, sizeof text, "\"remaining\":%u,", left);
    assert_true(caller_is_told(caller, text));
}

static void open_parking(struct stage *stage, enum stage_decider who)
{
    stage_open(stage, who, ROOM);
    stage_park(stage, MESSAGE_ALLOW);
}

/* ---- clients that stay ---- */

static void answers_come_home_in_any_order(enum stage_decider who)
{
    static const char *const keys[] = {"a", "b", "c", "d", "e"};
    static const unsigned order[] = {3, 0, 4, 1, 2};
    struct stage stage;
    struct caller callers[LENGTH(keys)];
    open_parking(&stage, who);
    for (size_t i = 0; i < LENGTH(keys); i++)
        connect_and_park(&callers[i], &stage, keys[i]);
    for (size_t i = 0; i < LENGTH(order); i++) {
        unsigned now = order[i];
        stage_pass_ms(&stage, HOUR_MS); /* no deadline is running while a letter is away */
        stage_release(&stage, keys[now]);
        expect_allowed(&callers[now], keys[now], 9);
        for (size_t j = i + 1; j < LENGTH(order); j++)
            assert_int_equal(caller_reply(&callers[order[j]]), REPLY_NONE);
    }
    for (size_t i = 0; i < LENGTH(keys); i++) {
        assert_int_equal(stage_left(&stage, keys[i]), 9);
        caller_close(&callers[i]);
    }
    stage_settle(&stage);
    stage_close(&stage);
}

static void several_come_home_in_one_turn(enum stage_decider who)
{
    struct stage stage;
    struct caller a, b, c;
    open_parking(&stage, who);
    connect_and_park(&a, &stage, "a");
    connect_and_park(&b, &stage, "b");
    connect_and_park(&c, &stage, "c");
    stage_answer(&stage, "c");
    stage_answer(&stage, "a");
    stage_send_home(&stage, "a");
    stage_send_home(&stage, "c");
    stage_settle(&stage);
    expect_allowed(&a, "a", 9);
    expect_allowed(&c, "c", 9);
    assert_int_equal(caller_reply(&b), REPLY_NONE);
    stage_release(&stage, "b");
    expect_allowed(&b, "b", 9);
    stage_close(&stage);
    caller_close(&a), caller_close(&b), caller_close(&c);
}

static void others_are_served_meanwhile(enum stage_decider who)
{
    struct stage stage;
    struct caller waits, other;
    open_parking(&stage, who);
    connect_and_park(&waits, &stage, "late");
    caller_connect(&other, &stage, true);
    for (unsigned i = 0; i < 100; i++) {
        caller_get(&other, "/status?key=late");
        stage_settle(&stage);
        assert_int_equal(caller_reply(&other), 200);
        assert_true(caller_is_told(&other, "\"remaining\":10"));
    }
    stage_release(&stage, "late");
    expect_allowed(&waits, "late", 9);
    stage_close(&stage);
    caller_close(&waits), caller_close(&other);
}

static void what_is_pipelined_behind_waits_for_its_turn(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_parking(&stage, who);
    connect_and_park(&caller, &stage, "first");
    ask_for(&caller, &stage, "second");
    ask_for(&caller, &stage, "third");
    assert_int_equal(stage.parked_count, 1);
    stage_release(&stage, "first");
    expect_allowed(&caller, "first", 9);
    assert_int_equal(stage.parked_count, 1);
    stage_release(&stage, "second");
    expect_allowed(&caller, "second", 9);
    stage_release(&stage, "third");
    expect_allowed(&caller, "third", 9);
    stage_close(&stage);
    caller_close(&caller);
}

static void nothing_is_done_while_a_letter_is_away(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_parking(&stage, who);
    connect_and_park(&caller, &stage, "a");
    stage_pass_ms(&stage, 10000); /* what was counted has been told by then */
    stage.turns = 0;
    stage_pass_ms(&stage, HOUR_MS);
    /* libmicrohttpd's timeout of a minute, by its own clock, is all that wakes it. */
    assert_in_range(stage.turns, 0, 2 * HOUR_MS / 1000 / STAGE_IDLE_TIMEOUT_S + 4);
    stage_release(&stage, "a");
    expect_allowed(&caller, "a", 9);
    stage_close(&stage);
    caller_close(&caller);
}

/* ---- clients that leave ---- */

/* With something unread, the other side sees a reset. */
static void reset(struct caller *caller, struct stage *stage)
{
    (void)stage;
    caller_close(caller);
}

static void leave(struct caller *caller, struct stage *stage)
{
    assert_int_equal(caller_reply(caller), 200);
    (void)stage;
    caller_close(caller);
}

/* Two requests are sent, of which the first is answered; the reply is read or not before it
 * goes. Its letter comes home all the same, and its place is not anybody's before. */
static void expect_place_is_kept(enum stage_decider who,
                                 void (*go)(struct caller *caller, struct stage *stage))
{
    struct stage stage;
    struct caller gone, stays, other;
    stage_open(&stage, who, 2);
    caller_connect(&gone, &stage, false);
    caller_get(&gone, "/healthz");
    stage_settle(&stage);
    stage_park(&stage, MESSAGE_ALLOW);
    ask_for(&gone, &stage, "gone");
    const struct client *client = client_of(stage.parked[0]);
    go(&gone, &stage);
    stage_settle(&stage);
    assert_int_equal(client->state, CLIENT_GONE);
    assert_string_equal(client->exchange->request.key, "gone");

    connect_and_park(&stays, &stage, "stays");
    assert_ptr_not_equal(client_of(stage.parked[1]), client);
    assert_false(http_has_room(stage.front.http));
    caller_connect_to(&other, &stage.listeners[0]);
    stage_settle(&stage);
    assert_int_equal(caller_reply(&other), 503);
    assert_true(caller_is_told(&other, "no room for another connection"));
    assert_string_equal(client->exchange->request.key, "gone");

    stage_release(&stage, "gone");
    assert_int_equal(client->state, CLIENT_NONE);
    assert_true(http_has_room(stage.front.http));
    assert_int_equal(stage_left(&stage, "gone"), 9); /* charged once, as it was granted */
    stage_release(&stage, "stays");
    expect_allowed(&stays, "stays", 9);
    stage_close(&stage);
    caller_close(&stays), caller_close(&other);
}

static void the_place_of_one_that_closed_is_kept_for_its_letter(enum stage_decider who)
{
    expect_place_is_kept(who, leave);
}

static void the_place_of_one_that_was_reset_is_kept_for_its_letter(enum stage_decider who)
{
    expect_place_is_kept(who, reset);
}

static void whoever_gets_the_place_pays_for_itself(enum stage_decider who)
{
    struct stage stage;
    struct caller callers[2];
    stage_open(&stage, who, 1);
    stage_park(&stage, MESSAGE_ALLOW);
    for (unsigned i = 0; i < STAGE_BURST; i++) {
        connect_and_park(&callers[0], &stage, "old");
        ask_for(&callers[0], &stage, "behind"); /* never runs */
        caller_close(&callers[0]);
        stage_settle(&stage);
        stage_release(&stage, "old");
        connect_and_park(&callers[1], &stage, "new");
        stage_release(&stage, "new");
        expect_allowed(&callers[1], "new", STAGE_BURST - 1 - i);
        caller_close(&callers[1]);
        stage_pass_ms(&stage, LEAVING_MS);
    }
    assert_int_equal(stage_left(&stage, "old"), 0);
    assert_int_equal(stage_left(&stage, "new"), 0);
    assert_int_equal(stage_left(&stage, "behind"), STAGE_BURST);
    stage_close(&stage);
}

static void who_has_sent_its_last_byte_gets_its_answer(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_parking(&stage, who);
    connect_and_park(&caller, &stage, "a");
    caller_half_close(&caller);
    stage_pass_ms(&stage, HOUR_MS);
    assert_int_equal(caller_reply(&caller), REPLY_NONE);
    stage_release(&stage, "a");
    assert_int_equal(caller_reply(&caller), 200);
    assert_int_equal(caller_reply(&caller), REPLY_END);
    stage_pass_ms(&stage, LEAVING_MS);
    assert_int_equal(http_connections(stage.front.http), 0);
    stage_close(&stage);
    caller_close(&caller);
}

/* ---- limits that change meanwhile ---- */

static unsigned references(const struct limits *limits)
{
    return atomic_load(&limits->references);
}

static void an_answer_holds_its_limits_until_it_is_sent(enum stage_decider who)
{
    struct stage stage;
    struct caller caller, other;
    open_parking(&stage, who);
    connect_and_park(&caller, &stage, "a");
    stage_answer(&stage, "a"); /* by the old limits, and not sent yet */
    struct limits *old = limits_retain(brain_limits(stage.brain.brain));
    struct limits *new = stage_install(&stage, 77);
    stage.parks = false;
    caller_connect(&other, &stage, false);
    ask_for(&other, &stage, "b"); /* a report that comes along lets go of the old ones */
    expect_allowed(&other, "b", 76);
    /* The report's; in place there is none, for the answer is sent before anything else happens. */
    assert_int_equal(references(new), STAGE_BRAIN_HOLDS + (who == STAGE_TEST ? 1 : 0));
    unsigned held = references(old);
    stage_send_home(&stage, "a");
    stage_settle(&stage);
    expect_allowed(&caller, "a", 9);
    assert_true(caller_is_told(&caller, "\"burst\":10"));
    assert_true(caller_is_told(&caller, "q=10"));
    ask_for(&caller, &stage, "c"); /* its next request holds nothing of the one before */
    expect_allowed(&caller, "c", 76);
    assert_int_equal(references(old), held - 1);
    stage_close(&stage);
    assert_int_equal(references(old), 1);
    limits_release(old);
    caller_close(&caller), caller_close(&other);
}

static void limits_of_an_answer_that_nobody_waits_for_are_let_go(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_parking(&stage, who);
    connect_and_park(&caller, &stage, "a");
    stage_answer(&stage, "a");
    struct limits *old = limits_retain(brain_limits(stage.brain.brain));
    caller_close(&caller);
    stage_install(&stage, 77);
    stage_settle(&stage);
    unsigned held = references(old);
    stage_send_home(&stage, "a");
    stage_settle(&stage);
    assert_int_equal(references(old), held - 1);
    stage_close(&stage);
    assert_int_equal(references(old), 1);
    limits_release(old);
}

static void what_is_decided_late_is_decided_by_the_limits_then(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_parking(&stage, who);
    connect_and_park(&caller, &stage, "a");
    struct limits *new = stage_install(&stage, 77);
    stage_release(&stage, "a");
    expect_allowed(&caller, "a", 76);
    assert_int_equal(references(new), STAGE_BRAIN_HOLDS); /* once it is sent nobody needs them */
    stage_close(&stage);
    caller_close(&caller);
}

/* ---- a drain meanwhile ---- */

static void a_drain_waits_for_letters_that_come_home_in_time(enum stage_decider who)
{
    struct stage stage;
    struct caller waits, idle;
    open_parking(&stage, who);
    connect_and_park(&waits, &stage, "a");
    caller_connect(&idle, &stage, false);
    stage_drain(&stage);
    stage_pass_ms(&stage, FRONT_DRAIN_GRACE_MS - 1);
    assert_int_equal(caller_reply(&idle), REPLY_NONE);
    stage_pass_ms(&stage, 1);
    assert_int_equal(caller_reply(&idle), REPLY_END);
    stage_pass_ms(&stage, FRONT_DRAIN_MS - FRONT_DRAIN_GRACE_MS - 1);
    assert_int_equal(stage.front.phase, FRONT_DRAINING);
    stage_release(&stage, "a");
    expect_allowed(&waits, "a", 9);
    assert_true(caller_is_told(&waits, "Connection: close"));
    caller_close(&waits);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
    caller_close(&idle);
}

static void at_its_deadline_a_drain_closes_and_still_waits_for_letters(enum stage_decider who)
{
    struct stage stage;
    struct caller a, b, gone;
    open_parking(&stage, who);
    connect_and_park(&a, &stage, "a");
    connect_and_park(&b, &stage, "b");
    connect_and_park(&gone, &stage, "gone");
    caller_close(&gone);
    stage_drain(&stage);
    stage_pass_ms(&stage, FRONT_DRAIN_MS);
    assert_int_equal(stage.front.phase, FRONT_CLOSED);
    assert_int_equal(caller_reply(&a), REPLY_END);
    assert_int_equal(caller_reply(&b), REPLY_END);
    stage.turns = 0;
    stage_pass_ms(&stage, HOUR_MS);
    assert_in_range(stage.turns, 0, 2); /* nothing is due, and it knows */
    stage_release(&stage, "b");
    stage_release(&stage, "gone");
    assert_int_equal(stage.front.phase, FRONT_CLOSED);
    stage_release(&stage, "a");
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
    caller_close(&a), caller_close(&b);
}

/* It answers to the client that waits, and keeps the place of the one that left. */
static void one_that_goes_ends_when_all_letters_are_home(enum stage_decider who)
{
    struct stage stage;
    struct caller stays, leaves;
    open_parking(&stage, who);
    connect_and_park(&stays, &stage, "stays");
    connect_and_park(&leaves, &stage, "leaves");
    front_go(&stage.front);
    stage_settle(&stage);
    caller_close(&leaves);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_GOING);
    stage_answer(&stage, "stays");
    stage_send_home(&stage, "stays");
    stage_settle(&stage);
    expect_allowed(&stays, "stays", STAGE_BURST - 1);
    assert_true(caller_is_told(&stays, "Connection: close"));
    caller_close(&stays);
    stage_settle(&stage);
    stage_pass_ms(&stage, 100000);
    assert_int_equal(stage.front.phase, FRONT_GOING);
    stage_release(&stage, "leaves");
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
}

static void the_engine_may_be_closed_with_letters_away(enum stage_decider who)
{
    struct stage stage;
    struct caller a, b;
    open_parking(&stage, who);
    connect_and_park(&a, &stage, "a");
    connect_and_park(&b, &stage, "b");
    struct http *http = stage.front.http;
    http_drain(http);
    http_close_idle(http);
    stage_settle(&stage);
    assert_int_equal(http_letters_away(http), 2);
    stage_answer(&stage, "a"); /* not by the time that it closes */
    http_close(http);
    stage.front.phase = FRONT_CLOSED;
    assert_int_equal(http_letters_away(http), 2);
    assert_int_equal(caller_reply(&a), REPLY_END);
    stage_send_home(&stage, "a");
    stage_settle(&stage);
    assert_int_equal(http_letters_away(http), 1);
    stage_release(&stage, "b");
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
    caller_close(&a), caller_close(&b);
}

/* ---- reloads, which the main thread answers ---- */

static const char reload_request[] =
    "POST /reload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";

/* The letter that the main thread finds. */
static struct letter *ask_for_reload(struct caller *caller, struct stage *stage)
{
    caller_connect(caller, stage, true);
    caller_send(caller, reload_request);
    stage_settle(stage);
    struct letter *letter = inbox_take(&stage->reloads, 0);
    assert_non_null(letter);
    assert_null(letter->next);
    assert_int_equal(message_of(letter)->kind, MESSAGE_RELOAD);
    assert_int_equal(caller_reply(caller), REPLY_NONE);
    return letter;
}

static void answer_reload(struct stage *stage, struct letter *letter, enum reload_outcome outcome)
{
    struct reload_report *report = message_of(letter)->answer.reload;
    report->outcome = outcome;
    report->limits = 3;
    if (outcome == RELOAD_FAULTY) /* what it owns must be freed, whether it is told or not */
        reload_report_add(report, 4, 12, "this is wrong");
    inbox_post_one(letter->home, letter);
    stage_settle(stage);
}

static void a_reload_is_answered_late(enum stage_decider who)
{
    struct stage stage;
    struct caller caller, other;
    stage_open(&stage, who, ROOM);
    struct letter *letter = ask_for_reload(&caller, &stage);
    stage_pass_ms(&stage, HOUR_MS);
    caller_connect(&other, &stage, false);
    ask_for(&other, &stage, "a");
    expect_allowed(&other, "a", 9);
    assert_int_equal(caller_reply(&caller), REPLY_NONE);
    answer_reload(&stage, letter, RELOAD_IN_FORCE);
    assert_int_equal(caller_reply(&caller), 200);
    assert_true(caller_is_told(&caller, "{\"status\":\"reloaded\",\"limits\":3,\"warnings\":[]}"));

    caller_send(&caller, reload_request);
    stage_settle(&stage);
    answer_reload(&stage, inbox_take(&stage.reloads, 0), RELOAD_FAULTY);
    assert_int_equal(caller_reply(&caller), 422);
    assert_true(caller_is_told(&caller, "{\"line\":4,\"column\":12,\"text\":\"this is wrong\"}"));
    stage_close(&stage);
    caller_close(&caller), caller_close(&other);
}

static void a_reload_whose_client_leaves_comes_home(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    stage_open(&stage, who, ROOM);
    struct letter *letter = ask_for_reload(&caller, &stage);
    caller_close(&caller);
    stage_settle(&stage);
    assert_int_equal(client_of(letter)->state, CLIENT_GONE);
    assert_int_equal(http_connections(stage.front.http), 1);
    answer_reload(&stage, letter, RELOAD_FAULTY);
    assert_int_equal(http_connections(stage.front.http), 0);
    stage_close(&stage);
}

static void a_reload_is_refused_in_a_drain(enum stage_decider who)
{
    struct stage stage;
    struct caller waits, gone, late;
    stage_open(&stage, who, ROOM);
    struct letter *letter = ask_for_reload(&waits, &stage);
    struct letter *of_gone = ask_for_reload(&gone, &stage);
    struct letter *of_late = ask_for_reload(&late, &stage);
    caller_close(&gone);
    stage_drain(&stage);
    stage_pass_ms(&stage, FRONT_DRAIN_GRACE_MS);
    answer_reload(&stage, letter, RELOAD_DRAINING);
    assert_int_equal(caller_reply(&waits), 503);
    assert_true(caller_is_told(&waits, "draining: allowd is about to end"));
    assert_true(caller_is_told(&waits, "Connection: close"));
    answer_reload(&stage, of_gone, RELOAD_DRAINING);
    stage_pass_ms(&stage, FRONT_DRAIN_MS);
    assert_int_equal(caller_reply(&late), REPLY_END);
    assert_int_equal(stage.front.phase, FRONT_CLOSED);
    answer_reload(&stage, of_late, RELOAD_DRAINING);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
    caller_close(&waits), caller_close(&late);
}

/* ---- limits that wait in a brain that is hosted ---- */

/* So many reloads that the next one has to wait for a sweep. */
static struct limits *use_up_lines(struct stage *stage)
{
    struct limits *next;
    for (uint64_t burst = STAGE_BURST + 1;; burst++) {
        const struct rule rule = {LIMIT_DEFAULT_NAME, NULL, burst, {1, 86400000}};
        next = fixture_limits(10000, &rule, 1);
        if (!lines_have_room(&stage->brain.brain->buckets.lines, next))
            return next;
        limits_release(next);
        stage_install(stage, burst);
    }
}

/* The main thread's letter comes home by the turns of the front-end, whether anybody asks or not. */
static void limits_that_wait_come_home(void **state)
{
    (void)state;
    struct stage stage;
    struct inbox home;
    struct caller caller;
    stage_open(&stage, STAGE_HOSTED, ROOM);
    assert_int_equal(inbox_init(&home, false), 0);
    caller_connect(&caller, &stage, false);
    ask_for(&caller, &stage, "a");
    expect_allowed(&caller, "a", 9);
    struct limits *next = use_up_lines(&stage);
    struct message message = {.kind = MESSAGE_LIMITS, .ask.limits = {.limits = next}};
    message.letter.home = &home;
    inbox_post_one(&stage.decider.inbox, &message.letter);
    front_turn(&stage.front, 0);
    assert_false(inbox_is_filled(&home)); /* it waits */
    assert_int_equal(front_timeout_ms(&stage.front), 0);
    stage_settle(&stage);
    assert_ptr_equal(inbox_take(&home, 0), &message.letter);
    assert_int_equal(message.answer.limits, LIMITS_IN_FORCE);
    assert_ptr_equal(brain_limits(stage.brain.brain), next);
    limits_release(next);
    stage_close(&stage);
    inbox_release(&home);
    caller_close(&caller);
}

/* ---- each with both ---- */

#define PARKED(TEST)                                                                               \
    TEST(answers_come_home_in_any_order)                                                           \
    TEST(several_come_home_in_one_turn)                                                            \
    TEST(others_are_served_meanwhile)                                                              \
    TEST(what_is_pipelined_behind_waits_for_its_turn)                                              \
    TEST(nothing_is_done_while_a_letter_is_away)                                                   \
    TEST(the_place_of_one_that_closed_is_kept_for_its_letter)                                      \
    TEST(the_place_of_one_that_was_reset_is_kept_for_its_letter)                                   \
    TEST(whoever_gets_the_place_pays_for_itself)                                                   \
    TEST(who_has_sent_its_last_byte_gets_its_answer)                                               \
    TEST(an_answer_holds_its_limits_until_it_is_sent)                                              \
    TEST(limits_of_an_answer_that_nobody_waits_for_are_let_go)                                     \
    TEST(what_is_decided_late_is_decided_by_the_limits_then)                                       \
    TEST(a_drain_waits_for_letters_that_come_home_in_time)                                         \
    TEST(at_its_deadline_a_drain_closes_and_still_waits_for_letters)                               \
    TEST(one_that_goes_ends_when_all_letters_are_home)                                             \
    TEST(the_engine_may_be_closed_with_letters_away)

/* The real one parks no letters of front-ends yet. */
#define RELOADS(TEST)                                                                              \
    TEST(a_reload_is_answered_late)                                                                \
    TEST(a_reload_whose_client_leaves_comes_home)                                                  \
    TEST(a_reload_is_refused_in_a_drain)

PARKED(BESIDE)
PARKED(IN_PLACE)
RELOADS(BESIDE)
RELOADS(HOSTED)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(limits_that_wait_come_home),
                                       PARKED(TWO) RELOADS(THE_SAME)};
    return cmocka_run_group_tests_name("parked", tests, NULL, NULL);
}
