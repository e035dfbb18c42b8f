/* Text: numbers, JSON strings and quoting; texts that fit, grow, or are cut. */
#include "base/ascii.h"
#include "base/quote.h"
#include "base/text.h"
#include "support/failing.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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

static void a_text_grows_as_it_must(void **state)
{
    (void)state;
    static char piece[3000];
    size_t len = 0, expected = 0;
    memset(piece, 'x', sizeof piece);
    struct text text = text_begin_growing();
    for (size_t size = 0; size <= sizeof piece; size += 7) {
        text_bytes(&text, piece, size);
        expected += size;
    }
    char *whole = text_take(&text, &len);
    assert_non_null(whole);
    assert_int_equal(len, expected);
    assert_int_equal(strspn(whole, "x"), expected);
    assert_int_equal(whole[len], '\0');
    free(whole);

    text = text_begin_growing();
    whole = text_take(&text, &len);
    assert_non_null(whole);
    assert_int_equal(len, 0);
    assert_string_equal(whole, "");
    free(whole);
}

/* Whichever allocation fails: a text without its middle would be another text. */
static void a_text_that_finds_no_memory_is_none(void **state)
{
    (void)state;
    static char piece[3000];
    for (unsigned nth = 1; nth <= 2; nth++) {
        size_t len = 7;
        struct text text = text_begin_growing();
        failing_at(FAILING_ALLOCATION, nth);
        text_literal(&text, "begin");
        text_bytes(&text, piece, sizeof piece);
        text_literal(&text, "end");
        assert_true(failing_end());
        text_literal(&text, "more");
        assert_null(text_take(&text, &len));
        assert_int_equal(len, 7);
    }
    size_t len = 0;
    struct text text = text_begin_growing();
    text_literal(&text, "all");
    failing_at(FAILING_ALLOCATION, 1); /* what would trim it */
    char *whole = text_take(&text, &len);
    assert_true(failing_end());
    assert_string_equal(whole, "all");
    free(whole);
}

static void a_text_is_cut_where_a_piece_has_no_room(void **state)
{
    (void)state;
    char buffer[8];
    struct text text = text_begin_cut(buffer, sizeof buffer);
    text_literal(&text, "abcde");
    text_literal(&text, "");
    assert_false(text.is_short);
    text_literal(&text, "fgh");
    assert_true(text.is_short);
    text_literal(&text, "f");
    text_literal(&text, "");
    assert_int_equal(text_end(&text), 5);
    assert_string_equal(buffer, "abcde");
    text = text_begin_cut(buffer, sizeof buffer);
    text_literal(&text, "abcdefg");
    assert_false(text.is_short);
    assert_int_equal(text_end(&text), 7);
    assert_string_equal(buffer, "abcdefg");
}

static void bytes_are_a_string_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *string;
        bool is_it;
    } cases[] = {
        {"", 0, "", true},         {"key", 3, "key", true},    {"keys", 3, "key", true},
        {"key", 3, "keys", false}, {"keys", 4, "key", false},  {"kez", 3, "key", false},
        {"\0", 1, "", false},      {"key\0", 4, "key", false}, {"", 0, "k", false},
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        assert_int_equal(text_is(cases[i].bytes, cases[i].len, cases[i].string), cases[i].is_it);
}

static void expect_quoted(enum quote_reader reader, const char *text, const char *expected)
{
    char buffer[64] = "";
    struct text found = text_begin(buffer, sizeof buffer);
    struct quoted quoted;
    for (size_t at = 0, len = strlen(text); at < len; at += quoted.taken) {
        quote_next(reader, text + at, len - at, &quoted);
        text_bytes(&found, quoted.bytes, quoted.len);
    }
    text_end(&found);
    assert_string_equal(buffer, expected);
}

/* What each reader must not be shown as it is; test_log_text and tests/conf show more. */
static void quotes_are_for_a_reader(void **state)
{
    (void)state;
    static const struct {
        const char *text, *for_json, *for_lines, *for_yaml;
    } cases[] = {
        {"a/z~", "a/z~", "a/z~", "a/z~"},
        {"\"\\", "\\\"\\\\", "\\\"\\\\", "\\\"\\\\"},
        {"\n\x1f", "\\u000a\\u001f", "\\u000a\\u001f", "\\u000a\\u001f"},
        {"\x7f", "\x7f", "\\u007f", "\\u007f"},
        {"\xc2\x85", "\xc2\x85", "\\u0085", "\\u0085"},              /* next line */
        {"\xe2\x80\xa8", "\xe2\x80\xa8", "\\u2028", "\\u2028"},      /* line separator */
        {"\xe2\x80\xae", "\xe2\x80\xae", "\\u202e", "\xe2\x80\xae"}, /* right to left */
        {"\xef\xbb\xbf", "\xef\xbb\xbf", "\xef\xbb\xbf", "\\ufeff"}, /* byte order mark */
        {"\xef\xbf\xbf", "\xef\xbf\xbf", "\xef\xbf\xbf", "\\uffff"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\xff", "\xff", "\\ufffd", "\xff"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect_quoted(QUOTE_FOR_JSON, cases[i].text, cases[i].for_json);
        expect_quoted(QUOTE_FOR_LINES, cases[i].text, cases[i].for_lines);
        expect_quoted(QUOTE_FOR_YAML, cases[i].text, cases[i].for_yaml);
    }
}

/* What is copied is as long as it should be, and nothing behind the text's length is written. */
static void expect_copied(size_t (*copy)(const char *, size_t, char *), const char *text,
                          size_t len, size_t expected_len)
{
    char to[64];
    memset(to, '#', sizeof to);
    assert_int_equal(copy(text, len, to), expected_len);
    assert_memory_equal(to, text, expected_len);
    for (size_t at = len; at < sizeof to; at++)
        assert_int_equal(to[at], '#');
}

/* Each character in each place of texts that are shorter and longer than what is looked at in one step. */
static void a_text_is_plain_up_to_the_first_character_that_is_not(void **state)
{
    (void)state;
    char text[41];
    for (size_t len = 0; len < sizeof text; len++)
        for (size_t at = 0; at <= len; at++)
            for (int character = 0; character <= UINT8_MAX; character++) {
                bool is_visible = character >= ' ' && character <= '~';
                bool is_escaped = character == '"' || character == '\\';
                memset(text, 'a', sizeof text);
                text[at] = (char)character; /* behind the text if `at` is its length */
                size_t visible_len = is_visible ? len : at;
                assert_int_equal(ascii_visible_len(text, len), visible_len);
                expect_copied(ascii_copy_visible, text, len, visible_len);
                expect_copied(ascii_copy_plain, text, len, is_escaped ? at : visible_len);
                assert_int_equal(ascii_json_len(text, len),
                                 character >= ' ' && !is_escaped ? len : at);
            }
}

static void characters_are_counted(void **state)
{
    (void)state;
    enum { MOST = 3 * 127 * 16 + 17 }; /* more than are added up in one block */
    static char text[MOST + 1];
    for (size_t len = 0; len <= MOST; len += len < 100 ? 1 : 31) {
        memset(text, '{', sizeof text);
        assert_int_equal(ascii_count(text, len, '{'), len);
        size_t expected = 0;
        for (size_t i = 0; i < len; i++)
            text[i] = (char)(i * i % 251);
        for (size_t i = 0; i < len; i++)
            expected += text[i] == '{';
        assert_int_equal(ascii_count(text, len, '{'), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_decimal),
        cmocka_unit_test(strings_are_escaped_as_json_wants),
        cmocka_unit_test(pieces_follow_each_other),
        cmocka_unit_test(a_text_grows_as_it_must),
        cmocka_unit_test(a_text_that_finds_no_memory_is_none),
        cmocka_unit_test(a_text_is_cut_where_a_piece_has_no_room),
        cmocka_unit_test(bytes_are_a_string_or_not),
        cmocka_unit_test(quotes_are_for_a_reader),
        cmocka_unit_test(a_text_is_plain_up_to_the_first_character_that_is_not),
        cmocka_unit_test(characters_are_counted),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
