#include "support/old_store.h"

#include "base/bytes.h"
#include "support/source.h"
#include "support/unit.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* As they are in layout 1, for good. */
enum { LAYOUT_AT = 8, CHECKED_BYTES = 40, USED_BYTES = 256, PAGE_BYTES = 4096 };
enum { TIMES_AT = 128, TIMES = 2, TIME_BYTES = 64, TIME_CHECKED_BYTES = 48 };

/* A checksum behind so many bytes, and then zeros as far as `end`. */
static void seal(unsigned char *bytes, size_t checked, size_t end)
{
    uint64_t checksum = bytes_checksum(bytes, checked);
    memcpy(bytes + checked, &checksum, sizeof checksum);
    memset(bytes + checked + sizeof checksum, 0, end - checked - sizeof checksum);
}

void old_store_first_layout(unsigned char *memory)
{
    const uint32_t layout = 1;
    memcpy(memory + LAYOUT_AT, &layout, sizeof layout);
    seal(memory, CHECKED_BYTES, 64);
    for (size_t at = TIMES_AT; at < TIMES_AT + TIMES * TIME_BYTES; at += TIME_BYTES) {
        uint64_t number;
        memcpy(&number, memory + at, sizeof number);
        if (number != 0)
            seal(memory + at, TIME_CHECKED_BYTES, TIME_BYTES);
    }
    memset(memory + USED_BYTES, 0, PAGE_BYTES - USED_BYTES);
}

static void read_bytes(struct old_store *old, const char *line)
{
    size_t at;
    unsigned byte;
    int len;
    assert_int_equal(sscanf(line, "%zx %n", &at, &len), 1);
    for (line += len; sscanf(line, "%2x", &byte) == 1; line += 2) {
        assert_in_range(at, 0, old->bytes - 1);
        old->memory[at++] = (unsigned char)byte;
    }
}

static void read_key(struct old_store *old, const char *line)
{
    assert_in_range(old->count, 0, sizeof old->keys / sizeof old->keys[0] - 1);
    struct old_key *key = &old->keys[old->count++];
    int len;
    assert_int_equal(sscanf(line, "left %u %n", &key->line, &len), 1);
    for (line += len; sscanf(line, "%16llx:%llu %n", &key->mark[key->marks],
                             &key->tokens[key->marks], &len) == 2;
         line += len)
        key->marks++;
    assert_in_range(key->marks, 1, 4);
    snprintf(key->key, sizeof key->key, "%s", line);
}

void old_store_map_text(struct old_store *old, char *text)
{
    char *rest = NULL;
    *old = (struct old_store){0};
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#')
            continue;
        if (old->memory == NULL) {
            old->bytes = strtoul(line, NULL, 16);
            old->memory = mmap(NULL, old->bytes + OLD_STORE_MORE, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            assert_true(old->memory != MAP_FAILED);
        } else if (strncmp(line, "left ", 5) == 0) {
            read_key(old, line);
        } else {
            read_bytes(old, line);
        }
    }
    assert_non_null(old->memory);
}

void old_store_map(struct old_store *old, const char *name)
{
    char *text = source_read(name);
    old_store_map_text(old, text);
    free(text);
}

enum { LISTED = 32 /* bytes a line */ };

static void list_bytes(FILE *out, const unsigned char *memory, size_t at)
{
    size_t end = at + LISTED;
    while (end > at && memory[end - 1] == 0)
        end--;
    while (at < end && memory[at] == 0)
        at++;
    if (at == end)
        return;
    fprintf(out, "%zx ", at);
    for (; at < end; at++)
        fprintf(out, "%02x", memory[at]);
    fprintf(out, "\n");
}

void old_store_list(FILE *out, const unsigned char *memory, size_t bytes)
{
    fprintf(out, "%zx\n", bytes);
    for (size_t at = 0; at + LISTED <= bytes; at += LISTED)
        list_bytes(out, memory, at);
}

void old_store_list_key(FILE *out, const struct old_key *key)
{
    fprintf(out, "left %u", key->line);
    for (unsigned i = 0; i < key->marks; i++)
        fprintf(out, " %016llx:%llu", key->mark[i], key->tokens[i]);
    fprintf(out, " %s\n", key->key);
}

void old_store_unmap(struct old_store *old)
{
    munmap(old->memory, old->bytes + OLD_STORE_MORE);
}
