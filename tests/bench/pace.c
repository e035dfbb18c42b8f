/*
 * pace: requests at a constant rate, and how long each took from when it was due.
 *
 * wrk and h2load ask again when an answer is there, so a server that stalls is asked less while
 * it does, and most of those who would have waited are never counted. Here the schedule is
 * fixed: request i is due at the start + i / rate, and what it took is counted from then,
 * whether it could be sent in time or had to wait because every connection was still busy.
 *
 * On a machine that others use the generator itself is sometimes off its core for
 * milliseconds, and would take that for the server's slowness. It notices, for between two
 * looks at the clock it does no more than one system call. What was under way then, or due in
 * twice that time afterwards, while the schedule is caught up with, is not counted, whatever it
 * took; how much that was is told. The server has no part in when that happens.
 *
 * When the server is off its core nobody notices. So besides the percentiles of all there is
 * the p99 of each tenth of a second, and the median of those: long enough for whatever a server
 * does on a timer, short enough for most to have nothing in them that is not its own.
 *
 * Owns: its connections, and a figure a request. Threads: none. Blocks: never with
 * "spin", for whoever has a core of its own; else until the next request is due, and
 * then it cannot notice and counts everything.
 * Errors: any answer but 200, or a connection that ends, is fatal.
 *
 * usage: pace PORT TARGET RATE SECONDS CONNECTIONS spin|sleep [KEYS]
 * A TARGET of "resp:WORD WORD..." is a command of Redis's protocol, whose answer is a number, or an array of numbers.
 * With KEYS above 1 the target ends in a number of 12 digits, and each request has another one below KEYS.
 * prints: requests counted, those not, p99_us of tenths, p50_us, p90_us, p99_us, p99.9_us, longest_us
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWER_MAX = 4096,
    EVENTS = 64,
    NUMBER_LEN = 12,
};
static const uint64_t second_ns = 1000000000;
/* Before what is counted: caches and queues become what they will be. */
static const uint64_t warm_up_ns = 100000000;
/* No system call of a generator that has its core takes as long. */
static const uint64_t away_ns = 50000;

static const uint64_t slice_ns = 100000000;

struct figure {
    uint32_t slice; /* in which it was due */
    uint32_t took_ns;
};

struct connection {
    int fd;
    uint64_t due_ns; /* when its request was */
    size_t filled;
    char answer[ANSWER_MAX];
};

static struct {
    char request[512];
    size_t request_len;
    bool is_resp;
    char *number; /* in the request: 12 digits */
    uint64_t keys, dice;
    struct connection *connections;
    size_t count;
    size_t *idle; /* a ring of those without a request, longest first */
    size_t idle_first, idle_count;
    struct figure *figures;
    size_t figure_count, room;
    size_t spoilt_count;
    uint64_t count_from_ns;
    bool spins;
    uint64_t looked_ns; /* at the clock, last */
    uint64_t spoilt_ns; /* what was due before is not counted any more */
} pace;

static void die(const char *what)
{
    fprintf(stderr, "pace: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec spec;
    clock_gettime(CLOCK_MONOTONIC, &spec);
    uint64_t now = (uint64_t)spec.tv_sec * second_ns + (uint64_t)spec.tv_nsec;
    uint64_t since_ns = now - pace.looked_ns;
    if (pace.spins && pace.looked_ns != 0 && since_ns > away_ns &&
        now + 2 * since_ns > pace.spoilt_ns)
        pace.spoilt_ns = now + 2 * since_ns;
    pace.looked_ns = now;
    return now;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        die("no memory");
    return memory;
}

static void idle_push(size_t which)
{
    pace.idle[(pace.idle_first + pace.idle_count++) % pace.count] = which;
}

static size_t idle_pop(void)
{
    size_t which = pace.idle[pace.idle_first];
    pace.idle_first = (pace.idle_first + 1) % pace.count;
    pace.idle_count--;
    return which;
}

static void connect_all(uint16_t port, int epoll)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < pace.count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            die("cannot connect");
        pace.connections[i].fd = fd;
        idle_push(i);
    }
}

static void count(uint64_t due_ns, uint64_t now)
{
    uint64_t took_ns = now - due_ns;
    if (due_ns < pace.count_from_ns)
        return;
    if (due_ns < pace.spoilt_ns)
        pace.spoilt_count++;
    else if (pace.figure_count < pace.room)
        pace.figures[pace.figure_count++] =
            (struct figure){(uint32_t)((due_ns - pace.count_from_ns) / slice_ns),
                            took_ns < UINT32_MAX ? (uint32_t)took_ns : UINT32_MAX};
}

/* splitmix64 (Steele, Lea and Flood, 2014). */
static uint64_t roll(void)
{
    uint64_t mixed = pace.dice += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

/* The request is about another key. */
static void choose_key(void)
{
    uint64_t number = roll() % pace.keys;
    for (int at = NUMBER_LEN - 1; at >= 0; at--, number /= 10)
        pace.number[at] = (char)('0' + number % 10);
}

/* Sends all that is due, as far as connections are free; gives when the next will be due. */
static uint64_t send_due(uint64_t due_ns, double interval_ns, uint64_t begun_ns, uint64_t *sent)
{
    while (pace.idle_count > 0 && now_ns() >= due_ns) {
        struct connection *connection = &pace.connections[idle_pop()];
        if (pace.keys > 1)
            choose_key();
        ssize_t written = send(connection->fd, pace.request, pace.request_len, MSG_NOSIGNAL);
        if (written != (ssize_t)pace.request_len)
            die("cannot send");
        connection->due_ns = due_ns;
        due_ns = begun_ns + (uint64_t)((double)++*sent * interval_ns);
    }
    return due_ns;
}

/* How long a whole answer of Redis's protocol is, or 0 while it is not there: a line, or as many more as it says. */
static size_t resp_answer_len(const struct connection *connection)
{
    const char *line = connection->answer, *end;
    if (line[0] != ':' && line[0] != '*')
        die("an answer is no number, nor an array of them");
    for (unsigned long more = line[0] == '*' ? strtoul(line + 1, NULL, 10) : 0;; more--) {
        end = strchr(line, '\n');
        if (end == NULL || more == 0)
            break;
        line = end + 1;
    }
    return end == NULL ? 0 : (size_t)(end + 1 - connection->answer);
}

/* How long a whole answer is, or 0 while its header is not there. */
static size_t http_answer_len(const struct connection *connection)
{
    static const char field[] = "content-length:";
    const char *end = memmem(connection->answer, connection->filled, "\r\n\r\n", 4);
    const char *line = connection->answer;
    if (end == NULL)
        return 0;
    if (strncmp(connection->answer, "HTTP/1.1 200", 12) != 0)
        die("an answer is not 200");
    while (line < end && strncasecmp(line, field, sizeof field - 1) != 0)
        line = (const char *)memchr(line, '\n', (size_t)(end - line) + 2) + 1;
    if (line >= end)
        die("an answer says no Content-Length");
    return (size_t)(end - connection->answer) + 4 + strtoul(line + sizeof field - 1, NULL, 10);
}

static void receive(size_t which)
{
    struct connection *connection = &pace.connections[which];
    ssize_t got = recv(connection->fd, connection->answer + connection->filled,
                       sizeof connection->answer - 1 - connection->filled, 0);
    if (got <= 0)
        die("a connection ended");
    connection->filled += (size_t)got;
    connection->answer[connection->filled] = '\0';
    size_t len = pace.is_resp ? resp_answer_len(connection) : http_answer_len(connection);
    if (len == 0 || connection->filled < len)
        return;
    count(connection->due_ns, now_ns());
    connection->filled = 0;
    idle_push(which);
}

static void wait_for_events(int epoll, uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    struct timespec patience = {0, 0};
    uint64_t now = now_ns();
    if (!pace.spins && pace.idle_count == 0)
        patience.tv_sec = 1;
    else if (!pace.spins && until_ns > now)
        patience = (struct timespec){(time_t)((until_ns - now) / second_ns),
                                     (long)((until_ns - now) % second_ns)};
    int ready = epoll_pwait2(epoll, events, EVENTS, &patience, NULL);
    if (ready < 0 && errno != EINTR)
        die("cannot wait");
    for (int i = 0; i < ready; i++)
        receive(events[i].data.u64);
}

static int by_took(const void *a, const void *b)
{
    const struct figure *one = a, *other = b;
    return (one->took_ns > other->took_ns) - (one->took_ns < other->took_ns);
}

static int by_slice(const void *a, const void *b)
{
    const struct figure *one = a, *other = b;
    return one->slice != other->slice ? (one->slice > other->slice) - (one->slice < other->slice)
                                      : by_took(a, b);
}

static double percentile_us(const struct figure *sorted, size_t count, double part)
{
    return count == 0 ? 0 : sorted[(size_t)((double)(count - 1) * part)].took_ns / 1e3;
}

/* The median of the slices' p99; leaves the figures in another order. */
static double p99_of_slices_us(void)
{
    struct figure *p99 = allocate(pace.figure_count + 1, sizeof *p99);
    size_t slices = 0;
    qsort(pace.figures, pace.figure_count, sizeof *pace.figures, by_slice);
    for (size_t from = 0, to; from < pace.figure_count; from = to) {
        for (to = from;
             to < pace.figure_count && pace.figures[to].slice == pace.figures[from].slice;)
            to++;
        p99[slices++] = pace.figures[from + (to - from - 1) * 99 / 100];
    }
    qsort(p99, slices, sizeof *p99, by_took);
    double median_us = percentile_us(p99, slices, 0.5);
    free(p99);
    return median_us;
}

static void run(double rate, double seconds, int epoll)
{
    double interval_ns = (double)second_ns / rate;
    uint64_t begun_ns = now_ns(), due_ns = begun_ns, sent = 0;
    uint64_t end_ns = begun_ns + warm_up_ns + (uint64_t)(seconds * (double)second_ns);
    pace.count_from_ns = begun_ns + warm_up_ns;
    pace.dice = begun_ns;
    while (due_ns < end_ns) {
        due_ns = send_due(due_ns, interval_ns, begun_ns, &sent);
        wait_for_events(epoll, due_ns);
    }
    while (pace.idle_count < pace.count)
        wait_for_events(epoll, now_ns() + second_ns);
}

/* Adds to the request. */
__attribute__((format(printf, 1, 2))) static void add(const char *format, ...)
{
    va_list arguments;
    size_t room = sizeof pace.request - pace.request_len;
    va_start(arguments, format);
    int added = vsnprintf(pace.request + pace.request_len, room, format, arguments);
    va_end(arguments);
    if (added < 0 || (size_t)added >= room)
        die("the request is too long");
    pace.request_len += (size_t)added;
}

/* words: separated by single blanks. */
static void write_command(const char *words)
{
    unsigned count = 1;
    for (const char *at = words; (at = strchr(at, ' ')) != NULL; at++)
        count++;
    add("*%u\r\n", count);
    for (size_t len; count > 0; count--, words += len + 1) {
        len = strcspn(words, " ");
        add("$%zu\r\n%.*s\r\n", len, (int)len, words);
    }
}

static void write_request(const char *target)
{
    pace.is_resp = strncmp(target, "resp:", 5) == 0;
    if (pace.is_resp)
        write_command(target + 5);
    else
        add("GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", target);
}

int main(int argc, char **argv)
{
    if (argc != 7 && argc != 8) {
        fprintf(stderr, "usage: pace PORT TARGET RATE SECONDS CONNECTIONS spin|sleep [KEYS]\n");
        return 2;
    }
    double rate = atof(argv[3]), seconds = atof(argv[4]);
    int epoll = epoll_create1(0);
    pace.count = strtoul(argv[5], NULL, 10);
    if (rate <= 0 || seconds <= 0 || pace.count == 0 || epoll < 0)
        die("rate, seconds and connections have to be above 0");
    pace.keys = argc == 8 ? strtoull(argv[7], NULL, 10) : 1;
    if (pace.keys > 1 &&
        (strlen(argv[2]) < NUMBER_LEN ||
         strspn(argv[2] + strlen(argv[2]) - NUMBER_LEN, "0123456789") != NUMBER_LEN))
        die("the target does not end in 12 digits");
    write_request(argv[2]);
    if (pace.keys > 1 && pace.is_resp)
        die("a command is about one key");
    pace.number = pace.request + strlen("GET ") + strlen(argv[2]) - NUMBER_LEN;
    pace.room = (size_t)(rate * seconds) + 1;
    pace.figures = allocate(pace.room, sizeof *pace.figures);
    pace.idle = allocate(pace.count, sizeof *pace.idle);
    pace.connections = allocate(pace.count, sizeof *pace.connections);
    connect_all((uint16_t)atoi(argv[1]), epoll);
    pace.spins = strcmp(argv[6], "spin") == 0;
    run(rate, seconds, epoll);

    static const double parts[] = {0.5, 0.9, 0.99, 0.999, 1};
    printf("%zu %zu %.2f", pace.figure_count, pace.spoilt_count, p99_of_slices_us());
    qsort(pace.figures, pace.figure_count, sizeof *pace.figures, by_took);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        printf(" %.2f", percentile_us(pace.figures, pace.figure_count, parts[i]));
    printf("\n");
    return 0;
}
