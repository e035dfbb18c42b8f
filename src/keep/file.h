/*
 * The state file: memory that outlives the process, and is one process's at a time.
 *
 * The file is mapped shared. What is stored into it is the kernel's at once: a kill loses
 * nothing, and nothing is written on the way to a decision. A lock on the open file keeps other
 * processes out until this one is gone, however it ends.
 *
 * The file is sparse, not allocated ahead. posix_fallocate would take the room of the longest
 * keys there can be, eight times what is used, or else stop the state thread now and then; and
 * a disk that fails raises SIGBUS all the same.
 *
 * SIGBUS says that the file has failed under the mapping: the disk is full, a read failed, or
 * somebody cut the file. Its handler puts a page of zeros in the place of the page that is
 * gone, for good, and the process goes on; what was stored there since stays, even if the file is cut
 * further; state_file_failures counts it, and the brain then
 * doubts its whole table again (brain_lose_pages). Each such page splits the mapping, and a
 * process may have no more than 65,530 mappings. So after 8,192 of them the handler replaces
 * whole blocks, and keeps what was in those of their pages that are well.
 *
 * No signal says that the file was removed: daemon/keeper.h looks at its path now and then.
 *
 * Another file can take its place while it is used: it is copied whole, and its mapping is put where
 * the old one was, so that every pointer into it stays. Pages that are holes are not read.
 *
 * A process guards two files at most, one and the one that takes its place: the handler finds
 * them in static memory, for it has no other way.
 *
 * Owns the descriptor and the mapping. Threads: one; but state_file_failures, and the mapped
 * memory, from any. Blocks on the disk. Errors: errno values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct state_file {
    int descriptor; /* -1: not open */
    void *memory;   /* NULL: not mapped */
    size_t bytes;
};

/* Opens a file for this process alone, and creates it if there is none. EWOULDBLOCK: another
 * process has it open. EINVAL: it is no regular file. */
int state_file_open(struct state_file *file, const char *path);

/* How long the file is. */
int state_file_length(const struct state_file *file, size_t *bytes);

/* Whether nothing was ever written to it. */
bool state_file_is_blank(const struct state_file *file);

/* Whether the open file is no longer the one at its path. false too if that cannot be found out. */
bool state_file_has_left(const struct state_file *file, const char *path);

/* Whether the open file is the one at its path. false too if that cannot be found out. */
bool state_file_is_at(const struct state_file *file, const char *path);

/* A number that tells this open file from all others, copies of it included, for as long as the system is
 * up, in all processes; never 0. 0: that cannot be found out. */
uint64_t state_file_home(const struct state_file *file);

/* How many bytes of its disk the file takes. */
int state_file_room(const struct state_file *file, size_t *bytes);

/* Closes the file to everybody but its owner. *was_shared: others could read or write it before. */
int state_file_make_private(const struct state_file *file, bool *was_shared);

/* Makes the file `bytes` long, all zeros. */
int state_file_clear(struct state_file *file, size_t bytes);

/* Makes the file longer, with zeros, and has that on its disk. If it fails, the file is as it was. */
int state_file_grow(const struct state_file *file, size_t bytes);

/* Maps the whole file, which is `bytes` long, and guards the mapping. */
int state_file_map(struct state_file *file, size_t bytes);

/* Part of a file: bytes from `begin` on, up to `end`. */
struct state_file_part {
    size_t begin, end;
};

/* Copies all of `file` but `left_out` into `next`, which is as long, mapped and all zeros, and moves
 * its mapping to where that of `file` was; that one is given up. Call it where nobody else uses
 * either. If it fails, both are mapped as they were, and `next` may hold something. */
int state_file_supersede(struct state_file *file, struct state_file *next,
                         struct state_file_part left_out);

/* Gives up the mapping, and keeps the lock. */
void state_file_unmap(struct state_file *file);

/* Gives up the mapping and the lock. The file stays. */
void state_file_close(struct state_file *file);

/* How often pages were lost, counted from when a file was mapped while no other was. And an
 * eventfd that becomes readable with the first loss; -1: nothing was ever guarded. */
unsigned state_file_failures(void);
int state_file_failure(void);
