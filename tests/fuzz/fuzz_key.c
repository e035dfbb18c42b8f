/* Keys, forms and their escapes: what is decoded and what passes as a key, against plain models. */
#include "base/form.h"
#include "fuzz/fuzz.h"
#include "limits/key.h"
#include "limits/limits.h"

#include <stdbool.h>
#include <string.h>

const struct fuzz_target fuzz_target = {.name = "key", .size_max = 640, .runs = 120000};

/* ---- what is a key: the well-formed sequences of Unicode 15, table 3-7, row by row ---- */

static const struct {
    uint8_t lead_min, lead_max, next_min, next_max, size;
} rows[] = {
    {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* Bytes of the code point that begins here, or 0. */
static size_t sequence(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (bytes[0] < rows[i].lead_min || bytes[0] > rows[i].lead_max)
            continue;
        if (rows[i].size > len)
            return 0;
        if (rows[i].size > 1 && (bytes[1] < rows[i].next_min || bytes[1] > rows[i].next_max))
            return 0;
        for (size_t j = 2; j < rows[i].size; j++)
            if (bytes[j] < 0x80 || bytes[j] > 0xbf)
                return 0;
        return rows[i].size;
    }
    return 0;
}

static enum key_fault model_key(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return KEY_EMPTY;
    if (len > KEY_MAX)
        return KEY_TOO_LONG;
    for (size_t i = 0, size; i < len; i += size) {
        size = sequence(bytes + i, len - i);
        if (size == 0)
            return KEY_NOT_UTF8;
        if (bytes[i] < 0x20 || bytes[i] == 0x7f || (bytes[i] == 0xc2 && bytes[i + 1] < 0xa0))
            return KEY_HAS_CONTROL;
    }
    return KEY_OK;
}

/* ---- what an escape stands for ---- */

static const char digits[] = "0123456789abcdef0123456789ABCDEF";

static int digit_of(uint8_t byte)
{
    const char *at = byte == '\0' ? NULL : strchr(digits, byte);
    return at == NULL ? -1 : (int)((at - digits) % 16);
}

static enum form model_decode(const uint8_t *text, size_t len, bool plus_is_space, uint8_t *decoded,
                              size_t capacity, size_t *decoded_len)
{
    *decoded_len = 0;
    while (len > 0) {
        size_t taken = 1;
        uint8_t byte = *text == '+' && plus_is_space ? ' ' : *text;
        if (byte == '%') {
            if (len < 3 || digit_of(text[1]) < 0 || digit_of(text[2]) < 0)
                return FORM_BAD_ESCAPE;
            byte = (uint8_t)(16 * digit_of(text[1]) + digit_of(text[2]));
            taken = 3;
        }
        if (*decoded_len == capacity)
            return FORM_TOO_LONG;
        decoded[(*decoded_len)++] = byte;
        text += taken;
        len -= taken;
    }
    return FORM_OK;
}

/* The same bytes, every one of them escaped, are decoded to themselves. */
static void check_escaped(const uint8_t *bytes, size_t len)
{
    char escaped[3 * KEY_MAX + 1], decoded[KEY_MAX + 1];
    size_t decoded_len;
    for (size_t i = 0; i < len; i++) {
        escaped[3 * i] = '%';
        escaped[3 * i + 1] = digits[16 + bytes[i] / 16];
        escaped[3 * i + 2] = digits[bytes[i] % 16];
    }
    FUZZ_REQUIRE(form_decode(escaped, 3 * len, true, decoded, KEY_MAX, &decoded_len) == FORM_OK);
    FUZZ_REQUIRE(decoded_len == len && memcmp(decoded, bytes, len) == 0);
}

static void check_decoding(const char *text, size_t len, bool plus_is_space)
{
    enum { UNTOUCHED = 12345 };
    char decoded[KEY_MAX + 1];
    uint8_t expected[KEY_MAX];
    size_t decoded_len = UNTOUCHED, expected_len;
    enum form form = form_decode(text, len, plus_is_space, decoded, KEY_MAX, &decoded_len);
    FUZZ_REQUIRE(form == model_decode((const uint8_t *)text, len, plus_is_space, expected, KEY_MAX,
                                      &expected_len));
    if (form != FORM_OK) {
        FUZZ_REQUIRE(decoded_len == UNTOUCHED);
        return;
    }
    FUZZ_REQUIRE(decoded_len == expected_len && memcmp(decoded, expected, expected_len) == 0);
    FUZZ_REQUIRE(decoded[decoded_len] == '\0');
    FUZZ_REQUIRE(key_check(decoded, decoded_len) == model_key(expected, expected_len));
    check_escaped(expected, expected_len);
}

/* Pairs put together again are the form. */
static void check_form(const char *text, size_t len)
{
    const char *at = text;
    size_t left = len;
    struct form_pair pair;
    while (form_next(&at, &left, &pair)) {
        const char *name_end = pair.name + pair.name_len, *end = pair.value + pair.value_len;
        FUZZ_REQUIRE(pair.name == text && end <= at);
        FUZZ_REQUIRE(pair.value == name_end || (pair.value == name_end + 1 && *name_end == '='));
        FUZZ_REQUIRE(memchr(pair.name, '&', (size_t)(end - pair.name)) == NULL);
        FUZZ_REQUIRE(memchr(pair.name, '=', pair.name_len) == NULL);
        FUZZ_REQUIRE(at == end + (left > 0 || at[-1] == '&'));
        check_decoding(pair.value, pair.value_len, true);
        text = at;
    }
    FUZZ_REQUIRE(left == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    FUZZ_REQUIRE(key_check(text, size) == model_key(data, size));
    check_decoding(text, size, false);
    check_form(text, size);
    if (bucket_name_is_valid(text, size))
        FUZZ_REQUIRE(limit_name_is_valid(text, size) && memchr(text, '/', size) == NULL);
    if (limit_name_is_valid(text, size))
        FUZZ_REQUIRE(key_check(text, size) == KEY_OK && size <= LIMIT_NAME_MAX);
    return 0;
}
