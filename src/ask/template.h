/*
 * Templates: what the key of a check is put together from, as the configuration writes it.
 *
 * Literal text, "{{" and "}}" for braces in it, and parts of a request in
 * braces: {header:NAME}, {client_ip}, {client_ip/BITS}, {host}, {method}, {path}.
 *
 * A template owns its strings, and can be copied. Any thread. Never blocks.
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
    unsigned bits;       /* of PART_CLIENT_IP: how many are kept */
    uint32_t start, len; /* in the template's text, with a NUL behind: a literal, a header's name */
};

struct template
{
    uint32_t count;
    struct part parts[CHECK_PARTS_MAX];
    char text[CHECK_TEMPLATE_MAX + CHECK_PARTS_MAX];
};

/* Reads a template. false: *template is untouched, and `fault` says what is wrong
 * and what is allowed. */
bool template_parse(const char *text, struct template *template, char fault[CHECK_FAULT_MAX]);
