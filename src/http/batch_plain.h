/*
 * Plain batches: reads at once what nearly all clients send, and leaves all else to a JSON parser.
 *
 * A batch is plain if it is sound, no string in it holds an escape, and each number is a row of
 * digits. What is found to be plain means the same to any parser of JSON. Of what is not, nothing
 * is said here, not even whether it is JSON: batch_json.c has jansson read it, and tell its faults.
 *
 * Owns nothing. Any thread. Never blocks. Errors: false.
 */
#pragma once

#include "http/batch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many requests these bytes hold at most, if they are a plain batch; 0: they are none. */
uint32_t batch_plain_count(const char *bytes, size_t len);

/* Reads a batch into `calls`, for *count of which there is room, and sets *count and *all. Its strings
 * are copied to *strings, a room of `len` bytes, which then is behind the last of them. false: it is
 * not plain, or holds more requests; what was written is of no use. */
bool batch_plain_read(const char *bytes, size_t len, struct bucket_call *calls, char **strings,
                      uint32_t *count, bool *all);
