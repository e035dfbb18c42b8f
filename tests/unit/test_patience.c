/* Patience: watched for while that is worth it, and not beyond. */
#include "actor/patience.h"
#include "support/unit.h"

#include <string.h>

/* A clock that goes on at each look at it. */
struct world {
    uint64_t now_ns, step_ns;
    uint64_t comes_ns; /* what is watched for */
    unsigned looks;
    struct clock clock;
    struct patience patience;
};

static uint64_t now_ns(void *context)
{
    struct world *world = context;
    world->now_ns += world->step_ns;
    return world->now_ns;
}

static bool has_come(const void *context)
{
    struct world *world = (struct world *)(uintptr_t)context;
    world->looks++;
    return world->now_ns >= world->comes_ns;
}

static void begin(struct world *world)
{
    *world = (struct world){.now_ns = 1000000000, .step_ns = 1000, .comes_ns = UINT64_MAX};
    world->clock = (struct clock){.now_ns = now_ns, .context = world};
    patience_init(&world->patience, &world->clock);
    world->patience.has_processors = true;
}

/* How long a watch took that found nothing; 0: there was none. */
static uint64_t watch_in_vain(struct world *world)
{
    uint64_t began_ns = world->now_ns;
    world->looks = 0;
    assert_false(patience_watch(&world->patience, has_come, world));
    return world->looks == 0 ? 0 : world->now_ns - began_ns;
}

static void what_comes_in_time_is_found(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    for (int i = 0; i < 1000; i++) {
        world.comes_ns = world.now_ns + PATIENCE_NS / 2;
        assert_true(patience_watch(&world.patience, has_come, &world));
        assert_true(world.now_ns < world.comes_ns + 3 * world.step_ns);
    }
}

static void a_watch_ends_in_time(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    assert_in_range(watch_in_vain(&world), PATIENCE_NS, PATIENCE_NS + 3 * world.step_ns);
}

/* The time from the end of a watch in vain until there is one again. */
static uint64_t rest_after(struct world *world)
{
    uint64_t began_ns = world->now_ns;
    while (watch_in_vain(world) == 0)
        ;
    return world->now_ns - began_ns;
}

static void after_each_watch_in_vain_it_rests_twice_as_long(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    assert_true(watch_in_vain(&world) > 0);
    for (uint64_t rest_ns = PATIENCE_REST_MIN_NS; rest_ns < PATIENCE_REST_MAX_NS; rest_ns *= 2)
        assert_in_range(rest_after(&world), rest_ns, rest_ns + 2 * PATIENCE_NS);
    for (int i = 0; i < 3; i++)
        assert_in_range(rest_after(&world), PATIENCE_REST_MAX_NS,
                        PATIENCE_REST_MAX_NS + 2 * PATIENCE_NS);
}

static void one_success_ends_the_rests(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    watch_in_vain(&world);
    for (int i = 0; i < 5; i++)
        rest_after(&world);
    world.comes_ns = 0;
    while (!patience_watch(&world.patience, has_come, &world))
        ;
    world.comes_ns = UINT64_MAX;
    assert_true(watch_in_vain(&world) > 0);
    assert_in_range(rest_after(&world), PATIENCE_REST_MIN_NS,
                    PATIENCE_REST_MIN_NS + 2 * PATIENCE_NS);
}

/* Also where what was watched for has come by then. */
static void who_is_interrupted_rests_for_long(void **state)
{
    (void)state;
    struct world world;
    for (int found = 0; found < 2; found++) {
        begin(&world);
        world.step_ns = PATIENCE_INTERRUPTED_NS;
        world.comes_ns = found ? 0 : UINT64_MAX;
        assert_int_equal(patience_watch(&world.patience, has_come, &world), found);
        world.step_ns = 1000;
        world.comes_ns = UINT64_MAX;
        assert_in_range(rest_after(&world), PATIENCE_REST_INTERRUPTED_NS,
                        PATIENCE_REST_INTERRUPTED_NS + 2 * PATIENCE_NS);
    }
}

static void with_one_processor_nobody_watches(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    world.patience.has_processors = false;
    for (int i = 0; i < 100; i++)
        assert_int_equal(watch_in_vain(&world), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_in_time_is_found),
        cmocka_unit_test(a_watch_ends_in_time),
        cmocka_unit_test(after_each_watch_in_vain_it_rests_twice_as_long),
        cmocka_unit_test(one_success_ends_the_rests),
        cmocka_unit_test(who_is_interrupted_rests_for_long),
        cmocka_unit_test(with_one_processor_nobody_watches),
    };
    return cmocka_run_group_tests_name("patience", tests, NULL, NULL);
}
