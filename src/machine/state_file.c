#include "machine/state_file.h"

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

/* Written before the handler is in place, read by it. */
static struct {
    char *memory;
    size_t bytes;
    int descriptor, failure;
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

/* Puts zeros where a page is gone; beyond the end of the file, where all are, in place of all. */
static bool replace_page(char *at)
{
    struct stat status;
    char *page = guarded.memory + (size_t)(at - guarded.memory) / guarded.page_bytes * guarded.page_bytes;
    size_t bytes = guarded.page_bytes, offset = (size_t)(page - guarded.memory);
    if (fstat(guarded.descriptor, &status) == 0 && (uint64_t)status.st_size <= offset)
        bytes = guarded.bytes - offset;
    return mmap(page, bytes, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}

/* The access that failed is tried again after this. What is not the file's fault ends
 * the process, as it would have without a handler. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    (void)context;
    int error = errno;
    char *at = info->si_addr;
    if (at >= guarded.memory && at < guarded.memory + guarded.bytes && replace_page(at)) {
        atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
        eventfd_write(guarded.failure, 1);
    } else {
        signal(number, SIG_DFL);
    }
    errno = error;
}

static int guard(const struct state_file *file)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    guarded.memory = file->memory;
    guarded.bytes = file->bytes;
    guarded.descriptor = file->descriptor;
    guarded.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    atomic_store_explicit(&failures, 0, memory_order_relaxed);
    if (guarded.failure < 0)
        guarded.failure = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (guarded.failure < 0)
        return errno;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, NULL) == 0 ? 0 : errno;
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

void state_file_close(struct state_file *file)
{
    if (file->memory != NULL)
        munmap(file->memory, file->bytes);
    if (file->descriptor >= 0)
        close(file->descriptor);
    *file = (struct state_file){.descriptor = -1};
}
