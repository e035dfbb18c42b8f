#include "fleet/seek.h"

#include "base/clock.h"
#include "fleet/refusal.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

void seek_init(struct seek *seek, const struct fleet_settings *settings, const store_words *stores,
               unsigned stores_count)
{
    *seek = (struct seek){.settings = settings, .stores = stores, .stores_count = stores_count};
    link_init(&seek->link, LINK_PATIENCE_NS);
}

void seek_release(struct seek *seek)
{
    link_close(&seek->link);
    resolver_leave(&seek->resolver);
    seek->state = SEEK_IDLE;
}

static enum seek_result end(struct seek *seek, enum seek_result result)
{
    seek_release(seek);
    return result;
}

/* ---- the next store ---- */

static void begin_store(struct seek *seek)
{
    const char *words = seek->stores[seek->store];
    snprintf(seek->place, sizeof seek->place, "%.*s", SEEK_PLACE_MAX - 1, words);
    seek->is_logged_in = false;
    seek->state = SEEK_RESOLVES;
    if (!store_read(words, &seek->at))
        seek->resolver = (struct resolver){.fault = "it is no store"};
    else if (seek->at.kind != STORE_SOCKET)
        resolver_begin(&seek->resolver, seek->at.host, seek->at.port);
}

void seek_begin(struct seek *seek)
{
    seek_release(seek);
    seek->tried = 0;
    seek->why[0] = '\0';
    begin_store(seek);
}

void seek_reject(struct seek *seek)
{
    seek->store = (seek->store + 1) % seek->stores_count;
}

/* This store is of no use. The search goes on with the next one, or is over. */
__attribute__((format(printf, 2, 3))) static enum seek_result try_next(struct seek *seek,
                                                                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(seek->why, sizeof seek->why, format, arguments);
    va_end(arguments);
    link_close(&seek->link);
    seek_reject(seek);
    if (++seek->tried >= seek->stores_count)
        return end(seek, SEEK_FAILED);
    begin_store(seek);
    return SEEK_BUSY;
}

/* ---- a server or a socket ---- */

static enum seek_result find_socket(struct seek *seek)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, seek->at.host, strlen(seek->at.host) + 1); /* store_read's bound */
    seek->found = (struct addresses){.count = 1};
    seek->found.address[0].len = sizeof address;
    memcpy(&seek->found.address[0].socket, &address, sizeof address);
    return end(seek, SEEK_FOUND);
}

/* ---- sentinels ---- */

static void connect_sentinel(struct seek *seek, uint64_t now_ns)
{
    seek->state = SEEK_CONNECTS;
    link_open(&seek->link, (const struct sockaddr *)&seek->sentinel.address[seek->address].socket,
              seek->sentinel.address[seek->address].len, now_ns);
}

static bool send_words(struct seek *seek, size_t count, const struct resp_arg *words,
                       uint64_t now_ns)
{
    seek->state = SEEK_ASKS;
    return link_send(&seek->link, &(struct link_call){0}, count, words, now_ns);
}

static bool ask(struct seek *seek, uint64_t now_ns)
{
    struct resp_arg words[] = {resp_string("SENTINEL"), resp_string("get-master-addr-by-name"),
                               resp_string(seek->at.master)};
    return send_words(seek, 3, words, now_ns);
}

/* A sentinel may have no password where its servers have one, so it is told only if it wants it. */
static bool log_in(struct seek *seek, uint64_t now_ns)
{
    const struct fleet_settings *settings = seek->settings;
    struct resp_arg words[3] = {resp_string("AUTH")};
    size_t count = 1;
    if (settings->user[0] != '\0')
        words[count++] = resp_string(settings->user);
    words[count++] = resp_string(settings->password);
    seek->is_logged_in = true;
    return send_words(seek, count, words, now_ns) && ask(seek, now_ns);
}

static enum seek_result take_error(struct seek *seek, const redisReply *reply, uint64_t now_ns)
{
    char told[SEEK_WHY_MAX];
    bool wants_password = strcmp(refusal_of(reply->str, reply->len)->word, "NOAUTH") == 0;
    if (wants_password && !seek->is_logged_in && seek->settings->password[0] != '\0')
        return log_in(seek, now_ns) ? SEEK_BUSY : try_next(seek, "there is no memory to ask it");
    refusal_tell(reply->str, reply->len, true, told, sizeof told);
    return try_next(seek, "the sentinel does not tell: %.200s", told);
}

/* The host and the port of the master. */
static enum seek_result take_master(struct seek *seek, const redisReply *reply)
{
    const redisReply *host = reply->element[0], *port = reply->element[1];
    if (host->type != REDIS_REPLY_STRING || port->type != REDIS_REPLY_STRING ||
        host->len > FLEET_STORE_MAX || port->len > 5)
        return try_next(seek, "what answers there is no sentinel");
    snprintf(seek->place, sizeof seek->place, "%.64s (%.40s:%.5s)", seek->stores[seek->store],
             host->str, port->str);
    link_close(&seek->link);
    seek->state = SEEK_RESOLVES_MASTER;
    resolver_begin(&seek->resolver, host->str, port->str);
    return SEEK_BUSY;
}

static enum seek_result take_reply(struct seek *seek, const redisReply *reply, uint64_t now_ns)
{
    if (reply->type == REDIS_REPLY_ERROR)
        return take_error(seek, reply, now_ns);
    if (reply->type == REDIS_REPLY_STATUS && seek->is_logged_in)
        return SEEK_BUSY;
    if (reply->type == REDIS_REPLY_NIL)
        return try_next(seek, "the sentinel knows no master \"%.60s\"", seek->at.master);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        return try_next(seek, "what answers there is no sentinel");
    return take_master(seek, reply);
}

static enum seek_result lose_sentinel(struct seek *seek, uint64_t now_ns)
{
    if (++seek->address < seek->sentinel.count) {
        connect_sentinel(seek, now_ns);
        return SEEK_BUSY;
    }
    return try_next(seek, "the sentinel: %s", seek->link.why);
}

static enum seek_result talk(struct seek *seek, uint64_t now_ns)
{
    struct link_call call;
    redisReply *reply;
    enum seek_result result = SEEK_BUSY;
    while (result == SEEK_BUSY && seek->link.state != LINK_CLOSED) {
        switch (link_next(&seek->link, &call, &reply)) {
        case LINK_NOTHING:
            return SEEK_BUSY;
        case LINK_OPENED:
            if (!ask(seek, now_ns))
                return try_next(seek, "there is no memory to ask it");
            break;
        case LINK_REPLY:
            result = take_reply(seek, reply, now_ns);
            freeReplyObject(reply);
            break;
        case LINK_UNANSWERED:
            break;
        case LINK_LOST:
            result = lose_sentinel(seek, now_ns);
            break;
        }
    }
    return result;
}

/* ---- names ---- */

static enum seek_result take_addresses(struct seek *seek, uint64_t now_ns)
{
    if (seek->resolver.fault != NULL || seek->resolver.found.count == 0)
        return try_next(seek, "its name cannot be looked up: %s",
                        seek->resolver.fault == NULL ? "it has no address" : seek->resolver.fault);
    if (seek->state == SEEK_RESOLVES && seek->at.kind == STORE_SENTINEL) {
        seek->sentinel = seek->resolver.found;
        seek->address = 0;
        connect_sentinel(seek, now_ns);
        return SEEK_BUSY;
    }
    seek->found = seek->resolver.found;
    return end(seek, SEEK_FOUND);
}

static bool is_resolving(const struct seek *seek)
{
    return seek->state == SEEK_RESOLVES || seek->state == SEEK_RESOLVES_MASTER;
}

/* ---- turns ---- */

int seek_fd(const struct seek *seek, short *events)
{
    *events = POLLIN;
    if (is_resolving(seek))
        return resolver_fd(&seek->resolver);
    *events = link_events(&seek->link);
    return seek->link.fd;
}

uint64_t seek_due_ns(const struct seek *seek)
{
    if (is_resolving(seek))
        return resolver_fd(&seek->resolver) < 0 ? 0 : CLOCK_NEVER;
    return link_due_ns(&seek->link);
}

enum seek_result seek_turn(struct seek *seek, short revents, uint64_t now_ns)
{
    enum seek_result result = SEEK_BUSY;
    if (!is_resolving(seek))
        link_turn(&seek->link, revents, now_ns);
    while (result == SEEK_BUSY) {
        if (is_resolving(seek) && seek->at.kind == STORE_SOCKET && seek->resolver.fault == NULL)
            return find_socket(seek);
        if (is_resolving(seek) && !resolver_is_done(&seek->resolver))
            return SEEK_BUSY;
        if (is_resolving(seek))
            result = take_addresses(seek, now_ns);
        else if ((result = talk(seek, now_ns)) == SEEK_BUSY && !is_resolving(seek))
            return SEEK_BUSY;
    }
    return result;
}
