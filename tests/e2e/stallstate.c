/*
 * stallstate: preloaded into allowd, holds its state thread up between one
 * SIGUSR1 and the next.
 *
 * The state thread is the first that allowd starts, and it looks at the clock
 * whenever it has taken messages out of its mailbox, so there it is held.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_bool is_on, has_first;
static pthread_t first;

static void turn(int signal_number)
{
    (void)signal_number;
    atomic_store(&is_on, !atomic_load(&is_on));
}

__attribute__((constructor)) static void begin(void)
{
    signal(SIGUSR1, turn);
}

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                   void *(*run)(void *), void *restrict argument)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    if (real == NULL)
        abort();
    int error = real(thread, attributes, run, argument);
    if (error == 0 && !atomic_load(&has_first)) {
        first = *thread;
        atomic_store(&has_first, true);
    }
    return error;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    while (atomic_load(&is_on) && atomic_load(&has_first) && pthread_equal(pthread_self(), first))
        nanosleep(&moment, NULL);
    return (int)syscall(SYS_clock_gettime, clock, now);
}
