/*
 * The log's queue: lines go in without waiting; a thread of its own takes them to standard error.
 *
 * Standard error may be a pipe that nobody empties, a stopped terminal or a hung disk, and
 * other processes may share it. Nothing makes write(2) return at once on all of these:
 *  - O_NONBLOCK would change it for the other processes as well;
 *  - opening /proc/self/fd/2 anew takes rights that a process which gave up root lacks;
 *  - Debian 12's kernel has no RWF_NOWAIT for pipes;
 *  - files on disk heed none of it.
 * So only a thread that nobody waits for writes there. The queue is a pipe of our own, which
 * never blocks: the kernel keeps its lines whole and in order, and it cannot grow.
 *
 * The thread starts once the listeners are open, and is the last one to end.
 *
 * Owns the pipe and the thread, one each in a process. Threads: log_queue_put and
 * log_queue_lost from any, the rest from the main one. Blocks: log_queue_end, for twice
 * LOG_END_MS at most where the reader takes nothing, and twice LOG_END_MOST_MS in any case.
 * Errors: errno values; a line that has no room or cannot be written is counted as lost.
 */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX PIPE_BUF /* bytes, with the line's end: a pipe takes so many whole */
#define LOG_END_MS 250        /* how long the end waits for a slow reader, in each of two steps */
#define LOG_END_MOST_MS 5000 /* and for a slow machine, which has the thread wait for a processor */

/* Writes a line that says that `lost` lines were lost; returns its length. */
typedef size_t log_lost_line(uint64_t lost, char line[LOG_LINE_MAX]);

/* From now on lines are queued. Before this, or if it fails, each is written as it comes.
 * lost_line: called on the queue's thread when there is room again. */
int log_queue_open(log_lost_line *lost_line);

/* Starts the thread that writes what is queued. */
int log_queue_start(void);

/* Adds a line of 1 to LOG_LINE_MAX bytes, its end included. */
void log_queue_put(const char *line, size_t len);

/* How many lines were lost so far. */
uint64_t log_queue_lost(void);

/* Waits until what is queued is written, for as long as is said above. After this nothing is
 * logged any more: the process ends. */
void log_queue_end(void);
