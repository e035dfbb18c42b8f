/* Keys: exactly the well-formed UTF-8 of 1 to 255 bytes without control characters. */
#include "limits/key.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(const char *bytes, size_t len, enum key_fault expected)
{
    /* A copy of exact size, so that a sanitizer sees a read past the end. */
    char *copy = malloc(len == 0 ? 1 : len);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    enum key_fault fault = key_check(copy, len);
    free(copy);
    if (fault != expected)
        fail_msg("key of %zu bytes beginning %02x: %d, not %d", len, (unsigned)(uint8_t)bytes[0],
                 (int)fault, (int)expected);
}

static void expect_text(const char *text, enum key_fault expected)
{
    expect(text, strlen(text), expected);
}

/* Writes a code point as a form of `size` bytes, too long ones and surrogates included. */
static size_t encode(uint32_t c, size_t size, char bytes[4])
{
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    if (size == 1) {
        bytes[0] = (char)c;
        return 1;
    }
    for (size_t i = size - 1; i > 0; i--, c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)(lead[size] | c);
    return size;
}

static size_t shortest(uint32_t c)
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static enum key_fault verdict(uint32_t c)
{
    if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        return KEY_HAS_CONTROL;
    return c >= 0xd800 && c < 0xe000 ? KEY_NOT_UTF8 : KEY_OK;
}

static void takes_ordinary_keys(void **state)
{
    (void)state;
    expect_text("alice", KEY_OK);
    expect_text("a", KEY_OK);
    expect_text(" ", KEY_OK);
    expect_text("user:42/../%2F+\"\\'<>", KEY_OK);
    expect_text("naïve", KEY_OK);
    expect_text("鍵", KEY_OK);
    expect_text("\xf0\x9f\x94\x91", KEY_OK);
    expect_text("\xef\xbb\xbfkey", KEY_OK); /* U+FEFF is a character like others here */
}

static void refuses_the_empty_key(void **state)
{
    (void)state;
    expect("", 0, KEY_EMPTY);
}

static void takes_255_bytes_and_refuses_256(void **state)
{
    (void)state;
    char key[300];
    memset(key, 'k', sizeof key);
    expect(key, 255, KEY_OK);
    expect(key, 256, KEY_TOO_LONG);
    expect(key, 300, KEY_TOO_LONG);
}

static void counts_bytes_and_not_characters(void **state)
{
    (void)state;
    char key[4 * 64];
    for (size_t i = 0; i < sizeof key; i += 4)
        memcpy(key + i, "\xf0\x9f\x94\x91", 4);
    expect(key, 252, KEY_OK);
    expect(key, 256, KEY_TOO_LONG);
    expect(key, 255, KEY_NOT_UTF8); /* the last character is cut */
}

static void judges_every_code_point(void **state)
{
    (void)state;
    char bytes[4];
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        size_t len = encode(c, shortest(c), bytes);
        enum key_fault fault = key_check(bytes, len);
        if (fault != verdict(c))
            fail_msg("U+%04X: %d", (unsigned)c, (int)fault);
    }
}

static void refuses_code_points_beyond_unicode(void **state)
{
    (void)state;
    char bytes[4];
    for (uint32_t c = 0x110000; c <= 0x1fffff; c += 0x3f)
        expect(bytes, encode(c, 4, bytes), KEY_NOT_UTF8);
    expect(bytes, encode(0x110000, 4, bytes), KEY_NOT_UTF8);
    expect("\xf8\x88\x80\x80\x80", 5, KEY_NOT_UTF8);
    expect("\xfc\x84\x80\x80\x80\x80", 6, KEY_NOT_UTF8);
    expect("\xfe", 1, KEY_NOT_UTF8);
    expect("\xff", 1, KEY_NOT_UTF8);
}

/* A second way to write the same key would be a second bucket. */
static void refuses_every_form_longer_than_needed(void **state)
{
    (void)state;
    char bytes[4];
    for (uint32_t c = 0; c < 0x10000; c++)
        for (size_t size = shortest(c) + 1; size <= 4; size++)
            if (key_check(bytes, encode(c, size, bytes)) != KEY_NOT_UTF8)
                fail_msg("U+%04X in %zu bytes is taken", (unsigned)c, size);
}

static void refuses_every_truncated_character(void **state)
{
    (void)state;
    static const char *const characters[] = {"é", "鍵", "\xf0\x9f\x94\x91", "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < LENGTH(characters); i++)
        for (size_t len = 1; len < strlen(characters[i]); len++)
            expect(characters[i], len, KEY_NOT_UTF8);
}

static void refuses_stray_and_broken_continuations(void **state)
{
    (void)state;
    expect_text("\x80", KEY_NOT_UTF8);
    expect_text("a\xbf", KEY_NOT_UTF8);
    expect_text("\xc3(", KEY_NOT_UTF8);
    expect_text("\xe9\x8d(", KEY_NOT_UTF8);
    expect_text("\xe9(\x8d", KEY_NOT_UTF8);
    expect_text("\xf0\x9f\x94(", KEY_NOT_UTF8);
    expect_text("\xc3\xc3\xa9", KEY_NOT_UTF8);
    expect_text("caf\xe9", KEY_NOT_UTF8); /* Latin-1 */
}

static void refuses_control_characters_anywhere(void **state)
{
    (void)state;
    expect("a\0b", 3, KEY_HAS_CONTROL);
    expect("\0", 1, KEY_HAS_CONTROL);
    expect("ab\0", 3, KEY_HAS_CONTROL);
    expect_text("a\r\nSet-Cookie: b", KEY_HAS_CONTROL);
    expect_text("a\tb", KEY_HAS_CONTROL);
    expect_text("\x1b[31m", KEY_HAS_CONTROL);
    expect_text("key\x7f", KEY_HAS_CONTROL);
    expect_text("key\xc2\x85", KEY_HAS_CONTROL);
    expect_text("key\xc2\x9f", KEY_HAS_CONTROL);
    expect_text("key\xc2\xa0", KEY_OK);
}

static void looks_at_every_byte_of_a_long_key(void **state)
{
    (void)state;
    char key[KEY_MAX];
    for (size_t at = 0; at < sizeof key; at++) {
        memset(key, 'k', sizeof key);
        key[at] = '\n';
        expect(key, sizeof key, KEY_HAS_CONTROL);
        key[at] = (char)0xff;
        expect(key, sizeof key, KEY_NOT_UTF8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_ordinary_keys),
        cmocka_unit_test(refuses_the_empty_key),
        cmocka_unit_test(takes_255_bytes_and_refuses_256),
        cmocka_unit_test(counts_bytes_and_not_characters),
        cmocka_unit_test(judges_every_code_point),
        cmocka_unit_test(refuses_code_points_beyond_unicode),
        cmocka_unit_test(refuses_every_form_longer_than_needed),
        cmocka_unit_test(refuses_every_truncated_character),
        cmocka_unit_test(refuses_stray_and_broken_continuations),
        cmocka_unit_test(refuses_control_characters_anywhere),
        cmocka_unit_test(looks_at_every_byte_of_a_long_key),
    };
    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
