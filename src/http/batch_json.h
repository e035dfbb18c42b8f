/*
 * Batches in JSON: from the bytes of a body to a list of calls.
 *
 *   {"requests":[{"key":"user:1","limit":"api","tokens":2}, ...],"mode":"each"}
 *
 * Strict: it is a fault, told with its place, if a member is unknown or
 * there twice, if a type is wrong, if anything follows the end, or if a text is not UTF-8.
 *
 * Owns nothing: a batch owns itself. Any thread. Never blocks. Errors: enum batch_result.
 */
#pragma once

#include "http/batch.h"
#include "http/reply.h"

/* Reads a batch, which keeps no pointer into the bytes. Unless it returns BATCH_OK, *batch
 * is untouched. detail: of BATCH_BAD. */
enum batch_result batch_json_parse(const char *bytes, size_t len, struct batch *batch,
                                   char detail[REPLY_DETAIL_MAX]);
