/*
 * Templates: how the key of a check is put together, as the configuration writes it.
 *
 * A template is literal text, in which "{{" and "}}" stand for braces, and parts of a request
 * in braces: {header:NAME}, {client_ip}, {client_ip/BITS}, {host}, {method}, {path}.
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
    PART_CLIENT_IP,
    PART_HOST,
    PART_METHOD,
    PART_PATH,
};

struct part {
    enum part_kind kind;
    unsigned bits; /* of PART_CLIENT_IP: how many leading bits are kept */
    uint32_t start,
        len; /* of a literal or a header's name, in the template's text; a NUL follows */
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
