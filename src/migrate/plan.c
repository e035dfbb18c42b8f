#include "migrate/plan.h"

#include "ask/check.h"
#include "limits/credit.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { NAME_ROOM = 40, TICK_MS = 10, SHORT_TICK_MS = 1, NGINX_TICKS_PER_S = 1000 };

/* Beyond so many, milliseconds show in the rate. */
enum { FAST_THOUSANDTHS = 100 * 1000 };

struct maker {
    struct tree *tree;
    struct plans *plans;
    struct complaint *complaint;
    struct plan **plan_end;
    struct plan_place **place_end;
    size_t count;
};

/* ---- numbers ---- */

/* In nginx's own thousandths of a request a second, what is over cut off. */
static uint64_t thousandths(const struct zone *zone)
{
    return zone->is_per_minute ? zone->number * 1000 / 60 : zone->number * 1000;
}

/* Without a burst nginx forgets what is left of the millisecond in which it lets one pass. */
static struct rate rate_of_single(const struct zone *zone)
{
    const uint64_t request = NGINX_TICKS_PER_S * UINT64_C(1000), rate = thousandths(zone);
    uint64_t wait_ms = (request + rate - 1) / rate;
    return NGINX_TICKS_PER_S % wait_ms == 0 ? (struct rate){NGINX_TICKS_PER_S / wait_ms, MS_PER_S}
                                            : (struct rate){1, wait_ms};
}

/* The rate that nginx keeps to. It counts in milliseconds, so a burst that is full within one takes no more than that. */
static struct rate rate_of(const struct limit_req *limit, uint64_t burst)
{
    const struct zone *zone = limit->zone;
    if (burst == 1 && thousandths(zone) > FAST_THOUSANDTHS)
        return rate_of_single(zone);
    if (thousandths(zone) > burst * NGINX_TICKS_PER_S * 1000)
        return (struct rate){burst * NGINX_TICKS_PER_S, MS_PER_S};
    if (!zone->is_per_minute)
        return (struct rate){zone->number, MS_PER_S};
    return zone->number % 3 == 0 ? (struct rate){zone->number, 60 * MS_PER_S}
                                 : (struct rate){thousandths(zone), 1000 * MS_PER_S};
}

static struct bucket_terms terms_of(const struct limit_req *limit)
{
    struct bucket_terms terms = {.burst = limit->burst + 1};
    terms.rate = rate_of(limit, terms.burst);
    return terms;
}

/* Whether a tick brings no more than a tenth of the burst, so that it hardly shows. */
static bool tick_is_fine(const struct bucket_terms *terms, uint64_t tick_ms)
{
    return terms->rate.tokens * tick_ms * 10 <= terms->burst * terms->rate.period_ms;
}

static bool can_be_counted(const struct maker *maker, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->buckets; i++) {
        const struct bucket_terms *terms = &plan->bucket[i];
        const struct directive *line = plan->limit[i]->line;
        struct credit_line credit;
        if (credit_line_init(&credit, terms->burst, terms->rate, maker->plans->tick_ms) !=
            CREDIT_OK)
            return complain(
                maker->complaint, line->file, line->line,
                "allowd cannot count such a burst at such a rate; write a smaller burst, or a rounder rate");
    }
    return true;
}

/* ---- names ---- */

/* Appends what a name of both a limit and a check may have of a zone's name. */
static void append_name(char name[NAME_ROOM], const char *zone)
{
    size_t len = strlen(name);
    if (len > 0 && len < NAME_ROOM - 1)
        name[len++] = '-';
    for (; *zone != '\0' && len < NAME_ROOM - 1; zone++)
        name[len++] = isalnum((unsigned char)*zone) || *zone == '_' ? *zone : '-';
    name[len] = '\0';
}

static bool is_taken(const struct maker *maker, const char *name)
{
    for (const struct plan *plan = maker->plans->plans; plan != NULL; plan = plan->next)
        if (strcmp(plan->name, name) == 0)
            return true;
    return strcmp(name, LIMIT_DEFAULT_NAME) == 0;
}

static void name_plan(const struct maker *maker, struct plan *plan)
{
    char name[NAME_ROOM] = "";
    for (uint32_t i = 0; i < plan->buckets; i++)
        append_name(name, plan->limit[i]->zone->name);
    snprintf(plan->name, sizeof plan->name, "%s", name);
    for (size_t number = 2; is_taken(maker, plan->name); number++)
        snprintf(plan->name, sizeof plan->name, "%s-%zu", name, number);
}

static void name_buckets(struct plan *plan)
{
    for (uint32_t i = 0; plan->buckets > 1 && i < plan->buckets; i++) {
        char name[NAME_ROOM] = "";
        append_name(name, plan->limit[i]->zone->name);
        snprintf(plan->bucket[i].name, sizeof plan->bucket[i].name, "%.28s", name);
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(plan->bucket[i].name, plan->bucket[j].name) == 0)
                snprintf(plan->bucket[i].name, sizeof plan->bucket[i].name, "%.20s-%u", name,
                         (unsigned)i);
    }
}

/* ---- plans ---- */

static bool no_memory(const struct maker *maker, const struct directive *line)
{
    return complain(maker->complaint, line->file, line->line,
                    "there is not enough memory for all of it");
}

/* What is held back, and what not, is denied alike. */
static bool is_same_limit(const struct limit_req *a, const struct limit_req *b)
{
    return a->zone == b->zone && a->burst == b->burst;
}

static struct plan *like(const struct maker *maker, const struct plan *wanted)
{
    for (struct plan *plan = maker->plans->plans; plan != NULL; plan = plan->next) {
        bool is_same = plan->buckets == wanted->buckets && plan->is_dry_run == wanted->is_dry_run;
        for (uint32_t i = 0; is_same && i < plan->buckets; i++)
            is_same = is_same_limit(plan->limit[i], wanted->limit[i]);
        if (is_same)
            return plan;
    }
    return NULL;
}

static bool add_plan(struct maker *maker, struct plan_place *place, const struct plan *wanted)
{
    assert(wanted->buckets > 0);
    const struct directive *line = wanted->limit[0]->line;
    struct plan *plan = like(maker, wanted);
    if (plan == NULL && maker->count++ == CHECKS_MAX)
        return complain(
            maker->complaint, line->file, line->line,
            "more than %d checks; give a file with fewer servers, and each to an allowd of its own",
            CHECKS_MAX);
    if (plan == NULL) {
        plan = arena_take(&maker->tree->arena, sizeof *plan);
        if (plan == NULL)
            return no_memory(maker, line);
        *plan = *wanted;
        name_plan(maker, plan);
        name_buckets(plan);
        *maker->plan_end = plan;
        maker->plan_end = &plan->next;
    }
    place->plan[place->plans++] = plan;
    return true;
}

static const struct key *key_of(const struct maker *maker, const struct limit_req *limit)
{
    struct key *key = arena_take(&maker->tree->arena, sizeof *key);
    return key != NULL && key_translate(maker->tree, limit->zone->key, key) ? key : NULL;
}

/* Plans those lines of a place, from the first that is not planned yet on, that have its key. */
static bool plan_next(struct maker *maker, struct plan_place *place,
                      bool is_planned[PLACE_LIMITS_MAX], size_t first)
{
    const struct holds *holds = &place->place->holds;
    struct plan plan = {.key = key_of(maker, &holds->limit[first]),
                        .is_dry_run = holds->is_dry_run};
    for (size_t i = first; i < holds->limits && plan.buckets < BUCKETS_MAX; i++) {
        const struct key *key = is_planned[i] ? NULL : key_of(maker, &holds->limit[i]);
        if (plan.key == NULL || (key == NULL && !is_planned[i]))
            return no_memory(maker, holds->limit[i].line);
        if (key == NULL || !key_is_same(key, plan.key))
            continue;
        is_planned[i] = true;
        plan.limit[plan.buckets] = &holds->limit[i];
        plan.bucket[plan.buckets++] = terms_of(&holds->limit[i]);
    }
    return add_plan(maker, place, &plan);
}

static bool plan_place(struct maker *maker, const struct place *at)
{
    bool is_planned[PLACE_LIMITS_MAX] = {false};
    struct plan_place *place = arena_take(&maker->tree->arena, sizeof *place);
    if (place == NULL)
        return no_memory(maker, at->holds.limit[0].line);
    *place = (struct plan_place){.place = at};
    *maker->place_end = place;
    maker->place_end = &place->next;
    for (size_t i = 0; i < at->holds.limits; i++)
        if (!is_planned[i] && !plan_next(maker, place, is_planned, i))
            return false;
    return true;
}

static uint64_t choose_tick(const struct plans *plans)
{
    for (const struct plan *plan = plans->plans; plan != NULL; plan = plan->next)
        for (uint32_t i = 0; i < plan->buckets; i++)
            if (!tick_is_fine(&plan->bucket[i], TICK_MS))
                return SHORT_TICK_MS;
    return TICK_MS;
}

bool plans_make(struct tree *tree, const struct limit_reqs *found, struct plans *plans,
                struct complaint *complaint)
{
    *plans = (struct plans){0};
    struct maker maker = {
        .tree = tree,
        .plans = plans,
        .complaint = complaint,
        .plan_end = &plans->plans,
        .place_end = &plans->places,
    };
    for (const struct place *place = found->places; place != NULL; place = place->next)
        if (!plan_place(&maker, place))
            return false;
    plans->tick_ms = choose_tick(plans);
    for (const struct plan *plan = plans->plans; plan != NULL; plan = plan->next)
        if (!can_be_counted(&maker, plan))
            return false;
    return true;
}
