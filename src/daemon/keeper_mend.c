#include "daemon/keeper_mend.h"

#include "daemon/beside.h"
#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* A larger one would keep the watchdog waiting, by the copy or by the disk. */
enum { ANEW_BYTES_MAX = 512 << 20 };

static const char *remedy_at_reload(int error)
{
    switch (error) {
    case EFBIG:
        return "it is too large to be copied while it serves; restart";
    case ENOENT:
        return "its directory does not exist; make one that belongs to allowd's user alone, then "
               "reload";
    case EDQUOT:
    case ENOSPC:
        return "there is no room on its disk; make room, then reload";
    case EWOULDBLOCK:
        return "another process has the file that is there; end that one, then reload";
    case EEXIST:
    case EINVAL:
    case EISDIR:
    case ELOOP:
    case ENOTDIR:
    case ENXIO:
        return "something else is there; move it away, then reload";
    default:
        return NULL;
    }
}

static void tell_not_anew(const struct keeper *keeper, const char *path, int error)
{
    const char *remedy = remedy_at_reload(error);
    log_error("cannot make %s anew at %s: %s; serving goes on from memory", keeper->path, path,
              remedy != NULL ? remedy : strerror(error));
}

/* Whether what is at the path may be replaced: nothing, or a file of nothing, which is locked then.
 * EEXIST: something is in it. */
static int hold_place(struct keeper *keeper)
{
    struct stat status;
    if (lstat(keeper->path, &status) != 0)
        return errno == ENOENT ? 0 : errno;
    int error = state_file_open(&keeper->there, keeper->path);
    if (error != 0)
        return error;
    keeper->may_replace = true;
    if (state_file_is_blank(&keeper->there))
        return 0;
    state_file_close(&keeper->there);
    return EEXIST;
}

static int check_room(const struct keeper *keeper)
{
    size_t bytes;
    int error = state_file_room(&keeper->file, &bytes);
    return error == 0 && bytes > ANEW_BYTES_MAX ? EFBIG : error;
}

enum keeper_mend keeper_mend(struct keeper *keeper)
{
    char path[BESIDE_PATH_MAX];
    if (keeper->path[0] == '\0' || (keeper->file.descriptor >= 0 && !keeper->is_lost))
        return KEEPER_LEFT;
    if (keeper->file.descriptor < 0) {
        log_warning("the state %s is taken up at a start only; restart", keeper->path);
        return KEEPER_LEFT;
    }
    keeper->may_replace = state_file_is_at(&keeper->file, keeper->path);
    if (keeper->may_replace && !keeper->has_failed && state_file_failures() == keeper->failures)
        return KEEPER_BACK;
    int error = check_room(keeper);
    if (error == 0 && !keeper->may_replace)
        error = hold_place(keeper);
    if (error != 0) {
        tell_not_anew(keeper, keeper->path, error);
        return KEEPER_LEFT;
    }
    beside_path(keeper->path, "new", path);
    error = beside_make(&keeper->next, path, keeper->file.bytes);
    if (error == 0)
        return KEEPER_ANEW;
    tell_not_anew(keeper, path, error);
    state_file_close(&keeper->there);
    return KEEPER_LEFT;
}

/* If nothing was at the path nothing is replaced, even if something has come there meanwhile. */
static int put(const struct keeper *keeper, const char *path)
{
    unsigned how = keeper->may_replace ? 0 : RENAME_NOREPLACE;
    if (fsync(keeper->next.descriptor) != 0)
        return errno;
    return renameat2(AT_FDCWD, path, AT_FDCWD, keeper->path, how) == 0 ? 0 : errno;
}

bool keeper_put_in_place(struct keeper *keeper, const struct anew_answer *answer)
{
    char path[BESIDE_PATH_MAX];
    bool is_taken = answer->error == 0;
    beside_path(keeper->path, "new", path);
    int error = is_taken ? put(keeper, path) : answer->error;
    if (error != 0) {
        tell_not_anew(keeper, path, error);
        unlink(path);
    }
    state_file_close(&keeper->there);
    state_file_close(is_taken ? &keeper->file : &keeper->next);
    if (is_taken) {
        keeper->file = keeper->next;
        keeper->next = (struct state_file){.descriptor = -1};
    }
    keeper->failures = answer->failures;
    return error == 0;
}

void keeper_end_mend(struct keeper *keeper, enum keeper_mend mend, bool is_kept)
{
    eventfd_t told;
    eventfd_read(state_file_failure(), &told);
    if (!is_kept || state_file_failures() != keeper->failures) {
        keeper->has_failed = true;
        log_error("state %s was damaged, or its disk is full or failing; serving goes on from "
                  "memory; make room, then reload",
                  keeper->path);
        return;
    }
    keeper->is_lost = keeper->has_failed = false;
    log_info("state %s%s", keeper->path, mend == KEEPER_BACK ? " is there again" : ": made anew");
}
