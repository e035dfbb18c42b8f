/*
 * JSON memory: what jansson takes its memory from while it parses what a client has sent.
 *
 * jansson has one allocator for the whole process. While a thread is between json_memory_begin and
 * json_memory_end, jansson gets its memory there from an arena that ends with the parse, so nothing
 * that jansson makes may outlive the parse. Any other use of jansson gets malloc(3) and free(3).
 *
 * Owns the arena of a parse. Threads: each has its own parse; json_memory_set_up before there are
 * any. Never blocks. Errors: jansson says that it failed, and json_memory_was_short why.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The longest text that is parsed, in bytes. */
#define JSON_MEMORY_TEXT_MAX ((size_t)1 << 20)

/* Call it once, before anything is parsed: sets jansson's allocator and seed. */
void json_memory_set_up(void);

/* Around a parse of so many bytes. */
void json_memory_begin(size_t len);
void json_memory_end(void);

/* Before json_memory_end: whether jansson was refused memory, and whether that was because the JSON
 * holds more values than any that is asked for here. */
bool json_memory_was_short(void);
bool json_memory_was_spent(void);

/* For tests: if not NULL, it is called before each allocation, which fails if it returns true; also
 * before those that the users of jansson make for what they read, who ask json_memory_is_out. */
extern bool (*json_memory_fails)(void);
bool json_memory_is_out(void);
