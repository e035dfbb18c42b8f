/* Batches in lines: what is taken is a list of sound questions, one for each line, and says the same
 * when it is written again; what is refused is told in words fit to be shown. */
#include "base/text.h"
#include "fuzz/batches.h"
#include "http/batch_lines.h"

const struct fuzz_target fuzz_target = {.name = "batch_lines", .size_max = 4096, .runs = 100000};

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

/* Lines are counted here in another way. */
static uint32_t count_lines(const uint8_t *data, size_t size)
{
    uint32_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || i + 1 == size;
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char detail[REPLY_DETAIL_MAX] = "";
    struct batch batch;
    if (size > BATCH_BODY_MAX)
        return 0;
    switch (batch_lines_parse((const char *)data, size, &batch, detail)) {
    case BATCH_OK:
        check_questions(&batch);
        FUZZ_REQUIRE(batch.count == count_lines(data, size));
        check_written_again(&batch, batch_lines_parse, write_batch, KEY_MAX + LIMIT_NAME_MAX + 32);
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
