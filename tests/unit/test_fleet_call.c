/* Calls: every byte of an order as the script reads it, and which answers are none. */
#include "fleet/call.h"
#include "support/dice.h"
#include "support/unit.h"

#include <string.h>

static const struct call_terms terms = {.ttl_ms = 2000, .grace_ms = 500, .clock_guard_ms = 20};

static struct order plain_order(void)
{
    return (struct order){
        .flags = ORDER_EXACT | ORDER_PROBE,
        .buckets = 1,
        .terms_tag = 0x04030201,
        .session = 0x0807060504030201,
        .seq = 0x0d0c0b0a0908,
        .epoch_ms = 0x060504030201,
        .terms =
            {{.burst_tokens = 100, .token_units = 1000, .step_units = 3, .outstanding_tokens = 50}},
        .totals = {{.granted = 30, .disposed = 20, .net = -1, .want = 7}},
    };
}

static void every_byte_has_its_place(void **state)
{
    (void)state;
    unsigned char call[CALL_BYTES_MAX];
    struct order order = plain_order();
    order.keep_ms = 1000;
    static const unsigned char expected[] = {
        1,                                           /* version */
        1,                                           /* buckets */
        1,    2,    3,    4,                         /* terms */
        0xd0, 7,    0,    0,                         /* ttl */
        0xf4, 1,    0,    0,                         /* grace */
        100,  0,    0,    0,    0,    0,    0,       /* burst */
        0xe8, 3,    0,    0,    0,                   /* token */
        3,    0,    0,    0,    0,    0,    0,       /* step */
        50,   0,    0,    0,    0,    0,    0,       /* outstanding */
        17,                                          /* flags */
        1,    2,    3,    4,    5,    6,    7,    8, /* session */
        8,    9,    10,   11,   12,   13,            /* seq */
        1,    2,    3,    4,    5,    6,             /* epoch */
        0,    0,    0,    0,    0,    0,    0,       /* not after */
        30,   0,    0,    0,    0,    0,             /* granted */
        20,   0,    0,    0,    0,    0,             /* disposed */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f,    /* net */
        7,    0,    0,    0,    0,    0,             /* want */
        0xdc, 5,    0,    0,                         /* keep, with grace */
    };
    assert_int_equal(call_write(&order, &terms, 0, call), sizeof expected);
    assert_memory_equal(call, expected, sizeof expected);
    order.keep_ms = 0;
    assert_int_equal(call_write(&order, &terms, 0, call), sizeof expected - 4);
    assert_memory_equal(call, expected, sizeof expected - 4);
    static const unsigned char more[] = {
        0xf4, 1, 0, 0,             /* keep, with grace */
        8,    7, 6, 5, 4, 3, 2, 1, /* the session that is taken over */
    };
    order.flags |= ORDER_TAKES_OVER;
    order.former = 0x0102030405060708;
    assert_int_equal(call_write(&order, &terms, 0, call), sizeof expected - 4 + sizeof more);
    assert_memory_equal(call + sizeof expected - 4, more, sizeof more);
}

static uint64_t written_not_after(struct order *order, uint64_t now_ns)
{
    unsigned char call[CALL_BYTES_MAX];
    call_write(order, &terms, now_ns, call);
    uint64_t ms = 0;
    for (unsigned i = 0; i < 7; i++)
        ms |= (uint64_t)call[61 + i] << 8 * i;
    return ms;
}

static void the_stores_clock_is_bound_by_ours(void **state)
{
    (void)state;
    struct order order = plain_order();
    order.store_at_ns = 5000000000;
    assert_int_equal(written_not_after(&order, 9000000000), 0);
    order.store_ms = 1700000000000;
    assert_int_equal(written_not_after(&order, 5000000000), 1700000000020);
    assert_int_equal(written_not_after(&order, 5000000001), 1700000000021);
    assert_int_equal(written_not_after(&order, 5001000000), 1700000000021);
    assert_int_equal(written_not_after(&order, 65000000000), 1700000060020);
    assert_int_equal(written_not_after(&order, 4000000000), 1700000000020);
}

static void nobody_wants_more_than_totals_can_tell(void **state)
{
    (void)state;
    unsigned char call[CALL_BYTES_MAX];
    struct order order = plain_order();
    order.totals[0] = (struct order_totals){.granted = ORDER_TOKENS_MAX - 5, .want = UINT64_MAX};
    size_t len = call_write(&order, &terms, 0, call);
    assert_memory_equal(call + len - 6, "\5\0\0\0\0\0", 6);
}

static void the_largest_has_room(void **state)
{
    (void)state;
    unsigned char call[CALL_BYTES_MAX];
    struct order order = plain_order();
    order.buckets = BUCKETS_MAX;
    order.keep_ms = UINT32_MAX / 2;
    for (unsigned i = 0; i < BUCKETS_MAX; i++) {
        order.terms[i] = (struct order_terms){ORDER_UNITS_MAX, 1, ORDER_UNITS_MAX, ORDER_UNITS_MAX};
        order.totals[i] = (struct order_totals){ORDER_TOKENS_MAX, ORDER_TOKENS_MAX,
                                                -(INT64_C(1) << 52), ORDER_TOKENS_MAX};
    }
    assert_in_range(call_write(&order, &terms, 0, call), 1, CALL_BYTES_MAX);
}

/* ---- answers ---- */

static const unsigned char plain_answer[] = {
    1,  5,                   /* version, result */
    1,  3,                   /* flags, holders */
    1,  2, 3, 4, 5, 6,       /* epoch */
    7,  0, 0, 0, 0, 0,       /* time */
    9,  1, 0, 0,             /* behind */
    8,  0, 0, 0, 0, 0,       /* granted */
    2,  0, 0, 0, 0, 0, 0x10, /* level */
    11, 0, 0, 0, 0, 0, 0x01, /* out */
};

static void an_answer_is_read(void **state)
{
    (void)state;
    struct order order = plain_order();
    assert_true(call_read(&order, plain_answer, sizeof plain_answer));
    assert_int_equal(order.result, ORDER_REPEATED);
    assert_true(order.is_converted);
    assert_int_equal(order.holders, 3);
    assert_int_equal(order.answered_epoch_ms, 0x060504030201);
    assert_int_equal(order.answered_ms, 7);
    assert_int_equal(order.behind_ms, 0x109);
    assert_int_equal(order.granted[0], 8);
    assert_int_equal(order.level_units[0], 2);
    assert_int_equal(order.out_tokens[0], 11 | UINT64_C(1) << 48);
    assert_int_equal(order.totals[0].granted, 30);
    assert_int_equal(order.seq, 0x0d0c0b0a0908);
}

static void a_level_may_be_below_zero(void **state)
{
    (void)state;
    struct order order = plain_order();
    unsigned char answer[sizeof plain_answer];
    memcpy(answer, plain_answer, sizeof answer);
    memset(answer + 26, 0xff, 6);
    answer[32] = 0x0f;
    assert_true(call_read(&order, answer, sizeof answer));
    assert_int_equal(order.level_units[0], -1);
}

static void expect_none(const unsigned char *answer, size_t len)
{
    struct order order = plain_order(), before;
    order.result = ORDER_NOT_SENT;
    memcpy(&before, &order, sizeof before);
    assert_false(call_read(&order, answer, len));
    assert_memory_equal(&order, &before, sizeof order);
}

static void what_is_no_answer_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned char byte;
    } faults[] = {
        {0, 0},
        {0, 2}, /* version */
        {1, ORDER_REFUSED},
        {1, ORDER_NOT_SENT},
        {1, 255},   /* result */
        {25, 0x81}, /* granted */
        {32, 0x21},
        {32, 0xff}, /* level */
    };
    for (size_t i = 0; i < LENGTH(faults); i++) {
        unsigned char answer[sizeof plain_answer];
        memcpy(answer, plain_answer, sizeof answer);
        answer[faults[i].at] = faults[i].byte;
        expect_none(answer, sizeof answer);
    }
    for (size_t len = 0; len < sizeof plain_answer; len++)
        expect_none(plain_answer, len);
    unsigned char longer[sizeof plain_answer + 20] = {0};
    memcpy(longer, plain_answer, sizeof plain_answer);
    expect_none(longer, sizeof plain_answer + 1);
    expect_none(longer, sizeof longer); /* of two buckets, which the order has not */
}

static void any_bytes_are_an_answer_within_bounds_or_none(void **state)
{
    (void)state;
    struct dice dice = dice_new(1);
    unsigned read = 0;
    for (unsigned i = 0; i < 100000; i++) {
        unsigned char answer[sizeof plain_answer];
        memcpy(answer, plain_answer, sizeof answer);
        for (unsigned byte = 0; byte < 3; byte++)
            answer[dice_roll(&dice, sizeof answer)] = (unsigned char)dice_bits(&dice);
        struct order order = plain_order();
        if (!call_read(&order, answer, sizeof answer))
            continue;
        read++;
        assert_in_range(order.result, ORDER_DONE, ORDER_VERSION);
        assert_in_range(order.granted[0], 0, ORDER_TOKENS_MAX);
        assert_true(order.level_units[0] <= (int64_t)ORDER_UNITS_MAX);
        assert_true(order.level_units[0] >= -(int64_t)ORDER_UNITS_MAX);
    }
    assert_in_range(read, 1, 99999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_has_its_place),
        cmocka_unit_test(the_stores_clock_is_bound_by_ours),
        cmocka_unit_test(nobody_wants_more_than_totals_can_tell),
        cmocka_unit_test(the_largest_has_room),
        cmocka_unit_test(an_answer_is_read),
        cmocka_unit_test(a_level_may_be_below_zero),
        cmocka_unit_test(what_is_no_answer_changes_nothing),
        cmocka_unit_test(any_bytes_are_an_answer_within_bounds_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
