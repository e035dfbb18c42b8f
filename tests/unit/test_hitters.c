/* Hitters: held against an exact count of the same events, in streams kind and hostile. */
#include "base/quantity.h"
#include "brain/hitters.h"
#include "support/dice.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_NS ((uint64_t)HITTERS_WINDOW_S * NS_PER_S)
#define KEYS_MAX 20000u

static struct hitters *hitters; /* too large for the stack of a test */
static struct hitters_listed listed[HITTERS_LISTED_MAX];
static uint32_t exact[HITTERS_WINDOWS][KEYS_MAX]; /* [0]: of the present window */
static uint32_t events[HITTERS_WINDOWS];

static void begin(uint64_t now_ns)
{
    free(hitters);
    hitters = calloc(1, sizeof *hitters);
    hitters->began_ns = now_ns;
    memset(exact, 0, sizeof exact);
    memset(events, 0, sizeof events);
}

static int end(void **unused)
{
    (void)unused;
    free(hitters);
    hitters = NULL;
    return 0;
}

static uint64_t hash_of(uint32_t key)
{
    uint64_t z = (key + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);
    return z ^ z >> 29;
}

static size_t name_of(uint32_t key, char name[16])
{
    return (size_t)snprintf(name, 16, "key-%u", key);
}

static void add(uint32_t key)
{
    char name[16];
    size_t len = name_of(key, name);
    hitters_add(hitters, hash_of(key), name, len, 7);
    exact[0][key]++;
    events[0]++;
}

static struct hitters_count look(uint32_t key)
{
    char name[16];
    size_t len = name_of(key, name);
    return hitters_look(hitters, hash_of(key), name, len, 7);
}

/* The next window begins. */
static void age(uint64_t windows)
{
    hitters_advance(hitters, hitters->began_ns + windows * WINDOW_NS);
    for (; windows > 0; windows--) {
        memcpy(exact[1], exact[0], sizeof exact[0]);
        memset(exact[0], 0, sizeof exact[0]);
        events[1] = events[0];
        events[0] = 0;
    }
}

/* ---- what must hold whatever came ---- */

/* Counters in order, each in the run of its count, and reached by its hash. */
static void expect_order(const struct hitters_window *window)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < window->used; i++) {
        const struct hitters_counter *counter = &window->counter[window->order[i]];
        assert_int_equal(counter->place, i);
        assert_true(counter->count > counter->error);
        sum += counter->count;
        uint32_t first = window->run_first[counter->run];
        assert_true(first <= i);
        assert_int_equal(window->counter[window->order[first]].count, counter->count);
        if (i == 0)
            continue;
        const struct hitters_counter *before = &window->counter[window->order[i - 1]];
        assert_true(before->count >= counter->count);
        assert_int_equal(before->count == counter->count, before->run == counter->run);
    }
    assert_int_equal(sum, events[window != &hitters->window[hitters->present]]);
}

static void expect_bounds(void)
{
    uint64_t error_max = events[0] / HITTERS_COUNTERS + events[1] / HITTERS_COUNTERS;
    for (uint32_t key = 0; key < KEYS_MAX; key++) {
        struct hitters_count seen = look(key);
        uint64_t truth = exact[0][key] + (uint64_t)exact[1][key];
        assert_true(seen.count <= truth);
        assert_true(truth <= seen.count + seen.error);
        assert_true(seen.error <= error_max);
    }
}

/* Every frequent key is listed, none twice, and in the order promised. */
static void expect_list(void)
{
    static bool is_listed[KEYS_MAX];
    size_t count = hitters_list(hitters, listed);
    memset(is_listed, 0, sizeof is_listed);
    for (size_t i = 0; i < count; i++) {
        char name[16] = "";
        memcpy(name, listed[i].counter->key, listed[i].counter->key_len);
        unsigned long key = strtoul(name + 4, NULL, 10);
        assert_false(is_listed[key]);
        is_listed[key] = true;
        struct hitters_count seen = look((uint32_t)key);
        assert_memory_equal(&seen, &listed[i].seen, sizeof seen);
        if (i == 0)
            continue;
        const struct hitters_count *before = &listed[i - 1].seen;
        assert_true(before->count > seen.count ||
                    (before->count == seen.count && before->error >= seen.error));
    }
    for (uint32_t key = 0; key < KEYS_MAX; key++)
        for (unsigned i = 0; i < HITTERS_WINDOWS; i++)
            assert_true(is_listed[key] || exact[i][key] <= events[i] / HITTERS_COUNTERS);
}

static void expect_all(void)
{
    expect_order(&hitters->window[0]);
    expect_order(&hitters->window[1]);
    expect_bounds();
    expect_list();
}

/* ---- streams ---- */

typedef uint32_t (*stream)(struct dice *dice, uint32_t i);

static uint32_t few(struct dice *dice, uint32_t i)
{
    (void)i;
    return (uint32_t)dice_roll(dice, HITTERS_COUNTERS);
}

static uint32_t uniform(struct dice *dice, uint32_t i)
{
    (void)i;
    return (uint32_t)dice_roll(dice, KEYS_MAX);
}

/* Half of what is left goes to each next key, and one in four to anything. */
static uint32_t skewed(struct dice *dice, uint32_t i)
{
    (void)i;
    uint64_t bits = dice_bits(dice);
    return bits % 4 == 0 ? (uint32_t)dice_roll(dice, KEYS_MAX)
                         : (uint32_t)__builtin_ctzll(bits >> 2 | 1u << 30);
}

/* One key more than there are counters, in turn: each takes over the one needed next. */
static uint32_t just_too_many(struct dice *dice, uint32_t i)
{
    (void)dice;
    return i % (HITTERS_COUNTERS + 1);
}

/* Never the same again, but for one in a hundred. */
static uint32_t needle(struct dice *dice, uint32_t i)
{
    (void)dice;
    return i % 100 == 0 ? 0 : 1 + i % (KEYS_MAX - 1);
}

/* The heavy one comes only when all counters are taken. */
static uint32_t late(struct dice *dice, uint32_t i)
{
    return i < 10000 ? uniform(dice, i) : i % 2 == 0 ? 5 : uniform(dice, i);
}

/* Each key as often as there are keys before it: all runs are of one. */
static uint32_t stairs(struct dice *dice, uint32_t i)
{
    (void)dice;
    uint32_t step = 0;
    while (step * (step + 1) / 2 <= i)
        step++;
    return step - 1;
}

static void bounds_hold_in_every_stream(void **unused)
{
    (void)unused;
    static const stream streams[] = {few, uniform, skewed, just_too_many, needle, late, stairs};
    for (size_t s = 0; s < LENGTH(streams); s++) {
        struct dice dice = dice_new(s);
        begin(dice_bits(&dice) >> 1);
        for (unsigned window = 0; window < 4; window++) {
            uint32_t length = 1 + (uint32_t)dice_roll(&dice, 30000);
            for (uint32_t i = 0; i < length; i++)
                add(streams[s](&dice, i));
            expect_all();
            age(dice_once_in(&dice, 4) ? 2 : 1);
            expect_all();
        }
    }
}

static void bounds_hold_when_streams_mix(void **unused)
{
    (void)unused;
    static const stream streams[] = {few, uniform, skewed, just_too_many, needle};
    struct dice dice = dice_new(100);
    begin(0);
    for (uint32_t i = 0; i < 60000; i++) {
        add(streams[dice_roll(&dice, LENGTH(streams))](&dice, i));
        if (dice_once_in(&dice, 20000))
            age(1);
        if (dice_once_in(&dice, 6000))
            expect_all();
    }
    expect_all();
}

static void few_keys_are_counted_exactly(void **unused)
{
    (void)unused;
    struct dice dice = dice_new(101);
    begin(0);
    for (uint32_t i = 0; i < 50000; i++)
        add(few(&dice, i));
    for (uint32_t key = 0; key < HITTERS_COUNTERS; key++) {
        assert_int_equal(look(key).count, exact[0][key]);
        assert_int_equal(look(key).error, 0);
    }
}

static void the_heavy_one_is_first_in_a_flood_of_others(void **unused)
{
    (void)unused;
    begin(0);
    for (uint32_t i = 0; i < 100000; i++)
        add(needle(NULL, i));
    assert_true(hitters_list(hitters, listed) > 0);
    assert_int_equal(listed[0].counter->key_len, strlen("key-0"));
    assert_memory_equal(listed[0].counter->key, "key-0", strlen("key-0"));
    assert_true(listed[0].seen.count > 1000 - 100000 / HITTERS_COUNTERS);
}

/* ---- keys and labels ---- */

static void one_hash_is_not_one_key(void **unused)
{
    (void)unused;
    char longest[KEY_MAX];
    memset(longest, 'x', sizeof longest);
    begin(0);
    hitters_add(hitters, 1, "a", 1, 0);
    hitters_add(hitters, 1, "b", 1, 0);
    hitters_add(hitters, 1, "b", 1, 1);
    hitters_add(hitters, 1, "b", 1, 1);
    hitters_add(hitters, 1, longest, sizeof longest, 0);
    hitters_add(hitters, 1, longest, sizeof longest, 0);
    hitters_add(hitters, 1, longest, sizeof longest, 0);
    assert_int_equal(hitters_look(hitters, 1, "a", 1, 0).count, 1);
    assert_int_equal(hitters_look(hitters, 1, "b", 1, 0).count, 1);
    assert_int_equal(hitters_look(hitters, 1, "b", 1, 1).count, 2);
    assert_int_equal(hitters_look(hitters, 1, longest, sizeof longest, 0).count, 3);
    assert_int_equal(hitters_look(hitters, 1, longest, sizeof longest - 1, 0).count, 0);
    assert_int_equal(hitters_look(hitters, 1, "a", 1, 1).count, 0);
    assert_int_equal(hitters_list(hitters, listed), 4);
}

static void a_label_that_goes_takes_its_keys_along(void **unused)
{
    (void)unused;
    static const uint16_t label_of[] = {HITTERS_NO_LABEL, 0};
    begin(0);
    hitters_add(hitters, 1, "a", 1, 0);
    hitters_advance(hitters, WINDOW_NS);
    hitters_add(hitters, 1, "a", 1, 0);
    hitters_add(hitters, 2, "b", 1, 1);
    hitters_relabel(hitters, label_of);
    assert_int_equal(hitters_list(hitters, listed), 1);
    assert_int_equal(listed[0].counter->label, 0);
    assert_int_equal(hitters_look(hitters, 1, "a", 1, 0).count, 0);
    assert_int_equal(hitters_look(hitters, 2, "b", 1, 0).count, 1);
    hitters_relabel(hitters, label_of);
    assert_int_equal(hitters_list(hitters, listed), 0);
    hitters_add(hitters, 1, "a", 1, 0);
    assert_int_equal(hitters_look(hitters, 1, "a", 1, 0).count, 1);
}

/* ---- time ---- */

static void what_is_two_windows_old_is_forgotten(void **unused)
{
    (void)unused;
    begin(1000);
    add(1);
    hitters_advance(hitters, 1000 + WINDOW_NS - 1);
    add(1);
    assert_int_equal(look(1).count, 2);
    hitters_advance(hitters, 1000 + WINDOW_NS);
    assert_int_equal(look(1).count, 2);
    add(1);
    assert_int_equal(look(1).count, 3);
    hitters_advance(hitters, 1000 + 2 * WINDOW_NS - 1);
    assert_int_equal(look(1).count, 3);
    hitters_advance(hitters, 1000 + 2 * WINDOW_NS);
    assert_int_equal(look(1).count, 1);
    hitters_advance(hitters, 1000 + 3 * WINDOW_NS);
    assert_int_equal(look(1).count, 0);
    assert_int_equal(hitters_list(hitters, listed), 0);
}

static void a_long_silence_forgets_all_and_windows_keep_their_times(void **unused)
{
    (void)unused;
    begin(5);
    add(1);
    hitters_advance(hitters, 5 + WINDOW_NS);
    add(1);
    hitters_advance(hitters, 5 + 1000000 * WINDOW_NS + 17);
    assert_int_equal(look(1).count, 0);
    assert_int_equal(hitters->began_ns, 5 + 1000000 * WINDOW_NS);
    add(1);
    assert_int_equal(look(1).count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_hold_in_every_stream),
        cmocka_unit_test(bounds_hold_when_streams_mix),
        cmocka_unit_test(few_keys_are_counted_exactly),
        cmocka_unit_test(the_heavy_one_is_first_in_a_flood_of_others),
        cmocka_unit_test(one_hash_is_not_one_key),
        cmocka_unit_test(a_label_that_goes_takes_its_keys_along),
        cmocka_unit_test(what_is_two_windows_old_is_forgotten),
        cmocka_unit_test(a_long_silence_forgets_all_and_windows_keep_their_times),
    };
    return cmocka_run_group_tests_name("hitters", tests, NULL, end);
}
