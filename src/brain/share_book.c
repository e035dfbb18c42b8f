#include "brain/share_book.h"

#include <stdlib.h>

enum { CAPACITY_MIN = 64, INDEX_BITS_MIN = 7 }; /* the index has two places for each share */

void share_book_release(struct shares *shares)
{
    for (uint32_t i = 0; i < shares->count; i++) {
        share_end(shares->heap[i]);
        free(shares->heap[i]);
    }
    free(shares->heap);
    free(shares->index);
    wait_heap_release(&shares->waiters);
    wait_heap_release(&shares->lists);
}

/* ---- the heap ---- */

static void put(struct shares *shares, uint32_t at, struct share *share)
{
    shares->heap[at] = share;
    share->heap_at = at;
}

/* Puts a share at a place that is free, or above or below it, as the order of the heap demands. */
static void settle(struct shares *shares, uint32_t at, struct share *share)
{
    for (; at > 0 && share->due_ns < shares->heap[(at - 1) / 2]->due_ns; at = (at - 1) / 2)
        put(shares, at, shares->heap[(at - 1) / 2]);
    for (uint32_t child; (child = 2 * at + 1) < shares->count; at = child) {
        if (child + 1 < shares->count &&
            shares->heap[child + 1]->due_ns < shares->heap[child]->due_ns)
            child++;
        if (shares->heap[child]->due_ns >= share->due_ns)
            break;
        put(shares, at, shares->heap[child]);
    }
    put(shares, at, share);
}

void share_book_set_due(struct shares *shares, struct share *share, uint64_t due_ns)
{
    if (share->due_ns == due_ns)
        return;
    share->due_ns = due_ns;
    settle(shares, share->heap_at, share);
}

void share_book_reorder(struct shares *shares)
{
    for (uint32_t i = shares->count / 2; i-- > 0;)
        settle(shares, i, shares->heap[i]);
}

/* ---- the index ---- */

void share_book_clear_index(struct shares *shares)
{
    if (shares->index != NULL)
        memset(shares->index, 0, share_book_slots(shares) * sizeof(struct share *));
}

void share_book_index(struct shares *shares, struct share *share)
{
    struct share **slot = &shares->index[share_book_slot(shares, share->hash)];
    share->next = *slot;
    *slot = share;
}

static void take_out(struct shares *shares, struct share *share)
{
    struct share **link = &shares->index[share_book_slot(shares, share->hash)];
    while (*link != NULL && *link != share)
        link = &(*link)->next;
    if (*link != NULL) /* one that is leaving is not in it */
        *link = share->next;
}

/* Makes room for twice as many shares. false: no memory. */
static bool grow(struct shares *shares)
{
    uint32_t capacity = shares->capacity == 0 ? CAPACITY_MIN : 2 * shares->capacity;
    struct share **heap = realloc(shares->heap, capacity * sizeof(struct share *));
    if (heap == NULL)
        return false;
    shares->heap = heap;
    struct share **index = calloc(2 * (size_t)capacity, sizeof(struct share *));
    if (index == NULL)
        return false;
    struct share **before = shares->index;
    uint64_t before_slots = share_book_slots(shares);
    shares->capacity = capacity;
    shares->index = index;
    shares->index_bits = shares->index_bits == 0 ? INDEX_BITS_MIN : shares->index_bits + 1;
    for (uint64_t i = 0; i < before_slots; i++)
        for (struct share *share = before[i], *next; share != NULL; share = next) {
            next = share->next;
            share_book_index(shares, share);
        }
    free(before);
    return true;
}

struct share *share_book_make(struct shares *shares, uint64_t hash, const char *name,
                              const char *key, size_t key_len)
{
    if (shares->count == shares->capacity && !grow(shares))
        return NULL;
    struct share *share = calloc(1, sizeof *share + key_len + 1);
    if (share == NULL)
        return NULL;
    share->hash = hash;
    share->name_len = (uint8_t)strlen(name);
    memcpy(share->name, name, share->name_len);
    share->key_len = (uint8_t)key_len;
    memcpy(share->key, key, key_len);
    share->due_ns = SHARE_NEVER;
    share_begin(share, &shares->sessions);
    put(shares, shares->count++, share);
    share_book_index(shares, share);
    return share;
}

void share_book_drop(struct shares *shares, struct share *share)
{
    struct share *last = shares->heap[--shares->count];
    if (last != share)
        settle(shares, share->heap_at, last);
    take_out(shares, share);
    shares->cut_count -= share->is_cut;
    share_end(share);
    free(share);
}
