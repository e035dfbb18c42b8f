/* Tests of globs, compared: held against every short text, so that no answer is a wrong yes. */
#include "config/globs.h"

#include "base/glob.h"
#include "support/dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void globs_that_cover_others(void **state)
{
    (void)state;
    static const struct {
        const char *glob, *other;
        bool covers;
    } rows[] = {
        {"*", "api:*", true},        {"*", "x", true},
        {"**", "[a-z]?", true},      {"api:*", "api:*", true},
        {"api:*", "api:v1:*", true}, {"api:*", "api:", true},
        {"api:*", "api", false},     {"api:v1:*", "api:*", false},
        {"a?", "ab", true},          {"a?", "a?", true},
        {"[a-c]*", "b", true},       {"[a-c]*", "d", false},
        {"*:x", "a:x", true},        {"*:x", "a:*", false},
        {"a*", "[a]*", false},       {"a\\*", "a*", false},
        {"a\\*", "a\\*", true},      {"ab*", "a?c", false},
        {"api", "api", true},        {"api", "api*", false},
        {"a*b", "ab", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (globs_cover(rows[i].glob, rows[i].other) != rows[i].covers)
            fail_msg("%s covers %s: not %d", rows[i].glob, rows[i].other, rows[i].covers);
}

static void globs_that_are_apart(void **state)
{
    (void)state;
    static const struct {
        const char *glob, *other;
        bool are_apart;
    } rows[] = {
        {"api:*", "web:*", true}, {"api:*", "api:v1:*", false},
        {"api:*", "web", true},   {"api:*", "api:x", false},
        {"*:api", "*:web", true}, {"*:api", "*api", false},
        {"*[a]b", "*[a]c", true}, {"*[ab]", "*b", false},
        {"a*", "*b", false},      {"a", "b", true},
        {"a", "a", false},        {"*\\*", "*x", false},
        {"x", "[a-c]", true},     {"api:*", "api?*", false},
        {"", "a", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (globs_are_apart(rows[i].glob, rows[i].other) != rows[i].are_apart)
            fail_msg("%s apart from %s: not %d", rows[i].glob, rows[i].other, rows[i].are_apart);
        assert_int_equal(globs_are_apart(rows[i].other, rows[i].glob), rows[i].are_apart);
    }
}

/* ---- any globs ---- */

enum { LETTERS = 5, LEN_MAX = 4, TEXTS = 1 + 5 + 25 + 125 + 625 };
static const char letters[] = "ab]-*";

static void make_text(unsigned number, char text[LEN_MAX + 1])
{
    unsigned len = 0, of_len = 1;
    while (number >= of_len) {
        number -= of_len;
        of_len *= LETTERS;
        len++;
    }
    for (unsigned i = 0; i < len; i++, number /= LETTERS)
        text[i] = letters[number % LETTERS];
    text[len] = '\0';
}

static void make_glob(struct dice *dice, char *glob)
{
    static const char *const pieces[] = {"a", "b", "*",   "?",   "[ab]", "[!a]",
                                         "]", "-", "\\a", "\\*", "["};
    glob[0] = '\0';
    for (uint64_t i = dice_roll(dice, 5); i > 0; i--)
        strcat(glob, pieces[dice_roll(dice, sizeof pieces / sizeof pieces[0])]);
}

static void no_answer_is_a_wrong_yes(void **state)
{
    (void)state;
    static char texts[TEXTS][LEN_MAX + 1];
    struct dice dice = dice_new(0);
    unsigned covers = 0, apart = 0;
    for (unsigned i = 0; i < TEXTS; i++)
        make_text(i, texts[i]);
    for (unsigned round = 0; round < 20000; round++) {
        char glob[32], other[32];
        make_glob(&dice, glob);
        make_glob(&dice, other);
        bool does_cover = globs_cover(glob, other), are_apart = globs_are_apart(glob, other);
        covers += does_cover;
        apart += are_apart;
        for (unsigned i = 0; i < TEXTS && (does_cover || are_apart); i++) {
            bool in_glob = glob_matches(glob, texts[i]), in_other = glob_matches(other, texts[i]);
            if (does_cover && in_other && !in_glob)
                fail_msg("%s does not cover %s: %s", glob, other, texts[i]);
            if (are_apart && in_other && in_glob)
                fail_msg("%s and %s are not apart: %s", glob, other, texts[i]);
        }
    }
    assert_in_range(covers, 500, 19000);
    assert_in_range(apart, 500, 19000);
}

static void regular_expressions(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "^api.*$",  ".*",   ".+",     "(a|b)",    "api:(a|b):.*", "\\d+",
        "user-\\d", "\\w+", "[0-9]+", "[a-z]{2}", "(?i)api",      "(ab)+",
    };
    static const char *const globs[] = {
        "*",   "api.*", "api:*",  "*.example.org", "[0-9]*", "a+b", "user|agent", "(a)",
        "a|b", "$x",    "price$", "a^b",           "\\*",    "\\.", "files/.*",   "[!a]?",
        "{a}", "a{2}",  "x.y",    "c++",           "",       "?",
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        if (!glob_is_like_regex(odd[i]))
            fail_msg("%s is a glob", odd[i]);
    for (size_t i = 0; i < sizeof globs / sizeof globs[0]; i++)
        if (glob_is_like_regex(globs[i]))
            fail_msg("%s is none", globs[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globs_that_cover_others),
        cmocka_unit_test(globs_that_are_apart),
        cmocka_unit_test(no_answer_is_a_wrong_yes),
        cmocka_unit_test(regular_expressions),
    };
    return cmocka_run_group_tests_name("globs", tests, NULL, NULL);
}
