#include "keep/file.h"

#include "base/bytes.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

/* ---- the guard ---- */

/* A mapping, and the file behind it. */
struct range {
    char *memory; /* NULL: none */
    size_t bytes;
    int descriptor;
    uint8_t *replaced; /* a bit for each page */
};

/* A page that is replaced by itself splits the mapping, and a process may have no more than
 * 65,530 mappings (vm.max_map_count). So after SINGLES_MAX pages whole blocks are replaced: the
 * largest state there can be has 18,000 blocks. */
enum { SINGLES_MAX = 8192, BLOCK_BYTES = 2 << 20 };

/* Two ranges: a file's, and that of the file that takes its place. Each is written while nobody
 * uses its memory; the handler reads them. */
static struct {
    struct range range[2];
    int failure;
    size_t page_bytes;
    unsigned singles; /* pages that were replaced by themselves */
} guarded = {.failure = -1};

static atomic_uint failures;

unsigned state_file_failures(void)
{
    return atomic_load_explicit(&failures, memory_order_relaxed);
}

int state_file_failure(void)
{
    return guarded.failure;
}

/* The guarded range that begins at `memory`, or NULL. For NULL: a free one. */
static struct range *range_that_begins(const char *memory)
{
    for (int i = 0; i < 2; i++)
        if (guarded.range[i].memory == memory)
            return &guarded.range[i];
    return NULL;
}

static const struct range *range_around(const char *at)
{
    for (int i = 0; i < 2; i++) {
        const struct range *range = &guarded.range[i];
        if (range->memory != NULL && at >= range->memory && at < range->memory + range->bytes)
            return range;
    }
    return NULL;
}

static bool is_replaced(const struct range *range, size_t page)
{
    return (range->replaced[page / 8] >> page % 8 & 1) != 0;
}

/* Puts zeros in the place of pages of the file. false: it could not. */
static bool replace(const struct range *range, size_t page, size_t count)
{
    char *at = range->memory + page * guarded.page_bytes;
    if (mmap(at, count * guarded.page_bytes, PROT_READ | PROT_WRITE,
             MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
        return false;
    for (size_t i = page; i < page + count; i++)
        range->replaced[i / 8] |= (uint8_t)(1u << i % 8);
    return true;
}

static size_t pages_of(const struct range *range)
{
    return (range->bytes + guarded.page_bytes - 1) / guarded.page_bytes;
}

/* Copies what a page holds: from memory if it was replaced, else from the file. It reads the file
 * itself, because the mapping would fail once more. */
static void copy_page(const struct range *range, size_t page, char *to)
{
    size_t size = guarded.page_bytes, offset = page * size;
    if (is_replaced(range, page)) {
        memcpy(to, range->memory + offset, size);
        return;
    }
    ssize_t got = pread(range->descriptor, to, size, (off_t)offset);
    size_t len = got < 0 ? 0 : (size_t)got;
    memset(to + len, 0, size - len);
}

static bool is_zeros(const char *page)
{
    return page[0] == 0 && memcmp(page, page + 1, guarded.page_bytes - 1) == 0;
}

/* Replaces the block around a page, but keeps what is in it. Pages of zeros take no memory. */
static bool replace_block(const struct range *range, size_t page)
{
    static char copy[BLOCK_BYTES];
    size_t size = guarded.page_bytes, most = BLOCK_BYTES / size;
    size_t first = page / most * most, left = pages_of(range) - first;
    size_t count = left < most ? left : most;
    for (size_t i = 0; i < count; i++)
        copy_page(range, first + i, copy + i * size);
    if (!replace(range, first, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *from = copy + i * size;
        if (!is_zeros(from))
            memcpy(range->memory + (first + i) * size, from, size);
    }
    return true;
}

/* How many pages there are from one that is gone on, up to one that was replaced before. */
static size_t pages_to_replaced(const struct range *range, size_t page)
{
    size_t end = page + 1;
    while (end < pages_of(range) && !is_replaced(range, end))
        end++;
    return end - page;
}

/* Puts zeros where a page is gone. Beyond the end of the file every page is: replaces all of them up
 * to one that was replaced before, as at an earlier end, because what is in there is all there is. */
static bool replace_page(const struct range *range, const char *at)
{
    struct stat status;
    size_t page = (size_t)(at - range->memory) / guarded.page_bytes;
    if (fstat(range->descriptor, &status) == 0 &&
        (uint64_t)status.st_size <= page * guarded.page_bytes)
        return replace(range, page, pages_to_replaced(range, page));
    if (guarded.singles < SINGLES_MAX && replace(range, page, 1)) {
        guarded.singles++;
        return true;
    }
    return replace_block(range, page);
}

/* After this the access that failed is tried again. A fault that is not a guarded file's then
 * ends the process, as it would have without a handler. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    (void)context;
    int error = errno;
    const struct range *range = range_around(info->si_addr);
    if (range != NULL && replace_page(range, info->si_addr)) {
        atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
        eventfd_write(guarded.failure, 1);
    } else {
        signal(number, SIG_DFL);
    }
    errno = error;
}

/* Sets up the handler and counts failures from 0: nothing else is guarded. */
static int begin_counting(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    eventfd_t told;
    atomic_store_explicit(&failures, 0, memory_order_relaxed);
    guarded.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    guarded.singles = 0;
    if (guarded.failure < 0)
        guarded.failure = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (guarded.failure < 0)
        return errno;
    eventfd_read(guarded.failure, &told);
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, NULL) == 0 ? 0 : errno;
}

static int guard(const struct state_file *file)
{
    struct range *range = range_that_begins(NULL);
    bool is_first = guarded.range[0].memory == NULL && guarded.range[1].memory == NULL;
    int error = is_first ? begin_counting() : 0;
    assert(range != NULL);
    if (error != 0)
        return error;
    struct range next = {file->memory, file->bytes, file->descriptor, NULL};
    next.replaced = calloc(pages_of(&next) / 8 + 1, 1);
    if (next.replaced == NULL)
        return ENOMEM;
    *range = next;
    return 0;
}

/* ---- the file ---- */

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether the open file is still the one at the path. While we waited for its lock another file
 * may have taken its place. */
static bool is_at(int descriptor, const char *path)
{
    struct stat opened, there;
    return fstat(descriptor, &opened) == 0 && lstat(path, &there) == 0 && is_same(&opened, &there);
}

static int check_and_lock(int descriptor)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return errno;
    if (!S_ISREG(status.st_mode))
        return EINVAL;
    return flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

int state_file_open(struct state_file *file, const char *path)
{
    for (;;) {
        int descriptor =
            open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
        if (descriptor < 0)
            return errno;
        int error = check_and_lock(descriptor);
        if (error == 0 && is_at(descriptor, path)) {
            *file = (struct state_file){.descriptor = descriptor};
            return 0;
        }
        close(descriptor);
        if (error != 0)
            return error;
    }
}

bool state_file_has_left(const struct state_file *file, const char *path)
{
    struct stat opened, there;
    if (fstat(file->descriptor, &opened) != 0)
        return false;
    if (lstat(path, &there) != 0)
        return errno == ENOENT || errno == ENOTDIR;
    return !is_same(&opened, &there);
}

bool state_file_is_at(const struct state_file *file, const char *path)
{
    return is_at(file->descriptor, path);
}

/* When the file was made: the number of a file that is gone may be given to another one. All zeros where the
 * file system does not keep that. */
static struct statx_timestamp birth_of(int descriptor)
{
    struct statx status = {0};
    if (statx(descriptor, "", AT_EMPTY_PATH, STATX_BTIME, &status) != 0 ||
        (status.stx_mask & STATX_BTIME) == 0)
        return (struct statx_timestamp){0};
    return status.stx_btime;
}

uint64_t state_file_home(const struct state_file *file)
{
    struct stat status;
    if (fstat(file->descriptor, &status) != 0)
        return 0;
    struct statx_timestamp birth = birth_of(file->descriptor);
    const uint64_t what[] = {status.st_dev, status.st_ino, (uint64_t)birth.tv_sec, birth.tv_nsec};
    uint64_t home = bytes_checksum(what, sizeof what);
    return home == 0 ? 1 : home;
}

int state_file_room(const struct state_file *file, size_t *bytes)
{
    struct stat status;
    if (fstat(file->descriptor, &status) != 0)
        return errno;
    *bytes = (size_t)status.st_blocks * 512;
    return 0;
}

int state_file_length(const struct state_file *file, size_t *bytes)
{
    struct stat status;
    if (fstat(file->descriptor, &status) != 0)
        return errno;
    *bytes = (size_t)status.st_size;
    return 0;
}

bool state_file_is_blank(const struct state_file *file)
{
    return lseek(file->descriptor, 0, SEEK_DATA) < 0 && errno == ENXIO;
}

int state_file_make_private(const struct state_file *file, bool *was_shared)
{
    struct stat status;
    if (fstat(file->descriptor, &status) != 0)
        return errno;
    bool is_shared = (status.st_mode & (S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH)) != 0;
    if (is_shared && fchmod(file->descriptor, S_IRUSR | S_IWUSR) != 0)
        return errno;
    *was_shared = is_shared;
    return 0;
}

int state_file_clear(struct state_file *file, size_t bytes)
{
    if (ftruncate(file->descriptor, 0) != 0 || ftruncate(file->descriptor, (off_t)bytes) != 0)
        return errno;
    return 0;
}

int state_file_grow(const struct state_file *file, size_t bytes)
{
    size_t before = 0;
    int error = state_file_length(file, &before);
    if (error != 0)
        return error;
    if (ftruncate(file->descriptor, (off_t)bytes) != 0)
        return errno;
    if (fsync(file->descriptor) == 0)
        return 0;
    error = errno;
    return ftruncate(file->descriptor, (off_t)before) == 0 ? error : errno;
}

int state_file_map(struct state_file *file, size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->descriptor, 0);
    if (memory == MAP_FAILED)
        return errno;
    file->memory = memory;
    file->bytes = bytes;
    return guard(file);
}

void state_file_unmap(struct state_file *file)
{
    if (file->memory == NULL)
        return;
    struct range *range = range_that_begins(file->memory);
    munmap(file->memory, file->bytes);
    if (range != NULL) {
        range->memory = NULL;
        free(range->replaced);
    }
    file->memory = NULL;
}

void state_file_close(struct state_file *file)
{
    state_file_unmap(file);
    if (file->descriptor >= 0)
        close(file->descriptor);
    *file = (struct state_file){.descriptor = -1};
}

/* ---- another file in its place ---- */

#define OFFSET_NEVER INT64_MAX

/* A part of a file that may hold something. */
struct part {
    int64_t begin, end;
};

/* FUSE hands the question on to its server, which has not heard yet of what was only stored into the
 * mapping. All others know. */
static bool knows_holes(int descriptor)
{
    struct statfs system;
    return fstatfs(descriptor, &system) == 0 && system.f_type != FUSE_SUPER_MAGIC;
}

/* The next part of a file from an offset on. If the file system cannot tell, that is all the rest. */
static struct part next_part(int descriptor, int64_t from)
{
    off_t begin = knows_holes(descriptor) ? lseek(descriptor, (off_t)from, SEEK_DATA) : from;
    if (begin < 0 && errno == ENXIO)
        return (struct part){OFFSET_NEVER, OFFSET_NEVER};
    if (begin < 0)
        return (struct part){from, OFFSET_NEVER};
    off_t end = knows_holes(descriptor) ? lseek(descriptor, begin, SEEK_HOLE) : -1;
    return (struct part){begin, end < 0 ? OFFSET_NEVER : end};
}

static bool may_hold(const struct range *range, struct part *part, size_t page)
{
    int64_t begin = (int64_t)(page * guarded.page_bytes);
    int64_t end = begin + (int64_t)guarded.page_bytes;
    if (part->end <= begin)
        *part = next_part(range->descriptor, begin);
    return part->begin < end || is_replaced(range, page);
}

static int write_all(int descriptor, const char *from, size_t len, off_t at)
{
    while (len > 0) {
        ssize_t wrote = pwrite(descriptor, from, len, at);
        if (wrote <= 0)
            return wrote < 0 ? errno : ENOSPC;
        from += wrote;
        at += wrote;
        len -= (size_t)wrote;
    }
    return 0;
}

/* Writes pages that are side by side, as far as they are in the bytes to be copied. */
static int write_pages(const struct range *range, size_t first, size_t end,
                       struct state_file_part bytes, int to)
{
    size_t begin_at = first * guarded.page_bytes, end_at = end * guarded.page_bytes;
    if (begin_at < bytes.begin)
        begin_at = bytes.begin;
    if (end_at > bytes.end)
        end_at = bytes.end;
    if (begin_at >= end_at)
        return 0;
    return write_all(to, range->memory + begin_at, end_at - begin_at, (off_t)begin_at);
}

/* What is gone because the file was cut short need not have been missed yet: that counts as a loss
 * now, because the copy has zeros there. */
static void count_cut(const struct range *range)
{
    struct stat status;
    if (fstat(range->descriptor, &status) == 0 && (uint64_t)status.st_size < range->bytes)
        atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
}

/* A page that fails is replaced when is_zeros reads it: the system's call would fail instead. */
static int copy_bytes(const struct range *range, struct state_file_part bytes, int to)
{
    struct part part = {0, 0};
    size_t size = guarded.page_bytes, pages = (bytes.end + size - 1) / size;
    size_t begin = bytes.begin / size;
    int error = 0;
    for (size_t page = begin; error == 0 && page < pages; page++) {
        bool is_run = may_hold(range, &part, page) && !is_zeros(range->memory + page * size);
        if (is_run && (page + 1 - begin) * size < BLOCK_BYTES)
            continue;
        size_t end = is_run ? page + 1 : page;
        error = write_pages(range, begin, end, bytes, to);
        begin = page + 1;
    }
    return error != 0 ? error : write_pages(range, begin, pages, bytes, to);
}

static int copy_range(const struct range *range, struct state_file_part left_out, int to)
{
    count_cut(range);
    int error = copy_bytes(range, (struct state_file_part){0, left_out.begin}, to);
    if (error != 0)
        return error;
    return copy_bytes(range, (struct state_file_part){left_out.end, range->bytes}, to);
}

int state_file_supersede(struct state_file *file, struct state_file *next,
                         struct state_file_part left_out)
{
    struct range *range = range_that_begins(file->memory);
    struct range *next_range = range_that_begins(next->memory);
    assert(range != NULL && next_range != NULL && file->bytes == next->bytes &&
           left_out.begin <= left_out.end && left_out.end <= file->bytes);
    int error = copy_range(range, left_out, next->descriptor);
    if (error != 0)
        return error;
    if (mremap(next->memory, next->bytes, next->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
               file->memory) == MAP_FAILED)
        return errno;
    free(range->replaced);
    next_range->memory = range->memory;
    range->memory = NULL;
    next->memory = file->memory;
    file->memory = NULL;
    return 0;
}
