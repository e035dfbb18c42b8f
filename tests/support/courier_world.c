#include "support/courier_world.h"

#include "support/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- ports that are Unix sockets ---- */

static void write_path(unsigned port, char path[64])
{
    snprintf(path, 64, "/tmp/allowd-test-fleet-%d-%u", (int)getpid(), port);
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
    return __real_socket(domain == AF_INET ? AF_UNIX : domain, type, protocol);
}

int __real_connect(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    struct sockaddr_un instead = {.sun_family = AF_UNIX};
    if (address->sa_family != AF_INET)
        return __real_connect(fd, address, len);
    write_path(ntohs(((const struct sockaddr_in *)address)->sin_port), instead.sun_path);
    return __real_connect(fd, (struct sockaddr *)&instead, sizeof instead);
}

/* ---- life ---- */

void world_listen(struct played *store, unsigned port)
{
    char path[64];
    write_path(port, path);
    played_listen(store, path);
}

int world_set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    *world = (struct world){.now_ns = WORLD_START_NS,
                            .settings = {.name = "test",
                                         .stores_count = 1,
                                         .op_timeout_ms = OP_TIMEOUT_MS,
                                         .reconnect_min_ms = 50,
                                         .reconnect_max_ms = 5000}};
    strcpy(world->settings.stores[0], "redis://127.0.0.1:7000");
    world->letters = calloc(WORLD_LETTERS, sizeof world->letters[0]);
    world->keys = calloc(WORLD_LETTERS, sizeof world->keys[0]);
    world_listen(&world->store, WORLD_PORT);
    *state = world;
    return inbox_init(&world->home, false);
}

int world_tear_down(void **state)
{
    struct world *world = *state;
    if (world->is_running)
        courier_release(&world->courier);
    played_release(&world->store);
    for (unsigned i = 0; i < world->others_count; i++)
        played_release(&world->others[i]);
    inbox_release(&world->home);
    free(world->letters);
    free(world->keys);
    free(world);
    return 0;
}

void world_add_stores(struct world *world, unsigned count)
{
    for (; count > 0; count--) {
        assert_true(world->others_count < WORLD_STORES - 1);
        world_listen(&world->others[world->others_count], WORLD_PORT + 1 + world->others_count);
        world->others_count++;
    }
}

static uint64_t world_now_ns(void *context)
{
    return ((struct world *)context)->now_ns;
}

void world_begin(struct world *world)
{
    const struct clock keys = {.now_ns = world_now_ns, .context = world};
    assert_int_equal(courier_init(&world->courier, &world->settings, &keys, 1, world->now_ns), 0);
    world->is_running = true;
}

void world_start(struct world *world)
{
    world_begin(world);
    settle(world);
}

/* ---- the world goes on ---- */

static void take_home(struct world *world)
{
    for (struct letter *letter = inbox_take(&world->home, 0), *next; letter != NULL;
         letter = next) {
        struct orders *orders = orders_of(message_of(letter));
        next = letter->next;
        assert_true(orders->message.kind == MESSAGE_ORDERS); /* away, so it comes home once */
        orders->message.kind = MESSAGE_ALLOW;
        world->came_home++;
    }
}

/* One turn of all. Whether anything has happened. */
static bool turn(struct world *world)
{
    struct pollfd polls[POSTS_POLLS_MAX];
    unsigned count = courier_poll(&world->courier, polls);
    bool happened = poll(polls, count, 0) > 0;
    uint64_t due_ns = courier_due_ns(&world->courier);
    courier_turn(&world->courier, polls, world->now_ns);
    take_home(world);
    happened |= played_turn(&world->store);
    for (unsigned i = 0; i < world->others_count; i++)
        happened |= played_turn(&world->others[i]);
    return happened || due_ns <= world->now_ns;
}

void settle(struct world *world)
{
    unsigned idle = 0;
    for (unsigned i = 0; i < 100000 && idle < 3; i++)
        idle = turn(world) ? 0 : idle + 1;
    assert_int_equal(idle, 3);
}

void pass_ms(struct world *world, uint64_t ms)
{
    uint64_t end_ns = world->now_ns + ms * NS_PER_MS;
    settle(world);
    while (courier_due_ns(&world->courier) <= end_ns) {
        if (courier_due_ns(&world->courier) > world->now_ns)
            world->now_ns = courier_due_ns(&world->courier);
        settle(world);
    }
    world->now_ns = end_ns;
    settle(world);
}

void post_many(struct world *world, unsigned number, uint32_t count)
{
    struct orders *letter = &world->letters[number];
    *letter = (struct orders){.message = {.letter.home = &world->home, .kind = MESSAGE_ORDERS},
                              .ttl_ms = 2000,
                              .grace_ms = 1000,
                              .count = count};
    for (uint32_t i = 0; i < count; i++) {
        struct order *order = &letter->order[i];
        char *key = world->keys[number][i];
        *order = (struct order){
            .limit_name = "api",
            .key = key,
            .limit_len = 3,
            .key_len = (uint16_t)snprintf(key, sizeof world->keys[0][0], "k%u", number * 16 + i),
            .buckets = 1,
            .session = 7,
            .seq = 1,
            .terms = {{10, 1, 1, 5}},
            .result = ORDER_RESULT_COUNT,
        };
    }
    courier_take(&world->courier, letter, world->now_ns);
}

void post(struct world *world, unsigned number)
{
    post_many(world, number, 1);
}

bool is_home(const struct world *world, unsigned number)
{
    return world->letters[number].message.kind != MESSAGE_ORDERS;
}

enum order_result result(const struct world *world, unsigned number)
{
    assert_true(is_home(world, number));
    return world->letters[number].order[0].result;
}

void assert_done(const struct world *world, unsigned number)
{
    assert_int_equal(result(world, number), ORDER_DONE);
    for (uint32_t i = 0; i < world->letters[number].count; i++) {
        assert_int_equal(world->letters[number].order[i].result, ORDER_DONE);
        assert_int_equal(world->letters[number].order[i].granted[0], number * 16 + i);
    }
}

void assert_up(struct world *world)
{
    if (world->courier.seen.link != FLEET_UP)
        fail_msg("it is not up: %s", world->courier.seen.trouble);
}

void assert_trouble(struct world *world, const char *want)
{
    if (strstr(world->courier.seen.trouble, want) == NULL)
        fail_msg("\"%s\" has no \"%s\"", world->courier.seen.trouble, want);
}

void assert_recovers(struct world *world, unsigned number)
{
    for (int i = 0; i < 100 && world->courier.seen.link != FLEET_UP; i++)
        pass_ms(world, 100);
    assert_up(world);
    post(world, number);
    settle(world);
    assert_done(world, number);
}
