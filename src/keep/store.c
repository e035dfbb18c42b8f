#include "keep/store.h"

#include "base/bytes.h"

#include <assert.h>
#include <string.h>

enum {
    PAGE_BYTES = 4096,
    /* change it with any change to what is in the file, the table's arena included; but snapshots
     * say their version themselves, so that those of an earlier one can still be read */
    LAYOUT = 1,
    BYTE_ORDER_MARK = 0x01020304,
};

/* Enough for all lines there can be, except after dozens of reloads in a row in which all
 * overrides had ended before. What is not used is never touched. */
#define SNAPSHOT_ROOM ((size_t)32 << 20)

static const char magic[8] = "allowd\r\n";

struct what {
    char magic[8];
    uint32_t layout, byte_order, max_keys, reserved;
    uint8_t seed[TABLE_SEED_BYTES];
};

struct when {
    uint64_t number; /* times are numbered from 1; 0: none was put here yet */
    struct store_time time;
};

struct snapshot_head {
    uint64_t number, len, checksum;
};

/* Each part that changes has a cache line of its own. */
struct store_page {
    struct what what;
    uint64_t what_checksum;
    /* lower half: the number of the snapshot that holds; upper: its complement; 0: none yet */
    _Alignas(64) uint64_t published;
    struct {
        _Alignas(64) struct when when;
        uint64_t checksum;
    } times[2];
};
static_assert(sizeof(struct store_page) <= PAGE_BYTES, "it is one page");

size_t store_bytes(uint32_t max_keys)
{
    size_t bytes = PAGE_BYTES + 2 * SNAPSHOT_ROOM + table_arena_bytes(max_keys);
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static unsigned char *half(const struct store *store, uint32_t number)
{
    return (unsigned char *)store->page + PAGE_BYTES + number % 2 * SNAPSHOT_ROOM;
}

static struct store store_at(void *memory, uint32_t max_keys, const uint8_t seed[TABLE_SEED_BYTES])
{
    struct store store = {
        .page = memory,
        .arena = (unsigned char *)memory + PAGE_BYTES + 2 * SNAPSHOT_ROOM,
        .max_keys = max_keys,
    };
    memcpy(store.seed, seed, sizeof store.seed);
    return store;
}

void store_begin(struct store *store, void *memory, uint32_t max_keys,
                 const uint8_t seed[TABLE_SEED_BYTES])
{
    *store = store_at(memory, max_keys, seed);
    store_put_head(store);
}

void store_put_head(const struct store *store)
{
    struct store_page *page = store->page;
    page->what = (struct what){
        .layout = LAYOUT,
        .byte_order = BYTE_ORDER_MARK,
        .max_keys = store->max_keys,
    };
    memcpy(page->what.magic, magic, sizeof magic);
    memcpy(page->what.seed, store->seed, sizeof page->what.seed);
    page->what_checksum = bytes_checksum(&page->what, sizeof page->what);
}

/* ---- finding ---- */

static const char *refuse_what(const struct store_page *page, size_t bytes)
{
    const struct what *what = &page->what;
    if (memcmp(what->magic, magic, sizeof magic) != 0)
        return "it is no state of allowd's, or its beginning is damaged";
    if (what->byte_order != BYTE_ORDER_MARK)
        return "it was written by a machine of another byte order, or is damaged";
    if (what->layout != LAYOUT)
        return "it was written by a version of allowd with another layout, or is damaged";
    if (page->what_checksum != bytes_checksum(what, sizeof *what))
        return "its header is damaged";
    if (what->max_keys < 1 || what->max_keys > TABLE_KEYS_MAX ||
        bytes != store_bytes(what->max_keys))
        return "it is not as long as it should be";
    return NULL;
}

static bool is_whole(const struct store_page *page, int i)
{
    return page->times[i].when.number != 0 &&
           page->times[i].checksum ==
               bytes_checksum(&page->times[i].when, sizeof page->times[i].when);
}

static const char *refuse_times(struct store *store)
{
    for (int i = 0; i < 2; i++)
        if (is_whole(store->page, i) && store->page->times[i].when.number > store->times)
            store->times = store->page->times[i].when.number;
    return store->times == 0 ? "the time in it is damaged" : NULL;
}

static uint64_t publication(uint32_t number)
{
    return (uint64_t)~number << 32 | number;
}

static bool is_snapshot(const struct store *store, uint32_t number)
{
    struct snapshot_head head;
    const unsigned char *snapshot = half(store, number);
    memcpy(&head, snapshot, sizeof head);
    return number != 0 && head.number == number && head.len <= SNAPSHOT_ROOM - sizeof head &&
           head.checksum == bytes_checksum(snapshot + sizeof head, head.len);
}

/* If the last snapshot is damaged, the one before will do. Marks on lines that it does not know
 * are then taken to be those of empty buckets; without any snapshot all buckets would be full. */
static const char *refuse_lines(struct store *store)
{
    uint32_t number = (uint32_t)store->page->published;
    if (number == 0 || store->page->published != publication(number))
        return "it does not say which limits it is for";
    store->snapshots = is_snapshot(store, number) ? number : number - 1;
    return is_snapshot(store, store->snapshots) ? NULL : "the limits in it are damaged";
}

bool store_has_begun(const void *memory, size_t bytes)
{
    return bytes >= sizeof magic && memcmp(memory, magic, sizeof magic) == 0;
}

enum store_found store_find(struct store *store, void *memory, size_t bytes, const char **why)
{
    static const struct store_page blank;
    const struct store_page *page = memory;
    if (bytes < PAGE_BYTES) {
        *why = "it is not as long as it should be";
        return STORE_REFUSED;
    }
    /* In a file that nobody wrote the gaps are zeros, too.
     * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
    if (memcmp(page, &blank, sizeof blank) == 0)
        return STORE_BLANK;
    *why = refuse_what(page, bytes);
    if (*why != NULL)
        return STORE_REFUSED;
    struct store found = store_at(memory, page->what.max_keys, page->what.seed);
    if (page->published == 0)
        return STORE_BEGUN;
    *why = refuse_times(&found);
    if (*why == NULL)
        *why = refuse_lines(&found);
    if (*why != NULL)
        return STORE_REFUSED;
    *store = found;
    return STORE_FOUND;
}

/* ---- the time ---- */

void store_time(const struct store *store, struct store_time *time)
{
    *time = store->page->times[store->times % 2].when.time;
}

void store_put_time(struct store *store, const struct store_time *time)
{
    struct when when = {.number = ++store->times, .time = *time};
    int i = (int)(when.number % 2);
    store->page->times[i].when = when;
    __atomic_store_n(&store->page->times[i].checksum, bytes_checksum(&when, sizeof when),
                     __ATOMIC_RELEASE); /* no later store of the table's is seen before this one */
}

/* ---- the lines ---- */

const unsigned char *store_lines(const struct store *store, size_t *len)
{
    struct snapshot_head head;
    const unsigned char *snapshot = half(store, store->snapshots);
    memcpy(&head, snapshot, sizeof head);
    *len = head.len;
    return snapshot + sizeof head;
}

/* Makes the file take room on its disk now, in both halves, for a snapshot twice as long: so long
 * is the next one if a reload replaces all limits. Then that reload is kept though the disk is
 * full by then. */
static void reserve(const struct store *store, size_t len)
{
    size_t room = 2 * len < SNAPSHOT_ROOM ? 2 * len : SNAPSHOT_ROOM;
    for (uint32_t i = 0; i < 2; i++)
        for (size_t at = 0; at < room; at += PAGE_BYTES) {
            volatile unsigned char *byte = half(store, i) + at;
            *byte = *byte;
        }
}

bool store_put_lines(struct store *store, const struct lines *lines)
{
    uint32_t number = store->snapshots + 1;
    unsigned char *snapshot = half(store, number);
    struct snapshot_head head = {.number = number};
    head.len = snapshot_write(lines, snapshot + sizeof head, SNAPSHOT_ROOM - sizeof head);
    if (head.len == 0) {
        __atomic_store_n(&store->page->published, UINT64_MAX, __ATOMIC_RELEASE);
        return false;
    }
    head.checksum = bytes_checksum(snapshot + sizeof head, head.len);
    memcpy(snapshot, &head, sizeof head);
    store->snapshots = number;
    __atomic_store_n(&store->page->published, publication(number), __ATOMIC_RELEASE);
    reserve(store, sizeof head + head.len);
    return true;
}
