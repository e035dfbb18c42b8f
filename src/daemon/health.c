#include "daemon/health.h"

#include "base/clock.h"
#include "base/quantity.h"
#include "log/log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { ANSWER_MAX = 8192 }; /* bytes that are read of it, more than allowd sends */

bool health_path_is_valid(const char *path)
{
    bool is_one = strcmp(path, "/readyz") == 0 || strcmp(path, "/healthz") == 0;
    if (!is_one)
        log_error("--health: \"%s\" is no path of a health check; write /readyz or /healthz", path);
    return is_one;
}

/* 0 or an errno value. A connection that is not accepted for the time-out of sending is given up. */
static int connect_to(const struct address *address, int *connection)
{
    const struct timeval patience = {.tv_sec = HEALTH_PATIENCE_S};
    *connection = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*connection < 0)
        return errno;
    setsockopt(*connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(*connection, (const struct sockaddr *)&address->socket, address->socket_len) == 0)
        return 0;
    return errno == EINPROGRESS || errno == EAGAIN ? ETIMEDOUT : errno;
}

/* HTTP/1.0 needs no Host, and allowd closes the connection behind the answer. */
static int send_request(int connection, const char *path)
{
    char request[64];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
    return send(connection, request, (size_t)len, MSG_NOSIGNAL) == len ? 0 : errno;
}

/* Reads until the connection is closed, or as much as there is room for. */
static int read_answer(int connection, uint64_t due_ns, char answer[ANSWER_MAX])
{
    size_t len = 0;
    ssize_t got = 1;
    while (got > 0 && len < ANSWER_MAX - 1) {
        struct pollfd readable = {.fd = connection, .events = POLLIN};
        if (poll(&readable, 1, clock_ms_until(clock_now_ns(&clock_system), due_ns)) == 0)
            return ETIMEDOUT;
        got = recv(connection, answer + len, ANSWER_MAX - 1 - len, 0);
        len += got > 0 ? (size_t)got : 0;
    }
    answer[len] = '\0';
    return got < 0 ? errno : 0;
}

static int ask(const struct address *address, const char *path, char answer[ANSWER_MAX])
{
    uint64_t due_ns = clock_now_ns(&clock_system) + HEALTH_PATIENCE_S * (uint64_t)NS_PER_S;
    int connection;
    int error = connect_to(address, &connection);
    if (error == 0)
        error = send_request(connection, path);
    if (error == 0)
        error = read_answer(connection, due_ns, answer);
    if (connection >= 0)
        close(connection);
    return error;
}

/* The first line of the body, without its end; empty: there is none. */
static const char *body_line(char *answer)
{
    char *body = strstr(answer, "\r\n\r\n");
    if (body == NULL)
        return "";
    body += strlen("\r\n\r\n");
    body[strcspn(body, "\r\n")] = '\0';
    return body;
}

/* Another program may answer 200 to all that it is asked, and an allowd that is killed half an answer. */
static bool is_of_allowd(const char *line)
{
    static const char begin[] = "{\"status\":\"";
    const char *end = strrchr(line, '}');
    return strncmp(line, begin, strlen(begin)) == 0 && end != NULL && end[1] == '\0';
}

enum exit_status health_check(const struct address *address, const char *path, FILE *out)
{
    char name[ADDRESS_TEXT_MAX], answer[ANSWER_MAX];
    address_print(address, name);
    int error = ask(address, path, answer);
    if (error != 0) {
        log_error("%s: no answer: %s; -l ADDRESS says where to ask", name, strerror(error));
        return EXIT_STATUS_FAILURE;
    }
    const char *line = body_line(answer);
    if (strncmp(answer, "HTTP/1.1 200 ", strlen("HTTP/1.1 200 ")) != 0) {
        log_error("%s: GET %s: %.12s: %s", name, path, answer, line);
        return EXIT_STATUS_FAILURE;
    }
    if (!is_of_allowd(line)) {
        log_error("%s: GET %s: the answer is none of allowd's, or only a part of one: \"%.40s\"; "
                  "-l ADDRESS says where to ask",
                  name, path, line);
        return EXIT_STATUS_FAILURE;
    }
    return fprintf(out, "%s\n", line) >= 0 && fflush(out) == 0 ? EXIT_STATUS_OK
                                                               : EXIT_STATUS_FAILURE;
}
