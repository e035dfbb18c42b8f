/*
 * List queue: lists that have arrived, and which of them have their turn.
 *
 * Everybody waits for all that is done in a turn, and lists take long: to parse, to
 * decide and to write. So those of one turn are bounded by the bytes of their bodies,
 * and by one in any case. The rest waits for the next turns, first come, first served,
 * however fast some clients send more.
 *
 * Owns nothing: requests are linked by next_list. One thread. Never blocks. Never fails.
 */
#pragma once

#include "http/request.h"

#define LIST_QUEUE_BYTES 65536    /* of a turn: some milliseconds */
#define LIST_QUEUE_SHORT_BYTES 512 /* what is no longer takes no longer than other requests */

struct list_queue {
    struct request *first, **last;
    size_t bytes; /* of those that have had this turn */
};

void list_queue_init(struct list_queue *queue);

void list_queue_add(struct list_queue *queue, struct request *request);

/* Takes out one that waits: its client has gone. */
void list_queue_remove(struct list_queue *queue, struct request *request);

/* Begins a turn. */
void list_queue_begin(struct list_queue *queue);

/* Takes out the next that has this turn; NULL: none has. */
struct request *list_queue_next(struct list_queue *queue);
