/*
 * Bytes: numbers and strings written one after the other, and read back without trust.
 *
 * Numbers are in the machine's own byte order. A string is its length in one byte, the
 * characters, and a NUL. A reader that runs past the end or meets a malformed string sets
 * is_bad, and from then on reads zeros and empty strings: so check once, at the end. A writer
 * without room sets is_full likewise.
 *
 * Owns nothing: a string that is read points into the bytes. One thread. Never blocks.
 * Errors: is_full, is_bad.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes_writer {
    unsigned char *at, *end;
    bool is_full; /* there was no room for everything */
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

/* FNV-1a, 64 bits. It always sees that one byte has changed, and any other change but one in
 * 2^64. It has no key: it guards against accidents, not against people. */
uint64_t bytes_checksum(const void *bytes, size_t len);

/* The same for what is long: another sum, of eight bytes at a time. It always sees a change within eight of
 * them. */
uint64_t bytes_checksum_long(const void *bytes, size_t len);
