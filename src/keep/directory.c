#include "keep/directory.h"

#include "base/bytes.h"
#include "keep/publish.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* ---- putting ---- */

static void put(uint64_t *place, uint64_t value)
{
    __atomic_store_n(place, value, __ATOMIC_RELEASE);
}

void directory_put(struct directory_place *place, const struct section *sections, uint32_t count)
{
    assert(count >= 1 && count <= DIRECTORY_SECTIONS_MAX);
    uint32_t number = published_number(place->published) + 1;
    struct directory next = {.number = number, .count = count};
    memcpy(next.section, sections, count * sizeof sections[0]);

    /* Word by word, so that a test can end the process between any two. */
    uint64_t words[sizeof next / sizeof(uint64_t)];
    static_assert(sizeof words == sizeof next, "a directory is words");
    memcpy(words, &next, sizeof words);
    uint64_t *to = (uint64_t *)&place->half[number % 2].directory;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        put(&to[i], words[i]);
    put(&place->half[number % 2].checksum, bytes_checksum(&next, sizeof next));
    put(&place->published, publication(number));
}

/* ---- checking ---- */

uint64_t directory_file_bytes(uint64_t end)
{
    return (end + DIRECTORY_PAGE_BYTES - 1) / DIRECTORY_PAGE_BYTES * DIRECTORY_PAGE_BYTES;
}

const struct directory *directory_in_force(const struct directory_place *place)
{
    return &place->half[(uint32_t)place->published % 2].directory;
}

static bool directory_is_whole(const struct directory_place *place)
{
    uint32_t number = published_number(place->published);
    const struct directory *directory = directory_in_force(place);
    return number != 0 && directory->number == number &&
           place->half[number % 2].checksum == bytes_checksum(directory, sizeof *directory);
}

static bool lies_in(const struct section *section, uint64_t file_bytes)
{
    return section->offset >= DIRECTORY_PAGE_BYTES && section->offset % DIRECTORY_PAGE_BYTES == 0 &&
           section->offset <= file_bytes && section->bytes >= 1 &&
           section->bytes <= file_bytes - section->offset;
}

/* Of two that lie in the file. */
static bool overlap(const struct section *a, const struct section *b)
{
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

const char *directory_check(const struct directory_place *place, uint64_t file_bytes)
{
    const struct directory *directory = directory_in_force(place);
    uint64_t end = 0;
    if (!directory_is_whole(place) || directory->count < 1 ||
        directory->count > DIRECTORY_SECTIONS_MAX)
        return "its directory is damaged";
    for (uint32_t i = 0; i < directory->count; i++) {
        const struct section *section = &directory->section[i];
        if (!lies_in(section, file_bytes))
            return "it is not as long as it should be";
        if (section->offset + section->bytes > end)
            end = section->offset + section->bytes;
        for (uint32_t j = 0; j < i; j++)
            if (section->type == directory->section[j].type ||
                overlap(section, &directory->section[j]))
                return "the sections in it do not hold together";
    }
    return file_bytes == directory_file_bytes(end) ? NULL : "it is not as long as it should be";
}
