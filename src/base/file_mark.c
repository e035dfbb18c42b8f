#include "base/file_mark.h"

#include <errno.h>

struct file_mark file_mark_of(const struct stat *status)
{
    return (struct file_mark){
        .is_set = true,
        .device = status->st_dev,
        .inode = status->st_ino,
        .size = status->st_size,
        .written = status->st_mtim,
    };
}

struct file_mark file_mark_at(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? file_mark_of(&status) : (struct file_mark){0};
}

static bool is_same(const struct file_mark *a, const struct file_mark *b)
{
    return a->is_set == b->is_set && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && a->written.tv_sec == b->written.tv_sec &&
           a->written.tv_nsec == b->written.tv_nsec;
}

enum file_look file_mark_look(const struct file_mark *mark, const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0) {
        const struct file_mark now = file_mark_of(&status);
        return is_same(mark, &now) ? FILE_AS_READ : FILE_CHANGED;
    }
    bool is_gone = errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP;
    return is_gone ? FILE_GONE : FILE_AS_READ;
}
