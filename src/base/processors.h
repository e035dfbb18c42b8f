/*
 * Processors: how many of them this process may use at once.
 *
 * To hand work to another thread pays off only if both can run at the same time. Two things
 * forbid that, where there are many processors too: an affinity (taskset, AllowedCPUs=), and a
 * quota of processor time (CPUQuota=, docker --cpus, a Kubernetes limit), after which the kernel stops
 * all threads of the group until the next period.
 *
 * Owns nothing. Any thread. Blocks for as long as the kernel's files take to be read, which are
 * some microseconds. Errors: what cannot be read does not count.
 */
#pragma once

/* Processors that may run this process by its affinity; at least 1. */
unsigned processors_of_affinity(void);

/* Whole processors that the quotas of this process's control group and of those above it leave, at
 * least 1; UINT_MAX: no quota. Both files are the kernel's: root is "" but in tests.
 * (cgroup v2: cpu.max, "QUOTA PERIOD" or "max PERIOD", Documentation/admin-guide/cgroup-v2.rst;
 * v1: cpu.cfs_quota_us and cpu.cfs_period_us, Documentation/scheduler/sched-bwc.rst) */
unsigned processors_of_quota(const char *root);

/* The fewer of both. */
unsigned processors_usable(void);
