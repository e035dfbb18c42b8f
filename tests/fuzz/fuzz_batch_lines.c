/* Batches in lines: what is taken is a list of sound questions, one for each line, and says the same
 * when it is written again; what is refused is told in words fit to be shown. */
#include "base/text.h"
#include "fuzz/fuzz.h"
#include "http/batch_lines.h"
#include "limits/key.h"

#include <string.h>

const struct fuzz_target fuzz_target = {.name = "batch_lines", .size_max = 4096, .runs = 100000};

static void check_question(const struct bucket_question *ask)
{
    FUZZ_REQUIRE(key_check(ask->key, ask->key_len) == KEY_OK && strlen(ask->key) == ask->key_len);
    FUZZ_REQUIRE(ask->tokens <= TOKENS_MAX && ask->wait_ms == 0);
    if (ask->limit_name == NULL)
        return;
    FUZZ_REQUIRE(limit_name_is_valid(ask->limit_name, ask->limit_name_len));
    FUZZ_REQUIRE(strlen(ask->limit_name) == ask->limit_name_len);
}

static void check_same(const struct bucket_question *a, const struct bucket_question *b)
{
    FUZZ_REQUIRE(strcmp(a->key, b->key) == 0 && a->tokens == b->tokens);
    FUZZ_REQUIRE((a->limit_name == NULL) == (b->limit_name == NULL));
    FUZZ_REQUIRE(a->limit_name == NULL || strcmp(a->limit_name, b->limit_name) == 0);
}

static size_t write_batch(const struct batch *batch, char *bytes, size_t room)
{
    struct text text = text_begin(bytes, room);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct bucket_question *ask = &batch->calls[i].ask;
        text_bytes(&text, ask->key, ask->key_len);
        text_literal(&text, "\t");
        text_number(&text, ask->tokens);
        text_literal(&text, "\t");
        if (ask->limit_name != NULL)
            text_bytes(&text, ask->limit_name, ask->limit_name_len);
        text_literal(&text, "\n");
    }
    return text_end(&text);
}

static void check_written_again(const struct batch *batch)
{
    enum { LINE_MAX_BYTES = KEY_MAX + LIMIT_NAME_MAX + 32 };
    char detail[REPLY_DETAIL_MAX];
    size_t room = 1 + (size_t)batch->count * LINE_MAX_BYTES;
    char *bytes = malloc(room);
    struct batch again;
    FUZZ_REQUIRE(bytes != NULL);
    size_t len = write_batch(batch, bytes, room);
    FUZZ_REQUIRE(batch_lines_parse(bytes, len, &again, detail) == BATCH_OK);
    FUZZ_REQUIRE(again.count == batch->count);
    for (uint32_t i = 0; i < batch->count; i++)
        check_same(&batch->calls[i].ask, &again.calls[i].ask);
    batch_release(&again);
    free(bytes);
}

/* Lines are counted here in another way. */
static uint32_t count_lines(const uint8_t *data, size_t size)
{
    uint32_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || i + 1 == size;
    return lines;
}

static void check_detail(const char detail[REPLY_DETAIL_MAX])
{
    size_t len = strnlen(detail, REPLY_DETAIL_MAX);
    FUZZ_REQUIRE(len > 0 && len < REPLY_DETAIL_MAX);
    for (size_t i = 0; i < len; i++)
        FUZZ_REQUIRE(detail[i] >= ' ' && detail[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char detail[REPLY_DETAIL_MAX] = "";
    struct batch batch;
    if (size > BATCH_BODY_MAX)
        return 0;
    switch (batch_lines_parse((const char *)data, size, &batch, detail)) {
    case BATCH_OK:
        FUZZ_REQUIRE(batch.count >= 1 && batch.count <= LIST_MAX);
        FUZZ_REQUIRE(batch.count == count_lines(data, size));
        for (uint32_t i = 0; i < batch.count; i++)
            check_question(&batch.calls[i].ask);
        check_written_again(&batch);
        batch_release(&batch);
        break;
    case BATCH_BAD:
        check_detail(detail);
        break;
    case BATCH_NONE:
        fuzz_fail(__FILE__, __LINE__, "lines are always a batch, if perhaps a bad one");
    case BATCH_NO_MEMORY:
        fuzz_fail(__FILE__, __LINE__, "there is memory");
    }
    return 0;
}
