#include "ask/template.h"

#include "base/ip.h"
#include "base/quantity.h"
#include "base/token.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PARTS                                                                                      \
    "{header:NAME}, {client_ip}, {client_ip/BITS} with 1 to 128 bits, {host}, {method} and {path}"
#define HEADER_PREFIX "header:"
#define BITS_PREFIX "client_ip/"

/* Reading one template. */
struct reader {
    struct template template;
    uint32_t text_len;
    char *fault;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct reader *reader, const char *format,
                                                         ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->fault, CHECK_FAULT_MAX, format, arguments);
    va_end(arguments);
    return false;
}

/* How many bytes of a text a fault shows. No code point is cut in two. */
static int shown_len(const char *text, size_t len)
{
    enum { SHOWN_MAX = 40 };
    if (len <= SHOWN_MAX)
        return (int)len;
    int shown = SHOWN_MAX;
    while (shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80)
        shown--;
    return shown;
}

/* There is always room: parts together are never longer than the template, plus a NUL each. */
static void add_text(struct reader *reader, const char *text, size_t len)
{
    struct template *template = &reader->template;
    assert(len <= sizeof template->text - reader->text_len);
    memcpy(template->text + reader->text_len, text, len);
    reader->text_len += (uint32_t)len;
}

/* Appends a part that has no text yet. */
static bool begin_part(struct reader *reader, struct part part)
{
    struct template *template = &reader->template;
    if (template->count == CHECK_PARTS_MAX)
        return refuse(reader, "there are more than %d parts, literal texts included; use fewer",
                      CHECK_PARTS_MAX);
    part.start = reader->text_len;
    template->parts[template->count++] = part;
    return true;
}

static void end_part(struct reader *reader)
{
    struct part *part = &reader->template.parts[reader->template.count - 1];
    part->len = reader->text_len - part->start;
    add_text(reader, "", 1);
}

static bool add_part(struct reader *reader, struct part part, const char *text, size_t len)
{
    if (!begin_part(reader, part))
        return false;
    add_text(reader, text, len);
    end_part(reader);
    return true;
}

static bool begins_with(const char *text, size_t len, const char *prefix)
{
    return len >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

/* Reads what stands between two braces. */
static bool read_part(struct reader *reader, const char *text, size_t len)
{
    static const struct {
        const char *name;
        struct part part;
    } plain[] = {
        {"client_ip", {.kind = PART_CLIENT_IP, .bits = IP_BITS_MAX}},
        {"host", {.kind = PART_HOST}},
        {"method", {.kind = PART_METHOD}},
        {"path", {.kind = PART_PATH}},
    };
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (strlen(plain[i].name) == len && memcmp(plain[i].name, text, len) == 0)
            return add_part(reader, plain[i].part, "", 0);

    if (begins_with(text, len, HEADER_PREFIX)) {
        const char *name = text + strlen(HEADER_PREFIX);
        size_t name_len = len - strlen(HEADER_PREFIX);
        if (token_is_valid(name, name_len))
            return add_part(reader, (struct part){.kind = PART_HEADER}, name, name_len);
    }
    if (begins_with(text, len, BITS_PREFIX)) {
        uint64_t bits;
        if (quantity_parse_number(text + strlen(BITS_PREFIX), len - strlen(BITS_PREFIX), 1,
                                  IP_BITS_MAX, &bits) == QUANTITY_OK)
            return add_part(reader, (struct part){.kind = PART_CLIENT_IP, .bits = (unsigned)bits},
                            "", 0);
    }
    return refuse(reader, "\"{%.*s}\" is no part of a request; there are " PARTS,
                  shown_len(text, len), text);
}

static bool is_doubled_brace(const char *at)
{
    return (at[0] == '{' || at[0] == '}') && at[1] == at[0];
}

/* Reads literal text, up to the next part or the end. */
static bool read_literal(struct reader *reader, const char **at)
{
    if (!begin_part(reader, (struct part){.kind = PART_LITERAL}))
        return false;
    while (**at != '\0') {
        size_t len = strcspn(*at, "{}");
        add_text(reader, *at, len);
        *at += len;
        if (!is_doubled_brace(*at))
            break;
        add_text(reader, *at, 1);
        *at += 2;
    }
    end_part(reader);
    return true;
}

/* Reads a brace that is not doubled, and the part that it opens. */
static bool read_braces(struct reader *reader, const char **at)
{
    size_t len = strcspn(*at + 1, "{}");
    if (**at == '}')
        return refuse(reader, "a '}' closes nothing; write }} for the character itself");
    if ((*at)[1 + len] != '}')
        return refuse(reader, "a '{' is never closed; write {{ for the character itself");
    if (!read_part(reader, *at + 1, len))
        return false;
    *at += 1 + len + 1;
    return true;
}

static bool read_all(struct reader *reader, const char *text)
{
    if (strlen(text) > CHECK_TEMPLATE_MAX)
        return refuse(reader, "it is longer than %d bytes; use a shorter one", CHECK_TEMPLATE_MAX);
    bool has_braces = false;
    for (const char *at = text; *at != '\0';) {
        bool is_literal = strchr("{}", *at) == NULL || is_doubled_brace(at);
        if (!(is_literal ? read_literal : read_braces)(reader, &at))
            return false;
        has_braces = has_braces || !is_literal;
    }
    if (!has_braces)
        return refuse(reader, "nothing of the request is in it, so all would share one key; there "
                              "are " PARTS);
    return true;
}

bool template_parse(const char *text, struct template *template, char fault[CHECK_FAULT_MAX])
{
    struct reader reader = {.fault = fault};
    if (!read_all(&reader, text))
        return false;
    *template = reader.template;
    return true;
}
