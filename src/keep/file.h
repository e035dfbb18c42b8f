/*
 * The state file: memory that outlives the process, and is one process's at a time.
 *
 * The file is mapped shared, so what is stored is the kernel's at once and a kill
 * loses nothing. It is sparse: it takes the room of what was ever used of it. A lock
 * on the open file keeps others out until the process is gone, however it ends.
 *
 * Where the file fails under it (the disk is full, a read fails, somebody cut the
 * file) a page of zeros takes the place of the page that is gone, once and for all,
 * and the process goes on; state_file_failures then says so. Where many are gone, pages
 * around them that are not are taken out of the file too, as they are. A process guards two
 * files at most, one and the one that takes its place: a signal handler has no other
 * way to find them.
 *
 * Owns the descriptor and the mapping. Threads: one, but state_file_failures and
 * what is mapped from any. Blocks on the disk. Errors: errno values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct state_file {
    int descriptor; /* -1: not open */
    void *memory;   /* NULL: not mapped */
    size_t bytes;
};

/* Opens a file for this process alone, and makes it if it is not there. EWOULDBLOCK: another
 * process has it. EINVAL: it is no regular file. */
int state_file_open(struct state_file *file, const char *path);

/* How long the file is. */
int state_file_length(const struct state_file *file, size_t *bytes);

/* Whether nothing was ever written to it. */
bool state_file_is_blank(const struct state_file *file);

/* Whether the file that is open is no longer the one at its path. Not if that cannot be told. */
bool state_file_has_left(const struct state_file *file, const char *path);

/* Takes it from everybody but its owner. *was_shared: others could have read or written it. */
int state_file_make_private(const struct state_file *file, bool *was_shared);

/* Makes it that long, all zeros. */
int state_file_clear(struct state_file *file, size_t bytes);

/* Maps the whole file, of that length, and guards it. */
int state_file_map(struct state_file *file, size_t bytes);

/* Gives up the mapping, and keeps the lock. */
void state_file_unmap(struct state_file *file);

/* Gives up the mapping and the lock. The file stays. */
void state_file_close(struct state_file *file);

/* How often pages of guarded files have been lost since one was mapped while no other was;
 * and an eventfd that can be read from then on, or -1 before anything is guarded. */
unsigned state_file_failures(void);
int state_file_failure(void);
