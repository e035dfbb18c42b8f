#include "http/authority.h"

#include <stdint.h>

enum { NAME = 1, HEX = 2, DIGIT = 4, ADDRESS = 8 };

#define DECIMAL (NAME | HEX | DIGIT | ADDRESS)
#define HEX_LETTER (NAME | HEX | ADDRESS)

/* Where a character may be: in a name, a hexadecimal or decimal number, an IPv6 address. Looked up,
 * for each request has a Host. */
static const uint8_t uses[256] = {
    ['0'] = DECIMAL,    ['1'] = DECIMAL,    ['2'] = DECIMAL,    ['3'] = DECIMAL,
    ['4'] = DECIMAL,    ['5'] = DECIMAL,    ['6'] = DECIMAL,    ['7'] = DECIMAL,
    ['8'] = DECIMAL,    ['9'] = DECIMAL,    ['A'] = HEX_LETTER, ['B'] = HEX_LETTER,
    ['C'] = HEX_LETTER, ['D'] = HEX_LETTER, ['E'] = HEX_LETTER, ['F'] = HEX_LETTER,
    ['G'] = NAME,       ['H'] = NAME,       ['I'] = NAME,       ['J'] = NAME,
    ['K'] = NAME,       ['L'] = NAME,       ['M'] = NAME,       ['N'] = NAME,
    ['O'] = NAME,       ['P'] = NAME,       ['Q'] = NAME,       ['R'] = NAME,
    ['S'] = NAME,       ['T'] = NAME,       ['U'] = NAME,       ['V'] = NAME,
    ['W'] = NAME,       ['X'] = NAME,       ['Y'] = NAME,       ['Z'] = NAME,
    ['a'] = HEX_LETTER, ['b'] = HEX_LETTER, ['c'] = HEX_LETTER, ['d'] = HEX_LETTER,
    ['e'] = HEX_LETTER, ['f'] = HEX_LETTER, ['g'] = NAME,       ['h'] = NAME,
    ['i'] = NAME,       ['j'] = NAME,       ['k'] = NAME,       ['l'] = NAME,
    ['m'] = NAME,       ['n'] = NAME,       ['o'] = NAME,       ['p'] = NAME,
    ['q'] = NAME,       ['r'] = NAME,       ['s'] = NAME,       ['t'] = NAME,
    ['u'] = NAME,       ['v'] = NAME,       ['w'] = NAME,       ['x'] = NAME,
    ['y'] = NAME,       ['z'] = NAME,       ['-'] = NAME,       ['.'] = NAME | ADDRESS,
    ['_'] = NAME,       ['~'] = NAME,       ['!'] = NAME,       ['$'] = NAME,
    ['&'] = NAME,       ['\''] = NAME,      ['('] = NAME,       [')'] = NAME,
    ['*'] = NAME,       ['+'] = NAME,       [','] = NAME,       [';'] = NAME,
    ['='] = NAME,       [':'] = ADDRESS,
};

static bool may_be(char c, unsigned use)
{
    return (uses[(unsigned char)c] & use) != 0;
}

/* The bytes that an IPv6 address and its brackets take; 0: they are none. */
static size_t address_len(const char *text, size_t len)
{
    size_t at = 1;
    while (at < len && may_be(text[at], ADDRESS))
        at++;
    return at > 2 && at < len && text[at] == ']' ? at + 1 : 0;
}

/* How many bytes belong to a name or an IPv4 address. */
static size_t name_len(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        if (may_be(text[at], NAME))
            at++;
        else if (text[at] == '%' && len - at > 2 && may_be(text[at + 1], HEX) &&
                 may_be(text[at + 2], HEX))
            at += 3;
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
        for (at++; at < len && may_be(text[at], DIGIT); at++)
            ;
    return at == len;
}
