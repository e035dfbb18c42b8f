/*
 * Parameters of a call, taken from the command line: the key, and each option that was given under the
 * name that the call has for it.
 *
 * Owns nothing. Main thread. Never blocks. Errors: those of the text.
 */
#pragma once

#include "ctl/job.h"

struct param {
    const char *name;
    enum option_name option;
};

/* Appends those of a list that were given; it ends with a name that is NULL. */
void params_add(struct text *query, const struct job *job, const struct param *params);
