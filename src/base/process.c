#include "base/process.h"

#include "base/quantity.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static uint64_t resident_bytes(void)
{
    uint64_t total_pages, resident_pages;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return PROCESS_UNKNOWN;
    int found = fscanf(file, "%" SCNu64 " %" SCNu64, &total_pages, &resident_pages);
    fclose(file);
    return found == 2 ? resident_pages * (uint64_t)sysconf(_SC_PAGESIZE) : PROCESS_UNKNOWN;
}

/* Open descriptors, not counting the one through which the directory is read. */
static uint64_t descriptors(void)
{
    uint64_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return PROCESS_UNKNOWN;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count - 1;
}

static uint64_t descriptors_max(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
               ? limit.rlim_cur
               : PROCESS_UNKNOWN;
}

static uint64_t cpu_ns(void)
{
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0)
        return PROCESS_UNKNOWN;
    return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

struct process process_look(void)
{
    return (struct process){
        .resident_bytes = resident_bytes(),
        .descriptors = descriptors(),
        .descriptors_max = descriptors_max(),
        .cpu_ns = cpu_ns(),
    };
}
