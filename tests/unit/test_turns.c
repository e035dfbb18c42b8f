/* Turns: so much a turn, first come, first served. */
#include "http/routes/table.h"
#include "http/wire/turns.h"
#include "support/unit.h"

enum { COUNT = 10 };

static struct request requests[COUNT];

/* The longest bodies of which so many have one turn. */
#define BYTES_OF(lists) (ROUTE_COST_TURN / ROUTE_COST_LIST_BYTE / (lists))

/* A queue of so many lists, of so many bytes each. */
static void fill(struct turns *turns, unsigned lists, size_t bytes)
{
    turns_init(turns);
    for (unsigned i = 0; i < lists; i++) {
        requests[i].route = &route_allow;
        requests[i].body_len = bytes;
        turns_add(turns, &requests[i]);
    }
}

static void expect_next(struct turns *turns, unsigned begin, unsigned end)
{
    for (unsigned i = begin; i < end; i++)
        assert_ptr_equal(turns_next(turns), &requests[i]);
    assert_null(turns_next(turns));
}

static void an_empty_queue_has_none(void **state)
{
    (void)state;
    struct turns turns;
    turns_init(&turns);
    assert_null(turns_next(&turns));
}

static void a_turn_takes_as_many_as_it_may(void **state)
{
    (void)state;
    struct turns turns;
    fill(&turns, COUNT, BYTES_OF(4));
    expect_next(&turns, 0, 4);
    turns_begin(&turns);
    expect_next(&turns, 4, 8);
    turns_begin(&turns);
    expect_next(&turns, 8, COUNT);
    turns_begin(&turns);
    expect_next(&turns, COUNT, COUNT);
}

static void the_first_goes_however_long(void **state)
{
    (void)state;
    struct turns turns;
    fill(&turns, 3, BYTES_OF(1) + 1);
    for (unsigned i = 0; i < 3; i++) {
        expect_next(&turns, i, i + 1);
        turns_begin(&turns);
    }
}

/* Whoever comes while others wait is behind them, and a short one does not overtake. */
static void none_is_overtaken(void **state)
{
    (void)state;
    struct turns turns;
    fill(&turns, 5, BYTES_OF(2) + 1);
    for (unsigned i = 0; i < 4; i++) {
        expect_next(&turns, i, i + 1);
        requests[5 + i].body_len = 1;
        turns_add(&turns, &requests[5 + i]);
        turns_begin(&turns);
    }
    expect_next(&turns, 4, 9);
}

static void whoever_leaves_is_out(void **state)
{
    (void)state;
    for (unsigned gone = 0; gone < 4; gone++) {
        struct turns turns;
        fill(&turns, 4, 1);
        turns_remove(&turns, &requests[gone]);
        turns_add(&turns, &requests[4]);
        for (unsigned i = 0; i < 5; i++)
            if (i != gone)
                assert_ptr_equal(turns_next(&turns), &requests[i]);
        assert_null(turns_next(&turns));
    }
}

static size_t cost_of(const char *target, size_t body_len)
{
    static struct request request;
    request_begin(&request, &route_table, target);
    request.body_len = body_len;
    return request_cost(&request);
}

static void what_is_quick_needs_no_turn(void **state)
{
    (void)state;
    assert_int_equal(cost_of("/nothing", 0), 0);
    assert_int_equal(cost_of("/allow?key=a", 0), 0);
    assert_int_equal(cost_of("/allow", 512), 0);
    assert_int_equal(cost_of("/status?key=a", 0), 0);
    assert_int_equal(cost_of("/status?nothing=a", 0), 0);
    assert_int_equal(cost_of("/reset?key=a", 4096), 0);
    assert_int_equal(cost_of("/healthz", 0), 0);
    assert_int_equal(cost_of("/readyz", 0), 0);
    assert_int_equal(cost_of("/reload", 0), 0);
    assert_int_equal(cost_of("/check/edge", 4096), 0);
}

static void what_takes_long_does(void **state)
{
    (void)state;
    assert_int_equal(cost_of("/allow", 513), 513 * ROUTE_COST_LIST_BYTE);
    assert_int_equal(cost_of("/status", 1000), 1000 * ROUTE_COST_LIST_BYTE);
    assert_in_range(cost_of("/keys", 0), ROUTE_COST_TURN / 8, ROUTE_COST_TURN / 2);
    assert_in_range(cost_of("/explain?key=a", 0), ROUTE_COST_TURN / 8, ROUTE_COST_TURN / 2);
    assert_in_range(cost_of("/status", 0), 1, ROUTE_COST_TURN / 4);
    assert_int_equal(cost_of("/metrics", 0), ROUTE_COST_TURN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_has_none),
        cmocka_unit_test(a_turn_takes_as_many_as_it_may),
        cmocka_unit_test(the_first_goes_however_long),
        cmocka_unit_test(none_is_overtaken),
        cmocka_unit_test(whoever_leaves_is_out),
        cmocka_unit_test(what_is_quick_needs_no_turn),
        cmocka_unit_test(what_takes_long_does),
    };
    return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
