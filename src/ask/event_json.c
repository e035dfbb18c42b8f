#include "ask/event_json.h"

#include "ask/answer_json.h"
#include "base/date.h"
#include "base/quantity.h"
#include "limits/key.h"
#include "limits/limits.h"

#include <assert.h>
#include <string.h>

static_assert(LIMIT_NAME_MAX == 64 && KEY_MAX == 255, "EVENT_JSON_MAX counts on it");

enum { BOOT_DIGITS = 8, NUMBER_DIGITS_MAX = 20 };

#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

/* ---- ids ---- */

static const char hex[] = "0123456789abcdef";

void event_id_write(struct text *text, uint32_t boot, uint64_t number)
{
    for (int shift = 4 * (BOOT_DIGITS - 1); shift >= 0; shift -= 4)
        text_bytes(text, &hex[boot >> shift & 15], 1);
    text_literal(text, "-");
    text_number(text, number);
}

bool event_id_read(const char *text, size_t len, uint32_t *boot, uint64_t *number)
{
    uint32_t read = 0;
    if (len < BOOT_DIGITS + 2 || text[BOOT_DIGITS] != '-' ||
        quantity_parse_number(text + BOOT_DIGITS + 1, len - BOOT_DIGITS - 1, 0, UINT64_MAX,
                              number) != QUANTITY_OK)
        return false;
    for (size_t i = 0; i < BOOT_DIGITS; i++) {
        const char *digit = memchr(hex, text[i], sizeof hex - 1);
        if (digit == NULL)
            return false;
        read = read << 4 | (uint32_t)(digit - hex);
    }
    *boot = read;
    return true;
}

/* ---- members ---- */

static void write_name(struct text *text, const char *name)
{
    text_literal(text, ",\"");
    text_string(text, name);
    text_literal(text, "\":");
}

static void write_string(struct text *text, const char *string, size_t len)
{
    if (string == NULL)
        text_literal(text, "null");
    else
        text_json(text, string, len);
}

static void write_time(struct text *text, uint64_t time_ms)
{
    char date[DATE_TEXT_MAX];
    int64_t time_s = (int64_t)(time_ms / MS_PER_S);
    date_print(time_s < LAST_SECOND ? time_s : LAST_SECOND, date);
    text_bytes(text, date, strlen(date) - 1);
    const unsigned ms = (unsigned)(time_ms % MS_PER_S);
    const char fraction[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
                             (char)('0' + ms % 10), 'Z'};
    text_bytes(text, fraction, sizeof fraction);
}

static void write_head(struct text *text, const struct event *event, uint32_t boot)
{
    text_literal(text, "{\"id\":\"");
    event_id_write(text, boot, event->number);
    text_literal(text, "\",\"time\":\"");
    write_time(text, event->time_ms);
    text_literal(text, "\",\"event\":\"");
    text_string(text, event_rows[event->kind].word);
    text_literal(text, "\"");
}

static void write_subject(struct text *text, const struct event *event)
{
    enum event_subject subject = event_rows[event->kind].subject;
    if (subject == EVENT_OF_DAEMON)
        return;
    write_name(text, "limit");
    write_string(text, event->limit, event->limit_len);
    if (subject == EVENT_OF_LIMIT)
        return;
    write_name(text, subject == EVENT_OF_KEY ? "key" : "override");
    write_string(text, event->key, event->key_len);
}

static void write_word(struct text *text, const char *name, const char *word)
{
    write_name(text, name);
    text_json(text, word, strlen(word));
}

static const char *action_word(uint64_t action)
{
    switch ((enum override_action)action) {
    case OVERRIDE_ALLOW:
        return "allow";
    case OVERRIDE_DENY:
        return "deny";
    case OVERRIDE_TERMS:
        break;
    }
    return "limit";
}

static void write_date(struct text *text, const char *name, int64_t time_s)
{
    char date[DATE_TEXT_MAX];
    if (time_s > LAST_SECOND)
        return;
    date_print(time_s, date);
    write_word(text, name, date);
}

static void write_value(struct text *text, const struct event_value_row *row, uint64_t value)
{
    switch (row->form) {
    case EVENT_AS_NUMBER:
        write_name(text, row->name);
        text_number(text, value);
        return;
    case EVENT_AS_NUMBER_OR_NULL:
        write_name(text, row->name);
        reply_write_retry_after_ms(text, value);
        return;
    case EVENT_AS_RESULT:
        if (reply_reason((enum bucket_result)value)[0] != '\0')
            write_word(text, row->name, reply_reason((enum bucket_result)value));
        return;
    case EVENT_AS_ACTION:
        write_word(text, row->name, action_word(value));
        return;
    case EVENT_AS_DATE:
        write_date(text, row->name, (int64_t)value);
        return;
    case EVENT_AS_BOOL:
        write_name(text, row->name);
        text_string(text, value != 0 ? "true" : "false");
        return;
    case EVENT_AS_CAUSE:
        write_word(text, row->name, event_cause_texts[value]);
        return;
    }
}

/* One line each; what ends a line begins no other. */
static void write_lines(struct text *text, const char *lines, size_t len)
{
    bool is_first = true;
    text_literal(text, "[");
    while (len > 0) {
        const char *end = memchr(lines, '\n', len);
        size_t line_len = end == NULL ? len : (size_t)(end - lines);
        if (!is_first)
            text_literal(text, ",");
        text_json(text, lines, line_len);
        is_first = false;
        size_t taken = line_len + (end != NULL);
        lines += taken;
        len -= taken;
    }
    text_literal(text, "]");
}

static void write_text(struct text *text, const struct event *event)
{
    switch (event_rows[event->kind].text) {
    case EVENT_NO_TEXT:
        return;
    case EVENT_REASON:
        if (event->text_len == 0)
            return;
        write_name(text, "reason");
        text_json(text, event->text, event->text_len);
        return;
    case EVENT_FAULTS:
        write_name(text, "faults");
        write_lines(text, event->text, event->text_len);
        return;
    case EVENT_DETAIL:
        write_name(text, "detail");
        write_string(text, event->text, event->text_len);
        return;
    }
}

/* ---- events ---- */

static void write_anew(struct text *text, const struct event *event, uint32_t boot)
{
    const struct event_row *row = &event_rows[event->kind];
    write_head(text, event, boot);
    write_subject(text, event);
    for (unsigned i = 0; i < row->values_count; i++)
        write_value(text, &event_value_rows[row->values[i]], event->values[i]);
    write_text(text, event);
    text_literal(text, "}");
}

/* All readers that a thread serves are told the same events at about the same time, so it keeps the
 * last ones that it has written. */
enum { KEPT = 128, KEPT_BYTES = 496 };

static _Thread_local struct kept {
    uint64_t number; /* 0: none */
    uint32_t boot;
    uint32_t len;
    char json[KEPT_BYTES];
} kept[KEPT];

/* LOST has the number of another event. */
void event_json_write(struct text *text, const struct event *event, uint32_t boot)
{
    struct kept *one = &kept[event->number % KEPT];
    if (event->kind == EVENT_lost || event->number == 0) {
        write_anew(text, event, boot);
        return;
    }
    if (one->number == event->number && one->boot == boot) {
        text_bytes(text, one->json, one->len);
        return;
    }
    size_t begin = (size_t)(text->at - text->start);
    write_anew(text, event, boot);
    size_t len = (size_t)(text->at - text->start) - begin;
    if (len > KEPT_BYTES || text->is_short)
        return;
    one->number = event->number;
    one->boot = boot;
    one->len = (uint32_t)len;
    memcpy(one->json, text->start + begin, len);
}

void event_json_write_other_boot(struct text *text, uint32_t boot, uint64_t time_ms)
{
    write_head(text, &(struct event){.kind = EVENT_lost, .time_ms = time_ms}, boot);
    text_literal(text, ",\"count\":null}");
}
