#include "ctl/override.h"

#include <stdlib.h>

struct columns override_columns(enum shown_charset charset)
{
    static const struct column heads[] = {
        {"LIMIT", false}, {"ALLOWS", false}, {"UNTIL", false},
        {"FROM", false},  {"KEY", false},    {"REASON", false},
    };
    return columns_begin(heads, sizeof heads / sizeof heads[0], charset);
}

static void append_number(struct text *text, const json_t *of, const char *name, const char *unit)
{
    text_number(text, answer_number(of, name));
    text_string(text, unit);
}

/* What one bucket allows: "20 at 5/s", "8 slots". */
static void append_bucket(struct text *text, const json_t *bucket)
{
    const char *rate = answer_text(bucket, "rate");
    if (json_object_get(bucket, "concurrent") != NULL) {
        append_number(text, bucket, "concurrent", " slots");
        return;
    }
    append_number(text, bucket, "burst", " at ");
    text_string(text, rate != NULL ? rate : "no rate");
}

static void append_terms(struct text *text, const json_t *override)
{
    size_t i;
    json_t *bucket;
    const json_t *buckets = json_object_get(override, "buckets");
    if (buckets == NULL)
        append_bucket(text, override);
    json_array_foreach(buckets, i, bucket)
    {
        text_string(text, i > 0 ? ", " : "");
        append_bucket(text, bucket);
    }
}

static void add_terms(struct columns *columns, const json_t *override)
{
    const char *action = answer_text(override, "action");
    struct text terms = text_begin_growing();
    size_t len;
    if (action != NULL)
        text_string(&terms, strcmp(action, "deny") == 0    ? "nothing"
                            : strcmp(action, "allow") == 0 ? "everything"
                                                           : action);
    else
        append_terms(&terms, override);
    char *text = text_take(&terms, &len);
    columns_text(columns, text);
    columns->is_short |= text == NULL;
    free(text);
}

void override_add(struct columns *columns, const json_t *override)
{
    const char *until = answer_text(override, "until");
    columns_text(columns, answer_text(override, "limit"));
    add_terms(columns, override);
    columns_text(columns, until != NULL ? until : "for ever");
    columns_text(columns, answer_is_true(override, "runtime") ? "run time" : "file");
    columns_text(columns, answer_text(override, "key"));
    columns_text(columns, answer_text(override, "reason"));
}
