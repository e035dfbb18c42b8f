/* Names of the store: which shard, that none is another's, and that no caller's byte is between the braces. */
#include "fleet/name.h"
#include "support/unit.h"

#include <stdio.h>
#include <string.h>

static struct order order_of(const char *limit, const char *key)
{
    return (struct order){.limit_name = limit,
                          .key = key,
                          .limit_len = (uint16_t)strlen(limit),
                          .key_len = (uint16_t)strlen(key)};
}

static void expect_record(const char *limit, const char *key, const char *expected)
{
    char name[FLEET_RECORD_NAME_MAX + 1];
    struct order order = order_of(limit, key);
    size_t len = fleet_record_name("eu-1", &order, name);
    assert_in_range(len, 1, FLEET_RECORD_NAME_MAX);
    name[len] = '\0';
    assert_string_equal(name, expected);
}

/* Sidecars of other versions compute it too, so these numbers never change. The hash of a zero byte alone is
 * 0x050c5d1f, by another program. */
static void a_shard_is_the_same_everywhere(void **state)
{
    (void)state;
    assert_int_equal(fleet_shard("", 0, "", 0), 0x0c ^ 0x5d ^ 0x1f ^ 0x05);
    assert_int_equal(fleet_shard("api", 3, "alice", 5), 0xf8);
    assert_int_equal(fleet_shard("api", 3, "bob", 3), 0x93);
    assert_int_equal(fleet_shard("default", 7, "10.0.0.1", 8), 0x7c);
}

static void limit_and_key_do_not_run_together(void **state)
{
    (void)state;
    assert_int_not_equal(fleet_shard("ab", 2, "c", 1), fleet_shard("a", 1, "bc", 2));
}

static void shards_are_evenly_full(void **state)
{
    (void)state;
    enum { KEYS = 100000, MEAN = KEYS / 256 };
    unsigned count[256] = {0};
    for (unsigned i = 0; i < KEYS; i++) {
        char key[16];
        int len = snprintf(key, sizeof key, "user-%u", i);
        count[fleet_shard("default", 7, key, (size_t)len)]++;
    }
    for (unsigned i = 0; i < 256; i++)
        assert_in_range(count[i], MEAN * 3 / 4, MEAN * 5 / 4);
}

static void a_record_is_named_by_fleet_shard_limit_and_key(void **state)
{
    (void)state;
    expect_record("api", "alice", "allowd:eu-1:{f8}:api:alice");
    expect_record("default", "10.0.0.1", "allowd:eu-1:{7c}:default:10.0.0.1");
}

static void an_epoch_is_named_by_fleet_and_shard(void **state)
{
    (void)state;
    char name[FLEET_RECORD_NAME_MAX + 1];
    name[fleet_epoch_name("eu-1", 0x0a, name)] = '\0';
    assert_string_equal(name, "allowd:eu-1:{0a}:epoch");
    name[fleet_probe_name("eu-1", name)] = '\0';
    assert_string_equal(name, "allowd:eu-1:{probe}:record");
    name[fleet_probe_epoch_name("eu-1", name)] = '\0';
    assert_string_equal(name, "allowd:eu-1:{probe}:epoch");
}

static void a_limit_does_not_end_early(void **state)
{
    (void)state;
    char one[FLEET_RECORD_NAME_MAX], other[FLEET_RECORD_NAME_MAX];
    static const char *const pairs[][4] = {
        {"a:b", "c", "a", "b:c"}, {"a%3Ab", "c", "a:b", "c"}, {"a%253A", "c", "a%3A", "c"}};
    for (size_t i = 0; i < LENGTH(pairs); i++) {
        struct order first = order_of(pairs[i][0], pairs[i][1]),
                     second = order_of(pairs[i][2], pairs[i][3]);
        size_t len = fleet_record_name("f", &first, one),
               other_len = fleet_record_name("f", &second, other);
        /* behind the shard, which tells them apart only by chance */
        size_t shard = strlen("allowd:f:{00}:");
        assert_false(len == other_len && memcmp(one + shard, other + shard, len - shard) == 0);
    }
}

static void a_key_stands_as_it_is(void **state)
{
    (void)state;
    char name[FLEET_RECORD_NAME_MAX];
    static const char key[] = "}:{x}:%3A:\xc3\xa4 epoch";
    struct order order = order_of("l", key);
    size_t len = fleet_record_name("f", &order, name);
    assert_memory_equal(name + len - strlen(key), key, strlen(key));
    /* and the first brace that opens is closed behind two digits */
    assert_ptr_equal(memchr(name, '{', len), name + strlen("allowd:f:"));
    assert_ptr_equal(memchr(name, '}', len), name + strlen("allowd:f:{00"));
}

static void the_longest_has_room(void **state)
{
    (void)state;
    char fleet[FLEET_NAME_MAX + 1], limit[LIMIT_NAME_MAX + 1], key[KEY_MAX + 1];
    memset(fleet, 'f', sizeof fleet);
    memset(limit, ':', sizeof limit);
    memset(key, 'k', sizeof key);
    fleet[FLEET_NAME_MAX] = limit[LIMIT_NAME_MAX] = key[KEY_MAX] = '\0';
    char name[FLEET_RECORD_NAME_MAX];
    struct order order = order_of(limit, key);
    assert_in_range(fleet_record_name(fleet, &order, name), 3 * LIMIT_NAME_MAX + KEY_MAX,
                    FLEET_RECORD_NAME_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shard_is_the_same_everywhere),
        cmocka_unit_test(limit_and_key_do_not_run_together),
        cmocka_unit_test(shards_are_evenly_full),
        cmocka_unit_test(a_record_is_named_by_fleet_shard_limit_and_key),
        cmocka_unit_test(an_epoch_is_named_by_fleet_and_shard),
        cmocka_unit_test(a_limit_does_not_end_early),
        cmocka_unit_test(a_key_stands_as_it_is),
        cmocka_unit_test(the_longest_has_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
