#include "http/reply_keys.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    FRAME_MAX = 256,
    NUMBERS_MAX = 256, /* of a key: five of 20 digits, and the names of all members */
};

static void write_key(struct text *body, const struct keys_entry *entry)
{
    text_literal(body, "{\"key\":");
    text_json(body, entry->key, entry->key_len);
    text_literal(body, ",\"limit\":");
    text_json(body, entry->limit_name, strlen(entry->limit_name));
    text_literal(body, ",\"remaining\":");
    text_number(body, entry->remaining_tokens);
    text_literal(body, ",\"burst\":");
    text_number(body, entry->burst);
    text_literal(body, ",\"reset_after_ms\":");
    text_number(body, entry->full_after_ms);
    text_literal(body, ",\"active\":");
    text_string(body, entry->active ? "true" : "false");
    text_literal(body, ",\"denied\":");
    text_number(body, entry->denied);
    text_literal(body, ",\"denied_error\":");
    text_number(body, entry->denied_error);
    if (entry->shadow)
        text_literal(body, ",\"shadow\":true");
    text_literal(body, "}");
}

static void write_cursor(struct text *body, const struct keys_answer *answer)
{
    static const char hex[] = "0123456789abcdef";
    if (answer->result == KEYS_ENDED) {
        text_literal(body, "null");
        return;
    }
    text_literal(body, "\"");
    for (int shift = 60; shift >= 0; shift -= 4)
        text_bytes(body, &hex[answer->cursor >> shift & 15], 1);
    text_literal(body, "\"");
}

/* No character of a key or a name takes more than two. */
static size_t room_for(const struct keys_answer *answer)
{
    size_t room = FRAME_MAX;
    for (uint32_t i = 0; i < answer->found; i++)
        room += 2 * (answer->entry[i].key_len + strlen(answer->entry[i].limit_name)) + NUMBERS_MAX;
    return room;
}

void reply_keys(struct reply *reply, const struct keys_answer *answer)
{
    size_t room = room_for(answer);
    char *large_body = malloc(room);
    if (large_body == NULL) {
        reply_problem(reply, 503, "out of memory; try again");
        return;
    }
    struct text body = text_begin(large_body, room);
    text_literal(&body, "{\"keys\":[");
    for (uint32_t i = 0; i < answer->found; i++) {
        if (i > 0)
            text_literal(&body, ",");
        write_key(&body, &answer->entry[answer->order[i]]);
    }
    text_literal(&body, "],\"cursor\":");
    write_cursor(&body, answer);
    text_literal(&body, ",\"looked_at\":");
    text_number(&body, answer->looked_at);
    text_literal(&body, ",\"tracked\":");
    text_number(&body, answer->tracked);
    text_literal(&body, ",\"denied_over_ms\":");
    text_number(&body, answer->denied_over_ms);
    text_literal(&body, "}\n");
    reply_begin(reply, 200, reply_type_json);
    reply->body_len = text_end(&body);
    char *trimmed = realloc(large_body, reply->body_len);
    reply->large_body = trimmed != NULL ? trimmed : large_body;
}
