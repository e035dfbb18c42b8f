#include "ctl/call.h"

#include "ctl/query.h"
#include "ctl/say.h"

#include <stdlib.h>

static struct answer no_memory(void)
{
    say("there is not enough memory");
    return (struct answer){.exit = CTL_FAILED};
}

static char *parameters(const struct job *job, const char *name, const char *value,
                        const struct param *params)
{
    struct text text = text_begin_growing();
    size_t len;
    query_add(&text, name, value);
    params_add(&text, job, params);
    return text_take(&text, &len);
}

struct answer call_post(const struct job *job, const char *path, const char *name,
                        const struct param *params, uint64_t more_patience_ms)
{
    char *form = parameters(job, name, job->words_count > 0 ? job->words[0] : NULL, params);
    if (form == NULL)
        return no_memory();
    struct answer answer = answer_of(job, &(struct client_request){
                                              .method = "POST",
                                              .path = path,
                                              .form = form,
                                              .more_patience_ms = more_patience_ms,
                                          });
    free(form);
    return answer;
}

struct answer call_query(const struct job *job, const char *method, const char *path,
                         const char *name, const struct param *params)
{
    char *query = parameters(job, name, job->words_count > 0 ? job->words[0] : NULL, params);
    if (query == NULL)
        return no_memory();
    struct answer answer =
        answer_of(job, &(struct client_request){.method = method, .path = path, .query = query});
    free(query);
    return answer;
}

void call_show_warnings(struct sheet *sheet, const json_t *json)
{
    size_t i;
    json_t *warning;
    json_array_foreach(json_object_get(json, "warnings"), i, warning)
    {
        sheet_own(sheet, "warning: ");
        if (answer_number(warning, "line") > 0) {
            sheet_own(sheet, "line ");
            text_number(&sheet->text, answer_number(warning, "line"));
            sheet_own(sheet, ": ");
        }
        sheet_shown(sheet, answer_text(warning, "text"));
        sheet_own(sheet, "\n");
    }
}

enum ctl_exit call_show(struct sheet *sheet, struct answer *answer)
{
    enum ctl_exit exit = answer->exit, written = sheet_write(sheet);
    answer_release(answer);
    return written == CTL_DONE ? exit : written;
}
