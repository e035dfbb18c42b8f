/*
 * The records of leases, killed at each store: a lease is there whole or not at all.
 *
 * A book of leases lives a random life: they are held, renewed, released, expire and are forgotten.
 * After each store the next process reads what a kill would leave: the lease that was being changed is
 * as before or as after, and all others are as they were. What that means for slots and tokens:
 * prop_lease_kills.c.
 *
 * ALLOWD_KILLS is how many times, ALLOWD_SEED which.
 */
#include "brain/leases.h"
#include "prop/told_stores.h"
#include "support/dice.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEASES = 12, IDS = 40 };

/* What can be seen of a lease; all zeros: it is not there. */
struct seen {
    enum lease_state state;
    uint64_t due_ns, tokens;
    uint32_t slots, ttl_ms;
    char key[KEY_MAX + 1];
    struct lease_outcome outcome;
};

static struct {
    struct dice dice;
    struct leases leases;
    struct table table;
    unsigned char *memory, *copy;
    struct seen before[IDS];
    unsigned number;      /* of the lease that is being changed; IDS: none is */
    struct seen left[64]; /* what is left of it by a kill at each store */
    unsigned left_count;
    bool is_under_way;
    uint64_t kills, changed;
} run;

static struct lease_id id_of(unsigned number)
{
    struct lease_id id = {{0}};
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

static struct seen see(const struct leases *leases, unsigned number)
{
    struct lease_id id = id_of(number);
    struct seen seen;
    memset(&seen, 0, sizeof seen);
    uint32_t found = leases_find(leases, &id);
    if (found == LEASE_NONE_NUMBER)
        return seen;
    const struct lease *lease = &leases->lease[found];
    seen.state = lease->state;
    seen.due_ns = lease->due_ns;
    seen.tokens = leases->node[found].tokens;
    seen.slots = leases->node[found].slots;
    seen.ttl_ms = lease->ttl_ms;
    strcpy(seen.key, lease->key->key);
    if (lease->state == LEASE_RELEASED || lease->state == LEASE_LOST_LIMIT)
        seen.outcome = lease->outcome;
    return seen;
}

static bool is_same(const struct seen *a, const struct seen *b)
{
    return a->state == b->state && a->due_ns == b->due_ns && a->tokens == b->tokens &&
           a->slots == b->slots && a->ttl_ms == b->ttl_ms && strcmp(a->key, b->key) == 0 &&
           memcmp(&a->outcome, &b->outcome, sizeof a->outcome) == 0;
}

static void adopt(struct leases *leases, unsigned char *memory)
{
    uint32_t damaged;
    assert_true(leases_adopt(leases, memory, MAX_LEASES, &run.table, run.leases.now_ns, &damaged));
    assert_int_equal(damaged, 0);
}

static const struct seen nothing;

/* Killed here: all leases are as they were, but for the one that is being changed; and for one that is
 * remembered no longer, to make room. */
static void on_store(void)
{
    struct leases next;
    if (!run.is_under_way)
        return;
    run.is_under_way = false;
    run.kills++;
    memcpy(run.copy, run.memory, lease_records_bytes(MAX_LEASES));
    adopt(&next, run.copy);
    for (unsigned i = 0; i < IDS; i++) {
        struct seen now = see(&next, i);
        bool may_go = run.before[i].state != LEASE_HELD;
        if (i != run.number)
            assert_true(is_same(&now, &run.before[i]) || (may_go && is_same(&now, &nothing)));
    }
    assert_true(run.left_count < LENGTH(run.left));
    if (run.number < IDS)
        run.left[run.left_count++] = see(&next, run.number);
    leases_release(&next);
    run.is_under_way = true;
}

static void begin(unsigned number)
{
    for (unsigned i = 0; i < IDS; i++)
        run.before[i] = see(&run.leases, i);
    run.number = number;
    run.left_count = 0;
    run.is_under_way = true;
}

/* What the kills have left of it: what was before, up to one store, and then what is after. */
static void end(void)
{
    run.is_under_way = false;
    struct seen after = see(&run.leases, run.number);
    bool is_after = false;
    for (unsigned i = 0; i < run.left_count; i++) {
        is_after = is_after || is_same(&run.left[i], &after);
        assert_true(is_same(&run.left[i], is_after ? &after : &run.before[run.number]));
    }
    assert_true(is_after || run.left_count == 0);
    run.changed += !is_same(&run.before[run.number], &after);
}

static void take(unsigned number)
{
    struct lease_terms terms = {
        .salt = 77,
        .tokens = dice_roll(&run.dice, 100),
        .slots = (uint32_t)dice_roll(&run.dice, 4),
        .ttl_ms = (uint32_t)dice_between(&run.dice, 100, 3000),
    };
    memcpy(terms.id, id_of(number).bytes, sizeof terms.id);
    terms.key_len = (uint8_t)dice_between(&run.dice, 1, dice_once_in(&run.dice, 2) ? 5 : KEY_MAX);
    memset(terms.key, 'a' + (int)dice_roll(&run.dice, 5), terms.key_len);
    uint64_t hash = table_hash(&run.table, terms.key, terms.key_len) ^ terms.salt;
    assert_true(leases_make_ready(&run.leases));
    leases_hold(&run.leases, &terms, hash, run.leases.now_ns + terms.ttl_ms * (uint64_t)NS_PER_MS);
}

static void let_go(uint32_t found)
{
    struct lease_outcome outcome = {
        .returned_tokens = dice_roll(&run.dice, 100),
        .charged_tokens = dice_roll(&run.dice, 100),
        .forgiven_tokens = dice_roll(&run.dice, 100),
        .owed_tokens = dice_roll(&run.dice, 100),
    };
    leases_let_go(&run.leases, found,
                  dice_once_in(&run.dice, 2) ? LEASE_RELEASED : LEASE_LOST_LIMIT, &outcome);
}

static void change_one(void)
{
    unsigned number = (unsigned)dice_roll(&run.dice, IDS);
    struct lease_id id = id_of(number);
    uint32_t found = leases_find(&run.leases, &id);
    begin(number);
    if (found == LEASE_NONE_NUMBER && !leases_are_full(&run.leases))
        take(number);
    else if (found != LEASE_NONE_NUMBER && run.leases.lease[found].state == LEASE_HELD &&
             !leases_has_ended(&run.leases, found)) {
        if (dice_once_in(&run.dice, 2))
            let_go(found);
        else
            leases_renew(&run.leases, found,
                         run.leases.now_ns + dice_between(&run.dice, 1, 3000) * NS_PER_MS);
    }
    end();
}

static unsigned number_of(uint32_t found)
{
    unsigned number;
    memcpy(&number, run.leases.lease[found].id.bytes, sizeof number);
    return number;
}

static void pass_time(void)
{
    run.leases.now_ns += dice_roll(&run.dice, 300) * NS_PER_MS;
    for (uint32_t found; (found = leases_ended(&run.leases)) != LEASE_NONE_NUMBER;) {
        begin(number_of(found));
        leases_expire(&run.leases, found);
        end();
    }
    begin(IDS);
    while (leases_forget(&run.leases))
        ;
    run.is_under_way = false;
}

static void a_lease_is_there_whole_or_not_at_all(void **state)
{
    (void)state;
    static const uint8_t seed[TABLE_SEED_BYTES] = "any";
    static const uint16_t owners[UINT16_MAX + 1];
    size_t bytes = lease_records_bytes(MAX_LEASES);
    uint64_t kills = dice_repeats("ALLOWD_KILLS", 100000);
    run.dice = dice_new(30);
    run.memory = aligned_alloc(4096, bytes);
    run.copy = aligned_alloc(4096, bytes);
    assert_true(run.memory != NULL && run.copy != NULL);
    memset(run.memory, 0, bytes);
    assert_true(table_init(&run.table, 10, seed, owners));
    assert_true(leases_init(&run.leases, run.memory, MAX_LEASES));
    told_store = on_store;
    while (run.kills < kills) {
        change_one();
        if (dice_once_in(&run.dice, 3))
            pass_time();
        if (dice_once_in(&run.dice, 50)) { /* killed for good: the next process goes on */
            struct leases next;
            adopt(&next, run.memory);
            leases_release(&run.leases);
            run.leases = next;
        }
    }
    told_store = NULL;
    printf("%" PRIu64 " kills, %" PRIu64 " leases changed\n", run.kills, run.changed);
    assert_true(run.changed > kills / 100);
    leases_release(&run.leases);
    table_release(&run.table);
    free(run.memory);
    free(run.copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_is_there_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
