/*
 * The core: what the files of the server share, and no other room sees.
 *
 * Threads: the main one. Blocks: server_ask and server_ask_limits, until the decider has answered.
 * Errors: as each function says.
 */
#pragma once

#include "actor/fleet_view.h"
#include "actor/watchdog.h"
#include "config/config.h"
#include "daemon/fronts.h"
#include "daemon/inherited.h"
#include "daemon/keeper.h"
#include "daemon/notify.h"
#include "daemon/overrides.h"
#include "daemon/watch.h"

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
    struct inbox home;   /* what the main thread asks the decider comes home here */
    struct fleet *fleet; /* see sharing.h; NULL: there is none */
    struct fleet_view fleet_view;
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
    bool has_inboxes, has_fronts; /* they are made */
    struct fronts fronts;
};

/* Logs that it cannot do what `doing` says, for this errno value. Returns false. */
bool server_fail(const char *doing, int error);

/* Asks the decider, and waits for its answer, which is in the message then. */
void server_ask(struct server *server, struct message *message);

/* Asks the decider to put limits into force, likewise. What changes of their overrides is worked out before. */
enum limits_result server_ask_limits(struct server *server, const struct limits_question *question);

/* What the decider is asked to put a configuration into force. warnings: what was found in it. Borrows
 * its limits. */
struct limits_question server_limits_question(const struct config *config,
                                              const struct faults *warnings);

/* Tells the service manager what is served, and that it is ready, unless it has been told of a drain. but:
 * what is to be added; it may be empty. */
void server_tell_serving(struct server *server, const char *but);
