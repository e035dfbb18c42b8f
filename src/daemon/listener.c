#include "daemon/listener.h"

#include "base/clock.h"
#include "base/quantity.h"
#include "daemon/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Removes a socket file if it refuses connections, because then its listener is gone. Anything that
 * is not a socket, or accepts, or cannot be tried, stays. */
static void remove_stale(const struct address *address)
{
    const char *path = address_unix_path(address);
    struct stat file;
    if (path == NULL || lstat(path, &file) != 0 || !S_ISSOCK(file.st_mode))
        return;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return;
    if (connect(probe, (const struct sockaddr *)&address->socket, address->socket_len) != 0 &&
        errno == ECONNREFUSED)
        unlink(path);
    close(probe);
}

/* Binds so that the file of a Unix socket has its mode from the moment it exists. */
static int bind_to(const struct listener *listener, const struct address *address, mode_t mode)
{
    bool is_for_file = address_unix_path(address) != NULL && mode != SOCKET_MODE_BY_UMASK;
    mode_t before = is_for_file ? umask(0777 & ~mode) : 0;
    int bound =
        bind(listener->socket, (const struct sockaddr *)&address->socket, address->socket_len);
    int error = bound == 0 ? 0 : errno;
    if (is_for_file)
        umask(before);
    return error;
}

static int set_group(const struct address *address, gid_t group)
{
    const char *path = address_unix_path(address);
    if (path == NULL || group == SOCKET_GROUP_OWN || lchown(path, (uid_t)-1, group) == 0)
        return 0;
    int error = errno;
    unlink(path);
    return error;
}

/* The group is set before listen(2): until then the socket refuses connections. */
static int bind_and_listen(struct listener *listener, const struct address *address,
                           const struct socket_access *sockets, const char **doing)
{
    int on = 1;
    *doing = "open a socket for";
    listener->socket =
        socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->socket < 0)
        return errno;
    setsockopt(listener->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->socket.ss_family == AF_INET6)
        setsockopt(listener->socket, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    *doing = "bind";
    int error = bind_to(listener, address, sockets->mode);
    if (error != 0)
        return error;
    *doing = "set the group of";
    error = set_group(address, sockets->group);
    if (error != 0)
        return error;
    *doing = "listen on";
    return listen(listener->socket, SOMAXCONN) == 0 ? 0 : errno;
}

/* An inherited socket's path may be one of a place that this process does not see. */
static void remember_file(struct listener *listener)
{
    const char *path = address_unix_path(&listener->address);
    struct stat file;
    if (path == NULL || lstat(path, &file) != 0 || !S_ISSOCK(file.st_mode))
        return;
    listener->device = file.st_dev;
    listener->inode = file.st_ino;
}

static void remember(struct listener *listener, const struct address *address)
{
    socklen_t len = sizeof listener->address.socket;
    listener->address = *address;
    if (address_unix_path(address) == NULL)
        getsockname(listener->socket, (struct sockaddr *)&listener->address.socket, &len);
    else
        remember_file(listener);
}

/* Locks the directory of a Unix socket's file. Between the moment that it sees a stale file and the
 * one that it listens on a new one, no other allowd may do the same. Closing the descriptor
 * unlocks. -1: the address is of another kind, there is no such directory, or somebody has held the
 * lock for longer than an allowd would. */
enum { LOCK_TRIES = 100, LOCK_TRY_MS = 10 };

static int lock_directory(const struct address *address, int most_tries)
{
    const char *path = address_unix_path(address);
    struct sockaddr_un copy;
    if (path == NULL)
        return -1;
    strcpy(copy.sun_path, path);
    int directory = open(dirname(copy.sun_path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int tries = 0; directory >= 0 && flock(directory, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK || tries == most_tries || signals_ended_by() != 0) {
            close(directory);
            return -1;
        }
        signals_await_end(LOCK_TRY_MS);
    }
    return directory;
}

static int try_to_open(struct listener *listener, const struct address *address,
                       const struct socket_access *sockets, int lock_tries, const char **doing)
{
    *listener = (struct listener){.socket = -1};
    int lock = lock_directory(address, lock_tries);
    if (lock >= 0)
        remove_stale(address);
    int error = bind_and_listen(listener, address, sockets, doing);
    if (lock >= 0)
        close(lock);
    if (error == 0) {
        remember(listener, address);
    } else if (listener->socket >= 0) {
        close(listener->socket);
        listener->socket = -1;
    }
    return error;
}

/* Whether the address may become free by itself: a file that is not a socket will not go away. */
static bool may_be_let_go(const struct address *address)
{
    const char *path = address_unix_path(address);
    struct stat file;
    return path == NULL || lstat(path, &file) != 0 || S_ISSOCK(file.st_mode);
}

enum { IN_USE_MS = 1000, IN_USE_TRY_MS = 20 };

/* Unlocks between tries, for other processes that start in that directory. */
int listener_open(struct listener *listener, const struct address *address,
                  const struct socket_access *sockets, const char **doing)
{
    uint64_t end_ns = clock_now_ns(&clock_system) + (uint64_t)IN_USE_MS * NS_PER_MS;
    for (;;) {
        int error = try_to_open(listener, address, sockets, LOCK_TRIES, doing);
        if (error != EADDRINUSE || !may_be_let_go(address) || clock_now_ns(&clock_system) >= end_ns)
            return error;
        if (signals_await_end(IN_USE_TRY_MS) != 0)
            return EINTR;
    }
}

bool listener_is_at_its_path(const struct listener *listener)
{
    struct stat file;
    if (listener->inode == 0)
        return true;
    if (lstat(address_unix_path(&listener->address), &file) == 0)
        return file.st_dev == listener->device && file.st_ino == listener->inode;
    return errno != ENOENT && errno != ENOTDIR;
}

enum { BACKLOG_TRIES = 20, BACKLOG_TRY_MS = 5 };

/* Nobody new can come to it, so once it is empty it stays so. */
static void await_empty_backlog(int socket)
{
    struct pollfd waiting = {.fd = socket, .events = POLLIN};
    for (int tries = 0; poll(&waiting, 1, 0) > 0 && tries < BACKLOG_TRIES; tries++)
        poll(NULL, 0, BACKLOG_TRY_MS);
}

int listener_reopen(struct listener *listener, const struct socket_access *sockets,
                    const char **doing)
{
    struct listener fresh;
    int error = try_to_open(&fresh, &listener->address, sockets, 0, doing);
    if (error != 0)
        return error;
    await_empty_backlog(listener->socket);
    *doing = "replace";
    if (dup3(fresh.socket, listener->socket, O_CLOEXEC) < 0) {
        error = errno;
        listener_close(&fresh);
        return error;
    }
    close(fresh.socket);
    listener->device = fresh.device;
    listener->inode = fresh.inode;
    return 0;
}

static int socket_option(int socket, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(socket, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

/* The address in the form of address_parse, so that the two can be compared. */
static bool read_address(int socket, struct address *address)
{
    memset(address, 0, sizeof *address);
    address->socket_len = sizeof address->socket;
    if (getsockname(socket, (struct sockaddr *)&address->socket, &address->socket_len) != 0)
        return false;
    const char *path = address_unix_path(address);
    if (path != NULL && path[0] != '\0')
        address->socket_len = sizeof(struct sockaddr_un);
    return true;
}

const char *listener_adopt(struct listener *listener, int descriptor)
{
    int status_flags = fcntl(descriptor, F_GETFL), domain = socket_option(descriptor, SO_DOMAIN);
    if (status_flags < 0)
        return "is not open";
    if (domain < 0)
        return "is not a socket";
    if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)
        return "is neither a TCP nor a Unix socket";
    if (socket_option(descriptor, SO_TYPE) != SOCK_STREAM)
        return "is not a stream socket";
    if (socket_option(descriptor, SO_ACCEPTCONN) != 1)
        return "does not listen";
    *listener = (struct listener){.socket = descriptor, .is_inherited = true};
    if (!read_address(descriptor, &listener->address) ||
        fcntl(descriptor, F_SETFL, status_flags | O_NONBLOCK) != 0 ||
        fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0)
        return "cannot be used";
    remember_file(listener);
    return NULL;
}

const char *listener_purpose(const struct listener *listener)
{
    return listener->is_admin ? "for admins " : listener->is_resp ? "for RESP " : "";
}

void listener_remove_file(const struct listener *listener)
{
    const char *path = address_unix_path(&listener->address);
    struct stat file;
    if (path != NULL && !listener->is_inherited && lstat(path, &file) == 0 &&
        file.st_dev == listener->device && file.st_ino == listener->inode)
        unlink(path);
}

void listener_close(struct listener *listener)
{
    close(listener->socket);
    listener->socket = -1;
    listener_remove_file(listener);
}
