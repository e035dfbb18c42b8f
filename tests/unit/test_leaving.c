/* Leaving: sockets stay until their clients close, or for LEAVING_MS. */
#include "base/quantity.h"
#include "http/wire/leaving.h"
#include "support/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS(n) ((uint64_t)(n)*NS_PER_MS)

/* Hands one end of a pair over; the client's end. */
static int leave(struct leaving *leaving, uint64_t now_ns)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    leaving_add(leaving, pair[0], now_ns);
    return pair[1];
}

static void expect_closed(int client)
{
    assert_int_equal(send(client, "x", 1, MSG_NOSIGNAL), -1);
    close(client);
}

static void nothing_is_due_while_nobody_leaves(void **state)
{
    (void)state;
    struct leaving leaving;
    assert_true(leaving_init(&leaving));
    leaving_run(&leaving, MS(5));
    assert_true(leaving_deadline_ns(&leaving) == UINT64_MAX);
    leaving_release(&leaving);
}

static void input_is_dropped_until_the_client_closes(void **state)
{
    (void)state;
    struct leaving leaving;
    char byte;
    assert_true(leaving_init(&leaving));
    int client = leave(&leaving, MS(0));
    assert_int_equal(read(client, &byte, 1), 0); /* our side is closed */
    assert_int_equal(send(client, "late", 4, MSG_NOSIGNAL), 4);
    leaving_run(&leaving, MS(1));
    assert_int_equal(leaving.count, 1);
    close(client);
    leaving_run(&leaving, MS(2));
    assert_int_equal(leaving.count, 0);
    leaving_release(&leaving);
}

static void all_input_can_be_dropped_at_once(void **state)
{
    (void)state;
    static char bytes[100000];
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(send(pair[1], bytes, sizeof bytes, MSG_NOSIGNAL), sizeof bytes);
    leaving_drop_input(pair[0]);
    assert_int_equal(recv(pair[0], bytes, 1, MSG_DONTWAIT), -1);
    close(pair[0]);
    close(pair[1]);
}

/* A slot closed early once kept its deadline: the loop that waits for it span. */
static void a_client_that_has_closed_leaves_no_deadline(void **state)
{
    (void)state;
    struct leaving leaving;
    assert_true(leaving_init(&leaving));
    int first = leave(&leaving, MS(0)), second = leave(&leaving, MS(10));
    close(second);
    leaving_run(&leaving, MS(20));
    assert_true(leaving_deadline_ns(&leaving) == MS(LEAVING_MS));
    close(first);
    leaving_run(&leaving, MS(30));
    assert_true(leaving_deadline_ns(&leaving) == UINT64_MAX);
    leaving_release(&leaving);
}

static void a_client_that_stays_is_closed_at_the_deadline(void **state)
{
    (void)state;
    struct leaving leaving;
    assert_true(leaving_init(&leaving));
    int first = leave(&leaving, MS(0)), second = leave(&leaving, MS(10));
    leaving_run(&leaving, MS(LEAVING_MS) - 1);
    assert_int_equal(leaving.count, 2);
    leaving_run(&leaving, MS(LEAVING_MS));
    assert_int_equal(leaving.count, 1);
    expect_closed(first);
    leaving_run(&leaving, MS(LEAVING_MS + 10));
    expect_closed(second);
    assert_true(leaving_deadline_ns(&leaving) == UINT64_MAX);
    leaving_release(&leaving);
}

static void the_oldest_gives_way_when_there_are_too_many(void **state)
{
    (void)state;
    struct leaving leaving;
    int clients[LEAVING_MAX + 1];
    assert_true(leaving_init(&leaving));
    for (int i = 0; i <= LEAVING_MAX; i++)
        clients[i] = leave(&leaving, MS(i));
    assert_int_equal(leaving.count, LEAVING_MAX);
    expect_closed(clients[0]);
    assert_true(leaving_deadline_ns(&leaving) == MS(LEAVING_MS + 1));
    leaving_release(&leaving);
    for (int i = 1; i <= LEAVING_MAX; i++)
        expect_closed(clients[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_due_while_nobody_leaves),
        cmocka_unit_test(input_is_dropped_until_the_client_closes),
        cmocka_unit_test(all_input_can_be_dropped_at_once),
        cmocka_unit_test(a_client_that_has_closed_leaves_no_deadline),
        cmocka_unit_test(a_client_that_stays_is_closed_at_the_deadline),
        cmocka_unit_test(the_oldest_gives_way_when_there_are_too_many),
    };
    return cmocka_run_group_tests_name("leaving", tests, NULL, NULL);
}
