/* The log: never waits, whatever standard error is; keeps lines whole; counts and tells what it
 * loses. */
#include "log/log.h"
#include "support/unit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, LINES = 5000, PATIENCE_S = 60 };

/* ---- what standard error can be: what is written to `in` is read from `out` ---- */

static bool open_pipe(int *out, int *in)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    return *out = ends[0], *in = ends[1], true;
}

/* What the journal gives its services. */
static bool open_socket(int *out, int *in)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return false;
    return *out = ends[0], *in = ends[1], true;
}

static bool open_terminal(int *out, int *in)
{
    *out = posix_openpt(O_RDWR | O_NOCTTY);
    if (*out < 0 || grantpt(*out) != 0 || unlockpt(*out) != 0)
        return false;
    *in = open(ptsname(*out), O_RDWR | O_NOCTTY);
    return *in >= 0;
}

/* ---- a process that logs ---- */

struct logger {
    pid_t process;
    int out;  /* our end of its standard error */
    int told; /* what it says when its threads are through: how many lines were lost */
    int go;   /* to be closed when it may end */
};

static void *log_lines(void *argument)
{
    unsigned thread = *(unsigned *)argument;
    for (unsigned i = 0; i < LINES; i++)
        log_info(
            "thread %u line %u [%.*s]", thread, i, (int)(i * 7 % 300),
            "...................................................................................................."
            "...................................................................................................."
            "....................................................................................................");
    return NULL;
}

/* This program, started anew: its standard error is what is to be logged to. */
static _Noreturn void run_logger(int told, int go)
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    char byte;
    alarm(PATIENCE_S);
    signal(SIGPIPE, SIG_IGN);
    if (log_open() != 0 || log_start() != 0)
        _exit(1);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, log_lines, &numbers[i]) != 0)
            _exit(2);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint64_t lost = log_lines_lost();
    if ((fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK) != 0 ||
        write(told, &lost, sizeof lost) != sizeof lost || read(go, &byte, 1) != 0)
        _exit(3);
    log_end();
    _exit(0);
}

static const char *program;

static struct logger start_logger(bool (*open_ends)(int *out, int *in))
{
    struct logger logger;
    int in = -1, told_in = -1, go_out = -1;
    assert_true(open_ends(&logger.out, &in));
    assert_true(open_pipe(&logger.told, &told_in) && open_pipe(&go_out, &logger.go));
    char told_text[16], go_text[16];
    snprintf(told_text, sizeof told_text, "%d", told_in);
    snprintf(go_text, sizeof go_text, "%d", go_out);
    logger.process = fork();
    assert_true(logger.process >= 0);
    if (logger.process == 0) {
        close(logger.go);
        close(logger.out);
        dup2(in, STDERR_FILENO);
        execl(program, program, told_text, go_text, (char *)NULL);
        _exit(4);
    }
    close(in);
    close(told_in);
    close(go_out);
    return logger;
}

/* Once its threads are through, which must not take a reader: lines lost. */
static uint64_t await_threads(const struct logger *logger)
{
    uint64_t lost;
    assert_int_equal(read(logger->told, &lost, sizeof lost), sizeof lost);
    return lost;
}

/* ---- its log ---- */

struct seen {
    uint64_t lines, told_lost;
    unsigned next[THREADS]; /* the least number that the next line of a thread may have */
};

static void judge_line(const char *line, struct seen *seen)
{
    unsigned thread, number;
    uint64_t lost;
    int len = 0;
    if (sscanf(line, "allowd: warning: %" SCNu64 " log line", &lost) == 1) {
        assert_true(lost > 0);
        seen->told_lost += lost;
        return;
    }
    assert_int_equal(sscanf(line, "allowd: thread %u line %u [%n", &thread, &number, &len), 2);
    assert_true(thread < THREADS && number >= seen->next[thread] && number < LINES);
    seen->next[thread] = number + 1;
    seen->lines++;
    size_t dots = strspn(line + len, ".");
    assert_int_equal(dots, number * 7 % 300);
    assert_string_equal(line + len + dots, "]");
}

/* Reads at most so many bytes; false: that was the end. */
static bool read_log(const struct logger *logger, size_t most, struct seen *seen)
{
    static char text[8192];
    static size_t len; /* of what has no end yet; none at the end of a log */
    char *end;
    ssize_t got =
        read(logger->out, text + len, most < sizeof text - len ? most : sizeof text - len);
    if (got <= 0) /* of a terminal, the end is an error */
        return assert_int_equal(len, 0), false;
    len += (size_t)got;
    while ((end = memchr(text, '\n', len)) != NULL) {
        *end = '\0';
        if (end > text && end[-1] == '\r')
            end[-1] = '\0';
        judge_line(text, seen);
        len -= (size_t)(end + 1 - text);
        memmove(text, end + 1, len);
    }
    return true;
}

/* The log's end waits for its reader for a time that a busy machine misses, so all is read before that. */
static void judge_end(const struct logger *logger, struct seen *seen, uint64_t lost)
{
    int status;
    while (seen->lines + seen->told_lost < THREADS * LINES)
        assert_true(read_log(logger, SIZE_MAX, seen));
    close(logger->go);
    while (read_log(logger, SIZE_MAX, seen))
        ;
    assert_int_equal(waitpid(logger->process, &status, 0), logger->process);
    assert_int_equal(status, 0);
    assert_int_equal(seen->told_lost, lost);
    assert_int_equal(seen->lines + lost, THREADS * LINES);
    close(logger->out);
    close(logger->told);
}

/* Nobody reads until all threads are through with all their lines. */
static void log_without_a_reader(bool (*open_ends)(int *out, int *in))
{
    struct seen seen = {0};
    struct logger logger = start_logger(open_ends);
    uint64_t lost = await_threads(&logger);
    assert_true(lost > 0);
    judge_end(&logger, &seen, lost);
    assert_true(seen.lines > 0);
}

static void a_pipe_without_a_reader_holds_nobody(void **unused)
{
    (void)unused;
    log_without_a_reader(open_pipe);
}

static void a_socket_without_a_reader_holds_nobody(void **unused)
{
    (void)unused;
    log_without_a_reader(open_socket);
}

static void a_terminal_without_a_reader_holds_nobody(void **unused)
{
    (void)unused;
    log_without_a_reader(open_terminal);
}

/* A few bytes at a time, with a system call for each. */
static void a_slow_reader_gets_whole_lines(void **unused)
{
    (void)unused;
    struct seen seen = {0};
    struct logger logger = start_logger(open_pipe);
    while (seen.lines < 200) /* there are more than that, whatever is lost */
        assert_true(read_log(&logger, 7, &seen));
    judge_end(&logger, &seen, await_threads(&logger));
}

static void a_reader_that_keeps_up_gets_all_or_is_told(void **unused)
{
    (void)unused;
    struct seen seen = {0};
    struct logger logger = start_logger(open_socket);
    while (seen.lines + seen.told_lost < THREADS * LINES / 2)
        assert_true(read_log(&logger, SIZE_MAX, &seen));
    judge_end(&logger, &seen, await_threads(&logger));
}

/* ---- where nothing can be written ---- */

static bool open_full(int *out, int *in)
{
    *out = open("/dev/null", O_RDONLY);
    *in = open("/dev/full", O_WRONLY);
    return *out >= 0 && *in >= 0;
}

static bool open_readerless(int *out, int *in)
{
    bool is_open = open_pipe(out, in);
    close(*out);
    *out = open("/dev/null", O_RDONLY);
    return is_open && *out >= 0;
}

static void what_takes_nothing_holds_nobody(bool (*open_ends)(int *out, int *in))
{
    int status;
    struct logger logger = start_logger(open_ends);
    assert_true(await_threads(&logger) <= THREADS * LINES);
    close(logger.go);
    assert_int_equal(waitpid(logger.process, &status, 0), logger.process);
    assert_int_equal(status, 0);
    close(logger.out);
    close(logger.told);
}

static void a_full_disk_holds_nobody(void **unused)
{
    (void)unused;
    what_takes_nothing_holds_nobody(open_full);
}

static void a_pipe_whose_reader_has_gone_holds_nobody(void **unused)
{
    (void)unused;
    what_takes_nothing_holds_nobody(open_readerless);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        run_logger(atoi(argv[1]), atoi(argv[2]));
    program = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_without_a_reader_holds_nobody),
        cmocka_unit_test(a_socket_without_a_reader_holds_nobody),
        cmocka_unit_test(a_terminal_without_a_reader_holds_nobody),
        cmocka_unit_test(a_slow_reader_gets_whole_lines),
        cmocka_unit_test(a_reader_that_keeps_up_gets_all_or_is_told),
        cmocka_unit_test(a_full_disk_holds_nobody),
        cmocka_unit_test(a_pipe_whose_reader_has_gone_holds_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
