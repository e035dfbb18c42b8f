/* List queue: so many bytes a turn, first come, first served. */
#include "http/list_queue.h"
#include "support/unit.h"

enum { COUNT = 10 };

static struct request requests[COUNT];

/* A queue of so many lists, of so many bytes each. */
static void fill(struct list_queue *queue, unsigned lists, size_t bytes)
{
    list_queue_init(queue);
    for (unsigned i = 0; i < lists; i++) {
        requests[i].body_len = bytes;
        list_queue_add(queue, &requests[i]);
    }
}

static void expect_next(struct list_queue *queue, unsigned begin, unsigned end)
{
    for (unsigned i = begin; i < end; i++)
        assert_ptr_equal(list_queue_next(queue), &requests[i]);
    assert_null(list_queue_next(queue));
}

static void an_empty_queue_has_none(void **state)
{
    (void)state;
    struct list_queue queue;
    list_queue_init(&queue);
    assert_null(list_queue_next(&queue));
}

static void a_turn_takes_as_many_as_it_may(void **state)
{
    (void)state;
    struct list_queue queue;
    fill(&queue, COUNT, LIST_QUEUE_BYTES / 4);
    expect_next(&queue, 0, 4);
    list_queue_begin(&queue);
    expect_next(&queue, 4, 8);
    list_queue_begin(&queue);
    expect_next(&queue, 8, COUNT);
    list_queue_begin(&queue);
    expect_next(&queue, COUNT, COUNT);
}

static void the_first_goes_however_long(void **state)
{
    (void)state;
    struct list_queue queue;
    fill(&queue, 3, LIST_QUEUE_BYTES + 1);
    for (unsigned i = 0; i < 3; i++) {
        expect_next(&queue, i, i + 1);
        list_queue_begin(&queue);
    }
}

/* Whoever comes while others wait is behind them, and a short one does not overtake. */
static void none_is_overtaken(void **state)
{
    (void)state;
    struct list_queue queue;
    fill(&queue, 5, LIST_QUEUE_BYTES / 2 + 1);
    for (unsigned i = 0; i < 4; i++) {
        expect_next(&queue, i, i + 1);
        requests[5 + i].body_len = 1;
        list_queue_add(&queue, &requests[5 + i]);
        list_queue_begin(&queue);
    }
    expect_next(&queue, 4, 9);
}

static void whoever_leaves_is_out(void **state)
{
    (void)state;
    for (unsigned gone = 0; gone < 4; gone++) {
        struct list_queue queue;
        fill(&queue, 4, 1);
        list_queue_remove(&queue, &requests[gone]);
        list_queue_add(&queue, &requests[4]);
        for (unsigned i = 0; i < 5; i++)
            if (i != gone)
                assert_ptr_equal(list_queue_next(&queue), &requests[i]);
        assert_null(list_queue_next(&queue));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_has_none),
        cmocka_unit_test(a_turn_takes_as_many_as_it_may),
        cmocka_unit_test(the_first_goes_however_long),
        cmocka_unit_test(none_is_overtaken),
        cmocka_unit_test(whoever_leaves_is_out),
    };
    return cmocka_run_group_tests_name("list_queue", tests, NULL, NULL);
}
