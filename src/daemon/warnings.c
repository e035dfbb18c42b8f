#include "daemon/warnings.h"

#include "daemon/core.h"
#include "log/log.h"

#include <stdio.h>

static void tell_fault(void *context, enum fault_kind kind, const char *place, const char *text)
{
    (void)context;
    log_line(kind == FAULT_WARNING ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "%s: %s", place, text);
}

void warnings_of_faults(const struct faults *faults, const char *path)
{
    faults_tell(faults, path, tell_fault, NULL);
}

void warnings_of_token(const struct config *config)
{
    static const char shared[] =
        "%s can be read by its group; if that is not on purpose: chmod 0600";
    if (config->admin_token_is_shared)
        log_warning(shared, config->admin_token_file);
    if (config->fleet.password_is_shared)
        log_warning(shared, config->fleet.password_file);
}

void warnings_of_restart(const struct server *server, const struct config *next)
{
    for (size_t i = 0; i < config_parameters_count; i++) {
        const char *waiting =
            parameter_waits_for_start(&config_parameters[i], server->config, next);
        if (waiting != NULL)
            log_warning("%s has changed; it takes effect at the next start", waiting);
    }
}

/* Run-time overrides that could not stay: X(member, why). */
#define LOST_OVERRIDES(X)                                                                          \
    X(without_limit, "because their limit is not configured any more")                             \
    X(unfit, "because their buckets do not go with the tick or the scope")                         \
    X(without_room, "because there are too many overrides in the configuration")

typedef void lost_teller(void *context, const char *text);

static void tell_lost(const struct runtime_lost *lost, lost_teller *tell, void *context)
{
    const struct {
        uint32_t count;
        const char *why;
    } rows[] = {
#define X(member, why) {lost->member, why},
        LOST_OVERRIDES(X)
#undef X
    };
    char text[128];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(text, sizeof text, "run-time overrides that are dropped, %s: %u", rows[i].why,
                 (unsigned)rows[i].count);
        if (rows[i].count > 0)
            tell(context, text);
    }
}

static void log_text(void *context, const char *text)
{
    (void)context;
    log_warning("%s", text);
}

void warnings_of_lost(const struct runtime_lost *lost)
{
    tell_lost(lost, log_text, NULL);
}

void warnings_of_overrides(const struct overrides *overrides)
{
    overrides_check(overrides->in_force, overrides->contract, log_text, NULL);
}

static void report_lost(void *report, const char *text)
{
    reload_report_add(report, 0, 0, text);
}

void warnings_report_lost(const struct runtime_lost *lost, struct reload_report *report)
{
    tell_lost(lost, report_lost, report);
}
