#include "daemon/server.h"

#include "actor/reload.h"
#include "actor/watchdog.h"
#include "base/processors.h"
#include "base/quantity.h"
#include "daemon/fronts.h"
#include "daemon/inherited.h"
#include "daemon/keeper.h"
#include "daemon/overrides.h"
#include "daemon/signals.h"
#include "daemon/watch.h"
#include "log/log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    AFTER_DELAY_MS = FRONT_DRAIN_MS + 5000, /* until it has drained and ended, at most */
    DESCRIPTORS_SPARE = 21,                 /* for all but connections, listeners and front-ends */
    /* its epoll sets and eventfds, and clients that it has no room for */
    DESCRIPTORS_PER_FRONT = 6 + HTTP_LEAVING_SPARE,
    OVERRIDES_TOGETHER = 64, /* that are put into force at once: then signals have their turn */
};

enum { STATUS_MAX = 128 }; /* bytes of what the manager or an event is told */

/* What the decider is told of a drain, for events: that it will be, and that it begins. Nobody waits
 * for these letters, because the state thread may stand still; they are home once it is stopped. */
struct drain_told {
    struct inbox home;
    unsigned count;
    struct message message[2];
    char detail[2][STATUS_MAX];
};

struct server {
    struct config *config;
    const char *config_path;
    const struct faults *warnings; /* of the configuration that it started with */
    int signals;                   /* a signalfd */
    struct inbox reloads;          /* front-ends post MESSAGE_RELOAD and MESSAGE_OVERRIDE here */
    struct letter *asked;          /* taken out of `reloads` and waiting, oldest first */
    struct keeper keeper;
    struct watch watch;
    struct brain *brain; /* until the decider owns it */
    struct decider decider;
    struct inbox home; /* what the main thread asks the decider comes home here */
    struct drain_told drain_told;
    struct watchdog watchdog;
    struct notify notify;
    struct overrides overrides;
    enum when_full when_full; /* of the configuration in force, and how many warnings it gave */
    uint64_t config_warnings;
    unsigned limits_count; /* in force */
    uint32_t drain_delay_ms;
    bool is_leaving;       /* a signal has come, and the delay goes by */
    uint64_t drain_due_ns; /* when that is over; CLOCK_NEVER: there is none */
    /* what there is room for: not as configured if the state cannot be moved */
    uint32_t max_keys;
    unsigned listeners_count;
    struct listener listeners[INHERITED_MAX + 2 * CONFIG_LISTEN_MAX];
    bool has_fronts;
    struct fronts fronts;
};
static_assert(FRONTS_SERVING_MAX == CONFIG_THREADS_MAX,
              "as many as can be configured have a place");

/* ---- start ---- */

static bool fail(const char *doing, int error)
{
    log_error("cannot %s: %s", doing, strerror(error));
    return false;
}

static bool open_signals(struct server *server)
{
    server->signals = signals_open();
    return server->signals >= 0 || fail("open a signalfd", errno);
}

static bool open_log(void)
{
    int error = log_open();
    return error == 0 || fail("open a pipe", error);
}

static bool start_log(void)
{
    int error = log_start();
    return error == 0 || fail("start the log's thread", error);
}

static bool open_inboxes(struct server *server)
{
    int error = inbox_init(&server->home, false);
    if (error != 0)
        return fail("make an inbox", error);
    error = inbox_init(&server->drain_told.home, false);
    if (error == 0) {
        error = inbox_init(&server->reloads, true);
        if (error == 0)
            return true;
        inbox_release(&server->drain_told.home);
    }
    inbox_release(&server->home);
    return fail("make an inbox", error);
}

static void close_inboxes(struct server *server)
{
    inbox_release(&server->home);
    inbox_release(&server->drain_told.home);
    inbox_release(&server->reloads);
}

static struct limits_question question_of(const struct config *config,
                                          const struct faults *warnings)
{
    return (struct limits_question){
        .limits = config->limits,
        .when_full = config->when_full,
        .date_s = clock_date_s(&clock_system),
        .warnings = warnings->warnings,
    };
}

/* To hand work to another thread pays off only if both can run at the same time. */
static bool hosts_decider(const struct config *config)
{
    return config->threads == 0 ||
           (config->threads == PARAMETER_IS_WORD && processors_usable() == 1);
}

static unsigned fronts_wanted(const struct config *config)
{
    bool is_one = config->threads == 0 || config->threads == PARAMETER_IS_WORD;
    return is_one ? 1 : config->threads;
}

/* ---- connections ---- */

/* Raises the limit on descriptors to what is needed, or as far as it may be raised. Returns what it
 * is then. */
static rlim_t raise_descriptors(rlim_t needed)
{
    struct rlimit limit = {0, 0};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < needed) {
        limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

/* How many connections there is room for, and what limits them. */
struct room {
    unsigned connections;
    rlim_t needed, allowed; /* descriptors */
};

/* The room that so many front-ends have together: max_connections, or what there are descriptors for
 * beside those that still go. */
static struct room room_of(const struct server *server, unsigned fronts)
{
    const struct config *config = server->config;
    unsigned listeners = server->listeners_count > 0
                             ? server->listeners_count
                             : config->listen_count + config->admin_listen_count;
    unsigned most = config->max_connections, all = fronts + server->fronts.going;
    rlim_t spare = DESCRIPTORS_SPARE + all * DESCRIPTORS_PER_FRONT + listeners;
    struct room room = {.connections = most, .needed = most + spare};
    room.allowed = raise_descriptors(room.needed);
    if (room.allowed < room.needed)
        room.connections = room.allowed > spare ? (unsigned)(room.allowed - spare) : 0;
    return room;
}

/* Those who wait have at most half of the connections that so many front-ends have room for. */
static void bound_waiting(const struct server *server, unsigned fronts, struct limits *limits)
{
    uint32_t most = config_waiting_most(room_of(server, fronts).connections);
    if (limits->waiting.max_waiting > most)
        limits->waiting.max_waiting = most;
}

/* Run-time overrides that could not stay: X(member, why). */
#define LOST_OVERRIDES(X)                                                                          \
    X(without_limit, "because their limit is not configured any more")                             \
    X(unfit, "because their burst and rate do not go with the tick")                               \
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

static void log_lost(void *context, const char *text)
{
    (void)context;
    log_warning("%s", text);
}

/* Called before the log has its thread, because a wait for a state must be logged at once. */
static bool open_state(struct server *server)
{
    bound_waiting(server, fronts_wanted(server->config), server->config->limits);
    const struct limits_question limits = question_of(server->config, server->warnings);
    server->brain = keeper_open(&server->keeper, server->config, &limits);
    if (server->brain == NULL)
        return false;
    overrides_init(&server->overrides, server->config, brain_limits(server->brain));
    server->when_full = limits.when_full;
    server->config_warnings = limits.warnings;
    const struct runtime_lost lost = brain_runtime_lost(server->brain);
    tell_lost(&lost, log_lost, NULL);
    server->max_keys = brain_max_keys(server->brain);
    return true;
}

static bool start_decider(struct server *server)
{
    int error =
        decider_init(&server->decider, server->brain, clock_keys, hosts_decider(server->config));
    if (error != 0)
        return fail("start the state thread", error);
    server->brain = NULL;
    error = watchdog_init(&server->watchdog, &server->decider.inbox, server->notify.watchdog_ns,
                          clock_now_ns(&clock_system));
    if (error == 0) {
        error = decider_start(&server->decider);
        if (error == 0)
            return true;
        watchdog_release(&server->watchdog);
    }
    decider_release(&server->decider);
    return fail("start the state thread", error);
}

static bool open_listener(struct server *server, const struct address *address, bool is_admin)
{
    struct listener *listener = &server->listeners[server->listeners_count];
    char text[ADDRESS_TEXT_MAX];
    const char *doing = "";
    int error = listener_open(listener, address, &server->config->sockets, &doing);
    address_print(error == 0 ? &listener->address : address, text);
    if (error == EINTR)
        return false;
    if (error != 0) {
        log_error("cannot %s %s: %s", doing, text, strerror(error));
        return false;
    }
    listener->is_admin = is_admin;
    server->listeners_count++;
    log_info("listening %son %s", is_admin ? "for admins " : "", text);
    return true;
}

/* The inherited socket of an address, or NULL. */
static struct listener *find_inherited(struct server *server, const struct address *address)
{
    for (unsigned i = 0; i < server->listeners_count; i++)
        if (server->listeners[i].is_inherited &&
            address_equal(&server->listeners[i].address, address))
            return &server->listeners[i];
    return NULL;
}

static bool serve_addresses(struct server *server, const struct address *addresses, uint32_t count,
                            bool is_admin)
{
    for (uint32_t i = 0; i < count; i++) {
        struct listener *inherited = find_inherited(server, &addresses[i]);
        if (inherited != NULL)
            inherited->is_admin = is_admin;
        else if (!open_listener(server, &addresses[i], is_admin))
            return false;
    }
    return true;
}

/* Takes the inherited sockets, and listens on each address that somebody asked for and that none of
 * them has. Listens on the default address only if there is nothing else. */
static bool open_listeners(struct server *server)
{
    const struct config *config = server->config;
    if (!inherited_take(server->listeners, &server->listeners_count))
        return false;
    bool is_default = !config->listen_is_fixed && !config->listen_is_given;
    uint32_t listen_count = server->listeners_count > 0 && is_default ? 0 : config->listen_count;
    return serve_addresses(server, config->listen, listen_count, false) &&
           serve_addresses(server, config->admin_listen, config->admin_listen_count, true);
}

/* The same, but too few descriptors are told. */
static unsigned connections_of(const struct server *server, unsigned fronts)
{
    struct room room = room_of(server, fronts);
    unsigned usable = room.connections;
    if (room.allowed < room.needed)
        log_warning("room for %u connections, not for the %u of max_connections: the system allows "
                    "%llu descriptors, and it takes %llu; raise that (ulimit -n, LimitNOFILE=), or "
                    "lower max_connections",
                    usable < fronts ? fronts : usable / fronts * fronts,
                    server->config->max_connections, (unsigned long long)room.allowed,
                    (unsigned long long)room.needed);
    return usable;
}

static bool start_fronts(struct server *server)
{
    const struct front_terms terms = {
        .listeners = server->listeners,
        .listeners_count = server->listeners_count,
        .decider = &server->decider,
        .reloads = &server->reloads,
        .clock = &clock_system,
        .idle_timeout_ms = server->config->idle_timeout_ms,
        .header_room = server->config->header_room,
    };
    unsigned wanted = fronts_wanted(server->config);
    int error = fronts_init(&server->fronts, &terms);
    if (error != 0)
        return fail("open an eventfd", error);
    server->has_fronts = true;
    error = fronts_set(&server->fronts, wanted, connections_of(server, wanted),
                       server->config->contract);
    if (server->fronts.serving > 0 && server->decider.is_hosted)
        decider_is_taken_care_of(&server->decider);
    return error == 0 || fail("start a front-end thread", error);
}

/* ---- what the service manager hears ---- */

static void tell_serving(struct server *server, const char *but)
{
    char status[STATUS_MAX];
    unsigned limits = server->limits_count, addresses = server->listeners_count;
    if (server->is_leaving)
        return;
    snprintf(status, sizeof status, "serving %u limit%s on %u address%s%s", limits,
             limits == 1 ? "" : "s", addresses, addresses == 1 ? "" : "es", but);
    notify_ready(&server->notify, status);
}

/* ---- waiting ---- */

static void ask(struct server *server, struct message *message)
{
    decider_ask(&server->decider, &server->home, message);
}

static void look_after_state(struct server *server, uint64_t now_ns)
{
    const char *why = keeper_look(&server->keeper, now_ns);
    struct message lost = {.kind = MESSAGE_STATE_LOST, .ask.lost_state = why};
    if (why != NULL)
        ask(server, &lost);
}

/* If the state is lost, and can be kept again, sees to it. */
static void mend_state(struct server *server)
{
    struct keeper *keeper = &server->keeper;
    struct message anew = {.kind = MESSAGE_STATE_ANEW, .ask.anew = {&keeper->file, &keeper->next}};
    struct message kept = {.kind = MESSAGE_STATE_KEPT};
    enum keeper_mend mend = keeper_mend(keeper);
    switch (mend) {
    case KEEPER_LEFT:
        return;
    case KEEPER_ANEW:
        ask(server, &anew);
        if (!keeper_put_in_place(keeper, &anew.answer.anew))
            return;
        break;
    case KEEPER_BACK:
        break;
    }
    kept.ask.failures = keeper->failures;
    ask(server, &kept);
    keeper_end_mend(keeper, mend, kept.answer.is_kept);
}

static void look_around(struct server *server, uint64_t now_ns)
{
    struct message message = {.kind = MESSAGE_SURROUNDINGS};
    if (!watch_look(&server->watch, now_ns))
        return;
    message.ask.surroundings = server->watch.seen;
    ask(server, &message);
}

/* The sooner of two timeouts, of which -1 is never. */
static int sooner(int a_ms, int b_ms)
{
    return (unsigned)a_ms < (unsigned)b_ms ? a_ms : b_ms;
}

/* Waits up to timeout_ms for an event or a letter. */
static int wait_once(struct server *server, struct pollfd *events, nfds_t count, int timeout_ms)
{
    if (server->asked != NULL || !inbox_watch(&server->reloads))
        return poll(events, count, 0) < 0 ? 0 : 1;
    int found = poll(events, count, timeout_ms);
    inbox_unwatch(&server->reloads);
    return inbox_is_filled(&server->reloads) ? 1 : found;
}

static bool is_delay_over(const struct server *server)
{
    return clock_now_ns(&clock_system) >= server->drain_due_ns;
}

/* Waits for an event, a letter or the end of the delay before a drain; meanwhile feeds the watchdog
 * and watches the state file and the surroundings. The first of `events` is the inbox. */
static void wait_for(struct server *server, struct pollfd *events, nfds_t count)
{
    int timeout_ms;
    for (nfds_t i = 0; i < count; i++)
        events[i].revents = 0;
    do {
        uint64_t now_ns = clock_now_ns(&clock_system);
        if (watchdog_look(&server->watchdog, now_ns))
            notify_alive(&server->notify);
        if (keeper_timeout_ms(&server->keeper, now_ns) == 0)
            look_after_state(server, now_ns);
        if (watch_timeout_ms(&server->watch, now_ns) == 0)
            look_around(server, now_ns);
        timeout_ms = sooner(sooner(watchdog_timeout_ms(&server->watchdog, now_ns),
                                   keeper_timeout_ms(&server->keeper, now_ns)),
                            sooner(watch_timeout_ms(&server->watch, now_ns),
                                   clock_ms_until(now_ns, server->drain_due_ns)));
    } while (wait_once(server, events, count, timeout_ms) <= 0 && !is_delay_over(server));
}

/* Takes the next letter of a front-end; NULL: there is none. */
static struct letter *next_asked(struct server *server)
{
    if (server->asked == NULL)
        server->asked = letters_oldest_first(inbox_take(&server->reloads, 0));
    struct letter *next = server->asked;
    if (next != NULL)
        server->asked = next->next;
    return next;
}

/* ---- reload ---- */

static void warn_of_restart(const struct server *server, const struct config *next)
{
    for (size_t i = 0; i < config_parameters_count; i++) {
        const char *waiting =
            parameter_waits_for_start(&config_parameters[i], server->config, next);
        if (waiting != NULL)
            log_warning("%s has changed; it takes effect at the next start", waiting);
    }
}

/* Whether decisions have a thread of their own is settled at the start. */
static bool threads_wait_for_start(const struct server *server, const struct config *next)
{
    return hosts_decider(next) != server->decider.is_hosted;
}

static void warn_of_threads(const struct server *server, const struct config *next)
{
    if (threads_wait_for_start(server, next))
        log_warning("threads has changed %s 0; that takes effect at the next start",
                    server->decider.is_hosted ? "from" : "to");
}

static void warn_of_token(const struct config *config)
{
    if (config->admin_token_is_shared)
        log_warning("%s can be read by its group; if that is not on purpose: chmod 0600",
                    config->admin_token_file);
}

static enum limits_result ask_limits(struct server *server, const struct limits_question *question)
{
    struct message message = {.kind = MESSAGE_LIMITS, .ask.limits = *question};
    ask(server, &message);
    return message.answer.limits;
}

/* How many front-ends take descriptors once that is in force: those that serve now, and go then, too. */
static unsigned fronts_with(const struct server *server, const struct config *next)
{
    unsigned serving = server->fronts.serving, wanted = fronts_wanted(next);
    return threads_wait_for_start(server, next) || wanted < serving ? serving : wanted;
}

/* If not all can be started, a later reload tries again. */
static void set_threads(struct server *server, const struct config *next)
{
    unsigned before = server->fronts.serving, wanted = fronts_wanted(next);
    if (threads_wait_for_start(server, next) || wanted == before)
        return;
    int error = fronts_set(&server->fronts, wanted, connections_of(server, wanted), next->contract);
    unsigned serving = server->fronts.serving;
    if (error == EAGAIN && server->fronts.going > 0)
        log_warning("only %u of %u threads serve: others, which go, have not closed their last "
                    "connection yet; reload again once they have",
                    serving, wanted);
    else if (error != 0)
        log_error("cannot start a front-end thread: %s; %u of %u serve, and a reload tries again",
                  strerror(error), serving, wanted);
    if (server->is_leaving)
        fronts_leave(&server->fronts);
    if (serving > before)
        log_info("threads that serve connections: %u, of which %u came", serving, serving - before);
    else if (serving < before)
        log_info("threads that serve connections: %u; %u go with their last connections", serving,
                 before - serving);
}

static void look_after_threads(struct server *server)
{
    unsigned ended = fronts_look(&server->fronts);
    if (ended > 0)
        log_info("threads that have gone: %u; %u still go", ended, server->fronts.going);
}

/* The limits, which are those of the configuration and the run-time overrides, go first, because the
 * checks of the contract may name new ones. */
static bool put_into_force(struct server *server, const struct config *next, struct limits *limits,
                           const struct runtime_lost *lost, const struct faults *warnings)
{
    struct limits_question question = question_of(next, warnings);
    question.limits = limits;
    if (limits == NULL || ask_limits(server, &question) != LIMITS_IN_FORCE) {
        log_error("out of memory; the limits stay as they were");
        return false;
    }
    overrides_are_in_force(&server->overrides, next, limits);
    tell_lost(lost, log_lost, NULL);
    server->when_full = question.when_full;
    server->config_warnings = question.warnings;
    server->limits_count = next->limits->count;
    server->drain_delay_ms = next->drain_delay_ms;
    log_set(&next->log);
    fronts_set_contract(&server->fronts, next->contract);
    set_threads(server, next);
    log_info("reloaded %s: %u limit%s", server->config_path, next->limits->count,
             next->limits->count == 1 ? "" : "s");
    return true;
}

static void tell_fault(void *context, enum fault_kind kind, const char *place, const char *text)
{
    (void)context;
    log_line(kind == FAULT_WARNING ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "%s: %s", place, text);
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

/* Makes the limits of a configuration with the run-time overrides; NULL: there is no memory. If there
 * are too many of both kinds together, which is a fault, they are in *faults. */
static struct limits *limits_of(struct server *server, const struct config *next,
                                struct runtime_lost *lost, struct faults *faults)
{
    bound_waiting(server, fronts_with(server, next), next->limits);
    struct limits *limits =
        overrides_for(&server->overrides, next, clock_date_s(&clock_system), lost);
    if (limits != NULL && lost->without_room > 0)
        faults_add(
            faults, 0, 0,
            "the limits have more overrides than the %d they may have together with those that "
            "were set at run time; DELETE %u of these, or leave as many out here",
            OVERRIDES_MAX, (unsigned)lost->without_room);
    return limits;
}

static void report_lost(void *report, const char *text)
{
    reload_report_add(report, 0, 0, text);
}

static void refuse_file(struct server *server, struct reload_report *report,
                        const struct faults *faults)
{
    faults_tell(faults, server->config_path, tell_fault, NULL);
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
        faults_tell(faults, server->config_path, tell_fault, NULL);
        warn_of_restart(server, next);
        warn_of_threads(server, next);
        warn_of_token(next);
        bool is_in_force = put_into_force(server, next, limits, &lost, faults);
        if (is_in_force)
            watch_read(&server->watch, next);
        report->outcome = is_in_force ? RELOAD_IN_FORCE : RELOAD_NO_MEMORY;
        report->limits = next->limits->count;
        report_all(report, faults, FAULT_WARNING);
        if (is_in_force)
            tell_lost(&lost, report_lost, report);
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

static void mend_sockets(struct server *server)
{
    watch_look_at_sockets(&server->watch);
    if (watch_mend(&server->watch, &server->config->sockets) == 0)
        return;
    fronts_listen_again(&server->fronts);
}

enum { FAULT_LINES_BYTES = 2048 }; /* bytes; of an event, which has room for less */

/* Counts it, and has an event tell why. */
static void count_failed_reload(struct server *server, const struct reload_report *report)
{
    char lines[FAULT_LINES_BYTES];
    struct message message = {.kind = MESSAGE_RELOAD_FAILED, .ask.faults = lines};
    reload_report_lines(report, server->config_path, lines, sizeof lines);
    ask(server, &message);
}

static void reload(struct server *server, struct reload_report *report)
{
    uint64_t now_ns = clock_now_ns(&clock_system);
    if (!server->is_leaving)
        notify_reloading(&server->notify, now_ns);
    look_after_state(server, now_ns);
    mend_state(server);
    mend_sockets(server);
    reload_file(server, report);
    look_around(server, now_ns);
    bool has_failed = report->outcome == RELOAD_FAULTY || report->outcome == RELOAD_NO_MEMORY;
    if (has_failed)
        count_failed_reload(server, report);
    tell_serving(server, has_failed ? "; the last reload failed, the log says why" : "");
}

static void reload_for_signal(struct server *server)
{
    struct reload_report report = {0};
    log_info("%s: reloading", strsignal(SIGHUP));
    reload(server, &report);
    reload_report_release(&report);
}

/* ---- overrides at run time ---- */

/* Puts limits into force that differ in their run-time overrides only. */
static bool put_overrides_into_force(struct server *server, struct limits *next, int64_t date_s)
{
    const struct limits_question question = {
        .limits = next,
        .when_full = server->when_full,
        .date_s = date_s,
        .warnings = server->config_warnings,
        .is_no_reload = true,
    };
    if (ask_limits(server, &question) != LIMITS_IN_FORCE)
        return false;
    overrides_are_in_force(&server->overrides, NULL, next);
    return true;
}

static bool state_outlives(struct server *server)
{
    struct daemon_answer answer = {0};
    struct message message = {.kind = MESSAGE_DAEMON, .answer.daemon = &answer};
    ask(server, &message);
    return answer.is_stored && answer.lost_state == NULL;
}

static void log_override(const struct override_call *call)
{
    switch (call->outcome) {
    case OVERRIDE_SET:
    case OVERRIDE_REPLACED:
        log_info("an override is set over HTTP, of limit %s", call->limit_name);
        return;
    case OVERRIDE_DROPPED:
        log_info("an override is dropped over HTTP, of limit %s", call->limit_name);
        return;
    case OVERRIDE_NO_MEMORY:
        log_error("out of memory; the overrides stay as they were");
        return;
    case OVERRIDE_NO_SUCH_LIMIT:
    case OVERRIDE_NONE:
    case OVERRIDE_FAULTY:
    case OVERRIDE_NO_ROOM:
    case OVERRIDE_DRAINING:
        return;
    }
}

/* Answers these letters, oldest first, as one change of the limits. */
static void answer_overrides(struct server *server, struct letter *letters)
{
    struct limits *before = server->overrides.in_force, *next = limits_retain(before);
    int64_t date_s = clock_date_s(&clock_system);
    for (struct letter *letter = letters; letter != NULL; letter = letter->next)
        overrides_answer(&server->overrides, message_of(letter), &next, date_s);
    bool has_changed = next != before;
    bool is_in_force = has_changed && put_overrides_into_force(server, next, date_s);
    bool is_persistent = is_in_force && state_outlives(server);
    limits_release(next);
    for (struct letter *letter = letters, *rest; letter != NULL; letter = rest) {
        struct override_call *call = message_of(letter)->answer.override;
        rest = letter->next;
        if (overrides_have_changed(call) && !is_in_force)
            call->outcome = OVERRIDE_NO_MEMORY;
        call->is_persistent = is_persistent;
        log_override(call);
        inbox_post_one(letter->home, letter);
    }
}

/* ---- what front-ends ask ---- */

/* Takes the letters that ask for overrides and come next, at most OVERRIDES_TOGETHER, behind the first
 * one. */
static void take_more_overrides(struct server *server, struct letter *first)
{
    struct letter *last = first;
    last->next = NULL;
    for (unsigned count = 1; count < OVERRIDES_TOGETHER && server->asked != NULL &&
                             message_of(server->asked)->kind == MESSAGE_OVERRIDE;
         count++) {
        last->next = next_asked(server);
        last = last->next;
        last->next = NULL;
    }
}

/* Answers one reload at a time, or some overrides, so that a signal need not wait for all of them. */
static void answer_fronts(struct server *server)
{
    struct letter *asked = next_asked(server);
    if (asked == NULL)
        return;
    if (message_of(asked)->kind == MESSAGE_OVERRIDE) {
        take_more_overrides(server, asked);
        answer_overrides(server, asked);
        return;
    }
    log_info("a reload is asked for over HTTP");
    reload(server, message_of(asked)->answer.reload);
    inbox_post_one(asked->home, asked);
}

static void refuse_fronts(struct server *server)
{
    for (struct letter *asked; (asked = next_asked(server)) != NULL;) {
        if (message_of(asked)->kind == MESSAGE_OVERRIDE)
            message_of(asked)->answer.override->outcome = OVERRIDE_DRAINING;
        else
            message_of(asked)->answer.reload->outcome = RELOAD_DRAINING;
        inbox_post_one(asked->home, asked);
    }
}

/* ---- the life ---- */

static int next_signal(struct server *server)
{
    struct signalfd_siginfo info;
    ssize_t got = read(server->signals, &info, sizeof info);
    return got == sizeof info ? (int)info.ssi_signo : 0;
}

/* The first signal begins the delay, if there is one: all is served on, but /readyz is red, so that
 * nobody new is sent here. */
static bool begins_delay(struct server *server)
{
    char delay[QUANTITY_TEXT_MAX], status[STATUS_MAX];
    if (server->drain_delay_ms == 0 || server->is_leaving)
        return false;
    quantity_print_duration(server->drain_delay_ms, delay);
    snprintf(status, sizeof status, "serving, and draining in %s", delay);
    notify_stopping(&server->notify, status, server->drain_delay_ms + AFTER_DELAY_MS);
    server->is_leaving = true;
    server->drain_due_ns =
        clock_now_ns(&clock_system) + server->drain_delay_ms * (uint64_t)NS_PER_MS;
    fronts_leave(&server->fronts);
    return true;
}

static void tell_drain(struct server *server, const char *why)
{
    struct drain_told *told = &server->drain_told;
    struct message *message = &told->message[told->count];
    struct chain chain = {0};
    assert(told->count < sizeof told->message / sizeof told->message[0]);
    snprintf(told->detail[told->count], sizeof told->detail[0], "%s", why);
    *message = (struct message){
        .letter.home = &told->home,
        .kind = MESSAGE_DRAIN,
        .ask.detail = told->detail[told->count],
    };
    told->count++;
    chain_add(&chain, &message->letter);
    decider_post(&server->decider, &chain);
}

/* Whether the drain begins now. */
static bool heed_end(struct server *server, int signal)
{
    char delay[QUANTITY_TEXT_MAX], detail[STATUS_MAX];
    if (begins_delay(server)) {
        quantity_print_duration(server->drain_delay_ms, delay);
        log_info("%s: draining in %s; a second signal begins it", strsignal(signal), delay);
        snprintf(detail, sizeof detail, "%s: draining in %s", strsignal(signal), delay);
        tell_drain(server, detail);
        return false;
    }
    log_info("%s: draining", strsignal(signal));
    snprintf(detail, sizeof detail, "%s: draining", strsignal(signal));
    tell_drain(server, detail);
    return true;
}

/* Serves until the drain begins. */
static void serve(struct server *server)
{
    struct pollfd events[] = {
        {.fd = server->reloads.event, .events = POLLIN},
        {.fd = server->signals, .events = POLLIN},
        {.events = POLLIN},
        {.fd = fronts_event(&server->fronts), .events = POLLIN},
    };
    for (;;) {
        events[2].fd = server->keeper.has_failed ? -1 : state_file_failure();
        wait_for(server, events, sizeof events / sizeof events[0]);
        if (events[2].revents != 0)
            keeper_tell_failure(&server->keeper);
        if (events[3].revents != 0)
            look_after_threads(server);
        answer_fronts(server);
        int signal = events[1].revents != 0 ? next_signal(server) : 0;
        if (signal == SIGHUP) {
            reload_for_signal(server);
        } else if (signal != 0 && heed_end(server, signal)) {
            return;
        }
        if (is_delay_over(server)) {
            log_info("the delay is over: draining");
            tell_drain(server, "the delay is over: draining");
            return;
        }
    }
}

/* The front-ends still use the listeners, so only the files are removed. */
static void end_at_once(const struct server *server)
{
    log_warning("a second signal: ending at once");
    for (unsigned i = 0; i < server->listeners_count; i++)
        listener_remove_file(&server->listeners[i]);
    log_end();
    _exit(EXIT_STATUS_OK);
}

/* Waits until the front-ends have ended. A second signal ends the process at once. */
static void wait_for_fronts(struct server *server)
{
    while (!fronts_have_ended(&server->fronts)) {
        struct pollfd events[] = {
            {.fd = server->reloads.event, .events = POLLIN},
            {.fd = server->signals, .events = POLLIN},
            {.fd = fronts_event(&server->fronts), .events = POLLIN},
        };
        wait_for(server, events, 3);
        refuse_fronts(server);
        if (events[1].revents != 0 && next_signal(server) != SIGHUP)
            end_at_once(server);
    }
}

/* Stops the front-ends first, then the decider. A front-end that hosts it ends only after that. */
static void stop_threads(struct server *server)
{
    if (server->has_fronts) {
        fronts_drain(&server->fronts);
        wait_for_fronts(server);
    }
    decider_stop(&server->decider, &server->home);
    if (server->has_fronts)
        fronts_end(&server->fronts);
}

static void close_listeners(struct server *server)
{
    for (unsigned i = 0; i < server->listeners_count; i++)
        listener_close(&server->listeners[i]);
}

/* Whether a signal has ended the start. */
static bool is_ended(bool has_started)
{
    if (signals_ended_by() == 0 && (!has_started || signals_await_end(0) == 0))
        return false;
    log_info("%s: ended before it was ready", strsignal(signals_ended_by()));
    return true;
}

/* Runs from a decider that is made to one that is stopped. */
static enum exit_status run_fronts(struct server *server)
{
    enum exit_status status = EXIT_STATUS_FAILURE;
    unsigned limits = server->config->limits->count, max_keys = server->max_keys;
    faults_tell(server->warnings, server->config_path, tell_fault, NULL);
    warn_of_token(server->config);
    bool has_started = open_listeners(server) && start_log() && start_fronts(server);
    if (is_ended(has_started)) {
        status = EXIT_STATUS_OK;
    } else if (has_started) {
        watch_begin(&server->watch, server->listeners, server->listeners_count, server->config_path,
                    server->config);
        log_info("version " PACKAGE_VERSION " ready: %u limit%s, room for %u key%s", limits,
                 limits == 1 ? "" : "s", max_keys, max_keys == 1 ? "" : "s");
        server->limits_count = server->config->limits->count;
        tell_serving(server, "");
        serve(server);
        server->drain_due_ns = CLOCK_NEVER;
        notify_stopping(&server->notify, "draining", server->is_leaving ? AFTER_DELAY_MS : 0);
        status = EXIT_STATUS_OK;
    }
    stop_threads(server);
    close_listeners(server);
    return status;
}

enum exit_status server_run(struct config *config, const char *config_path,
                            const struct faults *warnings, int ready_fd)
{
    struct server *server = calloc(1, sizeof *server);
    enum exit_status status = EXIT_STATUS_FAILURE;
    if (server == NULL) {
        fail("start", errno);
        return status;
    }
    server->config = config;
    server->config_path = config_path;
    server->warnings = warnings;
    server->keeper.file.descriptor = -1;
    server->drain_delay_ms = config->drain_delay_ms;
    server->drain_due_ns = CLOCK_NEVER;
    log_set(&config->log);
    notify_open(&server->notify, ready_fd);
    bool has_inboxes = false;
    if (open_signals(server) && open_state(server) && open_log() &&
        (has_inboxes = open_inboxes(server)) && start_decider(server)) {
        status = run_fronts(server);
        watchdog_release(&server->watchdog);
        decider_release(&server->decider);
        if (status == EXIT_STATUS_OK)
            log_info("stopped");
    } else if (signals_ended_by() != 0) {
        log_info("stopped");
        status = EXIT_STATUS_OK;
    }
    notify_close(&server->notify);
    if (server->brain != NULL)
        brain_free(server->brain);
    overrides_release(&server->overrides);
    keeper_close(&server->keeper);
    close(server->signals);
    if (has_inboxes)
        close_inboxes(server);
    free(server);
    log_end();
    return status;
}
