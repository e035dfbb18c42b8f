#include "resp/parts.h"

#include "resp/commands.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static void count_command(struct tally *tally, enum command_family family)
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
    count_command(tally_of(resp), command_call(command, call, &client->session, &rules));
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

void read_input(struct resp *resp, struct resp_client *client)
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

void drop_input(struct resp *resp, struct resp_client *client)
{
    ssize_t got = recv(client->socket, resp->input, sizeof resp->input, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        close_client(resp, client);
}

void take_rest(struct resp *resp)
{
    for (struct resp_client *client = resp->in_turn; client != NULL; client = client->next)
        if (client->has_more && client->first == NULL && client->output.len == 0)
            take_input(resp, client, client->input.bytes, client->input.len);
}
