#include "daemon/core.h"

#include "log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool server_fail(const char *doing, int error)
{
    log_error("cannot %s: %s", doing, strerror(error));
    return false;
}

void server_ask(struct server *server, struct message *message)
{
    decider_ask(&server->decider, &server->home, message);
}

enum limits_result server_ask_limits(struct server *server, const struct limits_question *question)
{
    struct message message = {.kind = MESSAGE_LIMITS, .ask.limits = *question};
    struct override_changes *changes =
        changes_between(server->overrides.in_force, question->limits, question->date_s);
    message.ask.limits.changes = changes;
    server_ask(server, &message);
    free(changes);
    return message.answer.limits;
}

struct limits_question server_limits_question(const struct config *config,
                                              const struct faults *warnings)
{
    return (struct limits_question){
        .limits = config->limits,
        .when_full = config->when_full,
        .date_s = clock_date_s(&clock_system),
        .warnings = warnings->warnings,
    };
}

void server_tell_serving(struct server *server, const char *but)
{
    char status[STATUS_MAX];
    unsigned limits = server->limits_count, addresses = server->listeners_count;
    if (server->is_leaving)
        return;
    snprintf(status, sizeof status, "serving %u limit%s on %u address%s%s", limits,
             limits == 1 ? "" : "s", addresses, addresses == 1 ? "" : "es", but);
    notify_ready(&server->notify, status);
}
