/* Layouts of the state file: what earlier versions left is taken over, what later ones wrote is
 * refused.
 *
 *     test_layouts FILE    lists what this version left in a file under the limits of the killed,
 *                          and what it finds in it: for the versions to come
 */
#include "base/bytes.h"
#include "brain/core.h"
#include "keep/directory.h"
#include "keep/lease_records.h"
#include "keep/publish.h"
#include "keep/share_records.h"
#include "support/ask_brain.h"
#include "support/brain_fixture.h"
#include "support/old_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* As they are in the first layout, for good; and where the directory is since. */
enum { LAYOUT_AT = 8, CHECKSUM_AT = 40, PAGE = DIRECTORY_PAGE_BYTES };
/* What there is besides since. */
enum { LEASES_AT = 48, TIMES_AT = 128, DIRECTORY_AT = 256 };
enum {
    MAX_KEYS = 8,
    MAX_LEASES = 5,
    MOST_LEASES = 20,
    USED = 4096 /* bytes of each snapshot that are compared */
};
static const size_t snapshot_room = (size_t)32 << 20;

static const struct rate slow = {1, 366ull * MS_PER_DAY};
static const uint8_t seed[TABLE_SEED_BYTES] = "not so random";
static const struct moment moment = {FIXTURE_START_NS, (uint64_t)FIXTURE_START_DATE_S *NS_PER_S,
                                     "some boot"};

static unsigned char *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static struct limits *plain(void)
{
    struct rule rule = {LIMIT_DEFAULT_NAME, NULL, 10, slow};
    return fixture_limits(10000, &rule, 1);
}

/* A store in which a token of "a" is taken and two of another, with room for MOST_LEASES behind it. */
static unsigned char *store_of_two_keys(bool has_shares)
{
    unsigned char *memory = map(store_bytes(MAX_KEYS, MOST_LEASES, has_shares));
    struct store store;
    struct limits *limits = plain();
    const struct limits_question question = {.limits = limits};
    store_begin(&store, memory, MAX_KEYS, MAX_LEASES, has_shares, seed);
    struct fixture fixture = {.brain = brain_new_stored(&question, &store, &moment),
                              .now_ns = moment.now_ns};
    assert_non_null(fixture.brain);
    assert_true(fixture_allows(&fixture, "a", 1));
    assert_true(fixture_allows(&fixture, "another, that is longer than a cell", 2));
    fixture_release(&fixture);
    limits_release(limits);
    return memory;
}

static unsigned char *store_with_two_keys(void)
{
    return store_of_two_keys(false);
}

static struct brain *restore(struct store *store, struct limits *limits, const struct moment *now)
{
    const struct limits_question question = {
        .limits = limits,
        .when_full = WHEN_FULL_EVICT,
        .date_s = (int64_t)(now->wall_ns / NS_PER_S),
    };
    struct brain *brain = NULL;
    const char *why = "";
    assert_int_equal(brain_restore(&brain, &question, MAX_LEASES, store, now, &why),
                     BRAIN_RESTORED);
    limits_release(limits);
    return brain;
}

/* Has a file of zeros beyond `bytes` grow by room for leases. Returns how long it is then. */
static size_t grow(unsigned char *memory, size_t bytes, uint32_t max_leases)
{
    struct store store;
    const char *why = NULL;
    assert_int_equal(store_find(&store, memory, bytes, &why), STORE_FOUND);
    assert_null(store.leases);
    size_t grown = store_grow(&store, bytes, max_leases);
    assert_true(grown > bytes && grown % PAGE == 0);
    assert_int_equal(store_find(&store, memory, grown, &why), STORE_FOUND);
    assert_ptr_equal(store.leases, memory + bytes);
    assert_int_equal(store.max_leases, max_leases);
    assert_int_equal(store_grow(&store, grown, max_leases + 1), grown); /* it has room already */
    return grown;
}

static void assert_two_keys(unsigned char *memory, size_t bytes)
{
    struct store store;
    const char *why = NULL;
    assert_int_equal(store_find(&store, memory, bytes, &why), STORE_FOUND);
    struct fixture fixture = {.brain = restore(&store, plain(), &moment), .now_ns = moment.now_ns};
    assert_int_equal(fixture_daemon(&fixture).keys, 2);
    assert_int_equal(fixture_status(&fixture, "a").remaining_tokens, 9);
    assert_int_equal(
        fixture_status(&fixture, "another, that is longer than a cell").remaining_tokens, 8);
    fixture_release(&fixture);
}

/* ---- the first layout ---- */

static void the_first_layout_is_brought_into_the_present_one_in_place(void **state)
{
    (void)state;
    size_t bytes = store_bytes(MAX_KEYS, MAX_LEASES, false), arena = PAGE + 2 * snapshot_room;
    unsigned char *memory = store_with_two_keys(), *before = map(bytes);
    const char *why = NULL;
    struct store store;
    memcpy(before, memory, PAGE);
    old_store_first_layout(memory);
    assert_memory_not_equal(memory, before, PAGE);
    memcpy(before + TIMES_AT, memory + TIMES_AT, DIRECTORY_AT - TIMES_AT);
    memcpy(before + PAGE, memory + PAGE, USED);
    memcpy(before + PAGE + snapshot_room, memory + PAGE + snapshot_room, USED);
    memcpy(before + arena, memory + arena, bytes - arena);

    assert_int_equal(grow(memory, store_bytes(MAX_KEYS, 0, false), MAX_LEASES), bytes);
    assert_int_equal(store_find(&store, memory, bytes, &why), STORE_FOUND);
    assert_int_equal(store.layout, 1);
    for (int times = 0; times < 2; times++) {
        store_renew(&store);
        assert_memory_equal(memory, before, PAGE); /* as if it had been begun so */
        assert_memory_equal(memory + PAGE, before + PAGE, USED);
        assert_memory_equal(memory + PAGE + snapshot_room, before + PAGE + snapshot_room, USED);
        assert_memory_equal(memory + arena, before + arena, bytes - arena);
    }
    assert_int_equal(store_find(&store, memory, bytes, &why), STORE_FOUND);
    assert_int_equal(store.layout, STORE_LAYOUT);
    assert_int_equal(store.max_leases, MAX_LEASES);
    assert_two_keys(memory, bytes);
    munmap(before, bytes);
    munmap(memory, bytes);
}

/* Where the file cannot become longer, it is brought into the present layout all the same. */
static void a_restart_brings_it_into_the_present_one(void **state)
{
    (void)state;
    size_t bytes = store_bytes(MAX_KEYS, 0, false);
    unsigned char *memory = store_with_two_keys();
    const char *why = NULL;
    struct store store;
    old_store_first_layout(memory);
    assert_two_keys(memory, bytes);
    assert_int_equal(store_find(&store, memory, bytes, &why), STORE_FOUND);
    assert_int_equal(store.layout, STORE_LAYOUT);
    assert_null(store.leases);
    assert_two_keys(memory, bytes);
    assert_two_keys(memory, grow(memory, bytes, MAX_LEASES + 1));
    munmap(memory, store_bytes(MAX_KEYS, MOST_LEASES, false));
}

/* ---- room for leases ---- */

/* Between the first word about it and the directory it may have grown or not; and what a start with
 * another max_leases says goes, while it has not. */
static void a_file_that_is_to_grow_is_sound_in_either_length(void **state)
{
    (void)state;
    size_t bytes = store_bytes(MAX_KEYS, 0, false);
    for (int is_first = 0; is_first < 2; is_first++) {
        unsigned char *memory = store_with_two_keys();
        const char *why = NULL;
        struct store store;
        const struct section two[] = {
            {1, 1, PAGE, 2 * snapshot_room},
            {2, 1, PAGE + 2 * snapshot_room, table_arena_bytes(MAX_KEYS)}};
        memset(memory + LEASES_AT, 0, sizeof(uint64_t));
        directory_put((struct directory_place *)(memory + DIRECTORY_AT), two, 2);
        if (is_first)
            old_store_first_layout(memory);
        for (uint32_t leases = MAX_LEASES; leases > 1; leases--) {
            size_t grown = grow(memory, bytes, leases);
            assert_int_equal(grown, store_bytes(MAX_KEYS, leases, false));
            for (size_t other = bytes - 2 * PAGE; other < grown + 3 * PAGE; other += PAGE / 2)
                assert_int_equal(store_find(&store, memory, other, &why),
                                 other == bytes || other == grown ? STORE_FOUND : STORE_REFUSED);
        }
        size_t grown = grow(memory, bytes, 1);
        assert_two_keys(memory, grown); /* which lists the room */
        assert_int_equal(store_find(&store, memory, bytes, &why), STORE_REFUSED);
        assert_int_equal(store_find(&store, memory, grown, &why), STORE_FOUND);
        assert_int_equal(store.max_leases, 1);
        assert_two_keys(memory, grown);
        munmap(memory, store_bytes(MAX_KEYS, MOST_LEASES, false));
    }
}

static void each_bit_flip_in_what_says_how_many_leases_is_refused(void **state)
{
    (void)state;
    size_t bytes = store_bytes(MAX_KEYS, MAX_LEASES, false);
    unsigned char *memory = store_with_two_keys();
    for (unsigned bit = 8 * LEASES_AT; bit < 8 * (LEASES_AT + sizeof(uint64_t)); bit++) {
        struct store store;
        const char *why = NULL;
        memory[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(store_find(&store, memory, bytes, &why), STORE_REFUSED);
        assert_string_equal(why, "its header is damaged");
        memory[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_two_keys(memory, bytes);
    munmap(memory, bytes);
}

static void another_number_of_leases_than_the_file_is_for_is_refused(void **state)
{
    (void)state;
    const struct {
        uint32_t leases;
        const char *why;
    } cases[] = {
        {MAX_LEASES + 6, "it is not as long as it should be"},
        {MOST_LEASES, "it is not as long as it should be"},
        {LEASES_MAX, "it is not as long as it should be"},
        {LEASES_MAX + 1, "its header is damaged"},
        {UINT32_MAX, "its header is damaged"},
    };
    size_t bytes = store_bytes(MAX_KEYS, MAX_LEASES, false);
    unsigned char *memory = store_with_two_keys();
    const char *why = NULL;
    struct store store;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        uint64_t word = publication(cases[i].leases);
        memcpy(memory + LEASES_AT, &word, sizeof word);
        assert_int_equal(store_find(&store, memory, bytes, &why), STORE_REFUSED);
        assert_string_equal(why, cases[i].why);
    }
    memset(memory + LEASES_AT, 0, sizeof(uint64_t));
    assert_int_equal(store_find(&store, memory, bytes, &why), STORE_REFUSED);
    assert_string_equal(why, "the sections in it do not hold together");
    munmap(memory, bytes);
}

/* ---- what is in hand of a fleet ---- */

static void shares_stand_behind_the_leases(void **state)
{
    (void)state;
    size_t bytes = store_bytes(MAX_KEYS, MAX_LEASES, true);
    size_t without = store_bytes(MAX_KEYS, MAX_LEASES, false);
    unsigned char *memory = store_of_two_keys(true);
    const char *why = NULL;
    struct store store;
    assert_int_equal(bytes, without + share_records_bytes());
    assert_int_equal(store_find(&store, memory, bytes, &why), STORE_FOUND);
    assert_ptr_equal(store.shares, memory + without);
    assert_false(store_shares_are_believed(&store));
    assert_two_keys(memory, bytes);
    assert_int_equal(store_grow(&store, bytes, MOST_LEASES), bytes);
    store_put_head(&store); /* as it was */
    assert_two_keys(memory, bytes);
    assert_int_equal(store_find(&store, memory, without, &why), STORE_REFUSED);
    assert_int_equal(store_find(&store, memory, bytes - PAGE, &why), STORE_REFUSED);
    assert_string_equal(why, "it is not as long as it should be");
    munmap(memory, store_bytes(MAX_KEYS, MOST_LEASES, true));
}

/* Nobody wrote such a file, but nothing in it is wrong: the leases then stand behind. */
static void shares_without_leases_get_room_for_leases(void **state)
{
    (void)state;
    size_t without = store_bytes(MAX_KEYS, 0, true);
    size_t most = store_bytes(MAX_KEYS, MAX_LEASES, true);
    unsigned char *from = store_of_two_keys(true), *memory = map(most);
    const uint64_t table_bytes = table_arena_bytes(MAX_KEYS);
    const struct section three[] = {
        {1, 1, PAGE, 2 * snapshot_room},
        {2, 1, PAGE + 2 * snapshot_room, table_bytes},
        {4, 1, without - share_records_bytes(), share_records_bytes()},
    };
    const char *why = NULL;
    struct store store;
    memcpy(memory, from, PAGE + USED);
    memcpy(memory + PAGE + snapshot_room, from + PAGE + snapshot_room, USED);
    memcpy(memory + three[1].offset, from + three[1].offset, table_bytes);
    memset(memory + LEASES_AT, 0, sizeof(uint64_t));
    directory_put((struct directory_place *)(memory + DIRECTORY_AT), three, 3);
    assert_int_equal(store_find(&store, memory, without, &why), STORE_FOUND);
    assert_ptr_equal(store.shares, memory + three[2].offset);
    assert_two_keys(memory, without);
    size_t grown = grow(memory, without, MAX_LEASES);
    assert_int_equal(grown, most);
    for (int i = 0; i < 2; i++) {
        assert_two_keys(memory, grown);
        assert_int_equal(store_find(&store, memory, grown, &why), STORE_FOUND);
        assert_ptr_equal(store.shares, memory + three[2].offset);
        assert_ptr_equal(store.leases, memory + without);
    }
    munmap(memory, most);
    munmap(from, store_bytes(MAX_KEYS, MOST_LEASES, true));
}

/* Whether a store with these sections is refused, and why. */
static void expect_refused(const struct section *sections, uint32_t count, size_t more,
                           const char *expected)
{
    size_t bytes = store_bytes(MAX_KEYS, 0, false) + more;
    unsigned char *memory = store_with_two_keys();
    const char *why = NULL;
    struct store store;
    directory_put((struct directory_place *)(memory + DIRECTORY_AT), sections, count);
    assert_int_equal(store_find(&store, memory, bytes, &why), STORE_REFUSED);
    if (strstr(why, expected) == NULL)
        fail_msg("it is refused because \"%s\", not \"%s\"", why, expected);
    munmap(memory, store_bytes(MAX_KEYS, MOST_LEASES, false));
}

static void shares_of_another_length_or_version_are_refused(void **state)
{
    (void)state;
    const uint64_t table_bytes = table_arena_bytes(MAX_KEYS), room = share_records_bytes();
    const struct {
        struct section shares;
        const char *why;
    } cases[] = {
        {{4, 1, 0, room - PAGE}, "it is not as long as it should be"},
        {{4, 1, 0, room + PAGE}, "it is not as long as it should be"},
        {{4, 2, 0, room}, "a section in a form that this one does not know"},
        {{4, 0, 0, room}, "the sections in it do not hold together"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        size_t begin = store_bytes(MAX_KEYS, 0, false);
        struct section sections[] = {{1, 1, PAGE, 2 * snapshot_room},
                                     {2, 1, PAGE + 2 * snapshot_room, table_bytes},
                                     cases[i].shares};
        sections[2].offset = begin;
        expect_refused(sections, 3, sections[2].bytes, cases[i].why);
    }
}

/* ---- what else the first layout may be ---- */

/* Its checksum is about the layout too, so what is not one or the other is neither. */
static void each_bit_flip_in_the_first_layouts_header_is_refused(void **state)
{
    (void)state;
    size_t bytes = store_bytes(MAX_KEYS, 0, false);
    unsigned char *memory = store_with_two_keys();
    old_store_first_layout(memory);
    for (unsigned bit = 0; bit < 8 * (CHECKSUM_AT + sizeof(uint64_t)); bit++) {
        struct store store;
        const char *why = NULL;
        memory[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(store_find(&store, memory, bytes, &why), STORE_REFUSED);
        assert_non_null(why);
        memory[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_two_keys(memory, bytes);
    munmap(memory, store_bytes(MAX_KEYS, MOST_LEASES, false));
}

static void each_other_length_of_the_first_layout_is_refused(void **state)
{
    (void)state;
    size_t bytes = store_bytes(MAX_KEYS, 0, false);
    unsigned char *memory = store_with_two_keys();
    const char *why = NULL;
    struct store store;
    old_store_first_layout(memory);
    for (size_t some = 0; some < bytes; some += some < 2 * PAGE ? 1 : 4001)
        assert_int_equal(store_find(&store, memory, some, &why), STORE_REFUSED);
    assert_int_equal(store_find(&store, memory, bytes - 1, &why), STORE_REFUSED);
    assert_int_equal(store_find(&store, memory, bytes + PAGE, &why), STORE_REFUSED);
    munmap(memory, store_bytes(MAX_KEYS, MOST_LEASES, false));
}

/* In either layout, whole in every other way. */
static void another_number_of_keys_than_the_file_is_for_is_refused(void **state)
{
    (void)state;
    enum { MAX_KEYS_AT = 16 };
    static const uint32_t numbers[] = {0,         100, 100000, TABLE_KEYS_MAX, TABLE_KEYS_MAX + 1,
                                       UINT32_MAX};
    unsigned char *memory = store_with_two_keys();
    for (int is_first = 0; is_first < 2; is_first++) {
        size_t bytes = store_bytes(MAX_KEYS, is_first ? 0 : MAX_LEASES, false);
        if (is_first)
            old_store_first_layout(memory);
        for (size_t i = 0; i < LENGTH(numbers); i++) {
            struct store store;
            const char *why = NULL;
            memcpy(memory + MAX_KEYS_AT, &numbers[i], sizeof numbers[i]);
            uint64_t checksum = bytes_checksum(memory, CHECKSUM_AT);
            memcpy(memory + CHECKSUM_AT, &checksum, sizeof checksum);
            assert_int_equal(store_find(&store, memory, bytes, &why), STORE_REFUSED);
            assert_string_equal(why, "it is not as long as it should be");
        }
    }
    munmap(memory, store_bytes(MAX_KEYS, MOST_LEASES, false));
}

/* ---- what allowd 0.1.0 left, killed under load ---- */

static struct limits *limits_of_the_killed(void)
{
    const struct override_terms vip = {
        .key = "vip*",
        .until_s = OVERRIDE_FOR_EVER,
        .buckets_count = 1,
        .buckets = {{.burst = 80, .rate = slow}},
    };
    const struct limit_terms terms[] = {
        {.name = "old",
         .match = "api:*",
         .buckets_count = 2,
         .buckets = {{"month", 90, slow}, {"year", 95, slow}}},
        {.name = LIMIT_DEFAULT_NAME,
         .buckets_count = 1,
         .buckets = {{.burst = 90, .rate = slow}},
         .overrides_count = 1,
         .overrides = &vip},
    };
    struct limits *limits = limits_new(LENGTH(terms), 10000);
    assert_non_null(limits);
    for (size_t i = 0; i < LENGTH(terms); i++)
        assert_true(limits_add(limits, &terms[i]));
    return limits;
}

static void assert_key(const struct table *table, uint32_t slot, const struct old_key *left)
{
    assert_int_equal(table_line(table, slot), left->line);
    assert_int_equal(table_marks(table, slot), left->marks);
    for (unsigned i = 0; i < left->marks; i++)
        assert_int_equal(table_spent(table, slot, i), left->mark[i]);
}

/* The index has a key where the version that left it found it: the listing is in that order. */
static void assert_keys(struct fixture *fixture, const struct old_store *old)
{
    struct table *table = &fixture->brain->buckets.table;
    unsigned count = 0;
    uint32_t tag;
    for (uint32_t slot = 0; slot < table->slots; slot++) {
        char key[KEY_MAX + 1];
        if (!table_look(table, slot, &tag))
            continue;
        assert_in_range(count, 0, old->count - 1);
        table_key(table, slot, key);
        assert_string_equal(key, old->keys[count].key);
        assert_key(table, slot, &old->keys[count++]);
    }
    assert_int_equal(count, old->count);
    assert_int_equal(fixture_daemon(fixture).keys, old->count);
    for (unsigned i = 0; i < old->count; i++) {
        struct bucket_answer answer = fixture_status(fixture, old->keys[i].key);
        assert_int_equal(answer.allowance->count, old->keys[i].marks);
        for (unsigned j = 0; j < old->keys[i].marks; j++)
            assert_int_equal(answer.buckets[j].remaining_tokens, old->keys[i].tokens[j]);
    }
    assert_int_equal(table->damage.mended + table->damage.emptied + table->damage.dropped, 0);
    assert_int_equal(table->damage.leaks, 0);
}

/* Restores what is in the first `bytes`; no time has passed. */
static void take_over_as(struct old_store *old, size_t bytes, uint32_t layout, uint32_t max_leases)
{
    struct store store;
    struct store_time time;
    const char *why = NULL;
    assert_int_equal(store_find(&store, old->memory, bytes, &why), STORE_FOUND);
    assert_int_equal(store.layout, layout);
    assert_int_equal(store.max_leases, max_leases);
    store_time(&store, &time);
    assert_int_equal(time.lived_ns, 0); /* 0.1.0 did not count it */
    struct fixture fixture = {.brain = restore(&store, limits_of_the_killed(), &time.due),
                              .now_ns = time.due.now_ns};
    assert_int_equal(brain_lived_ns(fixture.brain, time.due.now_ns), 0);
    assert_keys(&fixture, old);
    fixture_release(&fixture);
}

static void take_over(const char *name)
{
    struct old_store old;
    old_store_map(&old, name);
    assert_true(old.count > 1);
    size_t grown = grow(old.memory, old.bytes, MAX_LEASES);
    take_over_as(&old, grown, 1, MAX_LEASES);
    take_over_as(&old, grown, STORE_LAYOUT, MAX_LEASES);
    old_store_unmap(&old);

    /* First where there is no room for more, then where there is. */
    old_store_map(&old, name);
    take_over_as(&old, old.bytes, 1, 0);
    take_over_as(&old, old.bytes, STORE_LAYOUT, 0);
    take_over_as(&old, grow(old.memory, old.bytes, MAX_LEASES), STORE_LAYOUT, MAX_LEASES);
    old_store_unmap(&old);
}

/* ---- what this version leaves, for those to come ---- */

static void list_keys(FILE *out, struct fixture *fixture)
{
    struct table *table = &fixture->brain->buckets.table;
    uint32_t tag;
    for (uint32_t slot = 0; slot < table->slots; slot++) {
        struct old_key key = {0};
        if (!table_look(table, slot, &tag))
            continue;
        table_key(table, slot, key.key);
        struct bucket_answer answer = fixture_status(fixture, key.key);
        key.line = table_line(table, slot);
        key.marks = table_marks(table, slot);
        for (unsigned i = 0; i < key.marks; i++) {
            key.mark[i] = table_spent(table, slot, i);
            key.tokens[i] = answer.buckets[i].remaining_tokens;
        }
        old_store_list_key(out, &key);
    }
}

/* false: it is refused. Changes what is in the memory, once it is listed. */
static bool list(FILE *out, unsigned char *memory, size_t bytes)
{
    const char *why = NULL;
    struct store store;
    struct store_time time;
    old_store_list(out, memory, bytes);
    if (store_find(&store, memory, bytes, &why) != STORE_FOUND)
        return false;
    store_time(&store, &time);
    struct fixture fixture = {.brain = restore(&store, limits_of_the_killed(), &time.due),
                              .now_ns = time.due.now_ns};
    list_keys(out, &fixture);
    fixture_release(&fixture);
    return true;
}

static void what_is_listed_is_read_back(void **state)
{
    (void)state;
    struct old_store old, again;
    char *text = NULL;
    size_t len = 0;
    old_store_map(&old, "tests/e2e/state-0.1.0-evict.hex");
    unsigned char *memory = map(old.bytes);
    memcpy(memory, old.memory, old.bytes);
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_true(list(out, memory, old.bytes));
    fclose(out);
    old_store_map_text(&again, text);
    assert_int_equal(again.bytes, old.bytes);
    assert_memory_equal(again.memory, old.memory, old.bytes);
    assert_int_equal(again.count, old.count);
    assert_memory_equal(again.keys, old.keys, sizeof old.keys);
    free(text);
    munmap(memory, old.bytes);
    old_store_unmap(&again);
    old_store_unmap(&old);
}

static int list_file(const char *path)
{
    FILE *in = fopen(path, "r");
    if (in == NULL || fseek(in, 0, SEEK_END) != 0)
        return 1;
    size_t bytes = (size_t)ftell(in);
    unsigned char *memory = map(bytes);
    rewind(in);
    bool is_listed = fread(memory, 1, bytes, in) == bytes && list(stdout, memory, bytes);
    fclose(in);
    return is_listed ? 0 : 1;
}

/* ---- taken over ---- */

/* Killed while it put a key in: noted in the journal, and not in the index yet. */
static void a_kill_in_an_insertion_is_taken_over_mark_for_mark(void **state)
{
    (void)state;
    take_over("tests/e2e/state-0.1.0-insert.hex");
}

/* Killed while it forgot one: out of the index, and its cells not free yet. */
static void a_kill_in_an_eviction_is_taken_over_mark_for_mark(void **state)
{
    (void)state;
    take_over("tests/e2e/state-0.1.0-evict.hex");
}

/* ---- what later versions wrote ---- */

static struct section lines_of(uint64_t at)
{
    return (struct section){1, 1, at, 2 * snapshot_room};
}

static struct section table_of(uint64_t at)
{
    return (struct section){2, 1, at, table_arena_bytes(MAX_KEYS)};
}

static void sections_that_are_not_known_are_refused(void **state)
{
    (void)state;
    static const uint32_t types[] = {5, 6, 32, 0x7fffffff, 0x80000001, UINT32_MAX};
    struct section table = table_of(PAGE + 2 * snapshot_room);
    struct section lines = lines_of(PAGE);
    for (size_t i = 0; i < LENGTH(types); i++) {
        struct section third = {types[i], 1, store_bytes(MAX_KEYS, 0, false), 5 * PAGE};
        expect_refused((struct section[]){lines, table, third}, 3, 5 * PAGE,
                       "a section that this one does not know");
        expect_refused((struct section[]){third, table, lines}, 3, 5 * PAGE,
                       "a section that this one does not know");
    }
}

static void sections_in_later_versions_are_refused(void **state)
{
    (void)state;
    static const uint32_t versions[] = {2, 3, 0x10001, UINT32_MAX};
    for (size_t i = 0; i < 2 * LENGTH(versions); i++) {
        struct section sections[] = {lines_of(PAGE), table_of(PAGE + 2 * snapshot_room)};
        sections[i % 2].version = versions[i / 2];
        expect_refused(sections, 2, 0, "a section in a form that this one does not know");
    }
}

static void sections_that_cannot_be_are_refused(void **state)
{
    (void)state;
    const struct section lines = lines_of(PAGE), table = table_of(PAGE + 2 * snapshot_room);
    const struct {
        struct section section[2];
        uint32_t count;
        const char *why;
    } cases[] = {
        {{table}, 1, "a section is missing"},
        {{{2, 1, PAGE, 2 * snapshot_room + table.bytes}}, 1, "not as long"},
        {{{1, 1, PAGE, store_bytes(MAX_KEYS, 0, false) - PAGE}}, 1, "not as long"},
        {{lines, {0, 1, table.offset, table.bytes}}, 2, "do not hold together"},
        {{lines, {2, 0, table.offset, table.bytes}}, 2, "do not hold together"},
        {{lines, {2, 1, table.offset, table.bytes + 1}}, 2, "not as long"},
        {{{1, 1, PAGE, lines.bytes - 1}, table}, 2, "not as long"},
        {{{1, 1, 2 * PAGE, lines.bytes}, table}, 2, "do not hold together"},
        {{{1, 1, PAGE, lines.bytes}, {1, 1, table.offset, table.bytes}}, 2, "hold together"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        expect_refused(cases[i].section, cases[i].count, 0, cases[i].why);

    /* The lines alone fill a file. */
    unsigned char *memory = store_with_two_keys();
    const char *why = NULL;
    struct store store;
    directory_put((struct directory_place *)(memory + DIRECTORY_AT), &lines, 1);
    assert_int_equal(store_find(&store, memory, PAGE + lines.bytes, &why), STORE_REFUSED);
    assert_string_equal(why, "a section is missing in it");
    munmap(memory, store_bytes(MAX_KEYS, MOST_LEASES, false));
}

/* What is where is for the directory to say: with the table first, and a gap between the two. */
static void sections_are_where_the_directory_says(void **state)
{
    (void)state;
    unsigned char *from = store_with_two_keys();
    const struct section sections[] = {table_of(PAGE), lines_of(64 * (uint64_t)PAGE)};
    assert_true(sections[0].bytes < 63 * (uint64_t)PAGE);
    size_t bytes = sections[1].offset + sections[1].bytes;
    unsigned char *memory = map(bytes), *lines = memory + sections[1].offset;
    memcpy(memory, from, PAGE);
    memcpy(memory + PAGE, from + PAGE + 2 * snapshot_room, sections[0].bytes);
    memcpy(lines, from + PAGE, USED);
    memcpy(lines + snapshot_room, from + PAGE + snapshot_room, USED);
    directory_put((struct directory_place *)(memory + DIRECTORY_AT), sections, 2);
    assert_two_keys(memory, bytes);
    assert_two_keys(memory, bytes);
    munmap(memory, bytes);
    munmap(from, store_bytes(MAX_KEYS, MOST_LEASES, false));
}

/* 0.1.0 looks at these in this order, and says of the last that it is another layout: not that
 * there is no state of allowd's. */
static void what_0_1_0_sees_is_another_layout(void **state)
{
    (void)state;
    enum { BYTE_ORDER_AT = 12 };
    static const char magic[] = "allowd\r\n";
    const uint32_t first_layout = 1, byte_order = 0x01020304;
    unsigned char *memory = store_with_two_keys();
    assert_memory_equal(memory, magic, sizeof magic - 1);
    assert_memory_equal(memory + BYTE_ORDER_AT, &byte_order, sizeof byte_order);
    assert_memory_not_equal(memory + LAYOUT_AT, &first_layout, sizeof first_layout);
    munmap(memory, store_bytes(MAX_KEYS, MOST_LEASES, false));
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return list_file(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_layout_is_brought_into_the_present_one_in_place),
        cmocka_unit_test(a_restart_brings_it_into_the_present_one),
        cmocka_unit_test(a_file_that_is_to_grow_is_sound_in_either_length),
        cmocka_unit_test(each_bit_flip_in_what_says_how_many_leases_is_refused),
        cmocka_unit_test(another_number_of_leases_than_the_file_is_for_is_refused),
        cmocka_unit_test(shares_stand_behind_the_leases),
        cmocka_unit_test(shares_without_leases_get_room_for_leases),
        cmocka_unit_test(shares_of_another_length_or_version_are_refused),
        cmocka_unit_test(each_bit_flip_in_the_first_layouts_header_is_refused),
        cmocka_unit_test(each_other_length_of_the_first_layout_is_refused),
        cmocka_unit_test(another_number_of_keys_than_the_file_is_for_is_refused),
        cmocka_unit_test(what_is_listed_is_read_back),
        cmocka_unit_test(a_kill_in_an_insertion_is_taken_over_mark_for_mark),
        cmocka_unit_test(a_kill_in_an_eviction_is_taken_over_mark_for_mark),
        cmocka_unit_test(sections_that_are_not_known_are_refused),
        cmocka_unit_test(sections_in_later_versions_are_refused),
        cmocka_unit_test(sections_that_cannot_be_are_refused),
        cmocka_unit_test(sections_are_where_the_directory_says),
        cmocka_unit_test(what_0_1_0_sees_is_another_layout),
    };
    return cmocka_run_group_tests_name("layouts", tests, NULL, NULL);
}
