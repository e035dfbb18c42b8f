#include "base/clock.h"
#include "ctl/answer.h"
#include "ctl/commands/table.h"
#include "ctl/numbers.h"
#include "ctl/params.h"
#include "ctl/query.h"
#include "ctl/say.h"
#include "ctl/screen.h"
#include "ctl/view.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { INTERVAL_MS = 1000 };

/* What was asked last. */
struct top {
    const struct job *job;
    json_t *status, *denied, *remaining;
    struct sample before, now;
    unsigned samples;
    char alarm[512]; /* "": all is well */
    bool is_paused;
    enum view_keys keys;
};

static volatile sig_atomic_t is_over;

static void end(int number)
{
    (void)number;
    is_over = 1;
}

/* ---- asking, of which nothing may be said on standard error ---- */

static bool raise_alarm(struct top *top, const char *why, long status)
{
    if (status > 0)
        snprintf(top->alarm, sizeof top->alarm, "the server refused: %ld %s", status, why);
    else
        snprintf(top->alarm, sizeof top->alarm, "no answer: %s", why);
    return false;
}

static bool fetch(struct top *top, const char *path, const char *query, struct client_reply *reply)
{
    struct client *client = top->job->client;
    if (client_ask(client, &(struct client_request){.method = "GET", .path = path, .query = query},
                   reply) != CLIENT_ANSWERED)
        return raise_alarm(top, client_fault(client), 0);
    if (reply->status == 200)
        return true;
    json_t *problem = json_loadb(reply->body, reply->len, 0, NULL);
    const char *detail = answer_text(problem, "detail");
    raise_alarm(top, detail != NULL ? detail : "", reply->status);
    json_decref(problem);
    free(reply->body);
    return false;
}

/* Puts the answer in the place of the one before. */
static bool fetch_json(struct top *top, const char *path, const char *query, json_t **json)
{
    struct client_reply reply;
    if (!fetch(top, path, query, &reply))
        return false;
    json_t *fresh = json_loadb(reply.body, reply.len, 0, NULL);
    free(reply.body);
    if (!json_is_object(fresh)) {
        json_decref(fresh);
        return raise_alarm(top, "what came is no JSON of allowd's", 0);
    }
    json_decref(*json);
    *json = fresh;
    return true;
}

static bool fetch_keys(struct top *top, const char *order, json_t **json)
{
    static const struct param params[] = {
        {"limit", OPTION_LIMIT},
        {"prefix", OPTION_PREFIX},
        {NULL, OPTION_COUNT_OF},
    };
    struct text text = text_begin_growing();
    size_t len;
    query_add(&text, "sort", order);
    query_add(&text, "count", "100");
    params_add(&text, top->job, params);
    char *query = text_take(&text, &len);
    bool is_there = query != NULL && fetch_json(top, "/keys", query, json);
    free(query);
    return is_there;
}

static bool fetch_sample(struct top *top)
{
    struct client_reply reply;
    struct sample fresh;
    if (!fetch(top, "/metrics", NULL, &reply))
        return false;
    bool is_read = sample_read(reply.body, clock_now_ns(&clock_system), &fresh);
    free(reply.body);
    if (!is_read) {
        sample_release(&fresh);
        return raise_alarm(top, "there is not enough memory", 0);
    }
    sample_release(&top->before);
    top->before = top->now;
    top->now = fresh;
    top->samples++;
    return true;
}

static void look(struct top *top)
{
    if (fetch_json(top, "/status", NULL, &top->status) && fetch_sample(top) &&
        fetch_keys(top, "denied", &top->denied) && fetch_keys(top, "remaining", &top->remaining))
        top->alarm[0] = '\0';
}

/* ---- showing ---- */

static void paint(const struct top *top)
{
    struct text text = text_begin_growing();
    size_t len;
    const struct sample *before = top->samples > 1 ? &top->before : &top->now;
    view_append(&text, &(struct view){
                           .charset = top->job->charset,
                           .server = client_server(top->job->client)->shown,
                           .rows = screen_rows(),
                           .is_paused = top->is_paused,
                           .keys = top->keys,
                           .alarm = top->alarm[0] != '\0' ? top->alarm : NULL,
                           .status = top->status,
                           .denied = top->denied,
                           .remaining = top->remaining,
                           .before = top->samples > 0 ? before : NULL,
                           .now = top->samples > 0 ? &top->now : NULL,
                       });
    char *lines = text_take(&text, &len);
    if (lines != NULL)
        screen_paint(lines, len);
    free(lines);
}

/* Does what a key says. false: it says to end. */
static bool obey(struct top *top, int key)
{
    switch (key) {
    case 'q':
    case 'Q':
        return false;
    case ' ':
        top->is_paused = !top->is_paused;
        break;
    case 's':
        top->keys = (top->keys + 1) % VIEW_KEYS_COUNT;
        break;
    default:
        break;
    }
    paint(top);
    return true;
}

/* Heeds keys until it is time to look again. */
static bool wait_and_obey(struct top *top, uint64_t until_ns)
{
    for (uint64_t now_ns; !is_over && (now_ns = clock_now_ns(&clock_system)) < until_ns;) {
        int key = screen_key(clock_ms_until(now_ns, until_ns));
        if (key != 0 && !obey(top, key))
            return false;
    }
    return !is_over;
}

static void show(struct top *top, uint64_t interval_ms)
{
    uint64_t due_ns;
    do {
        if (!top->is_paused)
            look(top);
        paint(top);
        due_ns = clock_now_ns(&clock_system) + interval_ms * 1000000;
    } while (wait_and_obey(top, due_ns));
}

static void release(struct top *top)
{
    json_decref(top->status);
    json_decref(top->denied);
    json_decref(top->remaining);
    sample_release(&top->before);
    sample_release(&top->now);
}

/* What is wrong from the start is said before the screen is there. */
static enum ctl_exit ask_first(const struct job *job)
{
    struct answer answer =
        answer_of(job, &(struct client_request){.method = "GET", .path = "/status"});
    enum ctl_exit exit = answer.exit;
    answer_release(&answer);
    return exit;
}

static enum ctl_exit run(const struct job *job)
{
    struct top top = {.job = job};
    uint64_t interval_ms = INTERVAL_MS;
    if (!duration_of_option(job->options, OPTION_INTERVAL, 100, 3600000, &interval_ms))
        return CTL_USAGE;
    enum ctl_exit exit = ask_first(job);
    if (exit != CTL_DONE)
        return exit;
    sigaction(SIGINT, &(struct sigaction){.sa_handler = end}, NULL);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = end}, NULL);
    if (!screen_begin()) {
        say("top needs a terminal; for scripts there are status and keys");
        return CTL_USAGE;
    }
    show(&top, interval_ms);
    screen_end();
    release(&top);
    return CTL_DONE;
}

const struct command command_top = {
    .name = "top",
    .arguments = "",
    .text = "a live screen: rates, limits, and the keys denied most and the emptiest",
    .options = OPTION_BIT(LIMIT) | OPTION_BIT(PREFIX) | OPTION_BIT(INTERVAL),
    .run = run,
};
