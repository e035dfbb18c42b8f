#include "daemon/notify.h"

#include "base/quantity.h"
#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { WORDS_MAX = 512 };
#define NS_PER_US 1000u
#define US_PER_MS 1000u

/* ---- what the environment says ---- */

/* A path, or "@" and a name in the abstract namespace, whose first byte is 0. */
static bool parse_socket(const char *text, struct notify *notify)
{
    size_t len = strlen(text);
    bool is_abstract = text[0] == '@';
    if ((text[0] != '/' && !is_abstract) || len < 2 || len >= sizeof notify->to.sun_path)
        return false;
    notify->to.sun_family = AF_UNIX;
    memcpy(notify->to.sun_path, text, len + 1);
    if (is_abstract)
        notify->to.sun_path[0] = '\0';
    size_t used = is_abstract ? len : len + 1;
    notify->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + used);
    return true;
}

static void open_socket(struct notify *notify)
{
    const char *text = getenv("NOTIFY_SOCKET");
    const struct timeval patience = {.tv_sec = 1};
    if (text == NULL || text[0] == '\0')
        return;
    if (!parse_socket(text, notify)) {
        log_warning("NOTIFY_SOCKET is \"%s\", neither an absolute path nor \"@\" and a name, of at "
                    "most 107 bytes; the service manager is told nothing",
                    text);
        return;
    }
    notify->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->socket < 0)
        log_warning("cannot open a socket for NOTIFY_SOCKET: %s", strerror(errno));
    else
        setsockopt(notify->socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

/* Reads a number from the environment. false: it is not there, or it is not a number, which is
 * logged. */
static bool read_number(const char *name, uint64_t most, uint64_t *number)
{
    const char *text = getenv(name);
    if (text == NULL)
        return false;
    if (quantity_parse_number(text, strlen(text), 1, most, number) == QUANTITY_OK)
        return true;
    log_warning("%s is \"%s\", which is no number from 1 to %" PRIu64 "; there is no watchdog",
                name, text, most);
    return false;
}

static uint64_t read_watchdog_ns(void)
{
    uint64_t us, pid;
    if (!read_number("WATCHDOG_USEC", UINT64_MAX / NS_PER_US, &us))
        return 0;
    if (getenv("WATCHDOG_PID") != NULL &&
        (!read_number("WATCHDOG_PID", INT_MAX, &pid) || pid != (uint64_t)getpid()))
        return 0;
    return us * NS_PER_US;
}

/* ---- telling ---- */

/* The socket is not connected, because the manager may have bound a new one to the path. */
static void tell(struct notify *notify, const char *words)
{
    if (notify->socket < 0)
        return;
    if (sendto(notify->socket, words, strlen(words), MSG_NOSIGNAL,
               (const struct sockaddr *)&notify->to, notify->to_len) >= 0) {
        notify->has_arrived = true;
    } else if (!notify->has_arrived && !notify->has_failed) {
        notify->has_failed = true;
        log_warning("cannot tell the service manager at NOTIFY_SOCKET: %s", strerror(errno));
    }
}

static void tell_fd(struct notify *notify)
{
    if (notify->ready_fd == NOTIFY_NO_FD)
        return;
    if (write(notify->ready_fd, "\n", 1) != 1)
        log_warning("cannot tell descriptor %d of --ready-fd: %s", notify->ready_fd,
                    strerror(errno));
    close(notify->ready_fd);
    notify->ready_fd = NOTIFY_NO_FD;
}

void notify_ready(struct notify *notify, const char *status)
{
    char words[WORDS_MAX];
    snprintf(words, sizeof words, "READY=1\nSTATUS=%s", status);
    tell(notify, words);
    tell_fd(notify);
}

void notify_reloading(struct notify *notify, uint64_t now_ns)
{
    char words[WORDS_MAX];
    snprintf(words, sizeof words, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reloading",
             now_ns / NS_PER_US);
    tell(notify, words);
}

void notify_stopping(struct notify *notify, const char *status, uint64_t within_ms)
{
    char words[WORDS_MAX];
    int len = snprintf(words, sizeof words, "STOPPING=1\nSTATUS=%s", status);
    if (within_ms > 0)
        snprintf(words + len, sizeof words - (size_t)len, "\nEXTEND_TIMEOUT_USEC=%" PRIu64,
                 within_ms * US_PER_MS);
    tell(notify, words);
}

void notify_alive(struct notify *notify)
{
    tell(notify, "WATCHDOG=1");
}

/* ---- life ---- */

bool notify_parse_fd(const char *text, int *fd)
{
    uint64_t number;
    if (quantity_parse_number(text, strlen(text), STDERR_FILENO + 1, INT_MAX, &number) !=
        QUANTITY_OK)
        return false;
    int flags = fcntl((int)number, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return false;
    *fd = (int)number;
    return true;
}

void notify_open(struct notify *notify, int ready_fd)
{
    *notify = (struct notify){.socket = -1, .ready_fd = ready_fd};
    open_socket(notify);
    if (notify->socket >= 0)
        notify->watchdog_ns = read_watchdog_ns();
}

void notify_close(const struct notify *notify)
{
    if (notify->socket >= 0)
        close(notify->socket);
}
