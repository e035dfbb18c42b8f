#include "http/reply_terms.h"

#include "base/date.h"
#include "base/quantity.h"

#include <string.h>

static void write_bucket(struct text *body, const struct bucket_terms *bucket)
{
    char rate[QUANTITY_TEXT_MAX];
    if (bucket->holds_slots) {
        text_literal(body, "\"concurrent\":");
        text_number(body, bucket->burst);
        return;
    }
    quantity_print_rate(&bucket->rate, rate);
    text_literal(body, "\"burst\":");
    text_number(body, bucket->burst);
    text_literal(body, ",\"rate\":\"");
    text_string(body, rate);
    text_literal(body, "\",\"debt_max\":");
    text_number(body, bucket->debt_max);
}

void reply_write_terms(struct text *body, const struct allowance *allowance)
{
    if (allowance->count == 1 && allowance->bucket[0].name[0] == '\0') {
        write_bucket(body, &allowance->bucket[0]);
        return;
    }
    text_literal(body, "\"buckets\":[");
    for (uint32_t i = 0; i < allowance->count; i++) {
        const char *name = allowance->bucket[i].name;
        text_string(body, i == 0 ? "{\"name\":" : ",{\"name\":");
        text_json(body, name, strlen(name));
        text_literal(body, ",");
        write_bucket(body, &allowance->bucket[i]);
        text_literal(body, "}");
    }
    text_literal(body, "]");
}

static void write_text(struct text *body, const char *name, const char *value)
{
    text_string(body, name);
    text_json(body, value, strlen(value));
}

static void write_until(struct text *body, int64_t until_s)
{
    char until[DATE_TEXT_MAX];
    text_literal(body, ",\"until\":");
    if (until_s == OVERRIDE_FOR_EVER) {
        text_literal(body, "null");
        return;
    }
    date_print(until_s, until);
    text_literal(body, "\"");
    text_string(body, until);
    text_literal(body, "\"");
}

static void write_action(struct text *body, const struct override *override)
{
    switch (override->action) {
    case OVERRIDE_TERMS:
        reply_write_terms(body, &override->allowance);
        return;
    case OVERRIDE_ALLOW:
        text_literal(body, "\"action\":\"allow\"");
        return;
    case OVERRIDE_DENY:
        text_literal(body, "\"action\":\"deny\"");
        return;
    }
}

void reply_write_override(struct text *body, const struct limit *limit,
                          const struct override *override)
{
    text_literal(body, "\"limit\":");
    text_string(body, limit->quoted_name);
    text_literal(body, ",\"key\":");
    text_string(body, override->quoted_key);
    text_literal(body, ",");
    write_action(body, override);
    write_until(body, override->until_s);
    if (override->reason != NULL)
        write_text(body, ",\"reason\":", override->reason);
    text_literal(body, ",\"runtime\":");
    text_string(body, override->is_runtime ? "true" : "false");
}
