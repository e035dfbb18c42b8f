#include "daemon/front.h"

#include "base/thread.h"
#include "log/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static uint64_t now_ns(const struct front *front)
{
    return clock_now_ns(front->clock);
}

static uint64_t after_ms(uint64_t since_ns, unsigned ms)
{
    return since_ns + ms * (uint64_t)NS_PER_MS;
}

/* ---- waiting ---- */

/* Stands for descriptors that only have to end the wait: those of the inboxes. */
enum { WAKES = -1 };

enum { UNLOOKED_MAX = 4 };

static void heed(struct front *front, int descriptor)
{
    eventfd_t ignored;
    if (descriptor == front->wake) {
        eventfd_read(front->wake, &ignored);
        acceptor_listen_again(&front->acceptor);
    } else if (front->resp != NULL && descriptor == resp_descriptor(front->resp)) {
        resp_heed(front->resp);
        return;
    } else if (!acceptor_heed(&front->acceptor, descriptor)) {
        http_heed(front->http, descriptor);
    }
    front->has_heeded = true;
}

static void wait_in_epoll(struct front *front, int timeout_ms)
{
    struct epoll_event events[16];
    int count = epoll_wait(front->epoll, events, sizeof events / sizeof events[0], timeout_ms);
    for (int i = 0; i < count; i++)
        if (events[i].data.fd != WAKES)
            heed(front, events[i].data.fd);
}

/* How many are away, and how many connections are open, of HTTP and RESP together. */
static unsigned letters_away(const struct front *front)
{
    return http_letters_away(front->http) +
           (front->resp != NULL ? resp_letters_away(front->resp) : 0);
}

static unsigned connections(const struct front *front)
{
    return http_connections(front->http) +
           (front->resp != NULL ? resp_connections(front->resp) : 0);
}

/* Watches the inboxes that a letter may come to: its own while letters are away, and that of a decider
 * that it hosts. false: there are letters already. */
static bool watch_inboxes(struct front *front)
{
    bool looks_home = letters_away(front) > 0, hosts = front->decider->is_hosted;
    front->watches_home = looks_home && inbox_watch(&front->home);
    front->watches_decider = hosts && inbox_watch(&front->decider->inbox);
    return front->watches_home == looks_home && front->watches_decider == hosts;
}

/* It waits no more. */
static void unwatch_inboxes(void *context)
{
    struct front *front = context;
    if (front->watches_home)
        inbox_unwatch(&front->home);
    if (front->watches_decider)
        inbox_unwatch(&front->decider->inbox);
    front->watches_home = front->watches_decider = false;
}

/* Whether to look at what it waits for beside clients of HTTP. If one was served, most likely there is
 * nothing, so that is looked at in every few turns only; but clients of RESP wait no longer than those. */
static bool is_look_due(struct front *front, bool has_served)
{
    unsigned turns = front->resp != NULL && resp_connections(front->resp) > 0 ? 1 : UNLOOKED_MAX;
    return !has_served || ++front->unlooked >= turns;
}

static void wait_and_accept(struct front *front, int timeout_ms)
{
    if (!watch_inboxes(front))
        timeout_ms = 0;
    if (front->phase == FRONT_CLOSED) {
        wait_in_epoll(front, timeout_ms);
        unwatch_inboxes(front);
        return;
    }
    front->has_heeded = false;
    if (!is_look_due(front, http_wait(front->http, timeout_ms)))
        return;
    wait_in_epoll(front, 0);
    front->unlooked = 0;
}

/* ---- letters ---- */

static uint64_t waited_ns(const struct front *front)
{
    return now_ns(front) - front->asked_ns;
}

/* Takes letters home; if there are none, waits for one until the deadline. false: none came. */
static bool take_home(struct front *front, uint64_t deadline_ns)
{
    struct letter *letters = inbox_take(&front->home, deadline_ns);
    if (letters == NULL)
        return false;
    if (front->resp != NULL)
        letters = resp_take_home(front->resp, letters);
    if (http_take_home(front->http, letters, waited_ns(front)) && front->is_stalled) {
        front->is_stalled = false;
        log_info("decisions go on after %" PRIu64 " ms", waited_ns(front) / NS_PER_MS);
    }
    return true;
}

/* The report is late. Until it is home, only requests that need no answer are served. */
static void begin_stall(struct front *front)
{
    front->is_stalled = true;
    http_stalled(front->http, front->asked_ns);
    log_warning("the state thread has not answered for %d ms; requests are waiting",
                FRONT_STALL_MS);
}

static void measure(struct front *front)
{
    uint64_t at_ns = http_now_ns(front->http), busy_ns = thread_busy_ns();
    http_tell_busy(front->http, busy_ns - front->busy_ns, at_ns - front->measured_ns);
    front->busy_ns = busy_ns;
    front->measured_ns = at_ns;
}

/* Posts the chain, and waits until every letter is home that need not wait. */
static void ask_decider(struct front *front)
{
    if (http_now_ns(front->http) >= after_ms(front->measured_ns, FRONT_MEASURE_MS))
        measure(front);
    struct chain chain = http_hand_over(front->http);
    if (front->resp != NULL)
        resp_hand_over(front->resp, &chain);
    front->asked_ns = http_now_ns(front->http);
    front->tell_ns = after_ms(front->asked_ns, FRONT_TELL_MS);
    decider_post(front->decider, &chain);
    if (front->decider->is_hosted)
        decider_turn(front->decider);
    do
        if (!take_home(front, after_ms(front->asked_ns, FRONT_STALL_MS))) {
            begin_stall(front);
            return;
        }
    while (http_is_waited_for(front->http));
}

/* Whether it goes, and has nothing to do any more but tell. */
static bool is_gone(const struct front *front)
{
    return front->phase == FRONT_GOING && connections(front) == 0;
}

/* Whether what was counted has waited for a chain for long enough. */
static bool is_due_to_tell(const struct front *front)
{
    return http_has_counted(front->http) &&
           (http_now_ns(front->http) >= front->tell_ns || is_gone(front));
}

/* A hosted decider has a turn with each chain. Between chains it has one if it is due. */
static void look_after_decider(struct front *front)
{
    struct decider *decider = front->decider;
    if (decider->is_hosted &&
        (inbox_is_filled(&decider->inbox) || decider_timeout_ms(decider) == 0))
        decider_turn(decider);
}

/* letters_came: clients may have been resumed since the wait ended, which has run HTTP once. */
static void collect(struct front *front, bool letters_came)
{
    if (letters_came || front->has_heeded)
        http_collect(front->http);
    else
        http_collect_more(front->http);
    if (front->resp != NULL)
        resp_collect(front->resp);
}

/* Whether an answer may come home that is for HTTP. */
static bool awaits_http(const struct front *front)
{
    return http_questions(front->http) > 0 || http_letters_away(front->http) > 0;
}

static bool has_questions(const struct front *front)
{
    return http_questions(front->http) > 0 ||
           (front->resp != NULL && resp_questions(front->resp) > 0);
}

/* Collects requests, asks the decider, replies. */
static void serve(struct front *front)
{
    bool letters_came = letters_away(front) > 0 && take_home(front, 0);
    collect(front, letters_came);
    if (front->is_stalled || (!has_questions(front) && !is_due_to_tell(front))) {
        look_after_decider(front);
    } else {
        bool is_about_http = awaits_http(front);
        ask_decider(front);
        if (is_about_http)
            http_run(front->http);
    }
    if (front->resp != NULL)
        resp_run(front->resp);
}

/* ---- the phases of its life ---- */

/* Nobody else ends, so idle clients are left alone until they have had another answer. */
static void begin_going(struct front *front)
{
    acceptor_leave(&front->acceptor);
    http_drain(front->http);
    if (front->resp != NULL)
        resp_drain(front->resp);
    http_end_flows(front->http);
    http_tell_going(front->http);
    front->phase = FRONT_GOING;
}

static void close_all(struct front *front)
{
    http_close(front->http);
    if (front->resp != NULL)
        resp_close(front->resp);
    front->phase = FRONT_CLOSED;
}

/* What it has counted must be told before it ends: its connections have been counted as open. */
static void go(struct front *front)
{
    if (!is_gone(front) || http_has_counted(front->http) || letters_away(front) > 0)
        return;
    if (!front->has_told_last) {
        http_tell_last(front->http);
        front->has_told_last = true;
        return;
    }
    close_all(front);
}

/* From now on every reply says that it is the last on its connection, and nobody waits for tokens.
 * One that goes in a reload keeps those who do until they are answered. */
static void begin_drain(struct front *front)
{
    acceptor_end(&front->acceptor);
    http_drain(front->http);
    http_end_waits(front->http);
    http_end_flows(front->http);
    if (front->resp != NULL) {
        resp_drain(front->resp);
        resp_end_waits(front->resp);
    }
    front->drain_ns = now_ns(front);
    front->phase = FRONT_IN_GRACE;
}

/* Busy clients have heard that by now, so idle connections are closed. */
static void end_grace(struct front *front)
{
    http_close_idle(front->http);
    if (front->resp != NULL)
        resp_close_idle(front->resp);
    front->phase = FRONT_DRAINING;
}

static void end_drain(struct front *front)
{
    unsigned unfinished = connections(front);
    if (unfinished > 0)
        log_warning("requests unfinished at the deadline: %u; closing their connections",
                    unfinished);
    close_all(front);
}

static void drain(struct front *front)
{
    if (connections(front) == 0 || now_ns(front) >= after_ms(front->drain_ns, FRONT_DRAIN_MS))
        end_drain(front);
    else if (front->phase == FRONT_IN_GRACE &&
             now_ns(front) >= after_ms(front->drain_ns, FRONT_DRAIN_GRACE_MS))
        end_grace(front);
}

static void heed_wish(struct front *front)
{
    int wish = atomic_load(&front->wish);
    if (wish == FRONT_SERVE)
        return;
    http_leave(front->http);
    if (wish == FRONT_DRAIN)
        begin_drain(front);
}

static void move_on(struct front *front)
{
    if (front->phase == FRONT_SERVING) {
        acceptor_look_again(&front->acceptor);
        if (atomic_load(&front->goes))
            begin_going(front);
    }
    if (front->phase == FRONT_SERVING || front->phase == FRONT_GOING)
        heed_wish(front);
    if (front->phase == FRONT_GOING)
        go(front);
    if (front->phase == FRONT_IN_GRACE || front->phase == FRONT_DRAINING)
        drain(front);
    if (front->phase == FRONT_CLOSED && letters_away(front) == 0)
        front->phase = FRONT_ENDED; /* the engine stays: who has not joined it may still call it */
}

/* ---- one turn ---- */

/* All connections are closed; waits for the letters that are still away. */
static void await_letters(struct front *front)
{
    take_home(front, 0);
    look_after_decider(front);
}

void front_turn(struct front *front, int timeout_ms)
{
    wait_and_accept(front, timeout_ms);
    if (front->phase == FRONT_CLOSED)
        await_letters(front);
    else
        serve(front);
    move_on(front);
}

int front_descriptor(const struct front *front)
{
    int descriptors[HTTP_DESCRIPTORS];
    http_descriptors(front->http, descriptors);
    return descriptors[HTTP_WAKES];
}

/* When its phase has something to do. */
static uint64_t phase_due_ns(const struct front *front)
{
    switch (front->phase) {
    case FRONT_IN_GRACE:
        return after_ms(front->drain_ns, FRONT_DRAIN_GRACE_MS);
    case FRONT_DRAINING:
        return after_ms(front->drain_ns, FRONT_DRAIN_MS);
    case FRONT_SERVING:
        return acceptor_due_ns(&front->acceptor);
    case FRONT_GOING:
    case FRONT_CLOSED:
    case FRONT_ENDED:
        break;
    }
    return CLOCK_NEVER;
}
static_assert(FRONT_DRAIN_GRACE_MS < FRONT_DRAIN_MS, "the grace ends first");

/* The sooner of two timeouts, of which -1 is never. */
static int sooner(int a_ms, int b_ms)
{
    return (unsigned)a_ms < (unsigned)b_ms ? a_ms : b_ms;
}

/* Looks at a clock only if something will be due. The decider has one of its own. */
static int ms_until_due(const struct front *front)
{
    uint64_t due_ns = phase_due_ns(front);
    int timeout_ms = due_ns == CLOCK_NEVER ? -1 : clock_ms_until(now_ns(front), due_ns);
    return front->decider->is_hosted ? sooner(timeout_ms, decider_timeout_ms(front->decider))
                                     : timeout_ms;
}

int front_timeout_ms(const struct front *front)
{
    int timeout_ms = ms_until_due(front);
    if (front->phase == FRONT_CLOSED)
        return timeout_ms;
    if (http_has_counted(front->http) && !front->is_stalled)
        timeout_ms = sooner(timeout_ms, is_gone(front) ? 0 : FRONT_TELL_MS);
    if (front->resp != NULL)
        timeout_ms = sooner(timeout_ms, resp_timeout_ms(front->resp, front->is_stalled));
    return sooner(timeout_ms, http_timeout_ms(front->http));
}

static void *run(void *argument)
{
    struct front *front = argument;
    thread_name("front");
    while (front->phase != FRONT_ENDED)
        front_turn(front, front_timeout_ms(front));
    atomic_store(&front->has_ended, true);
    eventfd_write(front->done, 1);
    if (front->decider->is_hosted)
        decider_run(front->decider); /* the main thread may still ask; then it stops it */
    return NULL;
}

/* ---- life ---- */

/* told: what epoll_wait returns for the descriptor. */
static int watch(const struct front *front, int descriptor, int told)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = told};
    return epoll_ctl(front->epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 ? 0 : errno;
}

static int watch_all(const struct front *front)
{
    int descriptors[HTTP_DESCRIPTORS];
    http_descriptors(front->http, descriptors);
    int error = watch(front, front->wake, front->wake);
    for (int i = 0; error == 0 && i < HTTP_DESCRIPTORS; i++)
        if (i != HTTP_WAKES)
            error = watch(front, descriptors[i], descriptors[i]);
    if (error == 0)
        error = watch(front, front->home.event, WAKES);
    if (error == 0 && front->decider->is_hosted)
        error = watch(front, front->decider->inbox.event, WAKES);
    if (error == 0 && front->resp != NULL)
        error = watch(front, resp_descriptor(front->resp), resp_descriptor(front->resp));
    return error == 0 ? http_watch(front->http, front->epoll) : error;
}

static bool has_admin(const struct listener *listeners, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (listeners[i].is_admin)
            return true;
    return false;
}

static bool has_resp(const struct front_terms *terms)
{
    for (unsigned i = 0; i < terms->listeners_count; i++)
        if (terms->listeners[i].is_resp)
            return true;
    return false;
}

static struct resp *open_resp(struct front *front, const struct front_terms *terms)
{
    return resp_new(&(struct resp_terms){
        .connections_max = terms->connections_max,
        .idle_timeout_ms = terms->idle_timeout_ms,
        .place = terms->place,
        .admin_apart = has_admin(terms->listeners, terms->listeners_count),
        .contract = terms->contract,
        .clock = terms->clock,
        .home = &front->home,
        .decider = &terms->decider->inbox,
        .tally = http_tally(front->http),
    });
}

/* Opens all that can fail. If it does, front_close closes what is open. */
static int open_parts(struct front *front, const struct front_terms *terms)
{
    front->http = http_new(&(struct http_terms){
        .connections_max = terms->connections_max,
        .share = terms->share,
        .place = terms->place,
        .idle_timeout_ms = terms->idle_timeout_ms,
        .header_room = terms->header_room,
        .contract = terms->contract,
        .flows = terms->flows,
        .admin_apart = has_admin(terms->listeners, terms->listeners_count),
        .clock = terms->clock,
        .home = &front->home,
        .decider = &terms->decider->inbox,
        .reloads = terms->reloads,
        .fleet = terms->fleet,
        .host_of = terms->decider->is_hosted ? terms->decider : NULL,
        .woke = unwatch_inboxes,
        .woke_context = front,
    });
    if (front->http == NULL)
        return errno != 0 ? errno : ENOMEM;
    front->resp = has_resp(terms) ? open_resp(front, terms) : NULL;
    if (front->resp == NULL && has_resp(terms))
        return errno != 0 ? errno : ENOMEM;
    front->epoll = epoll_create1(EPOLL_CLOEXEC);
    front->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (front->epoll < 0 || front->wake < 0)
        return errno;
    int error = watch_all(front);
    if (error != 0)
        return error;
    front->acceptor.http = front->http;
    front->acceptor.resp = front->resp;
    front->acceptor.epoll = front->epoll;
    return acceptor_open(&front->acceptor);
}

int front_open(struct front *front, const struct front_terms *terms)
{
    *front = (struct front){
        .decider = terms->decider,
        .clock = terms->clock,
        .acceptor = {.clock = terms->clock,
                     .listeners = terms->listeners,
                     .listeners_count = terms->listeners_count,
                     .with_room = terms->with_room},
        .measured_ns = clock_now_ns(terms->clock),
        .epoll = -1,
        .wake = -1,
        .done = terms->done,
    };
    atomic_init(&front->wish, FRONT_SERVE);
    atomic_init(&front->goes, false);
    atomic_init(&front->has_ended, false);
    int error = inbox_init(&front->home, true);
    if (error != 0)
        return error;
    error = open_parts(front, terms);
    if (error != 0)
        front_close(front);
    return error;
}

void front_close(struct front *front)
{
    acceptor_release(&front->acceptor);
    if (front->resp != NULL)
        resp_free(front->resp); /* before what it counts in */
    if (front->http != NULL)
        http_free(front->http);
    if (front->epoll >= 0)
        close(front->epoll);
    if (front->wake >= 0)
        close(front->wake);
    inbox_release(&front->home);
}

int front_start(struct front *front, const struct front_terms *terms)
{
    int error = front_open(front, terms);
    if (error != 0)
        return error;
    error = thread_start(&front->thread, run, front);
    if (error != 0)
        front_close(front);
    return error;
}

void front_join(struct front *front)
{
    pthread_join(front->thread, NULL);
    front_close(front);
}

void front_set_contract(struct front *front, struct contract *contract)
{
    http_set_contract(front->http, contract);
    if (front->resp != NULL)
        resp_set_contract(front->resp, contract);
}

bool front_has_ended(const struct front *front)
{
    return atomic_load(&front->has_ended);
}

/* A larger share may be room for who waits in a backlog, so it is woken. */
void front_set_share(struct front *front, unsigned connections)
{
    http_set_share(front->http, connections);
    eventfd_write(front->wake, 1);
}

void front_go(struct front *front)
{
    atomic_store(&front->goes, true);
    eventfd_write(front->wake, 1);
}

static void set_wish(struct front *front, enum front_wish wished)
{
    atomic_store(&front->wish, (int)wished);
    eventfd_write(front->wake, 1);
}

void front_listen_again(struct front *front)
{
    eventfd_write(front->wake, 1);
}

void front_leave(struct front *front)
{
    set_wish(front, FRONT_LEAVE);
}

void front_drain(struct front *front)
{
    set_wish(front, FRONT_DRAIN);
}
