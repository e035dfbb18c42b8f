/*
 * Templates: how the key of a check is put together, as the configuration writes it.
 *
 * A template is literal text, in which "{{" and "}}" stand for braces, and parts of a request
 * in braces: {header:NAME}, {query:NAME}, {form:NAME}, {json:NAME}, {client_ip}, {client_ip/BITS},
 * {host}, {method}, {path}. Braces may hold several parts with '|' between them, such as
 * {header:X-Api-Key|client_ip}: the first that is in the request counts.
 *
 * A template holds its strings in itself, and can be copied. Any thread. Never blocks. Errors:
 * template_parse says what is wrong.
 */
#pragma once

#include "ask/check.h"

#include <stdbool.h>
#include <stdint.h>

enum part_kind {
    PART_LITERAL,
    PART_HEADER,
    PART_QUERY,
    PART_FORM,
    PART_JSON,
    PART_CLIENT_IP,
    PART_HOST,
    PART_METHOD,
    PART_PATH,
};

struct part {
    enum part_kind kind;
    bool falls_back;     /* it counts only if the part before it is missing */
    unsigned bits;       /* of PART_CLIENT_IP: how many leading bits are kept */
    uint32_t start, len; /* of a literal or a name, in the template's text; a NUL follows */
};

struct template
{
    uint32_t count;
    struct part parts[CHECK_PARTS_MAX];
    char text[CHECK_TEMPLATE_MAX + CHECK_PARTS_MAX];
};

/* Reads a template. false: `fault` says what is wrong and what is allowed, and *template is
 * untouched. */
bool template_parse(const char *text, struct template *template, char fault[CHECK_FAULT_MAX]);

/* Whether a part can never count, because the one that it falls back from is never missing. */
bool template_has_dead_part(const struct template *template);
