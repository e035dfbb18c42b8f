#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_ROOM = 64 << 10 }; /* bytes; most files are shorter */

static const char *kind_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a directory";
    case S_IFIFO:
        return "a FIFO";
    default:
        return "a device";
    }
}

int config_file_open(const char *path, struct stat *status)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, status) == 0)
        return fd;
    int failure = errno;
    close(fd);
    errno = failure;
    return -1;
}

/* -1: a fault is reported. */
static int open_regular(const char *path, struct faults *faults)
{
    struct stat status;
    int fd = config_file_open(path, &status);
    if (fd < 0) {
        faults_add(faults, 0, 0, "cannot be opened: %s", strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        faults_add(faults, 0, 0, "is %s; the configuration must be a regular file",
                   kind_of(status.st_mode));
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

ssize_t config_file_fill(int fd, char *bytes, size_t room)
{
    size_t len = 0;
    while (len < room) {
        ssize_t got = read(fd, bytes + len, room - len);
        if (got == 0)
            break;
        if (got > 0)
            len += (size_t)got;
        else if (errno != EINTR)
            return -1;
    }
    return (ssize_t)len;
}

/* All of a file, but one byte more than `most` at most: if that is filled it is too long, whatever fstat
 * says. *got: how many bytes; -1, with errno: it cannot be read. NULL: there is no memory. */
static char *read_growing(int fd, size_t most, ssize_t *got)
{
    char *bytes = NULL;
    size_t len = 0, room = FIRST_ROOM / 2;
    do {
        room = room * 2 < most + 1 ? room * 2 : most + 1;
        char *grown = realloc(bytes, room);
        if (grown == NULL) {
            free(bytes);
            return NULL;
        }
        bytes = grown;
        *got = config_file_fill(fd, bytes + len, room - len);
        len += *got > 0 ? (size_t)*got : 0;
    } while (*got >= 0 && len == room && room <= most);
    *got = *got < 0 ? *got : (ssize_t)len;
    return bytes;
}

char *config_file_read(const char *path, size_t most, size_t *len, struct faults *faults)
{
    int fd = open_regular(path, faults);
    if (fd < 0)
        return NULL;

    ssize_t got = 0;
    char *bytes = read_growing(fd, most, &got);
    if (bytes == NULL)
        faults_add(faults, 0, 0, "out of memory");
    else if (got < 0)
        faults_add(faults, 0, 0, "cannot be read: %s", strerror(errno));
    else if (got > (ssize_t)most)
        faults_add(faults, 0, 0, "is larger than %zu bytes, the most that is read", most);
    close(fd);

    if (bytes != NULL && got >= 0 && got <= (ssize_t)most) {
        *len = (size_t)got;
        return bytes;
    }
    free(bytes);
    return NULL;
}
