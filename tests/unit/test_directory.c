/* The directory of a state file: which one holds, and what is not believed of one. */
#include "keep/directory.h"

#include "base/bytes.h"
#include "support/dice.h"
#include "support/unit.h"

#include <string.h>

enum { PAGE = DIRECTORY_PAGE_BYTES, FILE_BYTES = 10 * PAGE };

/* Two sections with a gap between them, and the end of the file behind the last. */
static const struct section two[] = {
    {.type = 1, .version = 1, .offset = PAGE, .bytes = 3 * PAGE},
    {.type = 2, .version = 7, .offset = 5 * PAGE, .bytes = 4 * PAGE + 100},
};

static struct directory_place put(const struct section *sections, uint32_t count)
{
    struct directory_place place = {0};
    directory_put(&place, sections, count);
    return place;
}

static void assert_two(const struct directory_place *place, uint64_t number)
{
    assert_null(directory_check(place, FILE_BYTES));
    const struct directory *directory = directory_in_force(place);
    assert_int_equal(directory->number, number);
    assert_int_equal(directory->count, 2);
    assert_memory_equal(directory->section, two, sizeof two);
}

static void what_was_put_last_holds(void **state)
{
    (void)state;
    struct directory_place place = put(&two[1], 1);
    assert_null(directory_check(&place, FILE_BYTES));
    assert_int_equal(directory_in_force(&place)->count, 1);
    assert_int_equal(directory_in_force(&place)->section[0].version, 7);
    for (uint64_t number = 2; number < 6; number++) {
        directory_put(&place, two, 2);
        assert_two(&place, number);
    }
}

static void as_many_sections_as_there_may_be(void **state)
{
    (void)state;
    struct section sections[DIRECTORY_SECTIONS_MAX];
    for (uint32_t i = 0; i < DIRECTORY_SECTIONS_MAX; i++)
        sections[i] = (struct section){i + 1, 1, (uint64_t)(i + 1) * PAGE, PAGE};
    struct directory_place place = put(sections, DIRECTORY_SECTIONS_MAX);
    assert_null(directory_check(&place, (DIRECTORY_SECTIONS_MAX + 1) * PAGE));
    assert_memory_equal(directory_in_force(&place)->section, sections, sizeof sections);
}

static void a_file_without_one_is_damaged(void **state)
{
    (void)state;
    static const struct directory_place place;
    assert_string_equal(directory_check(&place, FILE_BYTES), "its directory is damaged");
}

/* While the next one is written the one before holds, whatever is where the next will be. */
static void what_is_not_published_is_not_read(void **state)
{
    (void)state;
    struct directory_place place = put(two, 2);
    struct dice dice = dice_new(1);
    for (int i = 0; i < 1000; i++) {
        unsigned char *half = (unsigned char *)&place.half[0];
        half[dice_roll(&dice, sizeof place.half[0])] = (unsigned char)dice_bits(&dice);
        assert_two(&place, 1);
    }
    directory_put(&place, two, 2);
    assert_two(&place, 2);
}

static void each_flipped_bit_is_refused_or_of_no_effect(void **state)
{
    (void)state;
    const struct directory_place sound = put(two, 2);
    size_t read_from = (size_t)((const char *)&sound.half[1] - (const char *)&sound);
    size_t read_to = read_from +
                     offsetof(
                         struct {
                             struct directory directory;
                             uint64_t checksum;
                         },
                         checksum) +
                     sizeof(uint64_t);
    for (size_t bit = 0; bit < 8 * sizeof sound; bit++) {
        struct directory_place place = sound;
        ((unsigned char *)&place)[bit / 8] ^= (unsigned char)(1u << bit % 8);
        bool is_read = bit < 64 || (bit / 8 >= read_from && bit / 8 < read_to);
        if (is_read)
            assert_string_equal(directory_check(&place, FILE_BYTES), "its directory is damaged");
        else
            assert_two(&place, 1);
    }
}

/* Any bytes, behind checksums that fit: the check ends, and what it lets through lies in the file. */
static void no_bytes_lead_out_of_the_file(void **state)
{
    (void)state;
    struct dice dice = dice_new(2);
    unsigned taken = 0;
    for (int i = 0; i < 100000; i++) {
        struct directory_place place = put(two, 2);
        struct directory *directory = &place.half[1].directory;
        for (uint64_t changes = dice_between(&dice, 1, 3); changes > 0; changes--) {
            struct section *section = &directory->section[dice_roll(&dice, 2)];
            uint64_t bits = dice_bits(&dice) >> dice_roll(&dice, 64);
            uint64_t pages = dice_once_in(&dice, 2) ? bits % 12 * PAGE : bits;
            if (dice_once_in(&dice, 2))
                section->offset = pages;
            else
                section->bytes = pages;
        }
        if (dice_once_in(&dice, 20))
            directory->count = (uint32_t)dice_bits(&dice);
        place.half[1].checksum = bytes_checksum(directory, sizeof *directory);
        if (directory_check(&place, FILE_BYTES) != NULL)
            continue;
        taken++;
        assert_in_range(directory->count, 1, DIRECTORY_SECTIONS_MAX);
        for (uint32_t j = 0; j < directory->count; j++) {
            const struct section *section = &directory->section[j];
            assert_in_range(section->offset, PAGE, FILE_BYTES);
            assert_in_range(section->bytes, 1, FILE_BYTES - section->offset);
        }
    }
    assert_true(taken > 0);
}

static void expect_refused(const struct section *second, const char *why)
{
    struct section sections[] = {two[0], *second};
    const struct directory_place place = put(sections, 2);
    const char *found = directory_check(&place, FILE_BYTES);
    assert_non_null(found);
    assert_string_equal(found, why);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const char length[] = "it is not as long as it should be";
    static const char together[] = "the sections in it do not hold together";
    static const struct {
        struct section section;
        const char *why;
    } cases[] = {
        {{2, 1, 0, 10 * PAGE}, length},            /* over the first page */
        {{2, 1, 5 * PAGE + 64, 4 * PAGE}, length}, /* on no page */
        {{2, 1, 5 * PAGE, 0}, length},             /* empty */
        {{2, 1, 5 * PAGE, 5 * PAGE + 1}, length},  /* beyond the end */
        {{2, 1, 5 * PAGE, 4 * PAGE}, length},      /* the file goes on behind it */
        {{2, 1, 10 * PAGE, 1}, length},            /* at the end */
        {{2, 1, 11 * PAGE, 1}, length},            /* behind it */
        {{2, 1, 5 * PAGE, UINT64_MAX}, length},    /* both together overflow */
        {{2, 1, 5 * PAGE, UINT64_MAX - 5 * PAGE + 1}, length},
        {{2, 1, UINT64_MAX - PAGE + 1, PAGE}, length},
        {{2, 1, UINT64_MAX - PAGE + 1, 2 * PAGE}, length},
        {{2, 1, 3 * PAGE, 7 * PAGE}, together}, /* over the end of the first */
        {{2, 1, PAGE, 9 * PAGE}, together},     /* over all of it */
        {{2, 1, 2 * PAGE, PAGE}, together},     /* within it */
        {{1, 1, 5 * PAGE, 5 * PAGE}, together}, /* a type twice */
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        expect_refused(&cases[i].section, cases[i].why);
}

static void each_other_length_of_the_file_is_refused(void **state)
{
    (void)state;
    const struct directory_place place = put(two, 2);
    for (uint64_t bytes = 0; bytes < 3 * FILE_BYTES; bytes++)
        assert_true((directory_check(&place, bytes) == NULL) == (bytes == FILE_BYTES));
    assert_non_null(directory_check(&place, UINT64_MAX));
    assert_non_null(directory_check(&place, UINT64_MAX - PAGE + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_last_holds),
        cmocka_unit_test(as_many_sections_as_there_may_be),
        cmocka_unit_test(a_file_without_one_is_damaged),
        cmocka_unit_test(what_is_not_published_is_not_read),
        cmocka_unit_test(each_flipped_bit_is_refused_or_of_no_effect),
        cmocka_unit_test(no_bytes_lead_out_of_the_file),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(each_other_length_of_the_file_is_refused),
    };
    return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}
