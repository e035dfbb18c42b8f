#include "brain/wait_heap.h"

#include <stdlib.h>

enum { CAPACITY_MIN = 64 };

void wait_heap_release(struct wait_heap *heap)
{
    free(heap->waiter);
}

bool wait_heap_reserve(struct wait_heap *heap)
{
    if (heap->count < heap->capacity)
        return true;
    uint32_t capacity = heap->capacity == 0 ? CAPACITY_MIN : 2 * heap->capacity;
    struct waiter **grown = realloc(heap->waiter, capacity * sizeof(struct waiter *));
    if (grown == NULL)
        return false;
    heap->waiter = grown;
    heap->capacity = capacity;
    return true;
}

static bool is_before(const struct waiter *a, const struct waiter *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void put(struct wait_heap *heap, uint32_t at, struct waiter *waiter)
{
    heap->waiter[at] = waiter;
    waiter->heap_at = at;
}

/* Puts a waiter at a place that is free, or above or below it, as the order of the heap demands. */
static void settle(struct wait_heap *heap, uint32_t at, struct waiter *waiter)
{
    for (; at > 0 && is_before(waiter, heap->waiter[(at - 1) / 2]); at = (at - 1) / 2)
        put(heap, at, heap->waiter[(at - 1) / 2]);
    for (uint32_t child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && is_before(heap->waiter[child + 1], heap->waiter[child]))
            child++;
        if (!is_before(heap->waiter[child], waiter))
            break;
        put(heap, at, heap->waiter[child]);
    }
    put(heap, at, waiter);
}

void wait_heap_add(struct wait_heap *heap, struct waiter *waiter)
{
    settle(heap, heap->count++, waiter);
}

void wait_heap_remove(struct wait_heap *heap, struct waiter *waiter)
{
    struct waiter *last = heap->waiter[--heap->count];
    if (last != waiter)
        settle(heap, waiter->heap_at, last);
}

static int compare_numbers(const void *left, const void *right)
{
    const struct waiter *a = *(struct waiter *const *)left, *b = *(struct waiter *const *)right;
    return a->number < b->number ? -1 : 1;
}

void wait_heap_sort(struct wait_heap *heap)
{
    if (heap->count > 1)
        qsort(heap->waiter, heap->count, sizeof(struct waiter *), compare_numbers);
}
