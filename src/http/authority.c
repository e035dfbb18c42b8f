#include "http/authority.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* The bytes that an IPv6 address and its brackets take; 0: they are none. */
static size_t address_len(const char *text, size_t len)
{
    size_t at = 1;
    while (at < len && (is_hex(text[at]) || text[at] == ':' || text[at] == '.'))
        at++;
    return at > 2 && at < len && text[at] == ']' ? at + 1 : 0;
}

/* How many bytes belong to a name or an IPv4 address. */
static size_t name_len(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        char c = text[at];
        if (c == '%' && len - at > 2 && is_hex(text[at + 1]) && is_hex(text[at + 2]))
            at += 3;
        else if (is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                 (c != '\0' && strchr("-._~!$&'()*+,;=", c) != NULL))
            at++;
        else
            break;
    }
    return at;
}

bool authority_is_valid(const char *text, size_t len)
{
    bool is_bracketed = len > 0 && text[0] == '[';
    size_t at = is_bracketed ? address_len(text, len) : name_len(text, len);
    if (is_bracketed && at == 0)
        return false;
    if (at < len && text[at] == ':')
        for (at++; at < len && is_digit(text[at]); at++)
            ;
    return at == len;
}
