#include "base/form.h"

#include <string.h>

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

static bool has_any(const char *text, size_t len, char byte)
{
    return memchr(text, byte, len) != NULL;
}

size_t form_decode_byte(const char *text, size_t len, bool plus_is_space, char *byte)
{
    enum { ESCAPE_LEN = 3 };
    int high = text[0] == '%' && len >= ESCAPE_LEN ? hex_value(text[1]) : -1;
    int low = high < 0 ? -1 : hex_value(text[2]);
    if (low >= 0) {
        *byte = (char)(high << 4 | low);
        return ESCAPE_LEN;
    }
    *byte = text[0] == '+' && plus_is_space ? ' ' : text[0];
    return 1;
}

enum form form_decode(const char *text, size_t len, bool plus_is_space, char *decoded,
                      size_t capacity, size_t *decoded_len)
{
    if (!has_any(text, len, '%') && !(plus_is_space && has_any(text, len, '+'))) {
        if (len > capacity)
            return FORM_TOO_LONG;
        memcpy(decoded, text, len);
        decoded[len] = '\0';
        *decoded_len = len;
        return FORM_OK; /* as nearly always */
    }
    size_t used = 0;
    for (size_t i = 0, taken; i < len; i += taken) {
        char byte;
        taken = form_decode_byte(text + i, len - i, plus_is_space, &byte);
        if (text[i] == '%' && taken == 1)
            return FORM_BAD_ESCAPE;
        if (used == capacity)
            return FORM_TOO_LONG;
        decoded[used++] = byte;
    }
    decoded[used] = '\0';
    *decoded_len = used;
    return FORM_OK;
}

bool form_next(const char **text, size_t *len, struct form_pair *pair)
{
    if (*len == 0)
        return false;
    const char *end = memchr(*text, '&', *len);
    size_t pair_len = end == NULL ? *len : (size_t)(end - *text);
    const char *equals = memchr(*text, '=', pair_len);

    pair->name = *text;
    pair->name_len = equals == NULL ? pair_len : (size_t)(equals - *text);
    pair->value = equals == NULL ? *text + pair_len : equals + 1;
    pair->value_len = pair_len - pair->name_len - (equals != NULL);

    size_t taken = pair_len + (end != NULL);
    *text += taken;
    *len -= taken;
    return true;
}
