#include "daemon/asked.h"

#include "daemon/core.h"
#include "daemon/reload.h"
#include "log/log.h"

enum {
    OVERRIDES_TOGETHER = 64, /* that are put into force at once: then signals have their turn */
};

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
    if (server_ask_limits(server, &question) != LIMITS_IN_FORCE)
        return false;
    overrides_are_in_force(&server->overrides, NULL, next);
    return true;
}

static bool state_outlives(struct server *server)
{
    struct daemon_answer answer = {0};
    struct message message = {.kind = MESSAGE_DAEMON, .answer.daemon = &answer};
    server_ask(server, &message);
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

void asked_answer(struct server *server)
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
    reload_run(server, message_of(asked)->answer.reload);
    inbox_post_one(asked->home, asked);
}

void asked_refuse(struct server *server)
{
    for (struct letter *asked; (asked = next_asked(server)) != NULL;) {
        if (message_of(asked)->kind == MESSAGE_OVERRIDE)
            message_of(asked)->answer.override->outcome = OVERRIDE_DRAINING;
        else
            message_of(asked)->answer.reload->outcome = RELOAD_DRAINING;
        inbox_post_one(asked->home, asked);
    }
}
