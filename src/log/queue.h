/*
 * The log's queue: lines go in without waiting; a thread of its own takes them to standard error.
 *
 * Standard error may be anything and is shared with anybody: a pipe that nobody
 * empties, a stopped terminal, a hung disk. Nothing makes write(2) return at once
 * on all of them: O_NONBLOCK would be the other holders' as well, opening
 * /proc/self/fd/2 anew takes rights that whoever gave up root has no more, Debian
 * 12's kernel has no RWF_NOWAIT for pipes, and no file heeds any of it. So only a
 * thread that nobody waits for writes there. The queue is a pipe of our own: the
 * kernel keeps its lines whole and in order, and it cannot grow.
 *
 * Owns the pipe and the thread, one for the process. Threads: log_queue_put and
 * _lost from any, the rest from the main one. Blocks: log_queue_end, for
 * LOG_END_MS twice at most. Errors: errno values; a line for which there is no
 * room, or that cannot be written, is counted as lost.
 */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX PIPE_BUF /* bytes, the line's end included: so many go into a pipe whole */
#define LOG_END_MS 250        /* for a log that is slow to be read, at the end */

/* Writes a line that says that so many were lost; its length. */
typedef size_t log_lost_line(uint64_t lost, char line[LOG_LINE_MAX]);

/* From now on lines are queued; before, and where this fails, they are written as they
 * come. lost_line: called on the queue's thread, once there is room again. */
int log_queue_open(log_lost_line *lost_line);

/* Has what is queued written from now on. */
int log_queue_start(void);

/* Adds a line, of 1 to LOG_LINE_MAX bytes with its end. */
void log_queue_put(const char *line, size_t len);

/* Lines lost so far. */
uint64_t log_queue_lost(void);

/* Waits until what is queued is written, as long as there is hope; then the process
 * ends, and nothing is logged any more. */
void log_queue_end(void);
