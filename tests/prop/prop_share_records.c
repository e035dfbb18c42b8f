/*
 * The records of what is in hand of a fleet, killed at each store: a session's is as before or as after what is under
 * way, or it is lost; and never is there more to spend than there was or will be.
 *
 * A section lives a random life: sessions begin, their totals and their ends change, and they are forgotten; and the
 * section changes its home. After each store the next process reads what a kill would leave; so it does while the section is
 * made that of another file. What random bytes and flipped bits leave is read as well.
 *
 * ALLOWD_KILLS is how many times, ALLOWD_SEED which.
 */
#include "base/bytes.h"
#include "keep/share_records.h"
#include "keep/store.h"
#include "limits/fleet_fit.h"
#include "prop/told_stores.h"
#include "support/dice.h"
#include "support/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SESSIONS = 6, /* at numbers 0 to 5 */
    HEAD_BYTES = 4096,
    SEEN_BYTES = HEAD_BYTES + SESSIONS * SHARE_RECORD_BYTES, /* what is copied of the section */
    HOMES = 3,                                               /* the first is none */
    CLOCKS = 3,                                              /* the first is unknown */
    CHANGES = 200,                                           /* in a life */
};

#define SEQ_END (UINT64_C(1) << 47)

static const uint64_t homes[HOMES] = {0, UINT64_C(0x100000001), UINT64_MAX};
static const uint8_t clocks[CLOCKS][16] = {"", "one boot of it", "another boot"};

/* A record, as it is or should be. */
struct seen {
    bool is_there;
    struct share_record_terms terms;
    uint64_t epoch_ms, lease_ns, seq;
    struct share_record_totals totals[BUCKETS_MAX];
};

/* What is under way. */
enum doing {
    DOING_NOTHING,
    DOING_BEGIN,
    DOING_DISPOSED,
    DOING_TOTALS,
    DOING_LEASE,
    DOING_SEQ,
    DOING_FREE,
    DOING_HOME,
};

static struct {
    struct dice dice;
    struct share_records records, copy;
    unsigned char *memory;
    _Alignas(64) unsigned char copied[SEEN_BYTES];
    struct seen seen[SESSIONS]; /* as they should be */
    unsigned home, clock;       /* of homes and clocks */
    /* what is under way, with which session and bucket, and as what it should be after that */
    enum doing doing;
    uint32_t number, bucket;
    struct seen after;
    unsigned home_after, clock_after;
    uint64_t kills, lost, begun;
} run;

static void expect(bool is_so, const char *what)
{
    if (!is_so)
        fail_msg("ALLOWD_SEED=%" PRIu64 " after %" PRIu64 " kills: %s", dice_seed(), run.kills,
                 what);
}

/* ---- looking ---- */

static struct seen see(const struct share_records *records, uint32_t number)
{
    struct seen seen;
    memset(&seen, 0, sizeof seen);
    seen.is_there = share_record_read(records, number, &seen.terms, &seen.epoch_ms, &seen.lease_ns,
                                      &seen.seq, seen.totals);
    return seen;
}

static bool are_same_totals(const struct share_record_totals *a,
                            const struct share_record_totals *b)
{
    return a->granted == b->granted && a->disposed == b->disposed && a->net == b->net;
}

/* Whether all is the same but the totals and the end. */
static bool is_same_session(const struct seen *a, const struct seen *b)
{
    const struct share_record_terms *x = &a->terms, *y = &b->terms;
    return x->session == y->session && x->buckets == y->buckets && x->has_slots == y->has_slots &&
           x->is_joined == y->is_joined && x->name_len == y->name_len &&
           memcmp(x->name, y->name, x->name_len) == 0 && x->key_len == y->key_len &&
           memcmp(x->key, y->key, x->key_len) == 0 && a->epoch_ms == b->epoch_ms;
}

static bool is_same(const struct seen *a, const struct seen *b)
{
    if (!a->is_there || !b->is_there)
        return a->is_there == b->is_there;
    bool are_same = is_same_session(a, b) && a->lease_ns == b->lease_ns && a->seq == b->seq;
    for (uint32_t i = 0; i < a->terms.buckets; i++)
        are_same &= are_same_totals(&a->totals[i], &b->totals[i]);
    return are_same;
}

static int64_t to_spend(const struct share_record_totals *totals)
{
    return (int64_t)(totals->granted - totals->disposed) + totals->net;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Each number of the totals that changed is as before or as after. */
static void check_totals(const struct seen *before, const struct seen *left,
                         const struct seen *after)
{
    const struct share_record_totals *was = &before->totals[run.bucket];
    const struct share_record_totals *is = &left->totals[run.bucket];
    const struct share_record_totals *will = &after->totals[run.bucket];
    expect(is->granted == was->granted || is->granted == will->granted, "granted is another");
    expect(is->disposed == was->disposed || is->disposed == will->disposed, "disposed is another");
    expect(is->net == was->net || is->net == will->net, "net is another");
    expect(to_spend(is) <= larger(to_spend(was), to_spend(will)), "tokens were made of nothing");
    struct seen others = *left;
    others.totals[run.bucket] = *was;
    expect(is_same(&others, before), "totals of another bucket have changed");
}

static bool may_be_lost(const struct seen *before, const struct seen *after)
{
    return after->totals[run.bucket].granted > before->totals[run.bucket].granted &&
           after->totals[run.bucket].disposed > before->totals[run.bucket].granted;
}

static void check_left(const struct seen *before, const struct seen *left)
{
    const struct seen *after = &run.after;
    if (run.doing != DOING_TOTALS) {
        expect(is_same(left, before) || is_same(left, after), "a session is another");
    } else if (left->is_there) {
        check_totals(before, left, after);
    } else {
        expect(may_be_lost(before, after), "a session is lost without need");
        run.lost++;
    }
}

/* Killed here. */
static void on_store(void)
{
    enum doing doing = run.doing;
    if (doing == DOING_NOTHING)
        return;
    run.kills++;
    memcpy(run.copied, run.memory, SEEN_BYTES);
    uint32_t used = share_records_used(&run.copy);
    expect(used <= SESSIONS, "too many are used");
    for (uint32_t i = 0; i < SESSIONS; i++) {
        struct seen left = see(&run.copy, i);
        expect(i < used || !left.is_there, "a session is where nobody looks");
        if (doing != DOING_HOME && i == run.number)
            check_left(&run.seen[i], &left);
        else
            expect(is_same(&left, &run.seen[i]), "the record of another session has changed");
    }
    for (unsigned home = 0; home < HOMES; home++)
        for (unsigned clock = 0; clock < CLOCKS; clock++)
            if (share_records_are_of(&run.copy, homes[home], clocks[clock]))
                expect(
                    (home == run.home && clock == run.clock) ||
                        (doing == DOING_HOME && home == run.home_after && clock == run.clock_after),
                    "the records are of a home that they never had");
}

/* ---- a life ---- */

static uint64_t some_tokens(void)
{
    switch (dice_roll(&run.dice, 3)) {
    case 0:
        return dice_roll(&run.dice, 4);
    case 1:
        return dice_roll(&run.dice, 1000);
    default:
        return dice_between(&run.dice, 0, FLEET_TOTAL_MAX);
    }
}

static struct share_record_totals some_totals(void)
{
    struct share_record_totals totals = {.granted = some_tokens()};
    totals.disposed = dice_between(&run.dice, 0, totals.granted);
    totals.net = (int64_t)some_tokens();
    if (dice_once_in(&run.dice, 2))
        totals.net = -totals.net;
    return totals;
}

/* As they become of those: some grow, and others stay. */
static struct share_record_totals next_totals(struct share_record_totals totals)
{
    struct share_record_totals other = some_totals();
    if (dice_once_in(&run.dice, 2) && other.granted > totals.granted)
        totals.granted = other.granted;
    if (dice_once_in(&run.dice, 2))
        totals.disposed = dice_between(&run.dice, 0, totals.granted);
    if (dice_once_in(&run.dice, 2))
        totals.net = other.net;
    return totals;
}

static void some_text(char *text, uint8_t *len, uint64_t most)
{
    *len = (uint8_t)(dice_once_in(&run.dice, 8) ? most : dice_between(&run.dice, 1, most));
    for (uint64_t i = 0; i < most; i++)
        text[i] = (char)dice_between(&run.dice, 'a', 'z');
}

static uint64_t some_seq(void)
{
    return dice_bits(&run.dice) % SEQ_END;
}

static struct seen some_session(void)
{
    struct seen seen;
    memset(&seen, (int)dice_roll(&run.dice, 256), sizeof seen); /* what is behind the strings */
    seen.is_there = true;
    seen.terms.session = dice_bits(&run.dice) | 1;
    seen.terms.buckets = (uint8_t)dice_between(&run.dice, 1, BUCKETS_MAX);
    seen.terms.has_slots = dice_once_in(&run.dice, 2);
    seen.terms.is_joined = dice_once_in(&run.dice, 2);
    some_text(seen.terms.name, &seen.terms.name_len, LIMIT_NAME_MAX);
    some_text(seen.terms.key, &seen.terms.key_len, KEY_MAX);
    seen.epoch_ms = dice_bits(&run.dice);
    seen.lease_ns = dice_bits(&run.dice);
    seen.seq = some_seq();
    for (uint32_t i = 0; i < BUCKETS_MAX; i++)
        seen.totals[i] = some_totals();
    return seen;
}

static void begin(void)
{
    run.after = some_session();
    run.doing = DOING_BEGIN;
    share_record_begin(&run.records, run.number, &run.after.terms, run.after.epoch_ms,
                       run.after.lease_ns, run.after.seq, run.after.totals);
    run.begun++;
}

static void dispose(void)
{
    struct share_record_totals *totals = &run.after.totals[run.bucket];
    totals->disposed = dice_between(&run.dice, totals->disposed, totals->granted);
    run.doing = DOING_DISPOSED;
    share_record_put_disposed(&run.records.record[run.number], run.bucket, totals->disposed);
}

static void put_totals(void)
{
    run.after.totals[run.bucket] = next_totals(run.after.totals[run.bucket]);
    run.doing = DOING_TOTALS;
    share_record_put_totals(&run.records, run.number, run.bucket, &run.after.totals[run.bucket]);
}

static void change(void)
{
    run.bucket = (uint32_t)dice_roll(&run.dice, run.after.terms.buckets);
    switch (dice_roll(&run.dice, 9)) {
    case 0:
        run.after.is_there = false;
        run.doing = DOING_FREE;
        share_record_free(&run.records, run.number);
        break;
    case 1:
        run.after.lease_ns = dice_bits(&run.dice);
        run.doing = DOING_LEASE;
        share_record_put_lease(&run.records, run.number, run.after.lease_ns);
        break;
    case 2:
        run.after.seq = some_seq();
        run.doing = DOING_SEQ;
        share_record_put_seq(&run.records, run.number, run.after.seq);
        break;
    case 3:
    case 4:
        dispose();
        break;
    default:
        put_totals();
    }
}

static void change_session(void)
{
    run.number = (uint32_t)dice_roll(&run.dice, SESSIONS);
    run.after = run.seen[run.number];
    if (run.after.is_there)
        change();
    else
        begin();
    run.doing = DOING_NOTHING;
    struct seen now = see(&run.records, run.number);
    expect(is_same(&now, &run.after), "a session is not as it was put");
    expect(!now.is_there || now.terms.name[now.terms.name_len] == '\0', "a name does not end");
    run.seen[run.number] = now;
}

static void change_home(void)
{
    run.home_after = (unsigned)dice_roll(&run.dice, HOMES);
    run.clock_after = (unsigned)dice_roll(&run.dice, CLOCKS);
    run.doing = DOING_HOME;
    share_records_set_home(&run.records, homes[run.home_after], clocks[run.clock_after]);
    run.doing = DOING_NOTHING;
    run.home = run.home_after;
    run.clock = run.clock_after;
    expect(share_records_are_of(&run.records, homes[run.home], clocks[run.clock]) ==
               (run.home != 0 && run.clock != 0),
           "the records are not of the home that was put, or of none");
}

static void live(void)
{
    for (unsigned i = 0; i < CHANGES; i++)
        if (dice_once_in(&run.dice, 10))
            change_home();
        else
            change_session();
}

static void world_init(uint64_t number)
{
    memset(&run.seen, 0, sizeof run.seen);
    memset(run.memory, 0, SEEN_BYTES);
    run.dice = dice_new(number);
    run.home = run.clock = 0;
    run.doing = DOING_NOTHING;
    run.records = share_records_at(run.memory);
    run.copy = share_records_at(run.copied);
}

static int setup(void **state)
{
    (void)state;
    run.memory = aligned_alloc(HEAD_BYTES, share_records_bytes());
    assert_non_null(run.memory);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    told_store = NULL;
    free(run.memory);
    return 0;
}

static void a_kill_leaves_each_session_and_mints_nothing(void **state)
{
    (void)state;
    uint64_t kills = dice_repeats("ALLOWD_KILLS", 200000);
    told_store = on_store;
    for (uint64_t number = 0; run.kills < kills; number++) {
        world_init(number);
        live();
    }
    told_store = NULL;
    printf("%" PRIu64 " kills between two stores, %" PRIu64 " sessions, %" PRIu64 " lost\n",
           run.kills, run.begun, run.lost);
    assert_true(run.begun > 0 && run.lost > 0 && run.lost < run.kills / 10);
}

/* ---- another file ---- */

static struct {
    unsigned home, clock; /* that the section is to be of */
    bool are_believed;
    uint64_t kills;
} owning;

static unsigned sessions_of(const struct share_records *records)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < SESSIONS; i++) {
        struct seen seen = see(records, i);
        assert_true(!seen.is_there || is_same(&seen, &run.seen[i]));
        count += seen.is_there;
    }
    return count;
}

/* Killed here: whoever may believe the sessions that were there finds all of them, and whoever may not finds none. */
static void on_store_of_owning(void)
{
    owning.kills++;
    memcpy(run.copied, run.memory, SEEN_BYTES);
    unsigned sessions = sessions_of(&run.copy);
    for (unsigned home = 0; home < HOMES; home++)
        for (unsigned clock = 0; clock < CLOCKS; clock++) {
            if (!share_records_are_of(&run.copy, homes[home], clocks[clock]))
                continue;
            if (home == run.home && clock == run.clock && sessions == SESSIONS)
                continue;
            expect(home == owning.home && clock == owning.clock && sessions == 0,
                   "sessions are believed that are not whole, or another's");
        }
}

static void own(unsigned home, unsigned clock, bool may_believe)
{
    struct store store = {.shares = run.memory};
    world_init(10 + home);
    run.home = 1;
    run.clock = 1;
    share_records_set_home(&run.records, homes[1], clocks[1]);
    for (run.number = 0; run.number < SESSIONS; run.number++) {
        run.seen[run.number] = some_session();
        share_record_begin(&run.records, run.number, &run.seen[run.number].terms,
                           run.seen[run.number].epoch_ms, run.seen[run.number].lease_ns,
                           run.seen[run.number].seq, run.seen[run.number].totals);
    }
    owning.home = home;
    owning.clock = clock;
    owning.are_believed = may_believe && home == 1 && clock == 1;
    told_store = on_store_of_owning;
    store_own_shares(&store, homes[home], clocks[clock], may_believe);
    told_store = NULL;
    assert_int_equal(store_shares_are_believed(&store), owning.are_believed);
    assert_int_equal(store.shares_home, homes[home]);
    assert_int_equal(sessions_of(&run.records), owning.are_believed ? SESSIONS : 0);
    assert_int_equal(share_records_used(&run.records), owning.are_believed ? SESSIONS : 0);
    assert_int_equal(share_records_are_of(&run.records, homes[home], clocks[clock]),
                     home != 0 && clock != 0);
}

static void a_kill_while_another_file_owns_it_has_nobody_believe_a_part(void **state)
{
    (void)state;
    for (unsigned home = 0; home < HOMES; home++)
        for (unsigned clock = 0; clock < CLOCKS; clock++)
            for (int may_believe = 0; may_believe < 2; may_believe++)
                own(home, clock, may_believe);
    assert_true(owning.kills > 100);
    struct store none = {0};
    store_own_shares(&none, homes[1], clocks[1], true);
    assert_false(store_shares_are_believed(&none));
}

/* ---- damage ---- */

/* What was read can be used as it is, whatever it was read from. */
static void check_bounds(const struct seen *seen)
{
    const struct share_record_terms *terms = &seen->terms;
    if (!seen->is_there)
        return;
    expect(terms->session != 0 && terms->buckets >= 1 && terms->buckets <= BUCKETS_MAX &&
               terms->name_len >= 1 && terms->name_len <= LIMIT_NAME_MAX &&
               strlen(terms->name) == terms->name_len && terms->key_len >= 1 &&
               key_check(terms->key, terms->key_len) == KEY_OK,
           "a session was read that cannot be");
    expect(seen->seq < SEQ_END, "an order was read that cannot be");
    for (uint32_t i = 0; i < terms->buckets; i++)
        expect(seen->totals[i].disposed <= seen->totals[i].granted &&
                   seen->totals[i].granted <= FLEET_TOTAL_MAX &&
                   seen->totals[i].net <= (int64_t)FLEET_TOTAL_MAX &&
                   seen->totals[i].net >= -(int64_t)FLEET_TOTAL_MAX,
               "totals were read that cannot be");
}

/* A bit of what never changes is missed in any case; of other words, if they are out of bounds. */
static void a_flipped_bit_changes_no_session(void **state)
{
    (void)state;
    uint64_t damaged = 0;
    world_init(1);
    for (unsigned i = 0; i < 300; i++) {
        struct share_record *record = run.records.record;
        struct seen before = some_session();
        share_record_begin(&run.records, 0, &before.terms, before.epoch_ms, before.lease_ns,
                           before.seq, before.totals);
        for (size_t bit = 0; bit < (size_t)SHARE_RECORD_BYTES * 8; bit++) {
            ((unsigned char *)record)[bit / 8] ^= (unsigned char)(1 << bit % 8);
            struct seen seen = see(&run.records, 0);
            damaged += !seen.is_there;
            check_bounds(&seen);
            expect(!seen.is_there || is_same_session(&seen, &before), "another session was read");
            ((unsigned char *)record)[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        share_record_free(&run.records, 0);
    }
    assert_in_range(damaged, 300 * 8 * 40, 300 * 8 * SHARE_RECORD_BYTES);
}

static bool is_bool(const void *byte)
{
    return *(const unsigned char *)byte <= 1;
}

/* As share_records.c mixes it, so that what is behind the checksums is looked at. */
static void seal(struct share_record *record)
{
    size_t len = offsetof(struct share_record_terms, key) + record->terms.key_len;
    record->state = UINT64_C(0xb3592ec6741fa8d5) ^
                    bytes_checksum(&record->epoch_ms, sizeof record->epoch_ms) ^
                    bytes_checksum(&record->terms, len);
}

static void random_bytes_are_no_session_that_cannot_be(void **state)
{
    (void)state;
    uint64_t times = dice_repeats("ALLOWD_DAMAGES", 200000), read = 0;
    world_init(2);
    for (uint64_t i = 0; i < times; i++) {
        struct share_record *record = run.records.record;
        struct seen session = some_session();
        memset(record, 0, sizeof *record);
        share_record_begin(&run.records, 0, &session.terms, session.epoch_ms, session.lease_ns,
                           session.seq, session.totals);
        for (uint64_t bytes = dice_roll(&run.dice, 4); bytes > 0; bytes--)
            ((unsigned char *)record)[dice_roll(&run.dice, SHARE_RECORD_BYTES)] =
                (unsigned char)dice_bits(&run.dice);
        if (dice_once_in(&run.dice, 10))
            for (size_t at = 0; at < SHARE_RECORD_BYTES; at++)
                ((unsigned char *)record)[at] = (unsigned char)dice_bits(&run.dice);
        seal(record);
        struct seen seen = see(&run.records, 0);
        check_bounds(&seen);
        expect(!seen.is_there ||
                   (is_bool(&record->terms.has_slots) && is_bool(&record->terms.is_joined)),
               "something was read that is no bool");
        read += seen.is_there;
    }
    assert_in_range(read, 1, times - 1);
}

static void a_head_of_any_bytes_is_nobodys(void **state)
{
    (void)state;
    world_init(3);
    for (unsigned i = 0; i < 20000; i++) {
        for (size_t at = 0; at < 64; at++)
            run.memory[at] = (unsigned char)dice_bits(&run.dice);
        assert_false(share_records_are_of(&run.records, homes[1], clocks[1]));
        assert_int_equal(share_records_used(&run.records), SHARE_RECORDS_MAX);
    }
    for (size_t bit = 0; bit < 64 * 8; bit++) {
        memset(run.memory, 0, 64);
        share_records_set_home(&run.records, homes[1], clocks[1]);
        assert_true(share_records_are_of(&run.records, homes[1], clocks[1]));
        run.memory[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(share_records_are_of(&run.records, homes[1], clocks[1]),
                         bit < 64 || bit >= 40 * 8); /* the number of those used; what is unused */
        assert_int_equal(share_records_used(&run.records), bit < 64 ? SHARE_RECORDS_MAX : 0);
    }
}

/* The system crashed when the disk had the records and not yet their head: nobody knows of them. */
static void what_the_head_does_not_tell_of_is_written_over(void **state)
{
    (void)state;
    struct seen session;
    world_init(5);
    for (uint32_t i = 0; i < SESSIONS; i++) {
        session = some_session();
        share_record_begin(&run.records, i, &session.terms, session.epoch_ms, session.lease_ns,
                           session.seq, session.totals);
    }
    memset(run.memory, 0, 64);
    share_records_clear(&run.records);
    for (uint32_t i = 0; i < SESSIONS; i++) {
        session = some_session();
        share_record_begin(&run.records, i, &session.terms, session.epoch_ms, session.lease_ns,
                           session.seq, session.totals);
        const struct seen seen = see(&run.records, i);
        assert_true(is_same(&seen, &session));
        assert_int_equal(share_records_used(&run.records), i + 1);
    }
}

/* ---- all of them ---- */

static void records_are_copied_and_cleared(void **state)
{
    (void)state;
    struct seen seen[SESSIONS];
    struct share_records none = share_records_at(NULL);
    world_init(4);
    share_records_set_home(&run.records, homes[1], clocks[1]);
    for (uint32_t i = 1; i < SESSIONS; i++) {
        seen[i] = some_session();
        share_record_begin(&run.records, i, &seen[i].terms, seen[i].epoch_ms, seen[i].lease_ns,
                           seen[i].seq, seen[i].totals);
    }
    assert_int_equal(share_records_used(&run.records), SESSIONS);
    memset(run.copied, 0, sizeof run.copied);
    share_records_copy(&run.records, &run.copy);
    share_records_clear(&run.records);
    assert_int_equal(share_records_used(&run.records), 0);
    assert_int_equal(share_records_used(&run.copy), SESSIONS);
    assert_true(share_records_are_of(&run.copy, homes[1], clocks[1]));
    for (uint32_t i = 0; i < SESSIONS; i++) {
        struct seen copy = see(&run.copy, i), cleared = see(&run.records, i);
        assert_false(cleared.is_there);
        assert_int_equal(copy.is_there, i > 0);
        assert_true(i == 0 || is_same(&copy, &seen[i]));
    }
    assert_int_equal(share_records_used(&none), 0);
    assert_false(share_records_are_of(&none, homes[1], clocks[1]));
    share_records_set_home(&none, homes[1], clocks[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_leaves_each_session_and_mints_nothing),
        cmocka_unit_test(a_kill_while_another_file_owns_it_has_nobody_believe_a_part),
        cmocka_unit_test(a_flipped_bit_changes_no_session),
        cmocka_unit_test(random_bytes_are_no_session_that_cannot_be),
        cmocka_unit_test(a_head_of_any_bytes_is_nobodys),
        cmocka_unit_test(what_the_head_does_not_tell_of_is_written_over),
        cmocka_unit_test(records_are_copied_and_cleared),
    };
    return cmocka_run_group_tests_name("share records", tests, setup, teardown);
}
