/*
 * The gate: refuses what libmicrohttpd lets through and another parser might read differently.
 *
 * Fed with one header field at a time, in order. Owns nothing. One thread. Never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gate {
    unsigned hosts, content_lengths, transfer_encodings;
    uint64_t content_length;
    size_t entries;      /* fields and cookies, each of which libmicrohttpd keeps a record of */
    size_t cookie_bytes; /* which it keeps a second time */
    const char *fault;   /* the first thing wrong, as a detail for the client, or NULL */
    const char *end;     /* just behind the last value seen, in the raw header block */
    bool check_places;   /* the strings lie in the raw header block, as in libmicrohttpd 0.9 */
    bool too_large;      /* the Content-Length passes the bound */
};

/* version: the raw "HTTP/1.1", whose place tells where the fields begin.
 * check_places: whether to conclude from where strings lie what was cut out of them. */
void gate_begin(struct gate *gate, const char *version, bool check_places);

/* A field as libmicrohttpd points to it, within the raw header block. */
void gate_field(struct gate *gate, const char *name, size_t name_len, const char *value,
                size_t value_len);

/* After the last field. header_end: just behind the raw header block, its last
 * line ends included; body_max: bytes of body that may follow. */
void gate_end(struct gate *gate, const char *header_end, uint64_t body_max);
