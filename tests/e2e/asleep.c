/*
 * asleep: preloaded into allowd, lets the machine seem to have been suspended for ASLEEP_S seconds
 * with each SIGUSR1: CLOCK_BOOTTIME is then so far ahead, and CLOCK_MONOTONIC knows nothing of it.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_long asleep_s;
static long each_s;

static void sleep_more(int signal_number)
{
    (void)signal_number;
    atomic_fetch_add(&asleep_s, each_s);
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("ASLEEP_S");
    each_s = text == NULL ? 0 : strtol(text, NULL, 10);
    signal(SIGUSR1, sleep_more);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_BOOTTIME)
        now->tv_sec += atomic_load(&asleep_s);
    return result;
}
