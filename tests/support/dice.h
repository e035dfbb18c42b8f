/*
 * Dice: random numbers for tests, the same again for the same ALLOWD_SEED.
 *
 * Owns nothing. A struct dice belongs to one thread. Never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

/* The run's seed: ALLOWD_SEED, or a fresh one. Printed the first time, main thread only. */
uint64_t dice_seed(void);

/* Dice of the run's seed; different streams are independent of each other. */
struct dice dice_new(uint64_t stream);

uint64_t dice_bits(struct dice *dice);

/* 0 to sides - 1. */
uint64_t dice_roll(struct dice *dice, uint64_t sides);

/* low to high, both included. */
uint64_t dice_between(struct dice *dice, uint64_t low, uint64_t high);

/* Yes, once in so many times. */
bool dice_once_in(struct dice *dice, uint64_t times);

/* A whole number of the environment, or what to take when it is not set. */
uint64_t environment_number(const char *name, uint64_t otherwise);

/* How often to repeat what dice choose: the same, but where a sanitizer makes each as dear as
 * ten it is a fifth of `otherwise`. */
uint64_t dice_repeats(const char *name, uint64_t otherwise);
