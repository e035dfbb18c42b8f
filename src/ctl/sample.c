#include "ctl/sample.h"

#include "ctl/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_MAX = SAMPLE_NAME_MAX + 1 }; /* with a NUL */

/* ---- reading ---- */

static struct limit_sample *find(const struct sample *sample, const char *name)
{
    for (size_t i = 0; i < sample->limits_count; i++)
        if (strcmp(sample->limits[i].name, name) == 0)
            return &sample->limits[i];
    return NULL;
}

/* NULL: there is no memory. */
static struct limit_sample *find_or_add(struct sample *sample, const char *name)
{
    struct limit_sample *found = find(sample, name);
    if (found != NULL)
        return found;
    struct limit_sample *limits =
        reallocarray(sample->limits, sample->limits_count + 1, sizeof *limits);
    if (limits == NULL)
        return NULL;
    sample->limits = limits;
    struct limit_sample *added = &limits[sample->limits_count++];
    *added = (struct limit_sample){0};
    strcpy(added->name, name);
    return added;
}

/* Of the results two are denials: one of a limit, and one for want of room. */
static bool add_decisions(struct sample *sample, const struct metric *metric)
{
    char name[LABEL_MAX], result[LABEL_MAX];
    if (!metric_label(metric, "limit", name, sizeof name) ||
        !metric_label(metric, "result", result, sizeof result))
        return true;
    struct limit_sample *limit = find_or_add(sample, name);
    if (limit == NULL)
        return false;
    bool is_denial = strcmp(result, "denied") == 0 || strcmp(result, "table_full") == 0;
    *(is_denial ? &limit->denied : &limit->allowed) += metric->value;
    return true;
}

static void add_bound(struct sample *sample, const struct metric *metric)
{
    char bound[LABEL_MAX];
    if (sample->bounds_count == SAMPLE_BOUNDS_MAX ||
        !metric_label(metric, "le", bound, sizeof bound))
        return;
    sample->bound_s[sample->bounds_count] = strtod(bound, NULL);
    sample->below[sample->bounds_count++] = metric->value;
}

static bool take(struct sample *sample, const struct metric *metric)
{
    const struct {
        const char *name;
        double *value;
    } plain[] = {
        {"allowd_connections", &sample->connections},
        {"allowd_waiting", &sample->waiting},
        {"process_resident_memory_bytes", &sample->memory_bytes},
        {"process_cpu_seconds_total", &sample->processor_s},
    };
    if (metric_is(metric, "allowd_decisions_total"))
        return add_decisions(sample, metric);
    if (metric_is(metric, "allowd_decision_duration_seconds_bucket"))
        add_bound(sample, metric);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (metric_is(metric, plain[i].name))
            *plain[i].value = metric->value;
    return true;
}

bool sample_read(const char *metrics, uint64_t taken_ns, struct sample *sample)
{
    struct metric metric;
    *sample = (struct sample){.taken_ns = taken_ns};
    while (metrics_next(&metrics, &metric))
        if (!take(sample, &metric))
            return false;
    return true;
}

void sample_release(struct sample *sample)
{
    free(sample->limits);
    *sample = (struct sample){0};
}

/* ---- between two ---- */

static double seconds_between(const struct sample *before, const struct sample *now)
{
    return (double)(now->taken_ns - before->taken_ns) / 1e9;
}

/* A counter that falls has begun anew. */
static double rate(double before, double now, double seconds)
{
    return seconds > 0 && now > before ? (now - before) / seconds : 0;
}

struct limit_rate sample_rate(const struct sample *before, const struct sample *now,
                              const char *limit)
{
    const struct limit_sample *first = find(before, limit), *last = find(now, limit);
    double seconds = seconds_between(before, now);
    if (first == NULL || last == NULL)
        return (struct limit_rate){0};
    return (struct limit_rate){rate(first->allowed, last->allowed, seconds),
                               rate(first->denied, last->denied, seconds)};
}

struct limit_rate sample_rate_of_all(const struct sample *before, const struct sample *now)
{
    struct limit_rate sum = {0};
    for (size_t i = 0; i < now->limits_count; i++) {
        struct limit_rate of_one = sample_rate(before, now, now->limits[i].name);
        sum.allowed_s += of_one.allowed_s;
        sum.denied_s += of_one.denied_s;
    }
    return sum;
}

double sample_quantile_s(const struct sample *before, const struct sample *now, double share)
{
    size_t count = now->bounds_count;
    if (count == 0 || before->bounds_count != count)
        return 0;
    double all = now->below[count - 1] - before->below[count - 1];
    if (all <= 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (now->below[i] - before->below[i] >= share * all)
            return now->bound_s[i];
    return INFINITY;
}

double sample_processor(const struct sample *before, const struct sample *now)
{
    return rate(before->processor_s, now->processor_s, seconds_between(before, now));
}
