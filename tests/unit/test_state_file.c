/* The state file: what a process goes on with where the file fails under its mapping. */
#include "support/failing.h"
#include "support/unit.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>

/* Its own source, to know when it replaces more than pages, and to have any page lost. */
#include "keep/file.c"

enum { PAGE_BYTES = 4096 };

struct fixture {
    char directory[PATH_MAX], path[PATH_MAX + 8];
    struct state_file file;
};

static void fixture_init(struct fixture *fixture)
{
    const char *directory = getenv("TMPDIR");
    *fixture = (struct fixture){.file = {.descriptor = -1}};
    snprintf(fixture->directory, sizeof fixture->directory, "%s/allowd-unit-XXXXXX",
             directory != NULL ? directory : "/tmp");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof fixture->path, "%s/state", fixture->directory);
}

static void fixture_map(struct fixture *fixture, size_t pages)
{
    assert_int_equal(state_file_open(&fixture->file, fixture->path), 0);
    assert_int_equal(state_file_clear(&fixture->file, pages * PAGE_BYTES), 0);
    assert_int_equal(state_file_map(&fixture->file, pages * PAGE_BYTES), 0);
    assert_int_equal(guarded.page_bytes, PAGE_BYTES);
}

static void fixture_release(struct fixture *fixture)
{
    state_file_close(&fixture->file);
    unlink(fixture->path);
    rmdir(fixture->directory);
}

static uint64_t *number_in(const struct fixture *fixture, size_t page)
{
    return (uint64_t *)((char *)fixture->file.memory + page * PAGE_BYTES) + page % 500;
}

static void lose(const struct fixture *fixture, size_t page)
{
    const char *at = (const char *)number_in(fixture, page);
    assert_true(replace_page(range_around(at), at));
}

/* How many mappings the process has. */
static unsigned mappings(void)
{
    unsigned count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    for (int c; (c = fgetc(maps)) != EOF;)
        count += c == '\n';
    fclose(maps);
    return count;
}

/* Odd pages reach the file, and every eighth of them holds something; even ones are lost. */
static bool holds(size_t page)
{
    return page % 2 == 0 || page % 16 == 5;
}

static void blocks_that_take_the_place_of_too_many_pages_hold_what_was_in_them(void **state)
{
    (void)state;
    enum { BLOCK_PAGES = BLOCK_BYTES / PAGE_BYTES, PAGES = 2 * SINGLES_MAX + 5 * BLOCK_PAGES + 7 };
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_map(&fixture, PAGES);
    for (size_t page = 1; page < PAGES; page += 2)
        if (holds(page))
            *number_in(&fixture, page) = page;
    unsigned before = mappings();
    for (size_t page = 0; page < PAGES; page += 2) {
        lose(&fixture, page);
        assert_int_equal(*number_in(&fixture, page), 0);
        *number_in(&fixture, page) = page;
    }
    assert_in_range(mappings() - before, SINGLES_MAX, 2 * SINGLES_MAX + 12);
    lose(&fixture, 1); /* a block all of single pages */
    lose(&fixture, PAGES - 1);
    for (size_t page = 0; page < PAGES; page++)
        assert_int_equal(*number_in(&fixture, page), holds(page) ? page : 0);
    fixture_release(&fixture);
}

static void beyond_the_end_of_the_file_all_is_zeros(void **state)
{
    (void)state;
    enum { PAGES = 100, LEFT = 30 };
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_map(&fixture, PAGES);
    for (size_t page = 0; page < PAGES; page++)
        *number_in(&fixture, page) = page + 1;
    assert_int_equal(truncate(fixture.path, (off_t)LEFT * PAGE_BYTES), 0);
    assert_int_equal(state_file_failures(), 0);
    for (size_t page = 0; page < PAGES; page++)
        assert_int_equal(*number_in(&fixture, page), page < LEFT ? page + 1 : 0);
    assert_int_equal(state_file_failures(), 1);
    fixture_release(&fixture);
}

/* A disk of that size, which this process alone sees. */
static bool mount_small_disk(const char *path)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", "", MS_REC | MS_PRIVATE, "") == 0 &&
           mount("tmpfs", path, "tmpfs", 0, "size=64k") == 0;
}

/* More places by far than there may be mappings. */
static void a_disk_full_under_a_large_file_ends_nothing(void **state)
{
    (void)state;
    enum { LOST = 70000, APART = 3, WRITTEN = 16 };
    struct fixture fixture;
    fixture_init(&fixture);
    if (!mount_small_disk(fixture.directory)) {
        rmdir(fixture.directory);
        skip();
    }
    fixture_map(&fixture, (size_t)APART * LOST);
    for (size_t i = 0; i < LOST; i++) {
        volatile uint64_t *number = number_in(&fixture, APART * i);
        assert_int_equal(*number, 0);
        if (i % WRITTEN == 0)
            *number = i + 1;
    }
    assert_in_range(state_file_failures(), SINGLES_MAX, LOST);
    assert_in_range(mappings(), SINGLES_MAX, 40000);
    for (size_t i = 0; i < LOST; i += WRITTEN)
        assert_int_equal(*number_in(&fixture, APART * i), i + 1);
    state_file_close(&fixture.file);
    umount2(fixture.directory, MNT_DETACH);
    rmdir(fixture.directory);
}

/* ---- what fails beside the file ---- */

static void a_page_that_cannot_be_replaced_goes_with_its_block(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_map(&fixture, 8);
    *number_in(&fixture, 3) = 3;
    failing_at(FAILING_MMAP, 1);
    lose(&fixture, 2);
    assert_true(failing_end());
    assert_int_equal(guarded.singles, 0);
    assert_true(is_replaced(&guarded.range[0], 7));
    assert_int_equal(*number_in(&fixture, 3), 3);
    fixture_release(&fixture);
}

static siginfo_t access_to(const void *at)
{
    siginfo_t info = {.si_signo = SIGBUS};
    info.si_addr = (void *)at;
    return info;
}

/* Has the handler told of an access that nothing can be done about: the next one ends the
 * process. */
static void expect_the_end(const void *at)
{
    struct sigaction before, after;
    siginfo_t info = access_to(at);
    unsigned failed = state_file_failures();
    assert_int_equal(sigaction(SIGBUS, NULL, &before), 0);
    errno = ENOLCK;
    on_bus_error(SIGBUS, &info, NULL);
    assert_int_equal(errno, ENOLCK);
    assert_int_equal(sigaction(SIGBUS, &before, &after), 0);
    assert_true(before.sa_sigaction == on_bus_error);
    assert_ptr_equal(after.sa_handler, SIG_DFL);
    assert_int_equal(state_file_failures(), failed);
}

static void what_is_not_the_files_fault_ends_the_process(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_map(&fixture, 8);
    expect_the_end((const char *)fixture.file.memory - 1);
    expect_the_end((const char *)fixture.file.memory + fixture.file.bytes);
    guarded.singles = SINGLES_MAX; /* so that there is but one attempt */
    failing_at(FAILING_MMAP, 1);
    expect_the_end(fixture.file.memory);
    assert_true(failing_end());
    fixture_release(&fixture);
}

static void what_cannot_be_guarded_is_not_mapped_for_long(void **state)
{
    (void)state;
    static const struct {
        enum failing call;
        int error;
    } calls[] = {
        {FAILING_MMAP, ENOMEM},
        {FAILING_EVENTFD, EMFILE},
        {FAILING_SIGACTION, EINVAL},
        {FAILING_ALLOCATION, ENOMEM},
    };
    for (size_t i = 0; i < LENGTH(calls); i++) {
        struct fixture fixture;
        fixture_init(&fixture);
        if (guarded.failure >= 0)
            close(guarded.failure);
        guarded.failure = -1; /* as before the first file */
        assert_int_equal(state_file_open(&fixture.file, fixture.path), 0);
        assert_int_equal(state_file_clear(&fixture.file, PAGE_BYTES), 0);
        failing_at(calls[i].call, 1);
        assert_int_equal(state_file_map(&fixture.file, PAGE_BYTES), calls[i].error);
        assert_true(failing_end());
        assert_null(range_around(fixture.file.memory));
        state_file_unmap(&fixture.file);
        assert_null(fixture.file.memory);
        assert_int_equal(state_file_map(&fixture.file, PAGE_BYTES), 0);
        assert_non_null(range_around(fixture.file.memory));
        fixture_release(&fixture);
    }
}

static void what_is_no_regular_file_is_not_opened(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_init(&fixture);
    assert_int_equal(mkfifo(fixture.path, 0600), 0);
    assert_int_equal(state_file_open(&fixture.file, fixture.path), EINVAL);
    assert_int_equal(fixture.file.descriptor, -1);
    fixture_release(&fixture);
}

/* Errors arrive as they are, and what is told of a file stays untold. */
static void errors_of_the_system_are_handed_on(void **state)
{
    (void)state;
    struct fixture fixture;
    struct state_file other = {.descriptor = -1};
    size_t bytes = 7;
    bool was_shared = true;
    fixture_init(&fixture);
    fixture_map(&fixture, 1);
    failing_at(FAILING_FSTAT, 1);
    assert_int_equal(state_file_open(&other, fixture.path), EIO);
    assert_int_equal(other.descriptor, -1);
    failing_at(FAILING_FSTAT, 1);
    assert_int_equal(state_file_length(&fixture.file, &bytes), EIO);
    assert_int_equal(bytes, 7);
    failing_at(FAILING_FSTAT, 1);
    assert_int_equal(state_file_make_private(&fixture.file, &was_shared), EIO);
    failing_at(FAILING_FSTAT, 1);
    assert_false(state_file_has_left(&fixture.file, "/nowhere"));
    assert_int_equal(chmod(fixture.path, 0644), 0);
    failing_at(FAILING_FCHMOD, 1);
    assert_int_equal(state_file_make_private(&fixture.file, &was_shared), EPERM);
    assert_true(failing_end());
    assert_true(was_shared);
    assert_int_equal(state_file_make_private(&fixture.file, &was_shared), 0);
    assert_true(was_shared);
    assert_int_equal(state_file_make_private(&fixture.file, &was_shared), 0);
    assert_false(was_shared);
    for (unsigned nth = 1; nth <= 2; nth++) {
        failing_at(FAILING_FTRUNCATE, nth);
        assert_int_equal(state_file_clear(&fixture.file, PAGE_BYTES), ENOSPC);
        assert_true(failing_end());
    }
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_that_take_the_place_of_too_many_pages_hold_what_was_in_them),
        cmocka_unit_test(beyond_the_end_of_the_file_all_is_zeros),
        cmocka_unit_test(a_disk_full_under_a_large_file_ends_nothing),
        cmocka_unit_test(a_page_that_cannot_be_replaced_goes_with_its_block),
        cmocka_unit_test(what_is_not_the_files_fault_ends_the_process),
        cmocka_unit_test(what_cannot_be_guarded_is_not_mapped_for_long),
        cmocka_unit_test(what_is_no_regular_file_is_not_opened),
        cmocka_unit_test(errors_of_the_system_are_handed_on),
    };
    return cmocka_run_group_tests_name("state_file", tests, NULL, NULL);
}
