/* What allowctl shows: texts that others chose, tables, times, and the lines of events. */
#include "ctl/columns.h"
#include "ctl/event_line.h"
#include "ctl/spans.h"
#include "support/unit.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static void expect_shown(enum shown_charset charset, const char *bytes, const char *expected,
                         size_t columns)
{
    char shown[256];
    struct text text = text_begin(shown, sizeof shown);
    assert_int_equal(shown_append(&text, charset, bytes, strlen(bytes)), columns);
    text_end(&text);
    assert_string_equal(shown, expected);
}

static void what_a_terminal_acts_on_is_escaped(void **state)
{
    (void)state;
    expect_shown(SHOWN_UTF8, "login:alice", "login:alice", 11);
    expect_shown(SHOWN_UTF8, "\x1b[2J", "\\u001b[2J", 9);
    expect_shown(SHOWN_UTF8, "a\nb\tc\r", "a\\u000ab\\u0009c\\u000d", 21);
    expect_shown(SHOWN_UTF8, "\x7f", "\\u007f", 6);
    expect_shown(SHOWN_UTF8,
                 "\xc2\x9b"
                 "31m",
                 "\\u009b31m", 9);
    expect_shown(SHOWN_UTF8,
                 "a\xe2\x80\xae"
                 "b",
                 "a\\u202eb", 8); /* writes from right to left */
    expect_shown(SHOWN_UTF8, "\xe2\x81\xa6", "\\u2066", 6);
    expect_shown(SHOWN_UTF8, "\xe2\x80\xa8", "\\u2028", 6);
}

static void what_cannot_be_seen_is_escaped(void **state)
{
    (void)state;
    expect_shown(SHOWN_UTF8, "a\xe2\x80\x8b", "a\\u200b", 7);        /* no width */
    expect_shown(SHOWN_UTF8, "e\xcc\x81", "e\\u0301", 7);            /* an accent that combines */
    expect_shown(SHOWN_UTF8, "\xf3\xa0\x81\xa1", "\\U000e0061", 10); /* a tag */
    expect_shown(SHOWN_UTF8, "\xef\xbb\xbf", "\\ufeff", 6);
}

static void no_two_texts_look_alike(void **state)
{
    (void)state;
    expect_shown(SHOWN_UTF8, "\\u001b", "\\\\u001b", 7);
    expect_shown(SHOWN_UTF8, "\\", "\\\\", 2);
    expect_shown(SHOWN_UTF8, "\xff\xc3", "\\xff\\xc3", 8); /* no UTF-8 */
}

static void characters_take_their_columns(void **state)
{
    (void)state;
    expect_shown(SHOWN_UTF8, "\xc3\xa9", "\xc3\xa9", 1);
    expect_shown(SHOWN_UTF8, "\xe6\xbc\xa2", "\xe6\xbc\xa2", 2);
    expect_shown(SHOWN_ASCII, "\xc3\xa9\xe6\xbc\xa2", "\\u00e9\\u6f22", 12);
    static const char text[] = "a\xe6\xbc\xa2"
                               "b";
    assert_int_equal(shown_columns(text, strlen(text)), 4);
    assert_int_equal(shown_bytes_within(text, strlen(text), 4), 5);
    assert_int_equal(shown_bytes_within(text, strlen(text), 3), 4);
    assert_int_equal(shown_bytes_within(text, strlen(text), 2), 1); /* half of it is nothing */
    assert_int_equal(shown_bytes_within(text, strlen(text), 0), 0);
}

static void json_stays_what_it_is(void **state)
{
    (void)state;
    static const char json[] =
        "{\"a\":\"\\u001b \xe2\x80\xae \xc2\x9b \\\\ \xc3\xa9\",\r\n\t\"b\":1}";
    char shown[256];
    struct text text = text_begin(shown, sizeof shown);
    shown_append_json(&text, json, strlen(json));
    text_end(&text);
    assert_string_equal(shown, "{\"a\":\"\\u001b \\u202e \\u009b \\\\ \xc3\xa9\", \n\t\"b\":1}");
    json_t *before = json_loads(json, 0, NULL), *after = json_loads(shown, 0, NULL);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

static void tables_are_as_wide_as_their_cells(void **state)
{
    (void)state;
    static const struct column heads[] = {{"KEY", false}, {"LEFT", true}, {"", false}};
    struct columns columns = columns_begin(heads, LENGTH(heads), SHOWN_UTF8);
    char shown[256];
    struct text text = text_begin(shown, sizeof shown);
    columns_text(&columns, "\xe6\xbc\xa2\xe6\xbc\xa2");
    columns_number(&columns, 5);
    columns_text(&columns, NULL);
    columns_text(&columns, "a\x1b");
    columns_number(&columns, 123456);
    columns_text(&columns, "on trial");
    assert_int_equal(columns_rows(&columns), 2);
    assert_true(columns_append(&columns, &text));
    text_end(&text);
    assert_string_equal(shown, "KEY        LEFT\n"
                               "\xe6\xbc\xa2\xe6\xbc\xa2          5\n"
                               "a\\u001b  123456  on trial\n");
    columns_release(&columns);
}

static void times_and_numbers_are_for_people(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        const char *shown;
    } cases[] = {
        {0, "0 ns"},
        {999, "999 ns"},
        {1000, "1.0 us"},
        {1999999, "1.9 ms"},
        {UINT64_C(999999999), "999.9 ms"},
        {UINT64_C(12345000000), "12.3 s"},
        {UINT64_C(250999000000), "4 min 10 s"},
        {UINT64_C(7260000000000), "2 h 1 min"},
        {UINT64_C(90000000000000), "1 d 1 h"},
    };
    char shown[64];
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct text text = text_begin(shown, sizeof shown);
        span_append_ns(&text, cases[i].ns);
        text_end(&text);
        assert_string_equal(shown, cases[i].shown);
    }
    static const struct {
        uint64_t number;
        const char *shown;
    } numbers[] = {
        {0, "0"},
        {999, "999"},
        {1000, "1,000"},
        {1002003, "1,002,003"},
        {UINT64_MAX, "18,446,744,073,709,551,615"},
    };
    for (size_t i = 0; i < LENGTH(numbers); i++) {
        struct text text = text_begin(shown, sizeof shown);
        span_append_number(&text, numbers[i].number);
        text_end(&text);
        assert_string_equal(shown, numbers[i].shown);
    }
}

static void expect_event(const char *json, const char *expected)
{
    char line[512];
    struct text text = text_begin(line, sizeof line);
    json_t *event = json_loads(json, 0, NULL);
    assert_non_null(event);
    event_line_append(&text, SHOWN_UTF8, event);
    text_end(&text);
    assert_string_equal(line, expected);
    json_decref(event);
}

static void events_are_lines(void **state)
{
    (void)state;
    expect_event("{\"id\":\"00-1\",\"time\":\"T\",\"event\":\"denied\",\"limit\":\"login\","
                 "\"key\":\"login:alice\",\"count\":1,\"retry_after_ms\":null}",
                 "T  denied          limit=login key=login:alice count=1 retry_after_ms=null\n");
    expect_event("{\"time\":\"T\",\"event\":\"override_begun\",\"key\":\"a b=\\\"c\\\"\\u001b\","
                 "\"reason\":\"\"}",
                 "T  override_begun  key=\"a b=\\\"c\\\"\\u001b\" reason=\"\"\n");
    expect_event("{\"time\":\"T\",\"event\":\"reload_failed\",\"faults\":[\"a\\u202e\"]}",
                 "T  reload_failed   faults=[\"a\\u202e\"]\n");
    expect_event("{\"event\":\"x\\n\",\"\\u001b\":true}", "?  x\\u000a         \\u001b=true\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_terminal_acts_on_is_escaped),
        cmocka_unit_test(what_cannot_be_seen_is_escaped),
        cmocka_unit_test(no_two_texts_look_alike),
        cmocka_unit_test(characters_take_their_columns),
        cmocka_unit_test(json_stays_what_it_is),
        cmocka_unit_test(tables_are_as_wide_as_their_cells),
        cmocka_unit_test(times_and_numbers_are_for_people),
        cmocka_unit_test(events_are_lines),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
