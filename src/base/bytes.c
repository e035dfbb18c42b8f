#include "base/bytes.h"

#include <assert.h>
#include <string.h>

void bytes_put(struct bytes_writer *writer, const void *bytes, size_t len)
{
    if ((size_t)(writer->end - writer->at) < len) {
        writer->is_full = true;
        return;
    }
    memcpy(writer->at, bytes, len);
    writer->at += len;
}

void bytes_put_8(struct bytes_writer *writer, uint8_t number)
{
    bytes_put(writer, &number, sizeof number);
}

void bytes_put_16(struct bytes_writer *writer, uint16_t number)
{
    bytes_put(writer, &number, sizeof number);
}

void bytes_put_32(struct bytes_writer *writer, uint32_t number)
{
    bytes_put(writer, &number, sizeof number);
}

void bytes_put_64(struct bytes_writer *writer, uint64_t number)
{
    bytes_put(writer, &number, sizeof number);
}

void bytes_put_string(struct bytes_writer *writer, const char *string)
{
    size_t len = strlen(string);
    assert(len <= UINT8_MAX);
    bytes_put_8(writer, (uint8_t)len);
    bytes_put(writer, string, len + 1);
}

static void get(struct bytes_reader *reader, void *bytes, size_t len)
{
    if (reader->is_bad || bytes_left(reader) < len) {
        reader->is_bad = true;
        memset(bytes, 0, len);
        return;
    }
    memcpy(bytes, reader->at, len);
    reader->at += len;
}

uint8_t bytes_get_8(struct bytes_reader *reader)
{
    uint8_t number;
    get(reader, &number, sizeof number);
    return number;
}

uint16_t bytes_get_16(struct bytes_reader *reader)
{
    uint16_t number;
    get(reader, &number, sizeof number);
    return number;
}

uint32_t bytes_get_32(struct bytes_reader *reader)
{
    uint32_t number;
    get(reader, &number, sizeof number);
    return number;
}

uint64_t bytes_get_64(struct bytes_reader *reader)
{
    uint64_t number;
    get(reader, &number, sizeof number);
    return number;
}

const char *bytes_get_string(struct bytes_reader *reader)
{
    size_t len = bytes_get_8(reader);
    const char *string = (const char *)reader->at;
    if (reader->is_bad || bytes_left(reader) < len + 1 ||
        memchr(string, '\0', len + 1) != string + len) {
        reader->is_bad = true;
        return "";
    }
    reader->at += len + 1;
    return string;
}

size_t bytes_left(const struct bytes_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

uint64_t bytes_checksum(const void *bytes, size_t len)
{
    uint64_t sum = 0xcbf29ce484222325;
    for (const unsigned char *at = bytes, *end = at + len; at < end; at++)
        sum = (sum ^ *at) * 0x100000001b3;
    return sum;
}

/* What a change does to a sum can only be undone by another change: each step is one to one. The shift brings high
 * bits down, where products do not. */
static uint64_t add_word(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * 0x9e3779b97f4a7c15;
    return sum ^ sum >> 32;
}

uint64_t bytes_checksum_long(const void *bytes, size_t len)
{
    uint64_t sum = len, word = 0;
    const unsigned char *at = bytes;
    for (; len >= sizeof word; at += sizeof word, len -= sizeof word) {
        memcpy(&word, at, sizeof word);
        sum = add_word(sum, word);
    }
    word = 0;
    memcpy(&word, at, len);
    return add_word(sum, word);
}
