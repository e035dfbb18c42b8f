/* Tests of faults: places, control characters made visible, the number kept. */
#include "config/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void tell_line(void *context, enum fault_kind kind, const char *place, const char *text)
{
    fprintf(context, "%s: %s%s\n", place, kind == FAULT_WARNING ? "warning: " : "", text);
}

/* The lines that these faults are told in; free() them. */
static char *told(const struct faults *faults)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    faults_tell(faults, "NAME", tell_line, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* That these faults are told in these lines; releases them. */
static void check_told(struct faults *faults, const char *wanted)
{
    char *text = told(faults);
    assert_string_equal(text, wanted);
    free(text);
    faults_release(faults);
}

static void test_none(void **state)
{
    (void)state;
    struct faults faults = {0};
    faults_sort(&faults);
    check_told(&faults, "");
}

static void test_places(void **state)
{
    (void)state;
    struct faults faults = {0};
    faults_add(&faults, 7, 11, "rate \"%s\" is %d", "10", 3);
    faults_add(&faults, 0, 0, "is a directory");
    assert_int_equal(faults.count, 2);
    assert_int_equal(faults.kept, 2);
    check_told(&faults, "NAME:7:11: rate \"10\" is 3\nNAME: is a directory\n");
    assert_int_equal(faults.count, 0);
    assert_int_equal(faults.kept, 0);
}

static void test_sort(void **state)
{
    (void)state;
    struct faults faults = {0};
    faults_add(&faults, 10, 1, "f");
    faults_add(&faults, 2, 9, "c");
    faults_add(&faults, 2, 10, "d");
    faults_add(&faults, 2, 10, "e");
    faults_add(&faults, 0, 0, "a");
    faults_add(&faults, 2, 1, "b");
    faults_sort(&faults);
    check_told(&faults, "NAME: a\nNAME:2:1: b\nNAME:2:9: c\nNAME:2:10: d\nNAME:2:10: e\n"
                        "NAME:10:1: f\n");
}

/* A warning is no fault, but has its place among them. */
static void test_warnings(void **state)
{
    (void)state;
    struct faults faults = {0};
    faults_warn(&faults, 3, 1, "never %s", "applies");
    faults_warn(&faults, 1, 2, "b\n");
    assert_int_equal(faults.count, 0);
    assert_int_equal(faults.warnings, 2);
    faults_add(&faults, 2, 1, "is wrong");
    assert_int_equal(faults.count, 1);
    assert_int_equal(faults.kept, 3);
    faults_sort(&faults);
    check_told(&faults, "NAME:1:2: warning: b\\x0a\nNAME:2:1: is wrong\n"
                        "NAME:3:1: warning: never applies\n");
    assert_int_equal(faults.warnings, 0);
}

/* Many of one kind take no room from the other. */
static void test_more_warnings_than_are_kept(void **state)
{
    (void)state;
    struct faults faults = {0};
    for (size_t i = 1; i <= FAULTS_MAX + 2; i++)
        faults_warn(&faults, i, 1, "w");
    for (size_t i = 1; i <= FAULTS_MAX + 1; i++)
        faults_add(&faults, 1000 + i, 1, "f");
    assert_int_equal(faults.warnings, FAULTS_MAX + 2);
    assert_int_equal(faults.count, FAULTS_MAX + 1);
    assert_int_equal(faults.kept, 2 * FAULTS_MAX);
    char *text = told(&faults);
    assert_non_null(strstr(text, "NAME:100:1: warning: w\nNAME:1001:1: f\n"));
    assert_string_equal(strstr(text, "NAME:1100:"), "NAME:1100:1: f\nNAME: 1 more fault not shown\n"
                                                    "NAME: warning: 2 more warnings not shown\n");
    free(text);
    faults_release(&faults);
}

static void test_control_characters(void **state)
{
    (void)state;
    struct faults faults = {0};
    faults_add(&faults, 1, 1, "%s", "a\nb\tc\r\x1b[2J\x7f\x01");
    faults_add(&faults, 2, 1, "%s", "\xc2\x80 \xc2\x9b \xc2\xa0 \xc3\x9b \xc2");
    faults_add(&faults, 3, 1, "%s", "back\\slash \"quoted\" caf\xc3\xa9 %s");
    faults_add(&faults, 4, 1, "%s", "");
    check_told(&faults, "NAME:1:1: a\\x0ab\\x09c\\x0d\\x1b[2J\\x7f\\x01\n"
                        "NAME:2:1: \\x80 \\x9b \xc2\xa0 \xc3\x9b \xc2\n"
                        "NAME:3:1: back\\slash \"quoted\" caf\xc3\xa9 %s\n"
                        "NAME:4:1: \n");
}

/* Long texts are cut, even where each byte is shown as four. */
static void test_long(void **state)
{
    (void)state;
    enum { LONG = 100000, CUT = 511 };
    char *text = malloc(LONG + 1);
    assert_non_null(text);
    struct faults faults = {0};
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    faults_add(&faults, 1, 1, "%s", text);
    memset(text, '\n', LONG);
    faults_add(&faults, 1, 1, "%s", text);
    assert_int_equal(strlen(faults.fault[0].text), CUT);
    assert_int_equal(strlen(faults.fault[1].text), CUT * 4);
    faults_release(&faults);
    free(text);
}

static void test_more_than_are_kept(void **state)
{
    (void)state;
    struct faults faults = {0};
    for (size_t i = 1; i <= FAULTS_MAX; i++)
        faults_add(&faults, i, 1, "%zu", i);
    assert_int_equal(faults.kept, FAULTS_MAX);
    faults_add(&faults, 1, 1, "one too many");
    assert_int_equal(faults.count, FAULTS_MAX + 1);
    assert_int_equal(faults.kept, FAULTS_MAX);

    char *text = told(&faults);
    assert_null(strstr(text, "too many"));
    assert_string_equal(strstr(text, "NAME:100:"),
                        "NAME:100:1: 100\nNAME: 1 more fault not shown\n");
    free(text);
    faults_release(&faults);
}

/* What running out of memory leaves: a count without texts. */
static void test_texts_lost(void **state)
{
    (void)state;
    struct faults faults = {.count = 2};
    check_told(&faults, "NAME: 2 faults not shown\n");
    faults = (struct faults){.count = 1};
    check_told(&faults, "NAME: 1 fault not shown\n");
}

static void test_longest_name(void **state)
{
    (void)state;
    char name[4096], *text = NULL;
    size_t len = 0;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct faults faults = {0};
    faults_add(&faults, SIZE_MAX, SIZE_MAX, "end");
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    faults_tell(&faults, name, tell_line, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text + sizeof name - 1,
                        ":18446744073709551615:18446744073709551615: end\n");
    free(text);
    faults_release(&faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),       cmocka_unit_test(test_places),
        cmocka_unit_test(test_sort),       cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_long),       cmocka_unit_test(test_more_than_are_kept),
        cmocka_unit_test(test_texts_lost), cmocka_unit_test(test_longest_name),
        cmocka_unit_test(test_warnings),   cmocka_unit_test(test_more_warnings_than_are_kept),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
