#include "ctl/pages.h"

#include "ctl/params.h"
#include "ctl/query.h"
#include "ctl/say.h"

#include <stdlib.h>

static const struct param params[] = {
    {"limit", OPTION_LIMIT},
    {"prefix", OPTION_PREFIX},
    {NULL, OPTION_COUNT_OF},
};

/* Keys that are wanted of the whole table may be few, so each page is as long as it can be. */
static char *query_of(const struct job *job, const char *order, uint64_t most, const char *cursor)
{
    char count[24];
    struct text digits = text_begin(count, sizeof count), text = text_begin_growing();
    text_number(&digits, order == NULL || most > PAGE_KEYS_MAX ? PAGE_KEYS_MAX : most);
    text_end(&digits);
    query_add(&text, "count", count);
    query_add(&text, "sort", order);
    query_add(&text, "cursor", cursor);
    params_add(&text, job, params);
    size_t len;
    return text_take(&text, &len);
}

static struct answer ask(const struct job *job, const char *order, uint64_t most,
                         const char *cursor)
{
    char *query = query_of(job, order, most, cursor);
    if (query == NULL) {
        say("there is not enough memory");
        return (struct answer){.exit = CTL_FAILED};
    }
    struct answer answer =
        answer_of(job, &(struct client_request){.method = "GET", .path = "/keys", .query = query});
    free(query);
    return answer;
}

/* Gives them away; how many were counted. */
static uint64_t give(const json_t *keys, uint64_t most, const struct pages_sink *sink)
{
    uint64_t counted = 0;
    size_t i;
    json_t *key;
    json_array_foreach(keys, i, key)
    {
        if (counted < most)
            counted += sink->take(sink->context, key);
    }
    return counted;
}

enum ctl_exit pages_of_keys(const struct job *job, const char *order, uint64_t most,
                            const struct pages_sink *sink)
{
    struct answer answer = ask(job, order, most, NULL);
    while (answer.told != NULL) {
        most -= give(json_object_get(answer.told, "keys"), most, sink);
        const char *cursor = answer_text(answer.told, "cursor");
        if (cursor == NULL || order != NULL || most == 0)
            break;
        struct answer next = ask(job, order, most, cursor);
        answer_release(&answer);
        answer = next;
    }
    enum ctl_exit exit = answer.exit;
    answer_release(&answer);
    return exit;
}
