/*
 * The front-end in virtual time: connections, deadlines, overload and the drain, each with a
 * decider that it hosts and with one that answers beside it.
 */
#include "brain/core.h"
#include "http/wire/deadlines.h"
#include "http/wire/leaving.h"
#include "support/front_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 8, S = 1000, DAY_MS = 86400 * S };

/* ---- helpers ---- */

static void expect_reply(struct stage *stage, struct caller *caller, const char *target, int status)
{
    caller_get(caller, target);
    stage_settle(stage);
    assert_int_equal(caller_reply(caller), status);
}

static void connect_caller(struct caller *caller, struct stage *stage)
{
    caller_connect(caller, stage, false);
}

static void connect_to(struct caller *caller, struct stage *stage)
{
    caller_connect_to(caller, &stage->listeners[0]);
}

/* How many connections were shed for that reason, as /metrics has it. */
static unsigned shed(struct stage *stage, const char *reason)
{
    static struct caller admin;
    char line[96];
    unsigned count = 0;
    caller_connect(&admin, stage, true);
    caller_get(&admin, "/metrics");
    stage_settle(stage);
    assert_int_equal(caller_reply(&admin), 200);
    snprintf(line, sizeof line, "\nallowd_connections_shed_total{reason=\"%s\"} ", reason);
    const char *at = strstr(admin.body, line);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(line), "%u", &count), 1);
    caller_close(&admin);
    stage_settle(stage);
    return count;
}

/* One byte a second, until so long has passed; nothing is said meanwhile. */
static void trickle(struct stage *stage, struct caller *caller, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        caller_send(caller, "a");
        stage_pass_ms(stage, S);
        assert_int_equal(caller_reply(caller), REPLY_NONE);
    }
}

/* Its connection ends not before so long, and a look later at the latest. */
static void expect_end_within(struct stage *stage, struct caller *caller, uint64_t ms)
{
    stage_pass_ms(stage, ms - 1);
    assert_int_equal(caller_reply(caller), REPLY_NONE);
    stage_pass_ms(stage, DEADLINES_LOOK_MS + 1);
    assert_int_equal(caller_reply(caller), REPLY_END);
}

/* So many requests in one piece, which nobody reads the replies to. */
static void pipeline(struct caller *caller, unsigned count)
{
    static const char request[] = "GET /allow?key=a&tokens=0 HTTP/1.1\r\nHost: a\r\n\r\n";
    static char bytes[1000 * sizeof request];
    char *end = bytes;
    for (unsigned i = 0; i < count; i++)
        end = stpcpy(end, request);
    caller_send(caller, bytes);
}

enum { MORE_THAN_A_SOCKET_HOLDS = 1000 };

/* ---- serving ---- */

static void requests_are_answered_in_order(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    char told[32];
    stage_open(&stage, who, ROOM);
    connect_caller(&caller, &stage);
    for (unsigned i = 0; i < STAGE_BURST + 2; i++)
        caller_get(&caller, "/allow?key=a");
    stage_settle(&stage);
    for (unsigned i = 0; i < STAGE_BURST + 2; i++) {
        assert_int_equal(caller_reply(&caller), i < STAGE_BURST ? 200 : 429);
        snprintf(told, sizeof told, "\"remaining\":%u,", i < STAGE_BURST ? STAGE_BURST - 1 - i : 0);
        assert_true(caller_is_told(&caller, told));
    }
    assert_int_equal(caller_reply(&caller), REPLY_NONE);
    stage_close(&stage);
    caller_close(&caller);
}

static void what_was_counted_is_told_in_time(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    stage_open(&stage, who, ROOM);
    connect_caller(&caller, &stage); /* the first is told at once, for long was nothing told */
    expect_reply(&stage, &caller, "/healthz", 200);
    assert_true(http_has_counted(stage.front.http)); /* the reply, behind the last chain */
    stage_pass_ms(&stage, FRONT_TELL_MS - 1);
    assert_true(http_has_counted(stage.front.http));
    stage_pass_ms(&stage, 1);
    assert_false(http_has_counted(stage.front.http));
    stage.turns = 0;
    stage_pass_ms(&stage, 20 * S); /* and then there is nothing to do */
    assert_in_range(stage.turns, 0, 4);
    stage_close(&stage);
    caller_close(&caller);
}

static void ticks_come_while_nobody_asks(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    stage_open(&stage, who, ROOM);
    connect_caller(&caller, &stage);
    expect_reply(&stage, &caller, "/allow?key=a&tokens=10", 200);
    caller_close(&caller);
    /* Beside it, a thread of the decider's own sees to that. */
    for (int i = 0; i < 100 && who == STAGE_HOSTED; i++) {
        uint64_t due_ns = decider_due_ns(&stage.decider);
        stage_pass_ms(&stage, (due_ns - stage.brain.now_ns) / NS_PER_MS - 1);
        assert_true(decider_due_ns(&stage.decider) == due_ns);
        stage_pass_ms(&stage, 1);
        assert_true(decider_due_ns(&stage.decider) > due_ns);
    }
    stage_pass_ms(&stage, DAY_MS);
    assert_int_equal(stage_left(&stage, "a"), who == STAGE_HOSTED ? 1 : 0);
    stage_close(&stage);
}

static void another_contract_holds_for_the_next_request(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    stage_open(&stage, who, ROOM);
    connect_caller(&caller, &stage);
    expect_reply(&stage, &caller, "/allow?key=a", 200);
    assert_true(caller_is_told(&caller, "\nRateLimit: "));
    struct contract *next = contract_new(HEADERS_NONE);
    assert_non_null(next);
    front_set_contract(&stage.front, next);
    contract_release(next);
    expect_reply(&stage, &caller, "/allow?key=a", 200);
    assert_false(caller_is_told(&caller, "\nRateLimit: "));
    stage_close(&stage);
    caller_close(&caller);
}

/* The date is that of the pass, and right from the request on that brings the dialect along. */
static void a_dialect_that_tells_dates_knows_the_date(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    char field[64];
    stage_open(&stage, who, ROOM);
    struct contract *next = contract_new(HEADERS_X_RATELIMIT_EPOCH);
    assert_non_null(next);
    front_set_contract(&stage.front, next);
    contract_release(next);
    connect_caller(&caller, &stage);
    for (uint64_t taken = 1; taken <= 2; taken++) {
        expect_reply(&stage, &caller, "/allow?key=a", 200);
        uint64_t now_ms = stage_now_ms(&stage), a_day_s = DAY_MS / MS_PER_S;
        snprintf(field, sizeof field, "\nX-RateLimit-Reset: %" PRIu64 "\r\n",
                 FIXTURE_START_DATE_S + taken * a_day_s + (now_ms + MS_PER_S - 1) / MS_PER_S);
        assert_true(caller_is_told(&caller, field));
        stage_pass_ms(&stage, 5000);
    }
    stage_close(&stage);
    caller_close(&caller);
}

/* ---- deadlines ---- */

static void a_header_has_ten_seconds(enum stage_decider who)
{
    static const char *const begun[] = {"", "GET /allow?key=", "GET /allow?key=a HTTP/1.1\r\nX: "};
    for (size_t i = 0; i < LENGTH(begun); i++) {
        struct stage stage;
        struct caller caller;
        stage_open(&stage, who, ROOM);
        connect_caller(&caller, &stage);
        caller_send(&caller, begun[i]);
        trickle(&stage, &caller, HTTP_HEADER_S - 1);
        expect_end_within(&stage, &caller, S);
        assert_int_equal(shed(&stage, "slow"), 1);
        stage_close(&stage);
        caller_close(&caller);
    }
}

static const char post_header[] =
    "POST /allow?key=a HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n";

static void a_body_has_twenty_seconds_more(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    stage_open(&stage, who, ROOM);
    connect_caller(&caller, &stage);
    stage_pass_ms(&stage, (HTTP_HEADER_S - 1) * S);
    caller_send(&caller, post_header);
    stage_settle(&stage);
    trickle(&stage, &caller, HTTP_BODY_S - 1);
    expect_end_within(&stage, &caller, S);
    assert_int_equal(shed(&stage, "slow"), 1);
    assert_int_equal(stage_left(&stage, "a"), STAGE_BURST);
    stage_close(&stage);
    caller_close(&caller);
}

/* However small its chunks are, and with as many fields behind them as there may be. */
static void a_body_in_chunks_has_no_more(enum stage_decider who)
{
    static const char header[] = "POST /allow?key=a HTTP/1.1\r\nHost: a\r\n"
                                 "Transfer-Encoding: chunked\r\n\r\n";
    static const char *const next[] = {"1\r\na\r\n", "a: b\r\n"};
    for (int i = 0; i < 2; i++) {
        struct stage stage;
        struct caller caller;
        stage_open(&stage, who, ROOM);
        connect_caller(&caller, &stage);
        caller_send(&caller, header);
        caller_send(&caller, i == 0 ? "" : "0\r\n");
        for (int s = 0; s < HTTP_BODY_S - 1; s++) {
            stage_pass_ms(&stage, S);
            caller_send(&caller, next[i]);
            stage_settle(&stage);
        }
        expect_end_within(&stage, &caller, S);
        assert_int_equal(stage_left(&stage, "a"), STAGE_BURST);
        stage_close(&stage);
        caller_close(&caller);
    }
}

static void the_next_header_has_its_own_deadline(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    stage_open(&stage, who, ROOM);
    connect_caller(&caller, &stage);
    for (int i = 0; i < 3; i++) {
        stage_pass_ms(&stage, (STAGE_IDLE_TIMEOUT_S + HTTP_HEADER_S - 1) * S * (i > 0));
        expect_reply(&stage, &caller, "/allow?key=a", 200);
    }
    trickle(&stage, &caller, STAGE_IDLE_TIMEOUT_S + HTTP_HEADER_S - 1);
    expect_end_within(&stage, &caller, S);
    assert_int_equal(shed(&stage, "slow"), 1);
    stage_close(&stage);
    caller_close(&caller);
}

/* How long the connection of somebody lives who reads nothing. */
static void expect_reply_deadline(enum stage_decider who, bool half_closes)
{
    struct stage stage;
    struct caller caller, other;
    stage_open(&stage, who, ROOM);
    connect_caller(&caller, &stage);
    pipeline(&caller, MORE_THAN_A_SOCKET_HOLDS);
    if (half_closes)
        caller_half_close(&caller);
    stage_settle(&stage);
    stage.turns = 0;
    stage_pass_ms(&stage, (HTTP_REPLY_S - 1) * S);
    assert_in_range(stage.turns, 0, 50);
    connect_caller(&other, &stage);
    expect_reply(&stage, &other, "/healthz", 200);
    assert_int_equal(http_connections(stage.front.http), 2);
    stage_pass_ms(&stage, S + DEADLINES_LOOK_MS + LEAVING_MS);
    assert_int_equal(http_connections(stage.front.http), 1);
    assert_int_equal(shed(&stage, "slow"), 1);
    stage_close(&stage);
    caller_close(&caller), caller_close(&other);
}

static void a_reply_has_a_minute_to_be_taken_in(enum stage_decider who)
{
    expect_reply_deadline(who, false);
}

/* It has sent its last byte, which must not be looked at over and over. */
static void and_so_it_has_for_who_has_half_closed(enum stage_decider who)
{
    expect_reply_deadline(who, true);
}

static void who_is_quick_is_never_ended(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    stage_open(&stage, who, ROOM);
    connect_caller(&caller, &stage);
    for (int i = 0; i < 20; i++) {
        stage_pass_ms(&stage, HTTP_HEADER_S * S / 2 - 1);
        caller_send(&caller, "GET /allow?key=a&tok");
        stage_pass_ms(&stage, HTTP_HEADER_S * S / 2 - 1);
        caller_send(&caller, "ens=0 HTTP/1.1\r\nHost: a\r\n\r\n");
        stage_settle(&stage);
        assert_int_equal(caller_reply(&caller), 200);
    }
    assert_int_equal(shed(&stage, "slow"), 0);
    stage_close(&stage);
    caller_close(&caller);
}

/* ---- clients that leave ---- */

static void a_half_closed_client_gets_its_answers_then_the_end(enum stage_decider who)
{
    static const unsigned counts[] = {1, 3, 10};
    for (size_t i = 0; i < LENGTH(counts); i++) {
        struct stage stage;
        struct caller caller;
        stage_open(&stage, who, ROOM);
        connect_caller(&caller, &stage);
        pipeline(&caller, counts[i]);
        caller_half_close(&caller);
        stage_settle(&stage);
        for (unsigned j = 0; j < counts[i]; j++)
            assert_int_equal(caller_reply(&caller), 200);
        assert_int_equal(caller_reply(&caller), REPLY_END);
        assert_int_equal(http_connections(stage.front.http), 0);
        stage_close(&stage);
        caller_close(&caller);
    }
}

/* In the middle of a request, cut anywhere: nothing is charged, and nothing is kept. */
static void who_leaves_in_the_middle_is_not_charged(enum stage_decider who)
{
    static const char whole[] =
        "POST /allow?key=a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    struct stage stage;
    stage_open(&stage, who, ROOM);
    for (size_t len = 0; len < sizeof whole - 1; len++)
        for (int half = 0; half < 2; half++) {
            struct caller caller;
            char begun[sizeof whole];
            connect_caller(&caller, &stage);
            snprintf(begun, sizeof begun, "%.*s", (int)len, whole);
            caller_send(&caller, begun);
            stage_settle(&stage);
            if (half != 0)
                caller_half_close(&caller);
            else
                caller_close(&caller);
            stage_settle(&stage);
            assert_int_equal(http_connections(stage.front.http), 0);
            if (half != 0)
                caller_close(&caller);
        }
    assert_int_equal(stage_left(&stage, "a"), STAGE_BURST);
    stage_close(&stage);
}

/* ---- overload ---- */

static void expect_turned_away(struct caller *caller)
{
    assert_int_equal(caller_reply(caller), 503);
    assert_true(caller_is_told(caller, "no room for another connection"));
    assert_false(caller_is_told(caller, "Retry-After"));
    assert_true(caller_is_told(caller, "\nConnection: close\r\n"));
    assert_int_equal(caller_reply(caller), REPLY_END);
}

static void who_has_no_room_is_told_so(enum stage_decider who)
{
    struct stage stage;
    struct caller first, second, third, fourth;
    stage_open(&stage, who, 2);
    connect_to(&first, &stage);
    connect_to(&second, &stage);
    connect_to(&third, &stage);
    caller_get(&third, "/allow?key=a");
    stage_settle(&stage);
    expect_turned_away(&third);
    assert_int_equal(stage_left(&stage, "a"), STAGE_BURST); /* what it sent never ran */
    expect_reply(&stage, &first, "/allow?key=a", 200);
    expect_reply(&stage, &second, "/allow?key=a", 200);
    assert_int_equal(atomic_load(&stage.with_room), 0);

    caller_close(&second);
    caller_close(&third);
    stage_settle(&stage);
    assert_int_equal(atomic_load(&stage.with_room), 1);
    connect_to(&fourth, &stage);
    stage_settle(&stage);
    expect_reply(&stage, &fourth, "/allow?key=a", 200);
    caller_close(&fourth);
    stage_settle(&stage);
    assert_int_equal(shed(&stage, "full"), 1);
    assert_int_equal(shed(&stage, "slow"), 0);
    stage_close(&stage);
    caller_close(&first);
}

/* Those on their way out have a bound too: the oldest is closed for the next. */
static void however_many_come_descriptors_have_a_bound(enum stage_decider who)
{
    struct stage stage;
    static struct caller callers[3 * HTTP_LEAVING_SPARE];
    stage_open(&stage, who, 1);
    for (size_t i = 0; i < LENGTH(callers); i++)
        connect_to(&callers[i], &stage);
    stage_settle(&stage);
    assert_in_range(http_connections(stage.front.http), 1, 1 + HTTP_LEAVING_SPARE);
    for (size_t i = 1; i < LENGTH(callers); i++)
        expect_turned_away(&callers[i]);
    expect_reply(&stage, &callers[0], "/allow?key=a", 200);
    stage_pass_ms(&stage, LEAVING_MS);
    assert_int_equal(http_connections(stage.front.http), 1);
    for (size_t i = 0; i < LENGTH(callers); i++)
        caller_close(&callers[i]);
    stage_settle(&stage);
    assert_int_equal(shed(&stage, "full"), LENGTH(callers) - 1);
    stage_close(&stage);
}

static void the_log_is_told_of_it_once_in_ten_seconds(enum stage_decider who)
{
    struct stage stage;
    struct caller first, next;
    stage_open(&stage, who, 1);
    connect_to(&first, &stage);
    for (unsigned ms = 0; ms < 2 * ACCEPTOR_FULL_TOLD_MS; ms += ACCEPTOR_FULL_TOLD_MS / 4) {
        connect_to(&next, &stage);
        stage_settle(&stage);
        expect_turned_away(&next);
        caller_close(&next);
        uint64_t told_ms = (ms < ACCEPTOR_FULL_TOLD_MS ? 1 : 2) * ACCEPTOR_FULL_TOLD_MS;
        assert_int_equal((stage.front.acceptor.full_told_ns - FIXTURE_START_NS) / NS_PER_MS,
                         told_ms);
        expect_reply(&stage, &first, "/healthz", 200);
        stage_pass_ms(&stage, ACCEPTOR_FULL_TOLD_MS / 4);
    }
    stage_close(&stage);
    caller_close(&first);
}

static void who_is_full_leaves_it_to_those_with_room(enum stage_decider who)
{
    struct stage stage;
    struct caller first, second;
    stage_open(&stage, who, 1);
    atomic_fetch_add(&stage.with_room, 1); /* of another front-end, which is slow to take it */
    connect_to(&first, &stage);
    connect_to(&second, &stage);
    caller_get(&second, "/allow?key=a");
    stage_settle(&stage);
    expect_reply(&stage, &first, "/allow?key=a", 200);
    stage.turns = 0;
    stage_pass_ms(&stage, 5 * S);
    assert_in_range(stage.turns, 0, 10); /* it does not look at what it cannot take */
    assert_int_equal(caller_reply(&second), REPLY_NONE);
    assert_int_equal(atomic_load(&stage.with_room), 1);
    caller_close(&first);
    stage_settle(&stage);
    assert_int_equal(caller_reply(&second), 200);
    atomic_fetch_sub(&stage.with_room, 1);
    stage_close(&stage);
    caller_close(&second);
}

static void without_descriptors_it_pauses(enum stage_decider who)
{
    struct stage stage;
    struct caller served, waits;
    stage_open(&stage, who, ROOM);
    connect_to(&served, &stage);
    stage_settle(&stage);
    connect_to(&waits, &stage);
    caller_get(&waits, "/allow?key=a");
    stage.accept_error = EMFILE;
    stage_settle(&stage);
    stage.turns = 0;
    stage_pass_ms(&stage, S);
    assert_in_range(stage.turns, S / ACCEPTOR_PAUSE_MS, 4 * S / ACCEPTOR_PAUSE_MS);
    expect_reply(&stage, &served, "/allow?key=b", 200);
    assert_int_equal(caller_reply(&waits), REPLY_NONE);
    stage.accept_error = 0;
    stage_pass_ms(&stage, ACCEPTOR_PAUSE_MS);
    assert_int_equal(caller_reply(&waits), 200);
    stage_close(&stage);
    caller_close(&served), caller_close(&waits);
}

/* ---- listeners made anew ---- */

static void one_made_anew_on_its_descriptor_is_served(enum stage_decider who)
{
    static const struct sockaddr_un any = {.sun_family = AF_UNIX};
    struct stage stage;
    struct caller kept, late;
    stage_open(&stage, who, ROOM);
    connect_to(&kept, &stage);
    expect_reply(&stage, &kept, "/healthz", 200);
    int fresh = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fresh, (const struct sockaddr *)&any, sizeof any.sun_family), 0);
    assert_int_equal(listen(fresh, 16), 0);
    assert_int_equal(dup3(fresh, stage.listeners[0].socket, O_CLOEXEC), stage.listeners[0].socket);
    close(fresh);
    connect_to(&late, &stage);
    caller_get(&late, "/healthz");
    stage_settle(&stage);
    assert_int_equal(caller_reply(&late), REPLY_NONE);
    front_listen_again(&stage.front);
    stage_settle(&stage);
    assert_int_equal(caller_reply(&late), 200);
    expect_reply(&stage, &kept, "/allow?key=a", 200);
    stage_close(&stage);
    caller_close(&kept), caller_close(&late);
}

/* ---- one that goes ---- */

static void go(struct stage *stage)
{
    front_go(&stage->front);
    stage_settle(stage);
}

/* What the brain knows to be open, of this front-end. */
static int64_t told_open(const struct stage *stage)
{
    return stage->brain.brain->meters.connections;
}

static void one_that_goes_ends_at_once_with_nobody_there(enum stage_decider who)
{
    struct stage stage;
    stage_open(&stage, who, ROOM);
    go(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    assert_int_equal(atomic_load(&stage.with_room), 0);
    front_set_contract(&stage.front, stage.contract); /* nobody has joined it yet */
    front_set_share(&stage.front, ROOM);
    front_listen_again(&stage.front);
    front_drain(&stage.front);
    stage_close(&stage);
}

static void one_that_goes_closes_each_behind_its_next_answer(enum stage_decider who)
{
    struct stage stage;
    struct caller idle, busy;
    stage_open(&stage, who, ROOM);
    connect_to(&idle, &stage);
    connect_to(&busy, &stage);
    expect_reply(&stage, &busy, "/allow?key=a", 200);
    assert_false(caller_is_told(&busy, "Connection: close"));
    go(&stage);
    assert_int_equal(atomic_load(&stage.with_room), 0);
    stage_pass_ms(&stage, HTTP_HEADER_S * S / 2);
    expect_reply(&stage, &busy, "/readyz", 200); /* allowd itself goes on */
    assert_true(caller_is_told(&busy, "Connection: close"));
    assert_int_equal(caller_reply(&busy), REPLY_END);
    caller_close(&busy);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_GOING);
    assert_int_equal(caller_reply(&idle), REPLY_NONE);
    expect_reply(&stage, &idle, "/allow?key=a", 200);
    assert_true(caller_is_told(&idle, "Connection: close"));
    caller_close(&idle);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    assert_int_equal(stage_left(&stage, "a"), STAGE_BURST - 2);
    assert_int_equal(told_open(&stage), 0);
    stage_close(&stage);
}

static void one_that_goes_says_so_and_then_is_forgotten(enum stage_decider who)
{
    static struct fronts_answer answer;
    struct stage stage;
    struct caller caller;
    stage_open(&stage, who, ROOM);
    connect_caller(&caller, &stage);
    expect_reply(&stage, &caller, "/allow?key=a", 200);
    stage_pass_ms(&stage, FRONT_TELL_MS);
    meters_tell_fronts(&stage.brain.brain->meters, 0, &answer);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.front[0].connections, 1);
    assert_int_equal(answer.front[0].requests, 1);
    assert_false(answer.front[0].goes);
    go(&stage);
    stage_pass_ms(&stage, FRONT_TELL_MS);
    meters_tell_fronts(&stage.brain.brain->meters, 0, &answer);
    assert_true(answer.front[0].goes);
    expect_reply(&stage, &caller, "/allow?key=a", 200); /* the other tally says so too */
    stage_pass_ms(&stage, 2 * FRONT_TELL_MS);
    meters_tell_fronts(&stage.brain.brain->meters, 0, &answer);
    assert_true(answer.count == 0 || answer.front[0].goes);
    caller_close(&caller);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    meters_tell_fronts(&stage.brain.brain->meters, 0, &answer);
    assert_int_equal(answer.count, 0);
    stage_close(&stage);
}

/* Nobody waits for it to tell: what it has counted last goes at once. */
static void one_that_goes_tells_all_that_it_has_counted(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    stage_open(&stage, who, ROOM);
    connect_caller(&caller, &stage);
    expect_reply(&stage, &caller, "/healthz", 200);
    stage_pass_ms(&stage, FRONT_TELL_MS);
    assert_int_equal(told_open(&stage), 1);
    go(&stage);
    uint64_t before_ms = stage_now_ms(&stage);
    caller_close(&caller);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    assert_int_equal(told_open(&stage), 0);
    assert_int_equal(stage_now_ms(&stage), before_ms);
    stage_close(&stage);
}

/* Who waits there is for another front-end, which a drain would not do. */
static void one_that_goes_leaves_the_listeners_to_others(enum stage_decider who)
{
    struct stage stage;
    struct caller kept, late;
    stage_open(&stage, who, ROOM);
    connect_to(&kept, &stage);
    go(&stage);
    caller_connect_to(&late, &stage.listeners[0]);
    front_listen_again(&stage.front);
    front_set_share(&stage.front, 2 * ROOM);
    stage_settle(&stage);
    stage_pass_ms(&stage, S);
    assert_int_equal(caller_reply(&late), REPLY_NONE);
    int next = accept4(stage.listeners[0].socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(next >= 0);
    close(next);
    caller_close(&kept), caller_close(&late);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
}

static void one_that_goes_can_still_leave_and_drain(enum stage_decider who)
{
    struct stage stage;
    struct caller idle, last;
    stage_open(&stage, who, ROOM);
    connect_caller(&idle, &stage);
    connect_caller(&last, &stage);
    go(&stage);
    front_leave(&stage.front);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_GOING);
    expect_reply(&stage, &last, "/readyz", 503);
    assert_true(caller_is_told(&last, "draining: allowd is about to end"));
    stage_drain(&stage);
    assert_int_equal(stage.front.phase, FRONT_IN_GRACE);
    stage_pass_ms(&stage, FRONT_DRAIN_GRACE_MS);
    assert_int_equal(caller_reply(&idle), REPLY_END);
    stage_pass_ms(&stage, LEAVING_MS);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
    caller_close(&idle), caller_close(&last);
}

/* ---- a share of the connections ---- */

static void with_a_larger_share_it_accepts_again(enum stage_decider who)
{
    struct stage stage;
    struct caller first, second;
    stage_open(&stage, who, ROOM);
    front_set_share(&stage.front, 1);
    connect_to(&first, &stage);
    atomic_fetch_add(&stage.with_room, 1); /* another one has room */
    caller_connect_to(&second, &stage.listeners[0]);
    caller_get(&second, "/allow?key=a");
    stage_settle(&stage);
    assert_int_equal(caller_reply(&second), REPLY_NONE);
    front_set_share(&stage.front, 2);
    stage_settle(&stage);
    assert_int_equal(caller_reply(&second), 200);
    expect_reply(&stage, &first, "/allow?key=a", 200);
    front_set_share(&stage.front, 1); /* those who are there stay */
    stage_settle(&stage);
    expect_reply(&stage, &first, "/allow?key=a", 200);
    expect_reply(&stage, &second, "/allow?key=a", 200);
    atomic_fetch_sub(&stage.with_room, 1);
    stage_close(&stage);
    caller_close(&first), caller_close(&second);
}

/* ---- before the drain ---- */

static void one_that_leaves_is_red_and_serves_all(enum stage_decider who)
{
    struct stage stage;
    struct caller kept, late;
    stage_open(&stage, who, ROOM);
    connect_to(&kept, &stage);
    expect_reply(&stage, &kept, "/readyz", 200);
    front_leave(&stage.front);
    stage_settle(&stage);
    for (unsigned i = 0; i < 3; i++) {
        expect_reply(&stage, &kept, "/readyz", 503);
        assert_true(caller_is_told(&kept, "draining: allowd is about to end"));
        assert_false(caller_is_told(&kept, "Connection: close"));
        connect_to(&late, &stage);
        expect_reply(&stage, &late, "/readyz", 503);
        expect_reply(&stage, &late, "/healthz", 200);
        expect_reply(&stage, &late, "/allow?key=a", 200);
        assert_false(caller_is_told(&late, "Connection: close"));
        stage_pass_ms(&stage, 20 * S);
        assert_int_equal(stage.front.phase, FRONT_SERVING);
        caller_close(&late);
    }
    assert_int_equal(stage_left(&stage, "a"), STAGE_BURST - 3);
    stage_drain(&stage);
    assert_int_equal(stage.front.phase, FRONT_IN_GRACE);
    expect_reply(&stage, &kept, "/readyz", 503);
    assert_true(caller_is_told(&kept, "Connection: close"));
    stage_pass_ms(&stage, FRONT_DRAIN_MS);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
    caller_close(&kept);
}

/* ---- the drain ---- */

static void with_nobody_there_a_drain_ends_at_once(enum stage_decider who)
{
    struct stage stage;
    stage_open(&stage, who, ROOM);
    stage_drain(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    assert_int_equal(stage_now_ms(&stage), 0);
    stage_close(&stage);
}

static void idle_connections_hear_of_the_end_after_a_grace(enum stage_decider who)
{
    struct stage stage;
    struct caller idle, busy, quick;
    stage_open(&stage, who, ROOM);
    connect_caller(&idle, &stage);
    connect_caller(&busy, &stage);
    connect_caller(&quick, &stage);
    expect_reply(&stage, &busy, "/allow?key=a", 200);
    stage_drain(&stage);
    assert_int_equal(stage.front.phase, FRONT_IN_GRACE);
    stage_pass_ms(&stage, FRONT_DRAIN_GRACE_MS - 1);
    expect_reply(&stage, &busy, "/allow?key=a", 200);
    assert_true(caller_is_told(&busy, "Connection: close"));
    assert_int_equal(caller_reply(&busy), REPLY_END);
    caller_get(&quick, "/allow?key=a"); /* has arrived when the grace ends */
    assert_int_equal(caller_reply(&idle), REPLY_NONE);
    stage_pass_ms(&stage, 1);
    assert_int_equal(caller_reply(&idle), REPLY_END);
    assert_int_equal(caller_reply(&quick), 200);
    assert_true(caller_is_told(&quick, "Connection: close"));
    stage_pass_ms(&stage, LEAVING_MS); /* whoever does not close is not waited for */
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    assert_int_equal(stage_left(&stage, "a"), STAGE_BURST - 3);
    stage_close(&stage);
    caller_close(&idle), caller_close(&busy), caller_close(&quick);
}

static void a_request_under_way_is_waited_for(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    stage_open(&stage, who, ROOM);
    connect_caller(&caller, &stage);
    caller_send(&caller, "GET /readyz HTTP/1.1\r\n");
    stage_drain(&stage);
    stage_pass_ms(&stage, FRONT_DRAIN_MS - 1);
    caller_send(&caller, "Host: a\r\n\r\n");
    stage_settle(&stage);
    assert_int_equal(caller_reply(&caller), 503);
    assert_true(caller_is_told(&caller, "draining: allowd is about to end"));
    assert_true(caller_is_told(&caller, "Connection: close"));
    caller_close(&caller);
    stage_settle(&stage);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    assert_int_equal(stage_now_ms(&stage), FRONT_DRAIN_MS - 1);
    stage_close(&stage);
}

static void a_drain_ends_at_its_deadline(enum stage_decider who)
{
    struct stage stage;
    struct caller header, body, unread;
    stage_open(&stage, who, ROOM);
    connect_caller(&header, &stage);
    connect_caller(&body, &stage);
    connect_caller(&unread, &stage);
    caller_send(&header, "GET /allow?key=a HTTP/1.1\r\n");
    caller_send(&body, post_header);
    pipeline(&unread, MORE_THAN_A_SOCKET_HOLDS);
    stage_settle(&stage);
    stage_drain(&stage);
    stage_pass_ms(&stage, FRONT_DRAIN_MS - 1);
    assert_int_equal(stage.front.phase, FRONT_DRAINING);
    assert_int_equal(caller_reply(&header), REPLY_NONE);
    assert_int_equal(caller_reply(&body), REPLY_NONE);
    stage_pass_ms(&stage, 1);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    assert_int_equal(caller_reply(&header), REPLY_END);
    assert_int_equal(caller_reply(&body), REPLY_END);
    assert_int_equal(stage_left(&stage, "a"), STAGE_BURST);
    stage_close(&stage);
    caller_close(&header), caller_close(&body), caller_close(&unread);
}

/* In most of the turns that serve somebody nothing else is looked at. */
static void who_comes_while_another_is_served_in_each_turn_is_accepted_soon(enum stage_decider who)
{
    struct stage stage;
    struct caller busy, late;
    stage_open(&stage, who, ROOM);
    caller_connect(&busy, &stage, false);
    connect_to(&late, &stage);
    caller_get(&late, "/nosuch");
    unsigned rounds = 0;
    for (; http_connections(stage.front.http) < 2; rounds++) {
        assert_in_range(rounds, 0, 4);
        caller_get(&busy, "/nosuch");
        front_turn(&stage.front, 0);
    }
    stage_settle(&stage);
    assert_int_equal(caller_reply(&late), 404);
    caller_close(&late);
    caller_close(&busy);
    stage_close(&stage);
}

static void what_the_kernel_has_accepted_before_a_drain_is_served(enum stage_decider who)
{
    struct stage stage;
    struct caller callers[ROOM + 2], late;
    stage_open(&stage, who, ROOM);
    for (size_t i = 0; i < LENGTH(callers); i++) {
        connect_to(&callers[i], &stage);
        caller_get(&callers[i], "/allow?key=a");
    }
    stage_drain(&stage);
    for (size_t i = 0; i < ROOM; i++)
        assert_int_equal(caller_reply(&callers[i]), 200);
    for (size_t i = ROOM; i < LENGTH(callers); i++)
        expect_turned_away(&callers[i]);
    assert_int_equal(caller_try_to_connect(&late, &stage.listeners[0]), ECONNREFUSED);
    for (size_t i = 0; i < LENGTH(callers); i++)
        caller_close(&callers[i]);
    stage_pass_ms(&stage, FRONT_DRAIN_GRACE_MS);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
    caller_close(&late);
}

/* More than have room in all backlogs, which are emptied before they are closed and after that. */
static void a_drain_does_not_wait_for_who_keeps_coming(enum stage_decider who)
{
    struct stage stage;
    enum { FLOOD = 2 * LENGTH(stage.listeners) * (SOMAXCONN + 1) + 1 };
    stage_open(&stage, who, ROOM);
    stage.flood = FLOOD;
    stage_drain(&stage);
    assert_in_range(stage.flood, 1, FLOOD - SOMAXCONN);
    stage.flood = 0;
    stage_pass_ms(&stage, FRONT_DRAIN_GRACE_MS);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
}

/* Somebody waits at a listener that a front-end without room has left to another one. */
static void open_with_one_waiting(struct stage *stage, enum stage_decider who,
                                  struct caller *served, struct caller *waits)
{
    stage_open(stage, who, 1);
    atomic_fetch_add(&stage->with_room, 1);
    connect_to(served, stage);
    connect_to(waits, stage);
    stage_settle(stage);
    assert_false(stage->front.acceptor.is_open);
    assert_int_equal(caller_reply(waits), REPLY_NONE);
}

static void close_with_one_waiting(struct stage *stage, struct caller *served, struct caller *waits)
{
    caller_close(served);
    atomic_fetch_sub(&stage->with_room, 1);
    stage_close(stage);
    caller_close(waits);
}

static void in_a_drain_nobody_is_left_to_others(enum stage_decider who)
{
    struct stage stage;
    struct caller served, waits;
    open_with_one_waiting(&stage, who, &served, &waits);
    stage_drain(&stage);
    expect_turned_away(&waits);
    close_with_one_waiting(&stage, &served, &waits);
}

static void what_waits_at_an_inherited_socket_is_for_the_next_process(enum stage_decider who)
{
    struct stage stage;
    struct caller served, waits;
    open_with_one_waiting(&stage, who, &served, &waits);
    stage.listeners[0].is_inherited = true;
    stage_drain(&stage);
    stage_pass_ms(&stage, FRONT_DRAIN_MS);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    assert_int_equal(caller_reply(&waits), REPLY_NONE);
    int next = accept4(stage.listeners[0].socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(next >= 0);
    close(next);
    close_with_one_waiting(&stage, &served, &waits);
}

/* ---- each with both ---- */

#define TESTS(TEST)                                                                                \
    TEST(requests_are_answered_in_order)                                                           \
    TEST(what_was_counted_is_told_in_time)                                                         \
    TEST(ticks_come_while_nobody_asks)                                                             \
    TEST(another_contract_holds_for_the_next_request)                                              \
    TEST(a_dialect_that_tells_dates_knows_the_date)                                                \
    TEST(a_header_has_ten_seconds)                                                                 \
    TEST(a_body_has_twenty_seconds_more)                                                           \
    TEST(a_body_in_chunks_has_no_more)                                                             \
    TEST(the_next_header_has_its_own_deadline)                                                     \
    TEST(a_reply_has_a_minute_to_be_taken_in)                                                      \
    TEST(and_so_it_has_for_who_has_half_closed)                                                    \
    TEST(who_is_quick_is_never_ended)                                                              \
    TEST(a_half_closed_client_gets_its_answers_then_the_end)                                       \
    TEST(who_leaves_in_the_middle_is_not_charged)                                                  \
    TEST(who_has_no_room_is_told_so)                                                               \
    TEST(however_many_come_descriptors_have_a_bound)                                               \
    TEST(the_log_is_told_of_it_once_in_ten_seconds)                                                \
    TEST(who_is_full_leaves_it_to_those_with_room)                                                 \
    TEST(without_descriptors_it_pauses)                                                            \
    TEST(one_made_anew_on_its_descriptor_is_served)                                                \
    TEST(one_that_goes_ends_at_once_with_nobody_there)                                             \
    TEST(one_that_goes_closes_each_behind_its_next_answer)                                         \
    TEST(one_that_goes_says_so_and_then_is_forgotten)                                              \
    TEST(one_that_goes_tells_all_that_it_has_counted)                                              \
    TEST(one_that_goes_leaves_the_listeners_to_others)                                             \
    TEST(one_that_goes_can_still_leave_and_drain)                                                  \
    TEST(with_a_larger_share_it_accepts_again)                                                     \
    TEST(one_that_leaves_is_red_and_serves_all)                                                    \
    TEST(with_nobody_there_a_drain_ends_at_once)                                                   \
    TEST(idle_connections_hear_of_the_end_after_a_grace)                                           \
    TEST(a_request_under_way_is_waited_for)                                                        \
    TEST(a_drain_ends_at_its_deadline)                                                             \
    TEST(who_comes_while_another_is_served_in_each_turn_is_accepted_soon)                          \
    TEST(what_the_kernel_has_accepted_before_a_drain_is_served)                                    \
    TEST(a_drain_does_not_wait_for_who_keeps_coming)                                               \
    TEST(in_a_drain_nobody_is_left_to_others)                                                      \
    TEST(what_waits_at_an_inherited_socket_is_for_the_next_process)

TESTS(HOSTED)
TESTS(BESIDE)

int main(void)
{
    const struct CMUnitTest tests[] = {TESTS(THE_SAME)};
    return cmocka_run_group_tests_name("front", tests, NULL, NULL);
}
