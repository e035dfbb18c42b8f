#include "limits/key.h"

#include "base/ascii.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>

enum key_fault key_check(const char *key, size_t len)
{
    if (len == 0)
        return KEY_EMPTY;
    if (len > KEY_MAX)
        return KEY_TOO_LONG;
    /* Most keys are ASCII: no need to decode it. */
    for (size_t i = ascii_visible_len(key, len); i < len;
         i += ascii_visible_len(key + i, len - i)) {
        uint32_t c = 0;
        size_t size = utf8_decode(key + i, len - i, &c);
        if (size == 0)
            return KEY_NOT_UTF8;
        if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
            return KEY_HAS_CONTROL;
        i += size;
    }
    return KEY_OK;
}
