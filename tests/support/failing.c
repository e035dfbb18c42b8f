#include "support/failing.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

static struct {
    enum failing call;
    unsigned left; /* calls until one fails, that one included; 0: none does */
    bool has_failed;
} failing;

void failing_at(enum failing call, unsigned nth)
{
    failing.call = call;
    failing.left = nth;
    failing.has_failed = false;
}

bool failing_end(void)
{
    failing.left = 0;
    return failing.has_failed;
}

static bool fails(enum failing call, int error)
{
    if (failing.left == 0 || call != failing.call || --failing.left > 0)
        return false;
    failing.has_failed = true;
    errno = error;
    return true;
}

/* WRAP(type, value of failure, its errno, kind, name, (parameters), (arguments)) */
#define WRAP(type, failure, error, kind, name, parameters, arguments)                              \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails(kind, error) ? failure : __real_##name arguments;                             \
    }

WRAP(void *, NULL, ENOMEM, FAILING_ALLOCATION, malloc, (size_t size), (size))
WRAP(void *, NULL, ENOMEM, FAILING_ALLOCATION, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, NULL, ENOMEM, FAILING_ALLOCATION, realloc, (void *block, size_t size), (block, size))
WRAP(char *, NULL, ENOMEM, FAILING_ALLOCATION, strdup, (const char *text), (text))
WRAP(FILE *, NULL, ENOMEM, FAILING_ALLOCATION, open_memstream, (char **to, size_t *size),
     (to, size))
WRAP(void *, MAP_FAILED, ENOMEM, FAILING_MMAP, mmap,
     (void *at, size_t size, int access, int flags, int fd, off_t offset),
     (at, size, access, flags, fd, offset))
WRAP(int, -1, EIO, FAILING_FSTAT, fstat, (int fd, struct stat *to), (fd, to))
WRAP(int, -1, ENOSPC, FAILING_FTRUNCATE, ftruncate, (int fd, off_t size), (fd, size))
WRAP(int, -1, EPERM, FAILING_FCHMOD, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(int, -1, EMFILE, FAILING_EVENTFD, eventfd, (unsigned count, int flags), (count, flags))
WRAP(int, -1, EINVAL, FAILING_SIGACTION, sigaction,
     (int number, const struct sigaction *to, struct sigaction *from), (number, to, from))

/* One argument more says where to. */
void *__real_mremap(void *at, size_t size, size_t next, int flags, ...);
void *__wrap_mremap(void *at, size_t size, size_t next, int flags, ...);
void *__wrap_mremap(void *at, size_t size, size_t next, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    void *to = (flags & MREMAP_FIXED) != 0 ? va_arg(more, void *) : NULL;
    va_end(more);
    return fails(FAILING_MREMAP, ENOMEM) ? MAP_FAILED : __real_mremap(at, size, next, flags, to);
}

WRAP(FILE *, NULL, EMFILE, FAILING_FOPEN, fopen, (const char *path, const char *mode), (path, mode))
