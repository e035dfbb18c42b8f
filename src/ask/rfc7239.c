#include "ask/rfc7239.h"

#include "base/token.h"

#include <string.h>
#include <strings.h>

/* The bytes before the first of these characters that is in no quoted string. */
static size_t span(struct piece text, char separator)
{
    bool is_quoted = false;
    size_t i = 0;
    for (; i < text.len && (is_quoted || text.bytes[i] != separator); i++) {
        if (is_quoted && text.bytes[i] == '\\' && i + 1 < text.len)
            i++;
        else if (text.bytes[i] == '"')
            is_quoted = !is_quoted;
    }
    return i;
}

/* Takes what is before the first separator off a text, and the separator. false: nothing is left. */
static bool take(struct piece *text, char separator, struct piece *taken)
{
    if (text->bytes == NULL)
        return false;
    const char *end = text->bytes + text->len;
    size_t len = span(*text, separator);
    *taken = piece_trimmed(text->bytes, text->bytes + len);
    if (len == text->len)
        *text = (struct piece){NULL, 0};
    else
        *text = (struct piece){text->bytes + len + 1, (size_t)(end - text->bytes) - len - 1};
    return true;
}

bool rfc7239_next(struct piece *list, struct piece *element)
{
    return take(list, ',', element);
}

static bool add(char node[RFC7239_NODE_MAX], size_t *len, char c)
{
    if (*len == RFC7239_NODE_MAX)
        return false;
    node[(*len)++] = c;
    return true;
}

/* Copies a quoted string, without its quotes and the backslashes within. */
static bool read_quoted(struct piece value, char node[RFC7239_NODE_MAX], size_t *len)
{
    size_t end = value.len - 1;
    for (size_t i = 1; i < end; i++) {
        if (value.bytes[i] == '"' || (value.bytes[i] == '\\' && ++i == end) ||
            !add(node, len, value.bytes[i]))
            return false;
    }
    return true;
}

static bool read_value(struct piece value, char node[RFC7239_NODE_MAX], size_t *len)
{
    *len = 0;
    if (value.len >= 2 && value.bytes[0] == '"' && value.bytes[value.len - 1] == '"')
        return read_quoted(value, node, len);
    bool is_token = token_is_valid(value.bytes, value.len);
    for (size_t i = 0; is_token && i < value.len; i++)
        is_token = add(node, len, value.bytes[i]);
    return is_token;
}

/* Splits NAME=VALUE. */
static bool split(struct piece pair, struct piece *name, struct piece *value)
{
    const char *equals = memchr(pair.bytes, '=', pair.len);
    if (equals == NULL)
        return false;
    *name = (struct piece){pair.bytes, (size_t)(equals - pair.bytes)};
    *value = (struct piece){equals + 1, (size_t)(pair.bytes + pair.len - equals) - 1};
    return token_is_valid(name->bytes, name->len) && value->len > 0;
}

bool rfc7239_for(struct piece element, char node[RFC7239_NODE_MAX], size_t *len)
{
    bool found = false;
    struct piece pair, name, value;
    while (take(&element, ';', &pair)) {
        if (!split(pair, &name, &value))
            return false;
        if (name.len != 3 || strncasecmp(name.bytes, "for", 3) != 0)
            continue;
        if (found || !read_value(value, node, len))
            return false;
        found = true;
    }
    return found;
}
