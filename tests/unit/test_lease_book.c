/* The book of leases: trees by end against a walk over all, records that are damaged, what is found,
 * remembered, forgotten, adopted and moved. */
#include "brain/leases.h"
#include "support/dice.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEASES = 100, TREE_NODES = 300 };

static const uint8_t seed[TABLE_SEED_BYTES] = "any";
static const uint16_t owners[UINT16_MAX + 1];

/* ---- trees ---- */

static struct lease_node nodes[100000];

static struct lease_sum walk(const bool *is_in, uint64_t from_ns, uint64_t until_ns)
{
    struct lease_sum sum = {0, 0, 0};
    for (unsigned i = 0; i < TREE_NODES; i++)
        if (is_in[i] && nodes[i].end_ns > from_ns && nodes[i].end_ns <= until_ns) {
            sum.count++;
            sum.slots += nodes[i].slots;
            if (__builtin_add_overflow(sum.tokens, nodes[i].tokens, &sum.tokens))
                sum.tokens = UINT64_MAX;
        }
    return sum;
}

static uint64_t walk_next(const bool *is_in, uint64_t at_ns, bool with_slots)
{
    uint64_t found_ns = UINT64_MAX;
    for (unsigned i = 0; i < TREE_NODES; i++)
        if (is_in[i] && nodes[i].end_ns > at_ns && nodes[i].end_ns < found_ns &&
            (!with_slots || nodes[i].slots > 0))
            found_ns = nodes[i].end_ns;
    return found_ns;
}

static void expect_sum(struct lease_sum found, struct lease_sum expected)
{
    assert_int_equal(found.count, expected.count);
    assert_int_equal(found.slots, expected.slots);
    assert_int_equal(found.tokens, expected.tokens);
}

static void check_tree(struct dice *dice, uint32_t root, const bool *is_in)
{
    uint64_t from_ns = dice_roll(dice, 50), until_ns = dice_roll(dice, 50);
    expect_sum(lease_tree_between(nodes, root, from_ns, until_ns), walk(is_in, from_ns, until_ns));
    expect_sum(lease_tree_between(nodes, root, from_ns, UINT64_MAX),
               walk(is_in, from_ns, UINT64_MAX));
    assert_int_equal(lease_tree_next_end_ns(nodes, root, from_ns),
                     walk_next(is_in, from_ns, false));
    assert_int_equal(lease_tree_next_slots_ns(nodes, root, from_ns),
                     walk_next(is_in, from_ns, true));
}

static void a_tree_knows_what_a_walk_over_all_finds(void **state)
{
    (void)state;
    struct dice dice = dice_new(1);
    bool is_in[TREE_NODES] = {false};
    uint32_t root = LEASE_NONE_NUMBER;
    for (unsigned step = 0; step < 20000; step++) {
        uint32_t number = (uint32_t)dice_roll(&dice, TREE_NODES);
        if (is_in[number]) {
            lease_tree_remove(nodes, &root, number);
        } else {
            nodes[number] = (struct lease_node){
                .end_ns = dice_roll(&dice, 50),
                .tokens = dice_once_in(&dice, 50) ? UINT64_MAX / 2 : dice_roll(&dice, 5),
                .slots = (uint32_t)dice_roll(&dice, 3),
                .priority = (uint32_t)dice_roll(&dice, 1000),
            };
            lease_tree_add(nodes, &root, number);
        }
        is_in[number] = !is_in[number];
        check_tree(&dice, root, is_in);
    }
}

static unsigned depth_of(uint32_t root)
{
    if (root == LEASE_NONE_NUMBER)
        return 0;
    unsigned left = depth_of(nodes[root].left), right = depth_of(nodes[root].right);
    return 1 + (left > right ? left : right);
}

/* The expected depth is about 2 ln n, 23; twice that has a probability below 10^-9. */
static void a_tree_of_leases_that_end_together_is_not_deep(void **state)
{
    (void)state;
    struct dice dice = dice_new(2);
    uint32_t root = LEASE_NONE_NUMBER;
    for (uint32_t i = 0; i < LENGTH(nodes); i++) {
        nodes[i] =
            (struct lease_node){.end_ns = 5, .slots = 1, .priority = (uint32_t)dice_bits(&dice)};
        lease_tree_add(nodes, &root, i);
    }
    assert_in_range(depth_of(root), 17, 70);
    assert_int_equal(lease_tree_between(nodes, root, 4, 5).slots, LENGTH(nodes));
    assert_int_equal(lease_tree_between(nodes, root, 5, UINT64_MAX).slots, 0);
    for (uint32_t i = 0; i < LENGTH(nodes); i++)
        lease_tree_remove(nodes, &root, i);
    assert_int_equal(root, LEASE_NONE_NUMBER);
}

/* ---- a book ---- */

struct book {
    struct leases leases;
    struct table table; /* for its hash */
    unsigned char *memory;
};

static struct book book_new(uint32_t max_leases)
{
    struct book book = {0};
    size_t bytes = lease_records_bytes(max_leases);
    book.memory = aligned_alloc(4096, bytes);
    assert_non_null(book.memory);
    memset(book.memory, 0, bytes);
    assert_true(table_init(&book.table, 10, seed, owners));
    assert_true(leases_init(&book.leases, book.memory, max_leases));
    return book;
}

static void book_free(struct book *book)
{
    leases_release(&book->leases);
    table_release(&book->table);
    free(book->memory);
}

static struct lease_id id_of(unsigned number)
{
    struct lease_id id = {{0}};
    memcpy(id.bytes, &number, sizeof number);
    memcpy(id.bytes + LEASE_ID_BYTES - sizeof number, &number, sizeof number);
    return id;
}

static struct lease_terms terms_for(unsigned number, const char *key, uint64_t tokens,
                                    uint32_t slots, uint32_t ttl_ms)
{
    struct lease_terms terms = {
        .salt = 77,
        .tokens = tokens,
        .slots = slots,
        .ttl_ms = ttl_ms,
        .key_len = (uint8_t)strlen(key),
    };
    memcpy(terms.id, id_of(number).bytes, sizeof terms.id);
    memcpy(terms.key, key, terms.key_len);
    return terms;
}

static uint64_t hash_of(const struct book *book, const char *key)
{
    return table_hash(&book->table, key, strlen(key)) ^ 77;
}

static uint32_t take(struct book *book, unsigned number, const char *key, uint64_t tokens,
                     uint32_t slots, uint32_t ttl_ms)
{
    struct lease_terms terms = terms_for(number, key, tokens, slots, ttl_ms);
    assert_true(leases_make_ready(&book->leases));
    leases_hold(&book->leases, &terms, hash_of(book, key),
                book->leases.now_ns + ttl_ms * (uint64_t)NS_PER_MS);
    struct lease_id id = id_of(number);
    return leases_find(&book->leases, &id);
}

static uint32_t find(const struct book *book, unsigned number)
{
    struct lease_id id = id_of(number);
    return leases_find(&book->leases, &id);
}

static struct lease_key *key_of(const struct book *book, const char *key)
{
    return leases_of_key(&book->leases, hash_of(book, key), key, strlen(key));
}

static uint64_t slots_of(const struct book *book, const char *key)
{
    const struct lease_key *found = key_of(book, key);
    return found == NULL ? 0 : leases_key_slots(&book->leases, found);
}

static void set_ms(struct book *book, uint64_t ms)
{
    book->leases.now_ns = ms * NS_PER_MS;
}

/* All bookkeeping that is due. */
static void keep_books(struct book *book)
{
    for (uint32_t number; (number = leases_ended(&book->leases)) != LEASE_NONE_NUMBER;)
        leases_expire(&book->leases, number);
    while (leases_forget(&book->leases))
        ;
}

static const struct lease_outcome some_outcome = {
    .returned_tokens = 1, .charged_tokens = 2, .forgiven_tokens = 3, .owed_tokens = 4};

static void slots_are_back_at_the_end_before_any_bookkeeping(void **state)
{
    (void)state;
    struct book book = book_new(MAX_LEASES);
    take(&book, 1, "foo", 0, 2, 1000);
    take(&book, 2, "foo", 0, 3, 2000);
    take(&book, 3, "bar", 0, 5, 2000);
    assert_int_equal(slots_of(&book, "foo"), 5);
    assert_int_equal(leases_key_next_slots_ns(&book.leases, key_of(&book, "foo")),
                     1000 * (uint64_t)NS_PER_MS);
    set_ms(&book, 999);
    assert_int_equal(slots_of(&book, "foo"), 5);
    assert_int_equal(leases_ended(&book.leases), LEASE_NONE_NUMBER);
    set_ms(&book, 1000);
    assert_int_equal(slots_of(&book, "foo"), 3);
    assert_int_equal(leases_key_held(&book.leases, key_of(&book, "foo")), 1);
    assert_true(leases_has_ended(&book.leases, find(&book, 1)));
    assert_int_equal(leases_ended(&book.leases), find(&book, 1));
    set_ms(&book, 2000);
    assert_int_equal(slots_of(&book, "foo"), 0);
    assert_int_equal(slots_of(&book, "bar"), 0);
    book_free(&book);
}

static void one_that_ended_is_remembered_for_a_ttl_and_then_its_key_goes_too(void **state)
{
    (void)state;
    struct book book = book_new(MAX_LEASES);
    take(&book, 1, "foo", 0, 1, 1000);
    uint32_t released = take(&book, 2, "bar", 0, 1, 3000);
    leases_let_go(&book.leases, released, LEASE_RELEASED, &some_outcome);
    assert_int_equal(slots_of(&book, "bar"), 0);
    set_ms(&book, 1500);
    keep_books(&book);
    assert_int_equal(book.leases.lease[find(&book, 1)].state, LEASE_EXPIRED);
    set_ms(&book, 1999);
    assert_int_not_equal(find(&book, 1), LEASE_NONE_NUMBER);
    set_ms(&book, 2000);
    assert_int_equal(find(&book, 1), LEASE_NONE_NUMBER);
    assert_int_equal(book.leases.lease[find(&book, 2)].state, LEASE_RELEASED);
    assert_int_equal(book.leases.lease[find(&book, 2)].outcome.owed_tokens, 4);
    keep_books(&book);
    assert_null(key_of(&book, "foo"));
    set_ms(&book, 3000);
    assert_int_equal(find(&book, 2), LEASE_NONE_NUMBER);
    keep_books(&book);
    assert_null(key_of(&book, "bar"));
    book_free(&book);
}

static void no_more_are_remembered_than_may_be_held(void **state)
{
    (void)state;
    struct book book = book_new(3);
    for (unsigned i = 0; i < 50; i++) {
        uint32_t number = take(&book, i, "foo", 0, 1, 1000 + i);
        leases_let_go(&book.leases, number, LEASE_RELEASED, &some_outcome);
        assert_int_equal(book.leases.remembered.count, i < 3 ? i + 1 : 3);
    }
    assert_int_equal(find(&book, 46), LEASE_NONE_NUMBER);
    for (unsigned i = 47; i < 50; i++)
        assert_int_not_equal(find(&book, i), LEASE_NONE_NUMBER);
    for (unsigned i = 0; i < 3; i++)
        take(&book, 100 + i, "bar", 0, 1, 1000);
    assert_true(leases_are_full(&book.leases));
    set_ms(&book, 1000);
    keep_books(&book);
    assert_false(leases_are_full(&book.leases));
    for (unsigned i = 0; i < 3; i++)
        assert_int_not_equal(find(&book, 100 + i), LEASE_NONE_NUMBER);
    book_free(&book);
}

static void what_ended_is_told_once_when_a_key_is_settled(void **state)
{
    (void)state;
    struct book book = book_new(MAX_LEASES);
    take(&book, 1, "foo", 10, 1, 1000);
    take(&book, 2, "foo", 20, 1, 2000);
    take(&book, 3, "foo", 40, 1, 3000);
    struct lease_key *key = key_of(&book, "foo");
    assert_int_equal(key->next_end_ns, 1000 * (uint64_t)NS_PER_MS);
    set_ms(&book, 2000);
    assert_int_equal(leases_key_settle(&book.leases, key), 30);
    assert_int_equal(key->next_end_ns, 3000 * (uint64_t)NS_PER_MS);
    assert_int_equal(leases_key_settle(&book.leases, key), 0);
    keep_books(&book);
    assert_int_equal(key->next_end_ns, 3000 * (uint64_t)NS_PER_MS);
    leases_renew(&book.leases, find(&book, 3), 5000 * (uint64_t)NS_PER_MS);
    set_ms(&book, 4000);
    assert_int_equal(leases_key_settle(&book.leases, key), 0);
    set_ms(&book, 5000);
    assert_int_equal(leases_key_settle(&book.leases, key), 40);
    assert_int_equal(key->next_end_ns, UINT64_MAX);
    book_free(&book);
}

/* ---- the next process ---- */

static uint32_t adopt(struct book *book, struct book *next, uint64_t settled_ms)
{
    uint32_t damaged;
    *next = (struct book){.memory = book->memory};
    assert_true(table_init(&next->table, 10, seed, owners));
    assert_true(leases_adopt(&next->leases, book->memory, book->leases.max_leases, &next->table,
                             settled_ms * NS_PER_MS, &damaged));
    return damaged;
}

static void book_free_next(struct book *next)
{
    leases_release(&next->leases);
    table_release(&next->table);
}

/* Every id and every key: the same in both, at these times too. */
static void expect_same(const struct book *a, const struct book *b, unsigned ids)
{
    assert_int_equal(a->leases.held.count, b->leases.held.count);
    assert_int_equal(a->leases.remembered.count, b->leases.remembered.count);
    for (unsigned i = 0; i < ids; i++) {
        uint32_t first = find(a, i), second = find(b, i);
        assert_int_equal(first == LEASE_NONE_NUMBER, second == LEASE_NONE_NUMBER);
        if (first == LEASE_NONE_NUMBER)
            continue;
        const struct lease *x = &a->leases.lease[first], *y = &b->leases.lease[second];
        assert_int_equal(x->state, y->state);
        assert_int_equal(x->due_ns, y->due_ns);
        assert_int_equal(x->ttl_ms, y->ttl_ms);
        assert_string_equal(x->key->key, y->key->key);
        assert_int_equal(a->leases.node[first].tokens, b->leases.node[second].tokens);
        assert_int_equal(a->leases.node[first].slots, b->leases.node[second].slots);
        assert_int_equal(slots_of(a, x->key->key), slots_of(b, x->key->key));
        if (x->state == LEASE_RELEASED || x->state == LEASE_LOST_LIMIT)
            assert_memory_equal(&x->outcome, &y->outcome, sizeof x->outcome);
    }
}

static void live(struct book *book, struct dice *dice, unsigned ids)
{
    for (unsigned i = 0; i < ids; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %u", (unsigned)dice_roll(dice, 20));
        uint32_t ttl_ms = (uint32_t)dice_between(dice, 100, 3000);
        take(book, i, key, dice_roll(dice, 100), (uint32_t)dice_roll(dice, 4), ttl_ms);
        uint32_t some = find(book, (unsigned)dice_roll(dice, i + 1));
        bool is_held = some != LEASE_NONE_NUMBER && !leases_has_ended(&book->leases, some) &&
                       book->leases.lease[some].state == LEASE_HELD;
        if (is_held && dice_once_in(dice, 2))
            leases_let_go(&book->leases, some,
                          dice_once_in(dice, 2) ? LEASE_RELEASED : LEASE_LOST_LIMIT, &some_outcome);
        else if (is_held)
            leases_renew(&book->leases, some, book->leases.now_ns + 500 * (uint64_t)NS_PER_MS);
        book->leases.now_ns += dice_roll(dice, 50) * NS_PER_MS;
        keep_books(book);
    }
}

static void the_next_process_knows_every_lease(void **state)
{
    (void)state;
    struct dice dice = dice_new(3);
    for (unsigned round = 0; round < 20; round++) {
        struct book book = book_new(500), next;
        unsigned ids = (unsigned)dice_between(&dice, 1, 400);
        live(&book, &dice, ids);
        assert_int_equal(adopt(&book, &next, book.leases.now_ns / NS_PER_MS), 0);
        expect_same(&book, &next, ids);
        book_free_next(&next);
        book_free(&book);
    }
}

static void other_records_take_all_or_those_that_end_last(void **state)
{
    (void)state;
    struct dice dice = dice_new(4);
    struct book book = book_new(500), before, moved;
    live(&book, &dice, 300);
    size_t bytes = lease_records_bytes(400);
    unsigned char *memory = aligned_alloc(4096, bytes);
    assert_non_null(memory);
    memset(memory, 0, bytes);
    uint32_t dropped;
    assert_int_equal(adopt(&book, &before, book.leases.now_ns / NS_PER_MS), 0);
    assert_true(leases_move(&book.leases, memory, 400, &dropped));
    assert_int_equal(dropped, 0);
    expect_same(&before, &book, 300);
    struct book there = {.memory = memory, .leases = {.max_leases = 400}};
    assert_int_equal(adopt(&there, &moved, book.leases.now_ns / NS_PER_MS), 0);
    expect_same(&before, &moved, 300);
    book_free_next(&moved);
    book_free_next(&before);

    uint32_t held = book.leases.held.count;
    assert_true(held > 2);
    unsigned char *small = aligned_alloc(4096, lease_records_bytes(2));
    assert_non_null(small);
    memset(small, 0, lease_records_bytes(2));
    uint64_t last_ns = 0;
    for (uint32_t i = 0; i < held; i++)
        if (book.leases.lease[book.leases.held.number[i]].due_ns > last_ns)
            last_ns = book.leases.lease[book.leases.held.number[i]].due_ns;
    assert_true(leases_move(&book.leases, small, 2, &dropped));
    assert_int_equal(dropped, held - 2);
    assert_int_equal(book.leases.held.count, 2);
    uint64_t ends_ns[2];
    for (int i = 0; i < 2; i++)
        ends_ns[i] = book.leases.lease[book.leases.held.number[i]].due_ns;
    assert_int_equal(ends_ns[0] > ends_ns[1] ? ends_ns[0] : ends_ns[1], last_ns);
    book_free(&book);
    free(memory);
    free(small);
}

static void records_that_were_lost_are_written_anew(void **state)
{
    (void)state;
    struct dice dice = dice_new(5);
    struct book book = book_new(500), next;
    live(&book, &dice, 300);
    memset(book.memory, 0, lease_records_bytes(500));
    leases_write_anew(&book.leases);
    assert_int_equal(adopt(&book, &next, book.leases.now_ns / NS_PER_MS), 0);
    expect_same(&book, &next, 300);
    book_free_next(&next);
    book_free(&book);
}

/* ---- damage ---- */

static enum lease_record_state read_record(const unsigned char *memory, struct lease_terms *terms,
                                           uint64_t *end_ns, struct lease_outcome *outcome)
{
    struct lease_records records = lease_records_at((void *)memory, 1);
    memset(terms, 0, sizeof *terms);
    memset(outcome, 0, sizeof *outcome);
    return lease_record_read(&records, 0, terms, end_ns, outcome);
}

/* A flipped bit is found, or is in nothing that is read. */
static void a_flipped_bit_drops_a_record_or_changes_nothing(void **state)
{
    (void)state;
    size_t bytes = lease_records_bytes(1);
    for (int kind = LEASE_RECORD_HELD; kind <= LEASE_RECORD_EXPIRED; kind++) {
        struct book book = book_new(1);
        unsigned found = 0;
        uint32_t number = take(&book, 7, "some key", 5, 6, 1000);
        if (kind == LEASE_RECORD_RELEASED || kind == LEASE_RECORD_LOST)
            leases_let_go(&book.leases, number,
                          kind == LEASE_RECORD_RELEASED ? LEASE_RELEASED : LEASE_LOST_LIMIT,
                          &some_outcome);
        set_ms(&book, 1000);
        if (kind == LEASE_RECORD_EXPIRED)
            keep_books(&book);
        struct lease_terms terms, after;
        uint64_t end_ns, end_after_ns = 0;
        struct lease_outcome outcome, outcome_after;
        assert_int_equal(read_record(book.memory, &terms, &end_ns, &outcome), kind);
        for (size_t bit = 0; bit < 8 * (bytes < 8192 ? bytes : 8192); bit++) {
            book.memory[bit / 8] ^= (unsigned char)(1 << bit % 8);
            enum lease_record_state seen =
                read_record(book.memory, &after, &end_after_ns, &outcome_after);
            if (seen == LEASE_RECORD_DAMAGED) {
                found++;
            } else {
                assert_int_equal(seen, kind);
                assert_memory_equal(&terms, &after, offsetof(struct lease_terms, key) + 8);
                assert_int_equal(end_ns, end_after_ns);
                assert_memory_equal(&outcome, &outcome_after, sizeof outcome);
            }
            book.memory[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        assert_true(found >= 8 * (16 + offsetof(struct lease_terms, key) + 8));
        book_free(&book);
    }
}

static void a_damaged_record_is_dropped_and_counted_and_the_others_stay(void **state)
{
    (void)state;
    struct book book = book_new(MAX_LEASES), next;
    for (unsigned i = 0; i < 10; i++)
        take(&book, i, "foo", 0, 1, 1000);
    size_t record_bytes = (lease_records_bytes(LEASES_MAX) - 4096) / 2 / LEASES_MAX;
    book.memory[4096 + 3 * record_bytes + 98] ^= 4;
    assert_int_equal(adopt(&book, &next, 0), 1);
    assert_int_equal(find(&next, 3), LEASE_NONE_NUMBER);
    assert_int_equal(slots_of(&next, "foo"), 9);
    take(&next, 3, "foo", 0, 1, 1000);
    assert_int_equal(slots_of(&next, "foo"), 10);
    book_free_next(&next);
    assert_int_equal(adopt(&book, &next, 0), 0);
    assert_int_equal(slots_of(&next, "foo"), 10);
    book_free_next(&next);
    book_free(&book);
}

/* Damage in the word that says how far to look only makes it look further. */
static void a_damaged_head_makes_it_look_at_all(void **state)
{
    (void)state;
    struct book book = book_new(MAX_LEASES), next;
    take(&book, 1, "foo", 0, 1, 1000);
    assert_int_equal(lease_records_used(&book.leases.records), 1);
    book.memory[0] ^= 1;
    assert_int_equal(lease_records_used(&book.leases.records), 2 * MAX_LEASES);
    assert_int_equal(adopt(&book, &next, 0), 0);
    assert_int_equal(slots_of(&next, "foo"), 1);
    book_free_next(&next);
    book_free(&book);
}

/* Whatever bytes there are: it ends, and what it believes is bounded. */
static void random_bytes_are_not_believed(void **state)
{
    (void)state;
    struct dice dice = dice_new(6);
    struct book book = book_new(MAX_LEASES), next;
    size_t bytes = lease_records_bytes(MAX_LEASES);
    for (unsigned round = 0; round < 20; round++) {
        for (size_t i = 0; i < bytes; i += 8) {
            uint64_t bits = dice_bits(&dice);
            memcpy(book.memory + i, &bits, 8);
        }
        assert_int_equal(adopt(&book, &next, 0), 2 * MAX_LEASES);
        assert_int_equal(next.leases.held.count + next.leases.remembered.count, 0);
        take(&next, 1, "foo", 0, 1, 1000);
        book_free_next(&next);
        assert_int_equal(adopt(&book, &next, 0), 0);
        assert_int_equal(slots_of(&next, "foo"), 1);
        book_free_next(&next);
    }
    book_free(&book);
}

static void no_end_is_later_than_the_longest_ttl_from_now(void **state)
{
    (void)state;
    struct book book = book_new(MAX_LEASES), next;
    take(&book, 1, "foo", 0, 1, LEASE_TTL_MAX_MS);
    take(&book, 2, "foo", 0, 1, 1000);
    leases_renew(&book.leases, find(&book, 2), UINT64_C(1) << 62);
    assert_int_equal(adopt(&book, &next, 5), 0);
    uint64_t latest_ns = (5 + (uint64_t)LEASE_TTL_MAX_MS) * NS_PER_MS;
    assert_int_equal(next.leases.lease[find(&next, 1)].due_ns, latest_ns - 5 * NS_PER_MS);
    assert_int_equal(next.leases.lease[find(&next, 2)].due_ns, latest_ns);
    book_free_next(&next);
    book_free(&book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_knows_what_a_walk_over_all_finds),
        cmocka_unit_test(a_tree_of_leases_that_end_together_is_not_deep),
        cmocka_unit_test(slots_are_back_at_the_end_before_any_bookkeeping),
        cmocka_unit_test(one_that_ended_is_remembered_for_a_ttl_and_then_its_key_goes_too),
        cmocka_unit_test(no_more_are_remembered_than_may_be_held),
        cmocka_unit_test(what_ended_is_told_once_when_a_key_is_settled),
        cmocka_unit_test(the_next_process_knows_every_lease),
        cmocka_unit_test(other_records_take_all_or_those_that_end_last),
        cmocka_unit_test(records_that_were_lost_are_written_anew),
        cmocka_unit_test(a_flipped_bit_drops_a_record_or_changes_nothing),
        cmocka_unit_test(a_damaged_record_is_dropped_and_counted_and_the_others_stay),
        cmocka_unit_test(a_damaged_head_makes_it_look_at_all),
        cmocka_unit_test(random_bytes_are_not_believed),
        cmocka_unit_test(no_end_is_later_than_the_longest_ttl_from_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
