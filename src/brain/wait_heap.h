/*
 * The wait heap: all waiters of all keys, the one that is due first on top.
 *
 * Of those that are due at the same time the one that came first is on top.
 *
 * Owns its array, not the waiters. One thread. Never blocks. Errors: wait_heap_reserve, no memory.
 */
#pragma once

#include "brain/waiter.h"

#include <stdbool.h>

/* All zeros: it is empty. */
struct wait_heap {
    struct waiter **waiter;
    uint32_t count, capacity;
};

void wait_heap_release(struct wait_heap *heap);

/* Makes sure that one more has room. false: no memory. */
bool wait_heap_reserve(struct wait_heap *heap);

/* Adds a waiter, by its due_ns and its number. There must be room. */
void wait_heap_add(struct wait_heap *heap, struct waiter *waiter);

void wait_heap_remove(struct wait_heap *heap, struct waiter *waiter);

/* The one that is due first, or NULL. */
static inline struct waiter *wait_heap_top(const struct wait_heap *heap)
{
    return heap->count == 0 ? NULL : heap->waiter[0];
}

/* Puts all in the order in which they came, in place. From then on the array is a list; it is a heap
 * again once `count` is 0, and while it is filled anew those behind the new ones stay there. */
void wait_heap_sort(struct wait_heap *heap);
