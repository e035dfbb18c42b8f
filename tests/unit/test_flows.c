/*
 * Replies that go on, as those of /events do: what readers get and when, how they leave, and what
 * becomes of them if they do not read, in a stall, in a drain, and in a front-end that goes.
 */
#include "brain/core.h"
#include "http/wire/parts.h"
#include "support/front_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { ROOM = 8, PLACES = ROOM / 4, BOOT = 0x0123abcd, KEEP = 2000, DETAIL = 1000 };

/* ---- helpers ---- */

static void open_stage(struct stage *stage, enum stage_decider who)
{
    stage_open(stage, who, ROOM);
    assert_true(brain_keep_events(stage->brain.brain, KEEP, BOOT));
}

static void close_stage(struct stage *stage)
{
    assert_int_equal(http_letters_away(stage->front.http), 0);
    assert_int_equal(atomic_load(&stage->front.http->flows->open), 0);
    stage_close(stage);
}

/* What has come since it was last looked at, without what stands between chunks: caller->body. */
static const char *read_on(struct caller *caller)
{
    ssize_t got = 1;
    caller->len = 0;
    while (caller->len < sizeof caller->received - 1 && got > 0) {
        got = recv(caller->socket, caller->received + caller->len,
                   sizeof caller->received - 1 - caller->len, 0);
        caller->len += got > 0 ? (size_t)got : 0;
    }
    caller->has_ended |= got == 0;
    caller->received[caller->len] = '\0';
    return caller->received;
}

static void connect_and_read(struct caller *caller, struct stage *stage, const char *target)
{
    caller_connect(caller, stage, true);
    caller_get(caller, target);
    stage_settle(stage);
}

static void expect_header(struct caller *caller)
{
    const char *got = read_on(caller);
    if (strstr(got, "HTTP/1.1 200 OK\r\n") != got)
        fail_msg("%s", got);
    assert_non_null(strstr(got, "Content-Type: text/event-stream\r\n"));
    assert_non_null(strstr(got, "Connection: close\r\n"));
}

static void follow(struct caller *caller, struct stage *stage)
{
    connect_and_read(caller, stage, "/events");
    expect_header(caller);
}

/* An event that is told at once, of more than DETAIL bytes if it is long. */
static void tell(struct stage *stage, bool is_long)
{
    char detail[DETAIL + 1] = "something";
    if (is_long) {
        memset(detail, 'x', DETAIL);
        detail[DETAIL] = '\0';
    }
    events_tell(stage->brain.brain, EVENT_drain, detail, 0, 0);
}

static void tell_more_than_sockets_take(struct stage *stage)
{
    for (unsigned i = 0; i < 1000; i++)
        tell(stage, true);
}

static void expect_nobody(struct stage *stage)
{
    stage_settle(stage);
    assert_int_equal(http_connections(stage->front.http), 0);
    assert_int_equal(http_letters_away(stage->front.http), 0);
}

static void expect_end(struct caller *caller)
{
    const char *got = read_on(caller);
    size_t len = strlen(got);
    assert_true(caller->has_ended && len >= 5);
    assert_string_equal(got + len - 5, "0\r\n\r\n");
}

/* ---- what readers get ---- */

static void a_reader_gets_its_header_at_once_and_then_what_happens(void **state)
{
    struct stage stage;
    struct caller caller;
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    follow(&caller, &stage);
    for (unsigned i = 0; i < 3; i++) {
        tell(&stage, false);
        stage_pass_ms(&stage, 100);
        assert_non_null(
            strstr(read_on(&caller), "\"event\":\"drain\",\"detail\":\"something\"}\n\n"));
        assert_string_equal(read_on(&caller), "");
    }
    caller_close(&caller);
    expect_nobody(&stage);
    close_stage(&stage);
}

/* The heartbeat is a comment in a chunk of its own, 15 seconds after the last bytes, and a second later
 * at most: see DEADLINES_LOOK_MS. */
static void who_is_told_nothing_gets_a_heartbeat(void **state)
{
    struct stage stage;
    struct caller caller;
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    follow(&caller, &stage);
    for (unsigned i = 0; i < 5; i++) {
        stage_pass_ms(&stage, 14000);
        assert_string_equal(read_on(&caller), "");
        stage_pass_ms(&stage, 1100);
        assert_string_equal(read_on(&caller), "3\r\n:\n\n\r\n");
    }
    stage_pass_ms(&stage, 12000);
    tell(&stage, false);
    stage_pass_ms(&stage, 100);
    assert_non_null(strstr(read_on(&caller), "something"));
    stage_pass_ms(&stage, 14000);
    assert_string_equal(read_on(&caller), "");
    stage_pass_ms(&stage, 1100);
    assert_string_equal(read_on(&caller), "3\r\n:\n\n\r\n");
    caller_close(&caller);
    expect_nobody(&stage);
    close_stage(&stage);
}

static void lines_have_an_empty_line_for_a_heartbeat(void **state)
{
    struct stage stage;
    struct caller caller;
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    caller_connect(&caller, &stage, true);
    caller_send(&caller, "GET /events HTTP/1.1\r\nHost: a\r\nAccept: application/x-ndjson\r\n\r\n");
    stage_settle(&stage);
    assert_non_null(strstr(read_on(&caller), "Content-Type: application/x-ndjson\r\n"));
    stage_pass_ms(&stage, 16100);
    assert_string_equal(read_on(&caller), "1\r\n\n\r\n");
    caller_close(&caller);
    expect_nobody(&stage);
    close_stage(&stage);
}

/* How often a text is there, of which no part is in the text before. */
static unsigned count(const char *text, const char *what)
{
    unsigned found = 0;
    while ((text = strstr(text, what)) != NULL) {
        text += strlen(what);
        found++;
    }
    return found;
}

/* Records that fill the room again and again, in more chunks than that. */
static void a_long_history_comes_whole(void **state)
{
    struct stage stage;
    struct caller caller;
    static char all[1 << 20];
    size_t len = 0;
    char id[64];
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    for (unsigned i = 0; i < 200; i++)
        tell(&stage, true);
    stage_settle(&stage);
    caller_connect(&caller, &stage, true);
    caller_send(&caller, "GET /events?since=0&follow=no HTTP/1.0\r\n\r\n");
    while (!caller.has_ended) {
        stage_settle(&stage);
        read_on(&caller);
        assert_true(len + caller.len < sizeof all);
        memcpy(all + len, caller.received, caller.len);
        len += caller.len;
        stage_pass_ms(&stage, 100);
    }
    const uint64_t newest = stage.brain.brain->events.ring.newest;
    assert_true(newest >= 200);
    for (unsigned i = 1; i <= newest; i++) {
        snprintf(id, sizeof id, "\nid: %08x-%u\n", BOOT, i);
        if (count(all, id) != 1)
            fail_msg("event %u is there %u times", i, count(all, id));
    }
    assert_int_equal(stage.front.http->connections, 0); /* though the client has not closed yet */
    caller_close(&caller);
    expect_nobody(&stage);
    close_stage(&stage);
}

/* ---- who does not read ---- */

static void who_reads_nothing_is_ended_and_holds_nobody_up(void **state)
{
    struct stage stage;
    struct caller stuck, other;
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    tell_more_than_sockets_take(&stage);
    connect_and_read(&stuck, &stage, "/events?since=0");
    follow(&other, &stage);
    stage_pass_ms(&stage, 30000);
    assert_int_equal(http_connections(stage.front.http), 2);
    tell(&stage, false);
    stage_pass_ms(&stage, 100);
    assert_non_null(strstr(read_on(&other), "something"));
    stage_pass_ms(&stage, 11000);
    stage_pass_ms(&stage, LEAVING_MS);
    assert_int_equal(http_connections(stage.front.http), 1);
    caller_close(&stuck);
    caller_close(&other);
    expect_nobody(&stage);
    close_stage(&stage);
}

/* However little it takes at a time, and though its socket has no room for more. */
static void who_reads_slowly_stays(void **state)
{
    struct stage stage;
    struct caller slow;
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    tell_more_than_sockets_take(&stage);
    connect_and_read(&slow, &stage, "/events?since=0");
    for (unsigned i = 0; i < 20; i++) {
        stage_pass_ms(&stage, 20000);
        assert_int_equal(http_connections(stage.front.http), 1);
        for (size_t took = 0; took < 4096; took += 1024)
            assert_int_equal(recv(slow.socket, slow.body, 1024, 0), 1024);
    }
    caller_close(&slow);
    expect_nobody(&stage);
    close_stage(&stage);
}

/* ---- who leaves ---- */

static void who_leaves_while_there_is_nothing_is_found_at_once(void **state)
{
    struct stage stage;
    struct caller callers[2];
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    for (size_t i = 0; i < LENGTH(callers); i++)
        follow(&callers[i], &stage);
    caller_half_close(&callers[0]);
    stage_settle(&stage);
    stage_pass_ms(&stage, 2 * LEAVING_MS);
    assert_int_equal(http_connections(stage.front.http), 1);
    assert_int_equal(atomic_load(&stage.front.http->flows->open), 1);
    caller_send(&callers[1], "behind its request");
    caller_close(&callers[1]);
    expect_nobody(&stage);
    caller_close(&callers[0]);
    close_stage(&stage);
}

static void who_hides_its_end_behind_bytes_is_taken_for_one_that_left(void **state)
{
    struct stage stage;
    struct caller caller;
    static char bytes[BEHIND_MAX + 2];
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    follow(&caller, &stage);
    memset(bytes, 'x', sizeof bytes - 1);
    caller_send(&caller, bytes);
    stage_settle(&stage);
    stage_pass_ms(&stage, 2 * LEAVING_MS);
    assert_int_equal(http_connections(stage.front.http), 0);
    caller_close(&caller);
    close_stage(&stage);
}

/* A client that closes its sending side gets what there is. */
static void who_has_sent_its_last_byte_is_told_what_there_is(void **state)
{
    struct stage stage;
    struct caller caller;
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    tell(&stage, false);
    caller_connect(&caller, &stage, true);
    caller_send(&caller, "GET /events?since=0 HTTP/1.1\r\nHost: a\r\n\r\n");
    caller_half_close(&caller);
    stage_settle(&stage);
    stage_pass_ms(&stage, 2 * LEAVING_MS);
    const char *got = read_on(&caller);
    assert_non_null(strstr(got, "something"));
    assert_true(caller.has_ended);
    assert_int_equal(stage.front.http->connections, 0);
    expect_nobody(&stage);
    caller_close(&caller);
    close_stage(&stage);
}

/* ---- the decider takes its time: the test is one ---- */

static struct letter *take_parked(struct stage *stage)
{
    assert_int_equal(stage->parked_count, 1);
    struct letter *letter = stage->parked[--stage->parked_count];
    assert_int_equal(message_of(letter)->kind, MESSAGE_EVENTS);
    return letter;
}

static void answer_parked(struct stage *stage)
{
    struct letter *letter = take_parked(stage);
    struct chain answered = {0};
    letter->next = NULL;
    brain_answer(stage->brain.brain, letter, &answered);
    assert_ptr_equal(answered.newest, letter);
    inbox_post_one(letter->home, letter);
    stage_settle(stage);
}

static void follow_the_test(struct caller *caller, struct stage *stage)
{
    open_stage(stage, STAGE_TEST);
    stage_park(stage, MESSAGE_EVENTS);
    connect_and_read(caller, stage, "/events");
    answer_parked(stage);
    expect_header(caller);
    assert_int_equal(stage->parked_count, 1);
}

static void heartbeats_go_on_in_a_stall(void **state)
{
    struct stage stage;
    struct caller caller, asker;
    (void)state;
    follow_the_test(&caller, &stage);
    stage.keeps_report = true;
    caller_connect(&asker, &stage, false);
    caller_get(&asker, "/allow?key=a");
    stage_settle(&stage);
    assert_true(stage.front.is_stalled);
    stage_pass_ms(&stage, 40000);
    assert_string_equal(read_on(&caller), "3\r\n:\n\n\r\n3\r\n:\n\n\r\n");
    stage_release_report(&stage);
    assert_int_equal(caller_reply(&asker), 200);
    tell(&stage, false);
    answer_parked(&stage);
    assert_non_null(strstr(read_on(&caller), "something"));
    caller_close(&caller);
    caller_close(&asker);
    expect_nobody(&stage);
    assert_int_equal(stage.leaves, 1);
    close_stage(&stage);
}

/* Its memory is the brain's until both letters are home. */
static void who_leaves_is_kept_until_its_letters_are_home(void **state)
{
    struct stage stage;
    struct caller caller;
    (void)state;
    follow_the_test(&caller, &stage);
    stage.keeps_leaves = true;
    caller_close(&caller);
    stage_settle(&stage);
    assert_int_equal(stage.leaves, 1);
    assert_int_equal(http_connections(stage.front.http), 1);
    assert_int_equal(http_letters_away(stage.front.http), 1);
    stage_release_leaves(&stage);
    expect_nobody(&stage);
    close_stage(&stage);
}

/* ---- ends ---- */

static void a_drain_tells_the_rest_and_ends_them(void **state)
{
    struct stage stage;
    struct caller caller;
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    follow(&caller, &stage);
    tell(&stage, false);
    stage_drain(&stage);
    expect_end(&caller);
    assert_non_null(strstr(caller.received, "something"));
    caller_close(&caller);
    expect_nobody(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    close_stage(&stage);
}

/* A drain does not wait for those. */
static void a_drain_ends_who_does_not_read(void **state)
{
    struct stage stage;
    struct caller stuck;
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    tell_more_than_sockets_take(&stage);
    connect_and_read(&stuck, &stage, "/events?since=0");
    stage_drain(&stage);
    assert_int_equal(http_connections(stage.front.http), 1);
    stage_pass_ms(&stage, FRONT_DRAIN_GRACE_MS + 2 * LEAVING_MS);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    caller_close(&stuck);
    close_stage(&stage);
}

static void one_that_goes_ends_its_readers(void **state)
{
    struct stage stage;
    struct caller caller;
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    follow(&caller, &stage);
    front_go(&stage.front);
    stage_settle(&stage);
    expect_end(&caller);
    caller_close(&caller);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    close_stage(&stage);
}

/* ---- bounds ---- */

static void a_quarter_of_the_connections_may_follow(void **state)
{
    struct stage stage;
    struct caller readers[PLACES], other;
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    for (unsigned i = 0; i < PLACES; i++)
        follow(&readers[i], &stage);
    caller_connect(&other, &stage, true);
    for (unsigned i = 0; i < 20; i++) {
        caller_get(&other, "/events");
        stage_settle(&stage);
        assert_int_equal(caller_reply(&other), 503);
        assert_true(caller_is_told(&other, "as many follow as may, 2; "));
        assert_false(caller_is_told(&other, "Retry-After"));
    }
    caller_close(&readers[0]);
    stage_settle(&stage);
    caller_get(&other, "/events");
    stage_settle(&stage);
    expect_header(&other);
    caller_close(&readers[1]);
    caller_close(&other);
    expect_nobody(&stage);
    close_stage(&stage);
}

static void who_comes_again_and_again_takes_one_place(void **state)
{
    struct stage stage;
    (void)state;
    open_stage(&stage, STAGE_HOSTED);
    for (unsigned i = 0; i < 500; i++) {
        struct caller caller;
        follow(&caller, &stage);
        if (i % 2 == 0)
            caller_send(&caller, "x");
        caller_close(&caller);
        stage_settle(&stage);
    }
    expect_nobody(&stage);
    close_stage(&stage);
}

static void there_are_never_more_than_a_thousand(void **state)
{
    (void)state;
    assert_int_equal(http_flows_max(1), 1);
    assert_int_equal(http_flows_max(16), 4);
    assert_int_equal(http_flows_max(3999), 999);
    assert_int_equal(http_flows_max(4096), HTTP_FLOWS_MAX);
    assert_int_equal(http_flows_max(1000000), HTTP_FLOWS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_gets_its_header_at_once_and_then_what_happens),
        cmocka_unit_test(who_is_told_nothing_gets_a_heartbeat),
        cmocka_unit_test(lines_have_an_empty_line_for_a_heartbeat),
        cmocka_unit_test(a_long_history_comes_whole),
        cmocka_unit_test(who_reads_nothing_is_ended_and_holds_nobody_up),
        cmocka_unit_test(who_reads_slowly_stays),
        cmocka_unit_test(who_leaves_while_there_is_nothing_is_found_at_once),
        cmocka_unit_test(who_hides_its_end_behind_bytes_is_taken_for_one_that_left),
        cmocka_unit_test(who_has_sent_its_last_byte_is_told_what_there_is),
        cmocka_unit_test(heartbeats_go_on_in_a_stall),
        cmocka_unit_test(who_leaves_is_kept_until_its_letters_are_home),
        cmocka_unit_test(a_drain_tells_the_rest_and_ends_them),
        cmocka_unit_test(a_drain_ends_who_does_not_read),
        cmocka_unit_test(one_that_goes_ends_its_readers),
        cmocka_unit_test(a_quarter_of_the_connections_may_follow),
        cmocka_unit_test(who_comes_again_and_again_takes_one_place),
        cmocka_unit_test(there_are_never_more_than_a_thousand),
    };
    return cmocka_run_group_tests_name("flows", tests, NULL, NULL);
}
