#include "http/reply_daemon.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_json(FILE *out, const char *string)
{
    char quoted[6 * LIMIT_MATCH_MAX + 3];
    struct text text = text_begin(quoted, sizeof quoted);
    text_json(&text, string, strlen(string));
    text_end(&text);
    fputs(quoted, out);
}

static void print_terms(FILE *out, const struct bucket_terms *bucket)
{
    char rate[QUANTITY_TEXT_MAX];
    quantity_print_rate(&bucket->rate, rate);
    fprintf(out, "\"burst\":%" PRIu64 ",\"rate\":\"%s\"", bucket->burst, rate);
}

static void print_buckets(FILE *out, const struct allowance *allowance)
{
    if (allowance->count == 1 && allowance->bucket[0].name[0] == '\0') {
        print_terms(out, &allowance->bucket[0]);
        return;
    }
    fputs("\"buckets\":[", out);
    for (uint32_t i = 0; i < allowance->count; i++) {
        fputs(i == 0 ? "{\"name\":" : ",{\"name\":", out);
        print_json(out, allowance->bucket[i].name);
        fputc(',', out);
        print_terms(out, &allowance->bucket[i]);
        fputc('}', out);
    }
    fputc(']', out);
}

static void print_limit(FILE *out, const struct limit *limit)
{
    fprintf(out, "{\"name\":%s,\"match\":", limit->quoted_name);
    if (limit->match[0] == '\0')
        fputs("null", out);
    else
        print_json(out, limit->match);
    fputc(',', out);
    print_buckets(out, &limit->allowance);
    if (limit->shadow)
        fputs(",\"shadow\":true", out);
    if (limit->overrides_count > 0)
        fprintf(out, ",\"overrides\":%" PRIu32, limit->overrides_count);
    fputc('}', out);
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
            ",\"keys\":%u,\"max_keys\":%u,\"when_full\":\"%s\",\"tick_ms\":%" PRIu64
            ",\"limits\":[",
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
    if (fclose(out) != 0 || body == NULL) { /* glibc finds no room for its NUL in silence */
        free(body);
        reply_problem(reply, 503, "out of memory; try again");
        return;
    }
    reply_begin(reply, 200, reply_type_json);
    reply->large_body = body;
    reply->body_len = body_len;
}
