/*
 * Calls: one question whose parameters are a word and options of the command line, its answer, and what
 * is shown of it.
 *
 * Owns nothing. Main thread. Blocks as the client does. Errors: the exit status.
 */
#pragma once

#include "ctl/answer.h"
#include "ctl/params.h"
#include "ctl/sheet.h"

/* Asks by a POST of a form: the job's first word under this name if there is one, and these
 * parameters. */
struct answer call_post(const struct job *job, const char *path, const char *name,
                        const struct param *params, uint64_t more_patience_ms);

/* The same in the query of another method. */
struct answer call_query(const struct job *job, const char *method, const char *path,
                         const char *name, const struct param *params);

/* Appends the warnings of the answer, a line each. */
void call_show_warnings(struct sheet *sheet, const json_t *json);

/* Writes the sheet, and releases both. The answer's exit status, or that of what went wrong. */
enum ctl_exit call_show(struct sheet *sheet, struct answer *answer);
