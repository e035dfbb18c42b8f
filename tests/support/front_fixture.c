#include "support/front_fixture.h"

#include "http/batch.h"
#include "http/json_memory.h"
#include "support/plain_limit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SPINNING_TURNS = 1000, DATE_S = FIXTURE_START_DATE_S };

#define TICK_MS 10000

static const struct rate one_a_day = {1, 86400000};

/* ---- time ---- */

static struct stage *current; /* whose front-end waits */

static uint64_t stage_now_ns(void *context)
{
    const struct stage *stage = context;
    return stage->brain.now_ns;
}

static int64_t stage_date_s(void *context)
{
    (void)context;
    return DATE_S;
}

static uint64_t stage_wall_ns(void *context)
{
    const struct stage *stage = context;
    return DATE_S * (uint64_t)NS_PER_S + stage->brain.now_ns - FIXTURE_START_NS;
}

uint64_t stage_now_ms(const struct stage *stage)
{
    return (stage->brain.now_ns - FIXTURE_START_NS) / NS_PER_MS;
}

/* Whether the test is to take letters out, as a thread of its own would at once. */
static bool is_asked(const struct stage *stage)
{
    return stage->who == STAGE_TEST && inbox_is_filled(&stage->decider.inbox);
}

static bool is_busy(const struct stage *stage)
{
    if (stage->front.phase == FRONT_ENDED)
        return false;
    bool is_closed = stage->front.phase == FRONT_CLOSED;
    struct pollfd epoll = {.fd = is_closed ? stage->front.epoll : front_descriptor(&stage->front),
                           .events = POLLIN};
    return poll(&epoll, 1, 0) > 0 || is_asked(stage) || inbox_is_filled(&stage->front.home) ||
           (stage->decider.is_hosted && inbox_is_filled(&stage->decider.inbox)) ||
           front_timeout_ms(&stage->front) == 0;
}

static void decide(struct stage *stage);

/* Without a thread that waits for it, the test keeps in mind when the next turn is due. */
static void turn(struct stage *stage)
{
    front_turn(&stage->front, 0);
    stage->turns++;
    int timeout_ms = stage->front.phase == FRONT_ENDED ? -1 : front_timeout_ms(&stage->front);
    stage->due_ns =
        timeout_ms < 0 ? CLOCK_NEVER : stage->brain.now_ns + (uint64_t)timeout_ms * NS_PER_MS;
}

void stage_settle(struct stage *stage)
{
    for (unsigned turns = 0; is_busy(stage); turns++) {
        assert_true(turns < SPINNING_TURNS);
        if (is_asked(stage))
            decide(stage);
        turn(stage);
    }
}

void stage_pass_ms(struct stage *stage, uint64_t ms)
{
    uint64_t end_ns = stage->brain.now_ns + ms * NS_PER_MS;
    for (stage_settle(stage); stage->due_ns <= end_ns; stage_settle(stage)) {
        stage->brain.now_ns = stage->due_ns;
        turn(stage);
    }
    stage->brain.now_ns = end_ns;
    stage_settle(stage);
}

/* ---- deciding ---- */

static void answer_and_send(struct stage *stage, struct letter *letter)
{
    struct chain answered = {0};
    letter->next = NULL;
    brain_answer(stage->brain.brain, letter, &answered);
    assert_ptr_equal(answered.newest, letter);
    inbox_post(letter->home, &answered);
}

static void park(struct stage *stage, struct letter *letter)
{
    assert_true(stage->parked_count < STAGE_PARKED_MAX);
    stage->parked[stage->parked_count++] = letter;
}

static void unpark(struct stage *stage, unsigned at)
{
    stage->parked[at] = stage->parked[--stage->parked_count];
}

/* As the brain does: first the letter that waits, if it does, and then this one. */
static void take_out(struct stage *stage, struct letter *letter)
{
    struct message *waits = message_of(letter)->ask.leaves;
    stage->leaves++;
    for (unsigned i = 0; i < stage->parked_count; i++)
        if (message_of(stage->parked[i]) == waits) {
            waits->answer.bucket.result = BUCKET_LEFT;
            unpark(stage, i);
            inbox_post_one(waits->letter.home, &waits->letter);
            break;
        }
    if (stage->keeps_leaves)
        park(stage, letter);
    else
        inbox_post_one(letter->home, letter);
}

static void release_lease(struct stage *stage, struct letter *letter)
{
    stage->releases++;
    stage->released = message_of(letter);
    inbox_post_one(letter->home, letter);
}

static void decide_one(struct stage *stage, struct letter *letter)
{
    enum message_kind kind = message_of(letter)->kind;
    if (kind == MESSAGE_LEAVE) {
        take_out(stage, letter);
    } else if (kind == MESSAGE_RELEASE) {
        release_lease(stage, letter);
    } else if (kind == MESSAGE_TALLY && stage->keeps_report) {
        assert_null(stage->report);
        stage->report = letter;
    } else if (stage->parks && kind == stage->parks_kind) {
        park(stage, letter);
    } else {
        answer_and_send(stage, letter);
    }
}

static void decide(struct stage *stage)
{
    stage->brain.now_ns += stage->answers_after_ms * (uint64_t)NS_PER_MS;
    brain_tick(stage->brain.brain, stage->brain.now_ns);
    for (struct letter *letter = letters_oldest_first(inbox_take(&stage->decider.inbox, 0)), *next;
         letter != NULL; letter = next) {
        next = letter->next;
        decide_one(stage, letter);
    }
}

/* Stands before the real one: nobody else runs while the front-end waits. */
struct letter *__real_inbox_take(struct inbox *inbox, uint64_t deadline_ns);
struct letter *__wrap_inbox_take(struct inbox *inbox, uint64_t deadline_ns);
struct letter *__wrap_inbox_take(struct inbox *inbox, uint64_t deadline_ns)
{
    if (current == NULL || inbox != &current->front.home || deadline_ns == 0)
        return __real_inbox_take(inbox, deadline_ns);
    if (!inbox_is_filled(inbox) && current->who == STAGE_TEST)
        decide(current);
    if (!inbox_is_filled(inbox)) {
        assert_true(deadline_ns >= current->brain.now_ns && deadline_ns != UINT64_MAX);
        current->brain.now_ns = deadline_ns;
    }
    return __real_inbox_take(inbox, 0);
}

void __real_decider_turn(struct decider *decider);
void __wrap_decider_turn(struct decider *decider);
void __wrap_decider_turn(struct decider *decider)
{
    if (current != NULL && current->who == STAGE_TEST_HOSTED)
        decide(current);
    else
        __real_decider_turn(decider);
}

int __real_accept4(int socket, struct sockaddr *peer, socklen_t *len, int flags);
int __wrap_accept4(int socket, struct sockaddr *peer, socklen_t *len, int flags);
int __wrap_accept4(int socket, struct sockaddr *peer, socklen_t *len, int flags)
{
    if (current == NULL || (current->accept_error == 0 && current->flood == 0))
        return __real_accept4(socket, peer, len, flags);
    errno = current->accept_error;
    if (current->flood > 0) {
        current->flood--;
        errno = ECONNABORTED;
    }
    return -1;
}

void stage_park(struct stage *stage, enum message_kind kind)
{
    stage->parks = true;
    stage->parks_kind = kind;
}

unsigned stage_find_parked(const struct stage *stage, const char *key)
{
    for (unsigned i = 0; i < stage->parked_count; i++)
        if (message_of(stage->parked[i])->kind != MESSAGE_LEAVE &&
            strcmp(message_of(stage->parked[i])->ask.bucket.key, key) == 0)
            return i;
    fail_msg("no letter about %s is parked", key);
    return 0;
}

void stage_answer(struct stage *stage, const char *key)
{
    struct letter *letter = stage->parked[stage_find_parked(stage, key)];
    struct chain answered = {0};
    letter->next = NULL;
    brain_tick(stage->brain.brain, stage->brain.now_ns);
    brain_answer(stage->brain.brain, letter, &answered);
    assert_ptr_equal(answered.newest, letter);
    message_hold(message_of(letter), brain_limits(stage->brain.brain));
}

void stage_send_home(struct stage *stage, const char *key)
{
    unsigned at = stage_find_parked(stage, key);
    struct letter *letter = stage->parked[at];
    unpark(stage, at);
    inbox_post_one(letter->home, letter);
}

void stage_release_leaves(struct stage *stage)
{
    stage->keeps_leaves = false;
    for (unsigned i = stage->parked_count; i-- > 0;) {
        struct letter *letter = stage->parked[i];
        if (message_of(letter)->kind != MESSAGE_LEAVE)
            continue;
        unpark(stage, i);
        inbox_post_one(letter->home, letter);
    }
    stage_settle(stage);
}

void stage_release(struct stage *stage, const char *key)
{
    stage_answer(stage, key);
    stage_send_home(stage, key);
    stage_settle(stage);
}

void stage_release_report(struct stage *stage)
{
    struct letter *report = stage->report;
    assert_non_null(report);
    stage->report = NULL;
    stage->keeps_report = false;
    brain_tick(stage->brain.brain, stage->brain.now_ns);
    answer_and_send(stage, report);
    stage_settle(stage);
}

struct limits *stage_install(struct stage *stage, uint64_t burst)
{
    const struct rule rule = {LIMIT_DEFAULT_NAME, NULL, burst, one_a_day};
    fixture_reload(&stage->brain, TICK_MS, &rule, 1);
    return brain_limits(stage->brain.brain);
}

uint64_t stage_left(struct stage *stage, const char *key)
{
    return fixture_status(&stage->brain, key).remaining_tokens;
}

/* ---- life ---- */

/* The kernel gives it a name that is no file. */
static void open_listener(struct listener *listener)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    listener->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(listener->socket >= 0);
    assert_int_equal(bind(listener->socket, (struct sockaddr *)&any, sizeof any.sun_family), 0);
    assert_int_equal(listen(listener->socket, 128), 0);
}

void stage_open(struct stage *stage, enum stage_decider who, unsigned connections_max)
{
    const struct rule rule = {LIMIT_DEFAULT_NAME, NULL, STAGE_BURST, one_a_day};
    json_memory_set_up();
    *stage = (struct stage){.who = who};
    fixture_init(&stage->brain, TICK_MS, &rule, 1, FIXTURE_MAX_KEYS, WHEN_FULL_EVICT);
    stage->clock = (struct clock){
        .now_ns = stage_now_ns, .date_s = stage_date_s, .wall_ns = stage_wall_ns, .context = stage};
    stage->contract = contract_new(HEADERS_IETF);
    assert_non_null(stage->contract);
    stage->contract->wait_max_ms = STAGE_WAIT_MAX_MS;
    open_listener(&stage->listeners[0]);
    open_listener(&stage->listeners[1]);
    stage->listeners[1].is_admin = true;
    open_listener(&stage->listeners[2]);
    stage->listeners[2].is_resp = true;
    atomic_init(&stage->with_room, 0);
    assert_int_equal(inbox_init(&stage->reloads, false), 0);
    assert_int_equal(
        decider_init(&stage->decider, stage->brain.brain, stage->clock, who != STAGE_TEST), 0);
    const struct front_terms terms = {
        .listeners = stage->listeners,
        .listeners_count = LENGTH(stage->listeners),
        .decider = &stage->decider,
        .reloads = &stage->reloads,
        .contract = stage->contract,
        .clock = &stage->clock,
        .connections_max = connections_max,
        .share = connections_max,
        .idle_timeout_ms = STAGE_IDLE_TIMEOUT_S * MS_PER_S,
        .header_room = 16384,
        .with_room = &stage->with_room,
        .done = -1,
    };
    assert_int_equal(front_open(&stage->front, &terms), 0);
    current = stage;
    turn(stage);
}

void stage_drain(struct stage *stage)
{
    front_drain(&stage->front);
    stage_settle(stage);
}

void stage_close(struct stage *stage)
{
    front_close(&stage->front);
    current = NULL;
    assert_int_equal(atomic_load(&stage->with_room), 0);
    assert_false(inbox_is_filled(&stage->decider.inbox));
    assert_false(inbox_is_filled(&stage->reloads));
    assert_null(stage->report);
    assert_int_equal(stage->parked_count, 0);
    /* Nobody holds what is not needed any more. */
    assert_int_equal(atomic_load(&brain_limits(stage->brain.brain)->references), STAGE_BRAIN_HOLDS);
    decider_release(&stage->decider);
    inbox_release(&stage->reloads);
    assert_int_equal(atomic_load(&stage->contract->references), 1);
    contract_release(stage->contract);
    for (unsigned i = 0; i < LENGTH(stage->listeners); i++)
        close(stage->listeners[i].socket);
}

/* ---- callers ---- */

void caller_connect(struct caller *caller, struct stage *stage, bool is_admin)
{
    struct sockaddr_un nobody = {.sun_family = AF_UNIX};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    *caller = (struct caller){.socket = pair[0]};
    http_add(stage->front.http, pair[1], (struct sockaddr *)&nobody, sizeof nobody.sun_family,
             is_admin);
    turn(stage); /* as after an accept */
    stage_settle(stage);
}

int caller_try_to_connect(struct caller *caller, const struct listener *listener)
{
    struct sockaddr_un name;
    socklen_t len = sizeof name;
    assert_int_equal(getsockname(listener->socket, (struct sockaddr *)&name, &len), 0);
    *caller = (struct caller){
        .socket = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
    };
    return connect(caller->socket, (struct sockaddr *)&name, len) == 0 ? 0 : errno;
}

void caller_connect_to(struct caller *caller, const struct listener *listener)
{
    assert_int_equal(caller_try_to_connect(caller, listener), 0);
}

void caller_send(struct caller *caller, const char *bytes)
{
    size_t len = strlen(bytes);
    assert_int_equal(send(caller->socket, bytes, len, MSG_NOSIGNAL), len);
}

void caller_get(struct caller *caller, const char *target)
{
    char request[512];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target);
    caller_send(caller, request);
}

static void receive(struct caller *caller)
{
    ssize_t got;
    while ((got = recv(caller->socket, caller->received + caller->len,
                       sizeof caller->received - 1 - caller->len, 0)) > 0)
        caller->len += (size_t)got;
    caller->has_ended |= got == 0 || (errno != EAGAIN && errno != EINTR);
    caller->received[caller->len] = '\0';
}

static void keep(char *to, size_t room, const char *from, size_t len)
{
    assert_true(len < room);
    memcpy(to, from, len);
    to[len] = '\0';
}

int caller_reply(struct caller *caller)
{
    int status;
    unsigned long body_len = 0;
    receive(caller);
    char *end = strstr(caller->received, "\r\n\r\n");
    if (end == NULL)
        return caller->has_ended && caller->len == 0 ? REPLY_END : REPLY_NONE;
    keep(caller->header, sizeof caller->header, caller->received,
         (size_t)(end + 2 - caller->received));
    const char *length = strcasestr(caller->header, "\nContent-Length: ");
    assert_non_null(length);
    assert_int_equal(sscanf(length, "%*s %lu", &body_len), 1);
    assert_int_equal(sscanf(caller->header, "HTTP/1.1 %d ", &status), 1);
    size_t whole = (size_t)(end + 4 - caller->received) + body_len;
    if (caller->len < whole)
        return REPLY_NONE;
    keep(caller->body, sizeof caller->body, end + 4, body_len);
    caller->len -= whole;
    memmove(caller->received, caller->received + whole, caller->len + 1);
    return status;
}

const char *caller_bytes(struct caller *caller)
{
    receive(caller);
    keep(caller->body, sizeof caller->body, caller->received, caller->len);
    caller->len = 0;
    return caller->body;
}

bool caller_is_told(const struct caller *caller, const char *text)
{
    return strstr(caller->header, text) != NULL || strstr(caller->body, text) != NULL;
}

void caller_half_close(struct caller *caller)
{
    assert_int_equal(shutdown(caller->socket, SHUT_WR), 0);
}

void caller_close(struct caller *caller)
{
    close(caller->socket);
}
