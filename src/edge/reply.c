#include "edge/reply.h"

#include "edge/text.h"
#include "pure/key.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char type_json[] = "application/json";
static const char type_problem[] = "application/problem+json";

#define TYPE_QUOTA_EXCEEDED "https://iana.org/assignments/http-problem-types#quota-exceeded"
#define TITLE_DENIED "Too Many Requests"

/* Titles, which RFC 9457 wants to be the reason phrase where the type is about:blank. */
static const struct {
    unsigned status;
    const char *title;
} titles[] = {
    {400, "Bad Request"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {431, "Request Header Fields Too Large"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

static const char *title_of(unsigned status)
{
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        if (titles[i].status == status)
            return titles[i].title;
    assert(!"a status without a title");
    return "";
}

static void begin(struct reply *reply, unsigned status, const char *content_type)
{
    reply->status = status;
    reply->close = false;
    reply->content_type = content_type;
    reply->allow = NULL;
    reply->rate_limit_policy = NULL;
    reply->retry_after[0] = '\0';
    reply->large_body = NULL;
}

void reply_problem(struct reply *reply, unsigned status, const char *detail)
{
    begin(reply, status, type_problem);
    struct text body = text_begin(reply->body, sizeof reply->body);
    text_literal(&body, "{\"type\":\"about:blank\",\"title\":\"");
    text_string(&body, title_of(status));
    text_literal(&body, "\",\"status\":");
    text_number(&body, status);
    text_literal(&body, ",\"detail\":");
    text_json(&body, detail, strlen(detail));
    text_literal(&body, "}\n");
    reply->body_len = text_end(&body);
}

static uint64_t ceil_seconds(uint64_t ms)
{
    return (ms + MS_PER_S - 1) / MS_PER_S;
}

/* RateLimit and RateLimit-Policy, draft-ietf-httpapi-ratelimit-headers-08 to -11. */
static void write_rate_limit(struct reply *reply, const struct bucket_answer *answer)
{
    struct text text = text_begin(reply->rate_limit, sizeof reply->rate_limit);
    text_string(&text, answer->limit->quoted_name);
    text_literal(&text, ";r=");
    text_number(&text, answer->remaining_tokens);
    text_literal(&text, ";t=");
    text_number(&text, ceil_seconds(answer->buckets[0].next_token_ms));
    text_end(&text);
    reply->rate_limit_policy = answer->allowance->policy;
}

static void write_retry_after(struct reply *reply, const struct bucket_answer *answer)
{
    uint64_t seconds = ceil_seconds(answer->retry_after_ms);
    struct text text = text_begin(reply->retry_after, sizeof reply->retry_after);
    text_number(&text, seconds == 0 ? 1 : seconds);
    text_end(&text);
}

static const char *reason_of(enum bucket_result result)
{
    switch (result) {
    case BUCKET_EXCEEDS_BURST:
        return ",\"reason\":\"exceeds_burst\"";
    case BUCKET_TABLE_FULL:
    case BUCKET_UNCOUNTED:
        return ",\"reason\":\"table_full\"";
    case BUCKET_ALLOWED:
    case BUCKET_DENIED:
    case BUCKET_ALWAYS:
    case BUCKET_NEVER:
    case BUCKET_HELD_BACK:
    case BUCKET_NO_SUCH_LIMIT:
        break;
    }
    return "";
}

/* "key":…,"limit":… */
static void write_names(struct text *body, const struct message *message)
{
    text_literal(body, "\"key\":");
    text_json(body, message->ask.bucket.key, message->ask.bucket.key_len);
    text_literal(body, ",\"limit\":");
    text_string(body, message->answer.bucket.limit->quoted_name);
}

static void write_allow(struct text *body, const struct message *message)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    if (bucket_answer_allows(answer)) {
        text_literal(body, "{\"allowed\":true,");
    } else {
        text_literal(body, "{\"type\":\"" TYPE_QUOTA_EXCEEDED "\",\"title\":\"" TITLE_DENIED
                           "\",\"status\":429,\"violated-policies\":[");
        text_string(body, answer->limit->quoted_name);
        text_literal(body, "],\"allowed\":false,");
    }
    write_names(body, message);
    text_literal(body, ",\"tokens\":");
    text_number(body, message->ask.bucket.tokens);
    text_literal(body, ",\"remaining\":");
    text_number(body, answer->remaining_tokens);
    text_literal(body, ",\"burst\":");
    text_number(body, answer->allowance->burst);
    text_literal(body, ",\"retry_after_ms\":");
    if (answer->result == BUCKET_EXCEEDS_BURST)
        text_literal(body, "null");
    else
        text_number(body, answer->retry_after_ms);
    text_literal(body, ",\"reset_after_ms\":");
    text_number(body, answer->full_after_ms);
    text_string(body, reason_of(answer->result));
    text_literal(body, "}\n");
}

static void write_status(struct text *body, const struct message *message)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    text_literal(body, "{");
    write_names(body, message);
    text_literal(body, ",\"remaining\":");
    text_number(body, answer->remaining_tokens);
    text_literal(body, ",\"burst\":");
    text_number(body, answer->allowance->burst);
    text_literal(body, ",\"reset_after_ms\":");
    text_number(body, answer->full_after_ms);
    text_literal(body, ",\"active\":");
    text_string(body, answer->active ? "true" : "false");
    text_literal(body, "}\n");
}

static_assert(2 * KEY_MAX + 2 * (2 * LIMIT_NAME_MAX + 3) + 512 < REPLY_BODY_MAX,
              "the longest answer, every character of its names escaped, fits");

void reply_bucket(struct reply *reply, const struct message *message)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    bool allowed = bucket_answer_allows(answer);
    begin(reply, allowed ? 200 : 429, allowed ? type_json : type_problem);
    write_rate_limit(reply, answer);
    if (!allowed && answer->result != BUCKET_EXCEEDS_BURST)
        write_retry_after(reply, answer);

    struct text body = text_begin(reply->body, sizeof reply->body);
    if (message->kind == MESSAGE_ALLOW)
        write_allow(&body, message);
    else
        write_status(&body, message);
    reply->body_len = text_end(&body);
}

static void print_json(FILE *out, const char *string)
{
    char quoted[6 * LIMIT_MATCH_MAX + 3];
    struct text text = text_begin(quoted, sizeof quoted);
    text_json(&text, string, strlen(string));
    text_end(&text);
    fputs(quoted, out);
}

static void print_limit(FILE *out, const struct limit *limit)
{
    char rate[QUANTITY_TEXT_MAX];
    quantity_print_rate(&limit->allowance.bucket[0].rate, rate);
    fprintf(out, "{\"name\":%s,\"match\":", limit->quoted_name);
    if (limit->match[0] == '\0')
        fputs("null", out);
    else
        print_json(out, limit->match);
    fprintf(out, ",\"burst\":%" PRIu64 ",\"rate\":\"%s\"}", limit->allowance.burst, rate);
}

void reply_daemon(struct reply *reply, const struct daemon_answer *answer)
{
    char *body = NULL;
    size_t body_len = 0;
    FILE *out = open_memstream(&body, &body_len);
    if (out == NULL) {
        reply_problem(reply, 503, "out of memory; try again");
        return;
    }
    fprintf(out,
            "{\"version\":\"" PACKAGE_VERSION "\",\"uptime_s\":%" PRIu64
            ",\"keys\":%u,\"max_keys\":%u,\"when_full\":\"%s\",\"tick_ms\":%" PRIu64 ",\"limits\":[",
            answer->uptime_ms / MS_PER_S, answer->keys, answer->max_keys,
            when_full_names[answer->when_full], answer->limits->tick_ms);
    for (uint32_t i = 0; i < answer->limits->count; i++) {
        if (i > 0)
            fputc(',', out);
        print_limit(out, &answer->limits->limit[i]);
    }
    fputs("],\"counters\":{", out);
    const char *separator = "";
#define X(name)                                                                                    \
    fprintf(out, "%s\"" #name "\":%" PRIu64, separator, answer->counters.name);                    \
    separator = ",";
    BRAIN_COUNTERS(X)
#undef X
    fputs("}}\n", out);
    if (fclose(out) != 0) {
        free(body);
        reply_problem(reply, 503, "out of memory; try again");
        return;
    }
    begin(reply, 200, type_json);
    reply->large_body = body;
    reply->body_len = body_len;
}
