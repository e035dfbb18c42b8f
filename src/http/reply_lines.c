#include "http/reply_lines.h"

#include "ask/answer_json.h"
#include "http/batch_lines.h"
#include "http/reply_list.h"

#include <assert.h>
#include <string.h>

static const char type_lines[] = BATCH_LINES_TYPE;

enum { REASON_MAX = 24, LINE_MAX_BYTES = 3 * 21 + 2 + REASON_MAX };

static void write_ms(struct text *body, uint64_t ms)
{
    if (ms == RETRY_NEVER)
        text_literal(body, "-");
    else
        text_number(body, ms);
}

static void write_verdict(struct text *body, const struct bucket_answer *answer, bool allowed)
{
    const char *reason = reply_reason_of(answer);
    if (allowed)
        text_literal(body, "1\t");
    else
        text_literal(body, "0\t");
    text_number(body, answer->remaining_tokens);
    text_literal(body, "\t");
    write_ms(body, allowed ? 0 : answer->retry_after_ms);
    text_literal(body, "\t");
    write_ms(body, answer->full_after_ms);
    if (reason[0] != '\0') {
        assert(strlen(reason) < REASON_MAX);
        text_literal(body, "\t");
        text_string(body, reason);
    }
    text_literal(body, "\n");
}

static void write_level(struct text *body, const struct bucket_answer *answer)
{
    text_number(body, answer->remaining_tokens);
    text_literal(body, "\t");
    text_number(body, answer->owed_tokens);
    text_literal(body, "\t");
    write_ms(body, answer->full_after_ms);
    text_literal(body, "\n");
}

static void write_line(struct text *body, const struct message *message,
                       const struct bucket_answer *answer)
{
    if (message->kind == MESSAGE_LIST)
        write_level(body, answer);
    else
        write_verdict(body, answer,
                      message->kind == MESSAGE_ALL ? message->answer.list.allowed
                                                   : bucket_answer_allows(answer));
}

/* Whether all that a line may tell is the same of two answers of a list. */
static bool are_told_alike(const struct bucket_answer *a, const struct bucket_answer *b)
{
    return a->remaining_tokens == b->remaining_tokens && a->full_after_ms == b->full_after_ms &&
           a->retry_after_ms == b->retry_after_ms && a->owed_tokens == b->owed_tokens &&
           a->result == b->result && a->limit == b->limit && a->is_apart == b->is_apart;
}

/* Often keys are as full as those before them, such as all that have begun anew: such lines are copied. */
static void write_lines(struct text *body, const struct message *message)
{
    const struct list_question *ask = &message->ask.list;
    const char *line = body->at;
    size_t len = 0;
    for (uint32_t i = 0; i < ask->count; i++) {
        const struct bucket_answer *answer = &ask->calls[i].answer;
        if (i > 0 && are_told_alike(answer, &ask->calls[i - 1].answer)) {
            text_bytes(body, line, len);
            continue;
        }
        line = body->at;
        write_line(body, message, answer);
        len = (size_t)(body->at - line);
    }
}

size_t reply_lines_room(const struct list_question *ask)
{
    return ask->count * (size_t)LINE_MAX_BYTES + 1;
}

void reply_lines(struct reply *reply, const struct message *message, unsigned deny_status,
                 char *room, const struct serving *serving)
{
    const struct list_question *ask = &message->ask.list;
    struct text body = text_begin(room, reply_lines_room(ask));
    reply_list_begin(reply, message, deny_status, serving);
    reply->content_type = type_lines;
    write_lines(&body, message);
    reply_list_end(reply, &body);
}
