/*
 * RESP in a front-end: pipelines, clients that wait, that leave and that do not read, deadlines,
 * stalls and the drain, in virtual time.
 */
#include "resp/parse.h"
#include "resp/resp.h"
#include "support/front_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ROOM = 8, RESP_LISTENER = 2 };

#define ALLOWED(left) "*5\r\n:0\r\n:10\r\n:" #left "\r\n:-1\r\n"

static void connect_resp(struct caller *caller, struct stage *stage)
{
    caller_connect_to(caller, &stage->listeners[RESP_LISTENER]);
    stage_settle(stage);
}

static void open_with(struct stage *stage, enum stage_decider who, struct caller *caller)
{
    stage_open(stage, who, ROOM);
    connect_resp(caller, stage);
}

static void say(struct stage *stage, struct caller *caller, const char *bytes)
{
    caller_send(caller, bytes);
    stage_settle(stage);
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

static void assert_ended(struct stage *stage, struct caller *caller)
{
    caller_bytes(caller);
    assert_true(caller->has_ended);
    caller_close(caller);
    stage_settle(stage);
    assert_int_equal(resp_connections(stage->front.resp), 0);
    assert_int_equal(resp_letters_away(stage->front.resp), 0);
    stage_close(stage);
}

static void close_stage(struct stage *stage, struct caller *caller)
{
    caller_close(caller);
    stage_settle(stage);
    assert_int_equal(resp_connections(stage->front.resp), 0);
    assert_int_equal(resp_letters_away(stage->front.resp), 0);
    stage_close(stage);
}

/* ---- pipelines ---- */

static void a_pipeline_is_answered_in_order(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with(&stage, who, &caller);
    say(&stage, &caller, "ALLOW a 2\r\nPING\r\n*2\r\n$5\r\nALLOW\r\n$1\r\nb\r\nFOO x\r\n");
    const char *got = caller_bytes(&caller);
    const char *first = strstr(got, ALLOWED(8)), *pong = strstr(got, "+PONG\r\n"),
               *second = strstr(got, ALLOWED(9)), *error = strstr(got, "-ERR unknown command");
    assert_ptr_equal(first, got);
    assert_true(first < pong && pong < second && second < error);
    assert_ended(&stage, &caller);
}

static void a_pipeline_may_be_cut_at_every_byte(enum stage_decider who)
{
    static const char bytes[] = "*3\r\n$5\r\nALLOW\r\n$1\r\na\r\n$1\r\n2\r\nPING\r\nALLOW a\r\n";
    struct stage stage;
    struct caller caller;
    stage_open(&stage, who, ROOM);
    for (size_t cut = 1; cut < strlen(bytes); cut++) {
        char part[sizeof bytes];
        connect_resp(&caller, &stage);
        stage_install(&stage, 1000);
        snprintf(part, sizeof part, "%.*s", (int)cut, bytes);
        say(&stage, &caller, part);
        say(&stage, &caller, bytes + cut);
        const char *got = caller_bytes(&caller);
        assert_int_equal(count_of(got, "*5\r\n:0\r\n"), 2);
        assert_int_equal(count_of(got, "+PONG\r\n"), 1);
        caller_close(&caller);
        stage_settle(&stage);
    }
    stage_close(&stage);
}

static void ten_thousand_at_once_are_answered(enum stage_decider who)
{
    enum { COMMANDS = 10000 };
    struct stage stage;
    struct caller caller;
    open_with(&stage, who, &caller);
    unsigned answered = 0, denied = 0;
    for (unsigned sent = 0; sent < COMMANDS; sent += 100) {
        for (unsigned i = 0; i < 100; i++)
            caller_send(&caller, "ALLOW a\r\n");
        stage_settle(&stage);
        const char *got = caller_bytes(&caller);
        answered += count_of(got, "*5\r\n");
        denied += count_of(got, "*5\r\n:1\r\n");
    }
    assert_int_equal(answered, COMMANDS);
    assert_int_equal(denied, COMMANDS - STAGE_BURST);
    close_stage(&stage, &caller);
}

/* ---- who waits ---- */

static void who_waits_holds_back_what_is_behind(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with(&stage, who, &caller);
    stage_park(&stage, MESSAGE_ALLOW);
    say(&stage, &caller, "PING\r\nALLOW a 1 WAIT 1000\r\nPING\r\nPING\r\n");
    assert_string_equal(caller_bytes(&caller), "+PONG\r\n");
    stage_pass_ms(&stage, 2 * STAGE_IDLE_TIMEOUT_S * 1000);
    assert_string_equal(caller_bytes(&caller), "");
    stage_release(&stage, "a");
    assert_string_equal(caller_bytes(&caller), ALLOWED(9) ":86400000\r\n+PONG\r\n+PONG\r\n");
    assert_false(caller.has_ended);
    stage_pass_ms(&stage, (STAGE_IDLE_TIMEOUT_S + 1) * 1000);
    assert_ended(&stage, &caller);
}

static void who_leaves_while_it_waits_is_taken_out(enum stage_decider who)
{
    for (int half = 0; half < 2; half++) {
        struct stage stage;
        struct caller caller;
        open_with(&stage, who, &caller);
        stage_park(&stage, MESSAGE_ALLOW);
        stage.keeps_leaves = true;
        say(&stage, &caller, "ALLOW a 1 WAIT 1000\r\nCHARGE a 5\r\n");
        stage_find_parked(&stage, "a");
        if (half)
            caller_half_close(&caller);
        else
            caller_close(&caller);
        stage_settle(&stage);
        assert_int_equal(stage.leaves, 1);
        stage_settle(&stage);
        assert_int_equal(stage.leaves, 1);
        stage_release_leaves(&stage);
        if (half)
            caller_close(&caller);
        stage_settle(&stage);
        assert_int_equal(resp_connections(stage.front.resp), 0);
        assert_int_equal(resp_letters_away(stage.front.resp), 0);
        assert_int_equal(stage_left(&stage, "a"), STAGE_BURST);
        stage_close(&stage);
    }
}

static void who_waits_hears_of_the_drain(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with(&stage, who, &caller);
    stage_park(&stage, MESSAGE_ALLOW);
    say(&stage, &caller, "ALLOW a 1 WAIT 1000\r\n");
    stage_drain(&stage);
    assert_string_equal(caller_bytes(&caller), "-ERR nobody waits for this any more, and nothing "
                                               "was taken; ask again\r\n");
    assert_true(caller.has_ended);
    caller_close(&caller);
    stage_pass_ms(&stage, FRONT_DRAIN_MS);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
}

static void a_late_answer_is_written_once_it_is_there(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with(&stage, who, &caller);
    stage.keeps_report = true;
    stage_park(&stage, MESSAGE_ALLOW);
    say(&stage, &caller, "ALLOW a\r\nPING\r\n");
    say(&stage, &caller, "PING\r\n");
    assert_string_equal(caller_bytes(&caller), "");
    stage_release_report(&stage);
    stage_release(&stage, "a");
    assert_string_equal(caller_bytes(&caller), ALLOWED(9) ":86400000\r\n+PONG\r\n+PONG\r\n");
    close_stage(&stage, &caller);
}

/* Its question has not gone, so it is not asked any more. */
static void who_leaves_in_a_stall_is_not_charged(enum stage_decider who)
{
    struct stage stage;
    struct caller first, second;
    open_with(&stage, who, &first);
    connect_resp(&second, &stage);
    stage.keeps_report = true;
    say(&stage, &first, "ALLOW b\r\n");
    say(&stage, &second, "ALLOW a 1 WAIT 1000\r\n");
    caller_close(&second);
    stage_settle(&stage);
    stage_release_report(&stage);
    assert_int_equal(stage_left(&stage, "a"), STAGE_BURST);
    assert_non_null(strstr(caller_bytes(&first), ALLOWED(9)));
    close_stage(&stage, &first);
}

/* ---- deadlines ---- */

static void a_command_has_ten_seconds_however_it_trickles(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with(&stage, who, &caller);
    stage_pass_ms(&stage, 30000);
    say(&stage, &caller, "PING\r\nPI");
    for (unsigned i = 0; i < RESP_COMMAND_S - 1; i++) {
        stage_pass_ms(&stage, 1000);
        say(&stage, &caller, "N");
    }
    assert_string_equal(caller_bytes(&caller), "+PONG\r\n");
    assert_false(caller.has_ended);
    stage_pass_ms(&stage, 2500);
    assert_ended(&stage, &caller);
}

static void who_is_idle_is_ended(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with(&stage, who, &caller);
    stage_pass_ms(&stage, STAGE_IDLE_TIMEOUT_S * 1000 - 1);
    say(&stage, &caller, "PING\r\n");
    stage_pass_ms(&stage, STAGE_IDLE_TIMEOUT_S * 1000 - 1);
    assert_string_equal(caller_bytes(&caller), "+PONG\r\n");
    assert_false(caller.has_ended);
    stage_pass_ms(&stage, 2500);
    assert_ended(&stage, &caller);
}

/* Sends commands and reads no answer, until nothing more is taken. Returns how many went out. */
static unsigned fill(struct stage *stage, struct caller *caller)
{
    static const char command[] = "ALLOW a\r\n";
    unsigned sent = 0;
    while (send(caller->socket, command, strlen(command), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        if (++sent % 100 == 0)
            stage_settle(stage);
    }
    stage_settle(stage);
    return sent;
}

static void who_does_not_read_is_not_read_from_and_ended(enum stage_decider who)
{
    struct stage stage;
    struct caller caller, other;
    open_with(&stage, who, &caller);
    fill(&stage, &caller);
    connect_resp(&other, &stage);
    say(&stage, &other, "PING\r\n");
    assert_string_equal(caller_bytes(&other), "+PONG\r\n");
    stage_pass_ms(&stage, RESP_REPLY_S * 1000 - 1);
    assert_int_equal(resp_connections(stage.front.resp), 2);
    stage_pass_ms(&stage, 2500);
    assert_int_equal(resp_connections(stage.front.resp), 1);
    caller_close(&caller);
    close_stage(&stage, &other);
}

static void who_reads_at_last_gets_all(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with(&stage, who, &caller);
    unsigned sent = fill(&stage, &caller), answered = 0;
    for (int idle = 0; idle < 3; idle++) {
        char bytes[8192];
        ssize_t got;
        while ((got = recv(caller.socket, bytes, sizeof bytes - 1, 0)) > 0) {
            for (ssize_t i = 0; i < got; i++)
                answered += bytes[i] == '*';
            idle = 0;
        }
        stage_settle(&stage);
    }
    assert_in_range(answered, sent, sent + 1); /* the last command may be cut */
    close_stage(&stage, &caller);
}

/* ---- the end ---- */

static void quit_and_faults_end_behind_their_answer(enum stage_decider who)
{
    static const char *const rows[][2] = {
        {"PING\r\nQUIT\r\nPING\r\n", "+PONG\r\n+OK\r\n"},
        {"PING\r\n*1\r\nx\r\nPING\r\n",
         "+PONG\r\n-ERR Protocol error: '$' is missing before an argument\r\n"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct stage stage;
        struct caller caller;
        open_with(&stage, who, &caller);
        say(&stage, &caller, rows[i][0]);
        assert_string_equal(caller_bytes(&caller), rows[i][1]);
        assert_ended(&stage, &caller);
    }
}

static void who_lingers_behind_its_last_answer_is_closed(enum stage_decider who)
{
    struct stage stage;
    struct caller caller;
    open_with(&stage, who, &caller);
    say(&stage, &caller, "QUIT\r\n");
    say(&stage, &caller, "PING\r\nPING\r\n");
    assert_int_equal(resp_connections(stage.front.resp), 1);
    stage_pass_ms(&stage, RESP_LEAVING_MS + 1500);
    assert_int_equal(resp_connections(stage.front.resp), 0);
    assert_string_equal(caller_bytes(&caller), "+OK\r\n");
    close_stage(&stage, &caller);
}

static void a_drain_answers_what_is_there_and_closes(enum stage_decider who)
{
    struct stage stage;
    struct caller idle, busy;
    open_with(&stage, who, &idle);
    connect_resp(&busy, &stage);
    caller_send(&busy, "ALLOW a\r\nPING\r\n");
    stage_drain(&stage);
    assert_string_equal(caller_bytes(&busy), ALLOWED(9) ":86400000\r\n+PONG\r\n");
    say(&stage, &busy, "PING\r\nPING\r\n");
    assert_string_equal(caller_bytes(&busy), "+PONG\r\n+PONG\r\n");
    assert_true(busy.has_ended);
    caller_close(&busy);
    assert_string_equal(caller_bytes(&idle), "");
    assert_false(idle.has_ended);
    stage_pass_ms(&stage, FRONT_DRAIN_GRACE_MS + 1);
    assert_string_equal(caller_bytes(&idle), "");
    assert_true(idle.has_ended);
    caller_close(&idle);
    stage_pass_ms(&stage, FRONT_DRAIN_MS);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
}

/* Nobody else ends: an idle client is left alone until it has had another answer. */
static void one_that_goes_ends_each_behind_its_next_answers(enum stage_decider who)
{
    struct stage stage;
    struct caller idle, waiting;
    open_with(&stage, who, &idle);
    connect_resp(&waiting, &stage);
    stage_park(&stage, MESSAGE_ALLOW);
    say(&stage, &waiting, "ALLOW a 1 WAIT 1000\r\nPING\r\n");
    front_go(&stage.front);
    stage_settle(&stage);
    stage_pass_ms(&stage, FRONT_DRAIN_MS);
    assert_false(idle.has_ended);
    stage_release(&stage, "a");
    assert_string_equal(caller_bytes(&waiting), ALLOWED(9) ":86400000\r\n+PONG\r\n");
    assert_true(waiting.has_ended);
    caller_close(&waiting);
    say(&stage, &idle, "PING\r\n");
    assert_string_equal(caller_bytes(&idle), "+PONG\r\n");
    assert_true(idle.has_ended);
    caller_close(&idle);
    stage_settle(&stage);
    stage_pass_ms(&stage, 2000);
    assert_int_equal(stage.front.phase, FRONT_ENDED);
    stage_close(&stage);
}

static void connections_of_both_kinds_share_the_room(enum stage_decider who)
{
    struct stage stage;
    struct caller callers[ROOM], http, one_more;
    stage_open(&stage, who, ROOM);
    for (unsigned i = 0; i + 1 < ROOM; i++)
        connect_resp(&callers[i], &stage);
    caller_connect_to(&http, &stage.listeners[0]);
    stage_settle(&stage);
    connect_resp(&one_more, &stage);
    assert_string_equal(caller_bytes(&one_more), "-ERR max number of clients reached; try again, "
                                                 "and keep connections open\r\n");
    assert_true(one_more.has_ended);
    caller_close(&one_more);
    caller_close(&callers[0]);
    stage_settle(&stage);
    connect_resp(&callers[0], &stage);
    say(&stage, &callers[0], "PING\r\n");
    assert_string_equal(caller_bytes(&callers[0]), "+PONG\r\n");
    for (unsigned i = 0; i + 1 < ROOM; i++)
        caller_close(&callers[i]);
    caller_close(&http);
    stage_settle(&stage);
    stage_close(&stage);
}

/* While `floods`, a client sends faster than it is read, for as long as a test bears. */
enum { FLOOD_READS = 10000, FLOOD_READS_BORNE = 4 };
static bool floods;
static unsigned flood_reads;

ssize_t __real_recv(int socket, void *bytes, size_t len, int flags);
ssize_t __wrap_recv(int socket, void *bytes, size_t len, int flags);

ssize_t __wrap_recv(int socket, void *bytes, size_t len, int flags)
{
    if (!floods)
        return __real_recv(socket, bytes, len, flags);
    return ++flood_reads < FLOOD_READS ? (ssize_t)len : 0;
}

static void who_floods_while_turned_away_holds_nobody_up(enum stage_decider who)
{
    struct stage stage;
    struct caller callers[ROOM], one_more;
    stage_open(&stage, who, ROOM);
    for (unsigned i = 0; i < ROOM; i++)
        connect_resp(&callers[i], &stage);
    flood_reads = 0;
    floods = true;
    connect_resp(&one_more, &stage);
    floods = false;
    assert_in_range(flood_reads, 1, FLOOD_READS_BORNE);
    assert_int_equal(count_of(caller_bytes(&one_more), "-ERR max number of clients reached"), 1);
    caller_close(&one_more);
    for (unsigned i = 0; i < ROOM; i++)
        caller_close(&callers[i]);
    stage_settle(&stage);
    stage_close(&stage);
}

/* ---- each beside a decider, and as its host ---- */

#define TESTS(TEST)                                                                                \
    TEST(a_pipeline_is_answered_in_order)                                                          \
    TEST(a_pipeline_may_be_cut_at_every_byte)                                                      \
    TEST(ten_thousand_at_once_are_answered)                                                        \
    TEST(who_waits_holds_back_what_is_behind)                                                      \
    TEST(who_leaves_while_it_waits_is_taken_out)                                                   \
    TEST(who_waits_hears_of_the_drain)                                                             \
    TEST(a_command_has_ten_seconds_however_it_trickles)                                            \
    TEST(who_is_idle_is_ended)                                                                     \
    TEST(who_does_not_read_is_not_read_from_and_ended)                                             \
    TEST(who_reads_at_last_gets_all)                                                               \
    TEST(quit_and_faults_end_behind_their_answer)                                                  \
    TEST(who_lingers_behind_its_last_answer_is_closed)                                             \
    TEST(a_drain_answers_what_is_there_and_closes)                                                 \
    TEST(one_that_goes_ends_each_behind_its_next_answers)                                          \
    TEST(connections_of_both_kinds_share_the_room)                                                 \
    TEST(who_floods_while_turned_away_holds_nobody_up)

/* In place no report is waited for. */
#define STALLS(TEST)                                                                               \
    TEST(a_late_answer_is_written_once_it_is_there)                                                \
    TEST(who_leaves_in_a_stall_is_not_charged)

TESTS(BESIDE)
TESTS(IN_PLACE)
STALLS(BESIDE)

int main(void)
{
    const struct CMUnitTest tests[] = {TESTS(TWO) STALLS(ONE)};
    return cmocka_run_group_tests_name("resp in a front-end", tests, NULL, NULL);
}
