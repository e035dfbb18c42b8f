#include "http/list_queue.h"

#include <assert.h>

void list_queue_init(struct list_queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
    queue->bytes = 0;
}

void list_queue_add(struct list_queue *queue, struct request *request)
{
    request->next_list = NULL;
    *queue->last = request;
    queue->last = &request->next_list;
}

void list_queue_remove(struct list_queue *queue, struct request *request)
{
    struct request **link = &queue->first;
    while (*link != request) {
        assert(*link != NULL);
        link = &(*link)->next_list;
    }
    *link = request->next_list;
    if (*link == NULL)
        queue->last = link;
}

struct request *list_queue_next(struct list_queue *queue)
{
    struct request *next = queue->first;
    if (next == NULL || (queue->bytes > 0 && queue->bytes + next->body_len > LIST_QUEUE_BYTES))
        return NULL;
    queue->bytes += next->body_len;
    list_queue_remove(queue, next);
    return next;
}

void list_queue_begin(struct list_queue *queue)
{
    queue->bytes = 0;
}
