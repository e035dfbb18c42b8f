/*
 * The directory of a state file: which sections it has, where, how long and of which version.
 *
 * Whatever allowd keeps has a section of its own. A reader goes by the type and takes a section
 * only if it knows its version, so each can change, and more can come, without the others. What
 * no reader knows is never guessed at: the file is refused, because whoever wrote it may rely on
 * what is in there.
 *
 * A directory is never changed in place. One of two halves is written while the other one holds,
 * and then a single store says which. So a process that is killed at any store leaves the
 * directory that held before, or the next one.
 *
 * Owns nothing: the place is the caller's. One thread. Never blocks. Errors: directory_check says
 * what is wrong.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    DIRECTORY_PAGE_BYTES = 4096, /* sections begin on one; the first one is not for them */
    DIRECTORY_SECTIONS_MAX = 32,
};

struct section {
    uint32_t type, version; /* from 1 on */
    uint64_t offset, bytes; /* in the file */
};

struct directory {
    uint64_t number; /* directories are numbered from 1 */
    uint32_t count, reserved;
    struct section section[DIRECTORY_SECTIONS_MAX];
};

/* Where a file has its directory; all zeros: it has none yet. */
struct directory_place {
    _Alignas(64) uint64_t published; /* the number of the directory that holds: see publish.h */
    struct {
        _Alignas(64) struct directory directory;
        uint64_t checksum;
    } half[2];
};

/* Puts a directory of 1 to DIRECTORY_SECTIONS_MAX sections, which holds from now on. The file must
 * be long enough for them, on its disk as well. */
void directory_put(struct directory_place *place, const struct section *sections, uint32_t count);

/* Looks at the directory of a file that is `file_bytes` long, whatever bytes are in it. Returns
 * NULL if it is whole and its sections lie in the file, apart from each other, each type once, and
 * fill it to its end; else what is wrong. */
const char *directory_check(const struct directory_place *place, uint64_t file_bytes);

/* The directory that holds, once it was checked. */
const struct directory *directory_in_force(const struct directory_place *place);

/* The length of a file in which the last section ends there. */
uint64_t directory_file_bytes(uint64_t end);
