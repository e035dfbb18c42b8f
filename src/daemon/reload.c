#include "daemon/reload.h"

#include "daemon/core.h"
#include "daemon/room.h"
#include "daemon/sharing.h"
#include "daemon/threads.h"
#include "daemon/upkeep.h"
#include "daemon/warnings.h"
#include "log/log.h"

#include <signal.h>
#include <string.h>

static void add_fault(void *faults, const char *text)
{
    faults_add(faults, 0, 0, "%s", text);
}

/* Makes the limits of a configuration with the run-time overrides; NULL: there is no memory. If the two do
 * not go together, because there are too many overrides or a check finds slots, that is in *faults. */
static struct limits *limits_of(struct server *server, const struct config *next,
                                struct runtime_lost *lost, struct faults *faults)
{
    room_bound_waiting(server, threads_with(server, next), next->limits);
    struct limits *limits =
        overrides_for(&server->overrides, next, clock_date_s(&clock_system), lost);
    if (limits != NULL && lost->without_room > 0)
        faults_add(
            faults, 0, 0,
            "the limits have more overrides than the %d they may have together with those that "
            "were set at run time; DELETE %u of these, or leave as many out here",
            OVERRIDES_MAX, (unsigned)lost->without_room);
    if (limits != NULL)
        overrides_check(limits, next->contract, add_fault, faults);
    return limits;
}

/* The limits, which are those of the configuration and the run-time overrides, go first, because the
 * checks of the contract may name new ones. */
static bool put_into_force(struct server *server, const struct config *next, struct limits *limits,
                           const struct runtime_lost *lost, const struct faults *warnings)
{
    struct limits_question question = server_limits_question(next, warnings);
    sharing_begin(server, next); /* if it cannot, on_partition says what becomes of its limits */
    question.limits = limits;
    if (limits == NULL || server_ask_limits(server, &question) != LIMITS_IN_FORCE) {
        log_error("out of memory; the limits stay as they were");
        return false;
    }
    overrides_are_in_force(&server->overrides, next, limits);
    warnings_of_lost(lost);
    server->when_full = question.when_full;
    server->config_warnings = question.warnings;
    server->limits_count = next->limits->count;
    server->drain_delay_ms = next->drain_delay_ms;
    log_set(&next->log);
    fronts_set_contract(&server->fronts, next->contract);
    threads_set(server, next);
    log_info("reloaded %s: %u limit%s", server->config_path, next->limits->count,
             next->limits->count == 1 ? "" : "s");
    return true;
}

static void report_all(struct reload_report *report, const struct faults *faults,
                       enum fault_kind kind)
{
    for (size_t i = 0; i < faults->kept; i++)
        if (faults->fault[i].kind == kind)
            reload_report_add(report, faults->fault[i].line, faults->fault[i].column,
                              faults->fault[i].text);
    report->notes_found = kind == FAULT_WARNING ? faults->warnings : faults->count;
}

static void refuse_file(struct server *server, struct reload_report *report,
                        const struct faults *faults)
{
    warnings_of_faults(faults, server->config_path);
    log_error("%s is faulty; the limits stay as they were", server->config_path);
    report->outcome = RELOAD_FAULTY;
    report_all(report, faults, FAULT_ERROR);
    watch_refused(&server->watch);
}

/* Takes over a configuration that was loaded. */
static void take_config(struct server *server, const struct config *next, struct faults *faults,
                        struct reload_report *report)
{
    struct runtime_lost lost = {0};
    struct limits *limits = limits_of(server, next, &lost, faults);
    if (faults->count > 0) {
        refuse_file(server, report, faults);
    } else {
        warnings_of_faults(faults, server->config_path);
        warnings_of_restart(server, next);
        threads_warn(server, next);
        warnings_of_token(next);
        bool is_in_force = put_into_force(server, next, limits, &lost, faults);
        if (is_in_force)
            watch_read(&server->watch, next);
        report->outcome = is_in_force ? RELOAD_IN_FORCE : RELOAD_NO_MEMORY;
        report->limits = next->limits->count;
        report_all(report, faults, FAULT_WARNING);
        if (is_in_force)
            warnings_report_lost(&lost, report);
    }
    limits_release(limits);
}

static void reload_file(struct server *server, struct reload_report *report)
{
    struct config next;
    struct faults faults = {0};
    if (server->config_path == NULL) {
        log_warning("nothing to reload: started without a configuration file");
        report->outcome = RELOAD_NO_FILE;
    } else if (!config_load(server->config_path, &next, &faults)) {
        refuse_file(server, report, &faults);
    } else {
        take_config(server, &next, &faults, report);
        config_release(&next);
    }
    faults_release(&faults);
}

enum { FAULT_LINES_BYTES = 2048 }; /* bytes; of an event, which has room for less */

/* Counts it, and has an event tell why. */
static void count_failed_reload(struct server *server, const struct reload_report *report)
{
    char lines[FAULT_LINES_BYTES];
    struct message message = {.kind = MESSAGE_RELOAD_FAILED, .ask.faults = lines};
    reload_report_lines(report, server->config_path, lines, sizeof lines);
    server_ask(server, &message);
}

void reload_run(struct server *server, struct reload_report *report)
{
    uint64_t now_ns = clock_now_ns(&clock_system);
    if (!server->is_leaving)
        notify_reloading(&server->notify, now_ns);
    upkeep_look_at_state(server, now_ns);
    upkeep_mend_state(server);
    upkeep_mend_sockets(server);
    reload_file(server, report);
    upkeep_look_around(server, now_ns);
    bool has_failed = report->outcome == RELOAD_FAULTY || report->outcome == RELOAD_NO_MEMORY;
    if (has_failed)
        count_failed_reload(server, report);
    server_tell_serving(server, has_failed ? "; the last reload failed, the log says why" : "");
}

void reload_for_signal(struct server *server)
{
    struct reload_report report = {0};
    log_info("%s: reloading", strsignal(SIGHUP));
    reload_run(server, &report);
    reload_report_release(&report);
}
