#include "brain/event_ring.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

static size_t map_bytes(const struct event_ring *ring)
{
    return ring->bytes + ring->slots * sizeof ring->offsets[0];
}

bool event_ring_init(struct event_ring *ring, uint32_t slots)
{
    struct event_ring made = {.slots = slots, .bytes = slots * EVENT_RING_BYTES_EACH, .oldest = 1};
    assert(made.bytes >= EVENT_RECORD_MAX && slots <= EVENT_RING_SLOTS_MAX);
    made.records =
        mmap(NULL, map_bytes(&made), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made.records == MAP_FAILED)
        return false;
    made.offsets = (uint32_t *)(void *)(made.records + made.bytes);
    *ring = made;
    return true;
}
static_assert(EVENT_RING_SLOTS_MAX <= UINT32_MAX / EVENT_RING_BYTES_EACH &&
                  EVENT_RING_BYTES_EACH % sizeof(uint64_t) == 0,
              "offsets fit, and are those of whole words");

void event_ring_release(struct event_ring *ring)
{
    munmap(ring->records, map_bytes(ring));
}

static uint32_t *offset_of(const struct event_ring *ring, uint64_t number)
{
    return &ring->offsets[number % ring->slots];
}

/* Where a record of this length goes; UINT32_MAX: an older one is in its way. Records lie from that of
 * the oldest event on, in order, and may go on at the beginning. */
static uint32_t room_for(const struct event_ring *ring, size_t len)
{
    if (ring->oldest > ring->newest)
        return 0;
    uint32_t oldest_at = *offset_of(ring, ring->oldest);
    if (ring->newest + 1 - ring->oldest == ring->slots)
        return UINT32_MAX;
    if (oldest_at >= ring->next_at)
        return oldest_at - ring->next_at >= len ? ring->next_at : UINT32_MAX;
    if (ring->bytes - ring->next_at >= len)
        return ring->next_at;
    return oldest_at >= len ? 0 : UINT32_MAX;
}

void event_ring_add(struct event_ring *ring, struct event *event)
{
    size_t len = event_packed_bytes(event);
    uint32_t at;
    while ((at = room_for(ring, len)) == UINT32_MAX)
        ring->oldest++;
    event->number = ++ring->newest;
    event_pack(event, ring->records + at);
    *offset_of(ring, event->number) = at;
    ring->next_at = at + (uint32_t)len;
}

const void *event_ring_record(const struct event_ring *ring, uint64_t number)
{
    assert(number >= ring->oldest && number <= ring->newest);
    return ring->records + *offset_of(ring, number);
}
