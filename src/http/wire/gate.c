#include "http/wire/gate.h"

#include "base/quantity.h"
#include "base/token.h"
#include "http/authority.h"
#include "http/field_name.h"

#include <string.h>

void gate_begin(struct gate *gate, const char *version, bool check_places)
{
    static const char major[] = "HTTP/1.";
    enum { MAJOR_LEN = sizeof major - 1 };
    size_t len = strlen(version);
    char minor = len == MAJOR_LEN + 1 ? version[MAJOR_LEN] : '\0';
    *gate = (struct gate){.end = version + len, .check_places = check_places};
    gate->is_http_1_0 = minor == '0';
    /* A later HTTP/1 is read as HTTP/1.1 (RFC 9110, 2.5). */
    if (minor < '0' || minor > '9' || memcmp(version, major, MAJOR_LEN) != 0)
        gate->fault = "only HTTP/1 is spoken here";
}

static void refuse(struct gate *gate, const char *fault)
{
    if (gate->fault == NULL)
        gate->fault = fault;
}

static bool has_control(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c >= ' ' && c < 0x7f)
            continue; /* as nearly always */
        if (c != '\t' && c < 0x80)
            return true;
    }
    return false;
}

/*
 * libmicrohttpd cuts the header block into strings in place. A NUL that the client sent ends a
 * value early and hides the rest, and a folded line is appended to the *name* of the field before
 * it. Both move a string away from where it must be, so distances show it: a line end is one or two
 * bytes, and between a name and its value there are only the colon and blanks.
 */
static bool is_in_place(const struct gate *gate, const char *name, size_t name_len,
                        const char *value)
{
    enum { HEADER_BLOCK_MAX = 1 << 20 };
    const char *at = name + name_len + 1;
    if (name - gate->end < 1 || name - gate->end > 2 || value < at || value - at > HEADER_BLOCK_MAX)
        return false;
    for (; at < value; at++)
        if (*at != ' ' && *at != '\t')
            return false;
    return true;
}

/* Blanks behind a value are no part of it, but libmicrohttpd leaves them. */
static void pass_host(struct gate *gate, const char *value, size_t len)
{
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    gate->hosts++;
    if (!authority_is_valid(value, len))
        refuse(gate, "Host is no name or address, with or without a port");
}

/* Zeros in front mean nothing (RFC 9110, 8.6). */
static void pass_content_length(struct gate *gate, const char *value, size_t len)
{
    gate->content_lengths++;
    for (; len > 1 && value[0] == '0'; len--)
        value++;
    enum quantity length = quantity_parse_number(value, len, 0, UINT64_MAX, &gate->content_length);
    if (length == QUANTITY_OUT_OF_RANGE)
        gate->content_length = UINT64_MAX;
    else if (length != QUANTITY_OK)
        refuse(gate, "Content-Length must be digits, without sign or space");
}

void gate_field(struct gate *gate, const char *name, size_t name_len, const char *value,
                size_t value_len)
{
    if (!token_is_valid(name, name_len))
        refuse(gate, "a header's name holds a character that is not allowed there");
    else if (value == NULL || has_control(value, value_len) ||
             (gate->check_places && !is_in_place(gate, name, name_len, value)))
        refuse(gate, "a header holds a control character, or goes on over a second line");
    if (gate->fault != NULL)
        return;
    gate->end = value + value_len;
    gate->entries++;

    if (field_name_is(name, name_len, "Host")) {
        pass_host(gate, value, value_len);
    } else if (field_name_is(name, name_len, "Transfer-Encoding")) {
        gate->transfer_encodings++;
        gate->is_chunked = true;
        if (!field_name_is(value, value_len, "chunked")) /* whose case does not count either */
            refuse(gate, "Transfer-Encoding may be chunked and nothing else; or send a "
                         "Content-Length in its place");
    } else if (field_name_is(name, name_len, "Content-Length")) {
        pass_content_length(gate, value, value_len);
    } else if (field_name_is(name, name_len, "Cookie") && !gate->has_cookies) {
        gate->has_cookies = true;
        gate->cookie_bytes += value_len;
        for (size_t i = 0; i < value_len; i++)
            gate->entries += value[i] == '=';
    }
}

static void judge_transfer_encoding(struct gate *gate)
{
    if (gate->transfer_encodings > 1)
        refuse(gate, "there must be at most one Transfer-Encoding header");
    if (gate->content_lengths > 0)
        refuse(gate, "send either a Content-Length or a Transfer-Encoding, not both");
    if (gate->is_http_1_0)
        refuse(gate, "HTTP/1.0 has no Transfer-Encoding; send a Content-Length");
}

void gate_end(struct gate *gate, const char *header_end, uint64_t body_max)
{
    if (gate->hosts > 1 || (gate->hosts == 0 && !gate->is_http_1_0))
        refuse(gate, "there must be exactly one Host header; HTTP/1.0 may go without");
    if (gate->content_lengths > 1)
        refuse(gate, "there must be at most one Content-Length header");
    if (gate->transfer_encodings > 0)
        judge_transfer_encoding(gate);
    /* The line end of the last field and that of the empty line. */
    if (gate->fault == NULL && gate->check_places &&
        (header_end - gate->end < 2 || header_end - gate->end > 4))
        refuse(gate, "a header holds a NUL character");
    gate->too_large = gate->fault == NULL && gate->content_length > body_max;
}
