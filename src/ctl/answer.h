/*
 * Answers: what the server said to a call, judged the same way for all commands.
 *
 * An answer is done (200), or a denial (it says allowed false), and then its JSON is the command's to
 * show. If the call was refused, or there was no answer, that is said on standard error, and there is
 * nothing more to show. With --json the JSON is written as it is, whatever it says.
 *
 * Owns the JSON of struct answer. Main thread. Blocks as the client does. Errors: exit.
 */
#pragma once

#include "ctl/job.h"

#include <jansson.h>

struct answer {
    enum ctl_exit exit;
    json_t *json; /* to be shown, an object; NULL: nothing is to be shown any more */
    json_t *told; /* the same, even if it has been written already; NULL: there is none */
};

/* Asks and judges. To be released. */
struct answer answer_of(const struct job *job, const struct client_request *request);

/* The same of what has come already; takes the reply's body. */
struct answer answer_judge(const struct job *job, enum client_result result,
                           struct client_reply *reply);
void answer_release(struct answer *answer);

/* For a question whether a key may go on: if the answer says neither yes nor no, as another program's JSON, it is not
 * shown, and it is an error, lest a script takes it for a yes. */
void answer_need_verdict(const struct job *job, struct answer *answer);

/* Writes JSON that is valid as it is, but for what a terminal would act on, and a line end. */
enum ctl_exit answer_write_json(const char *body, size_t len);

/* Members: the text, NULL if there is none or it is none; the number, 0 if there is none; whether it
 * is there and true. */
const char *answer_text(const json_t *object, const char *name);
uint64_t answer_number(const json_t *object, const char *name);
bool answer_is_true(const json_t *object, const char *name);
