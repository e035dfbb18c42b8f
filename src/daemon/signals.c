#include "daemon/signals.h"

#include "base/quantity.h"
#include "log/log.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/* XFSZ: a limit on the size of files is an errno value then. */
static const int ignored[] = {SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ};

static int ended_by;

/* What end_quietly writes: made before, because a handler may not format. */
static char last_line[96];
static size_t last_line_len;

static sigset_t ends(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

static sigset_t all(void)
{
    sigset_t set = ends();
    sigaddset(&set, SIGHUP);
    return set;
}

/* First held, then ignored: whichever comes in between waits, or has no handler to end it. */
void signals_hold(void)
{
    const sigset_t set = all();
    struct sigaction now;
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        if (sigaction(ignored[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
            signal(ignored[i], SIG_IGN);
}

/* A log that takes no more must not hold up the end. */
static void end_quietly(int number)
{
    struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};
    ssize_t written = 0;
    if (number != 0 && poll(&output, 1, 0) == 1)
        written = write(STDERR_FILENO, last_line, last_line_len);
    (void)written;
    _exit(EXIT_SUCCESS);
}

static void let_end(void)
{
    const sigset_t set = ends();
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void signals_end_quietly(void)
{
    struct sigaction quietly = {.sa_handler = end_quietly, .sa_mask = ends()};
    int len = snprintf(last_line, sizeof last_line, "%sallowd: stopped before it was ready\n",
                       log_priority(LOG_LEVEL_INFO));
    last_line_len = (size_t)len;
    sigaction(SIGTERM, &quietly, NULL);
    sigaction(SIGINT, &quietly, NULL);
    let_end();
}

void signals_end_as_usual(void)
{
    let_end();
}

int signals_open(void)
{
    const sigset_t set = all();
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

int signals_await_end(int timeout_ms)
{
    const sigset_t set = ends();
    const struct timespec timeout = {
        .tv_sec = timeout_ms / (int)MS_PER_S,
        .tv_nsec = (long)(timeout_ms % (int)MS_PER_S) * (long)NS_PER_MS,
    };
    int number = sigtimedwait(&set, NULL, &timeout);
    if (number > 0)
        ended_by = number;
    return number > 0 ? number : 0;
}

int signals_ended_by(void)
{
    return ended_by;
}
