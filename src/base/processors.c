#include "base/processors.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

unsigned processors_of_affinity(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1; /* there are more than a set has room for, or none is told of */
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (unsigned)count;
}

static unsigned whole_processors(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return UINT_MAX;
    long long whole = quota / period;
    return whole < 1 ? 1 : whole > UINT_MAX ? UINT_MAX : (unsigned)whole;
}

/* Opens a file in a folder; NULL: it cannot be. */
static FILE *open_in(const char *folder, const char *name)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fopen(path, "re");
}

static unsigned fewer(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* A number in a file of its own; 0: there is none. */
static long long read_number(const char *folder, const char *name)
{
    long long number = 0;
    FILE *file = open_in(folder, name);
    if (file == NULL)
        return 0;
    if (fscanf(file, "%lld", &number) != 1)
        number = 0;
    fclose(file);
    return number;
}

static unsigned quota_in_v2(const char *folder)
{
    long long quota = 0, period = 0;
    FILE *file = open_in(folder, "cpu.max");
    if (file == NULL)
        return UINT_MAX;
    int found = fscanf(file, "%lld %lld", &quota, &period); /* "max" is no number: no quota */
    fclose(file);
    return found == 2 ? whole_processors(quota, period) : UINT_MAX;
}

static unsigned quota_in_v1(const char *folder)
{
    return whole_processors(read_number(folder, "cpu.cfs_quota_us"),
                            read_number(folder, "cpu.cfs_period_us"));
}

/* The least that a group and those above it have; group: a path that begins with '/'. */
static unsigned quota_up_from(const char *mount, const char *group,
                              unsigned (*quota_in)(const char *folder))
{
    char folder[PATH_MAX];
    int len = snprintf(folder, sizeof folder, "%s%s", mount, group);
    size_t mount_len = strlen(mount);
    unsigned least = UINT_MAX;
    if (len < 0 || (size_t)len >= sizeof folder)
        return least;
    for (char *slash = folder + len; slash != NULL && (size_t)(slash - folder) >= mount_len;
         slash = strrchr(folder, '/')) {
        *slash = '\0';
        least = fewer(least, quota_in(folder));
    }
    return least;
}

/* Whether a list such as "cpu,cpuacct" names the controller of processor time. */
static bool names_cpu(const char *controllers)
{
    for (const char *at = controllers; (at = strstr(at, "cpu")) != NULL; at += 3)
        if ((at == controllers || at[-1] == ',') && (at[3] == ',' || at[3] == '\0'))
            return true;
    return false;
}

/* A line of /proc/self/cgroup: NUMBER:CONTROLLERS:GROUP, without controllers for version 2. Where the
 * container does not see its own group under that name, what is mounted is its group. */
static unsigned quota_of_line(const char *root, char *line)
{
    char mount[PATH_MAX];
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL)
        return UINT_MAX;
    *group++ = '\0';
    controllers++;
    group[strcspn(group, "\n")] = '\0';
    if (controllers[0] == '\0') {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
        return quota_up_from(mount, group, quota_in_v2);
    }
    if (!names_cpu(controllers))
        return UINT_MAX;
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/cpu", root);
    return quota_up_from(mount, group, quota_in_v1);
}

unsigned processors_of_quota(const char *root)
{
    char line[PATH_MAX];
    unsigned least = UINT_MAX;
    FILE *file = open_in(root, "proc/self/cgroup");
    if (file == NULL)
        return least;
    while (fgets(line, sizeof line, file) != NULL)
        least = fewer(least, quota_of_line(root, line));
    fclose(file);
    return least;
}

unsigned processors_usable(void)
{
    return fewer(processors_of_affinity(), processors_of_quota(""));
}
