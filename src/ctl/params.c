#include "ctl/params.h"

#include "ctl/query.h"

void params_add(struct text *query, const struct job *job, const struct param *params)
{
    for (; params->name != NULL; params++)
        query_add(query, params->name, job_option(job, params->option));
}
