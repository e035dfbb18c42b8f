/* Clients: the table of their states, as data; and that what it does not allow is a loud death. */
#include "http/wire/client.h"
#include "support/unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool may_follow(enum client_state from, enum client_state to)
{
    return (client_moves[from] >> to & 1) != 0;
}

/* All that can be reached from a state, in any number of moves. */
static uint32_t reachable_from(enum client_state from)
{
    uint32_t reached = client_moves[from], before = 0;
    while (reached != before) {
        before = reached;
        for (unsigned state = 0; state < CLIENT_STATES; state++)
            if ((reached >> state & 1) != 0)
                reached |= client_moves[state];
    }
    return reached;
}

static void a_connection_begins_idle(void **state)
{
    (void)state;
    assert_int_equal(client_moves[CLIENT_NONE], 1u << CLIENT_IDLE);
}

static void every_state_can_be_reached_and_be_left_for_good(void **state)
{
    (void)state;
    uint32_t all = (1u << CLIENT_STATES) - 1;
    assert_int_equal(reachable_from(CLIENT_NONE), all);
    for (unsigned from = 0; from < CLIENT_STATES; from++) {
        assert_int_equal(client_moves[from] & ~all, 0);
        assert_false(may_follow(from, from));
        assert_true((reachable_from(from) >> CLIENT_NONE & 1) != 0);
    }
}

/* A slot is given back only when no letter is away. */
static void whose_letter_is_away_waits_for_it(void **state)
{
    (void)state;
    for (unsigned from = 0; from < CLIENT_STATES; from++) {
        struct client client = {.state = from};
        if (!client_letter_is_away(&client))
            continue;
        assert_false(may_follow(from, CLIENT_IDLE));
        assert_false(may_follow(from, CLIENT_BEGUN));
        assert_false(may_follow(from, CLIENT_WRITTEN));
        if (from != CLIENT_GONE)
            assert_false(may_follow(from, CLIENT_NONE));
    }
    assert_int_equal(client_moves[CLIENT_GONE], 1u << CLIENT_NONE);
}

/* A reply that goes on is never another reply: it asks for more of itself, or its request ends. */
static void what_goes_on_asks_for_more_or_ends(void **state)
{
    (void)state;
    assert_int_equal(client_moves[CLIENT_FLOWING], 1u << CLIENT_WRITTEN | 1u << CLIENT_IDLE);
    for (unsigned from = 0; from < CLIENT_STATES; from++)
        assert_int_equal(may_follow(from, CLIENT_FLOWING),
                         from == CLIENT_ANSWERED || from == CLIENT_AWAY || from == CLIENT_LEAVING);
}

/* And away it is in these, and nowhere else. */
static void a_letter_is_away_in_four_states(void **state)
{
    (void)state;
    for (unsigned at = 0; at < CLIENT_STATES; at++) {
        struct client client = {.state = at};
        assert_int_equal(client_letter_is_away(&client),
                         at == CLIENT_AWAY || at == CLIENT_LEAVING || at == CLIENT_DISOWNED ||
                             at == CLIENT_GONE);
        /* It goes from those who have something to ask, and comes home to one state. */
        if (may_follow(at, CLIENT_AWAY))
            assert_true(at == CLIENT_READING || at == CLIENT_TURN || at == CLIENT_WRITTEN);
        if (may_follow(at, CLIENT_WRITTEN))
            assert_true(at == CLIENT_READING || at == CLIENT_TURN || at == CLIENT_FLOWING);
        if (may_follow(at, CLIENT_ANSWERED))
            assert_true(at == CLIENT_AWAY || at == CLIENT_LEAVING);
        if (may_follow(at, CLIENT_DISOWNED))
            assert_int_equal(at, CLIENT_AWAY);
        /* A second one follows a question that is away, or gives back what has come home. */
        if (may_follow(at, CLIENT_LEAVING))
            assert_true(at == CLIENT_AWAY || at == CLIENT_ANSWERED);
    }
}

/* What it asked before does not count. */
static void only_a_question_that_is_away_waits(void **state)
{
    (void)state;
    for (unsigned at = 0; at < CLIENT_STATES; at++) {
        assert_int_equal(client_waits(&(struct client){.state = at, .may_wait = true}),
                         at == CLIENT_AWAY);
        assert_false(client_waits(&(struct client){.state = at}));
    }
}

static void both_letters_belong_to_their_client(void **state)
{
    (void)state;
    static struct client clients[3];
    static struct exchange exchanges[LENGTH(clients)];
    for (size_t i = 0; i < LENGTH(clients); i++) {
        exchanges[i].client = &clients[i];
        exchanges[i].leave.kind = MESSAGE_LEAVE;
        assert_ptr_equal(client_of(&exchanges[i].leave.letter), &clients[i]);
        assert_ptr_equal(client_of(&exchanges[i].request.message.letter), &clients[i]);
    }
}

static void a_move_that_it_has_is_made(void **state)
{
    (void)state;
    for (unsigned from = 0; from < CLIENT_STATES; from++)
        for (unsigned to = 0; to < CLIENT_STATES; to++) {
            struct client client = {.state = from};
            if (!may_follow(from, to))
                continue;
            client_move(&client, to);
            assert_int_equal(client.state, to);
        }
}

static void move_in_a_child(enum client_state from, enum client_state to)
{
    struct client client = {.state = from};
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGABRT, SIG_DFL);
    if (freopen("/dev/null", "w", stderr) == NULL)
        _exit(2);
    client_move(&client, to);
    _exit(1);
}

/* How the process ends that tries a move. */
static int status_of_move(enum client_state from, enum client_state to)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        move_in_a_child(from, to);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_move_that_the_table_does_not_have_aborts(void **state)
{
    (void)state;
    for (unsigned from = 0; from < CLIENT_STATES; from++)
        for (unsigned to = 0; to < CLIENT_STATES; to++) {
            if (may_follow(from, to))
                continue;
            int status = status_of_move(from, to);
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_begins_idle),
        cmocka_unit_test(every_state_can_be_reached_and_be_left_for_good),
        cmocka_unit_test(whose_letter_is_away_waits_for_it),
        cmocka_unit_test(a_letter_is_away_in_four_states),
        cmocka_unit_test(what_goes_on_asks_for_more_or_ends),
        cmocka_unit_test(only_a_question_that_is_away_waits),
        cmocka_unit_test(both_letters_belong_to_their_client),
        cmocka_unit_test(a_move_that_it_has_is_made),
        cmocka_unit_test(a_move_that_the_table_does_not_have_aborts),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
