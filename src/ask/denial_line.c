#include "ask/denial_line.h"

#include "ask/answer_json.h"
#include "base/secret.h"
#include "limits/key.h"
#include "log/line.h"
#include "log/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static_assert(2 * KEY_MAX + 2 * LIMIT_NAME_MAX + BUCKETS_MAX * POLICY_NAME_MAX +
                      2 * LIMIT_MATCH_MAX + LOG_TEXT_OWN <=
                  LOG_LINE_MAX,
              "all of a denial has room, and the names of its members");
static_assert(2 * KEY_MAX <= LOG_LINE_MAX - LOG_TEXT_OWN, "so has the key");

/* How members are written: as JSON, or as text after "denied:". */
struct form {
    const char *before, *equals, *list, *list_end, *nothing, *word, *end;
};

static const struct form forms[LOG_FORMATS] = {
    [LOG_FORMAT_TEXT] = {" ", "=", "", "", "never", "", "\n"},
    [LOG_FORMAT_JSON] = {",\"", "\":", "[", "]", "null", "\"", "}\n"},
};

static void append_name(struct log_text *line, const struct form *form, const char *name)
{
    log_text_own(line, form->before);
    log_text_own(line, name);
    log_text_own(line, form->equals);
}

static void append_key(struct log_text *line, const struct form *form,
                       const struct bucket_question *ask, bool is_private)
{
    char shown[SECRET_SHOWN_MAX + 1];
    append_name(line, form, "key");
    if (!is_private) {
        log_text_quoted(line, ask->key, ask->key_len);
        return;
    }
    secret_show(ask->key, ask->key_len, shown);
    log_text_quoted(line, shown, SECRET_SHOWN_MAX);
}

/* For a value that has its quotes already, or needs none. */
static void append(struct log_text *line, const struct form *form, const char *name,
                   const char *value)
{
    append_name(line, form, name);
    log_text_own(line, value);
}

static void append_number(struct log_text *line, const struct form *form, const char *name,
                          uint64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, number);
    append(line, form, name, digits);
}

static void append_violated(struct log_text *line, const struct form *form,
                            const struct bucket_answer *answer)
{
    const char *names[BUCKETS_MAX];
    uint32_t count = reply_violated(answer, names);
    append(line, form, "violated-policies", form->list);
    for (uint32_t i = 0; i < count; i++) {
        log_text_own(line, i == 0 ? "" : ",");
        log_text_own(line, names[i]);
    }
    log_text_own(line, form->list_end);
}

/* If the key is private the override's is left out, because it may be this very key. */
static void append_why(struct log_text *line, const struct form *form,
                       const struct bucket_answer *answer, bool key_is_private)
{
    const char *reason = reply_reason_of(answer);
    if (reason[0] != '\0') {
        append(line, form, "reason", form->word);
        log_text_own(line, reason);
        log_text_own(line, form->word);
    }
    if (answer->override != NULL && !key_is_private)
        append(line, form, "override", answer->override->quoted_key);
}

/* How many denials were skipped since the last one that was shown. */
static void append_more(struct log_text *line, enum log_format format, uint64_t more)
{
    char text[48];
    if (format == LOG_FORMAT_JSON) {
        append_number(line, &forms[format], "more_denials", more);
    } else if (more > 0) {
        snprintf(text, sizeof text, ", and %" PRIu64 " more denial%s", more, more == 1 ? "" : "s");
        log_text_own(line, text);
    }
}

void log_denial(const struct bucket_question *ask, const struct bucket_answer *answer,
                bool key_is_private)
{
    struct log_text line;
    enum log_format format = log_begin(&line, LOG_LEVEL_INFO);
    const struct form *form = &forms[format];
    log_text_own(&line, format == LOG_FORMAT_JSON ? "\"denied\"" : "denied:");
    append_key(&line, form, ask, key_is_private);
    append(&line, form, "limit", answer->limit->quoted_name);
    append_number(&line, form, "tokens", ask->tokens);
    append_number(&line, form, "remaining", answer->remaining_tokens);
    if (answer->retry_after_ms == RETRY_NEVER)
        append(&line, form, "retry_after_ms", form->nothing);
    else
        append_number(&line, form, "retry_after_ms", answer->retry_after_ms);
    append_violated(&line, form, answer);
    append_why(&line, form, answer, key_is_private);
    append_more(&line, format, answer->sample.left_out);
    log_text_own(&line, form->end);
    log_send(&line);
}
