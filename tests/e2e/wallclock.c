/*
 * wallclock: preloaded into a store, sets its wall clock ahead by the seconds that are in the file WALLCLOCK_FILE, as eight
 * bytes, or back; whoever writes there sets it anew. libfaketime does that too, but a redis-server of Debian 12 never
 * gets to its main function under it.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t *ahead_s; /* NULL: there is no such file */

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("WALLCLOCK_FILE");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    void *map = mmap(NULL, sizeof *ahead_s, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (map != MAP_FAILED)
        ahead_s = map;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME && ahead_s != NULL)
        now->tv_sec += *ahead_s;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    *now = (struct timeval){precise.tv_sec, precise.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *told)
{
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (told != NULL)
        *told = precise.tv_sec;
    return precise.tv_sec;
}
