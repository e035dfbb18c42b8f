/*
 * pipe: a client of Redis's protocol that sends commands in pipelines, and costs next to nothing.
 *
 * One thread. Each connection sends so many commands in one send(2), takes all answers, and sends
 * the next. Commands are made before the clock starts. Prints how many were answered, and in how
 * many seconds; an error among the answers, or one that is no array of numbers, ends it.
 * Usage: pipe PORT CONNECTIONS DEPTH SECONDS WORD...
 * A word that holds __rand_int__ gets a number of six digits there, another one in each command.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { NUMBERS = 100000, LOADS = 256, ROOM = 1 << 20, EVENTS_MAX = 64 };
static const char place[] = "__rand_int__";

struct connection {
    int fd;
    unsigned lines; /* of the answers that have come */
    char is_inside; /* the last byte did not end a line */
};

/* What is sent at a time. */
static struct {
    char *bytes;
    size_t len;
} loads[LOADS];
static unsigned lines_wanted; /* of all answers to a load; 0: no answer has come yet */

static void fail(const char *what)
{
    fprintf(stderr, "pipe: %s\n", what);
    exit(1);
}

/* A number that seems to be chance, the same in every run. */
static unsigned next_number(void)
{
    static unsigned long long state = 1;
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(state >> 33) % NUMBERS;
}

static size_t write_word(char *to, const char *word)
{
    char text[256];
    const char *at = strstr(word, place);
    if (at == NULL)
        snprintf(text, sizeof text, "%s", word);
    else
        snprintf(text, sizeof text, "%.*s%06u%s", (int)(at - word), word, next_number(),
                 at + strlen(place));
    return (size_t)sprintf(to, "$%zu\r\n%s\r\n", strlen(text), text);
}

static void make_loads(unsigned depth, char **words, int count)
{
    static char room[ROOM];
    for (unsigned i = 0; i < LOADS; i++) {
        size_t len = 0;
        for (unsigned command = 0; command < depth; command++) {
            if (len > ROOM / 2)
                fail("the commands of a pipeline are too long");
            len += (size_t)sprintf(room + len, "*%d\r\n", count);
            for (int word = 0; word < count; word++)
                len += write_word(room + len, words[word]);
        }
        loads[i].bytes = malloc(len);
        loads[i].len = len;
        if (loads[i].bytes == NULL)
            fail("no memory");
        memcpy(loads[i].bytes, room, len);
    }
}

/* The next load in turn. */
static void send_load(const struct connection *connection)
{
    static unsigned next;
    unsigned load = next++ % LOADS;
    if (send(connection->fd, loads[load].bytes, loads[load].len, MSG_NOSIGNAL) !=
        (ssize_t)loads[load].len)
        fail("cannot send");
}

static void begin(struct connection *connection, int epoll, unsigned short port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    int on = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        fail("cannot connect");
    send_load(connection);
}

/* The first answer says how many lines there are to each. */
static void begin_line(const char *line, unsigned depth)
{
    if (*line == '-')
        fail(line);
    if (lines_wanted == 0 && *line != '*')
        fail("the answer is no array");
    if (lines_wanted == 0)
        lines_wanted = depth * (1 + (unsigned)atoi(line + 1));
}

/* Whether all answers to its load are there. */
static int take(struct connection *connection, unsigned depth)
{
    static char bytes[256 * 1024];
    ssize_t len = recv(connection->fd, bytes, sizeof bytes - 1, 0);
    if (len <= 0)
        fail("the server has closed a connection");
    bytes[len] = '\0';
    for (char *at = bytes, *end; at < bytes + len; at = end + 1) {
        if (!connection->is_inside)
            begin_line(at, depth);
        end = strchr(at, '\n');
        connection->is_inside = end == NULL;
        if (end == NULL)
            break;
        connection->lines++;
    }
    if (connection->lines < lines_wanted)
        return 0;
    connection->lines = 0;
    return 1;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS_MAX];
    if (argc < 6)
        fail("usage: pipe PORT CONNECTIONS DEPTH SECONDS WORD...");
    unsigned count = (unsigned)atoi(argv[2]), depth = (unsigned)atoi(argv[3]);
    struct connection *connections = calloc(count, sizeof connections[0]);
    int epoll = epoll_create1(0);
    if (connections == NULL || epoll < 0)
        fail("no memory");
    make_loads(depth, argv + 5, argc - 5);
    double began_s = now_s(), until_s = began_s + atof(argv[4]);
    unsigned long answered = 0;
    for (unsigned i = 0; i < count; i++)
        begin(&connections[i], epoll, (unsigned short)atoi(argv[1]));
    while (now_s() < until_s) {
        int ready = epoll_wait(epoll, events, EVENTS_MAX, 1000);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!take(connection, depth))
                continue;
            answered += depth;
            send_load(connection);
        }
    }
    printf("%lu %.6f\n", answered, now_s() - began_s);
    return 0;
}
