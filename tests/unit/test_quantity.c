/* Quantities: what is read, what is refused, and that printing and reading agree. */
#include "base/quantity.h"
#include "support/dice.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UNTOUCHED 424242u

static void expect_number(const char *text, uint64_t min, uint64_t max, enum quantity expected,
                          uint64_t expected_number)
{
    uint64_t number = UNTOUCHED;
    enum quantity result = quantity_parse_number(text, strlen(text), min, max, &number);
    if (result != expected)
        fail_msg("number \"%s\": %d, not %d", text, (int)result, (int)expected);
    assert_int_equal(number, expected_number);
}

static void expect_duration(const char *text, enum quantity expected, uint64_t expected_ms)
{
    uint64_t ms = UNTOUCHED;
    enum quantity result = quantity_parse_duration(text, strlen(text), 1, PERIOD_MAX_MS, &ms);
    if (result != expected)
        fail_msg("duration \"%s\": %d, not %d", text, (int)result, (int)expected);
    assert_int_equal(ms, expected_ms);
}

static void expect_rate(const char *text, uint64_t tokens, uint64_t period_ms)
{
    struct rate rate = {0, 0};
    if (quantity_parse_rate(text, strlen(text), &rate) != QUANTITY_OK)
        fail_msg("rate \"%s\" is refused", text);
    assert_int_equal(rate.tokens, tokens);
    assert_int_equal(rate.period_ms, period_ms);
}

static void expect_no_rate(const char *text, enum quantity expected)
{
    struct rate rate = {UNTOUCHED, UNTOUCHED};
    enum quantity result = quantity_parse_rate(text, strlen(text), &rate);
    if (result != expected)
        fail_msg("rate \"%s\": %d, not %d", text, (int)result, (int)expected);
    assert_int_equal(rate.tokens, UNTOUCHED);
    assert_int_equal(rate.period_ms, UNTOUCHED);
}

static void reads_plain_numbers(void **state)
{
    (void)state;
    expect_number("0", 0, UINT64_MAX, QUANTITY_OK, 0);
    expect_number("7", 0, UINT64_MAX, QUANTITY_OK, 7);
    expect_number("10", 0, UINT64_MAX, QUANTITY_OK, 10);
    expect_number("999999999999999", 1, TOKENS_MAX, QUANTITY_OK, TOKENS_MAX);
    expect_number("18446744073709551615", 0, UINT64_MAX, QUANTITY_OK, UINT64_MAX);
}

static void refuses_what_is_not_a_plain_number(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "",     "-1",    "+1",
        " 1",   "1 ",    "01",
        "00",   "1e3",   "1.0",
        "0x3",  "1_000", "1,0",
        "a",    "1a",    "\t1",
        "1\n",  "１",    "-",
        "--1",  "1-",    "/",
        ":",    "0 ",    "000",
        "1\r",  "NaN",   "inf",
        "1e+3", "0b11",  "0o7",
        "٣",    "²",     "99999999999999999999x",
    };
    for (size_t i = 0; i < LENGTH(malformed); i++)
        expect_number(malformed[i], 0, UINT64_MAX, QUANTITY_MALFORMED, UNTOUCHED);
}

static void refuses_a_nul_inside_a_number(void **state)
{
    (void)state;
    uint64_t number = UNTOUCHED;
    assert_int_equal(quantity_parse_number("1\0", 2, 0, 9, &number), QUANTITY_MALFORMED);
    assert_int_equal(quantity_parse_number("1\0002", 3, 0, 99, &number), QUANTITY_MALFORMED);
    assert_int_equal(number, UNTOUCHED);
}

static void reads_no_further_than_the_length(void **state)
{
    (void)state;
    uint64_t number = 0;
    assert_int_equal(quantity_parse_number("123", 2, 0, 99, &number), QUANTITY_OK);
    assert_int_equal(number, 12);
    assert_int_equal(quantity_parse_duration("10ms", 3, 1, PERIOD_MAX_MS, &number), QUANTITY_OK);
    assert_int_equal(number, 10 * 60 * MS_PER_S);
}

static void tells_too_large_from_malformed(void **state)
{
    (void)state;
    expect_number("18446744073709551616", 0, UINT64_MAX, QUANTITY_OUT_OF_RANGE, UNTOUCHED);
    expect_number("18446744073709551620", 0, UINT64_MAX, QUANTITY_OUT_OF_RANGE, UNTOUCHED);
    expect_number("184467440737095516150", 0, UINT64_MAX, QUANTITY_OUT_OF_RANGE, UNTOUCHED);
    expect_number("36893488147419103232", 0, UINT64_MAX, QUANTITY_OUT_OF_RANGE, UNTOUCHED);
    expect_number("340282366920938463463374607431768211457", 0, 9, QUANTITY_OUT_OF_RANGE,
                  UNTOUCHED);
    expect_number("1000000000000000", 1, TOKENS_MAX, QUANTITY_OUT_OF_RANGE, UNTOUCHED);
}

static void holds_both_bounds(void **state)
{
    (void)state;
    expect_number("4", 5, 7, QUANTITY_OUT_OF_RANGE, UNTOUCHED);
    expect_number("5", 5, 7, QUANTITY_OK, 5);
    expect_number("7", 5, 7, QUANTITY_OK, 7);
    expect_number("8", 5, 7, QUANTITY_OUT_OF_RANGE, UNTOUCHED);
    expect_number("0", 1, 7, QUANTITY_OUT_OF_RANGE, UNTOUCHED);
}

static void reads_every_unit_of_duration(void **state)
{
    (void)state;
    expect_duration("1ms", QUANTITY_OK, 1);
    expect_duration("100ms", QUANTITY_OK, 100);
    expect_duration("10s", QUANTITY_OK, 10000);
    expect_duration("7m", QUANTITY_OK, 420000);
    expect_duration("2h", QUANTITY_OK, 7200000);
    expect_duration("1d", QUANTITY_OK, 86400000);
    expect_duration("366d", QUANTITY_OK, PERIOD_MAX_MS);
}

static void refuses_what_is_not_a_duration(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "",    "5",    "s",    "ms",   "-1s", "+1s",  "1 s",  " 1s", "1s ",
        "1S",  "1sec", "1us",  "1ns",  "1w",  "1.5s", "1e3s", "01s", "1ss",
        "1sm", "1m5s", "1ms1", "0x1s", "1M",  "1mS",  "1\ts",
    };
    for (size_t i = 0; i < LENGTH(malformed); i++)
        expect_duration(malformed[i], QUANTITY_MALFORMED, UNTOUCHED);
}

static void refuses_durations_out_of_range(void **state)
{
    (void)state;
    expect_duration("0s", QUANTITY_OUT_OF_RANGE, UNTOUCHED);
    expect_duration("367d", QUANTITY_OUT_OF_RANGE, UNTOUCHED);
    expect_duration("31622400001ms", QUANTITY_OUT_OF_RANGE, UNTOUCHED);
    /* In milliseconds these pass 2^64 by a little and come round to a small number. */
    expect_duration("213503982335d", QUANTITY_OUT_OF_RANGE, UNTOUCHED);
    expect_duration("18446744073709552s", QUANTITY_OUT_OF_RANGE, UNTOUCHED);
    expect_duration("18446744073709551616ms", QUANTITY_OUT_OF_RANGE, UNTOUCHED);
}

static void reads_rates(void **state)
{
    (void)state;
    expect_rate("1/s", 1, 1000);
    expect_rate("50/s", 50, 1000);
    expect_rate("7/m", 7, 60000);
    expect_rate("1000/h", 1000, 3600000);
    expect_rate("1/d", 1, 86400000);
    expect_rate("3/ms", 3, 1);
    expect_rate("5/100ms", 5, 100);
    expect_rate("2/1s", 2, 1000);
    expect_rate("1/366d", 1, PERIOD_MAX_MS);
    expect_rate("999999999999999/ms", TOKENS_MAX, 1);
}

static void refuses_what_is_not_a_rate(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "",       "5",    "/",    "/s",   "5/",    "5s",    "5//s",  "5/s/s", "5/s ",   " 5/s",
        "5 /s",   "5/ s", "-5/s", "05/s", "5/01s", "5.5/s", "1e3/s", "x/0s",  "5/-1s",  "5/5",
        "5/year", "5/S",  "5/w",  "0/x",  "1/s\n", "1/1 s", "∞/s",   "5\\s",  "5/0x1s", "5 per s",
    };
    for (size_t i = 0; i < LENGTH(malformed); i++)
        expect_no_rate(malformed[i], QUANTITY_MALFORMED);
}

static void refuses_rates_that_are_nothing_or_too_much(void **state)
{
    (void)state;
    static const char *const out_of_range[] = {
        "0/s",
        "1/0s",
        "1/0ms",
        "0/0s",
        "1000000000000000/s",
        "1/367d",
        "18446744073709551617/s",
        "1/18446744073709551617ms",
    };
    for (size_t i = 0; i < LENGTH(out_of_range); i++)
        expect_no_rate(out_of_range[i], QUANTITY_OUT_OF_RANGE);
}

static void prints_durations_in_the_largest_unit_that_divides(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {1, "1ms"},
        {999, "999ms"},
        {1000, "1s"},
        {1001, "1001ms"},
        {60000, "1m"},
        {90000, "90s"},
        {3600000, "1h"},
        {5400000, "90m"},
        {86400000, "1d"},
        {90000000, "25h"},
        {PERIOD_MAX_MS, "366d"},
        {UINT64_MAX, "18446744073709551615ms"},
    };
    char text[QUANTITY_TEXT_MAX];
    for (size_t i = 0; i < LENGTH(cases); i++) {
        quantity_print_duration(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void prints_rates_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        struct rate rate;
        const char *text;
    } cases[] = {
        {{1, 1000}, "1/s"},
        {{50, 1000}, "50/s"},
        {{5, 100}, "5/100ms"},
        {{1, 10000}, "1/10s"},
        {{7, 60000}, "7/m"},
        {{1, 1}, "1/ms"},
        {{1, 660000}, "1/11m"},
        {{1, 86400000}, "1/d"},
        {{2, 10 * 86400000ull}, "2/10d"},
        {{UINT64_MAX, UINT64_MAX}, "18446744073709551615/18446744073709551615ms"},
    };
    char text[QUANTITY_TEXT_MAX];
    for (size_t i = 0; i < LENGTH(cases); i++) {
        quantity_print_rate(&cases[i].rate, text);
        assert_string_equal(text, cases[i].text);
    }
}

static struct rate random_rate(struct dice *dice)
{
    static const uint64_t unit_ms[] = {1, 1000, 60000, 3600000, 86400000};
    uint64_t unit = unit_ms[dice_roll(dice, LENGTH(unit_ms))];
    return (struct rate){
        .tokens = dice_between(dice, 1, dice_once_in(dice, 2) ? TOKENS_MAX : 20),
        .period_ms =
            unit * dice_between(dice, 1, dice_once_in(dice, 2) ? PERIOD_MAX_MS / unit : 20),
    };
}

static void reads_back_every_rate_it_prints(void **state)
{
    (void)state;
    struct dice dice = dice_new(1);
    for (int i = 0; i < 20000; i++) {
        struct rate rate = random_rate(&dice);
        char text[QUANTITY_TEXT_MAX];
        quantity_print_rate(&rate, text);
        expect_rate(text, rate.tokens, rate.period_ms);
    }
}

/* Whatever the bytes: no read past the end (a sanitizer tells), and what is
 * read prints as itself, so nothing was guessed. */
static void finds_the_greatest_common_divisor(void **state)
{
    (void)state;
    assert_int_equal(quantity_common_divisor(12, 18), 6);
    assert_int_equal(quantity_common_divisor(18, 12), 6);
    assert_int_equal(quantity_common_divisor(7, 10), 1);
    assert_int_equal(quantity_common_divisor(0, 5), 5);
    assert_int_equal(quantity_common_divisor(5, 0), 5);
    assert_int_equal(quantity_common_divisor(TOKENS_MAX, UINT64_C(1000)), 1);
    assert_true(quantity_common_divisor(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
}

static void takes_any_bytes(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789/smhd -+.e\0x";
    struct dice dice = dice_new(2);
    unsigned read = 0;
    for (int i = 0; i < 200000; i++) {
        char text[6], again[32];
        size_t len = (size_t)dice_between(&dice, 1, sizeof text);
        for (size_t at = 0; at < len; at++)
            text[at] = alphabet[dice_roll(&dice, sizeof alphabet - 1)];
        uint64_t number;
        if (quantity_parse_number(text, len, 0, UINT64_MAX, &number) != QUANTITY_OK)
            continue;
        snprintf(again, sizeof again, "%" PRIu64, number);
        assert_int_equal(strlen(again), len);
        assert_memory_equal(again, text, len);
        read++;
    }
    assert_true(read > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_plain_numbers),
        cmocka_unit_test(refuses_what_is_not_a_plain_number),
        cmocka_unit_test(refuses_a_nul_inside_a_number),
        cmocka_unit_test(reads_no_further_than_the_length),
        cmocka_unit_test(tells_too_large_from_malformed),
        cmocka_unit_test(holds_both_bounds),
        cmocka_unit_test(reads_every_unit_of_duration),
        cmocka_unit_test(refuses_what_is_not_a_duration),
        cmocka_unit_test(refuses_durations_out_of_range),
        cmocka_unit_test(reads_rates),
        cmocka_unit_test(refuses_what_is_not_a_rate),
        cmocka_unit_test(refuses_rates_that_are_nothing_or_too_much),
        cmocka_unit_test(prints_durations_in_the_largest_unit_that_divides),
        cmocka_unit_test(prints_rates_as_people_write_them),
        cmocka_unit_test(reads_back_every_rate_it_prints),
        cmocka_unit_test(finds_the_greatest_common_divisor),
        cmocka_unit_test(takes_any_bytes),
    };
    return cmocka_run_group_tests_name("quantity", tests, NULL, NULL);
}
