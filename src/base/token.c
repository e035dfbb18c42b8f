#include "base/token.h"

#include <string.h>

/* Letters, digits and the hyphen, of which nearly all tokens are. */
static bool is_common(unsigned char c)
{
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
        return true;
    return c == '-' || (c >= '0' && c <= '9');
}

bool token_is_valid(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (!is_common(c) && (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL))
            return false;
    }
    return len > 0;
}
