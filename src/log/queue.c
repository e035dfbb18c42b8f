#include "log/queue.h"

#include "base/clock.h"
#include "base/quantity.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* CHUNK_BYTES: what one read takes, which is all that a pipe holds by default. */
enum { CHUNK_BYTES = 64 * 1024, GATHER_NS = 1000000 };

/* Queued behind the last line, to say that it was the last. No line holds this byte. */
static const char end_mark = '\0';

static struct {
    int out, in; /* a pipe; -1: it is not open */
    bool is_started;
    bool is_torn; /* what was written last was cut off before the line's end */
    log_lost_line *lost_line;
    atomic_uint_fast64_t lost;
    uint64_t told; /* how many of the lost the log has told of */
    pthread_t thread;
    sem_t ended;
    char chunk[CHUNK_BYTES];
} queue = {.out = -1, .in = -1};

/* ---- out: the thread's part ---- */

static bool can_write(int descriptor, int timeout_ms)
{
    struct pollfd output = {.fd = descriptor, .events = POLLOUT};
    return poll(&output, 1, timeout_ms) == 1;
}

/* Writes bytes, however long it takes. false: they cannot be written, or not all. */
static bool write_all(const char *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t written = write(STDERR_FILENO, bytes + done, len - done);
        if (written >= 0)
            done += (size_t)written;
        else if (errno == EAGAIN) /* another process has made it non-blocking */
            can_write(STDERR_FILENO, -1);
        else if (errno != EINTR)
            return queue.is_torn = queue.is_torn || done > 0, false;
    }
    return true;
}

static bool write_line(const char *line, size_t len)
{
    if (queue.is_torn && !write_all("\n", 1))
        return false;
    queue.is_torn = false;
    return write_all(line, len);
}

static void lose_one(void)
{
    atomic_fetch_add_explicit(&queue.lost, 1, memory_order_relaxed);
}

/* Tells, behind a chunk, of the lines that were lost by the time it was taken out: those lines
 * found the queue full of that chunk. */
static void tell_lost(uint64_t lost)
{
    char line[LOG_LINE_MAX];
    if (lost == queue.told)
        return;
    size_t len = queue.lost_line(lost - queue.told, line);
    if (write_line(line, len))
        queue.told = lost;
}

/* Writes the whole lines of a chunk. *ended: the end mark came behind them. Moves the part of a
 * line that is left to the front, and returns its length. */
static size_t write_chunk(size_t len, bool *ended)
{
    size_t done = 0;
    const char *end;
    while (done < len && (end = memchr(queue.chunk + done, '\n', len - done)) != NULL) {
        size_t line_len = (size_t)(end - queue.chunk) + 1 - done;
        if (!write_line(queue.chunk + done, line_len))
            lose_one();
        done += line_len;
    }
    *ended = done < len && queue.chunk[done] == end_mark;
    memmove(queue.chunk, queue.chunk + done, len - done);
    return len - done;
}

/* Waits for a line, then a millisecond for more: they go out together, and a thread that logs
 * many lines is not interrupted by this one after each. */
static void gather(void)
{
    const struct timespec moment = {.tv_nsec = GATHER_NS};
    struct pollfd lines = {.fd = queue.out, .events = POLLIN};
    poll(&lines, 1, -1);
    nanosleep(&moment, NULL);
}

static void *run(void *unused)
{
    size_t len = 0;
    (void)unused;
    thread_name("log");
    for (bool ended = false; !ended;) {
        gather();
        ssize_t got = read(queue.out, queue.chunk + len, sizeof queue.chunk - len);
        uint64_t lost = log_queue_lost();
        if (got <= 0)
            continue;
        len = write_chunk(len + (size_t)got, &ended);
        tell_lost(lost);
    }
    sem_post(&queue.ended);
    return NULL;
}

/* ---- in ---- */

int log_queue_open(log_lost_line *lost_line)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    if (fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0 || sem_init(&queue.ended, 0, 0) != 0) {
        int error = errno;
        close(ends[0]);
        close(ends[1]);
        return error;
    }
    queue.lost_line = lost_line;
    queue.out = ends[0];
    queue.in = ends[1];
    return 0;
}

int log_queue_start(void)
{
    int error = thread_start(&queue.thread, run, NULL);
    queue.is_started = error == 0;
    return error;
}

void log_queue_put(const char *line, size_t len)
{
    bool is_taken = queue.in >= 0 ? write(queue.in, line, len) == (ssize_t)len
                                  : can_write(STDERR_FILENO, 0) && write_line(line, len);
    if (!is_taken)
        lose_one();
}

uint64_t log_queue_lost(void)
{
    return atomic_load_explicit(&queue.lost, memory_order_relaxed);
}

/* ---- the end ---- */

/* Writes what is queued where the thread was never started: the daemon's start has failed. */
static void write_unstarted(void)
{
    int out = queue.out;
    fcntl(out, F_SETFL, O_NONBLOCK);
    close(queue.in);
    queue.in = -1;
    ssize_t got = read(out, queue.chunk, sizeof queue.chunk);
    for (ssize_t done = 0; done < got;) {
        const char *line = queue.chunk + done, *end = memchr(line, '\n', (size_t)(got - done));
        if (end == NULL)
            break;
        log_queue_put(line, (size_t)(end + 1 - line));
        done = end + 1 - queue.chunk;
    }
    close(out);
    queue.out = -1;
}

/* Whether the end mark has room, which is waited for. */
static bool has_room(void)
{
    return can_write(queue.in, LOG_END_MS);
}

/* Whether the thread has come to the end mark, which is waited for. */
static bool has_ended(void)
{
    uint64_t deadline_ns = clock_now_ns(&clock_system) + LOG_END_MS * (uint64_t)NS_PER_MS;
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / NS_PER_S),
        .tv_nsec = (long)(deadline_ns % NS_PER_S),
    };
    while (sem_clockwait(&queue.ended, CLOCK_MONOTONIC, &deadline) != 0)
        if (errno != EINTR)
            return false;
    return true;
}

/* Goes on waiting for the thread where standard error has room: it is the processor that is busy then. */
static bool await(bool (*is_so)(void))
{
    for (unsigned i = 0; i < LOG_END_MOST_MS / LOG_END_MS; i++) {
        if (is_so())
            return true;
        if (!can_write(STDERR_FILENO, 0))
            break;
    }
    return false;
}

void log_queue_end(void)
{
    if (queue.out < 0)
        return;
    if (!queue.is_started) {
        write_unstarted();
        return;
    }
    if (await(has_room) && write(queue.in, &end_mark, 1) == 1 && await(has_ended))
        pthread_join(queue.thread, NULL);
}
