/* Text: numbers and JSON strings. */
#include "base/text.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void expect_number(uint64_t number, const char *expected)
{
    char buffer[32];
    struct text text = text_begin(buffer, sizeof buffer);
    text_number(&text, number);
    assert_int_equal(text_end(&text), strlen(expected));
    assert_string_equal(buffer, expected);
}

static void numbers_are_decimal(void **state)
{
    (void)state;
    expect_number(0, "0");
    expect_number(9, "9");
    expect_number(10, "10");
    expect_number(UINT64_MAX, "18446744073709551615");
    for (uint64_t power = 10; power <= UINT64_MAX / 10; power *= 10)
        for (uint64_t number = power - 1; number <= power + 11; number++) {
            char expected[32];
            snprintf(expected, sizeof expected, "%" PRIu64, number);
            expect_number(number, expected);
        }
}

static void expect_json(const char *string, size_t len, const char *expected)
{
    char buffer[128];
    struct text text = text_begin(buffer, sizeof buffer);
    text_json(&text, string, len);
    text_end(&text);
    assert_string_equal(buffer, expected);
}

static void strings_are_escaped_as_json_wants(void **state)
{
    (void)state;
    expect_json("", 0, "\"\"");
    expect_json("alice", 5, "\"alice\"");
    expect_json("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    expect_json("\"\"", 2, "\"\\\"\\\"\"");
    expect_json("a/b\xc3\xa9", 5, "\"a/b\xc3\xa9\"");
    expect_json("\n\x01\x1f", 3, "\"\\u000a\\u0001\\u001f\"");
    expect_json("a\0b", 3, "\"a\\u0000b\"");
}

static void pieces_follow_each_other(void **state)
{
    (void)state;
    char buffer[32];
    struct text text = text_begin(buffer, sizeof buffer);
    text_literal(&text, "a=");
    text_number(&text, 1);
    text_string(&text, ",");
    text_bytes(&text, "bcd", 2);
    assert_int_equal(text_end(&text), 6);
    assert_string_equal(buffer, "a=1,bc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_decimal),
        cmocka_unit_test(strings_are_escaped_as_json_wants),
        cmocka_unit_test(pieces_follow_each_other),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
