#include "resp/parts.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

void send_output(struct resp *resp, struct resp_client *client, const char *bytes, size_t len)
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
