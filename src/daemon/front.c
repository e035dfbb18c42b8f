#include "daemon/front.h"

#include "base/thread.h"
#include "log/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_A_TURN = 64 };

static int earlier(int a_ms, int b_ms)
{
    return a_ms < 0 ? b_ms : b_ms < 0 || a_ms < b_ms ? a_ms : b_ms;
}

static int ms_until(uint64_t due_ns)
{
    return clock_ms_until(clock_now_ns(&clock_system), due_ns);
}

/* ---- accepting ---- */

static int watch(struct front *front, int descriptor, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = descriptor};
    return epoll_ctl(front->epoll, EPOLL_CTL_ADD, descriptor, &event);
}

/* Whether there is room for another connection, which the other front-ends see too. */
static bool look_for_room(struct front *front)
{
    bool has_room = http_has_room(front->http);
    if (has_room && !front->has_room)
        atomic_fetch_add(front->with_room, 1);
    else if (!has_room && front->has_room)
        atomic_fetch_sub(front->with_room, 1);
    front->has_room = has_room;
    return has_room;
}

/* Each new connection wakes all threads that wait for one, and whoever comes first takes it:
 * were it one alone (EPOLLEXCLUSIVE), it could be one that has just got full, and leaves it
 * to others who know of nothing. */
static int start_accepting(struct front *front)
{
    for (unsigned i = 0; i < front->listeners_count; i++)
        if (watch(front, front->listeners[i].socket, EPOLLIN) != 0 && errno != EEXIST)
            return errno;
    front->accepting = true;
    return 0;
}

/* Stops looking at the listeners; their backlogs hold what comes. */
static void pause_accepting(struct front *front, uint64_t resume_ns)
{
    for (unsigned i = 0; front->accepting && i < front->listeners_count; i++)
        epoll_ctl(front->epoll, EPOLL_CTL_DEL, front->listeners[i].socket, NULL);
    front->accepting = false;
    front->resume_ns = resume_ns;
}

static void resume_accepting(struct front *front)
{
    if (front->accepting || atomic_load(&front->draining) || !look_for_room(front) ||
        clock_now_ns(&clock_system) < front->resume_ns)
        return;
    start_accepting(front);
}

/* Errors of accept(2) that will not go away by trying again at once. */
static bool is_out_of_resources(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* No front-end has room: the client is told so. */
static void turn_away(struct front *front, int socket)
{
    uint64_t now_ns = clock_now_ns(&clock_system);
    if (now_ns >= front->full_told_ns) {
        front->full_told_ns = now_ns + FRONT_FULL_TOLD_MS * (uint64_t)NS_PER_MS;
        log_warning("no room for more than %u connections on this thread: others get 503",
                    front->connections_max);
    }
    http_turn_away(front->http, socket);
}

/* Accepts at most so many of what has come in on one listener. */
static void accept_from(struct front *front, const struct listener *listener, int most)
{
    for (int i = 0; i < most; i++) {
        struct sockaddr_storage peer;
        socklen_t peer_len = sizeof peer;
        bool has_room = look_for_room(front);
        if (!has_room && atomic_load(front->with_room) > 0 && !atomic_load(&front->draining)) {
            pause_accepting(front, 0); /* for the others to take it */
            return;
        }
        int socket = accept4(listener->socket, (struct sockaddr *)&peer, &peer_len,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            front->short_of_resources = false;
            if (has_room)
                http_add(front->http, socket, (struct sockaddr *)&peer, peer_len,
                         listener->is_admin);
            else
                turn_away(front, socket);
        } else if (is_out_of_resources(errno)) {
            if (!front->short_of_resources)
                log_warning("accept: %s; trying again every %d ms", strerror(errno),
                            FRONT_ACCEPT_PAUSE_MS);
            front->short_of_resources = true;
            pause_accepting(front, clock_now_ns(&clock_system) +
                                       FRONT_ACCEPT_PAUSE_MS * (uint64_t)NS_PER_MS);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return; /* nothing more has come in */
        }
    }
}

/* ---- one turn ---- */

/* The listener of a descriptor, or NULL. */
static const struct listener *find_listener(const struct front *front, int descriptor)
{
    for (unsigned i = 0; i < front->listeners_count; i++)
        if (front->listeners[i].socket == descriptor)
            return &front->listeners[i];
    return NULL;
}

static void heed(struct front *front, int descriptor)
{
    eventfd_t ignored;
    const struct listener *listener = find_listener(front, descriptor);
    if (listener != NULL)
        accept_from(front, listener, ACCEPTS_A_TURN);
    else if (descriptor == front->wake)
        eventfd_read(front->wake, &ignored);
    else
        http_heed(front->http,
                  descriptor); /* it knows its own: who watches an inbox sees to that */
}

static void wait_in_epoll(struct front *front, int timeout_ms)
{
    struct epoll_event events[16];
    int count = epoll_wait(front->epoll, events, sizeof events / sizeof events[0], timeout_ms);
    for (int i = 0; i < count; i++)
        heed(front, events[i].data.fd);
}

/* Waits with an eye on the inboxes that a letter may come to: its own while letters are away, and that
 * of a decider that it hosts. */
static void wait_and_accept(struct front *front, int timeout_ms)
{
    bool looks_home = http_letters_away(front->http) > 0, hosts = front->decider->is_hosted;
    if (!looks_home && !hosts) {
        wait_in_epoll(front, timeout_ms);
        return;
    }
    bool watches_home = looks_home && inbox_watch(&front->home);
    bool watches_decider = hosts && inbox_watch(&front->decider->inbox);
    bool has_letters = watches_home != looks_home || watches_decider != hosts;
    wait_in_epoll(front, has_letters ? 0 : timeout_ms);
    if (watches_home)
        inbox_unwatch(&front->home);
    if (watches_decider)
        inbox_unwatch(&front->decider->inbox);
}

static uint64_t waited_ns(const struct front *front)
{
    return clock_now_ns(&clock_system) - front->asked_ns;
}

/* Takes home what is there, or comes before a deadline. false: nothing has come. */
static bool take_home(struct front *front, uint64_t deadline_ns)
{
    struct letter *letters = inbox_take(&front->home, deadline_ns);
    if (letters == NULL)
        return false;
    if (http_take_home(front->http, letters, waited_ns(front)) && front->is_stalled) {
        front->is_stalled = false;
        log_info("decisions go on after %" PRIu64 " ms", waited_ns(front) / NS_PER_MS);
    }
    return true;
}

/* The answers are late: what needs none is served until they are there. */
static void begin_stall(struct front *front)
{
    front->is_stalled = true;
    http_stalled(front->http, front->asked_ns);
    log_warning("no decision for %d ms: the state thread is held up", FRONT_STALL_MS);
}

/* Posts what was collected, and waits until all of it is home that need not wait. */
static void exchange(struct front *front)
{
    struct chain chain = http_hand_over(front->http);
    front->asked_ns = http_now_ns(front->http);
    front->tell_ns = front->asked_ns + FRONT_TELL_MS * (uint64_t)NS_PER_MS;
    decider_post(front->decider, &chain);
    if (front->decider->is_hosted)
        decider_turn(front->decider);
    while (http_is_waited_for(front->http))
        if (!take_home(front, front->asked_ns + FRONT_STALL_MS * (uint64_t)NS_PER_MS)) {
            begin_stall(front);
            return;
        }
}

/* Whether what was counted has waited for a chain to go along with for long enough. */
static bool is_due_to_tell(const struct front *front)
{
    return http_has_counted(front->http) && http_now_ns(front->http) >= front->tell_ns;
}

/* A decider that is hosted has its turn with each chain; between chains, when it is due. */
static void look_after_decider(struct front *front)
{
    struct decider *decider = front->decider;
    if (decider->is_hosted && (inbox_is_filled(&decider->inbox) ||
                               decider_due_ns(decider) <= clock_now_ns(&clock_system)))
        decider_turn(decider);
}

/* Collect, exchange, reply. */
static void run_http(struct front *front)
{
    if (http_letters_away(front->http) > 0)
        take_home(front, 0);
    http_collect(front->http);
    if (front->is_stalled || (http_questions(front->http) == 0 && !is_due_to_tell(front))) {
        look_after_decider(front);
        return;
    }
    exchange(front);
    http_run(front->http);
}

/* When to look again though nothing comes in. */
static int timeout_ms(const struct front *front)
{
    int timeout_ms = http_timeout_ms(front->http);
    if (http_has_counted(front->http) && !front->is_stalled)
        timeout_ms = earlier(timeout_ms, FRONT_TELL_MS);
    uint64_t due_ns = front->decider->is_hosted ? decider_due_ns(front->decider) : BRAIN_NEVER;
    return due_ns == BRAIN_NEVER ? timeout_ms : earlier(timeout_ms, ms_until(due_ns));
}

static void serve(struct front *front)
{
    while (!atomic_load(&front->draining)) {
        int wait_ms = timeout_ms(front);
        if (!front->accepting && front->resume_ns != 0)
            wait_ms = earlier(wait_ms, ms_until(front->resume_ns));
        wait_and_accept(front, wait_ms);
        run_http(front);
        resume_accepting(front);
    }
}

/* Takes in what the kernel has already accepted, then has it accept no more; a
 * Unix socket still hands out what came in between. Not so with an inherited
 * socket: what waits there is for the next process. */
static void stop_accepting(struct front *front)
{
    for (unsigned i = 0; i < front->listeners_count; i++) {
        if (front->listeners[i].is_inherited)
            continue;
        accept_from(front, &front->listeners[i], INT_MAX);
        shutdown(front->listeners[i].socket, SHUT_RDWR);
        accept_from(front, &front->listeners[i], INT_MAX);
    }
    pause_accepting(front, 0);
}

/* The end: every reply says that it is the last on its connection, and after a
 * grace in which busy clients hear that, idle connections are closed. */
static void drain(struct front *front)
{
    stop_accepting(front);
    http_drain(front->http);

    uint64_t began_ns = clock_now_ns(&clock_system);
    uint64_t grace_ns = began_ns + FRONT_DRAIN_GRACE_MS * (uint64_t)NS_PER_MS;
    uint64_t deadline_ns = began_ns + FRONT_DRAIN_MS * (uint64_t)NS_PER_MS;
    bool in_grace = true;
    while (http_connections(front->http) > 0 && clock_now_ns(&clock_system) < deadline_ns) {
        if (in_grace && clock_now_ns(&clock_system) >= grace_ns) {
            in_grace = false;
            http_close_idle(front->http);
        }
        int timeout_ms =
            earlier(http_timeout_ms(front->http), ms_until(in_grace ? grace_ns : deadline_ns));
        wait_and_accept(front, timeout_ms);
        run_http(front);
    }
    if (http_connections(front->http) > 0)
        log_warning("requests unfinished at the deadline: %u; closing their connections",
                    http_connections(front->http));
}

/* Closes everything, and waits for the letters that are still away. */
static void bring_home(struct front *front)
{
    http_close(front->http);
    while (http_letters_away(front->http) > 0) {
        wait_and_accept(front,
                        front->decider->is_hosted ? ms_until(decider_due_ns(front->decider)) : -1);
        take_home(front, 0);
        look_after_decider(front);
    }
}

static void *run(void *argument)
{
    struct front *front = argument;
    thread_name("front");
    serve(front);
    drain(front);
    bring_home(front);
    http_free(front->http);
    eventfd_write(front->done, 1);
    if (front->decider->is_hosted)
        decider_run(front->decider); /* the main thread may still ask, and then stops it */
    return NULL;
}

/* ---- life ---- */

static int open_descriptors(struct front *front)
{
    front->epoll = epoll_create1(EPOLL_CLOEXEC);
    front->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (front->epoll < 0 || front->wake < 0 || watch(front, front->wake, EPOLLIN) != 0)
        return errno;
    int descriptors[HTTP_DESCRIPTORS];
    http_descriptors(front->http, descriptors);
    for (int i = 0; i < HTTP_DESCRIPTORS; i++)
        if (watch(front, descriptors[i], EPOLLIN) != 0)
            return errno;
    if (watch(front, front->home.event, EPOLLIN) != 0 ||
        (front->decider->is_hosted && watch(front, front->decider->inbox.event, EPOLLIN) != 0))
        return errno;
    return start_accepting(front);
}

static void close_descriptors(const struct front *front)
{
    if (front->epoll >= 0)
        close(front->epoll);
    if (front->wake >= 0)
        close(front->wake);
}

static bool has_admin(const struct listener *listeners, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (listeners[i].is_admin)
            return true;
    return false;
}

/* What can fail, in order; the rest is undone by whoever started it. */
static int start(struct front *front, const struct front_terms *terms)
{
    front->http = http_new(&(struct http_terms){
        .connections_max = terms->connections_max,
        .contract = terms->contract,
        .admin_apart = has_admin(terms->listeners, terms->listeners_count),
        .clock = &clock_system,
        .home = &front->home,
        .reloads = terms->reloads,
        .host_of = terms->decider->is_hosted ? terms->decider : NULL,
    });
    if (front->http == NULL)
        return errno != 0 ? errno : ENOMEM;
    int error = open_descriptors(front);
    return error != 0 ? error : thread_start(&front->thread, run, front);
}

int front_start(struct front *front, const struct front_terms *terms)
{
    *front = (struct front){
        .decider = terms->decider,
        .listeners = terms->listeners,
        .listeners_count = terms->listeners_count,
        .epoll = -1,
        .wake = -1,
        .connections_max = terms->connections_max,
        .with_room = terms->with_room,
        .has_room = true,
        .done = terms->done,
    };
    atomic_init(&front->draining, false);
    int error = inbox_init(&front->home, true);
    if (error != 0)
        return error;
    atomic_fetch_add(terms->with_room, 1);
    error = start(front, terms);
    if (error == 0)
        return 0;
    atomic_fetch_sub(terms->with_room, 1);
    if (front->http != NULL)
        http_free(front->http);
    close_descriptors(front);
    inbox_release(&front->home);
    return error;
}

void front_set_contract(struct front *front, struct contract *contract)
{
    http_set_contract(front->http, contract);
}

void front_drain(struct front *front)
{
    atomic_store(&front->draining, true);
    eventfd_write(front->wake, 1);
}

void front_join(struct front *front)
{
    pthread_join(front->thread, NULL);
    close_descriptors(front);
    inbox_release(&front->home);
}
