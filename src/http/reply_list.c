#include "http/reply_list.h"

#include "ask/answer_json.h"
#include "base/bytes.h"
#include "base/text.h"
#include "http/headers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- the policies that a list violated, each told once ---- */

#define SEEN_SLOTS_MAX 8192
static_assert(SEEN_SLOTS_MAX >= 2 * LIST_MAX * BUCKETS_MAX &&
                  (SEEN_SLOTS_MAX & (SEEN_SLOTS_MAX - 1)) == 0,
              "open addressing, at most half full");

/* A set of policy names, compared by text: each override has a copy of its name. */
struct seen {
    size_t mask;                       /* the number of slots that this list may need, less 1 */
    const char *names[SEEN_SLOTS_MAX]; /* slots beyond the mask are never touched */
};

/* Makes room in the set for all policies of the keys that are denied. */
static void begin_seen(struct seen *seen, const struct list_question *ask)
{
    size_t policies = 0, slots = 2;
    for (uint32_t i = 0; i < ask->count; i++)
        if (!bucket_answer_allows(&ask->calls[i].answer))
            policies += ask->calls[i].answer.allowance->count;
    while (slots < 2 * policies)
        slots *= 2;
    seen->mask = slots - 1;
    memset(seen->names, 0, slots * sizeof seen->names[0]);
}

/* FNV-1a is enough: the names come from the configuration, not from a caller. */
static size_t hash_of(const char *name)
{
    uint64_t hash = bytes_checksum(name, strlen(name));
    return (size_t)(hash ^ hash >> 32);
}

/* Whether a name is seen for the first time. */
static bool see(struct seen *seen, const char *name)
{
    size_t slot = hash_of(name) & seen->mask;
    for (; seen->names[slot] != NULL; slot = (slot + 1) & seen->mask)
        if (seen->names[slot] == name || strcmp(seen->names[slot], name) == 0)
            return false;
    seen->names[slot] = name;
    return true;
}

static void write_all_violated(struct text *body, const struct list_question *ask)
{
    struct seen seen;
    const char *separator = "";
    begin_seen(&seen, ask);
    text_literal(body, "[");
    for (uint32_t i = 0; i < ask->count; i++) {
        const struct bucket_answer *answer = &ask->calls[i].answer;
        const char *violated[BUCKETS_MAX];
        uint32_t count = bucket_answer_allows(answer) ? 0 : reply_violated(answer, violated);
        for (uint32_t j = 0; j < count; j++) {
            if (!see(&seen, violated[j]))
                continue;
            text_string(body, separator);
            text_string(body, violated[j]);
            separator = ",";
        }
    }
    text_literal(body, "]");
}

/* ---- where the body is written ---- */

#define FRAME_MAX 512
#define RESULT_MAX (REPLY_JSON_MAX + BUCKETS_MAX * POLICY_NAME_MAX + 1)
/* Of nothing but numbers of ten digits, without the key and the limit's name. */
#define RESULT_USUAL 176

size_t reply_list_room(const struct list_question *ask)
{
    size_t room = FRAME_MAX + ask->count * (size_t)RESULT_MAX;
    for (uint32_t i = 0; i < ask->count; i++)
        room += 2 * ask->calls[i].ask.key_len;
    return room;
}

static bool is_denied(const struct message *message)
{
    return message->kind == MESSAGE_ALL && !message->answer.list.allowed;
}

/* A slow client keeps its body for long. So the body begins in a block that does for results as they usually are,
 * and the room, which is mostly fifteen times as large, is given back untouched. Without memory for the block, or from
 * the first result on that may not fit there, the body is in the room. So it is if ALL is denied: what begins it has no
 * usual length. */
struct reserve {
    char *room; /* NULL: the body is there */
    size_t size;
};

static struct text begin_body(const struct message *message, struct reserve *reserve)
{
    const struct list_question *ask = &message->ask.list;
    char *room = reserve->room;
    size_t of_keys = reserve->size - ask->count * (size_t)RESULT_MAX;
    size_t name_len = strlen(ask->calls[0].answer.limit->quoted_name);
    size_t usual = of_keys + ask->count * (RESULT_USUAL + name_len) + RESULT_MAX;
    char *block = usual < reserve->size / 2 && !is_denied(message) ? malloc(usual) : NULL;
    if (block != NULL)
        return text_begin(block, usual);
    reserve->room = NULL;
    return text_begin(room, reserve->size);
}

/* Makes sure that one more result has room, and what ends the body. */
static void make_room(struct text *body, size_t key_len, struct reserve *reserve)
{
    size_t most = RESULT_MAX + 2 * key_len + sizeof "]}\n";
    if (reserve->room == NULL || (size_t)(body->end - body->at) >= most)
        return;
    struct text block = *body;
    *body = text_begin(reserve->room, reserve->size);
    text_bytes(body, block.start, (size_t)(block.at - block.start));
    free(block.start);
    reserve->room = NULL;
}

/* ---- the results ---- */

/* Of ALL no key is allowed unless all are; this holds for limits on trial too. */
static void write_result(struct text *body, const struct message *message,
                         const struct bucket_call *call, struct answer_words *words)
{
    switch (message->kind) {
    case MESSAGE_EACH:
        reply_write_next_verdict(body, &call->ask, &call->answer,
                                 bucket_answer_allows(&call->answer), words);
        return;
    case MESSAGE_ALL:
        reply_write_next_verdict(body, &call->ask, &call->answer, message->answer.list.allowed,
                                 words);
        return;
    default:
        assert(message->kind == MESSAGE_LIST);
        text_literal(body, "{");
        reply_write_status(body, &call->ask, &call->answer);
        text_literal(body, "}");
    }
}

static void write_results(struct text *body, const struct message *message, struct reserve *reserve)
{
    const struct list_question *ask = &message->ask.list;
    struct answer_words words;
    words.limit = NULL;
    text_literal(body, "\"results\":[");
    for (uint32_t i = 0; i < ask->count; i++) {
        if (i > 0)
            text_literal(body, ",");
        make_room(body, ask->calls[i].ask.key_len, reserve);
        write_result(body, message, &ask->calls[i], &words);
    }
    text_literal(body, "]}\n");
}

/* With status 200 the body is no problem. */
static void write_all_denied(struct text *body, const struct message *message, unsigned status)
{
    if (status == 200) {
        text_literal(body, "{\"allowed\":false,\"violated-policies\":");
        write_all_violated(body, &message->ask.list);
    } else {
        text_literal(body, "{\"type\":\"" REPLY_TYPE_QUOTA_EXCEEDED
                           "\",\"title\":\"" REPLY_TITLE_QUOTA_EXCEEDED "\",\"status\":");
        text_number(body, status);
        text_literal(body, ",\"violated-policies\":");
        write_all_violated(body, &message->ask.list);
        text_literal(body, ",\"allowed\":false");
    }
    text_literal(body, ",\"retry_after_ms\":");
    reply_write_retry_after_ms(body, message->answer.list.retry_after_ms);
    text_literal(body, ",");
}

/* ---- the whole ---- */

/* A body that was written into far more room than it needs is copied. With realloc(3) glibc would map and
 * unmap so large a block for each list, which costs four times as much as writing a hundred results.
 * size: of the room, then of what is returned. */
static char *trim(char *room, size_t len, size_t *size)
{
    char *trimmed = len < *size / 2 ? malloc(len) : NULL;
    if (trimmed == NULL)
        return room;
    memcpy(trimmed, room, len);
    free(room);
    *size = len;
    return trimmed;
}

void reply_list_begin(struct reply *reply, const struct message *message, unsigned deny_status,
                      const struct serving *serving)
{
    bool denied = is_denied(message);
    unsigned status = denied ? deny_status : 200;
    reply_begin(reply, status, status == 200 ? reply_type_json : reply_type_problem);
    /* Of EACH, tokens may be taken from some keys; no short reply can say from which. */
    if (message->kind == MESSAGE_ALL)
        reply->terse = denied ? TERSE_DENIED : TERSE_ALLOWED;
    if (denied)
        reply_add_retry(reply, message->answer.list.retry_after_ms, serving);
}

void reply_list_end(struct reply *reply, struct text *body)
{
    reply->body_len = text_end(body);
    size_t size = (size_t)(body->end - body->start);
    reply->large_body = trim(body->start, reply->body_len, &size);
    reply->large_spare = size - reply->body_len;
}

void reply_list(struct reply *reply, const struct message *message, unsigned deny_status,
                char *room, const struct serving *serving)
{
    struct reserve reserve = {room, reply_list_room(&message->ask.list)};
    struct text body = begin_body(message, &reserve);
    reply_list_begin(reply, message, deny_status, serving);
    if (is_denied(message)) {
        write_all_denied(&body, message, reply->status);
    } else if (message->kind == MESSAGE_ALL) {
        text_literal(&body, "{\"allowed\":true,");
    } else {
        text_literal(&body, "{");
    }
    write_results(&body, message, &reserve);
    reply_list_end(reply, &body);
    free(reserve.room);
}
