#include "ask/template.h"

#include "base/ip.h"
#include "base/quantity.h"
#include "base/text.h"
#include "base/token.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PARTS                                                                                      \
    "{header:NAME}, {query:NAME}, {form:NAME}, {json:NAME}, {client_ip}, {client_ip/BITS} with 1 " \
    "to 128 bits, {host}, {method} and {path}, and several with | between them"
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

static bool is_header_name(const char *name, size_t len)
{
    return token_is_valid(name, len);
}

/* Names in queries, forms and JSON may hold whatever a template can. */
static bool is_any_name(const char *name, size_t len)
{
    (void)name;
    return len > 0;
}

/* Reads a part that is a word, such as "host". */
static bool read_plain(const char *text, size_t len, struct part *part)
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
        if (text_is(text, len, plain[i].name))
            return *part = plain[i].part, true;
    uint64_t bits;
    size_t prefix_len = strlen(BITS_PREFIX);
    if (!begins_with(text, len, BITS_PREFIX) ||
        quantity_parse_number(text + prefix_len, len - prefix_len, 1, IP_BITS_MAX, &bits) !=
            QUANTITY_OK)
        return false;
    *part = (struct part){.kind = PART_CLIENT_IP, .bits = (unsigned)bits};
    return true;
}

/* Reads a part that has a name of its own, such as "header:NAME". *name_at: where that begins. */
static bool read_named(const char *text, size_t len, struct part *part, size_t *name_at)
{
    static const struct {
        const char *prefix;
        enum part_kind kind;
        bool (*name_is_valid)(const char *name, size_t len);
    } named[] = {
        {"header:", PART_HEADER, is_header_name},
        {"query:", PART_QUERY, is_any_name},
        {"form:", PART_FORM, is_any_name},
        {"json:", PART_JSON, is_any_name},
    };
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        size_t prefix_len = strlen(named[i].prefix);
        if (!begins_with(text, len, named[i].prefix) ||
            !named[i].name_is_valid(text + prefix_len, len - prefix_len))
            continue;
        *part = (struct part){.kind = named[i].kind};
        *name_at = prefix_len;
        return true;
    }
    return false;
}

/* Reads one part: what stands between braces, or between those and a '|'. */
static bool read_part(struct reader *reader, const char *text, size_t len, bool falls_back)
{
    struct part part;
    size_t name_at = len;
    if (!read_plain(text, len, &part) && !read_named(text, len, &part, &name_at))
        return refuse(reader, "\"{%.*s}\" is no part of a request; there are " PARTS,
                      shown_len(text, len), text);
    part.falls_back = falls_back;
    return add_part(reader, part, text + name_at, len - name_at);
}

/* Reads what stands between two braces. */
static bool read_parts(struct reader *reader, const char *text, size_t len)
{
    const char *end = text + len;
    for (bool falls_back = false;; falls_back = true) {
        const char *bar = memchr(text, '|', (size_t)(end - text));
        if (!read_part(reader, text, (size_t)((bar != NULL ? bar : end) - text), falls_back))
            return false;
        if (bar == NULL)
            return true;
        text = bar + 1;
    }
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
    if (!read_parts(reader, *at + 1, len))
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

bool template_has_dead_part(const struct template *template)
{
    for (uint32_t i = 1; i < template->count; i++) {
        enum part_kind before = template->parts[i - 1].kind;
        if (template->parts[i].falls_back && (before == PART_METHOD || before == PART_PATH))
            return true;
    }
    return false;
}
