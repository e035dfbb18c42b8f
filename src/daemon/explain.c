#include "daemon/explain.h"

#include "ask/explain_text.h"
#include "ask/fault_text.h"
#include "base/clock.h"
#include "brain/brain.h"
#include "log/log.h"

#include <stdlib.h>
#include <string.h>

bool explain_key_is_valid(const char *key)
{
    enum key_fault fault = key_check(key, strlen(key));
    if (fault != KEY_OK)
        log_error("--explain: %s", fault_text_key(fault));
    return fault == KEY_OK;
}

/* A brain of which nothing was asked yet has full buckets, and needs no room for more than one. */
static struct brain *brain_of(const struct config *config)
{
    static const uint8_t seed[TABLE_SEED_BYTES] = {0};
    const struct limits_question limits = {
        .limits = config->limits,
        .when_full = config->when_full,
        .date_s = clock_date_s(&clock_system),
    };
    return brain_new(&limits, 1, 1, seed, 0);
}

static enum exit_status print(const struct bucket_question *ask,
                              const struct explain_answer *answer, FILE *out)
{
    struct text text = text_begin_growing();
    const struct explanation explanation = explanation_of(ask, answer);
    size_t len = 0;
    explain_text_write(&text, &explanation);
    char *sentences = text_take(&text, &len);
    bool is_written =
        sentences != NULL && fwrite(sentences, 1, len, out) == len && fflush(out) == 0;
    free(sentences);
    return is_written ? EXIT_STATUS_OK : EXIT_STATUS_FAILURE;
}

static enum exit_status explain(struct brain *brain, const char *key, struct explain_answer *answer,
                                FILE *out)
{
    struct message message = {
        .kind = MESSAGE_EXPLAIN,
        .ask.bucket = {.key = key, .key_len = strlen(key), .tokens = 1},
        .answer.explain = answer,
    };
    struct chain answered = {0};
    brain_answer(brain, &message.letter, &answered);
    return print(&message.ask.bucket, answer, out);
}

enum exit_status explain_print(const struct config *config, const char *key, FILE *out)
{
    struct brain *brain = brain_of(config);
    struct explain_answer *answer = malloc(sizeof *answer);
    enum exit_status status = EXIT_STATUS_FAILURE;
    if (brain != NULL && answer != NULL)
        status = explain(brain, key, answer, out);
    else
        log_error("out of memory");
    free(answer);
    if (brain != NULL)
        brain_free(brain);
    return status;
}
