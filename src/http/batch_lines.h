/*
 * Batches in lines: the compact form, from the bytes of a body to a list of calls.
 *
 *   KEY [TAB TOKENS [TAB LIMIT]] LF
 *
 * A line is a request. No key and no name of a limit holds a control character, so nothing is escaped.
 * TOKENS and LIMIT may be empty, as if they were not there; the last LF may be missing. Strict: anything
 * else is a fault, told with its line.
 *
 * The form has a version in its media type. What is read as one version means the same for ever; another
 * meaning is another version, with a type of its own.
 *
 * Owns nothing: a batch owns itself. Any thread. Never blocks. Errors: enum batch_result.
 */
#pragma once

#include "http/batch.h"
#include "http/reply.h"

#define BATCH_LINES_TYPE "application/vnd.allowd.lines.v1"

/* Reads a batch, which keeps no pointer into the bytes; whether it is for all is not in them. It
 * is never BATCH_NONE. Unless it returns BATCH_OK, *batch is untouched. detail: of BATCH_BAD. */
enum batch_result batch_lines_parse(const char *bytes, size_t len, struct batch *batch,
                                    char detail[REPLY_DETAIL_MAX]);
