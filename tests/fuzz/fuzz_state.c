/*
 * State files: whatever bytes one has, it is refused or a brain goes on from it.
 *
 * An input is a byte of flags, then what it makes of a small state that is sound:
 * with RAW_LINES the limits in it, with RAW_TABLE the table, with RAW_LEASES the records of
 * leases, with RAW_SHARES those of what is in hand of a fleet, else changes of four bytes: which
 * part, where in it (two bytes), and what is flipped there. FIRST has the state in the first
 * layout, before that, and GROWN has it grown by room for leases as well. FIX has the checksums
 * fit what is there then, as those of a forger would.
 */
#include "base/bytes.h"
#include "brain/core.h"
#include "fuzz/fuzz.h"
#include "support/ask_brain.h"
#include "support/old_store.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

/* The store's own sources, to know where its checksums are. */
#include "keep/share_records.c"
#include "keep/store.c"

const struct fuzz_target fuzz_target = {.name = "state", .size_max = 2048, .runs = 200};

enum { MAX_KEYS = 6, MAX_LEASES = 3, LINES_BYTES = 4096, SHARES = 4, PARTS = 6 };
enum flag {
    FIX = 1,
    RAW_LINES = 2,
    RAW_TABLE = 4,
    FIRST = 8,
    GROWN = 16,
    RAW_LEASES = 32,
    RAW_SHARES = 64,
};

static const char *const keys[] = {"a", "vip", "w1",
                                   "a key that is longer than a cell has room for"};
#define KEYS_COUNT (sizeof keys / sizeof keys[0])

static struct {
    unsigned char *memory;
    size_t bytes; /* of the file, as it is damaged */
    struct {
        unsigned char *at, *sound;
        size_t len;
    } part[PARTS];
} base;

static const uint64_t home = 7;
static const struct moment moment = {5000000000, 1000000000000000000, "some boot"};

static struct limits *limits_of(uint64_t burst)
{
    const struct override_terms overrides[] = {
        {.key = "vip",
         .until_s = 1500000000,
         .buckets_count = 1,
         .buckets = {{.burst = burst, .rate = {3, 1000}}}},
        {.key = "w?", .action = OVERRIDE_ALLOW, .until_s = OVERRIDE_FOR_EVER},
    };
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 2,
        .buckets = {{"s", burst, {1, 1000}, 5}, {"m", 2 * burst, {1, 60000}, 7}},
        .overrides_count = 2,
        .overrides = overrides,
    };
    struct limits *limits = limits_new(1, 100);
    if (limits == NULL || !limits_add(limits, &terms))
        abort();
    return limits;
}

static struct bucket_answer ask(struct brain *brain, enum message_kind kind, const char *key,
                                uint64_t tokens)
{
    struct message message = {
        .kind = kind,
        .ask.bucket = {.key = key, .key_len = strlen(key), .tokens = tokens},
    };
    struct message *messages[] = {&message};
    FUZZ_REQUIRE(ask_brain(brain, messages, 1) == 1);
    return message.answer.bucket;
}

static void reload(struct brain *brain, uint64_t burst)
{
    struct limits *limits = limits_of(burst);
    struct message message = {
        .kind = MESSAGE_LIMITS,
        .ask.limits = {.limits = limits, .when_full = WHEN_FULL_EVICT, .date_s = 1000000001},
    };
    struct message *messages[] = {&message};
    ask_brain(brain, messages, 1);
    FUZZ_REQUIRE(wait_for_room(brain) < 1000);
    limits_release(limits);
}

static void hold(struct brain *brain, const char *key, uint8_t id)
{
    struct lease_terms terms = {
        .id = {id},
        .salt = brain->buckets.salt[0],
        .tokens = id,
        .ttl_ms = 2000,
        .key_len = (uint8_t)strlen(key),
    };
    memcpy(terms.key, key, terms.key_len);
    uint64_t hash = table_hash(&brain->buckets.table, key, terms.key_len) ^ terms.salt;
    FUZZ_REQUIRE(leases_make_ready(&brain->leases));
    leases_hold(&brain->leases, &terms, hash, brain->leases.now_ns + 1 + id * 1000000000ull);
}

static void begin_sessions(const struct store *store)
{
    struct share_records records = share_records_at(store->shares);
    for (uint32_t i = 0; i < SHARES; i++) {
        struct share_record_terms terms = {.session = i + 1,
                                           .buckets = (uint8_t)(1 + i % BUCKETS_MAX),
                                           .has_slots = i % 2 == 1,
                                           .name_len = 6,
                                           .key_len = (uint8_t)strlen(keys[i]),
                                           .name = "shared"};
        memcpy(terms.key, keys[i], terms.key_len);
        const struct share_record_totals totals[BUCKETS_MAX] = {
            {10, 3, 0}, {20, 20, -1}, {FLEET_TOTAL_MAX, 0, 5}, {0, 0, 0}};
        share_record_begin(&records, i, &terms, 1000 + i, 2000 + i, 3000 + i, totals);
    }
}

/* A brain has lived here: two sets of limits, keys on both, leases, of which one was released, and something in hand of a
 * fleet. */
static void base_make(void)
{
    size_t bytes = store_bytes(MAX_KEYS, MAX_LEASES, true);
    struct store store;
    base.memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base.memory == MAP_FAILED)
        abort();
    store_begin(&store, base.memory, MAX_KEYS, MAX_LEASES, true,
                (const uint8_t *)"seed of a fuzzer");
    struct limits *limits = limits_of(10);
    const struct limits_question question = {
        .limits = limits, .when_full = WHEN_FULL_EVICT, .date_s = 1000000000};
    struct brain *brain = brain_new_stored(&question, &store, &moment);
    for (size_t i = 0; i < KEYS_COUNT; i++)
        ask(brain, MESSAGE_ALLOW, keys[i], 3 + i);
    brain_tick(brain, moment.now_ns + 250000000);
    reload(brain, 12);
    ask(brain, MESSAGE_ALLOW, keys[0], 1);
    hold(brain, keys[0], 1);
    hold(brain, keys[3], 2);
    const struct lease_id first = {{1}};
    leases_let_go(&brain->leases, leases_find(&brain->leases, &first), LEASE_RELEASED,
                  &(struct lease_outcome){.returned_tokens = 1});
    brain_free(brain);
    limits_release(limits);
    store_own_shares(&store, home, moment.clock_id, true);
    begin_sessions(&store);
    base.part[0].at = base.memory;
    base.part[0].len = sizeof(struct store_page);
    base.part[1].at = half(&store, 0);
    base.part[2].at = half(&store, 1);
    base.part[1].len = base.part[2].len = LINES_BYTES;
    base.part[3].at = store.arena;
    base.part[3].len = table_arena_bytes(MAX_KEYS);
    base.part[4].at = store.leases;
    base.part[4].len = lease_records_bytes(MAX_LEASES);
    base.part[5].at = store.shares;
    base.part[5].len = PAGE_BYTES + SHARES * SHARE_RECORD_BYTES;
    for (int i = 0; i < PARTS; i++) {
        base.part[i].sound = malloc(base.part[i].len);
        if (base.part[i].sound == NULL)
            abort();
        memcpy(base.part[i].sound, base.part[i].at, base.part[i].len);
    }
}

static unsigned char *snapshot_in_force(void)
{
    const struct store_page *page = (const struct store_page *)base.part[0].sound;
    return base.part[1 + (uint32_t)page->published % 2].at;
}

static void fix_checksums_of_shares(void)
{
    const struct share_records records = share_records_at(base.part[5].at);
    records.head->seal = seal_of(&records.head->whose);
    for (uint32_t i = 0; i < SHARES; i++)
        records.record[i].state = word_of(&records.record[i]);
}

static void fix_checksums(void)
{
    struct store_page *page = (struct store_page *)base.memory;
    page->what_checksum = bytes_checksum(&page->what, sizeof page->what);
    for (int i = 0; i < 2; i++)
        page->times[i].checksum = time_checksum(&page->times[i]);
    for (int i = 0; i < 2; i++)
        page->directory.half[i].checksum = bytes_checksum(&page->directory.half[i].directory,
                                                          sizeof page->directory.half[i].directory);
    fix_checksums_of_shares();
    struct snapshot_head head;
    unsigned char *snapshot = snapshot_in_force();
    memcpy(&head, snapshot, sizeof head);
    if (head.len > LINES_BYTES - sizeof head)
        return;
    head.checksum = bytes_checksum_long(snapshot + sizeof head, head.len);
    memcpy(snapshot, &head, sizeof head);
}

/* Makes it the state of 0.1.0, which ends where the leases begin; grown or not. */
static void make_first(bool is_grown)
{
    struct store store;
    const char *why = NULL;
    old_store_first_layout(base.memory);
    memset(base.part[4].at, 0, base.part[4].len);
    memset(base.part[5].at, 0, base.part[5].len);
    base.bytes = store_bytes(MAX_KEYS, 0, false);
    FUZZ_REQUIRE(store_find(&store, base.memory, base.bytes, &why) == STORE_FOUND);
    if (is_grown)
        base.bytes = store_grow(&store, base.bytes, MAX_LEASES);
}

static void put_raw(int part, const uint8_t *data, size_t size)
{
    memcpy(base.part[part].at, data, size < base.part[part].len ? size : base.part[part].len);
}

static void damage(unsigned flags, const uint8_t *data, size_t size)
{
    for (int i = 0; i < PARTS; i++)
        memcpy(base.part[i].at, base.part[i].sound, base.part[i].len);
    base.bytes = store_bytes(MAX_KEYS, MAX_LEASES, true);
    if (flags & FIRST)
        make_first((flags & GROWN) != 0);
    if (flags & RAW_LINES) {
        unsigned char *snapshot = snapshot_in_force();
        struct snapshot_head head;
        memcpy(&head, snapshot, sizeof head);
        head.len = size;
        memcpy(snapshot, &head, sizeof head);
        memcpy(snapshot + sizeof head, data, size);
    } else if (flags & RAW_TABLE) {
        put_raw(3, data, size);
    } else if (flags & RAW_LEASES) {
        put_raw(4, data, size);
    } else if (flags & RAW_SHARES) {
        put_raw(5, data, size);
    } else {
        for (; size >= 4; data += 4, size -= 4) {
            int part = data[0] % PARTS;
            size_t place = (size_t)data[1] << 8 | data[2];
            base.part[part].at[place % base.part[part].len] ^= data[3];
        }
    }
    if (flags & FIX)
        fix_checksums();
}

/* A life after: nobody has more than a burst or owes more than they may, and every walk ends. */
static void live(struct brain *brain)
{
    struct daemon_answer daemon = {0};
    struct message message = {.kind = MESSAGE_DAEMON, .answer.daemon = &daemon};
    struct message *messages[] = {&message};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < KEYS_COUNT; i++) {
            FUZZ_REQUIRE(ask(brain, MESSAGE_STATUS, keys[i], 0).remaining_tokens <= 12);
            FUZZ_REQUIRE(ask(brain, MESSAGE_ALLOW, keys[i], 2).remaining_tokens <= 12);
            FUZZ_REQUIRE(ask(brain, MESSAGE_CHARGE, keys[i], 6).owed_tokens <= 12);
        }
        ask(brain, MESSAGE_ALLOW, round == 0 ? "x" : "y", 1);
        ask(brain, MESSAGE_RESET, "x", 0);
        ask(brain, MESSAGE_REFUND, "a", 1);
        brain_tick(brain, moment.now_ns + 1000000000ull * (unsigned)(1 + round));
        brain_date(brain, 1400000000 + 100000000 * round);
        brain_sweep(brain);
        reload(brain, (uint64_t)(12 - round));
    }
    FUZZ_REQUIRE(ask_brain(brain, messages, 1) == 1 && daemon.keys <= MAX_KEYS);
    FUZZ_REQUIRE(brain->leases.held.count <= brain->leases.records.count);
    leases_write_anew(&brain->leases);
}

/* What is read of shares can be gone on with as it is; and who does not believe them finds none any more. */
static void live_with_shares(struct store *store)
{
    struct share_record_terms terms;
    struct share_record_totals totals[BUCKETS_MAX];
    uint64_t epoch_ms, lease_ns, seq;
    struct share_records records = share_records_at(store->shares);
    store_own_shares(store, home, moment.clock_id, true);
    uint32_t used = share_records_used(&records);
    FUZZ_REQUIRE(used <= SHARE_RECORDS_MAX);
    for (uint32_t i = 0; i < used; i++) {
        if (!share_record_read(&records, i, &terms, &epoch_ms, &lease_ns, &seq, totals))
            continue;
        FUZZ_REQUIRE(store_shares_are_believed(store) && terms.session != 0);
        FUZZ_REQUIRE(limit_name_is_valid(terms.name, terms.name_len));
        FUZZ_REQUIRE(key_check(terms.key, terms.key_len) == KEY_OK);
        FUZZ_REQUIRE(terms.buckets >= 1 && terms.buckets <= BUCKETS_MAX);
        for (uint32_t j = 0; j < terms.buckets; j++)
            FUZZ_REQUIRE(totals[j].disposed <= totals[j].granted &&
                         totals[j].granted <= FLEET_TOTAL_MAX);
        share_record_put_disposed(&records.record[i], 0, totals[0].granted);
    }
    store_own_shares(store, home + 1, moment.clock_id, true);
    FUZZ_REQUIRE(!store_shares_are_believed(store) && share_records_used(&records) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > fuzz_target.size_max)
        return 0;
    if (base.memory == NULL)
        base_make();
    damage(data[0], data + 1, size - 1);
    struct store store;
    struct brain *brain = NULL;
    const char *why = NULL;
    struct limits *limits = limits_of(12);
    const struct limits_question question = {
        .limits = limits, .when_full = WHEN_FULL_EVICT, .date_s = 1000000002};
    if (store_find(&store, base.memory, base.bytes, &why) == STORE_FOUND &&
        brain_restore(&brain, &question, MAX_LEASES, &store, &moment, &why) == BRAIN_RESTORED) {
        live(brain);
        brain_free(brain);
        live_with_shares(&store);
    } else {
        FUZZ_REQUIRE(brain == NULL);
    }
    limits_release(limits);
    return 0;
}
