/* Wordings: texts of answers, with numbers in them. */
#include "ask/wording.h"
#include "support/dice.h"
#include "support/unit.h"

#include <string.h>

static const struct wording_numbers numbers = {
    .retry_after_s = 3,
    .retry_after_ms = 2999,
    .reset_after_s = 61,
    .remaining = 0,
    .burst = 10,
};

static const char *written(const char *wording, const struct wording_numbers *with)
{
    static char buffer[4096];
    struct text text = text_begin(buffer, sizeof buffer);
    wording_write(&text, wording, with);
    text_end(&text);
    return buffer;
}

static void numbers_take_their_places(void **state)
{
    (void)state;
    static const struct {
        const char *wording, *text;
    } expected[] = {
        {"", ""},
        {"allow", "allow"},
        {"no end of line\n", "no end of line\n"},
        {"wait {retry_after} s", "wait 3 s"},
        {"{retry_after}{retry_after_ms}{reset_after}{remaining}{burst}", "3299961010"},
        {"{{\"status\":-1,\"msg\":\"wait {retry_after} s\"}}",
         "{\"status\":-1,\"msg\":\"wait 3 s\"}"},
        {"{{}}", "{}"},
        {"{{{burst}}}", "{10}"},
        {"{{{{", "{{"},
        {"}}{{", "}{"},
        {"a{{burst}}b", "a{burst}b"},
        {"\xc3\xa9 {burst}", "\xc3\xa9 10"},
    };
    char fault[CHECK_FAULT_MAX];
    for (size_t i = 0; i < LENGTH(expected); i++) {
        if (!wording_is_valid(expected[i].wording, fault))
            fail_msg("%s: %s", expected[i].wording, fault);
        assert_string_equal(written(expected[i].wording, &numbers), expected[i].text);
    }
}

static void faulty_wordings_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{",
        "}",
        "{}",
        "{burst",
        "burst}",
        "{ burst}",
        "{Burst}",
        "{bursts}",
        "{burs}",
        "{key}",
        "{\"status\":0}",

        "{burst}}",
        "{{}",
        "{{burst}",
        "{retry_after}{retry}",
        "{a{burst}",
    };
    for (size_t i = 0; i < LENGTH(bad); i++) {
        char fault[CHECK_FAULT_MAX] = "";
        if (wording_is_valid(bad[i], fault))
            fail_msg("%s was taken", bad[i]);
        assert_non_null(strstr(fault, "{retry_after}"));
    }
}

/* Whatever the numbers are, no wording becomes longer than what is promised of it. */
static void none_is_longer_than_its_longest(void **state)
{
    (void)state;
    static const char *const pieces[] = {"{burst}", "{remaining}", "{retry_after}",
                                         "{{",      "}}",          "x"};
    const struct wording_numbers longest = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                            UINT64_MAX};
    struct dice dice = dice_new(7);
    for (int i = 0; i < 1000; i++) {
        char wording[256] = "", fault[CHECK_FAULT_MAX];
        for (uint64_t count = dice_roll(&dice, 12); count > 0; count--)
            strcat(wording, pieces[dice_roll(&dice, LENGTH(pieces))]);
        assert_true(wording_is_valid(wording, fault));
        assert_int_equal(strlen(written(wording, &longest)), wording_longest(wording));
        assert_true(strlen(written(wording, &numbers)) <= wording_longest(wording));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_take_their_places),
        cmocka_unit_test(faulty_wordings_are_refused),
        cmocka_unit_test(none_is_longer_than_its_longest),
    };
    return cmocka_run_group_tests_name("wording", tests, NULL, NULL);
}
