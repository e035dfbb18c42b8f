/*
 * What is shown of a key's bucket, as /status, /reset, /refund, /charge and /allow answer it.
 *
 * Owns nothing. Main thread. Never blocks. Errors: those of the sheet.
 */
#pragma once

#include "ctl/answer.h"
#include "ctl/sheet.h"

/* Appends the lines of a bucket: key, limit, remaining, what is owed, when it is full, and of each
 * bucket where there are several. */
void bucket_show(struct sheet *sheet, const json_t *answer);

/* Appends milliseconds as a time; null is never. And adds a cell with it. */
void bucket_show_ms(struct sheet *sheet, const json_t *ms);
void bucket_add_ms(struct columns *columns, const json_t *ms);
