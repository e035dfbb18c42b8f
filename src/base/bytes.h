/*
 * Bytes: numbers and strings written one after the other, and read back by one who trusts none of it.
 *
 * Numbers are in the machine's own byte order; strings are a length in one byte, the
 * characters, and a NUL. Whoever reads past the end, or a string that is none,
 * reads zeros and an empty string from then on, and is told once, at the end.
 *
 * Owns nothing: a string that is read points into the bytes. One thread. Never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes_writer {
    unsigned char *at, *end;
    bool is_full; /* there was no room for all */
};

struct bytes_reader {
    const unsigned char *at, *end;
    bool is_bad;
};

void bytes_put(struct bytes_writer *writer, const void *bytes, size_t len);
void bytes_put_8(struct bytes_writer *writer, uint8_t number);
void bytes_put_16(struct bytes_writer *writer, uint16_t number);
void bytes_put_32(struct bytes_writer *writer, uint32_t number);
void bytes_put_64(struct bytes_writer *writer, uint64_t number);
void bytes_put_string(struct bytes_writer *writer, const char *string); /* of at most 255 bytes */

uint8_t bytes_get_8(struct bytes_reader *reader);
uint16_t bytes_get_16(struct bytes_reader *reader);
uint32_t bytes_get_32(struct bytes_reader *reader);
uint64_t bytes_get_64(struct bytes_reader *reader);
const char *bytes_get_string(struct bytes_reader *reader);

size_t bytes_left(const struct bytes_reader *reader);

/* FNV-1a of 64 bits: a change of one byte is always seen, any other but once in
 * 2^64. It is no secret, and keeps out accidents, not people. */
uint64_t bytes_checksum(const void *bytes, size_t len);
