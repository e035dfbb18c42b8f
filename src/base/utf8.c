#include "base/utf8.h"

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

size_t utf8_decode(const char *text, size_t len, uint32_t *code_point)
{
    const uint8_t *bytes = (const uint8_t *)text;
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
