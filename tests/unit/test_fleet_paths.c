/* How the fleet's courier finds its way: by sentinels to a master, and in a cluster to the node that has a record. */
#include "support/courier_world.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sentinels ---- */

/* The store and others[2] are servers, others[0] and others[1] sentinels who say that the store is the master. */
static struct world *sentinels(void **state)
{
    struct world *world = *state;
    world_add_stores(world, 3);
    world->others[0].master_port = world->others[1].master_port = 7000;
    world->settings.stores_count = 2;
    strcpy(world->settings.stores[0], "sentinel://127.0.0.1:7001/main");
    strcpy(world->settings.stores[1], "sentinel://127.0.0.1:7002/main");
    return world;
}

static void sentinels_say_who_is_master(void **state)
{
    struct world *world = sentinels(state);
    world->store.replicas = "1";
    world_start(world);
    assert_recovers(world, 1);
    assert_string_equal(world->courier.seen.trouble, "");
    assert_int_equal(world->others[0].connects, 1);
    assert_int_equal(world->others[1].connects, 0);
}

static void a_master_that_needs_no_replica_is_warned_of(void **state)
{
    struct world *world = sentinels(state);
    world_start(world);
    assert_up(world);
    assert_trouble(world, "min-replicas-to-write is 0");
}

static void another_sentinel_is_asked_at_once(void **state)
{
    static const struct {
        const char *greeting, *refusal;
        unsigned master_port;
    } rows[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", NULL, 7000},
        {"+OK\r\n", NULL, 7000},
        {NULL, NULL, 0},
        {NULL, "ERR unknown command 'SENTINEL'", 7000},
        {NULL, "NOAUTH Authentication required.", 7000},
        {NULL, "+main\r\n", 7000},
        {NULL, "*1\r\n$1\r\na\r\n", 7000},
        {NULL, "*2\r\n:1\r\n:2\r\n", 7000},
        {NULL, "*2\r\n$9\r\n127.0.0.1\r\n$9\r\n127.0.0.1\r\n", 7000},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct world *world = sentinels(state);
        world->others[0].greeting = rows[i].greeting;
        world->others[0].refuses = rows[i].refusal == NULL ? NULL : "SENTINEL";
        world->others[0].refusal = rows[i].refusal;
        world->others[0].master_port = rows[i].master_port;
        world_start(world);
        assert_up(world);
        assert_int_equal(world->now_ns, WORLD_START_NS);
        world_tear_down(state);
        world_set_up(state);
    }
}

static void a_silent_sentinel_is_passed_by_after_a_second(void **state)
{
    struct world *world = sentinels(state);
    world->others[0].is_silent = true;
    world_start(world);
    pass_ms(world, 999);
    assert_int_equal(world->courier.seen.link, FLEET_CONNECTING);
    pass_ms(world, 1);
    assert_up(world);
}

static void if_no_sentinel_knows_it_that_is_told(void **state)
{
    struct world *world = sentinels(state);
    world->others[0].master_port = world->others[1].master_port = 0;
    world_start(world);
    assert_trouble(world, "the sentinel knows no master \"main\"");
    played_stop_listening(&world->others[1]);
    pass_ms(world, 6000);
    assert_true(world->courier.seen.link != FLEET_UP);
    world->others[0].master_port = 7000;
    assert_recovers(world, 1);
}

/* A sentinel may have a password or none, whatever the servers have. */
static void a_sentinel_is_told_the_password_if_it_wants_one(void **state)
{
    struct world *world = sentinels(state);
    strcpy(world->settings.password, "open sesame");
    world_start(world);
    assert_up(world);
    assert_string_equal(world->store.last_auth, "open sesame");
    assert_string_equal(world->others[0].last_auth, "");
    courier_release(&world->courier);
    world->others[0].refuses = "SENTINEL";
    world->others[0].refusal = "NOAUTH Authentication required.";
    world->others[0].auth_ends_refusal = true;
    world_start(world);
    assert_up(world);
    assert_string_equal(world->others[0].last_auth, "open sesame");
    assert_int_equal(world->others[1].connects, 0);
}

static void fail_over(struct world *world)
{
    world->others[0].master_port = world->others[1].master_port = 7003;
}

/* The old master is demoted: its first refusal leads to the new one. */
static void a_planned_failover_is_followed(void **state)
{
    struct world *world = sentinels(state);
    world_start(world);
    fail_over(world);
    world->store.refuses = "EVALSHA";
    world->store.refusal = "READONLY You can't write against a read only replica.";
    post(world, 1);
    settle(world);
    assert_int_equal(result(world, 1), ORDER_REFUSED);
    unsigned before = world->others[2].calls;
    assert_recovers(world, 2);
    assert_int_equal(world->others[2].calls, before + 2); /* the trial call, and the letter */
}

/* The old master still grants, and nobody asks it anything: the sentinels are asked now and then. */
static void a_failover_is_noticed_while_the_old_master_grants(void **state)
{
    struct world *world = sentinels(state);
    world_start(world);
    pass_ms(world, 10000);
    assert_int_equal(world->store.connects, 1);
    assert_in_range(world->others[0].connects, 5, 11);
    fail_over(world);
    pass_ms(world, 2000 + 100);
    assert_true(world->courier.seen.link == FLEET_UP);
    assert_int_equal(world->others[2].connects, 1);
    post(world, 1);
    settle(world);
    assert_done(world, 1);
    assert_int_equal(world->courier.seen.calls_failed, 0);
}

/* Letters that are with the old master come home answered by it before it is left. */
static void a_master_is_left_without_losing_a_letter(void **state)
{
    struct world *world = sentinels(state);
    world_start(world);
    fail_over(world);
    for (unsigned i = 0; i < 500; i++) {
        post(world, i);
        pass_ms(world, 10);
        assert_true(result(world, i) == ORDER_DONE || result(world, i) == ORDER_NOT_SENT);
    }
    assert_int_equal(world->courier.seen.calls_failed, 0);
    assert_int_equal(world->courier.seen.reconnects, 1);
}

static void sentinels_that_fail_do_not_disturb_a_master(void **state)
{
    struct world *world = sentinels(state);
    world_start(world);
    played_release(&world->others[0]);
    world->others[1].master_port = 0;
    pass_ms(world, 10000);
    world->others[1].is_silent = true;
    pass_ms(world, 10000);
    assert_recovers(world, 1);
    assert_int_equal(world->store.connects, 1);
    assert_trouble(world, "min-replicas");
}

static void a_death_of_the_master_is_followed(void **state)
{
    struct world *world = sentinels(state);
    world_start(world);
    played_release(&world->store);
    settle(world);
    pass_ms(world, 2000);
    assert_true(world->courier.seen.link != FLEET_UP);
    assert_trouble(world, "cannot be connected to");
    fail_over(world);
    assert_recovers(world, 2);
}

/* A sentinel that is late: it names a server that says of itself that it is none. */
static void who_is_no_master_gets_no_orders(void **state)
{
    struct world *world = sentinels(state);
    world->store.role = "slave";
    world_start(world);
    assert_true(world->courier.seen.link != FLEET_UP);
    assert_trouble(world, "it is no master");
    assert_int_equal(world->store.calls, 0);
    fail_over(world);
    assert_recovers(world, 1);
}

static void whoever_may_not_ask_for_the_role_goes_on(void **state)
{
    struct world *world = sentinels(state);
    world->store.refuses = "ROLE";
    world->store.refusal = "NOPERM this user has no permissions to run the 'role' command";
    world_start(world);
    assert_recovers(world, 1);
}

/* ---- clusters ---- */

/* Who has which slots: the store those below the border, others[0] the rest. */
static struct {
    unsigned border;
    char slots[512];
} cluster;

static unsigned slot_of(const char *record)
{
    return cluster_slot((uint8_t)strtoul(strchr(record, '{') + 1, NULL, 16));
}

static int not_of_the_first(const char *record)
{
    return slot_of(record) < cluster.border ? 0 : 7001;
}

static int not_of_the_second(const char *record)
{
    return slot_of(record) < cluster.border ? 7000 : 0;
}

/* Writes what CLUSTER SLOTS answers. */
static void set_border(struct world *world, unsigned border)
{
    cluster.border = border;
    snprintf(cluster.slots, sizeof cluster.slots,
             "*2\r\n"
             "*4\r\n:0\r\n:%u\r\n"
             "*3\r\n$9\r\n127.0.0.1\r\n:7000\r\n$2\r\nid\r\n"
             "*3\r\n$9\r\n127.0.0.1\r\n:7009\r\n$2\r\nrp\r\n"
             "*3\r\n:%u\r\n:16383\r\n"
             "*4\r\n$0\r\n\r\n:7001\r\n$2\r\nid\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
             border - 1, border);
    world->store.slots = world->others[0].slots = cluster.slots;
}

static struct world *in_cluster(void **state)
{
    static const char hello[] =
        "*6\r\n$6\r\nserver\r\n$6\r\nvalkey\r\n$7\r\nversion\r\n$5\r\n8.1.1\r\n$4\r\nmode\r\n$7\r\ncluster\r\n";
    struct world *world = *state;
    world_add_stores(world, 2);
    strcpy(world->settings.stores[0], "cluster://127.0.0.1:7000");
    world->store.moves = not_of_the_first;
    world->others[0].moves = not_of_the_second;
    world->store.hello = world->others[0].hello = hello;
    set_border(world, 8192);
    return world;
}

static void slots_are_those_of_the_specification(void **state)
{
    bool is_seen[2] = {false};
    (void)state;
    assert_int_equal(cluster_slot(0x00), 13254); /* as CLUSTER KEYSLOT says of "{00}" */
    for (unsigned shard = 0; shard < CLUSTER_SHARDS; shard++)
        is_seen[cluster_slot((uint8_t)shard) < 8192] = true;
    assert_true(is_seen[0] && is_seen[1]);
}

static void orders_go_to_the_nodes_that_have_their_records(void **state)
{
    struct world *world = in_cluster(state);
    world_start(world);
    assert_up(world);
    assert_string_equal(world->courier.seen.server, "valkey 8.1.1");
    unsigned first = world->store.records, second = world->others[0].records;
    for (unsigned i = 0; i < 20; i++)
        post_many(world, i, ORDERS_MAX);
    settle(world);
    for (unsigned i = 0; i < 20; i++)
        assert_done(world, i);
    assert_true(world->store.records > first + 50);
    assert_true(world->others[0].records > second + 50);
    assert_int_equal(world->store.records - first + world->others[0].records - second,
                     20 * ORDERS_MAX);
    assert_int_equal(world->courier.seen.calls_failed, 0);
}

/* After MOVED the order goes to the node that it names, and the map is read again. */
static void moved_records_are_followed(void **state)
{
    struct world *world = in_cluster(state);
    world_start(world);
    set_border(world, 4096);
    for (unsigned i = 0; i < 10; i++)
        post_many(world, i, ORDERS_MAX);
    settle(world);
    for (unsigned i = 0; i < 10; i++)
        assert_done(world, i);
    pass_ms(world, 1000);
    uint64_t calls = world->courier.seen.calls;
    unsigned commands = world->store.commands + world->others[0].commands;
    for (unsigned i = 10; i < 20; i++)
        post_many(world, i, ORDERS_MAX);
    settle(world);
    for (unsigned i = 10; i < 20; i++)
        assert_done(world, i);
    assert_int_equal(world->store.commands + world->others[0].commands - commands,
                     world->courier.seen.calls - calls); /* nothing was MOVED */
}

/* While a slot is on its way, ASK is followed by ASKING and the call, and the map stays. */
static void records_on_their_way_are_asked_for(void **state)
{
    struct world *world = in_cluster(state);
    world_start(world);
    pass_ms(world, 1000);
    cluster.border = 4096;
    world->store.asks = true;
    unsigned slots_before = world->store.slots_asked;
    for (unsigned i = 0; i < 10; i++)
        post_many(world, i, ORDERS_MAX);
    settle(world);
    for (unsigned i = 0; i < 10; i++)
        assert_done(world, i);
    assert_true(world->others[0].askings > 5);
    pass_ms(world, 1000);
    assert_int_equal(world->store.slots_asked, slots_before);
}

/* ASK may name a node that has no slots yet: it is connected to, and left again once it gets none after all. */
static void a_node_that_gets_its_first_slots_is_met(void **state)
{
    struct world *world = in_cluster(state);
    set_border(world, 16384);
    snprintf(cluster.slots, sizeof cluster.slots,
             "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:7000\r\n$2\r\nid\r\n");
    world_start(world);
    assert_int_equal(world->courier.posts.count, 2);
    cluster.border = 4096;
    world->store.asks = true;
    post_many(world, 0, ORDERS_MAX);
    settle(world);
    pass_ms(world, 1000);
    assert_int_equal(world->courier.posts.count, 3);
    for (unsigned i = 1; i < 10; i++)
        post_many(world, i, ORDERS_MAX);
    settle(world);
    for (unsigned i = 1; i < 10; i++)
        assert_done(world, i);
    assert_true(world->others[0].askings > 5);
    assert_up(world);
    cluster.border = 16384;
    for (unsigned maps = 0; maps < 2; maps++) {
        posts_are_stale(&world->courier.posts);
        pass_ms(world, 1000);
    }
    assert_int_equal(world->courier.posts.count, 2);
    assert_recovers(world, 10);
}

/* A letter for two nodes, of which one is away: each order is answered by itself. */
static void a_dead_node_takes_only_its_records_along(void **state)
{
    struct world *world = in_cluster(state);
    unsigned done = 0, not_sent = 0;
    world_start(world);
    played_release(&world->others[0]);
    settle(world);
    assert_true(world->courier.seen.link != FLEET_UP);
    for (unsigned i = 0; i < 10; i++)
        post_many(world, i, ORDERS_MAX);
    settle(world);
    for (unsigned i = 0; i < 10; i++) {
        assert_true(is_home(world, i));
        for (unsigned order = 0; order < ORDERS_MAX; order++) {
            done += world->letters[i].order[order].result == ORDER_DONE;
            not_sent += world->letters[i].order[order].result == ORDER_NOT_SENT;
        }
    }
    assert_int_equal(done + not_sent, 10 * ORDERS_MAX);
    assert_true(done > 30 && not_sent > 30);
}

/* After a while its slots go to the first: the map is read until then, and the node that has nothing any more is left. */
static void slots_of_a_dead_node_are_found_again(void **state)
{
    struct world *world = in_cluster(state);
    world_start(world);
    played_release(&world->others[0]);
    settle(world);
    pass_ms(world, 20000);
    assert_true(world->courier.seen.link != FLEET_UP);
    assert_in_range(world->store.slots_asked, 30, 45);
    set_border(world, 16384);
    snprintf(cluster.slots, sizeof cluster.slots,
             "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:7000\r\n$2\r\nid\r\n");
    pass_ms(world, 1000);
    assert_recovers(world, 1);
    assert_int_equal(world->courier.posts.count, 2);
}

static void slots_that_nobody_has_hold_no_letter(void **state)
{
    struct world *world = in_cluster(state);
    unsigned done = 0;
    snprintf(cluster.slots, sizeof cluster.slots,
             "*1\r\n*3\r\n:0\r\n:8191\r\n*3\r\n$9\r\n127.0.0.1\r\n:7000\r\n$2\r\nid\r\n");
    world_start(world);
    assert_true(world->courier.seen.link != FLEET_UP);
    post_many(world, 1, ORDERS_MAX);
    settle(world);
    assert_true(is_home(world, 1));
    for (unsigned order = 0; order < ORDERS_MAX; order++)
        done += world->letters[1].order[order].result == ORDER_DONE;
    assert_in_range(done, 1, ORDERS_MAX - 1);
    set_border(world, 8192);
    pass_ms(world, 1000);
    assert_recovers(world, 2);
}

static void what_is_no_cluster_is_told(void **state)
{
    static const char *const rows[] = {
        "-ERR This instance has cluster support disabled\r\n",
        "+OK\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n$1\r\nx\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$3\r\na b\r\n:7000\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:70000\r\n",
    };
    static const char *const told[] = {
        "cluster support disabled", "no slots", "no slots", "no slots", "no slots", "no slots"};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct world *world = in_cluster(state);
        world->store.slots = world->others[0].slots = rows[i];
        world_start(world);
        assert_true(world->courier.seen.link != FLEET_UP);
        assert_trouble(world, told[i]);
        unsigned before = world->store.connects;
        pass_ms(world, 60000);
        assert_in_range(world->store.connects - before, 5, 60);
        world_tear_down(state);
        world_set_up(state);
    }
}

static void another_seed_is_tried(void **state)
{
    struct world *world = in_cluster(state);
    world->settings.stores_count = 3;
    strcpy(world->settings.stores[0], "cluster://127.0.0.1:7050");
    strcpy(world->settings.stores[1], "cluster://127.0.0.1:7051");
    strcpy(world->settings.stores[2], "cluster://127.0.0.1:7000");
    world_start(world);
    assert_recovers(world, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sentinels_say_who_is_master),
        TEST(a_master_that_needs_no_replica_is_warned_of),
        TEST(another_sentinel_is_asked_at_once),
        TEST(a_silent_sentinel_is_passed_by_after_a_second),
        TEST(if_no_sentinel_knows_it_that_is_told),
        TEST(a_sentinel_is_told_the_password_if_it_wants_one),
        TEST(a_planned_failover_is_followed),
        TEST(a_failover_is_noticed_while_the_old_master_grants),
        TEST(a_master_is_left_without_losing_a_letter),
        TEST(sentinels_that_fail_do_not_disturb_a_master),
        TEST(a_death_of_the_master_is_followed),
        TEST(who_is_no_master_gets_no_orders),
        TEST(whoever_may_not_ask_for_the_role_goes_on),
        cmocka_unit_test(slots_are_those_of_the_specification),
        TEST(orders_go_to_the_nodes_that_have_their_records),
        TEST(moved_records_are_followed),
        TEST(records_on_their_way_are_asked_for),
        TEST(a_node_that_gets_its_first_slots_is_met),
        TEST(a_dead_node_takes_only_its_records_along),
        TEST(slots_of_a_dead_node_are_found_again),
        TEST(slots_that_nobody_has_hold_no_letter),
        TEST(what_is_no_cluster_is_told),
        TEST(another_seed_is_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
