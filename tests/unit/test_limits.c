/* Limits: names, globs, first match wins, and the texts that answers carry. */
#include "limits/credit.h"
#include "limits/limits.h"
#include "support/plain_limit.h"
#include "support/unit.h"

#include <fnmatch.h>
#include <pthread.h>
#include <string.h>

static const struct rate one_per_second = {1, 1000};

static struct limits *set_of(const char *const (*rules)[2], size_t count)
{
    struct limits *limits = limits_new((uint32_t)count, 100);
    assert_non_null(limits);
    for (size_t i = 0; i < count; i++)
        add_plain_limit(limits, rules[i][0], rules[i][1], 10, one_per_second);
    return limits;
}

static const char *name_for(const struct limits *limits, const char *key)
{
    return limits->limit[limits_match(limits, key)].name;
}

static void the_first_match_wins(void **state)
{
    (void)state;
    static const char *const rules[][2] = {
        {"admin", "api:admin:*"},
        {"api", "api:*"},
        {"late", "api:late"},
        {"default", NULL},
    };
    struct limits *limits = set_of(rules, LENGTH(rules));
    assert_string_equal(name_for(limits, "api:admin:1"), "admin");
    assert_string_equal(name_for(limits, "api:other"), "api");
    assert_string_equal(name_for(limits, "api:late"), "api");
    assert_string_equal(name_for(limits, "other"), "default");
    limits_release(limits);
}

static void the_default_takes_the_rest_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const rules[][2] = {{"a", "a*"}, {"default", NULL}, {"b", "b*"}};
    struct limits *limits = set_of(rules, LENGTH(rules));
    assert_string_equal(name_for(limits, "b1"), "b");
    assert_string_equal(name_for(limits, "c1"), "default");
    limits_release(limits);
}

static void a_default_with_a_glob_competes_in_its_place(void **state)
{
    (void)state;
    static const char *const rules[][2] = {{"default", "x*"}, {"all", "*"}};
    struct limits *limits = set_of(rules, LENGTH(rules));
    assert_string_equal(name_for(limits, "x1"), "default");
    assert_string_equal(name_for(limits, "y1"), "all");
    limits_release(limits);
}

static void a_limit_without_a_glob_matches_no_key(void **state)
{
    (void)state;
    static const char *const rules[][2] = {{"named", NULL}, {"empty", ""}, {"default", NULL}};
    struct limits *limits = set_of(rules, LENGTH(rules));
    assert_string_equal(name_for(limits, "named"), "default");
    assert_string_equal(name_for(limits, "empty"), "default");
    limits_release(limits);
}

static bool matches(const char *glob, const char *key)
{
    struct limits *limits = limits_new(2, 100);
    assert_non_null(limits);
    add_plain_limit(limits, "default", NULL, 10, one_per_second);
    add_plain_limit(limits, "glob", glob, 10, one_per_second);
    bool matched = limits_match(limits, key) == 1;
    limits_release(limits);
    return matched;
}

static void globs_know_star_question_mark_and_brackets(void **state)
{
    (void)state;
    assert_true(matches("*", "a"));
    assert_true(matches("a?c", "abc"));
    assert_false(matches("a?c", "ac"));
    assert_true(matches("user[0-9]", "user7"));
    assert_false(matches("user[!0-9]", "user7"));
    assert_true(matches("a*c", "abbbc"));
    assert_false(matches("a*c", "abbbd"));
    assert_false(matches("abc", "abcd"));
    assert_false(matches("abc", "ABC"));
    assert_true(matches("a\\*", "a*"));
    assert_false(matches("a\\*", "ab"));
}

static void globs_know_nothing_of_paths_and_hidden_files(void **state)
{
    (void)state;
    assert_true(matches("*", "/etc/passwd"));
    assert_true(matches("a*z", "a/b/z"));
    assert_true(matches("a?z", "a/z"));
    assert_true(matches("*", ".hidden"));
    assert_true(matches("?hidden", ".hidden"));
}

static void a_broken_glob_matches_nothing_but_itself_at_most(void **state)
{
    (void)state;
    assert_false(matches("[", "a"));
    assert_false(matches("[a-", "a"));
    assert_false(matches("a\\", "a"));
    assert_false(matches("[[:alpha:", "a"));
}

/* A bound on time in a test is a promise to fail on a slow machine; but the
 * fault looked for would take longer than the age of the universe. */
/* The text of a number in the digits given, of which an empty one would be 0. */
static void write_number(unsigned number, const char *digits, char text[8])
{
    unsigned base = (unsigned)strlen(digits);
    for (; number > 0; number = (number - 1) / base)
        *text++ = digits[(number - 1) % base];
    *text = '\0';
}

static void every_short_glob_matches_as_by_fnmatch(void **state)
{
    (void)state;
    static const char in_globs[] = "ab*?[]\\!";
    for (unsigned i = 1; i <= 8 + 8 * 8 + 8 * 8 * 8 + 8 * 8 * 8 * 8; i++) {
        char glob[8], key[8];
        write_number(i, in_globs, glob);
        for (unsigned j = 1; j <= 5 + 5 * 5 + 5 * 5 * 5; j++) {
            write_number(j, "ab[]*", key);
            if (matches(glob, key) != (fnmatch(glob, key, 0) == 0))
                fail_msg("glob %s, key %s", glob, key);
        }
    }
}

static void many_stars_do_not_take_for_ever(void **state)
{
    (void)state;
    char glob[LIMIT_MATCH_MAX + 1] = "", key[256];
    for (int i = 0; i < 120; i++)
        strcat(glob, "*a");
    strcat(glob, "b");
    memset(key, 'a', 255);
    key[255] = '\0';
    assert_false(matches(glob, key));
    memcpy(glob, "*[a]*[a]*[a]*[a]*[a]*[a]*[a]*[a]*[a]*[a]*[a]*[a]*[a]*[a]*[a]b", 62);
    glob[61] = 'b';
    glob[62] = '\0';
    assert_false(matches(glob, key));
}

static void finds_by_the_whole_name_only(void **state)
{
    (void)state;
    static const char *const rules[][2] = {{"api", "a"}, {"api2", "b"}, {"default", NULL}};
    struct limits *limits = set_of(rules, LENGTH(rules));
    assert_int_equal(limits_find(limits, "api", 3), 0);
    assert_int_equal(limits_find(limits, "api2", 4), 1);
    assert_int_equal(limits_find(limits, "api2", 3), 0);
    assert_int_equal(limits_find(limits, "ap", 2), -1);
    assert_int_equal(limits_find(limits, "API", 3), -1);
    assert_int_equal(limits_find(limits, "", 0), -1);
    assert_int_equal(limits_find(limits, "api\0x", 5), -1);
    limits_release(limits);
}

static void judges_names(void **state)
{
    (void)state;
    char long_name[LIMIT_NAME_MAX + 2];
    memset(long_name, 'n', sizeof long_name);
    assert_true(limit_name_is_valid("api", 3));
    assert_true(limit_name_is_valid("a b", 3));
    assert_true(limit_name_is_valid("\"\\~!", 4));
    assert_true(limit_name_is_valid(long_name, LIMIT_NAME_MAX));
    assert_false(limit_name_is_valid(long_name, LIMIT_NAME_MAX + 1));
    assert_false(limit_name_is_valid("", 0));
    assert_false(limit_name_is_valid(" a", 2));
    assert_false(limit_name_is_valid("a ", 2));
    assert_false(limit_name_is_valid("a\nb", 3));
    assert_false(limit_name_is_valid("a\0b", 3));
    assert_false(limit_name_is_valid("a\x7f", 2));
    assert_false(limit_name_is_valid("é", 2));
}

static const struct limit *only_limit(struct limits *limits, const char *name, uint64_t burst,
                                      struct rate rate)
{
    add_plain_limit(limits, name, NULL, burst, rate);
    return &limits->limit[0];
}

static void quotes_names_for_headers(void **state)
{
    (void)state;
    struct limits *limits = limits_new(1, 100);
    const struct limit *limit = only_limit(limits, "a\"b\\c", 10, one_per_second);
    assert_string_equal(limit->quoted_name, "\"a\\\"b\\\\c\"");
    assert_string_equal(limit->allowance.policy, "\"a\\\"b\\\\c\";q=10;w=10");
    limits_release(limits);
}

static void the_longest_name_and_numbers_fit_the_policy(void **state)
{
    (void)state;
    char name[LIMIT_NAME_MAX + 1], tail[64];
    memset(name, '"', LIMIT_NAME_MAX);
    name[LIMIT_NAME_MAX] = '\0';
    struct limits *limits = limits_new(1, 100);
    const struct limit *limit =
        only_limit(limits, name, TOKENS_MAX, (struct rate){TOKENS_MAX / 3153600000, 1000});
    assert_int_equal(strlen(limit->quoted_name), 2 * LIMIT_NAME_MAX + 2);
    strcpy(tail, limit->allowance.policy + 2 * LIMIT_NAME_MAX + 2);
    assert_int_equal(strncmp(tail, ";q=999999999999999;w=", 21), 0);
    assert_int_equal(strlen(tail), 31);
    limits_release(limits);
}

/* The smallest of each kind bounds what one request can take. */
static void slots_and_tokens_count_apart(void **state)
{
    (void)state;
    static const struct limit_terms both = {
        .name = "both",
        .buckets_count = 4,
        .buckets = {{.name = "a", .burst = 20, .rate = {20, 1000}},
                    {.name = "b", .burst = 8, .holds_slots = true},
                    {.name = "c", .burst = 10, .rate = {1, 60000}},
                    {.name = "d", .burst = 9, .holds_slots = true}},
    };
    static const struct limit_terms slots = {
        .name = "slots",
        .returns_on_expiry = true,
        .buckets_count = 1,
        .buckets = {{.burst = SLOTS_MAX, .holds_slots = true}},
    };
    struct limits *limits = limits_new(3, 100);
    assert_true(limits_add(limits, &both) && limits_add(limits, &slots));
    add_plain_limit(limits, LIMIT_DEFAULT_NAME, NULL, 7, one_per_second);
    const struct limit *limit = limits->limit;
    assert_int_equal(limit[0].allowance.burst, 10);
    assert_int_equal(limit[0].allowance.slots, 8);
    assert_string_equal(limit[0].allowance.policy,
                        "\"both/a\";q=20;w=1, \"both/b\";q=8;qu=\"concurrent-requests\", "
                        "\"both/c\";q=10;w=600, \"both/d\";q=9;qu=\"concurrent-requests\"");
    assert_int_equal(limit[1].allowance.burst, 0);
    assert_int_equal(limit[1].allowance.slots, SLOTS_MAX);
    assert_string_equal(limit[1].allowance.policy,
                        "\"slots\";q=1000000;qu=\"concurrent-requests\"");
    assert_int_equal(limit[2].allowance.burst, 7);
    assert_int_equal(limit[2].allowance.slots, 0);
    assert_true(!limit[0].returns_on_expiry && limit[1].returns_on_expiry);
    limits_release(limits);
}

static void the_longest_policies_of_slots_fit(void **state)
{
    (void)state;
    char name[LIMIT_NAME_MAX + 1];
    memset(name, '"', LIMIT_NAME_MAX);
    name[LIMIT_NAME_MAX] = '\0';
    struct limit_terms terms = {.name = name, .buckets_count = BUCKETS_MAX};
    for (int i = 0; i < BUCKETS_MAX; i++) {
        memset(terms.buckets[i].name, '"', BUCKET_NAME_MAX);
        terms.buckets[i].burst = SLOTS_MAX;
        terms.buckets[i].holds_slots = true;
    }
    struct limits *limits = limits_new(1, 100);
    assert_true(limits_add(limits, &terms));
    assert_int_equal(
        strlen(limits->limit[0].allowance.policy),
        BUCKETS_MAX * (POLICY_NAME_MAX - 2 + strlen(";q=1000000;qu=\"concurrent-requests\"")) +
            (BUCKETS_MAX - 1) * strlen(", "));
    limits_release(limits);
}

static void the_window_is_rounded_up_and_at_least_a_second(void **state)
{
    (void)state;
    assert_int_equal(limit_window_s(10, one_per_second), 10);
    assert_int_equal(limit_window_s(10, (struct rate){3, 1000}), 4);
    assert_int_equal(limit_window_s(1, (struct rate){1000, 1}), 1);
    assert_int_equal(limit_window_s(5, (struct rate){5, 1000}), 1);
    assert_int_equal(limit_window_s(5, (struct rate){5, 1001}), 2);
    assert_int_equal(limit_window_s(1000, (struct rate){1000, 60000}), 60);
    assert_int_equal(limit_window_s(36500, (struct rate){1, MS_PER_DAY}),
                     CREDIT_FILL_MAX_MS / MS_PER_S);
}

static void copies_what_it_is_given(void **state)
{
    (void)state;
    char name[] = "api", match[] = "api:*";
    struct limits *limits = limits_new(1, 250);
    add_plain_limit(limits, name, match, 7, (struct rate){2, 3000});
    memset(name, 'x', 3);
    memset(match, 'x', 5);
    assert_string_equal(limits->limit[0].name, "api");
    assert_string_equal(limits->limit[0].match, "api:*");
    assert_int_equal(limits->limit[0].allowance.bucket[0].burst, 7);
    assert_int_equal(limits->limit[0].allowance.bucket[0].rate.tokens, 2);
    assert_int_equal(limits->limit[0].allowance.bucket[0].rate.period_ms, 3000);
    assert_int_equal(limits->tick_ms, 250);
    assert_int_equal(limits->count, 1);
    limits_release(limits);
}

static void a_denial_ends_where_an_override_for_just_that_key_begins_to_hold(void **state)
{
    (void)state;
    static const struct override_terms overrides[] = {
        {.key = "k*", .action = OVERRIDE_DENY, .until_s = 300},
        {.key = "kay", .action = OVERRIDE_ALLOW, .until_s = 200},
        {.key = "kid", .action = OVERRIDE_DENY, .until_s = 200},
    };
    const struct limit_terms terms = {
        .name = LIMIT_DEFAULT_NAME,
        .buckets_count = 1,
        .buckets = {{"", 1, {1, 1000}}},
        .overrides_count = LENGTH(overrides),
        .overrides = overrides,
    };
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    assert_true(limits_add(limits, &terms));
    const struct limit *limit = &limits->limit[0];
    assert_int_equal(limit_denied_until_s(limit, "kay", 100), 100); /* it is allowed then */
    assert_int_equal(limit_denied_until_s(limit, "kay", 200), 300);
    assert_int_equal(limit_denied_until_s(limit, "kid", 100), 300);
    assert_int_equal(limit_denied_until_s(limit, "key", 100), 300);
    assert_int_equal(limit_denied_until_s(limit, "key", 300), 300);
    limits_release(limits);
}

static void releasing_nothing_is_fine(void **state)
{
    (void)state;
    limits_release(NULL);
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    assert_ptr_equal(limits_retain(limits), limits);
    limits_release(limits);
    assert_int_equal(atomic_load(&limits->references), 1);
    limits_release(limits);
}

enum { HOLDERS = 4, HOLDS = 20000 };

static void *hold_and_release(void *argument)
{
    for (int i = 0; i < HOLDS; i++)
        limits_release(limits_retain(argument));
    return NULL;
}

static void references_are_counted_across_threads(void **state)
{
    (void)state;
    pthread_t threads[HOLDERS];
    struct limits *limits = limits_new(1, 100);
    assert_non_null(limits);
    for (int i = 0; i < HOLDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_release, limits), 0);
    for (int i = 0; i < HOLDERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&limits->references), 1);
    limits_release(limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_match_wins),
        cmocka_unit_test(the_default_takes_the_rest_wherever_it_stands),
        cmocka_unit_test(a_default_with_a_glob_competes_in_its_place),
        cmocka_unit_test(a_limit_without_a_glob_matches_no_key),
        cmocka_unit_test(globs_know_star_question_mark_and_brackets),
        cmocka_unit_test(globs_know_nothing_of_paths_and_hidden_files),
        cmocka_unit_test(a_broken_glob_matches_nothing_but_itself_at_most),
        cmocka_unit_test(every_short_glob_matches_as_by_fnmatch),
        cmocka_unit_test(many_stars_do_not_take_for_ever),
        cmocka_unit_test(finds_by_the_whole_name_only),
        cmocka_unit_test(judges_names),
        cmocka_unit_test(quotes_names_for_headers),
        cmocka_unit_test(the_longest_name_and_numbers_fit_the_policy),
        cmocka_unit_test(slots_and_tokens_count_apart),
        cmocka_unit_test(the_longest_policies_of_slots_fit),
        cmocka_unit_test(the_window_is_rounded_up_and_at_least_a_second),
        cmocka_unit_test(copies_what_it_is_given),
        cmocka_unit_test(a_denial_ends_where_an_override_for_just_that_key_begins_to_hold),
        cmocka_unit_test(releasing_nothing_is_fine),
        cmocka_unit_test(references_are_counted_across_threads),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
