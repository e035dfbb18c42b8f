/* Log text: whatever bytes go in, a line stays one, is UTF-8, and as JSON says what went in. */
#include "base/utf8.h"
#include "log/line.h"
#include "support/dice.h"
#include "support/unit.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void check_is_utf8(const char *bytes, size_t len)
{
    uint32_t c;
    for (size_t at = 0, size; at < len; at += size)
        assert_true((size = utf8_decode(bytes + at, len - at, &c)) > 0);
}

/* The bytes as what is not UTF-8 in them is told: U+FFFD for each byte. */
static size_t mend(const char *bytes, size_t len, char *mended)
{
    size_t mended_len = 0;
    uint32_t c;
    for (size_t at = 0; at < len;) {
        size_t size = utf8_decode(bytes + at, len - at, &c);
        memcpy(mended + mended_len, size > 0 ? bytes + at : "\xef\xbf\xbd", size > 0 ? size : 3);
        mended_len += size > 0 ? size : 3;
        at += size > 0 ? size : 1;
    }
    return mended_len;
}

static void check_quoted(const char *bytes, size_t len)
{
    static char mended[3 * 2 * LOG_LINE_MAX];
    struct log_text text = {0};
    log_text_quoted(&text, bytes, len);
    for (size_t i = 0; i < text.len; i++)
        assert_true((unsigned char)text.bytes[i] >= ' ' && text.bytes[i] != 0x7f);
    check_is_utf8(text.bytes, text.len);
    json_t *value = json_loadb(text.bytes, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(value);
    size_t mended_len = mend(bytes, len, mended);
    assert_true(json_string_length(value) <= mended_len);
    assert_memory_equal(json_string_value(value), mended, json_string_length(value));
    /* Only where the line is full may something be missing. */
    if (text.len < LOG_LINE_MAX - LOG_TEXT_OWN - 8)
        assert_int_equal(json_string_length(value), mended_len);
    json_decref(value);
}

static void check_plain(const char *bytes, size_t len)
{
    struct log_text text = {0};
    log_text_plain(&text, bytes, len);
    for (size_t i = 0; i < text.len; i++)
        assert_true((unsigned char)text.bytes[i] >= ' ' && text.bytes[i] != 0x7f);
    check_is_utf8(text.bytes, text.len);
}

static void every_byte(void **unused)
{
    (void)unused;
    for (int c = 0; c < 256; c++) {
        char bytes[] = {'a', (char)c, 'z'};
        check_quoted(bytes, sizeof bytes);
        check_plain(bytes, sizeof bytes);
    }
}

static void every_character(void **unused)
{
    (void)unused;
    for (uint32_t c = 0x80; c < 0x110000; c += c < 0x3000 ? 1 : 251) {
        char bytes[4];
        size_t len = 0;
        if (c >= 0xd800 && c < 0xe000)
            continue;
        if (c < 0x800) {
            bytes[len++] = (char)(0xc0 | c >> 6);
        } else if (c < 0x10000) {
            bytes[len++] = (char)(0xe0 | c >> 12);
            bytes[len++] = (char)(0x80 | (c >> 6 & 0x3f));
        } else {
            bytes[len++] = (char)(0xf0 | c >> 18);
            bytes[len++] = (char)(0x80 | (c >> 12 & 0x3f));
            bytes[len++] = (char)(0x80 | (c >> 6 & 0x3f));
        }
        bytes[len++] = (char)(0x80 | (c & 0x3f));
        check_quoted(bytes, len);
        check_plain(bytes, len);
    }
}

static void any_bytes(void **unused)
{
    (void)unused;
    struct dice dice = dice_new(0);
    for (int i = 0; i < 20000; i++) {
        char bytes[LOG_LINE_MAX];
        size_t len = dice_roll(&dice, i % 100 == 0 ? sizeof bytes : 40);
        for (size_t j = 0; j < len; j++)
            bytes[j] = (char)dice_roll(&dice, 256);
        check_quoted(bytes, len);
        check_plain(bytes, len);
    }
}

static void is_shown_as(const char *bytes, const char *plain, const char *quoted)
{
    struct log_text text = {0};
    log_text_plain(&text, bytes, strlen(bytes));
    assert_int_equal(text.len, strlen(plain));
    assert_memory_equal(text.bytes, plain, text.len);
    text.len = 0;
    log_text_quoted(&text, bytes, strlen(bytes));
    assert_int_equal(text.len, strlen(quoted));
    assert_memory_equal(text.bytes, quoted, text.len);
}

static void what_could_forge_is_made_visible(void **unused)
{
    (void)unused;
    is_shown_as("a\r\nallowd: b", "a??allowd: b", "\"a\\u000d\\u000aallowd: b\"");
    is_shown_as("\x1b[2J\x7f", "?[2J?", "\"\\u001b[2J\\u007f\"");
    is_shown_as("a\xc2\x85"
                "b",
                "a?b", "\"a\\u0085b\"");                                 /* next line */
    is_shown_as("\xe2\x80\xa8\xe2\x80\xa9", "??", "\"\\u2028\\u2029\""); /* line, paragraph */
    is_shown_as("\xe2\x80\xae"
                "cba\xe2\x81\xa9",
                "?cba?", "\"\\u202ecba\\u2069\"");
    is_shown_as("\"\\", "\"\\", "\"\\\"\\\\\"");
    is_shown_as("\xff\xc0\x80", "???", "\"\\ufffd\\ufffd\\ufffd\"");
    is_shown_as("z\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "z\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
                "\"z\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

/* However much there is, what is ours has room behind it. */
static void what_is_ours_has_room(void **unused)
{
    (void)unused;
    static const char *const wholes[] = {"a", "\"", "\x01", "\xff", "\xc3\xbc", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < LENGTH(wholes); i++) {
        static char much[2 * LOG_LINE_MAX];
        struct log_text text = {0};
        size_t size = strlen(wholes[i]), len = 0;
        for (; len + size <= sizeof much; len += size)
            memcpy(much + len, wholes[i], size);
        check_quoted(much, len);
        log_text_quoted(&text, much, len);
        log_text_plain(&text, much, len);
        assert_true(text.len <= LOG_LINE_MAX - LOG_TEXT_OWN + 2);
        for (int j = 0; j < LOG_TEXT_OWN - 2; j++)
            log_text_own(&text, "x");
        assert_true(text.len <= LOG_LINE_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte),
        cmocka_unit_test(every_character),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(what_could_forge_is_made_visible),
        cmocka_unit_test(what_is_ours_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
