/* Batches in JSON: what is taken is a list of sound questions, and says the same when it is
 * written again; what is refused is told in words fit to be shown. */
#include "base/text.h"
#include "fuzz/batches.h"
#include "http/batch_json.h"
#include "http/json_memory.h"

const struct fuzz_target fuzz_target = {.name = "batch_json", .size_max = 4096, .runs = 30000};

/* The members in another order than most clients', and one with an escape in its name, so that jansson
 * reads what may have been read as a plain batch. */
static void write_question(struct text *text, const struct bucket_question *ask)
{
    text_literal(text, "{\"\\u0074okens\":");
    text_number(text, ask->tokens);
    if (ask->limit_name != NULL) {
        text_literal(text, ",\"limit\":");
        text_json(text, ask->limit_name, ask->limit_name_len);
    }
    text_literal(text, ",\"key\":");
    text_json(text, ask->key, ask->key_len);
    text_literal(text, "}");
}

static size_t write_batch(const struct batch *batch, char *bytes, size_t room)
{
    struct text text = text_begin(bytes, room);
    text_literal(&text, "{\"requests\":[");
    for (uint32_t i = 0; i < batch->count; i++) {
        if (i > 0)
            text_literal(&text, ",");
        write_question(&text, &batch->calls[i].ask);
    }
    text_literal(&text, "],\"mode\":\"");
    text_string(&text, batch->all ? "all" : "each");
    text_literal(&text, "\"}");
    return text_end(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char detail[REPLY_DETAIL_MAX] = "";
    struct batch batch;
    static bool is_set_up;
    if (!is_set_up)
        json_memory_set_up();
    is_set_up = true;
    if (size > BATCH_BODY_MAX)
        return 0;
    switch (batch_json_parse((const char *)data, size, &batch, detail)) {
    case BATCH_OK:
        check_questions(&batch);
        check_written_again(&batch, batch_json_parse, write_batch,
                            2 * (KEY_MAX + LIMIT_NAME_MAX) + 64);
        batch_release(&batch);
        break;
    case BATCH_BAD:
        check_detail(detail);
        break;
    case BATCH_NONE:
        break;
    case BATCH_NO_MEMORY:
        fuzz_fail(__FILE__, __LINE__, "there is memory");
    }
    return 0;
}
