/*
 * Hints: what somebody who comes from another program probably meant, and how it is written here.
 *
 * A configuration is read strictly, and so 0.5/s or 1k is a fault. What is meant by it is plain all
 * the same; the fault then says how to write exactly that. Nothing is guessed: where a text could
 * mean two things, there is no hint.
 *
 * Owns nothing. Any thread. Never blocks. Never fails: it finds a hint, or none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bytes of a hint, its NUL included. */
#define HINT_MAX 160

/* "1k", "1,000", "1e3", "1_000" or "1000.0": 1000, if it is from min to max. */
bool hint_number(const char *text, uint64_t min, uint64_t max, char hint[HINT_MAX]);

/* "0.1s", "1 s", "100 msec": 100ms, if it is from min_ms to max_ms. */
bool hint_duration(const char *text, uint64_t min_ms, uint64_t max_ms, char hint[HINT_MAX]);

/* "0.5/s": 1/2s. "10r/m", "10 per minute", "10/min", "10rpm": 10/m. At most `max` tokens. */
bool hint_rate(const char *text, uint64_t max, char hint[HINT_MAX]);

/* Seconds since 1970: the same as a time, in quotes. */
bool hint_time(const char *text, char hint[HINT_MAX]);

/* "localhost:80", "80", ":80", "/run/x.sock", "::1:80": an address to listen on. */
bool hint_address(const char *text, char hint[HINT_MAX]);

/* What to do if a text has something in it that another program was to replace, such as ${PORT};
 * NULL: it has not. */
const char *hint_placeholder(const char *text);

/* What to do if a name is one by which other programs take in other files or values, such as
 * include or <<; NULL: it is not. */
const char *hint_name(const char *name);
