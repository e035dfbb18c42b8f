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

/* Cut short twice: what was stored behind the first cut, and where pages were lost before it, is in
 * memory alone and stays there. */
static void what_was_stored_between_two_cuts_stays(void **state)
{
    (void)state;
    enum { PAGES = 100, CUT = 60, CUT_AGAIN = 20, LOST = 40 };
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_map(&fixture, PAGES);
    for (size_t page = 0; page < PAGES; page++)
        *number_in(&fixture, page) = page + 1;
    lose(&fixture, LOST);
    *number_in(&fixture, LOST) = 1000;
    assert_int_equal(truncate(fixture.path, (off_t)CUT * PAGE_BYTES), 0);
    for (size_t page = CUT; page < PAGES; page++)
        *number_in(&fixture, page) = page + 1000;
    assert_int_equal(state_file_failures(), 1);
    assert_int_equal(truncate(fixture.path, (off_t)CUT_AGAIN * PAGE_BYTES), 0);
    for (size_t page = 0; page < PAGES; page++)
        assert_int_equal(*number_in(&fixture, page), page < CUT_AGAIN ? page + 1
                                                     : page == LOST   ? 1000
                                                     : page < CUT     ? 0
                                                                      : page + 1000);
    assert_int_equal(state_file_failures(), 3); /* before what was lost, and behind it */
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

/* ---- another file in its place ---- */

enum { TAKEN_PAGES = 3000 };
static const struct state_file_part nothing = {0, 0};

/* A file in use, and one that is to take its place. */
struct pair {
    struct fixture old, next;
    char *memory;
    size_t bytes;
};

/* Of all pages some hold something at either end, some are holes, some were only read, and some
 * were lost, of which again some hold something. */
static void pair_init(struct pair *pair)
{
    fixture_init(&pair->old), fixture_init(&pair->next);
    fixture_map(&pair->old, TAKEN_PAGES);
    pair->memory = pair->old.file.memory;
    pair->bytes = pair->old.file.bytes;
    for (size_t page = 0; page < TAKEN_PAGES; page += 3)
        *number_in(&pair->old, page) = page + 1;
    pair->memory[pair->bytes - 1] = 'z';
    fsync(pair->old.file.descriptor);
    for (size_t page = 0; page < TAKEN_PAGES; page += 7)
        *number_in(&pair->old, page) += page;
    for (size_t page = 1; page < TAKEN_PAGES / 2; page += 100)
        lose(&pair->old, page);
    for (size_t page = 1; page < TAKEN_PAGES / 2; page += 200)
        *number_in(&pair->old, page) = page;
}

static void pair_map_next(struct pair *pair)
{
    fixture_map(&pair->next, TAKEN_PAGES);
}

static void pair_release(struct pair *pair)
{
    fixture_release(&pair->old), fixture_release(&pair->next);
}

static char *copy_of(const char *memory, size_t bytes)
{
    char *copy = malloc(bytes);
    assert_non_null(copy);
    memcpy(copy, memory, bytes);
    return copy;
}

static void expect_in_file(const struct fixture *fixture, const char *bytes, size_t len)
{
    char *found = malloc(len);
    struct stat status;
    assert_non_null(found);
    assert_int_equal(pread(fixture->file.descriptor, found, len, 0), len);
    assert_memory_equal(found, bytes, len);
    assert_int_equal(fstat(fixture->file.descriptor, &status), 0);
    assert_int_equal(status.st_size, len);
    free(found);
}

static void another_file_takes_its_place_with_all_that_is_in_it(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    pair_map_next(&pair);
    char *copy = copy_of(pair.memory, pair.bytes);
    assert_int_equal(state_file_supersede(&pair.old.file, &pair.next.file, nothing), 0);
    assert_null(pair.old.file.memory);
    assert_ptr_equal(pair.next.file.memory, pair.memory);
    assert_memory_equal(pair.memory, copy, pair.bytes);
    expect_in_file(&pair.next, copy, pair.bytes);
    pair.memory[5] = copy[5] = 'n'; /* goes into the next one, and there alone */
    expect_in_file(&pair.next, copy, pair.bytes);
    char was;
    assert_int_equal(pread(pair.old.file.descriptor, &was, 1, 5), 1);
    assert_int_equal(was, 0);
    unsigned failures_before = state_file_failures();
    state_file_close(&pair.old.file);
    assert_int_equal(truncate(pair.next.path, 0), 0);
    assert_int_equal(pair.memory[5], 0); /* it is guarded */
    assert_int_equal(state_file_failures(), failures_before + 1);
    free(copy);
    pair_release(&pair);
}

static void a_file_can_take_the_place_of_one_that_took_it(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    char *copy = copy_of(pair.memory, pair.bytes);
    for (int i = 0; i < 5; i++) {
        pair_map_next(&pair);
        assert_int_equal(state_file_supersede(&pair.old.file, &pair.next.file, nothing), 0);
        state_file_close(&pair.old.file);
        unlink(pair.old.path);
        assert_int_equal(rename(pair.next.path, pair.old.path), 0);
        pair.old.file = pair.next.file;
        pair.next.file = (struct state_file){.descriptor = -1};
        assert_memory_equal(pair.memory, copy, pair.bytes);
        expect_in_file(&pair.old, copy, pair.bytes);
    }
    free(copy);
    pair_release(&pair);
}

static void holes_stay_holes(void **state)
{
    (void)state;
    enum { PAGES = 100000, APART = 10000 };
    struct fixture old, next;
    size_t room;
    fixture_init(&old), fixture_init(&next);
    fixture_map(&old, PAGES), fixture_map(&next, PAGES);
    for (size_t page = 0; page < PAGES; page += APART)
        *number_in(&old, page) = 1;
    for (size_t page = 1; page < PAGES; page += APART)
        assert_int_equal(*(volatile uint64_t *)number_in(&old, page), 0);
    assert_int_equal(state_file_supersede(&old.file, &next.file, nothing), 0);
    for (size_t page = 0; page < PAGES; page++)
        assert_int_equal(*number_in(&next, page), page % APART == 0);
    assert_int_equal(fsync(next.file.descriptor), 0);
    assert_int_equal(state_file_room(&next.file, &room), 0);
    assert_in_range(room, PAGES / APART * PAGE_BYTES, 40 * PAGES / APART * PAGE_BYTES);
    fixture_release(&old), fixture_release(&next);
}

/* A part may begin and end within a page; what is on either side of it in there is copied. */
static void what_is_left_out_is_not_copied(void **state)
{
    (void)state;
    const struct state_file_part left_out = {7 * PAGE_BYTES + 100,
                                             TAKEN_PAGES / 2 * PAGE_BYTES + 7};
    struct pair pair;
    pair_init(&pair);
    pair_map_next(&pair);
    pair.memory[left_out.begin - 1] = pair.memory[left_out.end] = 'c';
    pair.memory[left_out.begin] = pair.memory[left_out.end - 1] = 'o';
    char *copy = copy_of(pair.memory, pair.bytes);
    memset(copy + left_out.begin, 0, left_out.end - left_out.begin);
    assert_int_equal(state_file_supersede(&pair.old.file, &pair.next.file, left_out), 0);
    assert_memory_equal(pair.memory, copy, pair.bytes);
    expect_in_file(&pair.next, copy, pair.bytes);
    free(copy);
    pair_release(&pair);
}

static void a_file_cut_short_counts_as_a_loss_when_it_is_copied(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    pair_map_next(&pair);
    unsigned before = state_file_failures();
    char *copy = copy_of(pair.memory, pair.bytes / 2);
    assert_int_equal(truncate(pair.old.path, (off_t)pair.bytes / 2), 0);
    assert_int_equal(state_file_supersede(&pair.old.file, &pair.next.file, nothing), 0);
    assert_int_equal(state_file_failures(), before + 1);
    assert_memory_equal(pair.memory, copy, pair.bytes / 2);
    for (size_t i = pair.bytes / 2; i < pair.bytes; i++)
        assert_int_equal(pair.memory[i], 0);
    free(copy);
    pair_release(&pair);
}

/* Both are as they were, and can be stored into. */
static void expect_not_taken(struct pair *pair, const char *copy)
{
    assert_ptr_equal(pair->old.file.memory, pair->memory);
    assert_memory_equal(pair->memory, copy, pair->bytes);
    pair->memory[7]++;
    char now;
    assert_int_equal(pread(pair->old.file.descriptor, &now, 1, 7), 1);
    assert_int_equal(now, pair->memory[7]);
    pair->memory[7]--;
    assert_non_null(pair->next.file.memory);
    assert_ptr_not_equal(pair->next.file.memory, pair->memory);
}

static void a_mapping_that_cannot_be_moved_stays(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    pair_map_next(&pair);
    char *copy = copy_of(pair.memory, pair.bytes);
    failing_at(FAILING_MREMAP, 1);
    assert_int_equal(state_file_supersede(&pair.old.file, &pair.next.file, nothing), ENOMEM);
    assert_true(failing_end());
    expect_not_taken(&pair, copy);
    free(copy);
    pair_release(&pair);
}

static void without_room_for_it_no_file_takes_its_place(void **state)
{
    (void)state;
    struct pair pair;
    pair_init(&pair);
    char *copy = copy_of(pair.memory, pair.bytes);
    if (!mount_small_disk(pair.next.directory)) {
        free(copy);
        pair_release(&pair);
        skip();
    }
    pair_map_next(&pair);
    unsigned before = state_file_failures();
    assert_int_equal(state_file_supersede(&pair.old.file, &pair.next.file, nothing), ENOSPC);
    assert_int_equal(state_file_failures(), before); /* it was not stored into, but written */
    expect_not_taken(&pair, copy);
    free(copy);
    state_file_close(&pair.next.file);
    umount2(pair.next.directory, MNT_DETACH);
    pair_release(&pair);
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
/* Over a rename and in the next process; another file has another. */
static void a_file_has_a_home_of_its_own(void **state)
{
    (void)state;
    struct fixture fixture;
    struct state_file other;
    char path[PATH_MAX + 16];
    fixture_init(&fixture);
    snprintf(path, sizeof path, "%s2", fixture.path);
    assert_int_equal(state_file_open(&fixture.file, fixture.path), 0);
    assert_int_equal(state_file_open(&other, path), 0);
    uint64_t home = state_file_home(&fixture.file);
    assert_int_not_equal(home, 0);
    assert_int_not_equal(home, state_file_home(&other));
    state_file_close(&other);
    state_file_close(&fixture.file);
    assert_int_equal(rename(fixture.path, path), 0);
    assert_int_equal(state_file_open(&fixture.file, path), 0);
    assert_int_equal(state_file_clear(&fixture.file, PAGE_BYTES), 0);
    assert_int_equal(state_file_home(&fixture.file), home);
    failing_at(FAILING_FSTAT, 1);
    assert_int_equal(state_file_home(&fixture.file), 0);
    assert_true(failing_end());
    state_file_close(&fixture.file);
    unlink(path);
    fixture_release(&fixture);
}

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
        cmocka_unit_test(what_was_stored_between_two_cuts_stays),
        cmocka_unit_test(a_disk_full_under_a_large_file_ends_nothing),
        cmocka_unit_test(another_file_takes_its_place_with_all_that_is_in_it),
        cmocka_unit_test(a_file_can_take_the_place_of_one_that_took_it),
        cmocka_unit_test(what_is_left_out_is_not_copied),
        cmocka_unit_test(holes_stay_holes),
        cmocka_unit_test(a_file_cut_short_counts_as_a_loss_when_it_is_copied),
        cmocka_unit_test(a_mapping_that_cannot_be_moved_stays),
        cmocka_unit_test(without_room_for_it_no_file_takes_its_place),
        cmocka_unit_test(a_page_that_cannot_be_replaced_goes_with_its_block),
        cmocka_unit_test(what_is_not_the_files_fault_ends_the_process),
        cmocka_unit_test(what_cannot_be_guarded_is_not_mapped_for_long),
        cmocka_unit_test(what_is_no_regular_file_is_not_opened),
        cmocka_unit_test(a_file_has_a_home_of_its_own),
        cmocka_unit_test(errors_of_the_system_are_handed_on),
    };
    return cmocka_run_group_tests_name("state_file", tests, NULL, NULL);
}
