/*
 * What is shown of a lease, as /status, /renew and /release answer it.
 *
 * Owns nothing. Main thread. Never blocks. Errors: those of the sheet.
 */
#pragma once

#include "ctl/answer.h"
#include "ctl/sheet.h"

/* Appends the members that the answer has, a line each. */
void lease_show(struct sheet *sheet, const json_t *answer);
