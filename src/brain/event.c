#include "brain/event.h"

#include "base/utf8.h"
#include "limits/key.h"
#include "limits/limits.h"

#include <assert.h>
#include <string.h>

/* ---- the tables ---- */

#define VALUES(...)                                                                                \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

const struct event_row event_rows[EVENT_KIND_COUNT] = {
#define COUNT_OF(...) (sizeof((enum event_value[]){__VA_ARGS__}) / sizeof(enum event_value))
#define FIRST_OF(first, ...) (first)
#define X(kind, about, what, ...)                                                                  \
    [EVENT_##kind] = {                                                                             \
        .word = #kind,                                                                             \
        .subject = (about),                                                                        \
        .text = (what),                                                                            \
        .values_count = FIRST_OF(__VA_ARGS__, ) == EVENT_NO_VALUES ? 0 : COUNT_OF(__VA_ARGS__),    \
        .values = VALUES(__VA_ARGS__),                                                             \
    },
    EVENT_KINDS(X)
#undef X
};
static_assert(EVENT_KIND_COUNT <= 32, "a set of kinds is the bits of a uint32_t");

const struct event_value_row event_value_rows[EVENT_VALUE_COUNT] = {
#define X(value, json, how) [EVENT_##value] = {.name = (json), .form = (how)},
    EVENT_VALUES(X)
#undef X
};

const char *const event_cause_texts[EVENT_CAUSE_COUNT] = {
#define X(cause, text) [EVENT_CAUSE_##cause] = (text),
    EVENT_CAUSES(X)
#undef X
};

enum event_kind event_kind_named(const char *name, size_t len)
{
    int kind = 0;
    while (kind < EVENT_KIND_COUNT &&
           (strlen(event_rows[kind].word) != len || memcmp(event_rows[kind].word, name, len) != 0))
        kind++;
    return (enum event_kind)kind;
}

/* ---- records ---- */

/* What a record begins with. Its numbers follow, then its texts; it is padded to whole words. */
struct head {
    uint16_t bytes; /* of the whole record */
    uint8_t kind, limit_len, key_len;
    bool has_limit, has_key, has_text;
    uint16_t text_len;
    uint64_t number, time_ms;
};
static_assert(LIMIT_NAME_MAX <= UINT8_MAX && KEY_MAX <= UINT8_MAX, "lengths fit the head");

enum { WORD = sizeof(uint64_t) };
static_assert(sizeof(struct head) % WORD == 0 && EVENT_RECORD_MAX % WORD == 0 &&
                  EVENT_RECORD_MAX >= sizeof(struct head) + EVENT_ROW_MAX * sizeof(uint64_t) +
                                          LIMIT_NAME_MAX + KEY_MAX + EVENT_TEXT_MAX + WORD,
              "the longest record has room");

/* Bytes of a text that are kept: no part of a character. */
static size_t kept_of(const char *text, size_t len)
{
    size_t kept = 0, step;
    uint32_t code_point;
    if (len <= EVENT_TEXT_MAX)
        return len;
    for (; kept < EVENT_TEXT_MAX; kept += step) {
        step = utf8_decode(text + kept, len - kept, &code_point);
        if (step == 0)
            step = 1;
        if (kept + step > EVENT_TEXT_MAX)
            break;
    }
    return kept;
}

static size_t values_bytes(enum event_kind kind)
{
    return event_rows[kind].values_count * sizeof(uint64_t);
}

static size_t bytes_of(const struct event *event, size_t text_len)
{
    size_t bytes = sizeof(struct head) + values_bytes(event->kind) + event->limit_len +
                   event->key_len + text_len;
    return (bytes + WORD - 1) / WORD * WORD;
}

size_t event_packed_bytes(const struct event *event)
{
    return bytes_of(event, kept_of(event->text, event->text_len));
}

static char *put(char *at, const void *bytes, size_t len)
{
    if (bytes != NULL)
        memcpy(at, bytes, len);
    return at + len;
}

void event_pack(const struct event *event, void *bytes)
{
    size_t text_len = kept_of(event->text, event->text_len);
    assert(event->limit_len <= LIMIT_NAME_MAX && event->key_len <= KEY_MAX);
    const struct head head = {
        .bytes = (uint16_t)bytes_of(event, text_len),
        .kind = (uint8_t)event->kind,
        .limit_len = (uint8_t)event->limit_len,
        .key_len = (uint8_t)event->key_len,
        .has_limit = event->limit != NULL,
        .has_key = event->key != NULL,
        .has_text = event->text != NULL,
        .text_len = (uint16_t)text_len,
        .number = event->number,
        .time_ms = event->time_ms,
    };
    char *at = put(bytes, &head, sizeof head);
    at = put(at, event->values, values_bytes(event->kind));
    at = put(at, event->limit, event->limit_len);
    at = put(at, event->key, event->key_len);
    at = put(at, event->text, text_len);
    memset(at, 0, (size_t)((char *)bytes + head.bytes - at));
}

size_t event_unpack(const void *bytes, struct event *event)
{
    struct head head;
    memcpy(&head, bytes, sizeof head);
    assert(head.kind < EVENT_KIND_COUNT);
    *event = (struct event){
        .number = head.number,
        .time_ms = head.time_ms,
        .kind = (enum event_kind)head.kind,
        .limit_len = head.limit_len,
        .key_len = head.key_len,
        .text_len = head.text_len,
    };
    const char *at = (const char *)bytes + sizeof head;
    memcpy(event->values, at, values_bytes(event->kind));
    at += values_bytes(event->kind);
    event->limit = head.has_limit ? at : NULL;
    event->key = head.has_key ? at + head.limit_len : NULL;
    event->text = head.has_text ? at + head.limit_len + head.key_len : NULL;
    return head.bytes;
}
