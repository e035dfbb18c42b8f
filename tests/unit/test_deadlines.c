/* Deadlines: each connection is ended once, when it is due, and a second later at most. */
#include "base/quantity.h"
#include "http/wire/deadlines.h"
#include "support/dice.h"
#include "support/unit.h"

#define MS(n) ((uint64_t)(n)*NS_PER_MS)

enum { COUNT = 8 };

/* How often each has been ended. */
struct ends {
    unsigned of[COUNT];
};

static void count_end(void *context, unsigned index)
{
    struct ends *ends = context;
    ends->of[index]++;
}

static void open_all(struct deadlines *deadlines)
{
    assert_true(deadlines_init(deadlines, COUNT));
    for (unsigned i = 0; i < COUNT; i++)
        deadlines_add(deadlines);
}

static void nothing_is_due_at_first(void **state)
{
    (void)state;
    struct deadlines deadlines;
    struct ends ends = {0};
    open_all(&deadlines);
    assert_true(deadlines.look_ns == DEADLINE_NONE);
    deadlines_look(&deadlines, DEADLINE_NONE - 1, count_end, &ends);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(ends.of[i], 0);
    deadlines_release(&deadlines);
}

static void what_is_due_ends_once(void **state)
{
    (void)state;
    struct deadlines deadlines;
    struct ends ends = {0};
    open_all(&deadlines);
    deadlines_set(&deadlines, 3, MS(10000));
    deadlines_set(&deadlines, 5, MS(20000));
    assert_true(deadlines.look_ns == MS(10000));
    deadlines_look(&deadlines, MS(9999), count_end, &ends);
    assert_int_equal(ends.of[3], 0);
    deadlines_look(&deadlines, MS(10000), count_end, &ends);
    assert_int_equal(ends.of[3], 1);
    assert_true(deadlines.look_ns == MS(20000));
    deadlines_look(&deadlines, MS(30000), count_end, &ends);
    assert_int_equal(ends.of[3], 1);
    assert_int_equal(ends.of[5], 1);
    deadlines_look(&deadlines, MS(90000), count_end, &ends);
    assert_true(deadlines.look_ns == DEADLINE_NONE);
    deadlines_release(&deadlines);
}

static void one_taken_away_or_put_off_does_not_end(void **state)
{
    (void)state;
    struct deadlines deadlines;
    struct ends ends = {0};
    open_all(&deadlines);
    deadlines_set(&deadlines, 0, MS(100));
    deadlines_set(&deadlines, 1, MS(100));
    deadlines_set(&deadlines, 0, DEADLINE_NONE);
    deadlines_set(&deadlines, 1, MS(5000));
    deadlines_look(&deadlines, MS(4000), count_end, &ends);
    assert_int_equal(ends.of[0] + ends.of[1], 0);
    assert_true(deadlines.look_ns == MS(5000));
    deadlines_release(&deadlines);
}

static void it_does_not_look_again_at_once(void **state)
{
    (void)state;
    struct deadlines deadlines;
    struct ends ends = {0};
    open_all(&deadlines);
    deadlines_set(&deadlines, 0, MS(100));
    deadlines_set(&deadlines, 1, MS(101));
    deadlines_look(&deadlines, MS(100), count_end, &ends);
    assert_int_equal(ends.of[0], 1);
    assert_true(deadlines.look_ns == MS(100 + DEADLINES_LOOK_MS));
    deadlines_release(&deadlines);
}

static void none_is_early_or_more_than_a_look_late(void **state)
{
    (void)state;
    struct dice dice = dice_new(0);
    struct deadlines deadlines;
    uint64_t due_ms[COUNT] = {0}; /* 0: none */
    struct ends ends = {0};
    open_all(&deadlines);
    for (uint64_t now_ms = 1; now_ms < 200000; now_ms += 1 + dice_roll(&dice, 50)) {
        unsigned index = (unsigned)dice_roll(&dice, COUNT);
        due_ms[index] = dice_roll(&dice, 4) == 0 ? 0 : now_ms + 1 + dice_roll(&dice, 3000);
        deadlines_set(&deadlines, index, due_ms[index] == 0 ? DEADLINE_NONE : MS(due_ms[index]));
        deadlines_look(&deadlines, MS(now_ms), count_end, &ends);
        for (unsigned i = 0; i < COUNT; i++) {
            if (ends.of[i] > 0) {
                assert_int_equal(ends.of[i], 1);
                assert_true(due_ms[i] != 0 && due_ms[i] <= now_ms);
                ends.of[i] = 0;
                due_ms[i] = 0;
            }
            assert_true(due_ms[i] == 0 || now_ms < due_ms[i] + DEADLINES_LOOK_MS);
        }
    }
    deadlines_release(&deadlines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_due_at_first),
        cmocka_unit_test(what_is_due_ends_once),
        cmocka_unit_test(one_taken_away_or_put_off_does_not_end),
        cmocka_unit_test(it_does_not_look_again_at_once),
        cmocka_unit_test(none_is_early_or_more_than_a_look_late),
    };
    return cmocka_run_group_tests_name("deadlines", tests, NULL, NULL);
}
