#include "pure/key.h"

#include <stdint.h>

/* The shortest encoding's first code point and the lead byte's own bits, by
 * sequence length (Unicode 15, table 3-6). */
static const struct {
    uint8_t lead_mask, lead_bits;
    uint32_t first;
} forms[] = {
    [1] = {0x80, 0x00, 0x0},
    [2] = {0xe0, 0xc0, 0x80},
    [3] = {0xf0, 0xe0, 0x800},
    [4] = {0xf8, 0xf0, 0x10000},
};

/* Decodes one code point of UTF-8; its length, or 0 if it is not well-formed. */
static size_t decode(const uint8_t *bytes, size_t len, uint32_t *code_point)
{
    for (size_t size = 1; size <= 4 && size <= len; size++) {
        if ((bytes[0] & forms[size].lead_mask) != forms[size].lead_bits)
            continue;
        uint32_t c = bytes[0] & (uint8_t)~forms[size].lead_mask;
        for (size_t i = 1; i < size; i++) {
            if ((bytes[i] & 0xc0) != 0x80)
                return 0;
            c = c << 6 | (bytes[i] & 0x3f);
        }
        if (c < forms[size].first || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return 0;
        *code_point = c;
        return size;
    }
    return 0;
}

enum key_fault key_check(const char *key, size_t len)
{
    if (len == 0)
        return KEY_EMPTY;
    if (len > KEY_MAX)
        return KEY_TOO_LONG;
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t size = decode((const uint8_t *)key + i, len - i, &c);
        if (size == 0)
            return KEY_NOT_UTF8;
        if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
            return KEY_HAS_CONTROL;
        i += size;
    }
    return KEY_OK;
}
