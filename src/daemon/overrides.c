#include "daemon/overrides.h"

#include "config/overrides.h"
#include "config/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAULT_OF_CHECK_MAX = 512 };
static_assert(FAULT_OF_CHECK_MAX >= CHECK_NAME_MAX + LIMIT_NAME_MAX + CONFIG_SHORT_MAX + 256,
              "the longest text has room");

/* ---- what is in force ---- */

void overrides_init(struct overrides *overrides, const struct config *config,
                    struct limits *in_force)
{
    *overrides = (struct overrides){
        .configured = limits_retain(config->limits),
        .in_force = limits_retain(in_force),
        .contract = contract_retain(config->contract),
    };
}

void overrides_release(struct overrides *overrides)
{
    limits_release(overrides->configured);
    limits_release(overrides->in_force);
    contract_release(overrides->contract);
    *overrides = (struct overrides){0};
}

struct limits *overrides_for(const struct overrides *overrides, const struct config *config,
                             int64_t date_s, struct runtime_lost *lost)
{
    return runtime_merge(config->limits, overrides->in_force, NULL, date_s, lost);
}

void overrides_are_in_force(struct overrides *overrides, const struct config *config,
                            struct limits *limits)
{
    limits_retain(limits);
    limits_release(overrides->in_force);
    overrides->in_force = limits;
    if (config == NULL)
        return;
    limits_release(overrides->configured);
    contract_release(overrides->contract);
    overrides->configured = limits_retain(config->limits);
    overrides->contract = contract_retain(config->contract);
}

/* ---- faults ---- */

static bool refuse(struct override_call *call, const char *text)
{
    reload_report_release(&call->report); /* warnings, which do not matter any more */
    reload_report_add(&call->report, 0, 0, text);
    call->outcome = OVERRIDE_FAULTY;
    return false;
}

static void take_notes(struct override_call *call, const struct faults *faults,
                       enum fault_kind kind)
{
    for (size_t i = 0; i < faults->kept; i++) {
        const struct fault *fault = &faults->fault[i];
        if (fault->kind == kind)
            reload_report_add(&call->report, call->has_places ? fault->line : 0,
                              call->has_places ? fault->column : 0, fault->text);
    }
    call->report.notes_found = kind == FAULT_WARNING ? faults->warnings : faults->count;
}

/* A check takes no lease, so it can ask nothing of a limit that has slots. */
static void check_slots(const struct limit *limit, const struct check_terms *check,
                        void (*tell)(void *context, const char *text), void *context)
{
    const struct override *first = NULL;
    unsigned others = 0;
    for (uint32_t i = 0; i < limit->overrides_count; i++) {
        const struct override *override = &limit->overrides[i];
        if (!override->is_runtime || override->allowance.slots == 0)
            continue;
        others += first != NULL;
        first = first == NULL ? override : first;
    }
    if (first == NULL)
        return;
    char text[FAULT_OF_CHECK_MAX], shortened[CONFIG_SHORT_MAX];
    int len =
        snprintf(text, sizeof text,
                 "check \"%s\" names limit \"%s\", whose override for \"%s\", set at run "
                 "time, has slots, which only leases take, and a check takes none; DELETE that "
                 "override, or name another limit",
                 check->name, limit->name, config_shorten(first->key, shortened));
    if (others > 0)
        snprintf(text + len, sizeof text - (size_t)len, "; there %s %u more like it",
                 others == 1 ? "is" : "are", others);
    tell(context, text);
}

void overrides_check(const struct limits *limits, const struct contract *contract,
                     void (*tell)(void *context, const char *text), void *context)
{
    for (uint32_t i = 0; i < contract->checks_count; i++) {
        const struct check_terms *check = check_terms(contract->checks[i]);
        int limit =
            check->limit == NULL ? -1 : limits_find(limits, check->limit, strlen(check->limit));
        if (limit >= 0)
            check_slots(&limits->limit[limit], check, tell, context);
    }
}

/* The same for an override that is to be set. */
static bool suits_checks(const struct overrides *overrides, struct override_call *call,
                         const struct override_terms *terms)
{
    bool has_slots = false;
    for (uint32_t i = 0; i < terms->buckets_count; i++)
        has_slots |= terms->buckets[i].holds_slots;
    const struct contract *contract = overrides->contract;
    for (uint32_t i = 0; has_slots && i < contract->checks_count; i++) {
        const char *limit = check_terms(contract->checks[i])->limit;
        if (limit != NULL && strcmp(limit, call->limit_name) == 0)
            return refuse(call,
                          "concurrent makes slots, which only leases take, and a check of the "
                          "configuration names this limit, and takes none; give burst and rate, "
                          "or have its callers use /acquire and /release");
    }
    return true;
}

static bool has_not_ended(struct override_call *call, const struct override_terms *terms,
                          int64_t date_s)
{
    return terms->until_s > date_s ||
           refuse(call,
                  "until is over already; give a time that is still to come, or leave it out");
}

/* ---- calls ---- */

/* Makes the limits with a change. false: the outcome says why not. */
static bool change_limits(const struct overrides *overrides, struct override_call *call,
                          const struct runtime_change *change, struct limits **next, int64_t date_s)
{
    struct runtime_lost lost;
    struct limits *changed = runtime_merge(overrides->configured, *next, change, date_s, &lost);
    if (changed != NULL && lost.without_room == 0) {
        limits_release(*next);
        *next = changed;
        return true;
    }
    call->outcome = changed == NULL ? OVERRIDE_NO_MEMORY : OVERRIDE_NO_ROOM;
    limits_release(changed);
    return false;
}

static void drop(const struct overrides *overrides, struct override_call *call, uint32_t limit,
                 struct limits **next, int64_t date_s)
{
    const struct runtime_change change = {.limit = limit, .key = call->key};
    if (runtime_find(&(*next)->limit[limit], call->key, date_s) < 0)
        call->outcome = OVERRIDE_NONE;
    else if (change_limits(overrides, call, &change, next, date_s))
        call->outcome = OVERRIDE_DROPPED;
}

/* Shows the override as it is in limits that the message holds. */
static void show(struct message *message, struct limits *limits, uint32_t limit)
{
    struct override_call *call = message->answer.override;
    int found = runtime_find(&limits->limit[limit], call->key, INT64_MIN);
    assert(found >= 0);
    message_hold(message, limits);
    call->limit = &limits->limit[limit];
    call->override = &limits->limit[limit].overrides[found];
}

static void set(const struct overrides *overrides, struct message *message, uint32_t limit,
                const struct override_terms *terms, struct limits **next, int64_t date_s)
{
    struct override_call *call = message->answer.override;
    const struct runtime_change change = {.limit = limit, .key = call->key, .set = terms};
    bool is_there = runtime_find(&(*next)->limit[limit], call->key, date_s) >= 0;
    if (!has_not_ended(call, terms, date_s) || !suits_checks(overrides, call, terms) ||
        !change_limits(overrides, call, &change, next, date_s))
        return;
    call->outcome = is_there ? OVERRIDE_REPLACED : OVERRIDE_SET;
    show(message, *next, limit);
}

static void read_and_set(const struct overrides *overrides, struct message *message, uint32_t limit,
                         struct limits **next, int64_t date_s)
{
    struct override_call *call = message->answer.override;
    struct faults *faults = calloc(1, sizeof *faults);
    call->outcome = OVERRIDE_NO_MEMORY;
    if (faults != NULL) {
        struct override_terms terms;
        const struct bucket_setting setting = {
            .tick_ms = overrides->configured->tick_ms,
            .is_fleet = (*next)->limit[limit].is_fleet,
            .beside = fleet_beside(&(*next)->limit[limit].allowance.bucket[0]),
        };
        struct raw_override *raw = config_override_read(call->object, call->object_len, call->key,
                                                        &setting, faults, &terms);
        terms.is_runtime = true;
        if (raw == NULL)
            call->outcome = OVERRIDE_FAULTY;
        take_notes(call, faults, raw == NULL ? FAULT_ERROR : FAULT_WARNING);
        if (raw != NULL)
            set(overrides, message, limit, &terms, next, date_s);
        config_override_free(raw);
        faults_release(faults);
    }
    free(faults);
}

void overrides_answer(const struct overrides *overrides, struct message *message,
                      struct limits **next, int64_t date_s)
{
    struct override_call *call = message->answer.override;
    int limit = limits_find(*next, call->limit_name, strlen(call->limit_name));
    call->limit = NULL;
    call->override = NULL;
    if (limit < 0)
        call->outcome = OVERRIDE_NO_SUCH_LIMIT;
    else if (call->drops)
        drop(overrides, call, (uint32_t)limit, next, date_s);
    else
        read_and_set(overrides, message, (uint32_t)limit, next, date_s);
}

bool overrides_have_changed(const struct override_call *call)
{
    return call->outcome == OVERRIDE_SET || call->outcome == OVERRIDE_REPLACED ||
           call->outcome == OVERRIDE_DROPPED;
}
