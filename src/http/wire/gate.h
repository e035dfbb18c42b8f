/*
 * The gate: refuses what libmicrohttpd lets through and another parser might read differently.
 *
 * The caller shows it each header field, in order. Owns nothing. One thread. Never blocks. Errors:
 * `fault` and `too_large`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gate {
    unsigned hosts, content_lengths, transfer_encodings;
    uint64_t content_length;
    size_t entries;      /* fields and cookies; libmicrohttpd keeps a record of each */
    size_t cookie_bytes; /* libmicrohttpd keeps those of the first Cookie twice */
    bool has_cookies;
    const char *fault; /* the first fault, as a detail for the client; or NULL */
    const char *end;   /* the byte behind the last value seen, in the raw header block */
    bool is_http_1_0;  /* it may go without a Host */
    bool is_chunked;   /* a body comes in chunks; its length is not known */
    bool check_places; /* see gate_begin */
    bool too_large;    /* the Content-Length is greater than body_max */
};

/* version: the raw "HTTP/1.1", which lies just before the first field.
 * check_places: whether to find out by the places of the strings what was cut out of them. That is
 * for libmicrohttpd 0.9; from 1.0 on, which refuses all that by itself, a value ends before its
 * blanks, and the next name is farther away. */
void gate_begin(struct gate *gate, const char *version, bool check_places);

/* Shows it a field; name and value point into the raw header block. */
void gate_field(struct gate *gate, const char *name, size_t name_len, const char *value,
                size_t value_len);

/* Call it after the last field. header_end: the byte behind the raw header block and its last line
 * ends; body_max: the most bytes of body that may follow. */
void gate_end(struct gate *gate, const char *header_end, uint64_t body_max);
