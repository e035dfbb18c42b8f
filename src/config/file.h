/*
 * Files that the configuration is in, read whole before anything looks at them.
 *
 * The caller owns the bytes. Any thread. Blocks on the disk, and on nothing
 * else: a FIFO, a device or a directory is refused. Errors: faults.
 */
#pragma once

#include "config/faults.h"

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Opens without waiting for a FIFO's writer, and tells what it is. The caller closes
 * it; -1 and errno: it failed. */
int config_file_open(const char *path, struct stat *status);

/* Reads up to the end or until `room` bytes are full; -1 and errno: it failed. */
ssize_t config_file_fill(int fd, char *bytes, size_t room);

/* At most CONFIG_FILE_MAX bytes in memory to be freed; NULL: *faults says why not. */
char *config_file_read(const char *path, size_t *len, struct faults *faults);
