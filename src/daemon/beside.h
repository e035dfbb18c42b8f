/*
 * Beside the state: the files there that are allowd's, one to take the place of the state, and one for what is refused.
 *
 * What somebody else has put at their paths is never taken away.
 *
 * Owns nothing. Threads: the main one. Blocks on the disk. Errors: errno values; beside_make_private logs.
 */
#pragma once

#include "config/config.h"
#include "keep/file.h"

#define BESIDE_PATH_MAX (CONFIG_PATH_MAX + 16)

/* The path of one more file beside the state: its path, a dot and `more`. false: it is too long. */
bool beside_path(const char *state, const char *more, char path[BESIDE_PATH_MAX]);

/* Makes, opens and maps a file of zeros, in the place of one that is of allowd's, or of nothing. */
int beside_make(struct state_file *file, const char *path, size_t bytes);

/* Why it could not, and what to do before a restart. */
const char *beside_obstacle(int error);

/* Takes a file of state away from everybody but its owner, and says so. */
void beside_make_private(const char *path, const struct state_file *file);
