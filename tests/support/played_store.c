#include "support/played_store.h"

#include "support/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LUMP_END 0xff
#define ANSWER_BYTES 40 /* of a record with one bucket */

/* ---- life ---- */

static void begin(struct played *played, int family)
{
    *played = (struct played){.policy = "noeviction", .replicas = "0", .role = "master"};
    for (int i = 0; i < PLAYED_CONNECTIONS; i++)
        played->connection[i].fd = -1;
    played->listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(played->listener >= 0);
}

void played_listen(struct played *played, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    begin(played, AF_UNIX);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    snprintf(played->path, sizeof played->path, "%s", path);
    unlink(path);
    assert_int_equal(bind(played->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(played->listener, 8), 0);
}

void played_listen_tcp(struct played *played)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    begin(played, AF_INET);
    assert_int_equal(bind(played->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(played->listener, 8), 0);
    assert_int_equal(getsockname(played->listener, (struct sockaddr *)&address, &len), 0);
    played->port = ntohs(address.sin_port);
}

void played_stop_listening(struct played *played)
{
    if (played->listener >= 0)
        close(played->listener);
    if (played->path[0] != '\0')
        unlink(played->path);
    played->listener = -1;
}

static void hang_up(struct played_connection *connection)
{
    if (connection->fd < 0)
        return;
    close(connection->fd);
    resp_in_release(&connection->in);
    free(connection->out);
    *connection = (struct played_connection){.fd = -1};
}

void played_close_all(struct played *played)
{
    for (int i = 0; i < PLAYED_CONNECTIONS; i++)
        hang_up(&played->connection[i]);
}

void played_release(struct played *played)
{
    played_close_all(played);
    played_stop_listening(played);
}

/* ---- answers ---- */

static void say(struct played_connection *connection, const void *bytes, size_t len)
{
    connection->out = realloc(connection->out, connection->out_len + len + 1);
    assert_non_null(connection->out);
    memcpy(connection->out + connection->out_len, bytes, len);
    connection->out_len += len;
}

static void say_text(struct played_connection *connection, const char *text)
{
    say(connection, text, strlen(text));
}

static void say_bulk(struct played_connection *connection, const void *bytes, size_t len)
{
    char head[32];
    snprintf(head, sizeof head, "$%zu\r\n", len);
    say_text(connection, head);
    say(connection, bytes, len);
    say_text(connection, "\r\n");
}

static void say_string(struct played_connection *connection, const char *string)
{
    say_bulk(connection, string, strlen(string));
}

static void say_error(struct played_connection *connection, const char *text)
{
    if (strchr("-+:$*", text[0]) != NULL) {
        say_text(connection, text);
        return;
    }
    say_text(connection, "-");
    say_text(connection, text);
    say_text(connection, "\r\n");
}

static void put(unsigned char *at, unsigned bytes, uint64_t number)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (unsigned char)(number >> 8 * i);
}

/* What call.h reads: DONE, or AGAIN with an epoch, and the number that the key ends with as granted. */
static void say_record(struct played *played, struct played_connection *connection,
                       const redisReply *record)
{
    unsigned char answer[ANSWER_BYTES] = {1, played->has_no_epoch, 0, 1};
    const char *digits = record->str + record->len;
    while (digits > record->str && digits[-1] >= '0' && digits[-1] <= '9')
        digits--;
    put(answer + 4, 6, 1000);
    put(answer + 10, 6, 2000);
    put(answer + 20, 6, strtoull(digits, NULL, 10));
    put(answer + 26, 7, UINT64_C(1) << 52);
    say_bulk(connection, answer, sizeof answer);
    played->records++;
}

static void say_moved(struct played *played, struct played_connection *connection, int port)
{
    char text[64];
    snprintf(text, sizeof text, "-%s 7 127.0.0.1:%d\r\n", played->asks ? "ASK" : "MOVED", port);
    say_text(connection, text);
}

/* What stands between the braces of a key. */
static unsigned long tag_of(const redisReply *command, size_t key)
{
    return strtoul(strchr(command->element[3 + key]->str, '{') + 1, NULL, 16);
}

static void call(struct played *played, struct played_connection *connection,
                 const redisReply *command)
{
    char head[32];
    size_t keys = strtoul(command->element[2]->str, NULL, 10);
    bool is_asking = connection->is_asking;
    connection->is_asking = false;
    assert_int_equal(command->elements, 3 + keys + keys / 2);
    assert_string_equal(command->element[1]->str, PLAYED_SHA);
    for (size_t i = 1; i < keys; i++) /* of one slot: "#!lua" takes no others */
        assert_true(played->moves == NULL || tag_of(command, 0) == tag_of(command, i));
    int port = played->moves == NULL || is_asking ? 0 : played->moves(command->element[3]->str);
    if (port != 0) {
        say_moved(played, connection, port);
        return;
    }
    if (!played->has_script) {
        say_error(connection, "NOSCRIPT No matching script. Please use EVAL.");
        return;
    }
    played->calls++;
    snprintf(head, sizeof head, "*%zu\r\n", keys / 2);
    say_text(connection, head);
    for (size_t i = 0; i < keys; i += 2)
        say_record(played, connection, command->element[3 + i]);
    played->has_no_epoch = false;
}

static void hello(struct played *played, struct played_connection *connection)
{
    if (played->hello != NULL)
        say_text(connection, played->hello);
    else
        say_text(connection,
                 "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n"
                 "$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:4\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n"
                 "$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
}

static void config(struct played *played, struct played_connection *connection)
{
    say_text(connection, "*4\r\n");
    say_string(connection, "maxmemory-policy");
    say_string(connection, played->policy);
    say_string(connection, "min-replicas-to-write");
    say_string(connection, played->replicas);
}

static void sentinel(struct played *played, struct played_connection *connection)
{
    char port[12];
    if (played->master_port == 0) {
        say_text(connection, "*-1\r\n");
        return;
    }
    snprintf(port, sizeof port, "%u", played->master_port);
    say_text(connection, "*2\r\n");
    say_string(connection, "127.0.0.1");
    say_string(connection, port);
}

static void role(struct played *played, struct played_connection *connection)
{
    say_text(connection, "*3\r\n");
    say_string(connection, played->role);
    say_text(connection, ":0\r\n*0\r\n");
}

static void load(struct played *played, struct played_connection *connection)
{
    played->has_script = true;
    played->loads++;
    say_string(connection, PLAYED_SHA);
}

static void auth(struct played *played, struct played_connection *connection,
                 const redisReply *command)
{
    snprintf(played->last_auth, sizeof played->last_auth, "%s%s%s", command->element[1]->str,
             command->elements > 2 ? " " : "",
             command->elements > 2 ? command->element[2]->str : "");
    if (played->auth_ends_refusal)
        played->refuses = NULL;
    say_text(connection, "+OK\r\n");
}

static void cluster(struct played *played, struct played_connection *connection)
{
    played->slots_asked++;
    say_text(connection, played->slots);
}

static void say_lump(struct played *played, struct played_connection *connection)
{
    const unsigned char *end = memchr(played->lumps, LUMP_END, played->lumps_len);
    size_t len = end == NULL ? played->lumps_len : (size_t)(end - played->lumps);
    size_t taken = end == NULL ? len : len + 1;
    say(connection, played->lumps, len);
    played->lumps += taken;
    played->lumps_len -= taken;
}

static void answer(struct played *played, struct played_connection *connection,
                   const redisReply *command)
{
    assert_int_equal(command->type, REDIS_REPLY_ARRAY);
    const char *word = command->element[0]->str;
    played->commands++;
    played->askings += strcmp(word, "ASKING") == 0;
    if (played->lumps != NULL)
        say_lump(played, connection);
    else if (played->refuses != NULL && strcmp(word, played->refuses) == 0)
        say_error(connection, played->refusal);
    else if (strcmp(word, "AUTH") == 0)
        auth(played, connection, command);
    else if (strcmp(word, "HELLO") == 0)
        hello(played, connection);
    else if (strcmp(word, "ROLE") == 0)
        role(played, connection);
    else if (strcmp(word, "SCRIPT") == 0)
        load(played, connection);
    else if (strcmp(word, "CONFIG") == 0)
        config(played, connection);
    else if (strcmp(word, "SENTINEL") == 0)
        sentinel(played, connection);
    else if (strcmp(word, "CLUSTER") == 0)
        cluster(played, connection);
    else if (strcmp(word, "EVALSHA") == 0)
        call(played, connection, command);
    else if (strcmp(word, "ASKING") == 0)
        say_text(connection, "+OK\r\n");
    else
        fail_msg("the store is asked for %s", word);
    connection->is_asking = strcmp(word, "ASKING") == 0;
}

/* ---- sockets ---- */

static bool accept_next(struct played *played)
{
    int fd = played->listener < 0
                 ? -1
                 : accept4(played->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (int i = 0; i < PLAYED_CONNECTIONS && fd >= 0; i++) {
        struct played_connection *connection = &played->connection[i];
        if (connection->fd >= 0)
            continue;
        *connection = (struct played_connection){.fd = fd};
        assert_true(resp_in_init(&connection->in));
        played->connects++;
        if (played->greeting != NULL)
            say_text(connection, played->greeting);
        return true;
    }
    assert_true(fd < 0);
    return false;
}

static bool read_more(struct played *played, struct played_connection *connection)
{
    char bytes[16384];
    ssize_t len = played->is_deaf ? -1 : recv(connection->fd, bytes, sizeof bytes, 0);
    if (len > 0)
        assert_true(resp_feed(&connection->in, bytes, (size_t)len));
    if (len == 0 || (len < 0 && !played->is_deaf && errno != EAGAIN)) {
        hang_up(connection);
        return true;
    }
    return len > 0;
}

static bool answer_next(struct played *played, struct played_connection *connection)
{
    redisReply *command;
    const char *why;
    if (played->is_silent || played->greeting != NULL ||
        resp_next(&connection->in, &command, &why) != RESP_REPLY)
        return false;
    answer(played, connection, command);
    freeReplyObject(command);
    return true;
}

static bool send_more(struct played *played, struct played_connection *connection)
{
    size_t left = connection->out_len - connection->sent;
    size_t len = played->piece > 0 && played->piece < left ? played->piece : left;
    if (played->closes_after > 0 && len > played->closes_after - played->sent_bytes)
        len = played->closes_after - played->sent_bytes;
    ssize_t sent =
        len == 0 ? 0 : send(connection->fd, connection->out + connection->sent, len, MSG_NOSIGNAL);
    if (sent > 0) {
        connection->sent += (size_t)sent;
        played->sent_bytes += (size_t)sent;
    }
    if (played->closes_after > 0 && played->sent_bytes == played->closes_after) {
        hang_up(connection);
        return true;
    }
    return sent > 0;
}

bool played_turn(struct played *played)
{
    bool happened = accept_next(played);
    for (int i = 0; i < PLAYED_CONNECTIONS; i++) {
        struct played_connection *connection = &played->connection[i];
        if (connection->fd >= 0)
            happened |= read_more(played, connection);
        while (connection->fd >= 0 && answer_next(played, connection))
            happened = true;
        if (connection->fd >= 0)
            happened |= send_more(played, connection);
    }
    return happened;
}
