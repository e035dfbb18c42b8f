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

/* A string is shorter than its JSON, so there is room for it and its NUL. */
static const char *store(struct reader *reader, const char *string, size_t len)
{
    char *stored = reader->strings;
    memcpy(stored, string, len);
    stored[len] = '\0';
    reader->strings += len + 1;
    return stored;
}

/* ---- one request ---- */

/* Takes a key of visible ASCII and its quotes, as most are, which needs no look of key_check. It is copied while
 * it is looked at: there is room for all that may be copied, for no string lies further behind than what it is
 * copied from. */
static bool take_visible_key(struct reader *reader, struct bucket_question *ask)
{
    const char *from = reader->at + 1;
    if (reader->at == reader->end || *reader->at != '"')
        return false;
    size_t len = ascii_copy_plain(from, (size_t)(reader->end - from), reader->strings);
    if (len == 0 || len > KEY_MAX || from + len == reader->end || from[len] != '"')
        return false;
    ask->key = reader->strings;
    ask->key_len = len;
    ask->key_is_plain = true;
    reader->strings[len] = '\0';
    reader->strings += len + 1;
    reader->at = from + len + 1;
    skip_blanks(reader);
    return true;
}

static bool read_key(struct reader *reader, struct bucket_question *ask)
{
    const char *key;
    if (ask->key == NULL && take_visible_key(reader, ask))
        return true;
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

static bool read_request(struct reader *reader, struct bucket_question *ask)
{
    bool has_tokens = false;
    *ask = (struct bucket_question){.tokens = 1};
    if (!take(reader, '{'))
        return false;
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

/* Reads as many requests as are a key alone, to the byte as most clients write them, with the comma behind each, in
 * as few steps as it goes. Returns how many there were. */
static uint32_t read_bare_requests(struct reader *reader, struct bucket_call *calls, uint32_t most)
{
    static const char beginning[] = "{\"key\":\"", ending[] = "\"},";
    const size_t begun = sizeof beginning - 1, ended = sizeof ending - 1;
    const char *at = reader->at, *end = reader->end;
    char *strings = reader->strings;
    uint32_t count = 0;
    for (; count < most && (size_t)(end - at) > begun && memcmp(at, beginning, begun) == 0;
         count++) {
        const char *key = at + begun;
        size_t len = ascii_copy_plain(key, (size_t)(end - key), strings);
        if (len == 0 || len > KEY_MAX || (size_t)(end - key) < len + ended ||
            memcmp(key + len, ending, ended) != 0)
            break;
        strings[len] = '\0';
        calls[count].ask = (struct bucket_question){
            .key = strings, .key_len = len, .key_is_plain = true, .tokens = 1};
        strings += len + 1;
        at = key + len + ended;
    }
    reader->at = at;
    reader->strings = strings;
    return count;
}

static bool read_requests(struct reader *reader, struct bucket_call *calls, uint32_t most,
                          uint32_t *count)
{
    if (*count > 0 || !take(reader, '['))
        return false;
    do {
        *count += read_bare_requests(reader, &calls[*count], most - *count);
        skip_blanks(reader);
        if (*count == most || !read_request(reader, &calls[(*count)++].ask))
            return false;
    } while (take(reader, ','));
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
