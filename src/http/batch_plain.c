#include "http/batch_plain.h"

#include "base/ascii.h"
#include "base/text.h"
#include "limits/key.h"

#include <string.h>

/* Beside its own each brace begins a request, or is in a key. */
uint32_t batch_plain_count(const char *bytes, size_t len)
{
    size_t braces = ascii_count(bytes, len, '{');
    return braces == 0 || braces > LIST_MAX + 1 ? 0 : (uint32_t)braces - 1;
}

struct reader {
    const char *at, *end;
    char *strings; /* where the next one goes */
};

/* Mostly there are none, and what there is stands behind them all. */
static inline void skip_blanks(struct reader *reader)
{
    while (
        reader->at < reader->end && *reader->at <= ' ' &&
        (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\r' || *reader->at == '\t'))
        reader->at++;
}

/* Takes a character, and blanks behind it. */
static bool take(struct reader *reader, char character)
{
    if (reader->at == reader->end || *reader->at != character)
        return false;
    reader->at++;
    skip_blanks(reader);
    return true;
}

/* Takes a string that holds no escape, and blanks behind it. Bytes beyond ASCII may be no UTF-8. */
static bool take_string(struct reader *reader, const char **string, size_t *len)
{
    if (reader->at == reader->end || *reader->at != '"')
        return false;
    const char *from = reader->at + 1;
    *string = from;
    *len = ascii_json_len(from, (size_t)(reader->end - from));
    reader->at = from + *len;
    if (reader->at == reader->end || *reader->at != '"')
        return false;
    reader->at++;
    skip_blanks(reader);
    return true;
}

/* A string is shorter than its JSON, so there is room for it and its NUL, and what it is copied to lies no further
 * behind than what it is copied from. */
static const char *store(struct reader *reader, const char *string, size_t len)
{
    char *stored = reader->strings;
    memcpy(stored, string, len);
    stored[len] = '\0';
    reader->strings += len + 1;
    return stored;
}

/* ---- one request ---- */

/* Takes a key of visible ASCII up to its last quote, as most are, which needs no look of key_check. from: behind its
 * first quote. Nothing has changed if it is another. */
static bool take_visible_key(struct reader *reader, const char *from, struct bucket_question *ask)
{
    size_t len = ascii_copy_plain(from, (size_t)(reader->end - from), reader->strings);
    if (len == 0 || len > KEY_MAX || from + len == reader->end || from[len] != '"')
        return false;
    ask->key = reader->strings;
    ask->key_len = len;
    ask->key_is_plain = true;
    reader->strings[len] = '\0';
    reader->strings += len + 1;
    reader->at = from + len + 1;
    return true;
}

static bool read_key(struct reader *reader, struct bucket_question *ask)
{
    const char *key;
    bool is_string = reader->at < reader->end && *reader->at == '"';
    if (ask->key == NULL && is_string && take_visible_key(reader, reader->at + 1, ask)) {
        skip_blanks(reader);
        return true;
    }
    if (ask->key != NULL || !take_string(reader, &key, &ask->key_len) ||
        key_check(key, ask->key_len) != KEY_OK)
        return false;
    ask->key = store(reader, key, ask->key_len);
    return true;
}

static bool read_limit(struct reader *reader, struct bucket_question *ask)
{
    const char *name;
    if (ask->limit_name != NULL || !take_string(reader, &name, &ask->limit_name_len) ||
        !limit_name_is_valid(name, ask->limit_name_len))
        return false;
    ask->limit_name = store(reader, name, ask->limit_name_len);
    return true;
}

static bool read_tokens(struct reader *reader, struct bucket_question *ask, bool *has_tokens)
{
    const char *from = reader->at;
    uint64_t tokens = 0;
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
        tokens = 10 * tokens + (uint64_t)(*reader->at - '0');
        if (tokens > TOKENS_MAX)
            return false;
    }
    size_t digits = (size_t)(reader->at - from);
    if (*has_tokens || digits == 0 || (digits > 1 && *from == '0'))
        return false;
    ask->tokens = tokens;
    *has_tokens = true;
    skip_blanks(reader);
    return true;
}

/* Takes what nearly all requests begin with, to the byte, and are but for a brace. */
static bool take_beginning(struct reader *reader, struct bucket_question *ask)
{
    static const char beginning[] = "{\"key\":\"";
    const size_t len = sizeof beginning - 1;
    return (size_t)(reader->end - reader->at) >= len && memcmp(reader->at, beginning, len) == 0 &&
           take_visible_key(reader, reader->at + len, ask);
}

static bool read_request(struct reader *reader, struct bucket_question *ask)
{
    bool has_tokens = false;
    *ask = (struct bucket_question){.tokens = 1};
    if (take_beginning(reader, ask)) {
        skip_blanks(reader);
        if (take(reader, '}'))
            return true;
        if (!take(reader, ','))
            return false;
    } else if (!take(reader, '{')) {
        return false;
    }
    do {
        const char *name;
        size_t len;
        if (!take_string(reader, &name, &len) || !take(reader, ':'))
            return false;
        bool is_good = text_is(name, len, "key")      ? read_key(reader, ask)
                       : text_is(name, len, "limit")  ? read_limit(reader, ask)
                       : text_is(name, len, "tokens") ? read_tokens(reader, ask, &has_tokens)
                                                      : false;
        if (!is_good)
            return false;
    } while (take(reader, ','));
    return take(reader, '}') && ask->key != NULL;
}

/* ---- the batch ---- */

static bool read_requests(struct reader *reader, struct bucket_call *calls, uint32_t most,
                          uint32_t *count)
{
    if (*count > 0 || !take(reader, '['))
        return false;
    do
        if (*count == most || !read_request(reader, &calls[(*count)++].ask))
            return false;
    while (take(reader, ','));
    return take(reader, ']');
}

static bool read_mode(struct reader *reader, bool *has_mode, bool *all)
{
    const char *mode;
    size_t len;
    if (*has_mode || !take_string(reader, &mode, &len))
        return false;
    *has_mode = true;
    *all = text_is(mode, len, "all");
    return *all || text_is(mode, len, "each");
}

bool batch_plain_read(const char *bytes, size_t len, struct bucket_call *calls, char **strings,
                      uint32_t *count, bool *all)
{
    struct reader reader = {bytes, bytes + len, *strings};
    uint32_t most = *count;
    bool has_mode = false;
    *count = 0;
    *all = false;
    skip_blanks(&reader);
    if (!take(&reader, '{'))
        return false;
    do {
        const char *name;
        size_t name_len;
        if (!take_string(&reader, &name, &name_len) || !take(&reader, ':'))
            return false;
        bool is_good = text_is(name, name_len, "requests")
                           ? read_requests(&reader, calls, most, count)
                       : text_is(name, name_len, "mode") ? read_mode(&reader, &has_mode, all)
                                                         : false;
        if (!is_good)
            return false;
    } while (take(&reader, ','));
    *strings = reader.strings;
    return take(&reader, '}') && reader.at == reader.end && *count > 0;
}
