/*
 * failpoint: preloaded into allowd, makes the call of number FAILPOINT_AT fail, or every
 * one from there on (FAILPOINT_ON=1). Calls are counted from the start of the process to the
 * end of main, for what comes after is the C library's and gcov's, over all threads: those
 * that allocate (FAILPOINT_KIND=allocation), or those that ask the system for something
 * (FAILPOINT_KIND=call). With FAILPOINT_KIND=stop no call fails: before the one of that number, of
 * those that ask the system for something from main's first line on, the process stops (SIGSTOP).
 *
 * FAILPOINT_FILE, of at least sizeof(struct told), hears how many calls there were and
 * which one failed. The process ends with the thread that began it.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The C library's own, under the names it also has them by. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
int __libc_start_main(int (*main)(int, char **, char **), int count, char **arguments,
                      void (*init)(void), void (*fini)(void), void (*unload)(void), void *stack);

struct told {
    atomic_ulong count;
    char failed[32];
};

static struct told unheard, *told = &unheard;
static unsigned long fail_at;
static bool fails_on, of_calls, stops, is_in_main;

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("FAILPOINT_AT"), *file = getenv("FAILPOINT_FILE");
    const char *kind = getenv("FAILPOINT_KIND");
    if (at == NULL || file == NULL || kind == NULL)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int descriptor = open(file, O_RDWR | O_CLOEXEC);
    void *mapped = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (mapped == MAP_FAILED)
        abort();
    close(descriptor);
    told = mapped;
    atomic_store(&told->count, 0);
    memset(told->failed, 0, sizeof told->failed);
    fails_on = getenv("FAILPOINT_ON") != NULL;
    stops = strcmp(kind, "stop") == 0;
    of_calls = stops || strcmp(kind, "call") == 0;
    fail_at = strtoul(at, NULL, 10);
}

static bool fails(bool is_call, const char *name, int error)
{
    if (is_call != of_calls || fail_at == 0 || (stops && !is_in_main))
        return false;
    unsigned long number = atomic_fetch_add(&told->count, 1) + 1;
    if (number < fail_at || (number > fail_at && !fails_on))
        return false;
    if (number == fail_at)
        strncpy(told->failed, name, sizeof told->failed - 1);
    if (stops) {
        kill(getpid(), SIGSTOP);
        return false;
    }
    errno = error;
    return true;
}

static int (*main_itself)(int, char **, char **);

static int main_and_no_further(int count, char **arguments, char **variables)
{
    is_in_main = true;
    int status = main_itself(count, arguments, variables);
    fail_at = 0;
    return status;
}

/* What calls main. */
int __libc_start_main(int (*main)(int, char **, char **), int count, char **arguments,
                      void (*init)(void), void (*fini)(void), void (*unload)(void), void *stack)
{
    __typeof__(__libc_start_main) *real =
        (__typeof__(__libc_start_main) *)dlsym(RTLD_NEXT, "__libc_start_main");
    main_itself = main;
    return real(main_and_no_further, count, arguments, init, fini, unload, stack);
}

void *malloc(size_t size)
{
    return fails(false, "malloc", ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(false, "calloc", ENOMEM) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return fails(false, "realloc", ENOMEM) ? NULL : __libc_realloc(block, size);
}

/* CALL(type, value of failure, its errno, name, (parameters), (arguments)) */
#define CALL(type, failure, error, name, parameters, arguments)                                    \
    type name parameters                                                                           \
    {                                                                                              \
        static type(*real) parameters;                                                             \
        if (real == NULL)                                                                          \
            real = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                    \
        return fails(true, #name, error) ? failure : real arguments;                               \
    }

/* These tell an error by an errno value. */
#define CALL_ERROR(error, name, parameters, arguments)                                             \
    CALL(int, error, error, name, parameters, arguments)

CALL(int, -1, EIO, fstat, (int fd, struct stat *to), (fd, to))
CALL(int, -1, EIO, lstat, (const char *path, struct stat *to), (path, to))
CALL(ssize_t, -1, EIO, read, (int fd, void *to, size_t size), (fd, to, size))
CALL(ssize_t, -1, ENOSPC, write, (int fd, const void *from, size_t size), (fd, from, size))
CALL(ssize_t, -1, EIO, pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
CALL(ssize_t, -1, ENOSPC, pwrite, (int fd, const void *from, size_t size, off_t at),
     (fd, from, size, at))
CALL(int, -1, ENOSPC, ftruncate, (int fd, off_t size), (fd, size))
CALL_ERROR(ENOSPC, posix_fallocate, (int fd, off_t at, off_t size), (fd, at, size))
CALL(int, -1, ENOSPC, fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))
CALL(int, -1, EACCES, rename, (const char *from, const char *to), (from, to))
CALL(int, -1, EACCES, renameat2,
     (int from_in, const char *from, int to_in, const char *to, unsigned how),
     (from_in, from, to_in, to, how))
CALL(int, -1, EIO, fsync, (int fd), (fd))
CALL(off_t, -1, EINVAL, lseek, (int fd, off_t at, int from), (fd, at, from))
CALL(int, -1, EACCES, unlink, (const char *path), (path))
CALL(int, -1, EIO, msync, (void *at, size_t size, int flags), (at, size, flags))
CALL(int, -1, ENOLCK, flock, (int fd, int what), (fd, what))
CALL(int, -1, EPERM, lchown, (const char *path, uid_t user, gid_t group), (path, user, group))
CALL(FILE *, NULL, EMFILE, fopen, (const char *path, const char *mode), (path, mode))
CALL(DIR *, NULL, EMFILE, opendir, (const char *path), (path))
CALL(FILE *, NULL, ENOMEM, open_memstream, (char **to, size_t *size), (to, size))
CALL(void *, MAP_FAILED, ENOMEM, mmap,
     (void *at, size_t size, int access, int flags, int fd, off_t offset),
     (at, size, access, flags, fd, offset))
CALL(int, -1, EMFILE, socket, (int domain, int type, int protocol), (domain, type, protocol))
CALL(int, -1, EADDRINUSE, bind, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))
CALL(int, -1, EADDRINUSE, listen, (int fd, int backlog), (fd, backlog))
CALL(int, -1, ECONNREFUSED, connect, (int fd, const struct sockaddr *to, socklen_t size),
     (fd, to, size))
CALL(int, -1, EMFILE, accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags),
     (fd, from, size, flags))
CALL(int, -1, ENOBUFS, getsockname, (int fd, struct sockaddr *to, socklen_t *size), (fd, to, size))
CALL(int, -1, ENOBUFS, getsockopt, (int fd, int level, int name, void *to, socklen_t *size),
     (fd, level, name, to, size))
CALL(int, -1, ENOBUFS, setsockopt, (int fd, int level, int name, const void *from, socklen_t size),
     (fd, level, name, from, size))
CALL(int, -1, ENOTCONN, shutdown, (int fd, int how), (fd, how))
CALL(ssize_t, -1, ECONNRESET, recv, (int fd, void *to, size_t size, int flags),
     (fd, to, size, flags))
CALL(ssize_t, -1, ECONNRESET, send, (int fd, const void *from, size_t size, int flags),
     (fd, from, size, flags))
CALL(ssize_t, -1, ENOBUFS, sendto,
     (int fd, const void *from, size_t size, int flags, const struct sockaddr *to, socklen_t len),
     (fd, from, size, flags, to, len))
CALL(ssize_t, -1, ECONNRESET, sendmsg, (int fd, const struct msghdr *message, int flags),
     (fd, message, flags))
CALL(ssize_t, -1, ENOSPC, writev, (int fd, const struct iovec *parts, int count),
     (fd, parts, count))
CALL(int, -1, EINTR, poll, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))
CALL(int, -1, EMFILE, epoll_create1, (int flags), (flags))
CALL(int, -1, EINTR, epoll_wait, (int fd, struct epoll_event *events, int count, int timeout),
     (fd, events, count, timeout))
CALL(int, -1, EMFILE, eventfd, (unsigned count, int flags), (count, flags))
CALL(int, -1, EMFILE, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags))
CALL(int, -1, EMFILE, pipe2, (int fds[2], int flags), (fds, flags))
CALL(int, -1, EMFILE, dup, (int fd), (fd))
CALL(int, -1, EPERM, getrlimit, (__rlimit_resource_t what, struct rlimit *to), (what, to))
CALL(int, -1, EPERM, setrlimit, (__rlimit_resource_t what, const struct rlimit *to), (what, to))
CALL(int, -1, ENOSPC, sem_init, (sem_t * sem, int shared, unsigned value), (sem, shared, value))
CALL_ERROR(EAGAIN, pthread_create,
           (pthread_t * thread, const pthread_attr_t *how, void *(*run)(void *), void *argument),
           (thread, how, run, argument))
CALL_ERROR(ENOMEM, pthread_mutex_init, (pthread_mutex_t * mutex, const pthread_mutexattr_t *how),
           (mutex, how))
CALL_ERROR(ENOMEM, pthread_cond_init, (pthread_cond_t * condition, const pthread_condattr_t *how),
           (condition, how))

/* To be watched takes memory, to be watched no more takes none. */
int epoll_ctl(int fd, int what, int on, struct epoll_event *event)
{
    static int (*real)(int fd, int what, int on, struct epoll_event *event);
    if (real == NULL)
        real = (int (*)(int, int, int, struct epoll_event *))dlsym(RTLD_NEXT, "epoll_ctl");
    return what == EPOLL_CTL_ADD && fails(true, "epoll_ctl", ENOSPC) ? -1
                                                                     : real(fd, what, on, event);
}

/* These take one argument more, or none. */
int open(const char *path, int flags, ...)
{
    static int (*real)(const char *path, int flags, ...);
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (real == NULL)
        real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    return fails(true, "open", EMFILE) ? -1 : real(path, flags, mode);
}

void *mremap(void *at, size_t size, size_t next, int how, ...)
{
    static void *(*real)(void *at, size_t size, size_t next, int how, ...);
    va_list more;
    va_start(more, how);
    void *to = (how & MREMAP_FIXED) != 0 ? va_arg(more, void *) : NULL;
    va_end(more);
    if (real == NULL)
        real = (void *(*)(void *, size_t, size_t, int, ...))dlsym(RTLD_NEXT, "mremap");
    return fails(true, "mremap", ENOMEM) ? MAP_FAILED : real(at, size, next, how, to);
}

int fcntl(int fd, int what, ...)
{
    static int (*real)(int fd, int what, ...);
    va_list more;
    va_start(more, what);
    void *argument = va_arg(more, void *);
    va_end(more);
    if (real == NULL)
        real = (int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl");
    return fails(true, "fcntl", EMFILE) ? -1 : real(fd, what, argument);
}
