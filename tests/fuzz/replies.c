#include "fuzz/replies.h"

#include "base/quantity.h"
#include "base/token.h"
#include "fuzz/fuzz.h"
#include "limits/key.h"

#include <string.h>
#include <strings.h>

/* ---- JSON (RFC 8259), read strictly ---- */

struct json {
    const char *at, *end;
    struct replies *replies;
};

static char peek(const struct json *json)
{
    FUZZ_REQUIRE(json->at < json->end);
    return *json->at;
}

static bool accept(struct json *json, char byte)
{
    if (json->at == json->end || *json->at != byte)
        return false;
    json->at++;
    return true;
}

static void read_string(struct json *json)
{
    const char *start = json->at + 1;
    FUZZ_REQUIRE(accept(json, '"'));
    while (!accept(json, '"'))
        json->at += peek(json) == '\\' ? 2 : 1;
    /* Piece by piece, for a detail is longer than a key may be; a name may be empty. */
    for (size_t len = (size_t)(json->at - 1 - start), piece; len > 0;
         start += piece, len -= piece) {
        piece = len <= KEY_MAX ? len : KEY_MAX;
        while (piece < len && ((unsigned char)start[piece] & 0xc0) == 0x80)
            piece--;
        FUZZ_REQUIRE(key_check(start, piece) == KEY_OK);
    }
}

static uint64_t read_number(struct json *json)
{
    uint64_t number;
    const char *start = json->at;
    while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
        json->at++;
    FUZZ_REQUIRE(quantity_parse_number(start, (size_t)(json->at - start), 0, UINT64_MAX, &number) ==
                 QUANTITY_OK);
    return number;
}

/* The only numbers with a point are shares, from 0.000 to 1.000. */
static void read_share(struct json *json)
{
    const char *start = json->at;
    uint64_t whole = read_number(json);
    FUZZ_REQUIRE(accept(json, '.'));
    const char *digits = json->at;
    uint64_t thousandths = 0;
    while (json->at < json->end && *json->at >= '0' && *json->at <= '9')
        thousandths = thousandths * 10 + (uint64_t)(*json->at++ - '0');
    FUZZ_REQUIRE(digits - start == 2 && json->at - digits == 3 &&
                 whole * 1000 + thousandths <= 1000);
}

static void read_word(struct json *json)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(json->end - json->at) >= len && memcmp(json->at, words[i], len) == 0) {
            json->at += len;
            return;
        }
    }
    fuzz_fail(__FILE__, __LINE__, "a value of JSON");
}

/* Whether what was read from `start` on is this. */
static bool was(const char *start, const struct json *json, const char *text)
{
    return (size_t)(json->at - start) == strlen(text) && memcmp(start, text, strlen(text)) == 0;
}

static void read_value(struct json *json, unsigned depth);

/* What /explain foretells is no yes. */
static void read_foretold(struct json *json, unsigned depth)
{
    const struct replies before = *json->replies;
    read_value(json, depth);
    *json->replies = before;
}

static void read_object(struct json *json, unsigned depth)
{
    bool allowed = false, has_key = false;
    uint64_t tokens = 0;
    do {
        const char *name = json->at;
        read_string(json);
        bool is_allowed = was(name, json, "\"allowed\"");
        bool is_tokens = was(name, json, "\"tokens\"");
        bool is_busy = was(name, json, "\"busy\"");
        bool is_foretold = was(name, json, "\"next\"");
        has_key |= was(name, json, "\"key\"");
        FUZZ_REQUIRE(accept(json, ':'));
        const char *value = json->at;
        if (is_tokens)
            tokens = read_number(json);
        else if (is_busy)
            read_share(json);
        else if (is_foretold)
            read_foretold(json, depth + 1);
        else
            read_value(json, depth + 1);
        allowed |= is_allowed && was(value, json, "true");
    } while (accept(json, ','));
    FUZZ_REQUIRE(accept(json, '}'));
    if (allowed && has_key) {
        json->replies->allowed++;
        json->replies->allowed_tokens += tokens;
    }
}

static void read_array(struct json *json, unsigned depth)
{
    if (accept(json, ']'))
        return;
    do
        read_value(json, depth + 1);
    while (accept(json, ','));
    FUZZ_REQUIRE(accept(json, ']'));
}

static void read_value(struct json *json, unsigned depth)
{
    FUZZ_REQUIRE(depth < 8);
    if (accept(json, '{'))
        read_object(json, depth);
    else if (accept(json, '['))
        read_array(json, depth);
    else if (peek(json) == '"')
        read_string(json);
    else if (peek(json) >= '0' && peek(json) <= '9')
        read_number(json);
    else
        read_word(json);
}

static void read_body(const char *bytes, size_t len, struct replies *replies)
{
    struct json json = {bytes, bytes + len, replies};
    FUZZ_REQUIRE(accept(&json, '{'));
    read_object(&json, 0);
    FUZZ_REQUIRE(accept(&json, '\n') && json.at == json.end);
}

/* ---- HTTP ---- */

struct head {
    unsigned status, lengths, types;
    uint64_t length;
    bool closes, is_json, has_allow;
};

static bool is_named(const char *name, size_t len, const char *expected)
{
    return strlen(expected) == len && strncasecmp(name, expected, len) == 0;
}

static void read_field(const char *line, size_t len, struct head *head)
{
    const char *colon = memchr(line, ':', len);
    FUZZ_REQUIRE(colon != NULL && token_is_valid(line, (size_t)(colon - line)));
    size_t name_len = (size_t)(colon - line), value_len = len - name_len - 2;
    const char *value = colon + 2;
    FUZZ_REQUIRE(len >= name_len + 2 && colon[1] == ' ');
    for (size_t i = 0; i < value_len; i++)
        FUZZ_REQUIRE(value[i] >= ' ' && value[i] <= '~');
    if (is_named(line, name_len, "Content-Length")) {
        head->lengths++;
        FUZZ_REQUIRE(quantity_parse_number(value, value_len, 0, UINT32_MAX, &head->length) ==
                     QUANTITY_OK);
    } else if (is_named(line, name_len, "Content-Type")) {
        head->types++;
        head->is_json = memmem(value, value_len, "json", 4) != NULL;
    } else if (is_named(line, name_len, "Allow")) {
        head->has_allow = true;
    } else if (is_named(line, name_len, "Connection")) {
        head->closes |= is_named(value, value_len, "close");
    }
}

/* The length of the line that begins here, without its end; what follows it. */
static const char *end_line(const char *line, const char *end, size_t *len)
{
    const char *crlf = memmem(line, (size_t)(end - line), "\r\n", 2);
    FUZZ_REQUIRE(crlf != NULL);
    *len = (size_t)(crlf - line);
    return crlf + 2;
}

/* "HTTP/1.1 200 OK" */
static unsigned read_status(const char *line, size_t len)
{
    uint64_t status;
    FUZZ_REQUIRE(len > 13 && memcmp(line, "HTTP/1.", 7) == 0 && line[8] == ' ' && line[12] == ' ');
    FUZZ_REQUIRE(line[7] == '0' || line[7] == '1');
    FUZZ_REQUIRE(quantity_parse_number(line + 9, 3, 100, 599, &status) == QUANTITY_OK);
    return (unsigned)status;
}

static const char *read_head(const char *at, const char *end, struct head *head)
{
    size_t len;
    const char *line = at;
    at = end_line(line, end, &len);
    head->status = read_status(line, len);
    while (true) {
        line = at;
        at = end_line(line, end, &len);
        if (len == 0)
            return at;
        read_field(line, len, head);
    }
}

/* libmicrohttpd 0.9.75 sends the head of its answer to a Content-Length that is none
 * twice, perhaps with the next second's Date. It is the last on its connection. */
static const char *skip_doubled(const char *at, const char *end, const struct head *head)
{
    struct head again = {0};
    if (head->types > 0 || !head->closes || at == end || *at != 'H')
        return at;
    at = read_head(at, end, &again);
    FUZZ_REQUIRE(again.status == head->status && again.length == head->length);
    FUZZ_REQUIRE(again.types == 0 && again.lengths == 1 && again.closes);
    return at;
}

/* A body begins as no reply does, so that one left out is told from one that is there. */
static const char *read_content(const char *at, const char *end, const struct head *head,
                                struct replies *replies)
{
    if (head->length == 0) {
        replies->no_content += head->status == 200 && !head->has_allow;
        return at;
    }
    if (at == end || *at == 'H') {
        replies->bodiless++;
        return at;
    }
    FUZZ_REQUIRE(head->length <= (uint64_t)(end - at));
    /* What libmicrohttpd refuses on its own it says in HTML, without a type. */
    FUZZ_REQUIRE(head->types == 1 || (*at == '<' && head->closes && head->status >= 400));
    if (head->is_json)
        read_body(at, (size_t)head->length, replies);
    return at + head->length;
}

struct replies replies_read(const char *bytes, size_t len)
{
    struct replies replies = {0};
    const char *end = bytes + len;
    while (bytes < end) {
        struct head head = {0};
        FUZZ_REQUIRE(!replies.closes);
        bytes = read_head(bytes, end, &head);
        if (head.status == 100)
            continue;
        FUZZ_REQUIRE(head.status >= 200 && head.lengths == (head.status != 204));
        bytes = skip_doubled(bytes, end, &head);
        bytes = read_content(bytes, end, &head, &replies);
        if (replies.count++ == 0)
            replies.first_status = head.status;
        replies.closes = head.closes;
    }
    return replies;
}
