/*
 * Files: reads a file of the configuration whole, before anything looks at its bytes.
 *
 * The caller owns the bytes. Any thread. Blocks on the disk only, because a FIFO, a device or a
 * directory is refused. Errors: faults.
 */
#pragma once

#include "config/faults.h"

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Opens a file and tells what it is; if it is a FIFO, does not wait for a writer. The caller closes
 * the descriptor. -1 and errno: it failed. */
int config_file_open(const char *path, struct stat *status);

/* Reads to the end, or until `room` bytes are full. -1 and errno: it failed. */
ssize_t config_file_fill(int fd, char *bytes, size_t room);

/* Reads a file of at most `most` bytes; the caller frees them. NULL: *faults says why. */
char *config_file_read(const char *path, size_t most, size_t *len, struct faults *faults);
