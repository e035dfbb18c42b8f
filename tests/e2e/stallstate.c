/*
 * stallstate: preloaded into allowd, holds the thread that decides up between one SIGUSR1 and the
 * next: the one that STALL_THREAD names, "state" or, where that hosts the decider, "front".
 *
 * It looks at the clock whenever it has taken messages out of its inbox, so there it is held.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_bool is_on;
static const char *held;

static void turn(int signal_number)
{
    (void)signal_number;
    atomic_store(&is_on, !atomic_load(&is_on));
}

__attribute__((constructor)) static void begin(void)
{
    held = getenv("STALL_THREAD");
    signal(SIGUSR1, turn);
}

static bool is_held(void)
{
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    return held != NULL && strcmp(name, held) == 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    while (atomic_load(&is_on) && is_held())
        nanosleep(&moment, NULL);
    return (int)syscall(SYS_clock_gettime, clock, now);
}
