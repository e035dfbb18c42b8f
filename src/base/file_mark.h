/*
 * File marks: by which a file is known again, to tell whether its path still leads to what was read.
 *
 * A path is followed through symbolic links, because a file is also replaced by turning one of
 * these round. Owner and permissions do not count.
 *
 * Owns nothing. Any thread. Blocks on the disk. Errors: if it cannot be found out what is at a path,
 * nothing is said to have changed.
 */
#pragma once

#include "base/file_look.h"

#include <stdbool.h>
#include <sys/stat.h>

struct file_mark {
    bool is_set; /* false: of no file, and so of any other one than that at the path */
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec written;
};

struct file_mark file_mark_of(const struct stat *status);

/* The mark of what is at a path; not set, if there is nothing. */
struct file_mark file_mark_at(const char *path);

enum file_look file_mark_look(const struct file_mark *mark, const char *path);
