/*
 * Threads: started with every signal blocked, for signals are the main thread's.
 *
 * Owns nothing. Any thread. Never blocks. Errors: errno values.
 */
#pragma once

#include <pthread.h>

/* Starts a thread, to be joined; 0 or an errno value. */
int thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument);

/* Names the calling thread, for whoever looks at it with ps or a debugger; at most 15 bytes. */
void thread_name(const char *name);
