/* Commands of RESP: how they are read, what each asks, and what is answered. */
#include "resp/answer.h"
#include "resp/commands.h"
#include "support/brain_fixture.h"

#include <stdio.h>
#include <string.h>

enum { BURST = 10, WAIT_MAX_MS = 5000 };
#define TOKEN "0123456789abcdef"

/* ---- reading ---- */

static enum parse_result parse(const char *bytes, size_t len, struct command *command,
                               size_t *taken)
{
    const char *fault = NULL;
    enum parse_result result = command_parse(bytes, len, command, taken, &fault);
    assert_int_equal(result == PARSE_BROKEN, fault != NULL);
    return result;
}

static void commands_are_arrays_or_lines(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        unsigned count;
        const char *args[3];
    } rows[] = {
        {"*1\r\n$4\r\nPING\r\n", 1, {"PING"}},
        {"*2\r\n$5\r\nALLOW\r\n$5\r\na b\r\n\r\n", 2, {"ALLOW", "a b\r\n"}},
        {"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", 2, {"ECHO", ""}},
        {"*0\r\n", 0, {NULL}},
        {"*-1\r\n", 0, {NULL}},
        {"PING\r\n", 1, {"PING"}},
        {"  ALLOW\tkey  2 \n", 3, {"ALLOW", "key", "2"}},
        {"\r\n", 0, {NULL}},
        {"\n", 0, {NULL}},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct command command;
        size_t taken = 0, len = strlen(rows[i].bytes);
        for (size_t part = 0; part < len; part++)
            assert_int_equal(parse(rows[i].bytes, part, &command, &taken), PARSE_MORE);
        assert_int_equal(parse(rows[i].bytes, len, &command, &taken), PARSE_DONE);
        assert_int_equal(taken, len);
        assert_int_equal(command.count, rows[i].count);
        assert_int_equal(command.is_line, rows[i].bytes[0] != '*');
        for (unsigned k = 0; k < command.count; k++) {
            assert_int_equal(command.args[k].len, strlen(rows[i].args[k]));
            assert_memory_equal(command.args[k].text, rows[i].args[k], command.args[k].len);
        }
    }
}

static void what_is_behind_a_command_is_left(void **state)
{
    (void)state;
    static const char bytes[] = "*1\r\n$4\r\nPING\r\nPING\r\n*1\r\n$4\r\nQU";
    struct command command;
    size_t first = 0, second = 0, third = 0;
    assert_int_equal(parse(bytes, strlen(bytes), &command, &first), PARSE_DONE);
    assert_int_equal(parse(bytes + first, strlen(bytes) - first, &command, &second), PARSE_DONE);
    assert_int_equal(first + second, strlen("*1\r\n$4\r\nPING\r\nPING\r\n"));
    assert_int_equal(
        parse(bytes + first + second, strlen(bytes) - first - second, &command, &third),
        PARSE_MORE);
}

static void what_is_no_command_is_told_at_once(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "*x",
        "*\r\n",
        "*1x",
        "*1\rx",
        "*65\r\n",
        "*99999999999\r\n",
        "*1\r\nPING\r\n",
        "*1\r\n:4\r\n",
        "*1\r\n$-1\r\n",
        "*1\r\n$x",
        "*1\r\n$ 4",
        "*1\r\n$65537\r\n",
        "*1\r\n$184467440737095516164\r\n",
        "*1\r\n$4\r\nPINGxx",
        "*1\r\n$4\r\nPIN\r\n*",
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct command command;
        size_t taken = 0;
        assert_int_equal(parse(rows[i], strlen(rows[i]), &command, &taken), PARSE_BROKEN);
    }
}

static void what_is_too_long_is_broken(void **state)
{
    (void)state;
    static char bytes[COMMAND_MAX + 1];
    struct command command;
    size_t taken = 0;
    memset(bytes, 'a', sizeof bytes);
    assert_int_equal(parse(bytes, COMMAND_LINE_MAX - 1, &command, &taken), PARSE_MORE);
    assert_int_equal(parse(bytes, COMMAND_LINE_MAX, &command, &taken), PARSE_BROKEN);
    memcpy(bytes, "*1\r\n$65536\r\n", 12);
    assert_int_equal(parse(bytes, COMMAND_MAX - 1, &command, &taken), PARSE_MORE);
    assert_int_equal(parse(bytes, COMMAND_MAX, &command, &taken), PARSE_BROKEN);
    for (size_t i = 0; i < 200; i += 2)
        memcpy(bytes + i, "a ", 2);
    bytes[200] = '\n';
    assert_int_equal(parse(bytes, 201, &command, &taken), PARSE_BROKEN);
}

/* ---- a client's commands, answered by a real brain ---- */

struct talk {
    struct fixture brain;
    struct contract *contract;
    struct resp_rules rules;
    struct session session;
    struct call call;
    enum command_family family;
};

/* "jobs" has slots. */
static void open_talk(struct talk *talk, bool has_token)
{
    *talk = (struct talk){.session = {.protocol = 2, .id = 7}};
    static const struct limit_terms terms[] = {
        {
            .name = "jobs",
            .match = "job:*",
            .buckets_count = 1,
            .buckets = {{.burst = 3, .holds_slots = true}},
        },
        {
            .name = LIMIT_DEFAULT_NAME,
            .buckets_count = 1,
            .buckets = {{.burst = BURST, .rate = {1, 1000}, .debt_max = BURST}},
        },
    };
    struct limits *limits = limits_new(LENGTH(terms), 100);
    assert_non_null(limits);
    for (size_t i = 0; i < LENGTH(terms); i++)
        assert_true(limits_add(limits, &terms[i]));
    fixture_init_limits(&talk->brain, limits, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    talk->contract = contract_new(HEADERS_IETF);
    assert_non_null(talk->contract);
    talk->contract->wait_max_ms = WAIT_MAX_MS;
    if (has_token)
        talk->contract->admin_token = secret_of(TOKEN, strlen(TOKEN));
    talk->rules = (struct resp_rules){.contract = talk->contract};
}

static void close_talk(struct talk *talk)
{
    fixture_release(&talk->brain);
    contract_release(talk->contract);
}

/* Says a line of words, as one that a program sends. Returns the reply. */
static const char *say_as(struct talk *talk, const char *line, bool is_line)
{
    struct command command;
    struct chain answered = {0};
    size_t taken = 0;
    const char *fault = NULL;
    char bytes[512];
    int len = snprintf(bytes, sizeof bytes, "%s\r\n", line);
    assert_int_equal(command_parse(bytes, (size_t)len, &command, &taken, &fault), PARSE_DONE);
    command.is_line = is_line;
    talk->family = command_call(&command, &talk->call, &talk->session, &talk->rules);
    if (!talk->call.is_done) {
        brain_answer(talk->brain.brain, &talk->call.message.letter, &answered);
        assert_ptr_equal(answered.newest, &talk->call.message.letter);
        answer_write(&talk->call);
    }
    assert_int_equal(strlen(talk->call.reply), talk->call.reply_len);
    return talk->call.reply;
}

static const char *say(struct talk *talk, const char *line)
{
    return say_as(talk, line, false);
}

static void assert_said(struct talk *talk, const char *line, const char *reply)
{
    assert_string_equal(say(talk, line), reply);
}

static void assert_error(struct talk *talk, const char *line, const char *begin)
{
    const char *reply = say(talk, line);
    size_t len = strlen(reply);
    if (strncmp(reply, begin, strlen(begin)) != 0)
        fail_msg("%s: %s", line, reply);
    assert_string_equal(reply + len - 2, "\r\n");
    assert_int_equal(strcspn(reply, "\r\n"), len - 2);
}

static void allow_tells_five_numbers(void **state)
{
    (void)state;
    struct talk talk;
    open_talk(&talk, false);
    assert_said(&talk, "ALLOW a", "*5\r\n:0\r\n:10\r\n:9\r\n:-1\r\n:1000\r\n");
    assert_int_equal(talk.family, COMMAND_ALLOW);
    assert_said(&talk, "allow a 8", "*5\r\n:0\r\n:10\r\n:1\r\n:-1\r\n:9000\r\n");
    assert_said(&talk, "ALLOW a 2 LIMIT default", "*5\r\n:1\r\n:10\r\n:1\r\n:1000\r\n:9000\r\n");
    assert_said(&talk, "ALLOW a 0", "*5\r\n:0\r\n:10\r\n:1\r\n:-1\r\n:9000\r\n");
    assert_said(&talk, "ALLOW a 11", "*5\r\n:1\r\n:10\r\n:1\r\n:-2\r\n:9000\r\n");
    close_talk(&talk);
}

static void others_tell_what_is_owed_too(void **state)
{
    (void)state;
    struct talk talk;
    open_talk(&talk, false);
    assert_said(&talk, "STATUS a", "*6\r\n:0\r\n:10\r\n:10\r\n:-1\r\n:0\r\n:0\r\n");
    assert_said(&talk, "CHARGE a 12", "*7\r\n:0\r\n:10\r\n:0\r\n:-1\r\n:12000\r\n:2\r\n:12\r\n");
    assert_said(&talk, "CHARGE a 100", "*7\r\n:0\r\n:10\r\n:0\r\n:-1\r\n:20000\r\n:10\r\n:8\r\n");
    assert_said(&talk, "REFUND a 11", "*6\r\n:0\r\n:10\r\n:1\r\n:-1\r\n:9000\r\n:0\r\n");
    assert_said(&talk, "REFUND a", "*6\r\n:0\r\n:10\r\n:2\r\n:-1\r\n:8000\r\n:0\r\n");
    assert_said(&talk, "RESET a LIMIT default", "*6\r\n:0\r\n:10\r\n:10\r\n:-1\r\n:0\r\n:0\r\n");
    assert_int_equal(talk.family, COMMAND_ADMIN);
    close_talk(&talk);
}

static void bad_questions_say_what_to_do_and_take_nothing(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"ALLOW", "-ERR wrong number of arguments; say ALLOW key [tokens] [LIMIT name]"},
        {"ALLOW a 1 LIMIT x WAIT 1 y", "-ERR wrong number of arguments"},
        {"ALLOW a -1", "-ERR tokens is \"-1\"; give a whole number from 0 to"},
        {"ALLOW a 1.5", "-ERR tokens is \"1.5\""},
        {"ALLOW a 1000000000000000", "-ERR tokens is "},
        {"ALLOW a 1 LIMIT", "-ERR syntax error at \"LIMIT\""},
        {"ALLOW a 1 LIMIT no", "-ERR there is no limit named \"no\""},
        {"ALLOW a LIMIT \xc3\xa4", "-ERR there can be no limit named \""},
        {"ALLOW a LIMIT default LIMIT default", "-ERR syntax error at \"LIMIT\""},
        {"ALLOW a 1 FOO 2",
         "-ERR syntax error at \"FOO\"; behind ALLOW there may be LIMIT name and"},
        {"ALLOW a 1 WAIT 5001", "-ERR WAIT is \"5001\"; give milliseconds, at most the 5000 of"},
        {"ALLOW a 1 WAIT 2s", "-ERR WAIT is \"2s\""},
        {"ALLOW a 0 WAIT 1", "-ERR tokens is 0, and nobody waits"},
        {"ALLOW a\x01", "-ERR key holds a control character"},
        {"ALLOW \xff", "-ERR key is not valid UTF-8"},
        {"CHARGE a", "-ERR tokens is missing; say CHARGE key tokens"},
        {"CHARGE a LIMIT default", "-ERR tokens is missing"},
        {"CHARGE a 0", "-ERR tokens is 0"},
        {"RESET a 5", "-ERR syntax error at \"5\"; behind RESET there may be LIMIT name"},
        {"RESET a 5 6 7", "-ERR wrong number"},
        {"RESET a 5 6", "-ERR syntax error at \"5\"; behind RESET there may be LIMIT name"},
        {"STATUS a WAIT 6", "-ERR syntax error at \"WAIT\""},
        {"REFUND a WAIT 6", "-ERR syntax error at \"WAIT\""},
    };
    struct talk talk;
    open_talk(&talk, false);
    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_error(&talk, rows[i][0], rows[i][1]);
    assert_int_equal(fixture_status(&talk.brain, "a").remaining_tokens, BURST);
    close_talk(&talk);
}

static void what_has_slots_is_left_to_leases(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"ALLOW job:a", "-ERR limit \"jobs\" takes leases; POST /acquire over HTTP instead\r\n"},
        {"CHARGE job:a 1", "-ERR limit \"jobs\" has no tokens, only slots\r\n"},
        {"REFUND job:a", "-ERR limit \"jobs\" has no tokens, only slots\r\n"},
        {"RESET job:a", "-ERR limit \"jobs\" has no tokens, only slots\r\n"},
        {"STATUS job:a", "*6\r\n:0\r\n:3\r\n:3\r\n:-1\r\n:-1\r\n:0\r\n"},
    };
    struct talk talk;
    open_talk(&talk, false);
    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_said(&talk, rows[i][0], rows[i][1]);
    close_talk(&talk);
}

static void where_all_owe_nothing_more_is_charged(void **state)
{
    (void)state;
    struct talk talk;
    char line[32];
    open_talk(&talk, false);
    for (unsigned i = 0; i < FIXTURE_MAX_KEYS; i++) {
        snprintf(line, sizeof line, "CHARGE %u 20", i);
        assert_said(&talk, line, "*7\r\n:0\r\n:10\r\n:0\r\n:-1\r\n:20000\r\n:10\r\n:20\r\n");
    }
    assert_said(&talk, "CHARGE new 1",
                "-ERR nothing was charged: the table is full of keys that owe tokens\r\n");
    assert_int_equal(say(&talk, "ALLOW new")[5], '1');
    close_talk(&talk);
}

static void where_nobody_may_wait_that_is_told(void **state)
{
    (void)state;
    struct talk talk;
    open_talk(&talk, false);
    talk.contract->wait_max_ms = 0;
    assert_said(&talk, "ALLOW a 1 WAIT 1",
                "-ERR nobody may wait here, because wait_max is 0; leave WAIT out\r\n");
    close_talk(&talk);
}

static void a_key_of_255_bytes_is_the_longest(void **state)
{
    (void)state;
    struct talk talk;
    char line[512];
    open_talk(&talk, false);
    snprintf(line, sizeof line, "ALLOW %0255d", 1);
    assert_said(&talk, line, "*5\r\n:0\r\n:10\r\n:9\r\n:-1\r\n:1000\r\n");
    snprintf(line, sizeof line, "ALLOW %0256d", 1);
    assert_error(&talk, line, "-ERR key is longer than 255 bytes");
    close_talk(&talk);
}

/* ---- CL.THROTTLE ---- */

/* The vectors of redis-cell's own test, in its numbers; whole seconds are rounded up. */
static void throttle_decides_as_redis_cell_does(void **state)
{
    (void)state;
    static const struct {
        uint64_t at_ms;
        unsigned quantity;
        const char *reply;
    } rows[] = {
        {0, 6, "*5\r\n:1\r\n:5\r\n:5\r\n:-1\r\n:0\r\n"},
        {0, 1, "*5\r\n:0\r\n:5\r\n:4\r\n:-1\r\n:1\r\n"},
        {0, 1, "*5\r\n:0\r\n:5\r\n:3\r\n:-1\r\n:2\r\n"},
        {0, 1, "*5\r\n:0\r\n:5\r\n:2\r\n:-1\r\n:3\r\n"},
        {0, 1, "*5\r\n:0\r\n:5\r\n:1\r\n:-1\r\n:4\r\n"},
        {0, 1, "*5\r\n:0\r\n:5\r\n:0\r\n:-1\r\n:5\r\n"},
        {0, 1, "*5\r\n:1\r\n:5\r\n:0\r\n:1\r\n:5\r\n"},
        {3000, 1, "*5\r\n:0\r\n:5\r\n:2\r\n:-1\r\n:3\r\n"},
        {3100, 1, "*5\r\n:0\r\n:5\r\n:1\r\n:-1\r\n:4\r\n"},
        {4000, 1, "*5\r\n:0\r\n:5\r\n:1\r\n:-1\r\n:4\r\n"},
        {8000, 1, "*5\r\n:0\r\n:5\r\n:4\r\n:-1\r\n:1\r\n"},
        {9500, 1, "*5\r\n:0\r\n:5\r\n:4\r\n:-1\r\n:1\r\n"},
        {9500, 0, "*5\r\n:0\r\n:5\r\n:4\r\n:-1\r\n:1\r\n"},
        {9500, 2, "*5\r\n:0\r\n:5\r\n:2\r\n:-1\r\n:3\r\n"},
        {9500, 5, "*5\r\n:1\r\n:5\r\n:2\r\n:3\r\n:3\r\n"},
    };
    struct talk talk;
    open_talk(&talk, true);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char line[64];
        fixture_at(&talk.brain, rows[i].at_ms);
        snprintf(line, sizeof line, "CL.THROTTLE foo 4 1 1 %u", rows[i].quantity);
        assert_said(&talk, line, rows[i].reply);
    }
    assert_int_equal(talk.family, COMMAND_ALLOW);
    close_talk(&talk);
}

/* As its README has it; and what it must limit though many come back in a second. */
static void throttle_tells_what_the_readme_says(void **state)
{
    (void)state;
    struct talk talk;
    open_talk(&talk, false);
    assert_said(&talk, "CL.THROTTLE user123 15 30 60", "*5\r\n:0\r\n:16\r\n:15\r\n:-1\r\n:2\r\n");
    assert_said(&talk, "cl.throttle user123 15 30 60 1", "*5\r\n:0\r\n:16\r\n:14\r\n:-1\r\n:4\r\n");
    for (unsigned i = 0; i < 6000; i++)
        assert_int_equal(say(&talk, "CL.THROTTLE fast 5999 6000 1")[5], '0');
    assert_said(&talk, "CL.THROTTLE fast 5999 6000 1", "*5\r\n:1\r\n:6000\r\n:0\r\n:0\r\n:1\r\n");
    close_talk(&talk);
}

static void keys_of_throttle_are_apart(void **state)
{
    (void)state;
    struct talk talk;
    open_talk(&talk, false);
    assert_said(&talk, "CL.THROTTLE a 0 1 3600", "*5\r\n:0\r\n:1\r\n:0\r\n:-1\r\n:3600\r\n");
    assert_said(&talk, "CL.THROTTLE a 0 1 3600", "*5\r\n:1\r\n:1\r\n:0\r\n:3600\r\n:3600\r\n");
    assert_said(&talk, "ALLOW a 10", "*5\r\n:0\r\n:10\r\n:0\r\n:-1\r\n:10000\r\n");
    assert_said(&talk, "RESET a", "*6\r\n:0\r\n:10\r\n:10\r\n:-1\r\n:0\r\n:0\r\n");
    assert_int_equal(say(&talk, "CL.THROTTLE a 0 1 3600")[5], '1');
    assert_said(&talk, "CL.THROTTLE a 3 1 3600", "*5\r\n:0\r\n:4\r\n:2\r\n:-1\r\n:7200\r\n");
    close_talk(&talk);
}

/* One that is nearest to full goes, and never more are kept than there is room for. */
static void more_keys_than_room_cost_the_fullest_theirs(void **state)
{
    (void)state;
    struct talk talk;
    char line[64];
    open_talk(&talk, false);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(line, sizeof line, "CL.THROTTLE heavy-%u 9 1 3600 10", i);
        assert_int_equal(say(&talk, line)[5], '0');
    }
    for (unsigned i = 0; i < 5 * FIXTURE_MAX_KEYS; i++) {
        snprintf(line, sizeof line, "CL.THROTTLE light-%u 9 1 3600 1", i);
        assert_int_equal(say(&talk, line)[5], '0');
    }
    for (unsigned i = 0; i < 20; i++) {
        snprintf(line, sizeof line, "CL.THROTTLE heavy-%u 9 1 3600 1", i);
        assert_int_equal(say(&talk, line)[5], '1');
    }
    fixture_at(&talk.brain, 24 * 3600 * 1000);
    for (unsigned i = 0; i < 5 * FIXTURE_MAX_KEYS; i++) {
        snprintf(line, sizeof line, "CL.THROTTLE late-%u 0 1 1", i % 100);
        say(&talk, line);
    }
    assert_int_equal(say(&talk, "CL.THROTTLE late-1 0 1 1")[5], '1');
    close_talk(&talk);
}

static void what_throttle_cannot_count_is_told(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"CL.THROTTLE a 1 1", "-ERR wrong number of arguments; say CL.THROTTLE key max_burst"},
        {"CL.THROTTLE a 1 1 1 1 1", "-ERR wrong number of arguments"},
        {"CL.THROTTLE a -1 1 1", "-ERR max_burst is \"-1\"; give a whole number from 0 to"},
        {"CL.THROTTLE a 1 0 1", "-ERR count is \"0\"; give a whole number from 1 to"},
        {"CL.THROTTLE a 1 1 0", "-ERR period is \"0\""},
        {"CL.THROTTLE a 1 1 1 x", "-ERR quantity is \"x\""},
        {"CL.THROTTLE a 0 1 3153600001", "-ERR (max_burst + 1) * period / count is more than"},
        {"CL.THROTTLE a 999999999999999 1 999999999999999", "-ERR (max_burst + 1)"},
        {"CL.THROTTLE a 1 1000001 1", "-ERR count / period is more than 1000000 a second"},
        {"CL.THROTTLE a\x01 1 1 1", "-ERR key holds a control character"},
    };
    struct talk talk;
    open_talk(&talk, false);
    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_error(&talk, rows[i][0], rows[i][1]);
    assert_int_equal(say(&talk, "CL.THROTTLE a 0 1 3153600000 999999999999999")[5], '1');
    assert_said(&talk, "CL.THROTTLE a 0 1 3153600000",
                "*5\r\n:0\r\n:1\r\n:0\r\n:-1\r\n:3153600000\r\n");
    close_talk(&talk);
}

/* ---- the session ---- */

static void clients_get_what_they_ask_for_at_connect(void **state)
{
    (void)state;
    struct talk talk;
    open_talk(&talk, false);
    assert_said(&talk, "PING", "+PONG\r\n");
    assert_said(&talk, "PING hi", "$2\r\nhi\r\n");
    assert_said(&talk, "ECHO hi", "$2\r\nhi\r\n");
    assert_said(&talk, "SELECT 0", "+OK\r\n");
    assert_error(&talk, "SELECT 1", "-ERR there is no database but 0");
    assert_said(&talk, "CLIENT SETINFO LIB-NAME x", "+OK\r\n");
    assert_said(&talk, "client setname x", "+OK\r\n");
    assert_said(&talk, "CLIENT GETNAME", "$-1\r\n");
    assert_said(&talk, "CLIENT ID", ":7\r\n");
    assert_error(&talk, "CLIENT KILL x", "-ERR CLIENT knows");
    assert_said(&talk, "COMMAND", "*0\r\n");
    assert_said(&talk, "COMMAND DOCS", "*0\r\n");
    assert_said(&talk, "COMMAND COUNT", ":0\r\n");
    assert_non_null(strstr(say(&talk, "INFO"), "\r\nloading:0\r\n"));
    assert_said(&talk, "QUIT", "+OK\r\n");
    assert_int_equal(talk.family, COMMAND_SESSION);
    assert_true(talk.session.ends);
    close_talk(&talk);
}

static void hello_agrees_on_the_protocol(void **state)
{
    (void)state;
    struct talk talk;
    open_talk(&talk, true);
    assert_int_equal(strncmp(say(&talk, "HELLO"), "*14\r\n", 5), 0);
    assert_error(&talk, "HELLO 4", "-NOPROTO ");
    assert_error(&talk, "HELLO 3 AUTH default nonsense", "-WRONGPASS ");
    assert_error(&talk, "HELLO 3 AUTH default", "-ERR syntax error at \"AUTH\"");
    assert_int_equal(talk.session.protocol, 2);
    assert_int_equal(strncmp(say(&talk, "HELLO 3 AUTH default " TOKEN " SETNAME me"), "%7\r\n", 4),
                     0);
    assert_non_null(strstr(talk.call.reply, "\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:7\r\n"));
    assert_int_equal(talk.session.protocol, 3);
    assert_said(&talk, "COMMAND DOCS", "%0\r\n");
    assert_said(&talk, "CLIENT GETNAME", "_\r\n");
    assert_said(&talk, "STATUS a", "*6\r\n:0\r\n:10\r\n:10\r\n:-1\r\n:0\r\n:0\r\n");
    assert_int_equal(strncmp(say(&talk, "HELLO 2"), "*14\r\n", 5), 0);
    close_talk(&talk);
}

static void admins_show_the_token(void **state)
{
    (void)state;
    static const char *const admin[] = {"RESET a", "REFUND a", "CHARGE a 1", "STATUS a"};
    struct talk talk;
    open_talk(&talk, true);
    for (size_t i = 0; i < LENGTH(admin); i++)
        assert_error(&talk, admin[i], "-NOAUTH this command needs the token");
    assert_error(&talk, "AUTH " TOKEN "x", "-WRONGPASS the token is not that of admin_token_file");
    assert_error(&talk, "AUTH root " TOKEN, "-WRONGPASS there is no user but \"default\"");
    assert_error(&talk, "RESET a", "-NOAUTH ");
    assert_said(&talk, "AUTH default " TOKEN, "+OK\r\n");
    for (size_t i = 0; i < LENGTH(admin); i++)
        assert_int_equal(say(&talk, admin[i])[0], '*');
    talk.contract->admin_token = secret_of("another-token-of-admins", 23);
    assert_error(&talk, "RESET a", "-NOAUTH ");
    talk.contract->admin_token = (struct secret){0};
    assert_int_equal(say(&talk, "RESET a")[0], '*');
    assert_error(&talk, "AUTH " TOKEN, "-ERR AUTH is not needed");
    close_talk(&talk);
}

static void where_admins_are_apart_their_commands_are_refused(void **state)
{
    (void)state;
    struct talk talk;
    open_talk(&talk, true);
    talk.rules.admin_apart = true;
    assert_said(&talk, "AUTH " TOKEN, "+OK\r\n");
    assert_error(&talk, "RESET a", "-NOPERM this command is not served here");
    assert_said(&talk, "ALLOW a", "*5\r\n:0\r\n:10\r\n:9\r\n:-1\r\n:1000\r\n");
    close_talk(&talk);
}

static void what_a_browser_sends_ends_the_connection(void **state)
{
    (void)state;
    static const char *const lines[] = {"POST / HTTP/1.1", "GET / HTTP/1.1", "OPTIONS * HTTP/1.1",
                                        "Host: 127.0.0.1", "PRI * HTTP/2.0"};
    struct talk talk;
    open_talk(&talk, false);
    for (size_t i = 0; i < LENGTH(lines); i++) {
        talk.session.ends = false;
        assert_error(&talk, lines[i], "-ERR unknown command '");
        assert_false(talk.session.ends);
        say_as(&talk, lines[i], true);
        assert_true(talk.session.ends);
        assert_int_equal(talk.family, COMMAND_UNKNOWN);
    }
    close_talk(&talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_arrays_or_lines),
        cmocka_unit_test(what_is_behind_a_command_is_left),
        cmocka_unit_test(what_is_no_command_is_told_at_once),
        cmocka_unit_test(what_is_too_long_is_broken),
        cmocka_unit_test(allow_tells_five_numbers),
        cmocka_unit_test(others_tell_what_is_owed_too),
        cmocka_unit_test(bad_questions_say_what_to_do_and_take_nothing),
        cmocka_unit_test(what_has_slots_is_left_to_leases),
        cmocka_unit_test(where_all_owe_nothing_more_is_charged),
        cmocka_unit_test(where_nobody_may_wait_that_is_told),
        cmocka_unit_test(a_key_of_255_bytes_is_the_longest),
        cmocka_unit_test(throttle_decides_as_redis_cell_does),
        cmocka_unit_test(throttle_tells_what_the_readme_says),
        cmocka_unit_test(keys_of_throttle_are_apart),
        cmocka_unit_test(more_keys_than_room_cost_the_fullest_theirs),
        cmocka_unit_test(what_throttle_cannot_count_is_told),
        cmocka_unit_test(clients_get_what_they_ask_for_at_connect),
        cmocka_unit_test(hello_agrees_on_the_protocol),
        cmocka_unit_test(admins_show_the_token),
        cmocka_unit_test(where_admins_are_apart_their_commands_are_refused),
        cmocka_unit_test(what_a_browser_sends_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
