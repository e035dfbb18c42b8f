/*
 * Threads: started with signals blocked, because the main thread handles all of them.
 *
 * Owns nothing. Any thread. Never blocks. Errors: errno values.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>

/* Starts a thread, which must be joined. 0 or an errno value. */
int thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument);

/* The processor time that the calling thread has used. */
uint64_t thread_busy_ns(void);

/* Names the calling thread, for ps and debuggers; at most 15 bytes. */
void thread_name(const char *name);
