/* Processors: quotas of control groups, in a folder that stands for the root of all files. */
#include "base/processors.h"
#include "support/unit.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/allowd-processors-XXXXXX";

/* Writes a file below the root, and makes the folders that lead to it. */
static void put(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *file = fopen(whole, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int take_away(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    return walk->level == 0 ? 0 : remove(path);
}

static void begin_anew(void)
{
    assert_int_equal(nftw(root, take_away, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(root) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    begin_anew();
    return rmdir(root);
}

static unsigned quota(void)
{
    return processors_of_quota(root);
}

/* ---- version 2 ---- */

static void without_a_group_there_is_no_quota(void **state)
{
    (void)state;
    begin_anew();
    assert_int_equal(quota(), UINT_MAX);
    put("proc/self/cgroup", "");
    assert_int_equal(quota(), UINT_MAX);
    put("proc/self/cgroup", "0::/system.slice/allowd.service\n");
    assert_int_equal(quota(), UINT_MAX);
}

static void whole_processors_of_a_quota_count(void **state)
{
    (void)state;
    static const struct {
        const char *max;
        unsigned processors;
    } cases[] = {
        {"max 100000\n", UINT_MAX}, {"50000 100000\n", 1},  {"100000 100000\n", 1},
        {"150000 100000\n", 1},     {"199999 100000\n", 1}, {"200000 100000\n", 2},
        {"1600000 100000\n", 16},   {"1000 1000000\n", 1},  {"9223372036854775807 1\n", UINT_MAX},
    };
    begin_anew();
    put("proc/self/cgroup", "0::/own\n");
    for (size_t i = 0; i < LENGTH(cases); i++) {
        put("sys/fs/cgroup/own/cpu.max", cases[i].max);
        assert_int_equal(quota(), cases[i].processors);
    }
}

static void the_least_of_all_groups_above_counts(void **state)
{
    (void)state;
    begin_anew();
    put("proc/self/cgroup", "0::/a/b/c\n");
    put("sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
    assert_int_equal(quota(), 4);
    put("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    assert_int_equal(quota(), 1);
    put("sys/fs/cgroup/a/cpu.max", "600000 100000\n");
    put("sys/fs/cgroup/a/b/c/cpu.max", "300000 100000\n");
    assert_int_equal(quota(), 3);
    put("sys/fs/cgroup/other/cpu.max", "100000 100000\n"); /* not above it */
    assert_int_equal(quota(), 3);
}

/* A container sees its own group as what is mounted, under whatever name it has outside. */
static void a_container_sees_its_group_at_the_mount(void **state)
{
    (void)state;
    begin_anew();
    put("sys/fs/cgroup/cpu.max", "200000 100000\n");
    put("proc/self/cgroup", "0::/\n");
    assert_int_equal(quota(), 2);
    put("proc/self/cgroup", "0::/docker/0123456789abcdef\n");
    assert_int_equal(quota(), 2);
    put("proc/self/cgroup", "0::/../../elsewhere\n");
    assert_int_equal(quota(), 2);
}

/* ---- version 1 ---- */

static void the_controllers_of_version_1_are_a_list(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        unsigned processors;
    } cases[] = {
        {"4:cpu,cpuacct:/own\n", 2},
        {"4:cpuacct,cpu:/own\n", 2},
        {"4:cpu:/own\n", 2},
        {"4:net_cls,cpu,cpuacct:/own\n", 2},
        {"4:cpuset:/own\n", UINT_MAX},
        {"4:cpuacct:/own\n", UINT_MAX},
        {"4:name=cpu:/own\n", UINT_MAX},
        {"4:memory:/own\n", UINT_MAX},
        {"4:cpuset,xcpu:/own\n", UINT_MAX},
        {"4:cpuset,cpu:/own\n", 2},
        {"5:memory:/x\n4:cpu:/own\n1:name=systemd:/\n0::/\n", 2},
    };
    begin_anew();
    put("sys/fs/cgroup/cpu/own/cpu.cfs_quota_us", "250000\n");
    put("sys/fs/cgroup/cpu/own/cpu.cfs_period_us", "100000\n");
    for (size_t i = 0; i < LENGTH(cases); i++) {
        put("proc/self/cgroup", cases[i].line);
        assert_int_equal(quota(), cases[i].processors);
    }
}

static void version_1_knows_parents_and_no_quota_too(void **state)
{
    (void)state;
    begin_anew();
    put("proc/self/cgroup", "4:cpu,cpuacct:/a/b\n");
    put("sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "-1\n"); /* none */
    put("sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota(), UINT_MAX);
    put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000\n");
    assert_int_equal(quota(), UINT_MAX); /* without a period it says nothing */
    put("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota(), 1);
    put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "300000\n");
    assert_int_equal(quota(), 3);
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n"); /* of the mount itself */
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota(), 2);
}

/* ---- junk ---- */

static void what_cannot_be_read_does_not_count(void **state)
{
    (void)state;
    static const char *const junk[] = {
        "",           "\n",         "max",         "100000",    "x y\n",          "-1 100000\n",
        "100000 0\n", "0 100000\n", "100000 -5\n", "max max\n", "100000,100000\n"};
    static const char *const lines[] = {
        "\n", ":", "0", "0:", "0:\n", "::", "0::", "junk", "0:cpu", "0:cpu:", "0:cpu:relative"};
    begin_anew();
    put("proc/self/cgroup", "0::/own\n");
    for (size_t i = 0; i < LENGTH(junk); i++) {
        put("sys/fs/cgroup/own/cpu.max", junk[i]);
        assert_int_equal(quota(), UINT_MAX);
    }
    for (size_t i = 0; i < LENGTH(lines); i++) {
        put("proc/self/cgroup", lines[i]);
        assert_int_equal(quota(), UINT_MAX);
    }
    begin_anew();
    put("proc/self/cgroup/a", "a folder in its place");
    assert_int_equal(quota(), UINT_MAX);
}

static void a_name_too_long_does_not_count(void **state)
{
    (void)state;
    static char line[3 * PATH_MAX];
    begin_anew();
    memset(line, 'a', sizeof line - 1);
    memcpy(line, "0::/", 4);
    put("proc/self/cgroup", line);
    put("sys/fs/cgroup/cpu.max", "100000 100000\n");
    assert_in_range(quota(), 1, UINT_MAX); /* whatever it makes of it, it stays within its bounds */
}

static void a_process_can_run_somewhere(void **state)
{
    (void)state;
    assert_true(processors_of_affinity() >= 1);
    assert_true(processors_usable() >= 1);
    assert_true(processors_usable() <= processors_of_affinity());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_group_there_is_no_quota),
        cmocka_unit_test(whole_processors_of_a_quota_count),
        cmocka_unit_test(the_least_of_all_groups_above_counts),
        cmocka_unit_test(a_container_sees_its_group_at_the_mount),
        cmocka_unit_test(the_controllers_of_version_1_are_a_list),
        cmocka_unit_test(version_1_knows_parents_and_no_quota_too),
        cmocka_unit_test(what_cannot_be_read_does_not_count),
        cmocka_unit_test(a_name_too_long_does_not_count),
        cmocka_unit_test(a_process_can_run_somewhere),
    };
    return cmocka_run_group_tests_name("processors", tests, set_up, tear_down);
}
