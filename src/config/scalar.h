/*
 * Scalars: reads the single values of a raw configuration, strictly.
 *
 * A faulty scalar is reported at its place, with what is allowed. It then reads as 0, which no
 * valid number, duration or rate is, or as its default.
 *
 * Owns nothing. Any thread. Never blocks. Errors: faults.
 */
#pragma once

#include "base/quantity.h"
#include "config/faults.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A raw scalar, split into its place and its text. */
struct placed {
    size_t line, column;
    const char *text;
};

/* Whether there is something to read: the scalar is neither absent nor reported already. */
bool scalar_is_usable(const char *raw);

/* Splits a usable scalar. */
struct placed scalar_placed(const char *raw);

/* Whether a raw scalar is usable and has this text. */
bool scalar_has_text(const char *raw, const char *text);

/* Whether the mapping with this raw place lacks the value of a name that the file has, or may
 * have, there. See CONFIG_PLACE. */
bool mapping_lacks(const char *place, const char *name);

/* A number from min to max; `absent` if it is not in the file, 0 if it is faulty. */
uint64_t scalar_number(struct faults *faults, const char *name, const char *raw, uint64_t min,
                       uint64_t max, uint64_t absent);

/* The same, but `word` is allowed too and reads as SCALAR_IS_WORD. NULL: no word is allowed. */
#define SCALAR_IS_WORD UINT64_MAX
uint64_t scalar_number_or(struct faults *faults, const char *name, const char *word,
                          const char *raw, uint64_t min, uint64_t max, uint64_t absent);

/* A duration from min_ms to max_ms; `absent_ms` if it is not in the file, 0 if it is faulty. */
uint64_t scalar_duration(struct faults *faults, const char *name, const char *raw, uint64_t min_ms,
                         uint64_t max_ms, uint64_t absent_ms);

/* A rate of 1 to `max` per period. counted: what of, such as "tokens". If it is faulty or not in
 * the file, a rate of 0. */
struct rate scalar_rate(struct faults *faults, const char *name, const char *counted, uint64_t max,
                        const char *raw);

/* Whether some key can match a glob, which has passed key_check. If not, that is reported. */
bool scalar_check_glob(struct faults *faults, const char *name, struct placed glob);

/* The end of an override in Unix seconds; OVERRIDE_FOR_EVER if it is faulty or not in the file. */
int64_t scalar_until(struct faults *faults, const char *raw);

/* The index of a word among `count` ones; `absent` if it is faulty or not in the file. */
size_t scalar_word(struct faults *faults, const char *name, const char *raw,
                   const char *const words[], size_t count, size_t absent);

/* true or false; false if it is faulty or not in the file. */
bool scalar_flag(struct faults *faults, const char *name, const char *raw);

/* A percentage of 1 to 100 with its sign; `absent` if it is not in the file, 0 if it is faulty. what: what it is
 * a percentage of, for the middle of a sentence; example: what to write, without the sign. */
uint32_t scalar_percent(struct faults *faults, const char *name, const char *raw, const char *what,
                        unsigned example, uint32_t absent);
