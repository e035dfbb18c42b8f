#include "daemon/beside.h"

#include "keep/store.h"
#include "log/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool beside_path(const char *state, const char *more, char path[BESIDE_PATH_MAX])
{
    int len = snprintf(path, BESIDE_PATH_MAX, "%s.%s", state, more);
    return len > 0 && len < BESIDE_PATH_MAX;
}

void beside_make_private(const char *path, const struct state_file *file)
{
    bool was_shared = false;
    int error = state_file_make_private(file, &was_shared);
    if (error != 0)
        log_warning("cannot take %s away from others: %s; chown it, and chmod 0600", path,
                    strerror(error));
    else if (was_shared)
        log_warning("%s could be read or written by others, who may have given tokens away; it is "
                    "0600 now",
                    path);
}

/* 0: there is nothing, or what a move that was cut short has left. EEXIST: there is something
 * else. */
static int check_is_ours(struct state_file *file)
{
    size_t bytes;
    int error = state_file_length(file, &bytes);
    if (error != 0 || state_file_is_blank(file))
        return error;
    error = state_file_map(file, bytes);
    if (error != 0)
        return error;
    bool is_ours = store_has_begun(file->memory, bytes);
    state_file_unmap(file);
    return is_ours ? 0 : EEXIST;
}

static int open_ours(struct state_file *file, const char *path)
{
    int error = state_file_open(file, path);
    if (error != 0)
        return error;
    error = check_is_ours(file);
    if (error != 0)
        state_file_close(file);
    return error;
}

const char *beside_obstacle(int error)
{
    switch (error) {
    case EEXIST:
    case EINVAL:
    case EISDIR:
    case ELOOP:
    case ENXIO:
        return "something else is there; move it away, then restart";
    default:
        return strerror(error);
    }
}

int beside_make(struct state_file *file, const char *path, size_t bytes)
{
    int error = open_ours(file, path);
    if (error != 0)
        return error;
    beside_make_private(path, file);
    error = state_file_clear(file, bytes);
    if (error == 0)
        error = state_file_map(file, bytes);
    if (error == 0)
        return 0;
    state_file_close(file);
    unlink(path);
    return error;
}
