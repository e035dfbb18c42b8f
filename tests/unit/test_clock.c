/* Clocks: how long to wait until a moment, and what the system's clock keeps to. */
#include "base/clock.h"
#include "base/quantity.h"
#include "support/unit.h"

#include <limits.h>
#include <string.h>

static void waits_are_rounded_up_and_bounded(void **state)
{
    (void)state;
    static const struct {
        uint64_t now_ns, due_ns;
        int ms;
    } cases[] = {
        {5, 5, 0},
        {5, 4, 0},
        {UINT64_MAX - 1, 0, 0},
        {5, 6, 1}, /* an early look would find nothing to do, and look again at once */
        {5, 5 + NS_PER_MS, 1},
        {5, 6 + NS_PER_MS, 2},
        {0, (uint64_t)INT_MAX * NS_PER_MS, INT_MAX},
        {0, (uint64_t)INT_MAX * NS_PER_MS + 1, INT_MAX},
        {0, UINT64_MAX - 1, INT_MAX},
        {0, CLOCK_NEVER, -1},
        {UINT64_MAX, CLOCK_NEVER, -1},
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        assert_int_equal(clock_ms_until(cases[i].now_ns, cases[i].due_ns), cases[i].ms);
}

static void the_system_never_goes_back(void **state)
{
    (void)state;
    uint64_t before_ns = clock_now_ns(&clock_system);
    for (int i = 0; i < 1000; i++) {
        uint64_t now_ns = clock_now_ns(&clock_system);
        assert_true(now_ns >= before_ns);
        before_ns = now_ns;
    }
}

/* Both read the same but for the time that the machine was suspended for, which this cannot change:
 * tests/e2e/test_asleep.py does. */
static void that_of_keys_counts_the_time_asleep(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t awake_ns = clock_now_ns(&clock_system);
        uint64_t asleep_ns = clock_asleep_ns(&clock_keys);
        uint64_t all_ns = clock_now_ns(&clock_keys);
        assert_true(all_ns >= awake_ns);
        assert_true(all_ns - awake_ns + NS_PER_S > asleep_ns);
    }
    assert_int_equal(clock_asleep_ns(&clock_system), 0);
}

static void no_two_clocks_of_a_boot_have_one_id(void **state)
{
    (void)state;
    static const uint8_t unknown[CLOCK_BOOT_ID_BYTES];
    uint8_t boot_id[CLOCK_BOOT_ID_BYTES], keys_id[CLOCK_BOOT_ID_BYTES], again[CLOCK_BOOT_ID_BYTES];
    clock_boot_id(boot_id);
    clock_keys_id(keys_id);
    clock_keys_id(again);
    assert_memory_equal(keys_id, again, sizeof again);
    if (memcmp(boot_id, unknown, sizeof unknown) == 0)
        assert_memory_equal(keys_id, unknown, sizeof unknown);
    else
        assert_memory_not_equal(boot_id, keys_id, sizeof keys_id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_are_rounded_up_and_bounded),
        cmocka_unit_test(the_system_never_goes_back),
        cmocka_unit_test(that_of_keys_counts_the_time_asleep),
        cmocka_unit_test(no_two_clocks_of_a_boot_have_one_id),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
