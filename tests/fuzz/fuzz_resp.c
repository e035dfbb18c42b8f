/* RESP: whatever the bytes are, commands are found in the same places however they arrive; what is
 * asked is sound; and a reply is one whole value, of which an error is one line. */
#include "fuzz/fuzz.h"
#include "resp/answer.h"
#include "resp/commands.h"

#include <string.h>

const struct fuzz_target fuzz_target = {.name = "resp", .size_max = 2048, .runs = 100000};

#define TOKEN "0123456789abcdef"

static struct contract *contract;

static void check_question(const struct call *call)
{
    const struct message *message = &call->message;
    const struct bucket_question *ask = &message->ask.bucket;
    if (message->kind == MESSAGE_GCRA) {
        const struct throttle_question *asked = &message->ask.throttle;
        FUZZ_REQUIRE(key_check(asked->key, asked->key_len) == KEY_OK);
        FUZZ_REQUIRE(asked->burst >= 1 && asked->interval_ns >= 1);
        FUZZ_REQUIRE(asked->burst <= THROTTLE_MOST_NS / asked->interval_ns);
        return;
    }
    FUZZ_REQUIRE(message->kind == MESSAGE_ALLOW || message->kind == MESSAGE_RESET ||
                 message->kind == MESSAGE_REFUND || message->kind == MESSAGE_CHARGE ||
                 message->kind == MESSAGE_STATUS);
    FUZZ_REQUIRE(message->once == NULL);
    FUZZ_REQUIRE(key_check(ask->key, ask->key_len) == KEY_OK && strlen(ask->key) == ask->key_len);
    FUZZ_REQUIRE(ask->tokens <= TOKENS_MAX);
    FUZZ_REQUIRE(ask->wait_ms <= contract->wait_max_ms);
    FUZZ_REQUIRE(ask->wait_ms == 0 || (message->kind == MESSAGE_ALLOW && ask->tokens > 0));
    FUZZ_REQUIRE(message->kind != MESSAGE_CHARGE || ask->tokens > 0);
    if (ask->limit_name != NULL)
        FUZZ_REQUIRE(limit_name_is_valid(ask->limit_name, ask->limit_name_len) &&
                     strlen(ask->limit_name) == ask->limit_name_len);
}

/* The byte behind the value that a reply begins with. */
static const char *end_of_value(const char *at, const char *end)
{
    const char *line_end = memchr(at, '\r', (size_t)(end - at));
    FUZZ_REQUIRE(line_end != NULL && end - line_end >= 2 && line_end[1] == '\n');
    long count = at[0] == '+' || at[0] == '-' || at[0] == '_' ? 0 : strtol(at + 1, NULL, 10);
    long values = at[0] == '*' ? count : at[0] == '%' ? 2 * count : 0;
    bool is_bulk = at[0] == '$' && count >= 0;
    FUZZ_REQUIRE(strchr("+-:*%$_", at[0]) != NULL);
    at = line_end + 2;
    if (is_bulk) {
        FUZZ_REQUIRE(end - at >= count + 2 && memcmp(at + count, "\r\n", 2) == 0);
        at += count + 2;
    }
    for (; values > 0; values--)
        at = end_of_value(at, end);
    return at;
}

static void check_reply(const struct call *call)
{
    FUZZ_REQUIRE(call->reply_len <= CALL_REPLY_MAX);
    FUZZ_REQUIRE(end_of_value(call->reply, call->reply + call->reply_len) ==
                 call->reply + call->reply_len);
}

/* Fewer bytes of a command than it has are not whole; what has been told broken stays so. */
static void check_parts(const char *bytes, size_t len, enum parse_result result, size_t taken)
{
    struct command command;
    const char *fault = NULL;
    size_t part_taken = 0;
    for (size_t part = 0; part < len && part < 300; part++) {
        enum parse_result of_part = command_parse(bytes, part, &command, &part_taken, &fault);
        if (result == PARSE_DONE)
            FUZZ_REQUIRE(of_part == (part < taken ? PARSE_MORE : PARSE_DONE));
        else if (result == PARSE_MORE)
            FUZZ_REQUIRE(of_part == PARSE_MORE);
        else
            FUZZ_REQUIRE(of_part != PARSE_DONE);
    }
}

static void check_arguments(const struct command *command, const char *bytes, size_t taken)
{
    FUZZ_REQUIRE(command->count <= COMMAND_ARGS_MAX);
    for (unsigned i = 0; i < command->count; i++)
        FUZZ_REQUIRE(command->args[i].text >= bytes &&
                     command->args[i].text + command->args[i].len <= bytes + taken);
}

/* The first byte says who asks; the others are what comes in. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct call call;
    if (contract == NULL) {
        contract = contract_new(HEADERS_IETF);
        FUZZ_REQUIRE(contract != NULL);
        contract->wait_max_ms = 5000;
    }
    if (size == 0)
        return 0;
    contract->admin_token =
        (data[0] & 1) != 0 ? secret_of(TOKEN, strlen(TOKEN)) : (struct secret){0};
    const struct resp_rules rules = {.contract = contract, .admin_apart = (data[0] & 2) != 0};
    struct session session = {.protocol = 2, .id = 1};
    const char *bytes = (const char *)data + 1;
    for (size_t at = 0, len = size - 1; !session.ends;) {
        struct command command;
        const char *fault = NULL;
        size_t taken = 0;
        enum parse_result result = command_parse(bytes + at, len - at, &command, &taken, &fault);
        check_parts(bytes + at, len - at, result, taken);
        FUZZ_REQUIRE((result == PARSE_BROKEN) == (fault != NULL));
        if (result != PARSE_DONE)
            return 0;
        FUZZ_REQUIRE(taken > 0 && taken <= len - at);
        check_arguments(&command, bytes + at, taken);
        at += taken;
        if (command.count == 0)
            continue;
        command_call(&command, &call, &session, &rules);
        if (call.is_done)
            check_reply(&call);
        else
            check_question(&call);
        FUZZ_REQUIRE(session.protocol == 2 || session.protocol == 3);
    }
    return 0;
}
