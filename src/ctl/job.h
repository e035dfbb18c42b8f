/*
 * A job: one run of a command, with what it was told and the server to ask.
 *
 * Owns what main.c has put there. Main thread.
 */
#pragma once

#include "ctl/client.h"
#include "ctl/exits.h"
#include "ctl/options.h"
#include "ctl/shown.h"

struct job {
    const struct options *options;
    char **words; /* behind the command's name */
    size_t words_count;
    struct client *client;
    enum shown_charset charset;
    const char *line_is; /* what a line of what is asked is, for those who read of a fault in it */
};

/* The value of an option, or NULL. */
static inline const char *job_option(const struct job *job, enum option_name name)
{
    return job->options->value[name];
}

static inline bool job_wants_json(const struct job *job)
{
    return job_option(job, OPTION_JSON) != NULL;
}
