/* The fleet's courier, in virtual time, before a store that the test plays: each letter comes home, once and in time. */
#include "support/courier_world.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The store answers a command so, until world->store.refuses is NULL. */
static void refuse(struct world *world, const char *command, const char *reply)
{
    world->store.refuses = command;
    world->store.refusal = reply;
}

static void ask(struct world *world, unsigned number)
{
    post(world, number);
    settle(world);
}

/* ---- a good store ---- */

static void letters_come_home_answered(void **state)
{
    struct world *world = *state;
    world_start(world);
    assert_up(world);
    assert_string_equal(world->courier.seen.server, "redis 7.0.15");
    assert_string_equal(world->courier.seen.trouble, "");
    assert_int_equal(world->store.loads, 1);
    unsigned before = world->store.calls; /* the trial call */
    assert_int_equal(before, 1);
    for (unsigned i = 0; i < 50; i++)
        post_many(world, i, i % ORDERS_MAX + 1);
    settle(world);
    for (unsigned i = 0; i < 50; i++)
        assert_done(world, i);
    assert_int_equal(world->store.calls - before, 50);
    assert_int_equal(world->courier.seen.calls, 50);
    assert_int_equal(world->courier.seen.calls_failed, 0);
    assert_int_equal(world->came_home, 50);
}

static void letters_of_before_the_first_connection_wait_for_it(void **state)
{
    struct world *world = *state;
    world_begin(world);
    for (unsigned i = 0; i < 5; i++)
        post_many(world, i, ORDERS_MAX);
    assert_int_equal(world->came_home, 0);
    settle(world);
    assert_up(world);
    for (unsigned i = 0; i < 5; i++)
        assert_done(world, i);
    assert_int_equal(world->came_home, 5);
    assert_int_equal(world->courier.seen.calls, 5);
}

static void letters_of_before_a_connection_that_fails_come_home_with_that(void **state)
{
    struct world *world = *state;
    played_stop_listening(&world->store);
    world_begin(world);
    post(world, 1);
    settle(world);
    assert_int_equal(result(world, 1), ORDER_NOT_SENT);
    world_listen(&world->store, WORLD_PORT);
    post(world, 2); /* the next try is another's affair */
    settle(world);
    assert_int_equal(result(world, 2), ORDER_NOT_SENT);
    assert_recovers(world, 3);
}

static void letters_of_before_a_connection_that_hangs_come_home_in_time(void **state)
{
    struct world *world = *state;
    world->store.is_silent = true;
    world_begin(world);
    post(world, 1);
    pass_ms(world, OP_TIMEOUT_MS - 1);
    assert_false(is_home(world, 1));
    pass_ms(world, 1);
    assert_int_equal(result(world, 1), ORDER_NOT_SENT);
    assert_int_equal(world->courier.seen.calls_failed, 0);
    post(world, 2); /* from now on nobody waits for that */
    settle(world);
    assert_int_equal(result(world, 2), ORDER_NOT_SENT);
    world->store.is_silent = false;
    assert_recovers(world, 3);
}

static void an_order_of_a_record_without_epoch_is_told_so(void **state)
{
    struct world *world = *state;
    world_start(world);
    world->store.has_no_epoch = true;
    ask(world, 1);
    assert_int_equal(result(world, 1), ORDER_AGAIN);
    assert_int_equal(world->letters[1].order[0].answered_epoch_ms, 1000);
}

static void the_trial_call_is_made_again_without_an_epoch(void **state)
{
    struct world *world = *state;
    world->store.has_no_epoch = true;
    world_start(world);
    assert_up(world);
    assert_int_equal(world->store.calls, 2);
}

static void answers_may_come_byte_by_byte(void **state)
{
    struct world *world = *state;
    world->store.piece = 1;
    world_start(world);
    for (unsigned i = 0; i < 10; i++)
        post_many(world, i, ORDERS_MAX);
    settle(world);
    for (unsigned i = 0; i < 10; i++)
        assert_done(world, i);
}

static void a_password_is_told_with_or_without_a_user(void **state)
{
    struct world *world = *state;
    strcpy(world->settings.password, "open sesame");
    world_start(world);
    assert_up(world);
    assert_string_equal(world->store.last_auth, "open sesame");
    courier_release(&world->courier);
    strcpy(world->settings.user, "allowd");
    world_start(world);
    assert_up(world);
    assert_string_equal(world->store.last_auth, "allowd open sesame");
}

static void settings_that_forget_records_are_told(void **state)
{
    struct world *world = *state;
    world->store.policy = "allkeys-lru";
    world_start(world);
    assert_up(world);
    assert_trouble(world, "maxmemory-policy is allkeys-lru");
    ask(world, 1);
    assert_done(world, 1);
    assert_trouble(world, "maxmemory-policy is allkeys-lru");
}

static void settings_need_not_be_readable(void **state)
{
    struct world *world = *state;
    refuse(world, "CONFIG", "NOPERM this user has no permissions to run the 'config|get' command");
    world_start(world);
    assert_recovers(world, 1);
    assert_string_equal(world->courier.seen.trouble, "");
}

/* ---- what is refused ---- */

struct refused {
    const char *command, *reply, *told;
};

/* What it refuses before it is up keeps it from being up, and is told; once it does not, all is well. */
static void what_is_refused_at_login_is_told(void **state)
{
    static const struct refused rows[] = {
        {"AUTH", "WRONGPASS invalid username-password pair or user is disabled.", "password"},
        {"AUTH", "ERR AUTH <password> called without any password", "it has none perhaps"},
        {"HELLO", "NOAUTH HELLO must be called with the client already authenticated", "password"},
        {"HELLO", "DENIED Redis is running in protected mode", "protected mode"},
        {"HELLO", "+OK\r\n", "says something else"},
        {"SCRIPT", "LOADING Redis is loading the dataset in memory", "loading"},
        {"SCRIPT", "ERR Error compiling script (new function)", "Redis 7.0"},
        {"SCRIPT", "NOPERM this user has no permissions to run 'script|load'", "rights"},
        {"SCRIPT", "$5\r\nhello\r\n", "says something else"},
        {"SCRIPT", "*0\r\n", "says something else"},
        {"EVALSHA", "NOPERM No permissions to access a key", "rights"},
        {"EVALSHA", "ERR The user executing the script can't run this command", "needs the rights"},
        {"EVALSHA", "READONLY You can't write against a read only script", "replica"},
        {"EVALSHA", "MOVED 1 127.0.0.1:7001", "cluster"},
        {"EVALSHA", "CROSSSLOT Keys in request don't hash to the same slot", "cluster"},
        {"EVALSHA", "+OK\r\n", "says something else"},
        {"EVALSHA", "*1\r\n:1\r\n", "says something else"},
        {"EVALSHA", "*1\r\n$2\r\nab\r\n", "says something else"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct world *world = *state;
        strcpy(world->settings.password, "open sesame");
        refuse(world, rows[i].command, rows[i].reply);
        world_start(world);
        assert_true(world->courier.seen.link != FLEET_UP);
        assert_trouble(world, rows[i].told);
        assert_null(strstr(world->courier.seen.trouble, "sesame"));
        ask(world, 1);
        assert_int_equal(result(world, 1), ORDER_NOT_SENT);
        world->store.refuses = NULL;
        assert_recovers(world, 2);
        assert_string_equal(world->courier.seen.trouble, "");
        world_tear_down(state);
        world_set_up(state);
    }
}

/* A store without HELLO may do all the same, and if it does not, it shows with the script. */
static void an_unknown_server_is_tried(void **state)
{
    struct world *world = *state;
    refuse(world, "HELLO", "ERR unknown command 'HELLO'");
    world_start(world);
    assert_up(world);
    assert_string_equal(world->courier.seen.server, "unknown server");
}

static void a_node_of_a_cluster_is_no_store_alone(void **state)
{
    struct world *world = *state;
    world->store.hello = "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$4\r\nmode\r\n$7\r\ncluster\r\n";
    world_start(world);
    assert_trouble(world, "its store is cluster://HOST:PORT");
}

static void what_a_server_names_itself_forges_nothing(void **state)
{
    struct world *world = *state;
    world->store.hello = "*4\r\n$6\r\nserver\r\n$3\r\na\nb\r\n$7\r\nversion\r\n$3\r\n1\x1b\xff\r\n";
    world_start(world);
    assert_up(world);
    assert_string_equal(world->courier.seen.server, "a?b 1??");
}

/* What it refuses now it may do later, so the connection stays. */
static void what_is_refused_for_now_comes_home_refused(void **state)
{
    static const struct refused rows[] = {
        {"EVALSHA", "OOM command not allowed when used memory > 'maxmemory'.", "memory"},
        {"EVALSHA", "MISCONF Redis is configured to save RDB snapshots", "save"},
        {"EVALSHA", "NOREPLICAS Not enough good replicas to write.", "replicas"},
        {"EVALSHA", "BUSY Redis is busy running a script.", "long script"},
        {"EVALSHA", "LOADING Redis is loading the dataset in memory", "loading"},
        {"EVALSHA", "NOPERM No permissions to access a key", "rights"},
        {"EVALSHA", "CLUSTERDOWN The cluster is down", "cluster"},
        {"EVALSHA", "TRYAGAIN Multiple keys request during rehashing of slot", "cluster"},
        {"EVALSHA", "ERR whatever", "whatever"},
        {"EVALSHA", "WHAT is this?", "WHAT"},
    };
    struct world *world = *state;
    world_start(world);
    for (unsigned i = 0; i < LENGTH(rows); i++) {
        refuse(world, rows[i].command, rows[i].reply);
        post_many(world, 2 * i, 3);
        settle(world);
        for (unsigned order = 0; order < 3; order++)
            assert_int_equal(world->letters[2 * i].order[order].result, ORDER_REFUSED);
        assert_up(world);
        assert_trouble(world, rows[i].told);
        world->store.refuses = NULL;
        ask(world, 2 * i + 1);
        assert_done(world, 2 * i + 1);
        assert_string_equal(world->courier.seen.trouble, "");
    }
    assert_int_equal(world->store.connects, 1);
    assert_int_equal(world->courier.seen.calls_failed, LENGTH(rows));
}

static void a_trial_call_refused_for_now_does_not_keep_it_down(void **state)
{
    struct world *world = *state;
    refuse(world, "EVALSHA", "OOM command not allowed when used memory > 'maxmemory'.");
    world_start(world);
    assert_up(world);
    assert_trouble(world, "memory");
    ask(world, 1);
    assert_int_equal(result(world, 1), ORDER_REFUSED);
    world->store.refuses = NULL;
    ask(world, 2);
    assert_done(world, 2);
    assert_string_equal(world->courier.seen.trouble, "");
}

/* Where another master may be by now, the connection is left and the master looked for. */
static void where_the_master_may_be_another_it_is_left(void **state)
{
    static const struct refused rows[] = {
        {"EVALSHA", "READONLY You can't write against a read only replica.", "replica"},
        {"EVALSHA", "MASTERDOWN Link with MASTER is down", "replica"},
        {"EVALSHA", "NOAUTH Authentication required.", "password"},
    };
    struct world *world = *state;
    world_start(world);
    for (unsigned i = 0; i < LENGTH(rows); i++) {
        refuse(world, rows[i].command, rows[i].reply);
        post(world, 3 * i);
        post(world, 3 * i + 1);
        settle(world);
        assert_int_equal(result(world, 3 * i), ORDER_REFUSED);
        assert_int_equal(result(world, 3 * i + 1), ORDER_REFUSED);
        assert_true(world->courier.seen.link != FLEET_UP);
        assert_trouble(world, rows[i].told);
        world->store.refuses = NULL;
        assert_recovers(world, 3 * i + 2);
        assert_int_equal(world->store.connects, i + 2);
        pass_ms(world, 6000);
    }
    assert_int_equal(world->courier.seen.reconnects, LENGTH(rows));
}

/* ---- the script is lost ---- */

static void a_lost_script_is_loaded_once_for_all(void **state)
{
    struct world *world = *state;
    world_start(world);
    world->store.has_script = false;
    for (unsigned i = 0; i < 20; i++)
        post_many(world, i, 2);
    settle(world);
    for (unsigned i = 0; i < 20; i++)
        assert_done(world, i);
    assert_int_equal(world->store.loads, 2);
    assert_int_equal(world->courier.seen.calls_failed, 0);
    assert_string_equal(world->courier.seen.trouble, "");
}

static void a_script_that_is_lost_again_is_not_loaded_for_ever(void **state)
{
    struct world *world = *state;
    world_start(world);
    refuse(world, "EVALSHA", "NOSCRIPT No matching script.");
    for (unsigned i = 0; i < 5; i++)
        post(world, i);
    settle(world);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(result(world, i), ORDER_REFUSED);
    assert_in_range(world->store.loads, 2, 6);
    assert_trouble(world, "lost the script");
    world->store.refuses = NULL;
    assert_recovers(world, 6);
}

/* ---- silence ---- */

/* Each letter is home within op_timeout; while an answer is overdue the next ones are at once. */
static void letters_to_a_stalled_store_come_home_in_time(void **state)
{
    struct world *world = *state;
    world_start(world);
    world->store.is_silent = true;
    for (unsigned i = 0; i < 10; i++) {
        post(world, i);
        pass_ms(world, 4);
    }
    assert_false(is_home(world, 0));
    pass_ms(world, 10);
    assert_int_equal(result(world, 0), ORDER_UNREACHABLE);
    assert_false(is_home(world, 9));
    ask(world, 10);
    assert_int_equal(result(world, 10), ORDER_NOT_SENT);
    assert_trouble(world, "has not answered within 50 ms");
    pass_ms(world, 36);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(result(world, i), ORDER_UNREACHABLE);
    assert_up(world);
    assert_int_equal(world->came_home, 11);
}

/* A stall shorter than LINK_PATIENCE_NS: the connection stays, and what is late is nobody's. */
static void late_answers_are_taken_for_nobodys(void **state)
{
    struct world *world = *state;
    world_start(world);
    world->store.is_silent = true;
    for (unsigned i = 0; i < 10; i++)
        post(world, i);
    pass_ms(world, OP_TIMEOUT_MS + 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(result(world, i), ORDER_UNREACHABLE);
    world->store.is_silent = false;
    settle(world);
    assert_int_equal(world->courier.seen.late_answers, 10);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(result(world, i), ORDER_UNREACHABLE);
        assert_int_equal(world->letters[i].order[0].granted[0], 0);
    }
    assert_string_equal(world->courier.seen.trouble, "");
    for (unsigned i = 20; i < 40; i++)
        post(world, i);
    settle(world);
    for (unsigned i = 20; i < 40; i++)
        assert_done(world, i);
    assert_int_equal(world->store.connects, 1);
}

/* A letter that is posted again, with another key, after it came home late: the old answer is not its. */
static void a_letter_that_is_used_again_gets_no_old_answer(void **state)
{
    struct world *world = *state;
    world_start(world);
    world->store.is_silent = true;
    post(world, 5);
    pass_ms(world, OP_TIMEOUT_MS);
    assert_int_equal(result(world, 5), ORDER_UNREACHABLE);
    world->store.is_silent = false;
    settle(world);
    post_many(world, 5, 7);
    settle(world);
    assert_done(world, 5);
}

static void a_store_that_stays_silent_is_connected_to_anew(void **state)
{
    struct world *world = *state;
    world_start(world);
    world->store.is_silent = true;
    post(world, 1);
    pass_ms(world, 999);
    assert_int_equal(world->courier.seen.link, FLEET_UP);
    pass_ms(world, 1);
    assert_true(world->courier.seen.link != FLEET_UP);
    assert_trouble(world, "has not answered within 1000 ms");
    pass_ms(world, 10000);
    assert_true(world->store.connects > 2);
    world->store.is_silent = false;
    assert_recovers(world, 2);
}

static void a_store_that_does_not_read_holds_no_letter(void **state)
{
    struct world *world = *state;
    world_start(world);
    world->store.is_deaf = true;
    for (unsigned i = 0; i < WORLD_LETTERS; i++) {
        post_many(world, i, ORDERS_MAX);
        pass_ms(world, 1);
    }
    pass_ms(world, OP_TIMEOUT_MS);
    assert_int_equal(world->came_home, WORLD_LETTERS);
    world->store.is_deaf = false;
    assert_recovers(world, 0);
}

/* ---- bounds ---- */

static void more_letters_than_may_be_pending_come_home_at_once(void **state)
{
    struct world *world = *state;
    world_start(world);
    for (unsigned i = 0; i < WORLD_LETTERS; i++)
        post(world, i);
    assert_int_equal(world->courier.trips.count, TRIPS_MAX);
    settle(world);
    for (unsigned i = 0; i < WORLD_LETTERS; i++) {
        if (i < TRIPS_MAX)
            assert_done(world, i);
        else
            assert_int_equal(result(world, i), ORDER_NOT_SENT);
    }
    assert_int_equal(world->came_home, WORLD_LETTERS);
    assert_recovers(world, 0);
}

/* ---- ends of a connection ---- */

/* The store closes after each number of bytes, in its first life and its second. */
static void a_close_at_any_byte_loses_no_letter(void **state)
{
    for (size_t bytes = 1; bytes < 700; bytes += 7) {
        struct world *world = *state;
        world->store.closes_after = bytes;
        world_start(world);
        for (unsigned i = 0; i < 4; i++)
            post_many(world, i, 2);
        settle(world);
        for (unsigned i = 0; i < 4; i++) {
            if (result(world, i) == ORDER_DONE)
                assert_done(world, i);
            else
                assert_true(result(world, i) == ORDER_UNREACHABLE ||
                            result(world, i) == ORDER_NOT_SENT);
        }
        assert_int_equal(world->came_home, 4);
        world->store.closes_after = 0;
        assert_recovers(world, 5);
        world_tear_down(state);
        world_set_up(state);
    }
}

static void letters_come_home_as_soon_as_the_connection_ends(void **state)
{
    struct world *world = *state;
    world_start(world);
    world->store.is_silent = true;
    for (unsigned i = 0; i < 10; i++)
        post(world, i);
    settle(world);
    assert_int_equal(world->came_home, 0);
    played_close_all(&world->store);
    settle(world);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(result(world, i), ORDER_UNREACHABLE);
    assert_int_equal(world->courier.seen.calls_failed, 10);
    assert_trouble(world, "has closed the connection");
    ask(world, 11);
    assert_int_equal(result(world, 11), ORDER_NOT_SENT);
    world->store.is_silent = false;
    assert_recovers(world, 12);
    assert_in_range(world->courier.seen.down_ns, 50 * NS_PER_MS, 300 * NS_PER_MS);
}

/* ---- what is no store ---- */

static void what_is_no_store_is_told_and_given_up(void **state)
{
    static const struct refused rows[] = {
        {"", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "HTTP server"},
        {"", "SSH-2.0-OpenSSH_9.2p1\r\n", "SSH server"},
        {"", "220 mail.example ESMTP\r\n", "rotocol error"},
        {"", "\x15\x03\x03", "rotocol error"},
        {"", "*100000\r\n", "more than any store"},
        {"", "-ERR max number of clients reached\r\n", "max number of clients"},
        {"", ":1\r\n:2\r\n:3\r\n:4\r\n", "says something else"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct world *world = *state;
        world->store.greeting = rows[i].reply;
        world->store.closes_after = strlen(rows[i].reply);
        world_start(world);
        assert_true(world->courier.seen.link != FLEET_UP);
        assert_trouble(world, rows[i].told);
        world->store.greeting = NULL;
        world->store.closes_after = 0;
        assert_recovers(world, 1);
        world_tear_down(state);
        world_set_up(state);
    }
}

/* Answers of the wrong shape, while it is up: nobody knows what comes next, so the connection is given up. */
static void a_strange_answer_ends_the_connection(void **state)
{
    static const char *const rows[] = {
        "+OK\r\n",
        "$-1\r\n",
        ":0\r\n",
        "*0\r\n",
        "*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        "*1\r\n-ERR in the midst\r\n",
        "*1\r\n$40\r\n\x01\x63xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
    };
    struct world *world = *state;
    world_start(world);
    for (unsigned i = 0; i < LENGTH(rows); i++) {
        refuse(world, "EVALSHA", rows[i]);
        post(world, 3 * i);
        post(world, 3 * i + 1);
        settle(world);
        assert_int_equal(result(world, 3 * i), ORDER_UNREACHABLE);
        assert_int_equal(result(world, 3 * i + 1), ORDER_UNREACHABLE);
        assert_trouble(world, "something else");
        world->store.refuses = NULL;
        assert_recovers(world, 3 * i + 2);
        pass_ms(world, 6000);
    }
}

static void an_answer_that_nobody_asked_for_ends_the_connection(void **state)
{
    struct world *world = *state;
    world_start(world);
    for (int i = 0; i < PLAYED_CONNECTIONS; i++) {
        if (world->store.connection[i].fd >= 0)
            assert_int_equal(write(world->store.connection[i].fd, "+OK\r\n", 5), 5);
    }
    settle(world);
    assert_trouble(world, "what nobody has asked");
    assert_recovers(world, 1);
}

/* ---- no connection ---- */

static void a_socket_that_is_not_there_is_tried_with_jitter(void **state)
{
    struct world *world = *state;
    played_stop_listening(&world->store);
    world_start(world);
    assert_trouble(world, "No such file");
    assert_int_equal(world->courier.seen.link, FLEET_DOWN);
    uint64_t bound_ms = 50;
    for (int i = 0; i < 20; i++) {
        uint64_t wait_ms = (courier_due_ns(&world->courier) - world->now_ns) / NS_PER_MS;
        bound_ms = bound_ms * 2 > 5000 ? 5000 : bound_ms * 2;
        assert_in_range(wait_ms, 50, bound_ms);
        pass_ms(world, wait_ms);
    }
    ask(world, 1);
    assert_int_equal(result(world, 1), ORDER_NOT_SENT);
    world_listen(&world->store, WORLD_PORT);
    assert_recovers(world, 2);
    assert_true(world->courier.seen.down_ns > NS_PER_S);
}

static void a_refused_connection_is_told(void **state)
{
    struct world *world = *state;
    close(world->store.listener);
    world->store.listener = -1;
    world_start(world);
    assert_trouble(world, "redis://127.0.0.1:7000: it cannot be connected to: Connection refused");
}

static void a_unix_socket_does_as_well(void **state)
{
    struct world *world = *state;
    snprintf(world->settings.stores[0], sizeof world->settings.stores[0], "unix:%s",
             world->store.path);
    world_start(world);
    assert_recovers(world, 1);
}

/* A connection that ends at once each time is not made again without pauses. */
static void a_store_that_hangs_up_at_once_is_not_flooded(void **state)
{
    struct world *world = *state;
    world_start(world);
    for (unsigned i = 0; i < 600; i++) {
        played_close_all(&world->store);
        pass_ms(world, 100);
    }
    assert_in_range(world->store.connects, 10, 70);
}

/* One that was of use for longer than the waits were is looked for soon, however often it goes. */
static void a_store_that_restarts_again_and_again_is_found_soon(void **state)
{
    struct world *world = *state;
    world_start(world);
    for (unsigned i = 0; i < 20; i++) {
        played_release(&world->store);
        pass_ms(world, 500);
        world_listen(&world->store, WORLD_PORT);
        pass_ms(world, 1600); /* twice as long as the last wait may have been */
        assert_up(world);
        pass_ms(world, 1600);
    }
}

/* A name that nobody knows holds letters no longer than an answer may take, whether the resolver has answered or not. */
static void a_name_that_is_not_found_holds_no_letter(void **state)
{
    struct world *world = *state;
    strcpy(world->settings.stores[0], "redis://no-such-host.invalid");
    world_start(world);
    for (unsigned i = 0; i < 5; i++) {
        ask(world, i);
        pass_ms(world, OP_TIMEOUT_MS);
        assert_int_equal(result(world, i), ORDER_NOT_SENT);
    }
    assert_true(world->courier.seen.link != FLEET_UP);
}

/* ---- the end ---- */

static void a_stop_brings_all_letters_home(void **state)
{
    struct world *world = *state;
    world_start(world);
    world->store.is_silent = true;
    for (unsigned i = 0; i < 10; i++)
        post(world, i);
    settle(world);
    courier_stop(&world->courier);
    assert_false(courier_is_idle(&world->courier));
    ask(world, 10);
    assert_int_equal(result(world, 10), ORDER_NOT_SENT);
    world->store.is_silent = false;
    settle(world);
    for (unsigned i = 0; i < 10; i++)
        assert_done(world, i);
    assert_true(courier_is_idle(&world->courier));
}

static void a_stop_waits_no_longer_than_for_an_answer(void **state)
{
    struct world *world = *state;
    world_start(world);
    world->store.is_silent = true;
    post(world, 1);
    courier_stop(&world->courier);
    pass_ms(world, OP_TIMEOUT_MS - 1);
    assert_false(courier_is_idle(&world->courier));
    pass_ms(world, 1);
    assert_true(courier_is_idle(&world->courier));
    assert_int_equal(result(world, 1), ORDER_UNREACHABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(letters_come_home_answered),
        TEST(letters_of_before_the_first_connection_wait_for_it),
        TEST(letters_of_before_a_connection_that_fails_come_home_with_that),
        TEST(letters_of_before_a_connection_that_hangs_come_home_in_time),
        TEST(an_order_of_a_record_without_epoch_is_told_so),
        TEST(the_trial_call_is_made_again_without_an_epoch),
        TEST(answers_may_come_byte_by_byte),
        TEST(a_password_is_told_with_or_without_a_user),
        TEST(settings_that_forget_records_are_told),
        TEST(settings_need_not_be_readable),
        TEST(what_is_refused_at_login_is_told),
        TEST(an_unknown_server_is_tried),
        TEST(a_node_of_a_cluster_is_no_store_alone),
        TEST(what_a_server_names_itself_forges_nothing),
        TEST(what_is_refused_for_now_comes_home_refused),
        TEST(a_trial_call_refused_for_now_does_not_keep_it_down),
        TEST(where_the_master_may_be_another_it_is_left),
        TEST(a_lost_script_is_loaded_once_for_all),
        TEST(a_script_that_is_lost_again_is_not_loaded_for_ever),
        TEST(letters_to_a_stalled_store_come_home_in_time),
        TEST(late_answers_are_taken_for_nobodys),
        TEST(a_letter_that_is_used_again_gets_no_old_answer),
        TEST(a_store_that_stays_silent_is_connected_to_anew),
        TEST(a_store_that_does_not_read_holds_no_letter),
        TEST(more_letters_than_may_be_pending_come_home_at_once),
        TEST(a_close_at_any_byte_loses_no_letter),
        TEST(letters_come_home_as_soon_as_the_connection_ends),
        TEST(what_is_no_store_is_told_and_given_up),
        TEST(a_strange_answer_ends_the_connection),
        TEST(an_answer_that_nobody_asked_for_ends_the_connection),
        TEST(a_socket_that_is_not_there_is_tried_with_jitter),
        TEST(a_refused_connection_is_told),
        TEST(a_unix_socket_does_as_well),
        TEST(a_store_that_hangs_up_at_once_is_not_flooded),
        TEST(a_store_that_restarts_again_and_again_is_found_soon),
        TEST(a_name_that_is_not_found_holds_no_letter),
        TEST(a_stop_brings_all_letters_home),
        TEST(a_stop_waits_no_longer_than_for_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
