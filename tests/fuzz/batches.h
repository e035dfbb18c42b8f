/*
 * What must hold of every batch, whatever the form it comes in.
 */
#pragma once

#include "fuzz/fuzz.h"
#include "http/batch.h"
#include "http/reply.h"
#include "limits/key.h"

#include <string.h>

/* A question that the brain may be asked, and that does not wait. */
static inline void check_question(const struct bucket_question *ask)
{
    FUZZ_REQUIRE(key_check(ask->key, ask->key_len) == KEY_OK && strlen(ask->key) == ask->key_len);
    FUZZ_REQUIRE(ask->tokens <= TOKENS_MAX && ask->wait_ms == 0);
    FUZZ_REQUIRE(!ask->key_is_plain || strpbrk(ask->key, "\"\\") == NULL);
    if (ask->limit_name == NULL)
        return;
    FUZZ_REQUIRE(limit_name_is_valid(ask->limit_name, ask->limit_name_len));
    FUZZ_REQUIRE(strlen(ask->limit_name) == ask->limit_name_len);
}

static inline void check_questions(const struct batch *batch)
{
    FUZZ_REQUIRE(batch->count >= 1 && batch->count <= LIST_MAX);
    for (uint32_t i = 0; i < batch->count; i++)
        check_question(&batch->calls[i].ask);
}

static inline void check_same(const struct bucket_question *a, const struct bucket_question *b)
{
    FUZZ_REQUIRE(strcmp(a->key, b->key) == 0 && a->tokens == b->tokens);
    FUZZ_REQUIRE((a->limit_name == NULL) == (b->limit_name == NULL));
    FUZZ_REQUIRE(a->limit_name == NULL || strcmp(a->limit_name, b->limit_name) == 0);
}

typedef enum batch_result batch_parser(const char *bytes, size_t len, struct batch *batch,
                                       char detail[REPLY_DETAIL_MAX]);
typedef size_t batch_writer(const struct batch *batch, char *bytes, size_t room);

/* That a batch says the same when it is written again, for which each question has so much room. */
static inline void check_written_again(const struct batch *batch, batch_parser *parse,
                                       batch_writer *write, size_t question_max)
{
    char detail[REPLY_DETAIL_MAX];
    size_t room = 64 + (size_t)batch->count * question_max;
    char *bytes = malloc(room);
    struct batch again;
    FUZZ_REQUIRE(bytes != NULL);
    size_t len = write(batch, bytes, room);
    FUZZ_REQUIRE(parse(bytes, len, &again, detail) == BATCH_OK);
    FUZZ_REQUIRE(again.count == batch->count && again.all == batch->all);
    for (uint32_t i = 0; i < batch->count; i++)
        check_same(&batch->calls[i].ask, &again.calls[i].ask);
    batch_release(&again);
    free(bytes);
}

/* What is said of a batch that is refused is fit to be shown. */
static inline void check_detail(const char detail[REPLY_DETAIL_MAX])
{
    size_t len = strnlen(detail, REPLY_DETAIL_MAX);
    FUZZ_REQUIRE(len > 0 && len < REPLY_DETAIL_MAX);
    for (size_t i = 0; i < len; i++)
        FUZZ_REQUIRE(detail[i] >= ' ' && detail[i] <= '~');
}
