#include "migrate/words.h"

#include <stdbool.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_one(struct words *words)
{
    words->line += *words->at++ == '\n';
}

static void skip_line(struct words *words)
{
    while (words->at < words->end && *words->at != '\n')
        words->at++;
}

static void skip_to_word(struct words *words)
{
    while (words->at < words->end && (is_blank(*words->at) || *words->at == '#'))
        if (*words->at == '#')
            skip_line(words);
        else
            skip_one(words);
}

/* What a backslash and this byte stand for; '\0': for both. */
static char unescaped(char c)
{
    switch (c) {
    case '"':
    case '\'':
    case '\\':
        return c;
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    default:
        return '\0';
    }
}

static enum word_kind take(struct words *words, const char *from, size_t len, const char **text)
{
    if (len > WORD_MAX)
        return complain(words->complaint, words->file, words->line,
                        "a word is longer than %d bytes; a quote may be missing", WORD_MAX),
               WORD_BAD;
    char *copy = arena_take(words->arena, len + 1), *to = copy;
    if (copy == NULL)
        return complain(words->complaint, words->file, words->line,
                        "there is not enough memory for all of it"),
               WORD_BAD;
    for (size_t i = 0; i < len; i++) {
        char c = from[i] == '\\' && i + 1 < len ? unescaped(from[i + 1]) : '\0';
        *to++ = c == '\0' ? from[i] : c;
        i += c != '\0';
    }
    *to = '\0';
    *text = copy;
    return WORD_TEXT;
}

static enum word_kind take_plain(struct words *words, const char **text)
{
    const char *from = words->at;
    bool is_behind_dollar = false;
    while (words->at < words->end && !is_blank(*words->at) && *words->at != ';') {
        char c = *words->at;
        if (c == '{' && !is_behind_dollar)
            break;
        if (c == '\\' && words->at + 1 < words->end)
            skip_one(words);
        is_behind_dollar = c == '$' || (c == '{' && is_behind_dollar);
        skip_one(words);
    }
    return take(words, from, (size_t)(words->at - from), text);
}

/* Behind a closing quote there must be what ends a word, or the ')' of an "if". */
static bool ends_well(const struct words *words)
{
    char c = words->at == words->end ? ' ' : *words->at;
    return is_blank(c) || c == ';' || c == '{' || c == ')';
}

static enum word_kind take_quoted(struct words *words, const char **text)
{
    size_t line = words->line;
    char quote = *words->at++;
    const char *from = words->at;
    while (words->at < words->end && *words->at != quote) {
        if (*words->at == '\\' && words->at + 1 < words->end)
            skip_one(words);
        skip_one(words);
    }
    if (words->at == words->end)
        return complain(words->complaint, words->file, line,
                        "the quote that begins here has no end"),
               WORD_BAD;
    size_t len = (size_t)(words->at++ - from);
    if (!ends_well(words))
        return complain(words->complaint, words->file, words->line,
                        "\"%c\" directly behind a closing quote; put a blank or a semicolon there",
                        *words->at),
               WORD_BAD;
    return take(words, from, len, text);
}

enum word_kind words_next(struct words *words, const char **text)
{
    skip_to_word(words);
    if (words->at == words->end)
        return WORD_END;
    switch (*words->at) {
    case ';':
        words->at++;
        return WORD_SEMICOLON;
    case '{':
        words->at++;
        return WORD_OPEN;
    case '}':
        words->at++;
        return WORD_CLOSE;
    case '"':
    case '\'':
        return take_quoted(words, text);
    default:
        return take_plain(words, text);
    }
}

/* ---- Lua ---- */

/* The number of '=' in the long bracket that opens here, "[[" or "[==["; -1: there is none. */
static int long_bracket(const struct words *words)
{
    const char *at = words->at;
    int level = 0;
    if (at == words->end || *at++ != '[')
        return -1;
    for (; at < words->end && *at == '='; at++)
        level++;
    return at < words->end && *at == '[' ? level : -1;
}

/* Skips a long string or comment with its closing bracket. */
static void skip_long(struct words *words, int level)
{
    for (words->at += level + 2; words->at < words->end; skip_one(words)) {
        const char *at = words->at;
        int equals = 0;
        if (*at++ != ']')
            continue;
        for (; at < words->end && *at == '='; at++)
            equals++;
        if (equals == level && at < words->end && *at == ']') {
            words->at = at + 1;
            return;
        }
    }
}

static void skip_lua_comment(struct words *words)
{
    words->at += 2;
    int level = long_bracket(words);
    if (level >= 0)
        skip_long(words, level);
    else
        skip_line(words);
}

static void skip_lua_string(struct words *words)
{
    for (char quote = *words->at++; words->at < words->end && *words->at != quote; skip_one(words))
        if (*words->at == '\\' && words->at + 1 < words->end)
            skip_one(words);
    if (words->at < words->end)
        words->at++;
}

static bool is_lua_comment(const struct words *words)
{
    return words->end - words->at >= 2 && words->at[0] == '-' && words->at[1] == '-';
}

/* Skips what may hold braces that count for nothing. false: none begins here. */
static bool skip_lua_text(struct words *words)
{
    int level = long_bracket(words);
    if (is_lua_comment(words))
        skip_lua_comment(words);
    else if (*words->at == '"' || *words->at == '\'')
        skip_lua_string(words);
    else if (level >= 0)
        skip_long(words, level);
    else
        return false;
    return true;
}

bool words_skip_lua(struct words *words)
{
    size_t line = words->line;
    for (size_t depth = 1; words->at < words->end;) {
        if (skip_lua_text(words))
            continue;
        depth += *words->at == '{';
        depth -= *words->at == '}';
        skip_one(words);
        if (depth == 0)
            return true;
    }
    return complain(words->complaint, words->file, line,
                    "the block of Lua that begins here has no end");
}
