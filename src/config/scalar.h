/*
 * The scalars of a raw configuration, read strictly.
 *
 * A faulty one is reported at the place it has in front, with what is allowed,
 * and reads as 0, which no number, duration or rate may be, or as its default.
 *
 * Owns nothing. Any thread. Never blocks. Errors: faults.
 */
#pragma once

#include "base/quantity.h"
#include "config/faults.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A raw scalar taken apart. */
struct placed {
    size_t line, column;
    const char *text;
};

/* Whether there is anything to read: a raw scalar that is neither absent nor reported already. */
bool scalar_is_usable(const char *raw);

/* Takes a usable scalar apart. */
struct placed scalar_placed(const char *raw);

/* Whether a raw scalar is usable and has this text. */
bool scalar_has_text(const char *raw, const char *text);

/* Whether a mapping of this raw place lacks what its name has in the file, or may have. */
bool mapping_lacks(const char *place, const char *name);

/* A number from min to max; `absent` if it is not in the file, 0 if it is faulty. */
uint64_t scalar_number(struct faults *faults, const char *name, const char *raw, uint64_t min,
                       uint64_t max, uint64_t absent);

/* The same, where `word` is allowed in place of a number (NULL: none is) and reads as
 * SCALAR_IS_WORD. */
#define SCALAR_IS_WORD UINT64_MAX
uint64_t scalar_number_or(struct faults *faults, const char *name, const char *word,
                          const char *raw, uint64_t min, uint64_t max, uint64_t absent);

/* A duration from min_ms to max_ms; `absent_ms` if it is not in the file, 0 if it is faulty. */
uint64_t scalar_duration(struct faults *faults, const char *name, const char *raw, uint64_t min_ms,
                         uint64_t max_ms, uint64_t absent_ms);

/* A rate of 1 to `max` of what is counted, such as "tokens"; one of 0 if it is faulty or
 * not in the file. */
struct rate scalar_rate(struct faults *faults, const char *name, const char *counted, uint64_t max,
                        const char *raw);

/* Whether some key can match a glob, which has passed key_check; reported if not. */
bool scalar_check_glob(struct faults *faults, const char *name, struct placed glob);

/* The end of an override in Unix seconds; OVERRIDE_FOR_EVER if it is faulty or not in the file. */
int64_t scalar_until(struct faults *faults, const char *raw);

/* The index of a word among `count` ones; `absent` if it is faulty or not in the file. */
size_t scalar_word(struct faults *faults, const char *name, const char *raw,
                   const char *const words[], size_t count, size_t absent);

/* true or false; false if it is faulty or not in the file. */
bool scalar_flag(struct faults *faults, const char *name, const char *raw);
