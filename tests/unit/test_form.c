/* Forms: decoding and splitting. */
#include "base/form.h"
#include "support/unit.h"

#include <string.h>

static void expect_decoded(const char *text, bool plus_is_space, const char *expected, size_t len)
{
    char decoded[64];
    size_t decoded_len = 99;
    assert_int_equal(
        form_decode(text, strlen(text), plus_is_space, decoded, sizeof decoded - 1, &decoded_len),
        FORM_OK);
    assert_int_equal(decoded_len, len);
    assert_memory_equal(decoded, expected, len + 1);
}

static void escapes_and_plus_are_decoded(void **state)
{
    (void)state;
    expect_decoded("", true, "", 0);
    expect_decoded("alice", true, "alice", 5);
    expect_decoded("a+b", true, "a b", 3);
    expect_decoded("a+b", false, "a+b", 3);
    expect_decoded("a+b%20c", true, "a b c", 5);
    expect_decoded("a+b%20c", false, "a+b c", 5);
    expect_decoded("%2f%2F%25%2B", true, "//%+", 4);
    expect_decoded("%C3%a9", true, "\xc3\xa9", 2);
    expect_decoded("a%00b", true, "a\0b", 3);
}

static void bad_escapes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"%",   "a%",  "%z",   "%zz", "%2",
                                      "%2g", "%g2", "%%41", "% 1", "%+1"};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        char decoded[16];
        size_t len = 99;
        assert_int_equal(form_decode(bad[i], strlen(bad[i]), true, decoded, 15, &len),
                         FORM_BAD_ESCAPE);
        assert_int_equal(len, 99);
    }
}

static void a_byte_is_decoded_or_stands_for_itself(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t taken;
        char plain, of_form;
    } cases[] = {
        {"ab", 1, 'a', 'a'},        {"+b", 1, '+', ' '},    {"%41b", 3, 'A', 'A'},
        {"%e9", 3, '\xe9', '\xe9'}, {"%00", 3, '\0', '\0'}, {"%2B", 3, '+', '+'},
        {"%", 1, '%', '%'},         {"%4", 1, '%', '%'},    {"%4g", 1, '%', '%'},
        {"%g4", 1, '%', '%'},       {"%%41", 1, '%', '%'},  {"%+1", 1, '%', '%'},
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        for (int is_form = 0; is_form < 2; is_form++) {
            char byte = 'x';
            size_t len = strlen(cases[i].text);
            assert_int_equal(form_decode_byte(cases[i].text, len, is_form, &byte), cases[i].taken);
            assert_int_equal(byte, is_form ? cases[i].of_form : cases[i].plain);
        }
    char byte = 'x';
    assert_int_equal(form_decode_byte("%41", 2, true, &byte), 1); /* it ends before */
    assert_int_equal(byte, '%');
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    char decoded[4];
    size_t len = 99;
    assert_int_equal(form_decode("abc", 3, true, decoded, 3, &len), FORM_OK);
    assert_int_equal(form_decode("%61%62%63", 9, true, decoded, 3, &len), FORM_OK);
    assert_int_equal(form_decode("abcd", 4, true, decoded, 3, &len), FORM_TOO_LONG);
    assert_int_equal(form_decode("a+cd", 4, true, decoded, 3, &len), FORM_TOO_LONG);
    assert_int_equal(form_decode("a+cd", 4, false, decoded, 3, &len), FORM_TOO_LONG);
    assert_int_equal(form_decode("%61bcd", 6, true, decoded, 3, &len), FORM_TOO_LONG);
}

/* Joins the pairs of a form as [name|value]. */
static void expect_pairs(const char *text, const char *expected)
{
    char joined[256] = "";
    size_t len = strlen(text);
    struct form_pair pair;
    while (form_next(&text, &len, &pair)) {
        strcat(joined, "[");
        strncat(joined, pair.name, pair.name_len);
        strcat(joined, "|");
        strncat(joined, pair.value, pair.value_len);
        strcat(joined, "]");
    }
    assert_string_equal(joined, expected);
}

static void forms_are_split(void **state)
{
    (void)state;
    expect_pairs("", "");
    expect_pairs("key=alice", "[key|alice]");
    expect_pairs("key=alice&tokens=5", "[key|alice][tokens|5]");
    expect_pairs("key", "[key|]");
    expect_pairs("key=", "[key|]");
    expect_pairs("=x", "[|x]");
    expect_pairs("a=b=c", "[a|b=c]");
    expect_pairs("a&b=1", "[a|][b|1]");
    expect_pairs("a=1&&b=2", "[a|1][|][b|2]");
    expect_pairs("a=1&", "[a|1]");
    expect_pairs("&a=1", "[|][a|1]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_and_plus_are_decoded),
        cmocka_unit_test(bad_escapes_are_refused),
        cmocka_unit_test(a_byte_is_decoded_or_stands_for_itself),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(forms_are_split),
    };
    return cmocka_run_group_tests_name("form", tests, NULL, NULL);
}
