#include "resp/resp.h"

#include "actor/inbox.h"
#include "ask/denial_line.h"
#include "base/quantity.h"
#include "resp/answer.h"
#include "resp/client.h"
#include "resp/commands.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 256, LOOK_MS = 1000 /* for whom is overdue, at most so often */ };

struct resp {
    const struct clock *clock;
    struct inbox *home, *decider;
    struct contract *contract;                /* a reference */
    _Atomic(struct contract *) next_contract; /* a reference to its successor, or NULL */
    bool admin_apart;
    bool ends_waits; /* whoever would wait is answered at once */
    bool drains;     /* each connection ends behind its next answers */
    bool ends_idle;  /* and whoever has none to come */
    unsigned place;
    uint32_t idle_timeout_ms;
    int epoll;
    bool is_readable; /* epoll is, as far as the caller knows */
    uint64_t now_ns, look_ns;

    struct resp_client *clients; /* connections_max of them; memory is touched as they come */
    struct resp_client *free_client;
    unsigned clients_used, clients_max, connections;
    uint64_t clients_ever;

    struct call *calls; /* calls_max of them, likewise */
    struct call *free_call;
    unsigned calls_used, calls_max, calls_free;

    struct resp_client *in_turn, **in_turn_last; /* whom this turn has to look after */
    struct chain questions;                      /* the next chain, without the report */
    unsigned questions_count, away;
    size_t held;                /* bytes kept for all clients */
    struct tally *const *tally; /* where the front-end counts now */
    char input[COMMAND_MAX + 1], output[RESP_REPLIES_MAX + CALL_REPLY_MAX];
};

static struct tally *tally_of(const struct resp *resp)
{
    return *resp->tally;
}

/* ---- calls ---- */

static struct call *take_call(struct resp *resp)
{
    struct call *call = resp->free_call;
    if (call != NULL)
        resp->free_call = call->next;
    else
        call = &resp->calls[resp->calls_used++];
    resp->calls_free--;
    call->next = NULL;
    call->leaves = call->is_done = false;
    call->letters_away = 0;
    return call;
}

static void give_call_back(struct resp *resp, struct call *call)
{
    call->next = resp->free_call;
    resp->free_call = call;
    resp->calls_free++;
}

/* Whether there is one for a command. Each client may need another one for a LEAVE. */
static bool has_call(const struct resp *resp)
{
    return resp->calls_free > resp->clients_max;
}

/* ---- clients ---- */

static void add_to_turn(struct resp *resp, struct resp_client *client)
{
    if (client->is_in_turn)
        return;
    client->is_in_turn = true;
    client->next = NULL;
    *resp->in_turn_last = client;
    resp->in_turn_last = &client->next;
}

static void give_time(struct resp *resp, struct resp_client *client, uint64_t ms)
{
    client->due_ns = resp->now_ns + ms * NS_PER_MS;
    if (client->due_ns < resp->look_ns)
        resp->look_ns = client->due_ns;
}

static void drop_kept(struct resp *resp, struct kept *kept)
{
    resp->held -= kept->len;
    free(kept->bytes);
    *kept = (struct kept){0};
}

/* Keeps other bytes. They may be some of those that it holds. false: there is no memory, or too much is kept already. */
static bool keep(struct resp *resp, struct kept *kept, const char *bytes, size_t len)
{
    struct kept next = {.bytes = malloc(len), .len = (uint32_t)len};
    bool has_room = next.bytes != NULL && resp->held - kept->len + len <= RESP_HELD_MAX;
    if (has_room)
        memcpy(next.bytes, bytes, len);
    drop_kept(resp, kept);
    if (!has_room) {
        free(next.bytes);
        return false;
    }
    resp->held += len;
    *kept = next;
    return true;
}

static void give_client_back(struct resp *resp, struct resp_client *client)
{
    client->next = resp->free_client;
    resp->free_client = client;
}

/* Tells the brain that nobody waits for an answer any more. Those that do not wait come home anyway. */
static void leave(struct resp *resp, struct call *waits)
{
    struct call *call = take_call(resp);
    call->message.kind = MESSAGE_LEAVE;
    call->message.ask.leaves = &waits->message;
    call->message.letter.home = resp->home;
    call->letters_away = 1;
    waits->leaves = true;
    waits->letters_away++;
    resp->away++;
    inbox_post_one(resp->decider, &call->message.letter);
}

static bool may_wait(const struct call *call)
{
    return !call->is_done && call->message.kind == MESSAGE_ALLOW &&
           call->message.ask.bucket.wait_ms > 0;
}

static bool is_handed_over(const struct resp *resp, const struct call *call)
{
    const struct letter *letter = resp->questions.newest;
    while (letter != NULL && letter != &call->message.letter)
        letter = letter->next;
    return letter == NULL;
}

static void withdraw(struct resp *resp, struct call *call)
{
    chain_remove(&resp->questions, &call->message.letter);
    resp->questions_count--;
    answer_left(call);
}

/* Has nobody wait who belongs to this client: that is its last command at most. */
static void end_wait(struct resp *resp, struct resp_client *client)
{
    for (struct call *call = client->first; call != NULL; call = call->next)
        if (may_wait(call) && !call->leaves) {
            if (is_handed_over(resp, call))
                leave(resp, call);
            else
                withdraw(resp, call);
        }
}

static void close_client(struct resp *resp, struct resp_client *client)
{
    if (client->socket < 0)
        return;
    close(client->socket);
    client->socket = -1;
    client->has_more = false;
    resp->connections--;
    tally_of(resp)->connections--;
    drop_kept(resp, &client->input);
    drop_kept(resp, &client->output);
    end_wait(resp, client);
    add_to_turn(resp, client);
}

static void watch(struct resp *resp, struct resp_client *client, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (client->watched == events || client->socket < 0)
        return;
    epoll_ctl(resp->epoll, EPOLL_CTL_MOD, client->socket, &event);
    client->watched = events;
}

/* Sends nothing more. If a socket that holds unread input is closed, the kernel drops the output
 * that is on its way; so what comes is read until the client closes too. */
static void begin_leaving(struct resp *resp, struct resp_client *client)
{
    shutdown(client->socket, SHUT_WR);
    client->is_leaving = true;
    client->has_more = false;
    drop_kept(resp, &client->input);
    give_time(resp, client, RESP_LEAVING_MS);
    watch(resp, client, EPOLLIN);
}

/* ---- commands ---- */

static void count(struct tally *tally, enum command_family family)
{
    switch (family) {
    case COMMAND_ALLOW:
        tally->resp_allow++;
        break;
    case COMMAND_ADMIN:
        tally->resp_admin++;
        break;
    case COMMAND_SESSION:
        tally->resp_session++;
        break;
    case COMMAND_UNKNOWN:
        tally->resp_unknown++;
        break;
    }
}

static void add_call(struct resp_client *client, struct call *call)
{
    call->client = client;
    *client->last = call;
    client->last = &call->next;
}

static void take_command(struct resp *resp, struct resp_client *client, struct call *call,
                         const struct command *command)
{
    const struct resp_rules rules = {.contract = resp->contract, .admin_apart = resp->admin_apart};
    count(tally_of(resp), command_call(command, call, &client->session, &rules));
    add_call(client, call);
    if (call->is_done)
        return;
    if (resp->ends_waits)
        call->message.ask.bucket.wait_ms = 0;
    call->letters_away = 1;
    call->message.letter.home = resp->home;
    chain_add(&resp->questions, &call->message.letter);
    resp->questions_count++;
}

static void take_fault(struct resp_client *client, struct call *call, const char *fault)
{
    call_refuse(call, "ERR", "Protocol error: %s", fault);
    add_call(client, call);
    client->session.ends = true;
}

/* Makes calls of the commands that the bytes begin with, up to one that waits. Returns how many bytes
 * are done with; *has_more: the others may begin with a whole command. */
static size_t take_commands(struct resp *resp, struct resp_client *client, const char *bytes,
                            size_t len, bool *has_more)
{
    struct command command;
    size_t at = 0, taken = 0, room = RESP_REPLIES_MAX;
    const char *fault = NULL;
    for (unsigned taken_count = 0;; taken_count++) {
        if (taken_count == RESP_COMMANDS_MAX || room < CALL_REPLY_MAX || !has_call(resp) ||
            client->session.ends) {
            *has_more = !client->session.ends && at < len;
            return at;
        }
        enum parse_result result = command_parse(bytes + at, len - at, &command, &taken, &fault);
        if (result == PARSE_MORE) {
            *has_more = false;
            return at;
        }
        if (result == PARSE_DONE && command.count == 0) {
            at += taken;
            continue;
        }
        struct call *call = take_call(resp);
        if (result == PARSE_BROKEN) {
            take_fault(client, call, fault);
            continue;
        }
        take_command(resp, client, call, &command);
        at += taken;
        room -= call->is_done ? call->reply_len : CALL_ANSWER_MAX;
        if (may_wait(call)) {
            *has_more = at < len;
            return at;
        }
    }
}

/* Takes what has come in and is in `bytes`, and keeps what is behind it. */
static void take_input(struct resp *resp, struct resp_client *client, const char *bytes, size_t len)
{
    bool was_whole = client->input.len == 0 || client->has_more;
    size_t taken = take_commands(resp, client, bytes, len, &client->has_more);
    add_to_turn(resp, client);
    if (taken == len || client->session.ends)
        drop_kept(resp, &client->input);
    else if ((taken > 0 || len > client->input.len) &&
             !keep(resp, &client->input, bytes + taken, len - taken))
        close_client(resp, client);
    if (client->input.len > 0 && !client->has_more && (was_whole || taken > 0))
        give_time(resp, client, RESP_COMMAND_S * MS_PER_S);
}

static void read_input(struct resp *resp, struct resp_client *client)
{
    size_t kept = client->input.len;
    assert(kept < sizeof resp->input); /* a command of that length is done, or broken */
    ssize_t got = recv(client->socket, resp->input + kept, sizeof resp->input - kept, 0);
    if (got > 0) {
        if (kept > 0)
            memcpy(resp->input, client->input.bytes, kept);
        take_input(resp, client, resp->input, kept + (size_t)got);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        close_client(resp, client);
    }
}

static void drop_input(struct resp *resp, struct resp_client *client)
{
    ssize_t got = recv(client->socket, resp->input, sizeof resp->input, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        close_client(resp, client);
}

/* ---- answers ---- */

/* Sends what it can, and keeps the rest. */
static void send_output(struct resp *resp, struct resp_client *client, const char *bytes,
                        size_t len)
{
    ssize_t sent = send(client->socket, bytes, len, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        close_client(resp, client);
        return;
    }
    size_t done = sent < 0 ? 0 : (size_t)sent;
    bool begins = client->output.len == 0;
    if (done == len)
        drop_kept(resp, &client->output);
    else if ((begins || done > 0) && !keep(resp, &client->output, bytes + done, len - done)) {
        tally_of(resp)->overdue++;
        close_client(resp, client);
    } else if (begins)
        give_time(resp, client, RESP_REPLY_S * MS_PER_S);
}

/* Sends the answers that are there, up to the first that is not. */
static void send_answers(struct resp *resp, struct resp_client *client)
{
    size_t len = 0;
    while (client->first != NULL && client->first->is_done) {
        struct call *call = client->first;
        memcpy(resp->output + len, call->reply, call->reply_len);
        len += call->reply_len;
        client->first = call->next;
        give_call_back(resp, call);
    }
    if (client->first == NULL)
        client->last = &client->first;
    assert(len <= sizeof resp->output);
    if (len > 0 && client->socket >= 0)
        send_output(resp, client, resp->output, len);
}

/* It has all answers: what comes next? */
static void go_on(struct resp *resp, struct resp_client *client)
{
    bool is_idle = !client->has_more && client->input.len == 0;
    if (client->session.ends || (resp->drains && is_idle) ||
        (resp->ends_idle && !client->has_more)) {
        begin_leaving(resp, client);
        return;
    }
    if (client->has_more) {
        client->due_ns = CLOCK_NEVER;
        add_to_turn(resp, client);
        watch(resp, client, client->has_hung_up ? 0 : EPOLLRDHUP);
        return;
    }
    if (is_idle)
        give_time(resp, client, resp->idle_timeout_ms);
    else if (client->due_ns == CLOCK_NEVER)
        give_time(resp, client, RESP_COMMAND_S * MS_PER_S);
    watch(resp, client, EPOLLIN);
}

/* Whether there is something to do but to wait for the rest of a command. */
static bool has_to_go_on(const struct resp *resp, const struct resp_client *client,
                         bool is_answered)
{
    return is_answered || resp->ends_idle || client->input.len == 0 || client->has_more ||
           client->watched != EPOLLIN;
}

static void settle_open(struct resp *resp, struct resp_client *client, bool is_answered)
{
    if (client->output.len > 0) {
        watch(resp, client, EPOLLOUT);
    } else if (client->first != NULL) { /* late, or waiting for its tokens */
        client->due_ns = CLOCK_NEVER;
        watch(resp, client, client->has_hung_up ? 0 : EPOLLRDHUP);
    } else if (!client->is_leaving && has_to_go_on(resp, client, is_answered)) {
        go_on(resp, client);
    }
}

/* Looks after a client before the turn is over. */
static void settle(struct resp *resp, struct resp_client *client)
{
    bool is_answered = client->first != NULL && client->first->is_done;
    if (client->output.len == 0)
        send_answers(resp, client);
    if (client->socket >= 0)
        settle_open(resp, client, is_answered);
    else if (client->first == NULL && !client->is_in_turn)
        give_client_back(resp, client);
}

void resp_run(struct resp *resp)
{
    struct resp_client *client = resp->in_turn, *next;
    resp->in_turn = NULL;
    resp->in_turn_last = &resp->in_turn;
    for (; client != NULL; client = next) {
        next = client->next;
        client->is_in_turn = false;
        settle(resp, client);
    }
}

/* ---- what happens to connections ---- */

static void heed_writable(struct resp *resp, struct resp_client *client)
{
    send_output(resp, client, client->output.bytes, client->output.len);
    if (client->output.len == 0)
        add_to_turn(resp, client);
}

static void heed_hangup(struct resp *resp, struct resp_client *client)
{
    client->has_hung_up = true;
    end_wait(resp, client);
    add_to_turn(resp, client);
}

static void heed_events(struct resp *resp, struct resp_client *client, uint32_t events)
{
    if (client->is_leaving && (events & EPOLLIN) != 0)
        drop_input(resp, client);
    else if ((events & EPOLLIN) != 0)
        read_input(resp, client);
    else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        close_client(resp, client);
    else if ((events & EPOLLOUT) != 0)
        heed_writable(resp, client);
    else if ((events & EPOLLRDHUP) != 0)
        heed_hangup(resp, client);
}

static void heed_sockets(struct resp *resp)
{
    struct epoll_event events[EVENTS_A_TURN];
    int count = epoll_wait(resp->epoll, events, EVENTS_A_TURN, 0);
    for (int i = 0; i < count; i++)
        heed_events(resp, events[i].data.ptr, events[i].events);
    resp->is_readable = false;
}

static void end_overdue(struct resp *resp, struct resp_client *client)
{
    if (!client->is_leaving && (client->input.len > 0 || client->output.len > 0))
        tally_of(resp)->overdue++;
    close_client(resp, client);
}

/* What is due may be late by LOOK_MS. */
static void look_for_overdue(struct resp *resp)
{
    uint64_t due_ns = CLOCK_NEVER;
    for (unsigned i = 0; i < resp->clients_used; i++) {
        struct resp_client *client = &resp->clients[i];
        if (client->socket >= 0 && client->due_ns <= resp->now_ns)
            end_overdue(resp, client);
        else if (client->socket >= 0 && client->due_ns < due_ns)
            due_ns = client->due_ns;
    }
    uint64_t next_ns = resp->now_ns + LOOK_MS * NS_PER_MS;
    resp->look_ns = due_ns == CLOCK_NEVER || due_ns > next_ns ? due_ns : next_ns;
}

/* Before commands are read, as for HTTP: once a reload is told as done, it holds for all that come. */
static void heed_contract(struct resp *resp)
{
    if (atomic_load(&resp->next_contract) == NULL)
        return;
    contract_release(resp->contract);
    resp->contract = atomic_exchange(&resp->next_contract, NULL);
}

/* Of whose input a whole command is left, because it had as many unanswered as may be. */
static void take_rest(struct resp *resp)
{
    for (struct resp_client *client = resp->in_turn; client != NULL; client = client->next)
        if (client->has_more && client->first == NULL && client->output.len == 0)
            take_input(resp, client, client->input.bytes, client->input.len);
}

void resp_collect(struct resp *resp)
{
    resp->now_ns = clock_now_ns(resp->clock);
    heed_contract(resp);
    if (resp->now_ns >= resp->look_ns)
        look_for_overdue(resp);
    take_rest(resp);
    if (resp->is_readable)
        heed_sockets(resp);
}

/* ---- letters ---- */

unsigned resp_questions(const struct resp *resp)
{
    return resp->questions_count;
}

void resp_hand_over(struct resp *resp, struct chain *chain)
{
    if (resp->questions.newest != NULL)
        chain_add_run(chain, resp->questions.newest, resp->questions.oldest);
    resp->questions.newest = NULL;
    resp->away += resp->questions_count;
    resp->questions_count = 0;
}

static void log_if_sampled(const struct call *call)
{
    const struct bucket_answer *answer = &call->message.answer.bucket;
    if (call->message.kind == MESSAGE_ALLOW && bucket_answer_denies(answer) &&
        answer->sample.is_taken)
        log_denial(&call->message.ask.bucket, answer, false);
}

static void take_call_home(struct resp *resp, struct call *call)
{
    resp->away--;
    call->letters_away--;
    if (call->message.kind == MESSAGE_LEAVE) {
        struct call *waited = (struct call *)call->message.ask.leaves;
        give_call_back(resp, call);
        call = waited;
        call->letters_away--;
    }
    if (call->letters_away > 0)
        return;
    log_if_sampled(call);
    answer_write(call);
    if (call->message.limits != NULL)
        message_hold(&call->message, NULL);
    add_to_turn(resp, call->client);
}

static bool is_own(const struct resp *resp, const struct letter *letter)
{
    const struct call *call = (const struct call *)letter;
    return call >= resp->calls && call < resp->calls + resp->calls_max;
}

struct letter *resp_take_home(struct resp *resp, struct letter *letters)
{
    struct letter *others = NULL, **last = &others;
    for (struct letter *letter = letters, *next; letter != NULL; letter = next) {
        next = letter->next;
        if (is_own(resp, letter)) {
            take_call_home(resp, (struct call *)letter);
        } else {
            *last = letter;
            last = &letter->next;
        }
    }
    *last = NULL;
    return others;
}

unsigned resp_letters_away(const struct resp *resp)
{
    return resp->away;
}

/* ---- connections come and go ---- */

static struct resp_client *take_client(struct resp *resp)
{
    struct resp_client *client = resp->free_client;
    if (client != NULL)
        resp->free_client = client->next;
    else if (resp->clients_used < resp->clients_max)
        client = &resp->clients[resp->clients_used++];
    return client;
}

static void begin_client(struct resp *resp, struct resp_client *client, int socket)
{
    *client = (struct resp_client){
        .socket = socket,
        .watched = EPOLLIN,
        .session = {.protocol = 2, .id = ++resp->clients_ever * TALLY_FRONTS_MAX + resp->place},
    };
    client->last = &client->first;
    resp->connections++;
    tally_of(resp)->connections++;
    resp->now_ns = clock_now_ns(resp->clock);
    give_time(resp, client, resp->idle_timeout_ms);
}

void resp_add(struct resp *resp, int socket, const struct sockaddr *peer)
{
    struct resp_client *client = take_client(resp);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (client == NULL) {
        resp_turn_away(resp, socket);
        return;
    }
    if (peer->sa_family != AF_UNIX)
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    begin_client(resp, client, socket);
    if (epoll_ctl(resp->epoll, EPOLL_CTL_ADD, socket, &event) != 0)
        close_client(resp, client);
}

/* A new socket has room for it, unless its client has gone. What it has sent would reset it. */
void resp_turn_away(struct resp *resp, int socket)
{
    static const char no_room[] =
        "-ERR max number of clients reached; try again, and keep connections open\r\n";
    while (recv(socket, resp->input, sizeof resp->input, 0) > 0)
        ;
    ssize_t sent = send(socket, no_room, sizeof no_room - 1, MSG_NOSIGNAL);
    (void)sent;
    close(socket);
    tally_of(resp)->turned_away++;
}

unsigned resp_connections(const struct resp *resp)
{
    return resp->connections;
}

void resp_set_contract(struct resp *resp, struct contract *contract)
{
    contract_release(atomic_exchange(&resp->next_contract, contract_retain(contract)));
}

static bool is_open(const struct resp_client *client)
{
    return client->socket >= 0 && !client->is_leaving;
}

void resp_end_waits(struct resp *resp)
{
    resp->ends_waits = true;
    for (unsigned i = 0; i < resp->clients_used; i++)
        end_wait(resp, &resp->clients[i]);
}

void resp_drain(struct resp *resp)
{
    resp->drains = true;
}

void resp_close_idle(struct resp *resp)
{
    resp->ends_idle = true;
    for (unsigned i = 0; i < resp->clients_used; i++) {
        struct resp_client *client = &resp->clients[i];
        if (!is_open(client) || client->first != NULL || client->output.len > 0 || client->has_more)
            continue;
        read_input(resp, client);
        add_to_turn(resp, client);
    }
}

int resp_descriptor(const struct resp *resp)
{
    return resp->epoll;
}

void resp_heed(struct resp *resp)
{
    resp->is_readable = true;
}

int resp_timeout_ms(const struct resp *resp, bool is_stalled)
{
    if ((resp->in_turn != NULL && has_call(resp)) || (!is_stalled && resp->questions_count > 0))
        return 0;
    if (resp->connections == 0 || resp->look_ns == CLOCK_NEVER)
        return -1;
    return clock_ms_until(resp->now_ns, resp->look_ns);
}

/* ---- life ---- */

static bool make_parts(struct resp *resp)
{
    resp->calls_max = RESP_TURN_MAX + 2 * resp->clients_max;
    resp->calls_free = resp->calls_max;
    resp->clients = calloc(resp->clients_max, sizeof resp->clients[0]);
    resp->calls = calloc(resp->calls_max, sizeof resp->calls[0]);
    if (resp->clients == NULL || resp->calls == NULL)
        return false;
    resp->epoll = epoll_create1(EPOLL_CLOEXEC);
    return resp->epoll >= 0;
}

struct resp *resp_new(const struct resp_terms *terms)
{
    struct resp *resp = calloc(1, sizeof *resp);
    if (resp == NULL)
        return NULL;
    resp->clock = terms->clock;
    resp->home = terms->home;
    resp->decider = terms->decider;
    resp->contract = contract_retain(terms->contract);
    atomic_init(&resp->next_contract, NULL);
    resp->admin_apart = terms->admin_apart;
    resp->place = terms->place;
    resp->idle_timeout_ms = terms->idle_timeout_ms;
    resp->clients_max = terms->connections_max;
    resp->tally = terms->tally;
    resp->in_turn_last = &resp->in_turn;
    resp->look_ns = CLOCK_NEVER;
    resp->epoll = -1;
    if (make_parts(resp))
        return resp;
    int why = errno;
    resp_free(resp);
    errno = why;
    return NULL;
}

/* What is not handed over needs no answer any more. */
static void drop_questions(struct resp *resp)
{
    for (struct letter *letter = resp->questions.newest; letter != NULL; letter = letter->next)
        answer_left((struct call *)letter);
    resp->questions.newest = NULL;
    resp->questions_count = 0;
}

void resp_close(struct resp *resp)
{
    for (unsigned i = 0; i < resp->clients_used; i++)
        close_client(resp, &resp->clients[i]);
    drop_questions(resp);
}

void resp_free(struct resp *resp)
{
    resp_close(resp);
    assert(resp->away == 0);
    if (resp->epoll >= 0)
        close(resp->epoll);
    contract_release(resp->contract);
    contract_release(atomic_load(&resp->next_contract));
    free(resp->clients);
    free(resp->calls);
    free(resp);
}
