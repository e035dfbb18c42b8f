/* Replies: whatever a store, a sentinel or a node of a cluster answers, each letter comes home once and in time, and what
 * is told is printable.
 *
 * The first byte says what the store is; then come answers, one for each command, with 0xff between two. */
#include "fuzz/fuzz.h"
#include "log/log.h"

#include "support/courier_world.h"

#include <string.h>

const struct fuzz_target fuzz_target = {.name = "fleet", .size_max = 600, .runs = 600};

static const char *const stores[] = {
    "redis://127.0.0.1:7000",
    "sentinel://127.0.0.1:7000/main",
    "cluster://127.0.0.1:7000",
};

enum { LETTERS = 6, ORDERS = 5 };

static void check_letter(const struct world *world, unsigned number)
{
    const struct orders *letter = &world->letters[number];
    FUZZ_REQUIRE(is_home(world, number));
    for (uint32_t i = 0; i < letter->count; i++) {
        FUZZ_REQUIRE(letter->order[i].result < ORDER_RESULT_COUNT);
        FUZZ_REQUIRE(letter->order[i].granted[0] <= ORDER_TOKENS_MAX);
    }
}

static void check_told(const char *text)
{
    for (; *text != '\0'; text++)
        FUZZ_REQUIRE(*text >= ' ' && *text <= '~');
}

static void live(struct world *world)
{
    world_start(world);
    for (unsigned i = 0; i < LETTERS / 2; i++)
        post_many(world, i, ORDERS);
    pass_ms(world, OP_TIMEOUT_MS);
    for (unsigned i = LETTERS / 2; i < LETTERS; i++)
        post_many(world, i, ORDERS);
    pass_ms(world, OP_TIMEOUT_MS);
    FUZZ_REQUIRE(world->came_home == LETTERS);
    FUZZ_REQUIRE(courier_is_idle(&world->courier));
    for (unsigned i = 0; i < LETTERS; i++)
        check_letter(world, i);
    pass_ms(world, 1200); /* it connects anew */
    check_told(world->courier.seen.trouble);
    check_told(world->courier.seen.server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *state;
    if (size == 0)
        return 0;
    log_set(&(struct log_settings){.level = LOG_LEVEL_ERROR});
    if (world_set_up(&state) != 0)
        return 0;
    struct world *world = state;
    strcpy(world->settings.stores[0], stores[data[0] % 3]);
    world->store.lumps = data + 1;
    world->store.lumps_len = size - 1;
    live(world);
    world_tear_down(&state);
    return 0;
}
