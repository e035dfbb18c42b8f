#include "machine/state_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the guard ---- */

/* A mapping, and the file behind it. */
struct range {
    char *memory; /* NULL: none */
    size_t bytes;
    int descriptor;
};

/* Two: a file, and the one that takes its place. Written while nobody else uses them, read by
 * the handler. */
static struct {
    struct range range[2];
    int failure;
    size_t page_bytes;
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

/* The guarded range that begins there (NULL: one that is free), or else NULL. */
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

/* Puts zeros where a page is gone; beyond the end of the file, where all are, in place of all. */
static bool replace_page(const struct range *range, char *at)
{
    struct stat status;
    char *page = range->memory + (size_t)(at - range->memory) / guarded.page_bytes * guarded.page_bytes;
    size_t bytes = guarded.page_bytes, offset = (size_t)(page - range->memory);
    if (fstat(range->descriptor, &status) == 0 && (uint64_t)status.st_size <= offset)
        bytes = range->bytes - offset;
    return mmap(page, bytes, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}

/* The access that failed is tried again after this. What is not the file's fault ends
 * the process, as it would have without a handler. */
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

/* Failures are counted from when nothing else was guarded. */
static int begin_counting(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    eventfd_t told;
    atomic_store_explicit(&failures, 0, memory_order_relaxed);
    guarded.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
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
    if (error == 0)
        *range = (struct range){file->memory, file->bytes, file->descriptor};
    return error;
}

/* ---- the file ---- */

/* Whether the open file is still the one at the path: who has waited for its lock may find
 * that another one has taken its place. */
static bool is_at(int descriptor, const char *path)
{
    struct stat opened, there;
    return fstat(descriptor, &opened) == 0 && lstat(path, &there) == 0 &&
           opened.st_dev == there.st_dev && opened.st_ino == there.st_ino;
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

int state_file_clear(struct state_file *file, size_t bytes)
{
    if (ftruncate(file->descriptor, 0) != 0 || ftruncate(file->descriptor, (off_t)bytes) != 0)
        return errno;
    return 0;
}

int state_file_map(struct state_file *file, size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->descriptor, 0);
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
    if (range != NULL)
        range->memory = NULL;
    file->memory = NULL;
}

void state_file_close(struct state_file *file)
{
    state_file_unmap(file);
    if (file->descriptor >= 0)
        close(file->descriptor);
    *file = (struct state_file){.descriptor = -1};
}
