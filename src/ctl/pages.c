#include "ctl/pages.h"

#include "ctl/numbers.h"
#include "ctl/params.h"
#include "ctl/query.h"
#include "ctl/say.h"
#include "ctl/sheet.h"

#include <stdlib.h>

enum { ROWS_SHOWN = 100 }; /* without --count */

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

/* Adds rows for the keys of a page; how many, and no more than are wanted. */
static uint64_t add_page(const json_t *keys, uint64_t most, const struct pages_table *table,
                         struct columns *columns)
{
    uint64_t rows = 0;
    size_t i;
    json_t *key;
    json_array_foreach(keys, i, key)
    {
        if (rows < most)
            rows += table->add(columns, key);
    }
    return rows;
}

static enum ctl_exit add_pages(const struct job *job, const char *order, uint64_t most,
                               const struct pages_table *table, struct columns *columns)
{
    struct answer answer = ask(job, order, most, NULL);
    while (answer.told != NULL) {
        most -= add_page(json_object_get(answer.told, "keys"), most, table, columns);
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

enum ctl_exit pages_show(const struct job *job, const char *order, const struct pages_table *table)
{
    uint64_t most = ROWS_SHOWN;
    if (!number_of_option(job, OPTION_COUNT, 1, UINT32_MAX, &most))
        return CTL_USAGE;
    struct columns columns = columns_begin(table->heads, table->heads_count, job->charset);
    struct sheet sheet = sheet_begin(job->charset);
    enum ctl_exit exit = add_pages(job, order, most, table, &columns);
    if (!job_wants_json(job) && exit == CTL_DONE)
        sheet_columns(&sheet, &columns);
    columns_release(&columns);
    enum ctl_exit written = sheet_write(&sheet);
    return exit == CTL_DONE ? written : exit;
}
