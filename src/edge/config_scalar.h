/*
 * The scalars of a raw configuration, read strictly.
 *
 * A faulty one is reported at the place it has in front, with what is allowed,
 * and reads as 0, which no number, duration or rate may be.
 *
 * Owns nothing. Any thread. Never blocks. Errors: faults.
 */
#pragma once

#include "brain/message.h"
#include "edge/faults.h"
#include "pure/quantity.h"

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

/* A number from 1 to max; `absent` if it is not in the file, 0 if it is faulty. */
uint64_t scalar_number(struct faults *faults, const char *name, const char *raw, uint64_t max,
                       uint64_t absent);

/* The tick in milliseconds, its default if it is not in the file, 0 if it is faulty. */
uint64_t scalar_tick(struct faults *faults, const char *raw);

/* A rate; one of 0 tokens if it is faulty or not in the file. */
struct rate scalar_rate(struct faults *faults, const char *raw);

/* What to do when the table is full; the default if it is faulty or not in the file. */
enum when_full scalar_when_full(struct faults *faults, const char *raw);
