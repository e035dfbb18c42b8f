/*
 * Batches in a unit test: parsed, in whatever form they come, and what has become of them.
 *
 * Owns nothing: a batch that was taken is the test's to release. One thread. Never blocks. Errors: the
 * test fails.
 */
#pragma once

#include "http/batch.h"
#include "http/reply.h"
#include "support/unit.h"

#include <stdlib.h>
#include <string.h>

typedef enum batch_result batch_parser(const char *bytes, size_t len, struct batch *batch,
                                       char detail[REPLY_DETAIL_MAX]);

/* What the last parse has left. */
static struct batch batch;
static char detail[REPLY_DETAIL_MAX];

/* Parses from a block of just that size, so that the sanitizers see what lies behind it. */
static inline enum batch_result parse_exactly(batch_parser *parse, const char *bytes, size_t len)
{
    char *exact = malloc(len == 0 ? 1 : len);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    memset(detail, 'x', sizeof detail);
    memset(&batch, 0xee, sizeof batch);
    enum batch_result result = parse(exact, len, &batch, detail);
    memset(exact, 'x', len);
    free(exact);
    return result;
}

/* A batch untouched by the parser holds no memory to release. */
static inline void expect_untouched(void)
{
    struct batch untouched;
    memset(&untouched, 0xee, sizeof untouched);
    assert_memory_equal(&batch, &untouched, sizeof batch);
}

static inline void expect_detail(void)
{
    size_t len = strnlen(detail, sizeof detail);
    assert_in_range(len, 1, sizeof detail - 1);
    for (size_t i = 0; i < len; i++)
        assert_in_range((unsigned char)detail[i], ' ', '~');
}

/* text: what was parsed, for who reads that it was taken. */
static inline void expect_refused(enum batch_result result, const char *text, const char *says)
{
    if (result != BATCH_BAD)
        fail_msg("%.80s: was taken for %d, not refused with: %s", text, result, says);
    expect_untouched();
    expect_detail();
    if (strstr(detail, says) == NULL)
        fail_msg("%s\nis said, not: %s", detail, says);
}

/* limit: NULL, if none is named. */
static inline void expect_call(uint32_t index, const char *key, const char *limit, uint64_t tokens)
{
    assert_in_range(index, 0, batch.count - 1);
    const struct bucket_question *ask = &batch.calls[index].ask;
    assert_string_equal(ask->key, key);
    assert_int_equal(ask->key_len, strlen(key));
    assert_int_equal(ask->tokens, tokens);
    assert_int_equal(ask->wait_ms, 0);
    assert_int_equal(ask->limit_name == NULL, limit == NULL);
    if (limit != NULL) {
        assert_string_equal(ask->limit_name, limit);
        assert_int_equal(ask->limit_name_len, strlen(limit));
    }
}
