#include "ctl/query.h"

static bool stands_for_itself(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void append_byte(struct text *query, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    unsigned char byte = (unsigned char)c;
    const char escape[] = {'%', digits[byte >> 4], digits[byte & 15]};
    if (stands_for_itself(c))
        text_bytes(query, &c, 1);
    else
        text_bytes(query, escape, sizeof escape);
}

void query_add(struct text *query, const char *name, const char *value)
{
    if (value == NULL)
        return;
    if (query->at != query->start)
        text_literal(query, "&");
    text_string(query, name);
    text_literal(query, "=");
    for (; *value != '\0'; value++)
        append_byte(query, *value);
}
