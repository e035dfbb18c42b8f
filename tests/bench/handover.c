/*
 * handover: what it takes to hand a letter over to another thread and have it back, where both
 * have one processor: microseconds of that processor, on standard output.
 */
#include "actor/inbox.h"
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 20000 };

static struct inbox inbox, home;
static struct letter letter = {.home = &home};

static void *give_back(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        struct letter *taken = inbox_take(&inbox, UINT64_MAX);
        inbox_post_one(taken->home, taken);
    }
    return NULL;
}

static void need(bool is_so, const char *what)
{
    if (is_so)
        return;
    fprintf(stderr, "handover: %s\n", what);
    exit(1);
}

static double processor_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

int main(void)
{
    pthread_t thread;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    need(sched_setaffinity(0, sizeof one, &one) == 0, "cannot stay on one processor");
    need(inbox_init(&inbox, false) == 0 && inbox_init(&home, false) == 0, "no memory");
    need(thread_start(&thread, give_back, NULL) == 0, "cannot start a thread");
    double began_us = processor_us();
    for (int i = 0; i < ROUNDS; i++) {
        inbox_post_one(&inbox, &letter);
        inbox_take(&home, UINT64_MAX);
    }
    printf("%.2f\n", (processor_us() - began_us) / ROUNDS);
    pthread_join(thread, NULL);
    inbox_release(&inbox);
    inbox_release(&home);
    return 0;
}
