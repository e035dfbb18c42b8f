#include "http/wire/http.h"

#include "http/dialects/table.h"
#include "http/routes/table.h"
#include "http/wire/parts.h"
#include "log/log.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static_assert(MHD_VERSION >= 0x00097500, "what calls.c stands on is proven against 0.9.75");

enum { COLLECT_PASSES = 8 /* before a chain goes */ };

/* Keeps libmicrohttpd from decoding targets: request.c does that, strictly. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

/*
 * Whether libmicrohttpd is 1.0 or later. It is asked when it runs: both are libmicrohttpd.so.12, so
 * a binary that was built on Debian 12, with 0.9.75, also runs on Debian 13, with 1.0.
 */
static bool is_from_1_0(void)
{
    return strncmp(MHD_get_version(), "0.", 2) != 0;
}

/*
 * The flags and the strictness that go with the version.
 *
 * Unless 1.0 is told that there is one thread only, it takes over an added connection in its next
 * run: see http_add. 0.9.75 does so at once, if it has no thread of its own.
 *
 * Unless 1.0 is strict, it joins folded lines, redirects a target with a blank in it, and takes a
 * tab for a blank; the gate never sees that. 0.9.75 leaves all of this to the gate. If it is
 * strict, it folds as before, and leaves some requests without an answer that the gate answers.
 */
enum {
    STRICT_FROM_1_0 = 1, /* MHD_OPTION_STRICT_FOR_CLIENT */
    STRICT_BEFORE = 0,
    NO_THREAD_SAFETY = 1 << 19, /* MHD_USE_NO_THREAD_SAFETY, which 0.9.75's header does not have */
};
#if MHD_VERSION >= 0x01000000
static_assert(NO_THREAD_SAFETY == (int)MHD_USE_NO_THREAD_SAFETY,
              "the flag's value is the header's");
#endif

static struct MHD_Daemon *start_daemon(struct http *http)
{
    bool from_1_0 = is_from_1_0();
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
                     (from_1_0 ? NO_THREAD_SAFETY : 0);
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, http, MHD_OPTION_CONNECTION_LIMIT, http->connections_max,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)http->idle_timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)http->header_room + HTTP_REPLY_HEADER_MAX,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, http, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped,
        NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, http, MHD_OPTION_STRICT_FOR_CLIENT,
        from_1_0 ? STRICT_FROM_1_0 : STRICT_BEFORE, MHD_OPTION_END);
}

/* false and errno: a part could not be made; http_free frees the others. */
static bool make_parts(struct http *http)
{
    http->clients = calloc(http->connections_max, sizeof http->clients[0]);
    http->exchanges = calloc(http->connections_max, sizeof http->exchanges[0]);
    if (http->clients == NULL || http->exchanges == NULL)
        return false;
    http->hangups = epoll_create1(EPOLL_CLOEXEC);
    if (http->hangups < 0 || !leaving_init(&http->leaving) || !http_terse_init(&http->terse) ||
        !deadlines_init(&http->deadlines, http->connections_max))
        return false;
    http->daemon = start_daemon(http);
    return http->daemon != NULL;
}

struct http *http_new(const struct http_terms *terms)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return NULL;
    http->clock = terms->clock;
    http->connections_max = terms->connections_max;
    atomic_init(&http->share, terms->share);
    http->idle_timeout_s = (uint32_t)((terms->idle_timeout_ms + MS_PER_S - 1) / MS_PER_S);
    http->header_room = terms->header_room;
    http->contract = contract_retain(terms->contract);
    http->serving = (struct serving){
        .routes = &route_table,
        .dialect = dialect_table[terms->contract->headers],
        .retry_after_ms = terms->contract->retry_after_ms,
        .log_lines_lost = log_lines_lost,
        .fleet = terms->fleet,
    };
    http->admin_apart = terms->admin_apart;
    atomic_init(&http->own_flows.open, 0);
    atomic_init(&http->own_flows.max, http_flows_max(terms->connections_max));
    http->flows = terms->flows != NULL ? terms->flows : &http->own_flows;
    http->home = terms->home;
    http->decider = terms->decider;
    http->reloads = terms->reloads;
    http->host_of = terms->host_of;
    http->woke = terms->woke;
    http->woke_context = terms->woke_context;
    http->report.kind = MESSAGE_TALLY;
    for (int i = 0; i < 2; i++)
        http->tallies[i].front.place = terms->place;
    http->tally = &http->tallies[0];
    http->tally->front.is_news = true;
    turns_init(&http->turns);
    atomic_init(&http->next_contract, NULL);
    http->check_places = !is_from_1_0();
    http->hangups = http->leaving.epoll = -1;
    if (make_parts(http))
        return http;
    int why = errno;
    http_free(http);
    errno = why;
    return NULL;
}

void http_close(struct http *http)
{
    if (http->daemon == NULL)
        return;
    for (unsigned i = 0; i < http->clients_used; i++)
        client_resume(&http->clients[i]);
    MHD_stop_daemon(http->daemon);
    http->daemon = NULL;
    post_goodbyes(http);
}

void http_free(struct http *http)
{
    http_close(http);
    assert(http_letters_away(http) == 0);
    for (unsigned i = 0; i < http->exchanges_used; i++)
        http_response_release(&http->exchanges[i].response);
    http_terse_release(&http->terse);
    leaving_release(&http->leaving);
    deadlines_release(&http->deadlines);
    if (http->hangups >= 0)
        close(http->hangups);
    message_hold(&http->report, NULL);
    contract_release(http->contract);
    contract_release(atomic_load(&http->next_contract));
    free(http->clients);
    free(http->exchanges);
    free(http);
}

void http_set_contract(struct http *http, struct contract *contract)
{
    contract_release(atomic_exchange(&http->next_contract, contract_retain(contract)));
}

void http_leave(struct http *http)
{
    http->serving.leaving = true;
}

void http_drain(struct http *http)
{
    http->serving.draining = true;
}

/* The set in which libmicrohttpd waits. */
static int own_set(const struct http *http)
{
    return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void http_descriptors(const struct http *http, int descriptors[HTTP_DESCRIPTORS])
{
    descriptors[HTTP_WAKES] = own_set(http);
    descriptors[1] = http->hangups;
    descriptors[2] = http->leaving.epoll;
}

uint64_t http_now_ns(const struct http *http)
{
    return http->now_ns;
}

/* Goes by the time of the last pass, so what is due may be late by the length of a pass. */
int http_timeout_ms(const struct http *http)
{
    unsigned long long mhd_ms = INT_MAX;
    if (http->asked_ns == 0 && (http->turns.first != NULL || http->some_have_turn))
        return 0;
    if (http->some_end)
        return 0;
    bool has_timeout = MHD_get_timeout(http->daemon, &mhd_ms) == MHD_YES;
    int timeout_ms = !has_timeout ? -1 : mhd_ms < INT_MAX ? (int)mhd_ms : INT_MAX;
    if (timeout_ms == 0 && vain_waits(&http->vain))
        timeout_ms = VAIN_WAIT_MS;
    uint64_t due_ns = leaving_deadline_ns(&http->leaving);
    if (http->connections > 0 && http->deadlines.look_ns < due_ns)
        due_ns = http->deadlines.look_ns;
    if (due_ns == CLOCK_NEVER || timeout_ms == 0)
        return timeout_ms;
    int due_ms = clock_ms_until(http->now_ns, due_ns);
    return has_timeout && timeout_ms < due_ms ? timeout_ms : due_ms;
}

/* The crowd grows at once but shrinks by an eighth a pass: some passes only write replies. */
static void look_at_crowd(struct http *http)
{
    http->crowd -= (http->crowd + 7) / 8;
    if (http->asked_now > http->crowd)
        http->crowd = http->asked_now;
    http->asked_now = 0;
}

/* Whether a socket has become readable or writable, within so long. */
static bool has_events(const struct http *http, int timeout_ms)
{
    return poll(&(struct pollfd){.fd = own_set(http), .events = POLLIN}, 1, timeout_ms) > 0;
}

/* Whoever has left just now must not be given a lease. */
static void look_for_leavers(struct http *http)
{
    http->some_have_waited = false;
    http_heed(http, http->hangups);
}

static void begin_pass(struct http *http)
{
    if (http->host_of != NULL)
        look_at_crowd(http);
    if (http->now_ns >= http->deadlines.look_ns)
        deadlines_look(&http->deadlines, http->now_ns, end_overdue, http);
    http->some_end = false;
    if (http->some_have_waited)
        look_for_leavers(http);
    vain_begin_pass(&http->vain, vain_waits(&http->vain) && has_events(http, 0));
}

static void end_pass(struct http *http)
{
    vain_end_pass(&http->vain);
    post_goodbyes(http);
    if (http->leaving.count > 0)
        leaving_run(&http->leaving, http->now_ns);
}

static void pass(struct http *http)
{
    tell_time(http);
    begin_pass(http);
    MHD_run(http->daemon);
    end_pass(http);
}

static void begin_turn(struct http *http)
{
    if (http->asked_ns == 0 && (http->some_have_turn || http->turns.first != NULL))
        give_turns(http);
    http->questions_before = http->questions_count;
}

void http_run(struct http *http)
{
    begin_turn(http);
    pass(http);
}

/* ---- waiting ---- */

/*
 * libmicrohttpd takes an event without data for a signal to end its wait, and does nothing else about it, 0.9.75 and
 * 1.0.1 alike. If another version did otherwise, nothing would be accepted, as test_front.c and all others would notice.
 */
int http_watch(struct http *http, int descriptor)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    return epoll_ctl(own_set(http), EPOLL_CTL_ADD, descriptor, &event) == 0 ? 0 : errno;
}

/* What is due is seen by the time of the last pass, as in http_timeout_ms; so it is seen in the turn behind
 * the wait for it. */
bool http_wait(struct http *http, int timeout_ms)
{
    begin_turn(http);
    if (timeout_ms != 0 && vain_waits(&http->vain)) { /* where libmicrohttpd would not wait */
        has_events(http, timeout_ms);
        timeout_ms = 0;
    }
    begin_pass(http);
    http->is_waiting = true;
    MHD_run_wait(http->daemon, timeout_ms);
    bool has_served = !http->is_waiting;
    if (!has_served)
        come_back(http);
    end_pass(http);
    return has_served;
}

/* A chain costs the same for many letters as for one, so requests that came in while others were
 * read go along with them, unless every connection's request is in already. Those whose letters are
 * away have none to send. */
void http_collect(struct http *http)
{
    http_run(http);
    http_collect_more(http);
}

void http_collect_more(struct http *http)
{
    unsigned before = http->questions_before;
    for (int passes = 1; passes < COLLECT_PASSES && http->questions_count > before &&
                         http->questions_count + http->away < http->connections;
         passes++) {
        before = http->questions_count;
        pass(http);
    }
}
