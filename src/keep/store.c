#include "keep/store.h"

#include "base/bytes.h"
#include "keep/directory.h"
#include "keep/lease_records.h"
#include "keep/publish.h"
#include "keep/share_records.h"

#include <assert.h>
#include <string.h>

enum {
    PAGE_BYTES = DIRECTORY_PAGE_BYTES,
    /* It has no directory: its sections are lines and table, where lay_out puts them. */
    FIRST_LAYOUT = 1,
    BYTE_ORDER_MARK = 0x01020304,
};

/* A row for each type of section: change its version with any change of its bytes, and read those
 * before it still; give what is new a type of its own. But snapshots say their version themselves,
 * because the two of a file may differ. */
enum section_type {
    SECTION_LINES = 1,
    SECTION_TABLE = 2,
    SECTION_LEASES = 3,
    SECTION_SHARES = 4,
};
static const uint32_t section_version[] = {
    [SECTION_LINES] = 1,
    [SECTION_TABLE] = 1,
    [SECTION_LEASES] = 1,
    [SECTION_SHARES] = 1,
};
enum {
    SECTION_TYPES = sizeof section_version / sizeof section_version[0],
    SECTIONS_MAX = SECTION_TYPES - 1, /* a file has at most one of each type */
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
    uint64_t tick;
    struct moment due;
};

/* Before there were leases a record ended with a checksum of `when` alone, and zeros. */
struct time_record {
    struct when when;
    uint64_t checksum; /* of `when` and lived_ns */
    uint64_t lived_ns;
};
static_assert(sizeof(struct time_record) == 64, "it has a cache line of its own");

struct snapshot_head {
    uint64_t number, len;
    uint64_t checksum; /* bytes_checksum_long; of 0.1.0, bytes_checksum */
};

/* Each part that changes has a cache line of its own. */
struct store_page {
    struct what what;
    uint64_t what_checksum;
    /* For how many leases there is room, or will be once the file has grown: in the form of
     * publish.h. 0: for none. */
    uint64_t leases;
    /* the number of the snapshot that holds: see publish.h */
    _Alignas(64) uint64_t published;
    _Alignas(64) struct time_record times[2];
    struct directory_place directory; /* all zeros in layout 1 */
};
static_assert(sizeof(struct store_page) <= PAGE_BYTES, "it is one page");
static_assert(offsetof(struct store_page, directory) == 256, "layout 1 has nothing behind that");

/* ---- where what is ---- */

/* How long a section of a type is. */
static uint64_t section_bytes(enum section_type type, uint32_t max_keys, uint32_t max_leases)
{
    switch (type) {
    case SECTION_LINES:
        return 2 * SNAPSHOT_ROOM;
    case SECTION_TABLE:
        return table_arena_bytes(max_keys);
    case SECTION_LEASES:
        return lease_records_bytes(max_leases);
    case SECTION_SHARES:
        break;
    }
    return share_records_bytes();
}

/* The sections of a new file, in the order of their types; without leases if there is no room for
 * any, and without shares if there are none. Returns how many. The first two are where layout 1
 * has them, for good. */
static uint32_t lay_out(uint32_t max_keys, uint32_t max_leases, bool has_shares,
                        struct section sections[SECTIONS_MAX])
{
    const bool is_there[SECTION_TYPES] = {
        [SECTION_LINES] = true,
        [SECTION_TABLE] = true,
        [SECTION_LEASES] = max_leases > 0,
        [SECTION_SHARES] = has_shares,
    };
    uint32_t count = 0;
    uint64_t at = PAGE_BYTES;
    for (uint32_t type = SECTION_LINES; type < SECTION_TYPES; type++) {
        if (!is_there[type])
            continue;
        sections[count] =
            (struct section){type, section_version[type], at,
                             section_bytes((enum section_type)type, max_keys, max_leases)};
        at = directory_file_bytes(at + sections[count++].bytes);
    }
    return count;
}

size_t store_bytes(uint32_t max_keys, uint32_t max_leases, bool has_shares)
{
    struct section sections[SECTIONS_MAX] = {0};
    const struct section *last = &sections[lay_out(max_keys, max_leases, has_shares, sections) - 1];
    return directory_file_bytes(last->offset + last->bytes);
}

/* By how much a file becomes longer that gets room for so many leases. */
static uint64_t leases_room(uint32_t max_leases)
{
    return directory_file_bytes(lease_records_bytes(max_leases));
}

static unsigned char *half(const struct store *store, uint32_t number)
{
    return store->halves + number % 2 * SNAPSHOT_ROOM;
}

static struct store store_at(void *memory, const struct what *what, const struct section *sections,
                             uint32_t count)
{
    struct store store = {.page = memory, .layout = what->layout, .max_keys = what->max_keys};
    memcpy(store.seed, what->seed, sizeof store.seed);
    for (uint32_t i = 0; i < count; i++) {
        unsigned char *at = (unsigned char *)memory + sections[i].offset;
        switch ((enum section_type)sections[i].type) {
        case SECTION_LINES:
            store.halves = at;
            break;
        case SECTION_TABLE:
            store.arena = at;
            break;
        case SECTION_LEASES:
            store.leases = at;
            store.max_leases = published_number(store.page->leases);
            break;
        case SECTION_SHARES:
            store.shares = at;
            break;
        }
    }
    return store;
}

static const unsigned char *section_at(const struct store *store, enum section_type type)
{
    switch (type) {
    case SECTION_LINES:
        return store->halves;
    case SECTION_TABLE:
        return store->arena;
    case SECTION_LEASES:
        return store->leases;
    case SECTION_SHARES:
        break;
    }
    return store->shares;
}

/* The sections of a store, where they are. Returns how many. */
static uint32_t sections_of(const struct store *store, struct section sections[SECTIONS_MAX])
{
    const unsigned char *memory = (const unsigned char *)store->page;
    uint32_t count = lay_out(store->max_keys, store->max_leases, store->shares != NULL, sections);
    for (uint32_t i = 0; i < count; i++)
        sections[i].offset =
            (uint64_t)(section_at(store, (enum section_type)sections[i].type) - memory);
    return count;
}

/* ---- beginning ---- */

/* Puts what the file is, and where its sections are. */
static void put_head(struct store_page *page, uint32_t max_keys, uint32_t max_leases,
                     const uint8_t seed[TABLE_SEED_BYTES], const struct section *sections,
                     uint32_t count)
{
    page->what = (struct what){
        .layout = STORE_LAYOUT,
        .byte_order = BYTE_ORDER_MARK,
        .max_keys = max_keys,
    };
    memcpy(page->what.magic, magic, sizeof magic);
    memcpy(page->what.seed, seed, sizeof page->what.seed);
    page->what_checksum = bytes_checksum(&page->what, sizeof page->what);
    page->leases = max_leases > 0 ? publication(max_leases) : 0;
    directory_put(&page->directory, sections, count);
}

void store_begin(struct store *store, void *memory, uint32_t max_keys, uint32_t max_leases,
                 bool has_shares, const uint8_t seed[TABLE_SEED_BYTES])
{
    struct store_page *page = memory;
    struct section sections[SECTIONS_MAX] = {0};
    uint32_t count = lay_out(max_keys, max_leases, has_shares, sections);
    put_head(page, max_keys, max_leases, seed, sections, count);
    *store = store_at(memory, &page->what, sections, count);
}

void store_put_head(const struct store *store)
{
    struct section sections[SECTIONS_MAX] = {0};
    uint32_t count = sections_of(store, sections);
    put_head(store->page, store->max_keys, store->max_leases, store->seed, sections, count);
}

/* ---- finding ---- */

static bool checks_as(const struct store_page *page, uint32_t layout)
{
    struct what what = page->what;
    what.layout = layout;
    return page->what_checksum == bytes_checksum(&what, sizeof what);
}

static const char *refuse_what(const struct store_page *page)
{
    const struct what *what = &page->what;
    if (memcmp(what->magic, magic, sizeof magic) != 0)
        return "it is no state of allowd's, or its beginning is damaged";
    if (what->byte_order != BYTE_ORDER_MARK)
        return "it was written by a machine of another byte order, or is damaged";
    if (what->layout != FIRST_LAYOUT && what->layout != STORE_LAYOUT)
        return "it was written by a version of allowd with another layout, or is damaged";
    /* Killed in store_renew it still has the checksum of the layout before. */
    if (!checks_as(page, what->layout) &&
        !(what->layout == STORE_LAYOUT && checks_as(page, FIRST_LAYOUT)))
        return "its header is damaged";
    if (page->leases != 0 &&
        (published_number(page->leases) == 0 || published_number(page->leases) > LEASES_MAX))
        return "its header is damaged";
    if (what->max_keys < 1 || what->max_keys > TABLE_KEYS_MAX)
        return "it is not as long as it should be";
    return NULL;
}

/* Whether a section is what this version of allowd writes itself. A later version of it is not
 * trusted, whatever of it looks familiar. */
static const char *refuse_section(const struct section *section, uint32_t max_keys,
                                  uint32_t max_leases)
{
    if (section->type == 0 || section->version == 0)
        return "the sections in it do not hold together";
    if (section->type >= SECTION_TYPES)
        return "a later version of allowd wrote it, with a section that this one does not know";
    if (section->version > section_version[section->type])
        return "a later version of allowd wrote it, with a section in a form that this one does "
               "not know";
    if (section->type == SECTION_LEASES && max_leases == 0)
        return "the sections in it do not hold together";
    if (section->bytes != section_bytes((enum section_type)section->type, max_keys, max_leases))
        return "it is not as long as it should be";
    return NULL;
}

/* Killed in store_begin, before there was anything but the header. */
static bool is_barely_begun(const struct store_page *page)
{
    return page->what.layout == STORE_LAYOUT && page->directory.published == 0 &&
           page->published == 0;
}

/* Takes the room behind all others for leases. A directory does not tell of it yet. */
static void take_grown(struct store *store, size_t bytes)
{
    store->max_leases = published_number(store->page->leases);
    store->leases = (unsigned char *)store->page + (bytes - leases_room(store->max_leases));
}

/* Whether a file that would be `bytes` long without leases may have grown to be `grown`. */
static bool has_grown(const struct store_page *page, uint64_t bytes, uint64_t grown)
{
    uint32_t max_leases = published_number(page->leases);
    return max_leases > 0 && grown == bytes + leases_room(max_leases);
}

static const char *refuse_first_layout(struct store *store, void *memory, size_t bytes)
{
    const struct store_page *page = memory;
    const struct what *what = &page->what;
    struct section sections[SECTIONS_MAX] = {0};
    size_t without = store_bytes(what->max_keys, 0, false);
    *store = store_at(memory, what, sections, lay_out(what->max_keys, 0, false, sections));
    if (has_grown(page, without, bytes))
        take_grown(store, bytes);
    else if (bytes != without)
        return "it is not as long as it should be";
    return NULL;
}

static bool has_leases(const struct directory *directory)
{
    for (uint32_t i = 0; i < directory->count; i++)
        if (directory->section[i].type == SECTION_LEASES)
            return true;
    return false;
}

/* Whether it was made longer for leases, which its directory does not have yet. */
static bool is_growing(const struct store_page *page, size_t bytes)
{
    uint32_t max_leases = published_number(page->leases);
    uint64_t room = max_leases > 0 ? leases_room(max_leases) : 0;
    return room > 0 && room < bytes && directory_check(&page->directory, bytes - room) == NULL &&
           !has_leases(directory_in_force(&page->directory));
}

static const char *refuse_sections(struct store *store, void *memory, size_t bytes)
{
    const struct store_page *page = memory;
    const struct what *what = &page->what;
    if (what->layout == FIRST_LAYOUT)
        return refuse_first_layout(store, memory, bytes);
    bool is_longer = is_growing(page, bytes);
    const char *why = is_longer ? NULL : directory_check(&page->directory, bytes);
    if (why != NULL)
        return why;
    const struct directory *directory = directory_in_force(&page->directory);
    for (uint32_t i = 0; i < directory->count; i++) {
        why =
            refuse_section(&directory->section[i], what->max_keys, published_number(page->leases));
        if (why != NULL)
            return why;
    }
    *store = store_at(memory, what, directory->section, directory->count);
    if (is_longer)
        take_grown(store, bytes);
    return store->halves == NULL || store->arena == NULL ? "a section is missing in it" : NULL;
}

/* Of a record as it is written now. */
static uint64_t time_checksum(const struct time_record *record)
{
    const struct {
        struct when put;
        uint64_t lived_ns;
    } all = {record->when, record->lived_ns};
    static_assert(sizeof all == sizeof all.put + sizeof all.lived_ns, "there are no gaps in it");
    return bytes_checksum(&all, sizeof all);
}

static bool time_fits(const struct time_record *record)
{
    return record->checksum == time_checksum(record) ||
           (record->lived_ns == 0 &&
            record->checksum == bytes_checksum(&record->when, sizeof record->when));
}

static bool is_whole(const struct store_page *page, int i)
{
    const struct time_record *record = &page->times[i];
    return record->when.number != 0 && time_fits(record);
}

static const char *refuse_times(struct store *store)
{
    for (int i = 0; i < 2; i++)
        if (is_whole(store->page, i) && store->page->times[i].when.number > store->times)
            store->times = store->page->times[i].when.number;
    return store->times == 0 ? "the time in it is damaged" : NULL;
}

static bool is_snapshot(const struct store *store, uint32_t number)
{
    struct snapshot_head head;
    const unsigned char *snapshot = half(store, number);
    memcpy(&head, snapshot, sizeof head);
    return number != 0 && head.number == number && head.len <= SNAPSHOT_ROOM - sizeof head &&
           (head.checksum == bytes_checksum_long(snapshot + sizeof head, head.len) ||
            head.checksum == bytes_checksum(snapshot + sizeof head, head.len));
}

/* If the last snapshot is damaged, the one before will do. Marks on lines that it does not know
 * are then taken to be those of empty buckets; without any snapshot all buckets would be full. */
static const char *refuse_lines(struct store *store)
{
    uint32_t number = published_number(store->page->published);
    if (number == 0)
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
    struct store found;
    *why = refuse_what(page);
    if (*why == NULL && is_barely_begun(page))
        return STORE_BEGUN;
    if (*why == NULL)
        *why = refuse_sections(&found, memory, bytes);
    if (*why != NULL)
        return STORE_REFUSED;
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

/* ---- growing ---- */

size_t store_grow(const struct store *store, size_t bytes, uint32_t max_leases)
{
    if (store->leases != NULL)
        return bytes;
    __atomic_store_n(&store->page->leases, publication(max_leases), __ATOMIC_RELEASE);
    return bytes + leases_room(max_leases);
}

/* ---- renewing ---- */

/* A kill between any two of these stores leaves a store of layout 1, with or without a directory
 * that nobody reads; or one of layout 2, whose header still has the checksum of layout 1; or one
 * that is longer than its directory says, and says why. */
void store_renew(struct store *store)
{
    struct store_page *page = store->page;
    bool is_first = page->what.layout == FIRST_LAYOUT;
    if (is_first || (store->leases != NULL && !has_leases(directory_in_force(&page->directory)))) {
        struct section sections[SECTIONS_MAX] = {0};
        uint32_t count = sections_of(store, sections);
        directory_put(&page->directory, sections, count);
    }
    if (is_first)
        __atomic_store_n(&page->what.layout, STORE_LAYOUT, __ATOMIC_RELEASE);
    if (!checks_as(page, STORE_LAYOUT))
        __atomic_store_n(&page->what_checksum, bytes_checksum(&page->what, sizeof page->what),
                         __ATOMIC_RELEASE);
}

/* ---- the time ---- */

void store_time(const struct store *store, struct store_time *time)
{
    const struct time_record *record = &store->page->times[store->times % 2];
    *time = (struct store_time){record->when.tick, record->when.due, record->lived_ns};
}

void store_put_time(struct store *store, const struct store_time *time)
{
    struct time_record next = {
        .when = {.number = ++store->times, .tick = time->tick, .due = time->due},
        .lived_ns = time->lived_ns,
    };
    struct time_record *record = &store->page->times[next.when.number % 2];
    record->when = next.when;
    record->lived_ns = next.lived_ns;
    __atomic_store_n(&record->checksum, time_checksum(&next),
                     __ATOMIC_RELEASE); /* no later store of the table's is seen before this one */
}

bool moments_share_clock(const struct moment *a, const struct moment *b)
{
    static const uint8_t unknown[STORE_CLOCK_ID_BYTES];
    return memcmp(a->clock_id, unknown, sizeof unknown) != 0 &&
           memcmp(a->clock_id, b->clock_id, sizeof unknown) == 0;
}

/* What has passed by that clock since then has passed by this one. A time after now has no moment
 * in common with it: it stays, and so the wall clock counts. */
void store_change_clock(struct store *store, const struct moment *by_that,
                        const struct moment *by_this)
{
    struct store_time time;
    store_time(store, &time);
    uint64_t passed_ns = by_that->now_ns - time.due.now_ns;
    if (!moments_share_clock(&time.due, by_that) || time.due.now_ns > by_that->now_ns ||
        passed_ns > by_this->now_ns)
        return;
    time.due.now_ns = by_this->now_ns - passed_ns;
    memcpy(time.due.clock_id, by_this->clock_id, sizeof time.due.clock_id);
    store_put_time(store, &time);
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
    head.checksum = bytes_checksum_long(snapshot + sizeof head, head.len);
    memcpy(snapshot, &head, sizeof head);
    store->snapshots = number;
    __atomic_store_n(&store->page->published, publication(number), __ATOMIC_RELEASE);
    reserve(store, sizeof head + head.len);
    return true;
}

/* ---- what is in hand of a fleet ---- */

/* A fleet's name and store are part of the home: to others it would look as if they had lost what the
 * shares were granted. */
void store_set_shares_file(struct store *store, uint64_t file)
{
    uint64_t home = file ^ store->shares_fleet;
    store->shares_home = file == 0 ? 0 : home == 0 ? file : home;
}

void store_own_shares(struct store *store, uint64_t file,
                      const uint8_t clock_id[STORE_CLOCK_ID_BYTES], bool may_believe)
{
    struct share_records records = share_records_at(store->shares);
    store_set_shares_file(store, file);
    uint64_t home = store->shares_home;
    store->shares_are_believed = may_believe && share_records_are_of(&records, home, clock_id);
    if (store->shares_are_believed || records.head == NULL)
        return;
    share_records_blank(&records, home, clock_id);
}

void store_copy_shares(struct store *store, const struct store *from)
{
    struct share_records to = share_records_at(store->shares);
    const struct share_records records = share_records_at(from->shares);
    store->shares_fleet = from->shares_fleet;
    store->shares_are_believed = to.head != NULL && from->shares_are_believed;
    if (store->shares_are_believed)
        share_records_copy(&records, &to);
}

void store_put_shares_home(const struct store *store, uint64_t home,
                           const uint8_t clock_id[STORE_CLOCK_ID_BYTES])
{
    struct share_records records = share_records_at(store->shares);
    share_records_set_home(&records, home, clock_id);
}
