#include "ctl/lease.h"

#include "ctl/bucket.h"
#include "ctl/spans.h"

static const char *const numbers[] = {"tokens", "slots", "returned", "charged", "forgiven", "owed"};

void lease_show(struct sheet *sheet, const json_t *answer)
{
    const char *state = answer_text(answer, "state");
    sheet_line(sheet, "state", state != NULL ? state : "released");
    sheet_line(sheet, "key", answer_text(answer, "key"));
    sheet_line(sheet, "limit", answer_text(answer, "limit"));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (json_object_get(answer, numbers[i]) == NULL)
            continue;
        sheet_name(sheet, numbers[i]);
        span_append_number(&sheet->text, answer_number(answer, numbers[i]));
        sheet_own(sheet, "\n");
    }
    if (json_is_integer(json_object_get(answer, "expires_after_ms"))) {
        sheet_name(sheet, "ends in");
        bucket_show_ms(sheet, json_object_get(answer, "expires_after_ms"));
        sheet_own(sheet, "\n");
    }
}
