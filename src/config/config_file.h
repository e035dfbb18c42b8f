/*
 * The bytes of a configuration file, read whole before anything looks at them.
 *
 * The caller owns the bytes. Any thread. Blocks on the disk, and on nothing
 * else: a FIFO, a device or a directory is refused. Errors: faults.
 */
#pragma once

#include "config/faults.h"

#include <stddef.h>

/* At most CONFIG_FILE_MAX bytes in memory to be freed; NULL: *faults says why not. */
char *config_file_read(const char *path, size_t *len, struct faults *faults);
